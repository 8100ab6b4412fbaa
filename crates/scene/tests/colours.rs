//! Colours of vertices, and unlit surfaces.

mod common;

use common::{Glb, close, png, textured, warns};
use serde_json::json;
use tessera_shaders::layout::{CanonicalScene, NONE};

fn with_color(component: u32, shape: &str, normalized: bool, bytes: &[u8]) -> Glb {
    let mut glb = Glb::card(&json!({}));
    let colors = glb.accessor(component, shape, 4, bytes);
    glb.json["accessors"][colors]["normalized"] = json!(normalized);
    glb.json["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"] = json!(colors);
    glb
}

/// The colours of the card's vertices, in the order of the file.
fn colors(scene: &CanonicalScene) -> Vec<[f32; 4]> {
    let more = scene.triangles[0].more;
    assert_ne!(more, 0, "there are records");
    assert!(scene.triangles.iter().all(|triangle| triangle.more == more));
    (0..4).map(|i| scene.vertices[(i + more) as usize].tangent).collect()
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

#[test]
fn colours_of_every_kind_are_read() {
    let rgba = [0.5f32, 0.25, 1.0, 0.125].repeat(4);
    assert_eq!(
        colors(&with_color(5126, "VEC4", false, &floats(&rgba)).scene()),
        [[0.5, 0.25, 1.0, 0.125]; 4]
    );
    let rgb = [0.5f32, 0.25, 1.0].repeat(4);
    assert_eq!(
        colors(&with_color(5126, "VEC3", false, &floats(&rgb)).scene()),
        [[0.5, 0.25, 1.0, 1.0]; 4]
    );
    let bytes = [51u8, 102, 153, 204].repeat(4);
    for color in colors(&with_color(5121, "VEC4", true, &bytes).scene()) {
        assert!([0.2, 0.4, 0.6, 0.8].iter().zip(color).all(|(&e, c)| close(c, e)), "{color:?}");
    }
    let shorts: Vec<u8> =
        [13_107u16, 0, 65_535, 65_535].repeat(4).iter().flat_map(|x| x.to_le_bytes()).collect();
    for color in colors(&with_color(5123, "VEC4", true, &shorts).scene()) {
        assert!(close(color[0], 0.2) && color[1..] == [0.0, 1.0, 1.0], "{color:?}");
    }
    // Beyond 0 to 1, which floats can be, is clamped.
    let wild = [3.0f32, -1.0, 0.5, 1e30].repeat(4);
    assert_eq!(
        colors(&with_color(5126, "VEC4", false, &floats(&wild)).scene()),
        [[1.0, 0.0, 0.5, 1.0]; 4]
    );
}

#[test]
fn white_vertices_cost_nothing() {
    let glb = with_color(5126, "VEC4", false, &floats(&[1.0; 16]));
    assert_eq!(glb.scene().hash(), Glb::card(&json!({})).scene().hash());
    assert_eq!(glb.asset().report().warnings, []);
}

#[test]
fn colours_that_are_none_are_refused() {
    let refused = |glb: &Glb| glb.problems()[0].place.clone();
    let glb = with_color(5121, "VEC4", false, &[9; 16]);
    assert_eq!(refused(&glb), format!("accessors[{}]", 4));
    let glb = with_color(5126, "VEC2", false, &floats(&[0.5; 8]));
    assert_eq!(refused(&glb), format!("accessors[{}]", 4));
    let glb = with_color(5126, "VEC3", false, &floats(&[f32::NAN; 12]));
    assert_eq!(refused(&glb), format!("accessors[{}]", 4));
    let mut glb = with_color(5126, "VEC3", false, &floats(&[0.5; 12]));
    glb.json["accessors"][4]["count"] = json!(3);
    assert_eq!(refused(&glb), "meshes[0].primitives[0].attributes.COLOR_0");
    glb.json["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"] = json!(77);
    assert_eq!(refused(&glb), "meshes[0].primitives[0].attributes.COLOR_0");
}

#[test]
fn of_an_unlit_surface_only_its_base_colour_counts() {
    let mut glb = Glb::card(&json!({}));
    let texture = glb.picture(&png(2, 2, &[200; 16]));
    let info = json!({"index": texture});
    textured(
        &mut glb,
        &json!({
            "pbrMetallicRoughness": {
                "baseColorFactor": [0.5, 0.25, 1, 0.5],
                "baseColorTexture": info,
                "metallicRoughnessTexture": info,
            },
            "normalTexture": info, "emissiveTexture": info, "emissiveFactor": [1, 1, 1],
            "alphaMode": "BLEND",
            "extensions": {"KHR_materials_unlit": {}},
        }),
    );
    glb.json["extensionsRequired"] = json!(["KHR_materials_unlit"]);
    let asset = glb.asset();
    assert!(!warns(asset.report(), "materials[0].extensions.KHR_materials_unlit"));
    let scene = common::frame(&asset, &common::view());
    let material = scene.materials[0];
    assert_eq!((material.unlit, material.base_color), (1, [0.5, 0.25, 1.0, 0.5]));
    assert_ne!(material.base_color_texture.first_texel, NONE);
    for texture in
        [material.metallic_roughness_texture, material.normal_texture, material.emission_texture]
    {
        assert_eq!(texture.first_texel, NONE);
    }
    // It is no light that anything is sampled from.
    assert_eq!((scene.lights.len(), scene.instances[0].first_light), (0, NONE));

    glb.json["materials"][0]["extensions"] = json!({});
    let scene = glb.scene();
    assert_eq!((scene.materials[0].unlit, scene.lights.len()), (0, 2));
}
