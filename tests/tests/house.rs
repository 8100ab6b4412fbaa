//! A node is a guest: whatever it is at, it leaves the machine alone as soon as its owner's rules say so, and
//! everybody can read why. The machine's sensors are files that the test writes.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tessera_client::Client;
use tessera_protocol::NodeId;
use tessera_protocol::house::NodeReport;
use tessera_protocol::job::{JobState, JobView};
use tessera_protocol::node::NodeView;
use tessera_protocol::settings::RenderSettings;
use world::farm::{Device, Farm};
use world::process::{Process, eventually, program};
use world::usage::Usage;

struct World {
    farm: Farm,
    client: Client,
    node: NodeId,
    running: Process,
    _master: Process,
}

impl World {
    async fn new() -> Self {
        let farm = Farm::new(Duration::from_secs(2));
        let master = farm.start_master();
        let client = farm.client().await;
        let machine = farm.path().join("machine");
        std::fs::create_dir_all(machine.join("sys/class/hwmon/hwmon0")).unwrap();
        std::fs::create_dir_all(machine.join("proc/self")).unwrap();
        std::fs::write(machine.join("sys/class/hwmon/hwmon0/name"), "k10temp\n").unwrap();
        write(&machine.join("proc/self/stat"), "1 (node) S 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
        let mut command = farm.node("node", "node", Device::Cpu);
        command.env("TESSERA_SENSORS_BELOW", &machine);
        let running = Process::start(&mut command, &farm.log("node"));
        farm.joined(&client, 1).await;
        let node = client.nodes().await.unwrap()[0].id;
        let world = Self { farm, client, node, running, _master: master };
        world.heats_to(60);
        world.processors_did("0 0 0 100");
        world
    }

    fn heats_to(&self, celsius: u32) {
        let sensor = self.farm.path().join("machine/sys/class/hwmon/hwmon0/temp1_input");
        write(&sensor, &format!("{celsius}000\n"));
    }

    /// Ticks for users, nice users, the system, and nobody.
    fn processors_did(&self, ticks: &str) {
        write(&self.farm.path().join("machine/proc/stat"), &format!("cpu  {ticks} 0 0 0 0 0 0\n"));
    }

    /// Runs a command of the node's owner; what it printed.
    fn owner(&self, words: &[&str]) -> String {
        let mut command = Command::new(program("render-node"));
        command.args(words).arg("--state").arg(self.farm.path().join("node"));
        command.env("TESSERA_SENSORS_BELOW", self.farm.path().join("machine"));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The node as its owner sees it.
    async fn view(&self) -> Option<NodeView> {
        self.client.nodes().await.ok()?.pop()
    }

    async fn submit(&self, spp: u32) -> JobView {
        let scene = tessera_scenes::conformance().swap_remove(0);
        let size = RenderSettings { width: 64, height: 64, ..RenderSettings::default() };
        // Another seed makes it another job.
        let settings = RenderSettings { spp, seed: spp, ..size };
        self.farm.submit(&self.client, &scene, settings, 1, (64, spp)).await
    }

    /// Waits until the node is said to rest for this reason, or for none.
    async fn rests(&self, code: Option<&str>) -> NodeReport {
        let what = code.map_or("the node works".to_owned(), |code| format!("it rests: {code}"));
        eventually(&what, async || {
            let report = self.view().await?.report?;
            (report.rests.map(|rest| rest.code()) == code).then_some(report)
        })
        .await
    }

    async fn why(&self) -> String {
        self.client.why_node(self.node).await.unwrap().swap_remove(0).sentence
    }
}

/// In one step: the node may be reading it.
fn write(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(&beside, path).unwrap();
}

/// How much of one core a node uses, its renderer included, until its node is heard of again, which takes a second at least.
async fn load(process: u32, world: &World) -> f64 {
    let heard = async || world.view().await.unwrap().last_seen_ms;
    let (before, begun, at) = (Usage::of(process).cpu_s, Instant::now(), heard().await);
    eventually("the node is heard again", async || (heard().await >= at + 1000).then_some(()))
        .await;
    (Usage::of(process).cpu_s - before) / begun.elapsed().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_leaves_its_machine_alone_when_its_owner_wants_it_to() {
    let world = World::new().await;
    assert_eq!(world.owner(&["schedule"]), "always\n");
    let said = world.owner(&["config", "max-temperature", "80"]);
    assert!(said.contains("80 °C") && said.contains("now 60 °C"), "{said}");

    // Hot before there is work: none is taken, and everybody reads why.
    world.heats_to(95);
    let report = world.rests(Some("too_hot")).await;
    assert_eq!(report.temperature_c, Some(95));
    let job = world.submit(4).await;
    assert!(world.why().await.contains("95 °C; its owner allows 80 °C"));
    world.heats_to(78);
    assert!(world.rests(Some("too_hot")).await.rests.is_some(), "it has to cool down first");
    world.heats_to(70);
    world.farm.completed(&world.client, job.id).await;

    // Hot in the midst of work without end: it stops there.
    let endless = world.submit(65_536).await;
    eventually("the node has the job in hand", async || {
        (world.view().await?.units_leased > 0).then_some(())
    })
    .await;
    let busy = load(world.running.id(), &world).await;
    let begun = Instant::now();
    world.heats_to(81);
    world.rests(Some("too_hot")).await;
    println!("told after {:.1} s", begun.elapsed().as_secs_f64());
    let resting = load(world.running.id(), &world).await;
    assert!(resting < busy / 5.0, "it uses {resting:.2} of a core, {busy:.2} at work");

    // Others on the processor, and hours: the next reason when the first is gone.
    world.owner(&["config", "only-when-idle", "on"]);
    world.processors_did("50 0 0 150");
    world.heats_to(60);
    world.rests(Some("processor_in_use")).await;
    assert!(world.why().await.contains("50 %"), "{}", world.why().await);
    world.owner(&["schedule", "never"]);
    world.rests(Some("out_of_hours")).await;
    world.owner(&["config", "only-when-idle", "off"]);
    world.owner(&["schedule", "always"]);
    world.rests(None).await;

    // Nothing was lost by it: the job goes on, and the node is not to blame.
    world.client.cancel(endless.id).await.unwrap();
    let job = world.submit(8).await;
    let job = world.farm.completed(&world.client, job.id).await;
    assert_eq!(job.state, JobState::Completed);
    assert_eq!(world.view().await.unwrap().record.rejections, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hours_are_set_from_afar_and_who_spoke_last_wins() {
    let world = World::new().await;
    world.owner(&["config", "max-temperature", "80"]);
    let set = async |text: &str| {
        let view = world.client.set_hours(world.node, &text.parse().unwrap()).await.unwrap();
        view.hours.unwrap()
    };
    let kept = async |text: &str| {
        eventually(&format!("it keeps {text}"), async || {
            world.view().await?.report?.hours.filter(|kept| kept.hours.to_string() == text)
        })
        .await
    };
    kept("always").await;
    let never = set("never").await;
    let begun = Instant::now();
    world.rests(Some("out_of_hours")).await;
    println!("rests after {:.1} s", begun.elapsed().as_secs_f64());
    assert_eq!(kept("never").await, never);
    assert!(world.why().await.contains("no hour of the week"), "{}", world.why().await);
    assert_eq!(world.owner(&["schedule"]), "never\n");
    let job = world.submit(4).await;

    // Whoever is at the machine has the last word, until the next one.
    let said = world.owner(&["schedule", "always"]);
    assert!(said.contains("These hours hold"), "{said}");
    let report = world.rests(None).await;
    assert!(report.hours.unwrap().set_ms > never.set_ms);
    world.farm.completed(&world.client, job.id).await;
    set("never").await;
    world.rests(Some("out_of_hours")).await;
    let always = set("always").await;
    world.rests(None).await;
    assert_eq!(kept("always").await, always);
    let job = world.submit(8).await;
    assert_eq!(world.farm.completed(&world.client, job.id).await.state, JobState::Completed);
    let said = world.owner(&["config"]);
    assert!(said.contains("80 °C"), "no other rule was changed: {said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_rule_is_refused_and_the_old_ones_stay() {
    let world = World::new().await;
    world.owner(&["schedule", "mon-fri", "19:00-07:00,", "sat-sun"]);
    let fails = |words: &[&str]| {
        let mut command = Command::new(program("render-node"));
        command.args(words).arg("--state").arg(world.farm.path().join("node"));
        let output = command.output().unwrap();
        assert!(!output.status.success(), "{words:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(fails(&["schedule", "noon"]).contains("'noon' is no part of a week"));
    assert!(fails(&["config", "max-temperature", "200"]).contains("30 to 110"));
    assert!(fails(&["config", "only-when-idle", "maybe"]).contains("neither on nor off"));
    assert!(fails(&["config", "max-power"]).contains("<VALUE>"));
    assert_eq!(world.owner(&["schedule"]), "mon-fri 19:00-07:00, sat-sun\n");
}
