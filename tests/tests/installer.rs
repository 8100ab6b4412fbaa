//! A machine becomes a node by one line, and stops being one without a trace: on a whole Debian, of which
//! every changed file is seen, since it is this machine's own below a layer that is thrown away.
#![forbid(unsafe_code)]

use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;
use tessera_client::Client;
use tessera_protocol::node::NodeWish;
use tessera_protocol::token::TokenScope;
use world::farm::Farm;
use world::machine::Machine;
use world::process::{PATIENCE, eventually, program};

const HEARTBEAT: Duration = Duration::from_secs(10);
/// What a service of its kind is still open to; 10 is everything (`systemd-analyze security`).
const EXPOSURE_MOST: f64 = 1.5;

fn line(farm: &Farm, token: &str, more: &str) -> String {
    let url = farm.url();
    format!(
        "if command -v curl >/dev/null; then curl -fsS {url}/install.sh; else wget -qO- {url}/install.sh; \
         fi | TESSERA_TOKEN={token} sh -s -- --name 'a machine' {more}"
    )
}

/// Where a service says that it is ready: `/mnt/ear` of the machine.
struct Ear(UnixDatagram);

impl Ear {
    fn open(machine: &Machine) -> Self {
        let socket = UnixDatagram::bind(machine.folder().join("ear")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    fn hears(&self) -> String {
        let mut message = [0; 1024];
        let bytes = self.0.recv(&mut message).expect("the service says something");
        String::from_utf8(message[..bytes].to_vec()).unwrap()
    }
}

const INSTALLED: [&str; 7] = [
    "/etc/systemd/system/multi-user.target.wants/tessera-node.service",
    "/etc/systemd/system/tessera-node.service",
    "/etc/tessera-node",
    "/etc/tessera-node/node.env",
    "/etc/tessera-node/token",
    "/etc/tessera-node/update-key",
    "/usr/local/bin/render-node",
];

/// A copy of the node's program, as a farm's operator signs it.
fn signed_program(farm: &Farm) -> String {
    let offered = farm.path().join("render-node");
    std::fs::copy(program("render-node"), &offered).unwrap();
    let orders = [
        vec!["release", "keygen", "release.key"],
        vec!["release", "sign", "--key", "release.key", "--version", "0.1.0", "render-node"],
    ];
    for order in orders {
        let mut command = Command::new(program("render-node"));
        let status = command.args(&order).current_dir(farm.path()).status().unwrap();
        assert!(status.success(), "{order:?}");
    }
    offered.display().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_line_installs_a_node_twice_and_uninstalling_leaves_nothing() {
    let Some(mut machine) = Machine::possible() else { return };
    let farm = Farm::new(HEARTBEAT);
    let offered = signed_program(&farm);
    let _master = farm.start_master_with(&["--node-program", &offered]);
    let client = farm.client().await;
    let token = client.create_token(TokenScope::Enrol).await.unwrap().token;

    for round in ["first", "second"] {
        let said = machine.succeeds(&line(&farm, &token, ""));
        assert!(said.contains("tessera-node is installed"), "{said}");
        let mut expected = INSTALLED.to_vec();
        if !has_systemctl(&mut machine) {
            expected.remove(0);
        }
        assert_eq!(machine.changed(), expected, "after the {round} time");
    }
    let modes =
        machine.succeeds("stat -c '%a %U %n' /etc/tessera-node/token /usr/local/bin/render-node");
    assert_eq!(
        modes.trim(),
        "600 root /etc/tessera-node/token\n755 root /usr/local/bin/render-node"
    );

    works(&mut machine, &client).await;
    exposure(&mut machine);

    let said = machine.succeeds("render-node uninstall");
    assert!(said.contains("Its key stays in"), "{said}");
    let left = machine.changed();
    assert!(
        !left.is_empty() && left.iter().all(|path| path.starts_with("/var/lib/tessera-node")),
        "{left:?}"
    );
    machine.succeeds(&line(&farm, &token, ""));
    machine.succeeds("cp /usr/local/bin/render-node /root/again && render-node uninstall --purge");
    assert_eq!(machine.changed(), ["/root/again"]);
    machine.succeeds("/root/again uninstall --purge && rm /root/again");
    assert_eq!(machine.changed(), [""; 0]);
}

fn has_systemctl(machine: &mut Machine) -> bool {
    machine.run("command -v systemctl").is_some_and(|(_, status)| status == 0)
}

/// Starts what the service would start, and waits until it says that it has joined.
async fn works(machine: &mut Machine, client: &Client) {
    let ear = Ear::open(machine);
    let started = machine.succeeds(
        "set -a; . /etc/tessera-node/node.env; NOTIFY_SOCKET=/mnt/ear; \
         CREDENTIALS_DIRECTORY=/etc/tessera-node; \
         start=$(sed -n 's/^ExecStart=//p' /etc/systemd/system/tessera-node.service); \
         eval \"exec $start\" >/dev/null 2>&1 & echo $!",
    );
    let heard = tokio::task::spawn_blocking(move || ear.hears()).await.unwrap();
    assert!(heard.starts_with("READY=1\nSTATUS=works for "), "{heard}");
    let nodes = eventually("the node has joined", async || {
        let nodes = client.nodes().await.ok()?;
        (!nodes.is_empty()).then_some(nodes)
    })
    .await;
    assert_eq!(nodes[0].name, "a machine");
    for (order, wish) in
        [("pause", NodeWish::Pause), ("resume", NodeWish::Work), ("drain", NodeWish::Drain)]
    {
        let said = machine.succeeds(&format!("render-node {order}"));
        assert!(said.starts_with("a machine "), "{said}");
        assert_eq!(client.nodes().await.unwrap()[0].wish, wish, "after {order}");
    }
    let (said, status) = machine
        .run(
            "chroot m env -u TESSERA_TOKEN render-node pause --master http://127.0.0.1:1 \
             --state /var/lib/tessera-node",
        )
        .unwrap();
    assert!(
        status != 0 && said.contains("no token"),
        "the service's token is its master's: {said}"
    );
    let said = machine.succeeds("render-node status");
    assert!(said.starts_with("a machine ("), "{said}");
    let said = machine.succeeds("render-node update --check");
    assert!(said.contains("runs 0.1.0.\nThe farm offers 0.1.0"), "{said}");
    let (said, status) = machine.run(&format!("kill -9 {}", started.trim())).unwrap();
    assert_eq!(status, 0, "{said}");
}

/// Asks systemd what the service is open to, where it is here.
fn exposure(machine: &mut Machine) {
    let unit = "/etc/systemd/system/tessera-node.service";
    let asked = machine.run(&format!("chroot m systemd-analyze security --offline=true {unit}"));
    let Some((said, 0)) = asked else {
        return println!("not checked: systemd-analyze is not here");
    };
    let found = said.lines().find_map(|line| line.split("tessera-node.service:").nth(1));
    let exposure: f64 = found.unwrap().split_whitespace().next().unwrap().parse().unwrap();
    println!("exposure {exposure}");
    assert!(exposure <= EXPOSURE_MOST, "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_the_announced_program_is_not_installed() {
    let Some(mut machine) = Machine::possible() else { return };
    let farm = Farm::new(HEARTBEAT);
    let program = farm.path().join("render-node");
    std::fs::write(&program, "#!/bin/sh\necho ran >/root/ran\n").unwrap();
    let _master = farm.start_master_with(&["--node-program", program.to_str().unwrap()]);
    farm.client().await;
    let script = reqwest_text(&format!("{}/install.sh", farm.url())).await;
    // Between script and download the program becomes another one.
    std::fs::write(&program, "#!/bin/sh\necho evil >/root/ran\n").unwrap();
    let quoted = script.replace('\'', r"'\''");
    let (said, status) =
        machine.run(&format!("printf '%s' '{quoted}' | chroot m env TESSERA_TOKEN=t sh")).unwrap();
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("what came is not what was announced"), "{said}");
    assert_eq!(machine.changed(), [""; 0]);
}

async fn reqwest_text(url: &str) -> String {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::get(url).await.unwrap().error_for_status().unwrap().text().await.unwrap()
}
