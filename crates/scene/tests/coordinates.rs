//! Where textures are read: sets of coordinates, maps of them, and several of both in one material.

mod common;

use common::{Glb, close, png, textured, warns};
use serde_json::{Value, json};
use tessera_scene::{Asset, Limits, SceneError};
use tessera_shaders::layout::{CanonicalScene, Texture, Triangle, Vertex};

const UVS: [f32; 8] = [0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0];

fn set_uvs(glb: &mut Glb, name: &str, map: impl Fn(f32, f32) -> [f32; 2]) {
    let uvs: Vec<f32> = UVS.as_chunks::<2>().0.iter().flat_map(|&[u, v]| map(u, v)).collect();
    let accessor = glb.floats(2, &uvs);
    glb.json["meshes"][0]["primitives"][0]["attributes"][name] = json!(accessor);
}

/// A card with a texture for base colour and emission, read as `info` says beside its index.
fn card(info: &Value) -> Glb {
    let mut glb = Glb::card(&json!({}));
    let texture = glb.picture(&png(2, 2, &[200; 16]));
    let mut info = info.clone();
    info["index"] = json!(texture);
    let base = json!({"baseColorTexture": info});
    textured(
        &mut glb,
        &json!({"pbrMetallicRoughness": base, "emissiveTexture": info, "emissiveFactor": [1, 1, 1]}),
    );
    glb
}

fn number(texture: &Texture) -> u32 {
    texture.flags >> Texture::COORDINATES_SHIFT
}

#[test]
fn a_moved_texture_is_the_same_scene_as_moved_coordinates() {
    let transform = json!({"offset": [0.25, -3], "scale": [2, 0.5]});
    let moved = card(&json!({"extensions": {"KHR_texture_transform": transform}}));
    let mut by_hand = card(&json!({}));
    set_uvs(&mut by_hand, "TEXCOORD_0", |u, v| [2.0 * u + 0.25, 0.5 * v - 3.0]);
    assert_eq!(moved.scene().hash(), by_hand.scene().hash());
    assert_ne!(moved.scene().hash(), card(&json!({})).scene().hash());
    // The kernel has nothing to do for it.
    assert!(moved.scene().triangles.iter().all(|triangle| triangle.more == 0));
    assert_eq!(moved.asset().report().warnings, []);
}

#[test]
fn another_set_alone_is_the_same_scene_as_the_first() {
    let mut second = card(&json!({"texCoord": 1}));
    set_uvs(&mut second, "TEXCOORD_1", |u, v| [v, u]);
    let mut first = card(&json!({}));
    set_uvs(&mut first, "TEXCOORD_0", |u, v| [v, u]);
    assert_eq!(second.scene().hash(), first.scene().hash());
    // The extension's set counts more than the texture's own.
    let both = json!({"texCoord": 7, "extensions": {"KHR_texture_transform": {"texCoord": 1}}});
    let mut both = card(&both);
    set_uvs(&mut both, "TEXCOORD_1", |u, v| [v, u]);
    assert_eq!(both.scene().hash(), first.scene().hash());
}

/// Four textures: two sets, and two maps of the first. The normal map's are the vertices' own.
fn mixed() -> Glb {
    let mut glb = Glb::card(&json!({}));
    let texture = glb.picture(&png(2, 2, &[128; 16]));
    let scaled = |k: u32| json!({"KHR_texture_transform": {"scale": [k, k]}});
    textured(
        &mut glb,
        &json!({
            "pbrMetallicRoughness": {
                "baseColorTexture": {"index": texture},
                "metallicRoughnessTexture": {"index": texture, "texCoord": 1},
            },
            "normalTexture": {"index": texture, "extensions": scaled(2)},
            "emissiveTexture": {"index": texture, "extensions": scaled(4)},
            "emissiveFactor": [1, 1, 1],
        }),
    );
    set_uvs(&mut glb, "TEXCOORD_1", |u, v| [v + 5.0, u + 7.0]);
    glb
}

/// All coordinates of a corner: its own and the three of its record.
fn of_corner(scene: &CanonicalScene, triangle: &Triangle, corner: usize) -> [[f32; 2]; 4] {
    let index = triangle.corners[corner];
    let vertex = &scene.vertices[index as usize];
    let Vertex { position, u, normal, v, tangent } =
        scene.vertices[(index + triangle.more) as usize];
    assert_eq!(tangent, [1.0; 4], "white");
    [[vertex.u, vertex.v], [u, v], [position[0], position[1]], [normal[0], normal[1]]]
}

#[test]
fn several_sets_and_maps_lie_in_records() {
    let mut split = mixed();
    // Flat triangles with a mirrored half: every corner is split from its neighbours.
    let attributes = &mut split.json["meshes"][0]["primitives"][0]["attributes"];
    attributes.as_object_mut().unwrap().remove("NORMAL");
    for (glb, vertices) in [(mixed(), 4), (split, 6)] {
        let asset = glb.asset();
        assert_eq!(asset.report().warnings, []);
        let scene = common::frame(&asset, &common::view());
        let material = &scene.materials[0];
        let numbers = [
            number(&material.normal_texture),
            number(&material.base_color_texture),
            number(&material.metallic_roughness_texture),
            number(&material.emission_texture),
        ];
        assert_eq!(numbers, [0, 1, 2, 3]);
        assert_eq!(scene.vertices.len(), 2 * vertices);
        for triangle in scene.triangles.iter() {
            assert_eq!(triangle.more as usize, vertices);
            for corner in 0..3 {
                // On this card, u is x and v is 1 - y.
                let [x, y, _] = scene.vertices[triangle.corners[corner] as usize].position;
                let (u, v) = (x, 1.0 - y);
                let expected = [[2.0 * u, 2.0 * v], [u, v], [v + 5.0, u + 7.0], [4.0 * u, 4.0 * v]];
                assert_eq!(of_corner(&scene, triangle, corner), expected);
            }
        }
        tessera_scene::validate(&scene).unwrap();
    }
}

#[test]
fn tangents_follow_the_normal_maps_own_coordinates() {
    let mut glb = mixed();
    // Turned by a quarter, u runs where v ran: up the card is -v, and u' = v.
    glb.json["materials"][0]["normalTexture"]["extensions"]["KHR_texture_transform"] =
        json!({"rotation": std::f64::consts::FRAC_PI_2});
    for vertex in &glb.scene().vertices[..4] {
        let [x, y, z, w] = vertex.tangent;
        assert!(close(x, 0.0) && close(y, -1.0) && close(z, 0.0), "{:?}", vertex.tangent);
        assert_eq!(w, 1.0);
    }
}

#[test]
fn a_set_that_is_not_there_is_named_and_shows_one_colour() {
    let asset = card(&json!({"texCoord": 2})).asset();
    assert!(warns(asset.report(), "meshes[0].primitives[0].attributes"), "{:?}", asset.report());
    let scene = common::frame(&asset, &common::view());
    assert!(scene.vertices.iter().all(|vertex| (vertex.u, vertex.v) == (0.0, 0.0)));

    let mut glb = mixed();
    let attributes = &mut glb.json["meshes"][0]["primitives"][0]["attributes"];
    attributes.as_object_mut().unwrap().remove("TEXCOORD_1");
    let asset = glb.asset();
    assert!(warns(asset.report(), "meshes[0].primitives[0].attributes"), "{:?}", asset.report());
}

#[test]
fn coordinates_that_are_none_are_refused() {
    let refused = |glb: &Glb| glb.problems()[0].place.clone();
    let mut glb = mixed();
    let short = glb.floats(2, &[0.0; 6]);
    glb.json["meshes"][0]["primitives"][0]["attributes"]["TEXCOORD_1"] = json!(short);
    assert_eq!(refused(&glb), "meshes[0].primitives[0].attributes.TEXCOORD_1");
    let mut glb = mixed();
    let narrow = glb.floats(3, &[0.0; 12]);
    glb.json["meshes"][0]["primitives"][0]["attributes"]["TEXCOORD_1"] = json!(narrow);
    assert_eq!(refused(&glb), format!("accessors[{narrow}]"));
    let mut glb = mixed();
    let endless = glb.floats(2, &[f32::INFINITY; 8]);
    glb.json["meshes"][0]["primitives"][0]["attributes"]["TEXCOORD_1"] = json!(endless);
    assert_eq!(refused(&glb), format!("accessors[{endless}]"));
    // Finite in the file, but not where the map takes them.
    let transform = json!({"scale": [1e6, 1]});
    let mut glb = card(&json!({"extensions": {"KHR_texture_transform": transform}}));
    set_uvs(&mut glb, "TEXCOORD_0", |_, _| [1e38, 0.0]);
    assert_eq!(refused(&glb), "scene");
}

#[test]
fn records_count_as_vertices() {
    let bytes = mixed().bytes();
    let with = |vertices| Asset::load(&bytes, None, &Limits { vertices, ..Limits::default() });
    with(12).unwrap();
    let Err(SceneError::Refused(notes)) = with(11) else { panic!("more than are allowed") };
    assert_eq!(notes[0].place, "meshes[0].primitives[0]");
}
