//! A scene goes the whole way by the command line: a real master, a real node, and the program
//! `farm` as people start it.

use crate::common::{Farm, said};
use render_node::render::cpu::CpuBackend;
use render_node::render::{Backend, Brake};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tessera_protocol::settings::RenderSettings;
use tessera_protocol::{FrameNumber, SampleRange, sums};
use tessera_reference::Source;

/// The hash of frame `number` of `glb`, rendered without any farm.
fn alone(glb: &[u8], settings: &RenderSettings, number: u32, fps: u32) -> String {
    let time_s = f64::from(number) / f64::from(fps);
    let frame =
        Source::load(glb, None).unwrap().frame(settings, FrameNumber(number), time_s).unwrap();
    let mut backend = CpuBackend::new(None);
    backend.load(Arc::new(frame)).unwrap();
    let samples = SampleRange { start: 0, end: settings.spp };
    let pixels = backend.render(settings.frame_rect(), samples, &Brake::default()).unwrap();
    sums::hash(&pixels).to_string()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| PathBuf::from(entry.unwrap().file_name()))
        .collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scene_becomes_pictures_and_a_film() {
    let farm = Farm::start().await;
    let glb = tessera_scenes::conformance().swap_remove(0).glb;
    std::fs::write(farm.folder.path().join("room.glb"), &glb).unwrap();
    let submit = "submit room.glb --frames 3-5 --size 50x34 --spp 5 --seed 7 --max-bounces 3 \
                  --tile 16 --samples-per-unit 2 --fps 12 -o out";
    let told = farm.json(&submit.split_whitespace().collect::<Vec<_>>()).await;
    let job = told[0]["id"].as_str().unwrap().to_owned();
    let kinds: Vec<_> = told.iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(kinds.iter().filter(|&&kind| kind == "frame").count(), 3, "{told:?}");
    assert_eq!(told.last().unwrap()["new"].as_array().unwrap().len(), 7);
    let names = ["3.exr", "3.png", "4.exr", "4.png", "5.exr", "5.png"]
        .map(|name| PathBuf::from(format!("frame-000{name}")));
    let expected = [&["film.mp4".into()], &names[..], &["job.txt".into()]].concat();
    assert_eq!(files(&farm.folder.path().join("out")), expected);

    let settings = RenderSettings {
        width: 50,
        height: 34,
        spp: 5,
        seed: 7,
        max_bounces: 3,
        ..RenderSettings::default()
    };
    let shown = farm.json(&["show", &job]).await.remove(0);
    for (i, number) in (3..=5).enumerate() {
        assert_eq!(shown["frames"][i]["hash"], alone(&glb, &settings, number, 12), "{number}");
    }

    // A second download fetches only what is missing.
    std::fs::remove_file(farm.folder.path().join("out/frame-0004.png")).unwrap();
    let again = farm.json(&["download", &job, "-o", "out"]).await.remove(0);
    assert_eq!(again["new"], serde_json::json!(["out/frame-0004.png"]));
    let nodes = farm.json(&["nodes"]).await.remove(0);
    assert_eq!(nodes[0]["units_verified"], shown["job"]["units"]["verified"]);
    farm.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_failure_has_its_sentence_and_its_exit_status() {
    let farm = Farm::start().await;
    let none = "0".repeat(32);
    let nobody = "http://127.0.0.1:1";
    std::fs::write(farm.folder.path().join("not.glb"), "a poem").unwrap();
    let cases = [
        (1, farm.farm(&["submit", "missing.glb"]).await, "missing.glb"),
        (1, farm.farm(&["submit", "not.glb"]).await, "neither a .glb"),
        (1, farm.farm(&["submit", "not.glb", "--spp", "0"]).await, "spp"),
        (2, farm.farm(&["submit", "not.glb", "--frames", "9-1"]).await, "1-48"),
        (2, farm.farm(&["requeue", &none, "--frames", "9-1"]).await, "1-48"),
        (3, farm.farm(&["show", &none]).await, &none),
        (3, farm.farm(&["requeue", &none]).await, &none),
        (4, farm.farm_with(&farm.address, "operator-00", &["jobs"]).await, "token"),
        (1, farm.farm_with("http://192.0.2.1", "t", &["jobs"]).await, "plain http"),
    ];
    for (status, output, word) in &cases {
        let said = said(output);
        assert_eq!(output.status.code(), Some(*status), "{said}");
        assert!(said.contains(word), "{said}");
    }
    let unreachable = farm.farm_with(nobody, "t", &["jobs"]).await;
    assert_eq!(unreachable.status.code(), Some(6), "{}", said(&unreachable));
    assert!(said(&unreachable).contains(nobody));
    farm.stop().await;
}
