//! What is refused or warned of, with its place; and that no bytes make the reader panic.

mod common;

use common::{Glb, container, frame, hdr, png, problems, textured, view};
use proptest::prelude::*;
use serde_json::{Value, json};
use tessera_scene::{Asset, Limits, Report, SceneError, View};

/// The place of the only problem of a file.
fn refusal(glb: &Glb) -> String {
    let problems = glb.problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems[0].place.clone()
}

/// A change to the JSON of a file.
fn with(mut glb: Glb, pointer: &str, value: &Value) -> Glb {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = glb.json.pointer_mut(parent).unwrap_or_else(|| panic!("no {pointer}"));
    match key.parse::<usize>() {
        Ok(index) => parent[index] = value.clone(),
        Err(_) => parent[key] = value.clone(),
    }
    glb
}

#[test]
fn each_broken_place_is_named() {
    let cases = [
        ("/asset/version", json!("1.0"), "asset.version"),
        ("/scene", json!(9), "scene"),
        ("/scenes/0/nodes", json!([7]), "scenes[0].nodes[0]"),
        ("/nodes/0/mesh", json!(5), "nodes[0].mesh"),
        ("/nodes/0/children", json!([0]), "nodes[0]"),
        ("/nodes/0/camera", json!(0), "nodes[0].camera"),
        (
            "/nodes/0/extensions",
            json!({"KHR_lights_punctual": {"light": 2}}),
            "nodes[0].extensions.KHR_lights_punctual.light",
        ),
        ("/nodes/0/translation", json!([1, 2]), "nodes[0]"),
        ("/meshes/0/primitives/0/indices", json!(0), "accessors[0]"),
        ("/meshes/0/primitives/0/indices", json!(44), "meshes[0].primitives[0].indices"),
        ("/meshes/0/primitives/0/material", json!(0), "meshes[0].primitives[0].material"),
        (
            "/meshes/0/primitives/0/attributes/NORMAL",
            json!(77),
            "meshes[0].primitives[0].attributes.NORMAL",
        ),
        ("/accessors/0/count", json!(4), "accessors[0]"),
        ("/accessors/0/count", json!(u64::MAX), "accessors[0]"),
        ("/accessors/0/byteOffset", json!(u64::MAX), "accessors[0]"),
        ("/accessors/0/bufferView", json!(3), "accessors[0].bufferView"),
        ("/accessors/0/componentType", json!(5130), "accessors[0]"),
        ("/accessors/0/componentType", json!(5123), "accessors[0]"),
        ("/accessors/0/type", json!("VEC2"), "accessors[0]"),
        ("/accessors/0/sparse", json!({"count": 1}), "accessors[0]"),
        ("/accessors/0/count", json!(-1), "accessors[0]"),
        ("/bufferViews/0/byteLength", json!(1_000_000), "bufferViews[0]"),
        ("/bufferViews/0/byteOffset", json!(u64::MAX), "bufferViews[0]"),
        ("/bufferViews/0/byteStride", json!(3), "accessors[0]"),
        ("/bufferViews/0/buffer", json!(1), "bufferViews[0].buffer"),
        ("/buffers", json!([{"byteLength": 36, "uri": "far.bin"}]), "buffers[0]"),
        ("/materials", json!({"0": {}}), "materials"),
        ("/extensionsRequired", json!(["EXT_meshopt_compression"]), "extensionsRequired"),
    ];
    for (pointer, value, place) in cases {
        assert_eq!(refusal(&with(Glb::triangle(), pointer, &value)), place, "{pointer}: {value}");
    }
}

#[test]
fn all_problems_are_reported_at_once() {
    let mut glb = Glb::triangle();
    glb.push("materials", json!({"emissiveFactor": "red"}));
    glb.push("materials", json!({"alphaMode": "GLOW"}));
    glb.json["extensionsRequired"] = json!(["KHR_draco_mesh_compression", "KHR_lights_punctual"]);
    let places: Vec<String> = glb.problems().into_iter().map(|note| note.place).collect();
    assert_eq!(places, ["materials[0]", "materials[1]", "extensionsRequired"]);
    let message = glb.load().unwrap_err().to_string();
    assert!(message.contains("KHR_draco_mesh_compression"), "{message}");
    assert!(message.contains("GLOW"), "{message}");
}

#[test]
fn numbers_that_are_none_are_refused_by_accessor() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut glb = Glb::triangle();
        let positions = glb.floats(3, &[0.0, 0.0, 0.0, 1.0, bad, 0.0, 0.0, 1.0, 0.0]);
        glb.json["meshes"][0]["primitives"][0]["attributes"]["POSITION"] = json!(positions);
        let problems = glb.problems();
        assert_eq!(problems[0].place, "accessors[1]");
        assert!(problems[0].message.contains("element 1"), "{problems:?}");
    }
}

#[test]
fn an_index_beyond_the_vertices_is_refused() {
    let mut glb = Glb::triangle();
    let indices = glb.accessor(5121, "SCALAR", 3, &[0, 1, 3]);
    glb.json["meshes"][0]["primitives"][0]["indices"] = json!(indices);
    assert_eq!(refusal(&glb), "meshes[0].primitives[0].indices");
    let indices = glb.accessor(5121, "SCALAR", 4, &[0, 1, 2, 0]);
    glb.json["meshes"][0]["primitives"][0]["indices"] = json!(indices);
    assert_eq!(refusal(&glb), "meshes[0].primitives[0]");
}

#[test]
fn a_ring_of_nodes_is_refused() {
    let mut glb = Glb::triangle();
    glb.push("nodes", json!({"children": [2]}));
    glb.push("nodes", json!({"children": [1]}));
    glb.json["nodes"][0]["children"] = json!([1]);
    assert_eq!(refusal(&glb), "nodes[1]");
}

#[test]
fn broken_pictures_are_refused_by_image() {
    let good = png(4, 4, &[9; 64]);
    let cut = &good[..good.len() - 20];
    let empty: &[u8] = b"";
    for (file, reason) in
        [(cut, "broken PNG"), (empty, "neither"), (b"\xff\xd8\xff\xe0garbage", "broken JPEG")]
    {
        let mut glb = Glb::card(&json!({}));
        let texture = glb.picture(file);
        textured(&mut glb, &json!({"emissiveTexture": {"index": texture}}));
        let problems = glb.problems();
        assert_eq!(problems[0].place, "images[0]");
        assert!(problems[0].message.contains(reason), "{problems:?}");
    }
}

#[test]
fn a_broken_picture_that_nothing_shows_is_no_problem() {
    let mut glb = Glb::card(&json!({}));
    let texture = glb.picture(b"no picture");
    glb.push("materials", json!({"emissiveTexture": {"index": texture}}));
    assert!(glb.load().is_ok());
}

#[test]
fn lamps_and_cameras_out_of_range_are_refused() {
    let lamps = [
        (json!({"type": "point", "intensity": -1}), ""),
        (json!({"type": "point", "color": [1, -1, 0]}), ""),
        (json!({"type": "point", "range": 0}), ".range"),
        (json!({"type": "spot", "spot": {"innerConeAngle": 0.5, "outerConeAngle": 0.5}}), ".spot"),
        (json!({"type": "spot", "spot": {"outerConeAngle": 2.0}}), ".spot"),
    ];
    for (lamp, part) in lamps {
        let mut glb = Glb::triangle();
        glb.light(lamp, json!({}));
        assert_eq!(refusal(&glb), format!("extensions.KHR_lights_punctual.lights[0]{part}"));
    }
    for yfov in [0.0, -1.0, 3.2] {
        let mut glb = Glb::triangle();
        glb.push("cameras", json!({"type": "perspective", "perspective": {"yfov": yfov}}));
        glb.node(json!({"camera": 0}));
        assert_eq!(refusal(&glb), "cameras[0].perspective.yfov");
    }
    let orthographic = |ymag: f64| json!({"orthographic": {"xmag": 1, "ymag": ymag}});
    for (camera, place) in [
        (orthographic(0.0), "cameras[0].orthographic.ymag"),
        (orthographic(-1.0), "cameras[0].orthographic.ymag"),
        (orthographic(1e200), "cameras[0].orthographic.ymag"),
        (json!({"type": "fisheye"}), "cameras[0]"),
    ] {
        let mut glb = Glb::triangle();
        glb.push("cameras", camera);
        glb.node(json!({"camera": 0}));
        assert_eq!(refusal(&glb), place);
    }
}

#[test]
fn a_camera_is_asked_for_by_its_number() {
    let mut glb = Glb::triangle();
    glb.push("cameras", json!({"type": "orthographic", "orthographic": {"xmag": 1, "ymag": 1}}));
    glb.push("cameras", json!({"type": "perspective", "perspective": {"yfov": 1}}));
    glb.node(json!({"camera": 0}));
    glb.node(json!({"camera": 1, "translation": [0, 0, 8]}));
    let asset = glb.asset();
    let of = |camera| asset.frame(&View { camera, ..view() }, 0, 0.0);
    assert_eq!(of(None).unwrap().hash(), of(Some(0)).unwrap().hash());
    assert_ne!(of(None).unwrap().hash(), of(Some(1)).unwrap().hash());
    assert_eq!((of(None).unwrap().frame.parallel, of(Some(1)).unwrap().frame.parallel), (1, 0));
    let missing = SceneError::NoSuchCamera { asked: 2, available: 2 };
    assert_eq!(of(Some(2)).unwrap_err(), missing);
    assert!(missing.to_string().contains("only cameras 0 to 1"));
}

#[test]
fn views_outside_their_limits_are_refused_by_name() {
    let asset = Glb::triangle().asset();
    let cases = [
        (View { width: 0, ..view() }, "width"),
        (View { height: 16_385, ..view() }, "height"),
        (View { max_bounces: 65, ..view() }, "max_bounces"),
        (View { environment_strength: f32::NAN, ..view() }, "environment_strength"),
        (View { environment_strength: -1.0, ..view() }, "environment_strength"),
        (View { environment_rotation_deg: f32::INFINITY, ..view() }, "environment_rotation_deg"),
    ];
    for (view, name) in cases {
        match asset.frame(&view, 0, 0.0) {
            Err(SceneError::View { setting, .. }) => assert_eq!(setting, name),
            other => panic!("{name}: {other:?}"),
        }
    }
    assert!(matches!(
        asset.frame(&view(), 0, f64::NAN),
        Err(SceneError::View { setting: "time", .. })
    ));
}

#[test]
fn what_is_lost_is_named_with_its_place() {
    let mut glb =
        Glb::card(&json!({"targets": [{}], "extensions": {"KHR_materials_variants": {}}}));
    textured(
        &mut glb,
        &json!({
            "extensions": {
                "KHR_materials_transmission": {"transmissionFactor": 1},
                "KHR_materials_emissive_strength": {"emissiveStrength": 2},
            },
            "extras": {"extensions": {"not_an_extension": 1}},
        }),
    );
    let texture = glb.picture(&png(1, 1, &[1; 4]));
    let transform = json!({"KHR_texture_transform": {"scale": [2, 1e9]}});
    let base = json!({"index": texture, "texCoord": 1, "extensions": transform});
    glb.json["materials"][0]["pbrMetallicRoughness"] = json!({"baseColorTexture": base});
    let colours = glb.floats(3, &[1.0; 12]);
    glb.json["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"] = json!(colours);
    glb.json["nodes"][0]["skin"] = json!(0);
    glb.mesh(&json!({"attributes": {}}));
    glb.push("nodes", json!({}));
    let lines = json!({"attributes": {"POSITION": 0}, "mode": 1});
    glb.json["meshes"][0]["primitives"].as_array_mut().unwrap().push(lines);

    let asset = glb.asset();
    let report = asset.report();
    let mut places: Vec<&str> = report.warnings.iter().map(|note| note.place.as_str()).collect();
    places.sort_unstable();
    assert_eq!(
        places,
        [
            "materials[0].extensions.KHR_materials_transmission",
            "materials[0].pbrMetallicRoughness.baseColorTexture.extensions.KHR_texture_transform.scale",
            "meshes[0].primitives[0]",
            "meshes[0].primitives[0].attributes",
            "meshes[0].primitives[1]",
            "meshes[0].primitives[1].mode",
        ]
    );
    let opaque = report.warnings.iter().find(|note| note.place.ends_with("transmission")).unwrap();
    assert!(opaque.message.contains("rendered opaque"));
}

#[test]
fn a_flood_of_warnings_is_cut_and_counted() {
    let mut glb = Glb::triangle();
    for _ in 0..500 {
        glb.push("materials", json!({"extensions": {"KHR_materials_sheen": {}}}));
    }
    let asset = glb.asset();
    let warnings = &asset.report().warnings;
    assert_eq!(warnings.len(), Report::MOST);
    assert!(warnings.last().unwrap().message.contains("301 more"), "{:?}", warnings.last());
}

#[test]
fn each_limit_is_kept() {
    let mut glb = Glb::card(&json!({}));
    let texture = glb.picture(&png(2, 3, &[9; 24]));
    textured(
        &mut glb,
        &json!({"emissiveTexture": {"index": texture}, "emissiveFactor": [1, 1, 1]}),
    );
    let child = glb.push("nodes", json!({"mesh": 0}));
    glb.node(json!({"children": [child]}));
    let times = glb.floats(1, &[0.0, 1.0]);
    let output = glb.floats(3, &[0.0; 6]);
    glb.push(
        "animations",
        json!({
            "channels": [{"sampler": 0, "target": {"node": 0, "path": "translation"}}],
            "samplers": [{"input": times, "output": output}],
        }),
    );
    let sky = hdr(4, 2, |_, _| [9, 9, 9, 130]);
    let file = glb.bytes();
    let json_bytes = u32::from_le_bytes(file[12..16].try_into().unwrap()) as usize;
    // Exactly what this file needs.
    let enough = Limits {
        file_bytes: file.len(),
        archive_entries: 0,
        json_bytes,
        environment_bytes: sky.len(),
        nodes: 3,
        depth: 2,
        vertices: 6,
        triangles: 2,
        instances: 2,
        placed_vertices: 8,
        lights: 5,
        texels: 6 + 8,
        picture_side: 3,
        animation_values: 2,
        sparse_elements: 0,
        deformed_values: 0,
    };
    let load = |limits: &Limits| Asset::load(&file, Some(&sky), limits);
    if let Err(error) = load(&enough) {
        panic!("{error}");
    }
    let less: [fn(&mut Limits); 13] = [
        |l| l.file_bytes -= 1,
        |l| l.json_bytes -= 1,
        |l| l.environment_bytes -= 1,
        |l| l.nodes -= 1,
        |l| l.depth -= 1,
        |l| l.vertices -= 1,
        |l| l.triangles -= 1,
        |l| l.instances -= 1,
        |l| l.placed_vertices -= 1,
        |l| l.lights -= 1,
        |l| l.texels -= 1,
        |l| l.picture_side -= 1,
        |l| l.animation_values -= 1,
    ];
    for change in less {
        let mut limits = enough.clone();
        change(&mut limits);
        assert!(!problems(load(&limits)).is_empty(), "{limits:?}");
    }
}

#[test]
fn a_container_that_is_none_is_refused() {
    let file = Glb::triangle().bytes();
    let mut version = file.clone();
    version[4] = 1;
    let mut longer = file.clone();
    longer[8] = longer[8].wrapping_add(1);
    for (bytes, reason) in [
        (&b"solid stl"[..], "neither a .glb"),
        (&version, "version 1"),
        (&longer, "shorter than its header"),
        (&file[..10], "shorter than its header"),
        (&container(b"{\"asset\":", &[]), "JSON is broken"),
        (&container(b"[]", &[]), "not an object"),
    ] {
        let notes = problems(Asset::load(bytes, None, &Limits::default()));
        assert_eq!(notes[0].place, "file");
        assert!(notes[0].message.contains(reason), "{notes:?}");
    }
}

/// A file with something of everything.
fn rich() -> Vec<u8> {
    let mut glb = Glb::card(&json!({}));
    let texture = glb.picture(&png(3, 2, &[77; 24]));
    textured(
        &mut glb,
        &json!({
            "pbrMetallicRoughness": {"baseColorTexture": {"index": texture}},
            "normalTexture": {"index": texture}, "emissiveTexture": {"index": texture},
            "emissiveFactor": [1, 0.5, 0], "alphaMode": "BLEND",
        }),
    );
    glb.push("cameras", json!({"type": "perspective", "perspective": {"yfov": 0.8}}));
    glb.node(json!({"camera": 0, "translation": [0, 0, 5]}));
    glb.light(json!({"type": "spot", "intensity": 3}), json!({"rotation": [0, 0.6, 0, 0.8]}));
    let times = glb.floats(1, &[0.0, 1.0]);
    let output = glb.floats(4, &[0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0]);
    glb.push(
        "animations",
        json!({
            "channels": [{"sampler": 0, "target": {"node": 0, "path": "rotation"}}],
            "samplers": [{"input": times, "output": output}],
        }),
    );
    glb.bytes()
}

/// Loads and, if that succeeds, makes a frame. Either may refuse; neither may panic, and what
/// comes out is fit for a GPU.
fn attempt(file: &[u8]) {
    let limits =
        Limits { texels: 1 << 16, vertices: 1 << 16, triangles: 1 << 14, ..Limits::default() };
    if let Ok(asset) = Asset::load(file, None, &limits)
        && let Ok(scene) = asset.frame(&view(), 0, 0.4)
    {
        tessera_scene::validate(&scene).unwrap();
    }
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let file = rich();
    frame(&Asset::load(&file, None, &Limits::default()).unwrap(), &view());
    for end in (0..file.len()).step_by(97) {
        let cut = Asset::load(&file[..end], None, &Limits::default());
        assert!(matches!(cut, Err(SceneError::Refused(_))), "{end} bytes");
        // The same with a header that doesn't know.
        if end >= 20 {
            let mut cut = file[..end].to_vec();
            cut[8..12].copy_from_slice(&(end as u32).to_le_bytes());
            attempt(&cut);
        }
    }
}

proptest! {
    #[test]
    fn changed_bytes_never_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut file = rich();
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        attempt(&file);
    }

    #[test]
    fn changed_digits_never_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 0..10u8), 1..6),
    ) {
        let mut file = rich();
        let digits: Vec<usize> = (20..file.len()).filter(|&i| file[i].is_ascii_digit()).collect();
        for (at, digit) in changes {
            file[digits[at.index(digits.len())]] = b'0' + digit;
        }
        attempt(&file);
    }

    #[test]
    fn any_geometry_gives_a_valid_scene(
        bits in proptest::collection::vec(any::<u32>(), 27..28),
        uvs in proptest::collection::vec(-2i8..3, 18..19),
    ) {
        let finite = |bits: &u32| Some(f32::from_bits(*bits)).filter(|x| x.is_finite()).unwrap_or(1.0);
        let positions: Vec<f32> = bits.iter().map(finite).collect();
        let uvs: Vec<f32> = uvs.iter().map(|&x| f32::from(x)).collect();
        let mut glb = Glb::card(&json!({}));
        let (positions, uvs) = (glb.floats(3, &positions), glb.floats(2, &uvs));
        let attributes = json!({"POSITION": positions, "NORMAL": positions, "TEXCOORD_0": uvs});
        glb.json["meshes"][0]["primitives"][0] = json!({"attributes": attributes});
        let texture = glb.picture(&png(1, 1, &[128, 128, 255, 255]));
        let glow = json!({"normalTexture": {"index": texture}, "emissiveFactor": [1, 1, 1]});
        textured(&mut glb, &glow);
        if let Ok(scene) = glb.asset().frame(&view(), 0, 0.0) {
            tessera_scene::validate(&scene).unwrap();
            for vertex in scene.vertices.iter() {
                let length = |v: [f32; 3]| v.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>();
                prop_assert!((length(vertex.normal) - 1.0).abs() < 1e-6);
                let [x, y, z, w] = vertex.tangent;
                prop_assert!((length([x, y, z]) - 1.0).abs() < 1e-6 && w.abs() == 1.0);
            }
        }
    }
}
