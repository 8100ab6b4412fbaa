//! The same input gives the same bits; a power of two of scale changes nothing else; and the
//! scenes that all renderers must agree on are read whole.

mod common;

use common::{Glb, frame, hdr, png, textured, view};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tessera_scene::{Asset, KERNEL_ID, Limits, Note, View, validate};
use tessera_shaders::layout::{CanonicalScene, Light};

/// A scene of turned and stretched things, lamps of all kinds and an emissive card, all lengths
/// multiplied by `unit`: in the vertices, or in a node above everything.
fn scaled(unit: f64, by_node: bool) -> Vec<u8> {
    let (inner, outer) = if by_node { (1.0, unit) } else { (unit, 1.0) };
    let mut glb = Glb::card(&json!({}));
    let corners = [0.1, 0.2, 0.3, 1.7, 0.0, 0.0, 1.0, 1.3, 0.0, 0.0, 1.0, -0.4];
    let positions = glb.floats(3, &corners.map(|x: f64| (x * inner) as f32));
    glb.json["meshes"][0]["primitives"][0]["attributes"]["POSITION"] = json!(positions);
    let texture = glb.picture(&png(2, 1, &[128, 128, 255, 255, 255, 128, 128, 255]));
    textured(&mut glb, &json!({"normalTexture": {"index": texture}, "emissiveFactor": [1, 2, 3]}));
    glb.push("cameras", json!({"type": "perspective", "perspective": {"yfov": 0.7}}));
    let at = |x: f64, y: f64, z: f64| json!([x * inner, y * inner, z * inner]);
    glb.node(json!({
        "mesh": 0, "translation": at(0.3, -2.1, 0.7), "rotation": [0.2, 0.4, 0.1, 0.9],
        "scale": [1.5, 0.3, 2.0],
    }));
    glb.node(
        json!({"camera": 0, "translation": at(0.5, 0.7, 6.1), "rotation": [0.1, 0.05, 0, 0.99]}),
    );
    // Candelas grow with the square of lengths, to light the same.
    let candela = 3.7 * unit * unit;
    glb.light(
        json!({"type": "point", "intensity": candela, "range": 2.5 * unit}),
        json!({"translation": at(1.0, 2.0, 3.0)}),
    );
    glb.light(
        json!({"type": "spot", "intensity": candela}),
        json!({"translation": at(0.0, 4.0, 0.0)}),
    );
    glb.light(
        json!({"type": "directional", "intensity": 2}),
        json!({"rotation": [0.3, 0, 0, 0.95]}),
    );
    let roots = glb.json["scenes"][0]["nodes"].take();
    let root = glb.push("nodes", json!({"children": roots, "scale": [outer, outer, outer]}));
    glb.json["scenes"][0]["nodes"] = json!([root]);
    glb.bytes()
}

fn sky() -> Vec<u8> {
    hdr(37, 19, |x, y| {
        [3 + x as u8, 4 + y as u8, 200 - x as u8, if (x, y) == (9, 4) { 140 } else { 126 }]
    })
}

fn canonical(file: &[u8]) -> CanonicalScene {
    let asset = Asset::load(file, Some(&sky()), &Limits::default()).unwrap();
    let scene = frame(&asset, &View { environment_rotation_deg: 33.0, ..view() });
    validate(&scene).unwrap();
    scene
}

#[test]
fn a_power_of_two_of_scale_changes_nothing_but_the_scale() {
    let original = canonical(&scaled(1.0, false));
    assert_eq!(original.lights.iter().filter(|light| light.probability > 0.0).count(), 8);
    for (exponent, by_node) in
        [(1, false), (-7, false), (30, false), (-30, false), (5, true), (-30, true), (30, true)]
    {
        let mut other = canonical(&scaled(libm::exp2(f64::from(exponent)), by_node));
        assert_eq!(other.frame.scale_log2, original.frame.scale_log2 - exponent);
        assert_ne!(other.hash(), original.hash());
        other.frame.scale_log2 = original.frame.scale_log2;
        assert_eq!(other.hash(), original.hash(), "2^{exponent}, by node: {by_node}");
    }
    assert_ne!(canonical(&scaled(3.0, false)).hash(), original.hash());
}

#[test]
fn powers_of_ten_are_read_whole_too() {
    for unit in [1e-9, 1e9] {
        for by_node in [false, true] {
            let scene = canonical(&scaled(unit, by_node));
            assert_eq!(scene.instances.len(), 2, "{unit} {by_node}");
            let furthest = scene.frame.camera_origin[2];
            assert!((1.0..2.0).contains(&furthest), "{furthest}");
        }
    }
}

#[test]
fn frames_are_pure() {
    let file = scaled(1.0, false);
    let asset = Asset::load(&file, Some(&sky()), &Limits::default()).unwrap();
    let hash = |asset: &Asset, number, view: &View| asset.frame(view, number, 0.25).unwrap().hash();
    let first = hash(&asset, 4, &view());
    hash(&asset, 5, &View { width: 8, ..view() });
    assert_eq!(hash(&asset, 4, &view()), first);
    let again = Asset::load(&file, Some(&sky()), &Limits::default()).unwrap();
    assert_eq!(hash(&again, 4, &view()), first);
    // And everything that a frame depends on is in the hash.
    for other in [
        View { seed: 8, ..view() },
        View { width: 65, ..view() },
        View { max_bounces: 6, ..view() },
        View { environment_strength: 1.5, ..view() },
        View { environment_rotation_deg: 1.0, ..view() },
        View { background_black: true, ..view() },
    ] {
        assert_ne!(hash(&asset, 4, &other), first, "{other:?}");
    }
    assert_ne!(hash(&asset, 5, &view()), first);
}

#[test]
fn the_order_of_members_in_the_json_does_not_matter() {
    let file = scaled(1.0, false);
    let length = u32::from_le_bytes(file[12..16].try_into().unwrap()) as usize;
    let document: BTreeMap<String, Value> = serde_json::from_slice(&file[20..20 + length]).unwrap();
    let members: Vec<String> =
        document.iter().rev().map(|(key, value)| format!("{key:?}:{value}")).collect();
    let turned = format!("{{{}}}", members.join(",\n "));
    let turned = common::container(turned.as_bytes(), &file[28 + length..]);
    assert_eq!(canonical(&turned).hash(), canonical(&file).hash());
}

#[test]
fn probabilities_add_up_to_one() {
    let scene = canonical(&scaled(1.0, false));
    let sum =
        |lights: &[Light]| lights.iter().map(|light| f64::from(light.probability)).sum::<f64>();
    assert!((sum(&scene.lights) - 1.0).abs() < 1e-6);
    let cells: f64 = scene.cells.iter().map(|cell| f64::from(cell.density)).sum();
    assert!((cells / scene.cells.len() as f64 - 1.0).abs() < 1e-6);
}

#[test]
fn conformance_scenes_are_read_without_loss() {
    let known = tessera_scenes::known_answers().into_iter().map(|known| known.scene);
    let scenes: Vec<_> = tessera_scenes::conformance().into_iter().chain(known).collect();
    assert!(scenes.len() > 10);
    for scene in scenes {
        let asset = Asset::load(&scene.glb, scene.environment.as_deref(), &Limits::default())
            .unwrap_or_else(|error| panic!("{}: {error}", scene.name));
        let view = View {
            width: scene.width,
            height: scene.height,
            seed: 1,
            max_bounces: scene.max_bounces,
            camera: None,
            environment_strength: scene.environment_strength,
            environment_rotation_deg: scene.environment_rotation_deg,
            background_black: false,
        };
        let canonical = asset.frame(&view, 0, scene.time_s).unwrap();
        validate(&canonical).unwrap_or_else(|invalid| panic!("{}: {invalid}", scene.name));
        // Some of them are about things too small to be seen.
        let too_small =
            |note: &Note| note.message.contains("scaled to nothing") || note.message == "is black";
        let lossless = match scene.name {
            "dark-sky" | "degenerate" | "specks" | "tiny-lamp" => {
                asset.report().warnings.iter().all(too_small)
            }
            _ => asset.report().warnings.is_empty(),
        };
        assert!(lossless, "{}: {:?}", scene.name, asset.report());
    }
}

#[test]
fn the_kernel_has_an_id() {
    // It covers sources, so it can't be written down here; but it is a hash, not a default.
    assert!(KERNEL_ID.iter().any(|&byte| byte != KERNEL_ID[0]));
}
