//! A tolerant job on a device whose driver rearranges arithmetic, and on an exact one: each renders
//! what the other did, the frames are whole, and anybody can check both renders afterwards.
#![forbid(unsafe_code)]

use std::process::Command;
use std::time::Duration;
use tessera_client::Client;
use tessera_protocol::commit::NodeKey;
use tessera_protocol::job::JobView;
use tessera_protocol::node::{DeviceClass, NodeView};
use tessera_protocol::receipt::Receipt;
use tessera_protocol::settings::RenderSettings;
use tessera_protocol::verdict::{Alike, Second, Verdict};
use world::farm::{Device, Farm};
use world::process::{eventually, program};
use world::vulkan::Driver;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_with_bits_of_its_own_renders_tolerant_jobs_and_no_others() {
    let mut scenes = tessera_scenes::conformance().into_iter();
    let scene = scenes.find(|scene| scene.name == "room").expect("the scene `room`");
    let settings = RenderSettings {
        width: 96,
        height: 80,
        spp: 16,
        max_bounces: scene.max_bounces,
        ..RenderSettings::default()
    };
    let farm = Farm::new(Duration::from_secs(2));
    let _master = farm.start_master();
    let client = farm.client().await;
    let _fast = farm.start_node("fast", Device::Fast(Driver::Lavapipe));
    let fast = node(&client, "fast").await;
    assert_eq!(fast.class, DeviceClass::Tolerant, "{}", farm.said("fast"));

    // There is nobody for an exact job, nor for the second render.
    let cut = (32, 16);
    let exact = farm.submit(&client, &scene, settings.clone(), 1, cut).await;
    let settings = RenderSettings { seed: 2, ..settings };
    let class = DeviceClass::Tolerant;
    let job = farm.submit_as(class, &client, &scene, settings, 2, cut).await;
    eventually("one node has rendered all it may", async || {
        let now = client.job(job.id).await.ok()?;
        (now.units.submitted == job.spec.units()).then_some(())
    })
    .await;
    let codes = |why: Vec<tessera_protocol::job::Why>| why.into_iter().map(|why| why.code);
    let why: Vec<_> = codes(client.why(job.id).await.unwrap()).collect();
    assert!(why.contains(&"second_render_wanted".to_owned()), "{why:?}");
    let why: Vec<_> = codes(client.why(exact.id).await.unwrap()).collect();
    assert_eq!(why, ["no_fitting_nodes"]);

    let _cpu = farm.start_node("cpu", Device::Cpu);
    let job = farm.completed(&client, job.id).await;
    farm.completed(&client, exact.id).await;
    let (fast, cpu) = (node(&client, "fast").await, node(&client, "cpu").await);
    assert_eq!(fast.units_verified, job.spec.units());
    assert_eq!(cpu.units_verified, job.spec.units() + exact.spec.units());
    assert_eq!((fast.record.rejections, cpu.record.rejections), (0, 0));
    check_receipts(&farm, &job);
}

async fn node(client: &Client, name: &str) -> NodeView {
    eventually("the node has joined", async || {
        client.nodes().await.ok()?.into_iter().find(|node| node.name == name)
    })
    .await
}

/// `farm receipt` and `farm verify` of the job, as a person would call them.
fn check_receipts(farm: &Farm, job: &JobView) {
    let folder = farm.path().join("receipts");
    let token = std::fs::read_to_string(farm.token_file()).unwrap();
    let call = |arguments: &[&str]| {
        let output = Command::new(program("farm"))
            .env("TESSERA_MASTER", farm.url())
            .env("TESSERA_TOKEN", token.trim())
            .args(arguments)
            .arg(&folder)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned() + &said)
    };
    let (fetched, said) = call(&["receipt", &job.id.to_string(), "-o"]);
    assert!(fetched, "{said}");
    let (verified, said) = call(&["verify", "--pixels", "200"]);
    assert!(verified, "{said}");

    let lines = std::fs::read_to_string(folder.join("receipts.jsonl")).unwrap();
    let receipts: Vec<Receipt> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let pairs: Vec<_> = receipts
        .iter()
        .map(|receipt| match &receipt.verdict {
            Verdict::Alike(alike) => (alike.enters, alike.second.expect("a pair")),
            other => panic!("{other:?}"),
        })
        .collect();
    let entering = pairs.iter().filter(|(enters, _)| *enters).count();
    assert_eq!(2 * entering, pairs.len(), "each lease has its second");
    assert!(pairs.iter().any(|(_, second)| second.within_ppm < 1_000_000), "the devices differ");

    // A master that says that a result confirms itself is found, though it signs well.
    let text = std::fs::read_to_string(farm.path().join("master/master.key")).unwrap();
    let byte = |at: usize| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap();
    let key = NodeKey::from_secret(&std::array::from_fn(byte));
    let itself = receipts.iter().map(|receipt| {
        let Receipt { commit, signature, terms, secret, .. } = receipt.clone();
        let Verdict::Alike(alike) = receipt.verdict else { panic!("{:?}", receipt.verdict) };
        let second = Second { lease: commit.lease, within_ppm: 1_000_000, distance: 0 };
        let verdict = Verdict::Alike(Alike { second: Some(second), looked: 0, ..alike });
        Receipt::issue(&key, commit, signature, terms, secret, verdict)
    });
    let forged: String =
        itself.map(|receipt| serde_json::to_string(&receipt).unwrap() + "\n").collect();
    let file = folder.join("receipts.jsonl");
    std::fs::write(&file, forged).unwrap();
    let (verified, said) = call(&["verify"]);
    assert!(!verified && said.contains("no second render of another node's"), "{said}");
    std::fs::write(&file, &lines).unwrap();

    // One flipped bit of the sums that only confirm the others is found as well.
    let confirms = receipts.iter().find(|receipt| match &receipt.verdict {
        Verdict::Alike(alike) => !alike.enters,
        _ => false,
    });
    let lease = confirms.expect("half of them").commit.lease;
    let file = folder.join("results").join(lease.to_string());
    let mut bytes = std::fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let (verified, said) = call(&["verify"]);
    assert!(!verified && said.contains(&lease.to_string()), "{said}");
}
