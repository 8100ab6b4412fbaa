//! Scenes are read by a process of their own, which may die without anybody else.

use crate::world::spec;
use std::path::Path;
use tessera_farm_master::config::InspectScene;
use tessera_farm_master::scene::shut_in::{SceneLimits, inspector};
use tessera_protocol::BlobHash;
use tessera_scenes::model::{Material, Model, PictureFile, Reading, Texture, Wrap};
use tessera_scenes::picture::Picture;
use tessera_scenes::shapes::cuboid;

const PROGRAM: &str = env!("CARGO_BIN_EXE_farm-master");

fn within(limits: SceneLimits) -> InspectScene {
    inspector(PROGRAM.into(), limits)
}

fn read(inspect: &InspectScene, scene: &[u8]) -> Result<Vec<String>, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("scene.glb");
    std::fs::write(&file, scene).unwrap();
    inspect(&file, None, &spec(BlobHash([5; 32])))
}

/// A cube whose picture has 64 million texels: a file of a few megabytes, and seconds of decoding.
fn with_a_large_picture() -> Vec<u8> {
    let mut model = Model::new();
    let texture = model.texture(Texture {
        picture: Picture::opaque(8_000, 8_000, |x, y| [x as u8, y as u8, (x / 8 * y / 8) as u8]),
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
    assert_eq!(read(&inspect, &scene.glb), Ok(vec![]));
    let cut = read(&inspect, &scene.glb[..40]).unwrap_err();
    assert!(!cut.contains("process"), "{cut}");
    let missing = inspect(Path::new("/nowhere.glb"), None, &spec(BlobHash([5; 32]))).unwrap_err();
    assert!(missing.contains("could not be read"), "{missing}");
}

#[test]
fn a_scene_that_takes_more_than_it_may_is_refused_with_what_it_took() {
    let scene = with_a_large_picture();
    let little_memory = SceneLimits { memory_mb: 300, ..SceneLimits::default() };
    let refused = read(&within(little_memory), &scene).unwrap_err();
    assert!(refused.contains("more than the 300 MiB of memory"), "{refused}");
    let little_time = SceneLimits { cpu_s: 1, ..SceneLimits::default() };
    let refused = read(&within(little_time), &scene).unwrap_err();
    assert!(refused.contains("more than the 1 s of processor time"), "{refused}");
}

#[test]
fn without_the_program_nothing_is_read_and_why_is_said() {
    let inspect = inspector("/nowhere/farm-master".into(), SceneLimits::default());
    let scene = tessera_scenes::conformance().swap_remove(0);
    let refused = read(&inspect, &scene.glb).unwrap_err();
    assert!(refused.contains("given to a process"), "{refused}");
}
