//! Morph targets and skins: a mesh that is moved has the buffers of one that was written out as it
//! stands.

mod common;

use common::{Glb, frame, merge, png, problems, textured, view, warns};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use tessera_scene::{Asset, Limits, validate};
use tessera_shaders::layout::{CanonicalScene, Vertex};

/// Four corners of two triangles that share an edge, folded.
const FOLD: [f32; 12] = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.5, 0.0, 1.0, 0.0];
const NORMALS: [f32; 12] = [0.0, 0.0, 1.0, 0.0, 0.6, 0.8, 0.0, 0.0, 1.0, 0.6, 0.0, 0.8];

/// What a fold's file says beyond its positions.
#[derive(Clone, Copy, PartialEq)]
enum Detail {
    /// Flat.
    Positions,
    Normals,
    /// With a normal map, whose tangents are to be computed.
    Mapped,
    /// And tangents that are given.
    Tangents,
}

const DETAILS: [Detail; 4] = [Detail::Positions, Detail::Normals, Detail::Mapped, Detail::Tangents];

/// A folded card at node 0, its vertices at `positions` and its normals as told.
fn fold(positions: &[f32; 12], normals: &[f32; 12], detail: Detail) -> Glb {
    let mut glb = Glb::new();
    let position = glb.floats(3, positions);
    let indices = glb.accessor(5121, "SCALAR", 6, &[0, 1, 2, 0, 2, 3]);
    let uvs = glb.floats(2, &[0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0]);
    let mut attributes = json!({"POSITION": position, "TEXCOORD_0": uvs});
    if detail != Detail::Positions {
        attributes["NORMAL"] = json!(glb.floats(3, normals));
    }
    if detail == Detail::Tangents {
        attributes["TANGENT"] = json!(glb.floats(4, &[1.0, 0.0, 0.0, -1.0].repeat(4)));
    }
    let mesh = glb.mesh(&json!({"attributes": attributes, "indices": indices}));
    glb.node(json!({"mesh": mesh}));
    if matches!(detail, Detail::Mapped | Detail::Tangents) {
        let texture = glb.picture(&png(2, 1, &[128, 128, 255, 255, 255, 128, 128, 255]));
        textured(&mut glb, &json!({"normalTexture": {"index": texture}}));
    }
    glb
}

fn primitive(glb: &mut Glb) -> &mut Value {
    &mut glb.json["meshes"][0]["primitives"][0]
}

fn moved(by: [f32; 3]) -> [f32; 12] {
    std::array::from_fn(|i| FOLD[i] + by[i % 3])
}

/// At this time, and fit for a GPU.
fn at(asset: &Asset, time_s: f64) -> CanonicalScene {
    let scene = asset.frame(&view(), 3, time_s).unwrap();
    validate(&scene).unwrap();
    scene
}

fn animate(glb: &mut Glb, node: usize, path: &str, keys: &Keys<'_>) {
    let input = glb.floats(1, keys.times);
    let output = glb.floats(keys.lanes, keys.values);
    glb.push(
        "animations",
        json!({
            "channels": [{"sampler": 0, "target": {"node": node, "path": path}}],
            "samplers": [{
                "input": input, "output": output, "interpolation": keys.interpolation,
            }],
        }),
    );
}

struct Keys<'a> {
    times: &'a [f32],
    lanes: usize,
    values: &'a [f32],
    interpolation: &'a str,
}

/// A camera far away, so that no movement changes the scale of the world.
fn with_camera(mut glb: Glb) -> Glb {
    glb.push("cameras", json!({"type": "perspective", "perspective": {"yfov": 1}}));
    glb.node(json!({"camera": 0, "translation": [0, 0, 48]}));
    glb
}

/// Adds two morph targets: the first moves all by (2, 0, 0), the second by (0, 4, -8) and turns
/// each normal to +Y.
fn with_targets(mut glb: Glb) -> Glb {
    let first = glb.floats(3, &[2.0, 0.0, 0.0].repeat(4));
    let second = glb.floats(3, &[0.0, 4.0, -8.0].repeat(4));
    let up: Vec<f32> =
        NORMALS.iter().enumerate().map(|(i, x)| if i % 3 == 1 { 1.0 - x } else { -x }).collect();
    let up = glb.floats(3, &up);
    primitive(&mut glb)["targets"] =
        json!([{"POSITION": first}, {"POSITION": second, "NORMAL": up}]);
    glb
}

#[test]
fn morph_targets_add_up_like_a_mesh_that_was_written_so() {
    for detail in DETAILS {
        let mut glb = with_camera(with_targets(fold(&FOLD, &NORMALS, detail)));
        glb.json["meshes"][0]["weights"] = json!([0.5, 0.25]);
        let half = moved([1.0, 1.0, -2.0]);
        // A quarter of the way to +Y.
        let normals = std::array::from_fn(|i| {
            let up = if i % 3 == 1 { 1.0 } else { 0.0 };
            (f64::from(NORMALS[i]) + 0.25 * f64::from(up - NORMALS[i])) as f32
        });
        let written = with_camera(fold(&half, &normals, detail)).scene();
        let morphed = glb.scene();
        assert_eq!(morphed.meshes.len(), 1);
        if detail == Detail::Normals || detail == Detail::Tangents {
            // The written file rounded its normals.
            assert_near(&morphed, &written);
        } else if detail == Detail::Positions {
            assert_eq!(morphed.hash(), written.hash());
        }
        // All weights 0: the mesh itself.
        glb.json["nodes"][0]["weights"] = json!([0, 0]);
        let rest = with_camera(fold(&FOLD, &NORMALS, detail)).scene();
        assert_eq!(glb.scene().hash(), rest.hash());
        // One weight 1, the node's own: exactly the target's normals.
        glb.json["nodes"][0]["weights"] = json!([0, 1]);
        let up: [f32; 12] = std::array::from_fn(|i| f32::from(u8::from(i % 3 == 1)));
        let written = with_camera(fold(&moved([0.0, 4.0, -8.0]), &up, detail)).scene();
        assert_near(&glb.scene(), &written);
    }
}

/// The same in everything but the last bits of normals and tangents.
fn assert_near(a: &CanonicalScene, b: &CanonicalScene) {
    assert_eq!((&a.triangles, a.vertices.len()), (&b.triangles, b.vertices.len()));
    assert_eq!(a.instances, b.instances);
    for (a, b) in a.vertices.iter().zip(b.vertices.iter()) {
        assert_eq!((a.position, a.u, a.v), (b.position, b.u, b.v));
        let pairs = a.normal.iter().chain(&a.tangent).zip(b.normal.iter().chain(&b.tangent));
        for (a, b) in pairs {
            assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
    }
}

#[test]
fn placements_with_the_same_weights_share_a_mesh_and_others_have_their_own() {
    let mut glb = with_targets(fold(&FOLD, &NORMALS, Detail::Normals));
    for weights in [json!([1, 0]), json!([0, 0]), json!([1, 0]), json!([0, 1])] {
        glb.node(json!({"mesh": 0, "weights": weights}));
    }
    let scene = glb.scene();
    assert_eq!(scene.instance_meshes, [0, 2, 0, 2, 1]);
    assert_eq!(scene.meshes.len(), 3);
}

#[test]
fn weights_move_by_keys_in_every_way() {
    let file = |interpolation: &str, values: &[f32]| {
        let mut glb = with_camera(with_targets(fold(&FOLD, &NORMALS, Detail::Positions)));
        let keys = Keys { times: &[1.0, 3.0], lanes: 1, values, interpolation };
        animate(&mut glb, 0, "weights", &keys);
        glb.asset()
    };
    let written = |by: [f32; 3]| with_camera(fold(&moved(by), &NORMALS, Detail::Positions)).scene();
    let linear = file("LINEAR", &[0.0, 0.0, 1.0, 0.5]);
    assert_eq!(linear.duration_s(), 3.0);
    for (time, by) in [
        (0.0, [0.0; 3]),
        (1.0, [0.0; 3]),
        (2.0, [1.0, 1.0, -2.0]),
        (3.0, [2.0, 2.0, -4.0]),
        (9.0, [2.0, 2.0, -4.0]),
    ] {
        assert_eq!(at(&linear, time).hash(), written(by).hash(), "at {time}");
    }
    let step = file("STEP", &[0.0, 0.0, 1.0, 0.5]);
    assert_eq!(at(&step, 2.75).hash(), written([0.0; 3]).hash());
    assert_eq!(at(&step, 3.0).hash(), written([2.0, 2.0, -4.0]).hash());
    // Slopes of 0: at half time half way; slopes of ±1 a second cancel in the second weight.
    let cubic = file("CUBICSPLINE", &[0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.5, 0.0, 0.0]);
    assert_eq!(at(&cubic, 3.0).hash(), written([2.0, 2.0, -4.0]).hash());
    assert_eq!(at(&cubic, 2.0).hash(), written([1.0, 1.0, -2.0]).hash());
}

/// A skin of two joints, nodes `a` and its child `b`, at (1, 0, 0) and (1, 2, 0) when bound, moving
/// the vertices of a fold by `weights`: of each of the four its share of `b`.
fn skinned(detail: Detail, weights: [f32; 4]) -> Glb {
    let mut glb = with_camera(fold(&FOLD, &NORMALS, detail));
    // Columns; the inverse of a translation is its negative.
    let mut matrices = Vec::new();
    for y in [0.0, -2.0] {
        matrices.extend([1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        matrices.extend([-1.0, y, 0.0, 1.0]);
    }
    let bytes: Vec<u8> = matrices.iter().flat_map(|x: &f32| x.to_le_bytes()).collect();
    let inverse = glb.accessor(5126, "MAT4", 2, &bytes);
    let b = glb.push("nodes", json!({"translation": [0, 2, 0]}));
    let a = glb.node(json!({"translation": [1, 0, 0], "children": [b]}));
    let skin = glb.push("skins", json!({"joints": [a, b], "inverseBindMatrices": inverse}));
    let joints = glb.accessor(5121, "VEC4", 4, &[0, 1, 9, 9].repeat(4));
    let weights: Vec<f32> = weights.iter().flat_map(|w| [1.0 - w, *w, 0.0, 0.0]).collect();
    let weights = glb.floats(4, &weights);
    merge(
        &mut primitive(&mut glb)["attributes"],
        &json!({"JOINTS_0": joints, "WEIGHTS_0": weights}),
    );
    // Its own place must not matter.
    glb.json["nodes"][0] =
        json!({"mesh": 0, "skin": skin, "translation": [7, 8, 9], "scale": [3, 1, 1]});
    glb
}

const B: usize = 2;
const A: usize = 3;

#[test]
fn a_bound_skin_changes_nothing() {
    for detail in DETAILS {
        let scene = skinned(detail, [0.0, 0.25, 0.5, 1.0]).scene();
        validate(&scene).unwrap();
        assert_eq!(scene.hash(), with_camera(fold(&FOLD, &NORMALS, detail)).scene().hash());
    }
}

#[test]
fn a_vertex_follows_the_mean_of_its_joints() {
    for detail in DETAILS {
        let mut glb = skinned(detail, [0.0, 0.25, 0.5, 1.0]);
        // b goes 4 to the right of where it was, a stays.
        glb.json["nodes"][B]["translation"] = json!([4, 2, 0]);
        let mut positions = FOLD;
        for (i, share) in [0.0, 0.25, 0.5, 1.0].into_iter().enumerate() {
            positions[3 * i] += 4.0 * share;
        }
        let written = with_camera(fold(&positions, &NORMALS, detail)).scene();
        assert_eq!(glb.scene().hash(), written.hash());
    }
}

#[test]
fn a_turned_joint_turns_positions_normals_and_tangents() {
    for detail in DETAILS {
        let mut glb = skinned(detail, [0.0; 4]);
        // Half a turn about Y around (1, 0, 0): x to 2 - x, z to -z.
        glb.json["nodes"][A]["rotation"] = json!([0, 1, 0, 0]);
        let turn = |v: &[f32; 12], by: f32| -> [f32; 12] {
            std::array::from_fn(|i| match i % 3 {
                0 => by - v[i],
                1 => v[i],
                _ => -v[i],
            })
        };
        let mut written = fold(&turn(&FOLD, 2.0), &turn(&NORMALS, 0.0), detail);
        if detail == Detail::Tangents {
            let tangents = written.floats(4, &[-1.0, 0.0, 0.0, -1.0].repeat(4));
            primitive(&mut written)["attributes"]["TANGENT"] = json!(tangents);
        }
        assert_eq!(glb.scene().hash(), with_camera(written).scene().hash());
    }
}

#[test]
fn joints_move_by_keys_and_morph_targets_come_first() {
    let mut glb = with_targets(skinned(Detail::Positions, [0.0, 0.25, 0.5, 1.0]));
    glb.json["meshes"][0]["weights"] = json!([1, 0]);
    let values = [0.0, 2.0, 0.0, 8.0, 2.0, 0.0];
    let keys = Keys { times: &[0.0, 2.0], lanes: 3, values: &values, interpolation: "LINEAR" };
    animate(&mut glb, B, "translation", &keys);
    let asset = glb.asset();
    for (time, shift) in [(0.0, 0.0), (1.0, 4.0), (2.0, 8.0)] {
        let mut positions = FOLD;
        for (i, share) in [0.0, 0.25, 0.5, 1.0].into_iter().enumerate() {
            positions[3 * i] += 2.0 + shift * share;
        }
        let written = with_camera(fold(&positions, &NORMALS, Detail::Positions)).scene();
        assert_eq!(at(&asset, time).hash(), written.hash(), "at {time}");
    }
    // And it is pure: an earlier time again.
    assert_eq!(at(&asset, 0.5).hash(), at(&glb.asset(), 0.5).hash());
}

/// Gives a fold's vertices colours and a second set of texture coordinates, and reads a texture at
/// each set.
fn dressed(mut glb: Glb) -> Glb {
    let colours: [f32; 16] =
        std::array::from_fn(|i| if i % 4 == 3 { 1.0 } else { i as f32 / 16.0 });
    let colours = glb.floats(4, &colours);
    let uvs = glb.floats(2, &[3.0, 5.0, 4.0, 5.0, 4.0, 7.0, 3.0, 7.0]);
    let attributes = json!({"COLOR_0": colours, "TEXCOORD_1": uvs});
    merge(&mut primitive(&mut glb)["attributes"], &attributes);
    if glb.json["materials"].is_null() {
        textured(&mut glb, &json!({}));
    }
    let texture = glb.picture(&png(1, 1, &[200; 4]));
    glb.json["materials"][0]["pbrMetallicRoughness"] = json!({
        "baseColorTexture": {"index": texture},
        "metallicRoughnessTexture": {"index": texture, "texCoord": 1},
    });
    glb
}

/// Each corner of a mesh's triangles with its record.
fn corners(scene: &CanonicalScene, mesh: usize) -> Vec<(Vertex, Vertex)> {
    let mesh = scene.meshes[mesh];
    scene.triangles[mesh.first_triangle as usize..][..mesh.triangle_count as usize]
        .iter()
        .flat_map(|triangle| triangle.corners.map(|corner| (corner, corner + triangle.more)))
        .map(|(corner, record)| (scene.vertices[corner as usize], scene.vertices[record as usize]))
        .collect()
}

#[test]
fn colours_and_further_coordinates_stay_with_the_vertices_that_move() {
    let shares = [0.0, 0.25, 0.5, 1.0];
    for detail in DETAILS {
        let written = |positions: &[f32; 12]| {
            let scene = with_camera(dressed(fold(positions, &NORMALS, detail))).scene();
            let colours: BTreeSet<[u32; 4]> = corners(&scene, 0)
                .into_iter()
                .map(|(_, record)| record.tangent.map(f32::to_bits))
                .collect();
            assert_eq!(colours.len(), 4);
            scene
        };
        let mut morphed = with_camera(dressed(with_targets(fold(&FOLD, &NORMALS, detail))));
        let values = [0.0, 0.0, 1.0, 0.0];
        let keys = Keys { times: &[0.0, 2.0], lanes: 1, values: &values, interpolation: "LINEAR" };
        animate(&mut morphed, 0, "weights", &keys);
        let mut skinned = dressed(skinned(detail, shares));
        let values = [0.0, 2.0, 0.0, 8.0, 2.0, 0.0];
        let keys = Keys { times: &[0.0, 2.0], lanes: 3, values: &values, interpolation: "LINEAR" };
        animate(&mut skinned, B, "translation", &keys);
        for time in [0.0, 1.0, 2.0] {
            let by_targets = moved([time, 0.0, 0.0]);
            let by_joints: [f32; 12] = std::array::from_fn(|i| {
                FOLD[i] + if i % 3 == 0 { 4.0 * time * shares[i / 3] } else { 0.0 }
            });
            let time = f64::from(time);
            assert_eq!(at(&morphed.asset(), time).hash(), written(&by_targets).hash());
            assert_eq!(at(&skinned.asset(), time).hash(), written(&by_joints).hash());
        }
        // Behind others, too.
        let again = skinned.json["nodes"][0].clone();
        skinned.node(again);
        let twice = at(&skinned.asset(), 1.0);
        assert_eq!((twice.meshes.len(), twice.triangles.len()), (2, 4));
        assert_eq!(corners(&twice, 0), corners(&twice, 1));
    }
}

#[test]
fn a_second_set_of_joints_counts_and_weights_are_normalised() {
    let mut glb = skinned(Detail::Normals, [0.0; 4]);
    // A quarter of b's share in the first set and as much in the second, of 1/2 in all; the rest a.
    let sets = [[64u8, 64, 0, 0], [128, 0, 0, 0]];
    let mut attributes = json!({});
    for (i, (weights, joints)) in sets.into_iter().zip([[0u8, 1, 0, 0], [1, 0, 0, 0]]).enumerate() {
        let weights = glb.accessor(5121, "VEC4", 4, &weights.repeat(4));
        glb.json["accessors"][weights]["normalized"] = json!(true);
        let joints = glb.accessor(5121, "VEC4", 4, &joints.repeat(4));
        attributes[format!("JOINTS_{i}")] = json!(joints);
        attributes[format!("WEIGHTS_{i}")] = json!(weights);
    }
    merge(&mut primitive(&mut glb)["attributes"], &attributes);
    glb.json["nodes"][B]["translation"] = json!([4, 2, 0]);
    let positions = moved([3.0, 0.0, 0.0]);
    let written = with_camera(fold(&positions, &NORMALS, Detail::Normals)).scene();
    let scene = glb.scene();
    for (a, b) in scene.vertices.iter().zip(written.vertices.iter()) {
        assert!(a.position.iter().zip(b.position).all(|(a, b)| (a - b).abs() < 1e-6));
    }
}

#[test]
fn meshes_that_stay_are_shared_by_frames_and_moved_ones_are_not() {
    let mut still = skinned(Detail::Normals, [0.5; 4]);
    let keys = Keys {
        times: &[0.0, 1.0],
        lanes: 3,
        values: &[0.0, 2.0, 0.0, 8.0, 2.0, 0.0],
        interpolation: "LINEAR",
    };
    let asset = still.asset();
    assert!(Arc::ptr_eq(&at(&asset, 0.0).vertices, &at(&asset, 0.5).vertices));
    animate(&mut still, B, "translation", &keys);
    let asset = still.asset();
    assert!(!Arc::ptr_eq(&at(&asset, 0.0).vertices, &at(&asset, 0.5).vertices));
    assert_ne!(at(&asset, 0.0).vertices, at(&asset, 0.5).vertices);
    assert_eq!((asset.triangle_count(), asset.instance_count()), (2, 1));
}

#[test]
fn what_a_skin_or_target_lacks_is_named() {
    let place = |glb: &Glb| {
        let problems = glb.problems();
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems[0].place.clone()
    };
    let skin = || skinned(Detail::Normals, [0.5; 4]);
    let cases: [(&str, Value, &str); 6] = [
        ("/nodes/0/skin", json!(3), "nodes[0].skin"),
        ("/skins/0/joints", json!([]), "skins[0]"),
        ("/skins/0/joints/1", json!(77), "skins[0].joints[1]"),
        ("/skins/0/inverseBindMatrices", json!(0), "accessors[0]"),
        ("/skins/0/joints", json!([A]), "meshes[0].primitives[0].attributes"),
        ("/scenes/0/nodes", json!([0]), "skins[0].joints[0]"),
    ];
    for (pointer, value, expected) in cases {
        let mut glb = skin();
        *glb.json.pointer_mut(pointer).unwrap() = value;
        assert_eq!(place(&glb), expected, "{pointer}");
    }
    let mut glb = skin();
    let weights = glb.floats(4, &[0.5, 0.75, -0.25, 0.0].repeat(4));
    primitive(&mut glb)["attributes"]["WEIGHTS_0"] = json!(weights);
    assert_eq!(place(&glb), "meshes[0].primitives[0].attributes");
    let mut glb = skin();
    let weights = glb.floats(4, &[1.0, 0.0, 0.0, 0.0]);
    primitive(&mut glb)["attributes"]["WEIGHTS_0"] = json!(weights);
    assert_eq!(place(&glb), "meshes[0].primitives[0].attributes.WEIGHTS_0");
    let mut glb = with_targets(fold(&FOLD, &NORMALS, Detail::Normals));
    let short = glb.floats(3, &[1.0, 0.0, 0.0]);
    primitive(&mut glb)["targets"][1]["POSITION"] = json!(short);
    glb.json["meshes"][0]["weights"] = json!([0, 1]);
    assert_eq!(place(&glb), "meshes[0].primitives[0].targets[1].POSITION");
}

#[test]
fn what_moves_nothing_is_warned_of() {
    let mut glb = skinned(Detail::Normals, [0.5; 4]);
    let weights = glb.floats(4, &[0.0; 16]);
    primitive(&mut glb)["attributes"]["WEIGHTS_0"] = json!(weights);
    let asset = glb.asset();
    assert!(warns(asset.report(), "meshes[0].primitives[0].attributes.WEIGHTS_0"));
    // They follow the first joint.
    assert_eq!(
        frame(&asset, &view()).vertices,
        skinned(Detail::Normals, [0.0; 4]).scene().vertices
    );

    let mut glb = fold(&FOLD, &NORMALS, Detail::Normals);
    glb.push("skins", json!({"joints": [0]}));
    glb.json["nodes"][0]["skin"] = json!(0);
    assert!(warns(glb.asset().report(), "meshes[0].primitives[0]"));
    assert_eq!(glb.scene().hash(), fold(&FOLD, &NORMALS, Detail::Normals).scene().hash());

    let mut glb = with_targets(fold(&FOLD, &NORMALS, Detail::Normals));
    glb.json["meshes"][0]["weights"] = json!([0.5, 0, 1]);
    assert!(warns(glb.asset().report(), "meshes[0].weights"));

    let mut glb = with_targets(fold(&FOLD, &NORMALS, Detail::Normals));
    glb.json["meshes"][0]["weights"] = json!([0.5, 0]);
    let written = glb.scene().hash();
    primitive(&mut glb)["targets"][1]["COLOR_0"] = json!(0);
    assert!(warns(glb.asset().report(), "meshes[0].primitives[0].targets[1].COLOR_0"));
    assert_eq!(glb.scene().hash(), written);
}

#[test]
fn moved_meshes_keep_to_their_limits() {
    let mut glb = skinned(Detail::Normals, [0.5; 4]);
    let again = glb.json["nodes"][0].clone();
    glb.node(again);
    let keys = Keys {
        times: &[0.0, 1.0],
        lanes: 3,
        values: &[0.0, 2.0, 0.0, 8.0, 2.0, 0.0],
        interpolation: "LINEAR",
    };
    animate(&mut glb, B, "translation", &keys);
    let load = |limits: Limits| Asset::load(&glb.bytes(), None, &limits);
    // Two placements of two triangles; 4 vertices of 6 numbers, 6 corners, 17 numbers a vertex.
    let enough = Limits { triangles: 4, vertices: 12, deformed_values: 98, ..Limits::default() };
    assert!(load(enough.clone()).is_ok());
    for less in [
        Limits { triangles: 3, ..enough.clone() },
        Limits { vertices: 11, ..enough.clone() },
        Limits { deformed_values: 97, ..enough },
    ] {
        assert!(!problems(load(less)).is_empty());
    }

    // With as many records as vertices; 2 more numbers a vertex, and 12 a record.
    let glb = dressed(glb);
    let load = |limits: Limits| Asset::load(&glb.bytes(), None, &limits);
    let enough = Limits { triangles: 4, vertices: 24, deformed_values: 154, ..Limits::default() };
    assert!(load(enough.clone()).is_ok());
    for less in
        [Limits { vertices: 23, ..enough.clone() }, Limits { deformed_values: 153, ..enough }]
    {
        assert!(!problems(load(less)).is_empty());
    }
}

#[test]
fn a_mesh_that_is_moved_beyond_all_numbers_is_refused_at_its_time() {
    let mut glb = skinned(Detail::Normals, [1.0; 4]);
    let huge = f32::MAX;
    let keys = Keys {
        times: &[0.0, 1.0],
        lanes: 3,
        values: &[1.0, 1.0, 1.0, huge, huge, huge],
        interpolation: "STEP",
    };
    for node in 4..13 {
        glb.push("nodes", json!({"children": [node + 1]}));
    }
    glb.push("nodes", json!({"children": [A]}));
    glb.json["scenes"][0]["nodes"] = json!([0, 1, 4]);
    let [input, output] = [glb.floats(1, keys.times), glb.floats(keys.lanes, keys.values)];
    let channels: Vec<Value> = (4..14)
        .map(|node| json!({"sampler": 0, "target": {"node": node, "path": "scale"}}))
        .collect();
    glb.push(
        "animations",
        json!({
            "channels": channels,
            "samplers": [{"input": input, "output": output, "interpolation": "STEP"}],
        }),
    );
    let asset = glb.asset();
    at(&asset, 0.5);
    let error = asset.frame(&view(), 0, 1.0).unwrap_err().to_string();
    assert!(error.contains("nodes[0].mesh"), "{error}");
}
