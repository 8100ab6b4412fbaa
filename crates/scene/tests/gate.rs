//! The gate before a GPU: a whole scene passes, and each kind of damage is stopped.

mod common;

use common::{Glb, hdr, png, textured, view};
use serde_json::json;
use std::sync::Arc;
use tessera_scene::{Asset, Limits, validate};
use tessera_shaders::layout::{CanonicalScene, Light, NONE};

/// A card that glows and has a texture, a lamp and a sky.
fn whole() -> CanonicalScene {
    let mut glb = Glb::card(&json!({}));
    let texture = glb.picture(&png(2, 2, &[99; 16]));
    textured(
        &mut glb,
        &json!({
            "pbrMetallicRoughness": {"baseColorTexture": {"index": texture}},
            "emissiveFactor": [1, 1, 1],
        }),
    );
    glb.light(json!({"type": "point"}), json!({"translation": [0, 3, 0]}));
    let sky = hdr(8, 4, |x, _| [x as u8 + 2, 1, 1, 130]);
    let asset = Asset::load(&glb.bytes(), Some(&sky), &Limits::default()).unwrap();
    common::frame(&asset, &view())
}

type Damage = fn(&mut CanonicalScene);

fn first<T: Clone>(items: &mut Arc<Vec<T>>) -> &mut T {
    &mut Arc::make_mut(items)[0]
}

/// What breaks an index or a count.
const INDICES: [(&str, Damage); 32] = [
    ("corner", |s| first(&mut s.triangles).corners[2] = 4),
    ("record", |s| first(&mut s.triangles).more = 2),
    ("record overflow", |s| first(&mut s.triangles).more = NONE),
    ("texture coordinates", |s| first(&mut s.materials).base_color_texture.flags = 128),
    ("mesh end", |s| first(&mut s.meshes).triangle_count = 3),
    ("mesh overflow", |s| first(&mut s.meshes).first_triangle = NONE),
    ("empty mesh", |s| first(&mut s.meshes).triangle_count = 0),
    ("no material", |s| s.materials = Arc::default()),
    ("texture end", |s| first(&mut s.materials).base_color_texture.height = 100),
    ("texture start", |s| first(&mut s.materials).base_color_texture.first_texel = NONE - 1),
    ("texture width", |s| first(&mut s.materials).base_color_texture.width = 0),
    ("texture wrap", |s| first(&mut s.materials).base_color_texture.flags = 3),
    ("unlit", |s| first(&mut s.materials).unlit = 2),
    ("material padding", |s| first(&mut s.materials).padding[2] = 1),
    ("alpha mode", |s| first(&mut s.materials).alpha_mode = 3),
    ("first cell", |s| first(&mut s.cells).start = 1),
    ("cell beyond 1", |s| Arc::make_mut(&mut s.cells)[7].start = (1 << 24) + 1),
    ("cells without order", |s| Arc::make_mut(&mut s.cells)[5].start = 1),
    ("first row", |s| Arc::make_mut(&mut s.cells)[..8].iter_mut().for_each(|c| c.row_start = 1)),
    ("rows without order", |s| {
        Arc::make_mut(&mut s.cells)[24..].iter_mut().for_each(|c| c.row_start = 1);
    }),
    ("a row that starts twice", |s| Arc::make_mut(&mut s.cells)[1].row_start = 5),
    ("instance mesh", |s| s.instance_meshes[0] = 1),
    ("instance meshes", |s| s.instance_meshes.push(0)),
    ("instance material", |s| s.instances[0].material = 1),
    ("instance triangle", |s| s.instances[0].first_triangle = 1),
    ("instance light", |s| s.instances[0].first_light = 1),
    ("instance lights", |s| s.instances[0].first_light = 3),
    ("light alias", |s| s.lights[0].alias = 4),
    ("light kind", |s| s.lights[0].kind = 5),
    ("light instance", |s| s.lights[0].instance = 1),
    ("light triangle", |s| s.lights[0].triangle = 1),
    ("light threshold", |s| s.lights[0].threshold = NONE),
];

/// What breaks a number.
const NUMBERS: [(&str, Damage); 15] = [
    ("vertex nan", |s| first(&mut s.vertices).position[1] = f32::NAN),
    ("vertex beyond 2", |s| first(&mut s.vertices).position[1] = 2.5),
    ("vertex -0", |s| first(&mut s.vertices).normal[0] = -0.0),
    ("vertex tiny", |s| first(&mut s.vertices).u = 1e-31),
    ("material", |s| first(&mut s.materials).roughness = 1.5),
    ("emission", |s| first(&mut s.materials).emission[0] = -1.0),
    ("cell density", |s| first(&mut s.cells).density = f32::INFINITY),
    ("matrix", |s| s.instances[0].world_to_local[0][0] = 2e12),
    ("matrix nan", |s| s.instances[0].local_to_world[2][3] = f32::NAN),
    ("box", |s| s.instances[0].lo[0] = 3.0),
    ("stretch", |s| s.instances[0].stretch = 0.0),
    ("light", |s| s.lights[2].intensity[0] = f32::NAN),
    ("probability", |s| s.lights[0].probability = 1.5),
    ("camera", |s| s.frame.camera_up[0] = f32::INFINITY),
    ("strength", |s| s.frame.environment_strength = -1.0),
];

/// What breaks the frame's account of the scene.
const FRAME: [(&str, Damage); 17] = [
    ("width", |s| s.frame.width = 0),
    ("inverse", |s| s.frame.inverse_width = 0.5),
    ("light count", |s| s.frame.light_count = 8),
    ("instance count", |s| s.frame.instance_count = 2),
    ("lights not a power of two", |s| {
        s.lights.pop();
        s.frame.light_count = 3;
    }),
    ("cells", |s| s.frame.cells_width = 16),
    ("cells not a power of two", |s| {
        Arc::make_mut(&mut s.cells).truncate(24);
        s.frame.cells_height = 3;
    }),
    ("environment end", |s| s.frame.environment_texel += 1),
    ("environment size", |s| s.frame.environment_width = 1 << 20),
    ("environment light", |s| s.frame.environment_light = 0),
    ("environment without texels", |s| s.frame.environment_texel = NONE),
    ("background", |s| s.frame.background = 2),
    ("parallel", |s| s.frame.parallel = 2),
    ("frame padding", |s| s.frame.padding[1] = 1),
    ("rotation", |s| s.frame.rotation_sin = f32::NAN),
    ("srgb", |s| s.frame.srgb[3][1] = 1.5),
    ("light of nothing", |s| {
        s.instances[0].first_light = NONE;
    }),
];

#[test]
fn a_whole_scene_passes() {
    let scene = whole();
    assert_eq!(scene.lights.len(), 4);
    assert_eq!(scene.lights[3].kind, Light::ENVIRONMENT);
    validate(&scene).unwrap();
}

#[test]
fn each_damage_is_stopped() {
    for (name, damage) in INDICES.iter().chain(&NUMBERS).chain(&FRAME) {
        let mut scene = whole();
        damage(&mut scene);
        assert!(validate(&scene).is_err(), "{name} passed");
    }
}
