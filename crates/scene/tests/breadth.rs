//! Several ways to say one thing: a strip and its list, a sparse accessor and its dense twin,
//! integers and floats, copies and nodes, a WebP and a PNG. Each pair gives the same scene.

mod common;

use common::{Glb, merge, png, problems, textured, warns};
use serde_json::{Value, json};
use tessera_scene::{Asset, Limits};

/// Seven corners of a zigzag.
const ZIGZAG: [f32; 21] = [
    0.0, 0.0, 0.0, 0.5, 1.0, 0.25, 1.0, 0.0, 0.0, 1.5, 1.0, 0.5, 2.0, 0.0, 0.0, 2.5, 1.0, 0.0, 3.0,
    0.0, 1.0,
];

fn zigzag(extra: &Value, indices: Option<&[u8]>) -> Glb {
    let mut glb = Glb::new();
    let positions = glb.floats(3, &ZIGZAG);
    let mut primitive = json!({"attributes": {"POSITION": positions}});
    if let Some(indices) = indices {
        primitive["indices"] = json!(glb.accessor(5121, "SCALAR", indices.len(), indices));
    }
    merge(&mut primitive, extra);
    let mesh = glb.mesh(&primitive);
    glb.node(json!({"mesh": mesh}));
    glb
}

#[test]
fn strips_and_fans_are_the_triangles_that_they_stand_for() {
    let list = |indices: &[u8]| zigzag(&json!({}), Some(indices)).scene().hash();
    let strip = list(&[0, 1, 2, 1, 3, 2, 2, 3, 4, 3, 5, 4, 4, 5, 6]);
    let fan = list(&[1, 2, 0, 2, 3, 0, 3, 4, 0, 4, 5, 0, 5, 6, 0]);
    assert_ne!(strip, fan);
    let all = [0, 1, 2, 3, 4, 5, 6];
    for indices in [None, Some(&all[..])] {
        assert_eq!(zigzag(&json!({"mode": 5}), indices).scene().hash(), strip);
        assert_eq!(zigzag(&json!({"mode": 6}), indices).scene().hash(), fan);
    }
    let turned = list(&[4, 5, 6, 5, 0, 6]);
    assert_eq!(zigzag(&json!({"mode": 5}), Some(&[4, 5, 6, 0])).scene().hash(), turned);
}

#[test]
fn points_and_lines_are_left_out_and_other_modes_refused() {
    for mode in 0..4 {
        let asset = zigzag(&json!({"mode": mode}), None).asset();
        assert!(warns(asset.report(), "meshes[0].primitives[0].mode"));
        assert_eq!(asset.triangle_count(), 0);
    }
    let problems = zigzag(&json!({"mode": 7}), None).problems();
    assert_eq!(problems[0].place, "meshes[0].primitives[0].mode");
    let short = zigzag(&json!({"mode": 5}), Some(&[0, 1])).problems();
    assert_eq!(short[0].place, "meshes[0].primitives[0]");
    let limits = Limits { triangles: 4, ..Limits::default() };
    let strip = zigzag(&json!({"mode": 5}), None).bytes();
    assert!(problems_of(&strip, &limits).contains("5 triangles"));
}

fn problems_of(file: &[u8], limits: &Limits) -> String {
    problems(Asset::load(file, None, limits)).iter().map(ToString::to_string).collect()
}

/// A triangle whose positions are sparse: `indices` of the accessor are `values`, the others as in
/// `base`, or 0.
fn sparse(base: Option<&[f32; 9]>, indices: &[u8], values: &[f32]) -> Glb {
    let mut glb = Glb::triangle();
    let positions = match base {
        Some(base) => glb.floats(3, base),
        None => glb.push("accessors", json!({"componentType": 5126, "count": 3, "type": "VEC3"})),
    };
    let indices_view = glb.view(indices);
    let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    let values_view = glb.view(&bytes);
    glb.json["accessors"][positions]["sparse"] = json!({
        "count": indices.len(),
        "indices": {"bufferView": indices_view, "componentType": 5121},
        "values": {"bufferView": values_view},
    });
    glb.json["meshes"][0]["primitives"][0]["attributes"]["POSITION"] = json!(positions);
    glb
}

#[test]
fn a_sparse_accessor_is_its_dense_twin() {
    let triangle = Glb::triangle().scene().hash();
    let corners = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
    assert_eq!(sparse(None, &[1, 2], &corners).scene().hash(), triangle);
    let base = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 9.0, 9.0, 9.0];
    assert_eq!(sparse(Some(&base), &[2], &corners[3..]).scene().hash(), triangle);
    assert_ne!(sparse(Some(&base), &[1], &corners[3..]).scene().hash(), triangle);
}

#[test]
fn a_sparse_accessor_that_lies_is_refused_by_place() {
    let corners = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
    let place = |glb: &Glb| glb.problems()[0].place.clone();
    for indices in [[2, 1], [1, 1], [1, 3]] {
        assert_eq!(place(&sparse(None, &indices, &corners)), "accessors[1].sparse.indices");
    }
    assert_eq!(
        place(&sparse(None, &[0, 1], &corners[..5])),
        "accessors[1].sparse.values.bufferView"
    );
    for (pointer, value, expected) in [
        ("/count", json!(4), "accessors[1].sparse"),
        ("/count", json!(u64::MAX), "accessors[1].sparse"),
        ("/indices/componentType", json!(5126), "accessors[1].sparse"),
        ("/indices/bufferView", json!(55), "accessors[1].sparse.indices.bufferView"),
        ("/indices/byteOffset", json!(u64::MAX), "accessors[1].sparse.indices.bufferView"),
        ("/values/byteOffset", json!(4), "accessors[1].sparse.values.bufferView"),
    ] {
        let mut glb = sparse(None, &[1, 2], &corners);
        let name = pointer.rsplit('/').next().unwrap();
        let parent = pointer.trim_end_matches(name).trim_end_matches('/');
        glb.json["accessors"][1]["sparse"].pointer_mut(parent).unwrap()[name] = value;
        assert_eq!(place(&glb), expected, "{pointer}");
    }
    let file = sparse(None, &[1, 2], &corners).bytes();
    let limits = Limits { sparse_elements: 1, ..Limits::default() };
    assert!(problems_of(&file, &limits).contains("2 elements of sparse accessors"));
}

/// A card, its attributes as floats or as the integers that they are multiples of.
fn card(quantized: bool) -> Glb {
    let mut glb = Glb::card(&json!({}));
    let corners: [i16; 12] = [0, 0, 0, 300, 0, 0, 300, 200, -100, 0, 200, 0];
    // Of 127ths, so that normalised bytes hold them exactly.
    let normal: [i8; 3] = [0, 0, 127];
    let uvs: [u16; 8] = [0, 3, 2, 3, 2, 0, 0, 0];
    let attributes = if quantized {
        glb.json["extensionsRequired"] = json!(["KHR_mesh_quantization"]);
        let bytes: Vec<u8> = corners
            .chunks(3)
            .flat_map(|v| [v[0], v[1], v[2], 0])
            .flat_map(i16::to_le_bytes)
            .collect();
        let positions = glb.accessor(5122, "VEC3", 4, &bytes);
        let view = glb.json["accessors"][positions]["bufferView"].as_u64().unwrap() as usize;
        glb.json["bufferViews"][view]["byteStride"] = json!(8);
        let bytes: Vec<u8> = [normal[0] as u8, normal[1] as u8, normal[2] as u8, 0].repeat(4);
        let normals = glb.accessor(5120, "VEC3", 4, &bytes);
        glb.json["accessors"][normals]["normalized"] = json!(true);
        let view = glb.json["accessors"][normals]["bufferView"].as_u64().unwrap() as usize;
        glb.json["bufferViews"][view]["byteStride"] = json!(4);
        let bytes: Vec<u8> = uvs.iter().flat_map(|x| x.to_le_bytes()).collect();
        let uvs = glb.accessor(5123, "VEC2", 4, &bytes);
        json!({"POSITION": positions, "NORMAL": normals, "TEXCOORD_0": uvs})
    } else {
        let positions = glb.floats(3, &corners.map(f32::from));
        let normals = glb.floats(3, &[0.0, 0.0, 1.0].repeat(4));
        let uvs = glb.floats(2, &uvs.map(f32::from));
        json!({"POSITION": positions, "NORMAL": normals, "TEXCOORD_0": uvs})
    };
    merge(&mut glb.json["meshes"][0]["primitives"][0]["attributes"], &attributes);
    let texture = glb.picture(&png(1, 1, &[1, 2, 3, 4]));
    textured(&mut glb, &json!({"emissiveTexture": {"index": texture}}));
    glb
}

#[test]
fn small_integers_are_the_floats_that_they_stand_for() {
    let scene = card(true).scene();
    assert_eq!(scene.hash(), card(false).scene().hash());
    assert_eq!((scene.vertices[0].u, scene.vertices[0].v), (0.0, 3.0));
    // Only where the file says that it holds some.
    let mut unsaid = card(true);
    unsaid.json.as_object_mut().unwrap().remove("extensionsRequired");
    assert!(problems_of(&unsaid.bytes(), &Limits::default()).contains("can't be positions"));
}

/// A triangle's node that is copied at these places.
fn copied(attributes: &Value, extra: &Value) -> Glb {
    let mut glb = Glb::triangle();
    merge(&mut glb.json["nodes"][0], &json!({"translation": [1, 2, 3], "scale": [2, 2, 2]}));
    glb.json["nodes"][0]["extensions"] =
        json!({"EXT_mesh_gpu_instancing": {"attributes": attributes}});
    merge(&mut glb.json["nodes"][0], extra);
    glb
}

#[test]
fn copies_of_a_mesh_are_the_nodes_that_they_stand_for() {
    let places = [0.5, 0.0, 0.0, 0.0, 4.0, 0.0, 0.0, 0.0, -3.0];
    let turns = [0.0, 0.0, 0.0, 1.0, 0.6, 0.0, 0.0, 0.8, 0.0, 1.0, 0.0, 0.0];
    let scales = [1.0, 1.0, 1.0, 2.0, 1.0, 0.5, -1.0, 1.0, 1.0];
    // Accessors 0 and 1 are the triangle's positions and the first of these.
    let mut copies = copied(&json!({"TRANSLATION": 1, "ROTATION": 2, "SCALE": 3}), &json!({}));
    copies.json["extensionsRequired"] = json!(["EXT_mesh_gpu_instancing"]);
    copies.floats(3, &places);
    copies.floats(4, &turns);
    copies.floats(3, &scales);
    let two = copies.json["meshes"][0]["primitives"][0].clone();
    copies.json["meshes"][0]["primitives"].as_array_mut().unwrap().push(two.clone());

    let mut nodes = Glb::triangle();
    nodes.json["meshes"][0]["primitives"].as_array_mut().unwrap().push(two);
    let children: Vec<usize> = (0..3)
        .map(|i| {
            nodes.push(
                "nodes",
                json!({
                    "mesh": 0, "translation": places[3 * i..][..3], "rotation": turns[4 * i..][..4],
                    "scale": scales[3 * i..][..3],
                }),
            )
        })
        .collect();
    nodes.json["nodes"][0] =
        json!({"children": children, "translation": [1, 2, 3], "scale": [2, 2, 2]});
    let scene = copies.scene();
    assert_eq!((scene.instances.len(), scene.meshes.len()), (6, 2));
    assert_eq!(scene.hash(), nodes.scene().hash());
    assert_eq!(copies.asset().instance_count(), 6);
}

#[test]
fn copies_that_cannot_be_are_refused() {
    let place = "nodes[0].extensions.EXT_mesh_gpu_instancing";
    let mut uneven = copied(&json!({"TRANSLATION": 1, "SCALE": 2}), &json!({}));
    uneven.floats(3, &[0.0; 6]);
    uneven.floats(3, &[1.0; 3]);
    assert_eq!(uneven.problems()[0].place, format!("{place}.attributes.SCALE"));
    let mut absent = copied(&json!({"TRANSLATION": 9}), &json!({}));
    assert_eq!(absent.problems()[0].place, format!("{place}.attributes.TRANSLATION"));
    absent.json["nodes"][0]["extensions"]["EXT_mesh_gpu_instancing"] = json!({"attributes": {}});
    assert_eq!(absent.asset().instance_count(), 1);
    // A count that is merely claimed.
    let mut many = copied(&json!({"TRANSLATION": 1}), &json!({}));
    many.push("accessors", json!({"componentType": 5126, "count": u64::MAX, "type": "VEC3"}));
    assert_eq!(many.problems()[0].place, "accessors[1]");
}

fn webp(width: u32, height: u32, rgba: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let encoder = image_webp::WebPEncoder::new(&mut file);
    encoder.encode(rgba, width, height, image_webp::ColorType::Rgba8).unwrap();
    file
}

/// A card with a picture that EXT_texture_webp names, and a black fallback.
fn with_webp(file: &[u8]) -> Glb {
    let mut glb = Glb::card(&json!({}));
    let fallback = glb.picture(&png(1, 1, &[0, 0, 0, 255]));
    let view = glb.view(file);
    let image = glb.push("images", json!({"bufferView": view, "mimeType": "image/webp"}));
    glb.json["textures"][fallback]["extensions"] = json!({"EXT_texture_webp": {"source": image}});
    textured(&mut glb, &json!({"emissiveTexture": {"index": fallback}}));
    glb
}

#[test]
fn a_webp_without_loss_is_its_png() {
    let texels: Vec<u8> = (0..5 * 3 * 4).map(|i| (i * 37 % 251) as u8).collect();
    let mut written = Glb::card(&json!({}));
    let texture = written.picture(&png(5, 3, &texels));
    textured(&mut written, &json!({"emissiveTexture": {"index": texture}}));
    let glb = with_webp(&webp(5, 3, &texels));
    assert!(glb.asset().report().warnings.is_empty());
    assert_eq!(glb.scene().hash(), written.scene().hash());
    assert_eq!(glb.scene().texels.len(), 15);
}

#[test]
fn a_webp_that_is_broken_or_too_large_is_refused_by_image() {
    let file = webp(40, 30, &[90; 4800]);
    let cut = &file[..file.len() / 2];
    for (file, reason) in [(cut, "broken WebP"), (&b"RIFF\0\0\0\0WEBPVP8 "[..], "broken WebP")] {
        let problems = with_webp(file).problems();
        assert_eq!(problems[0].place, "images[1]");
        assert!(problems[0].message.contains(reason), "{problems:?}");
    }
    let bytes = with_webp(&file).bytes();
    for limits in [
        Limits { picture_side: 39, ..Limits::default() },
        Limits { texels: 1199, ..Limits::default() },
    ] {
        assert!(problems_of(&bytes, &limits).contains("images[1]"));
    }
    // Eight thousand by eight thousand texels in a few bytes are not believed.
    let mut claims = webp(1, 1, &[1, 2, 3, 4]);
    let size = 8191u32 | 8191 << 14;
    let at = claims.windows(4).position(|four| four == b"VP8L").unwrap() + 9;
    let flags = u32::from_le_bytes(claims[at..at + 4].try_into().unwrap()) & !0x0fff_ffff;
    claims[at..at + 4].copy_from_slice(&(size | flags).to_le_bytes());
    assert!(problems_of(&with_webp(&claims).bytes(), &Limits::default()).contains("shorter"));
}
