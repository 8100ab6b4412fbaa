//! A machine becomes a node by one line, and stops being one without a trace: on a whole Debian, of which
//! every changed file is seen, since it is this machine's own below a layer that is thrown away.
#![forbid(unsafe_code)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;
use tessera_client::Client;
use tessera_protocol::node::NodeWish;
use tessera_protocol::token::TokenScope;
use world::farm::Farm;
use world::process::{PATIENCE, eventually};

const HEARTBEAT: Duration = Duration::from_secs(10);
/// Said after each command's output.
const END: &str = "this command has ended with";
/// What a service of its kind is still open to; 10 is everything (`systemd-analyze security`).
const EXPOSURE_MOST: f64 = 1.5;

/// A shell in a mount namespace of its own, where `m` is this machine below a layer of its own, `t/u`.
struct Machine {
    shell: Child,
    told: ChildStdin,
    said: BufReader<ChildStdout>,
    folder: tempfile::TempDir,
}

impl Machine {
    /// `None`, with a word why, where this user or kernel makes no such thing.
    fn possible() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut shell = Command::new("unshare")
            .args(["--mount", "--fork", "--kill-child", "sh", "-s"])
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let (told, said) = (shell.stdin.take().unwrap(), shell.stdout.take().unwrap());
        let mut machine = Self { shell, told, said: BufReader::new(said), folder };
        let made = machine.run(
            "mkdir t m && mount -t tmpfs t t && mkdir t/u t/w && \
             mount -t overlay overlay -o lowerdir=/,upperdir=t/u,workdir=t/w m && \
             mount --rbind /proc m/proc && mount --rbind /dev m/dev && mount --bind . m/mnt && \
             chroot m sh -c 'command -v curl || command -v wget'",
        );
        match made {
            Some((fetcher, 0)) => {
                println!("fetching by {}", fetcher.trim());
                Some(machine)
            }
            _ => {
                println!(
                    "skipped: no overlay of this machine can be made here, or nothing fetches"
                );
                None
            }
        }
    }

    /// What a command says, and its status; `None` if the shell is gone.
    fn run(&mut self, command: &str) -> Option<(String, i32)> {
        writeln!(
            self.told,
            "{{ {command}\n}} 2>&1 </dev/null; status=$?; echo; echo \"{END} $status\""
        )
        .ok()?;
        let mut said = String::new();
        loop {
            let mut line = String::new();
            if self.said.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(status) = line.strip_prefix(END) {
                return Some((said, status.trim().parse().unwrap()));
            }
            said.push_str(&line);
        }
    }

    /// The same on the machine, where it must succeed.
    fn succeeds(&mut self, command: &str) -> String {
        let quoted = command.replace('\'', r"'\''");
        let (said, status) = self.run(&format!("chroot m sh -c '{quoted}'")).unwrap();
        assert_eq!(status, 0, "{command} said\n{said}");
        said
    }

    /// What is there now and was not, or is otherwise than it was; but for `/run`, which is in memory.
    fn changed(&mut self) -> Vec<String> {
        let (said, _) = self
            .run(
                "(cd t/u && find . -mindepth 1 ! -path './run/*' | sort) | while read -r path; do \
                 [ -d \"t/u/$path\" ] && [ -d \"/$path\" ] || echo \"${path#.}\"; done",
            )
            .unwrap();
        said.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

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
        let socket = UnixDatagram::bind(machine.folder.path().join("ear")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    fn hears(&self) -> String {
        let mut message = [0; 1024];
        let bytes = self.0.recv(&mut message).expect("the service says something");
        String::from_utf8(message[..bytes].to_vec()).unwrap()
    }
}

const INSTALLED: [&str; 6] = [
    "/etc/systemd/system/multi-user.target.wants/tessera-node.service",
    "/etc/systemd/system/tessera-node.service",
    "/etc/tessera-node",
    "/etc/tessera-node/node.env",
    "/etc/tessera-node/token",
    "/usr/local/bin/render-node",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_line_installs_a_node_twice_and_uninstalling_leaves_nothing() {
    let Some(mut machine) = Machine::possible() else { return };
    let farm = Farm::new(HEARTBEAT);
    let _master = farm.start_master();
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
