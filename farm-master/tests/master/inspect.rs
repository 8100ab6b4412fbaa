//! Scenes are read by a process of their own, which may die without anybody else.

use crate::world::spec;
use std::path::Path;
use tessera_farm_master::config::{InspectScene, Inspected};
use tessera_farm_master::scene::shut_in::{SceneLimits, inspector};
use tessera_protocol::BlobHash;
use tessera_reference::Source;
use tessera_reference::inputs::Inputs;
use tessera_scenes::model::{Material, Model, PictureFile, Reading, Texture, Wrap};
use tessera_scenes::picture::Picture;
use tessera_scenes::shapes::cuboid;

const PROGRAM: &str = env!("CARGO_BIN_EXE_farm-master");

fn within(limits: SceneLimits) -> InspectScene {
    inspector(PROGRAM.into(), limits)
}

fn read(inspect: &InspectScene, scene: &[u8]) -> Result<Inspected, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("scene.glb");
    std::fs::write(&file, scene).unwrap();
    inspect(&file, None, &spec(BlobHash([5; 32])))
}

/// A cube whose picture has `side` times `side` texels. With 8,000 it is a file of a few megabytes, and takes
/// seconds to decode.
fn with_a_picture(side: u32) -> Vec<u8> {
    let mut model = Model::new();
    let texture = model.texture(Texture {
        picture: Picture::opaque(side, side, |x, y| [x as u8, y as u8, (x / 8 * y / 8) as u8]),
        file: PictureFile::Jpeg,
        wrap_u: Wrap::Repeat,
        wrap_v: Wrap::Repeat,
        reading: Reading::PLAIN,
    });
    let material = Material { base_texture: Some(texture), ..Material::matt([0.5; 3]) };
    model.thing(cuboid([1.0; 3]), material);
    model.to_glb()
}

#[test]
fn a_process_of_its_own_says_of_a_scene_what_this_one_would() {
    let inspect = within(SceneLimits::default());
    let scene = tessera_scenes::conformance().swap_remove(0);
    assert_eq!(read(&inspect, &scene.glb).unwrap().warnings, [""; 0]);
    let cut = read(&inspect, &scene.glb[..40]).unwrap_err();
    assert!(!cut.contains("process"), "{cut}");
    let missing = inspect(Path::new("/nowhere.glb"), None, &spec(BlobHash([5; 32]))).unwrap_err();
    assert!(missing.contains("could not be read"), "{missing}");
}

#[test]
fn a_scene_that_takes_more_than_it_may_is_refused_with_what_it_took() {
    let scene = with_a_picture(8_000);
    let little_memory = SceneLimits { memory_mb: 300, ..SceneLimits::default() };
    let refused = read(&within(little_memory), &scene).unwrap_err();
    assert!(refused.contains("more than the 300 MiB of memory"), "{refused}");
    let little_time = SceneLimits { cpu_s: 1, ..SceneLimits::default() };
    let refused = read(&within(little_time), &scene).unwrap_err();
    assert!(refused.contains("more than the 1 s of processor time"), "{refused}");
}

#[test]
fn what_a_scene_takes_of_memory_is_measured_where_it_is_read() {
    let inspect = within(SceneLimits::default());
    let takes = |scene: &[u8]| {
        let memory = read(&inspect, scene).unwrap().memory;
        let spec = spec(BlobHash([5; 32]));
        let mut source = Source::load(scene, None).unwrap();
        let device_bytes = [spec.frames.first, spec.frames.last].map(|frame| {
            let frame = source.frame(&spec.settings, frame, spec.time_s(frame)).unwrap();
            Inputs::of(&frame).bytes()
        });
        assert_eq!(Some(memory.device_bytes), device_bytes.into_iter().max());
        memory
    };
    let (small, large) = (takes(&with_a_picture(16)), takes(&with_a_picture(2_048)));
    assert_eq!(large.device_bytes - small.device_bytes, 4 * (2_048 * 2_048 - 16 * 16));
    // For a moment there are its file, its picture, and what is made of that.
    let (texels, more) = (4 * 2_048 * 2_048, large.host_bytes - small.host_bytes);
    assert!((texels..8 * texels).contains(&more), "{more} bytes for {texels}");
    assert!(small.host_bytes < 256 << 20, "{} bytes for a cube", small.host_bytes);
}

#[test]
fn without_the_program_nothing_is_read_and_why_is_said() {
    let inspect = inspector("/nowhere/farm-master".into(), SceneLimits::default());
    let scene = tessera_scenes::conformance().swap_remove(0);
    let refused = read(&inspect, &scene.glb).unwrap_err();
    assert!(refused.contains("given to a process"), "{refused}");
}
