//! The files are sound glTF and Radiance pictures, and they are the same bytes as ever.

use std::fmt::Write;
use tessera_scenes::{conformance, known_answers, sample_animation};

type File = (String, Vec<u8>);

fn files() -> Vec<File> {
    let known = known_answers().into_iter().map(|known| known.scene);
    let stills = conformance().into_iter().chain(known);
    let mut files: Vec<File> = Vec::new();
    let mut add = |name: &str, glb: Vec<u8>, hdr: Option<Vec<u8>>| {
        files.push((format!("{name}.glb"), glb));
        files.extend(hdr.map(|hdr| (format!("{name}.hdr"), hdr)));
    };
    for scene in stills {
        add(scene.name, scene.glb, scene.environment);
    }
    let sample = sample_animation();
    add(sample.name, sample.glb, sample.environment);
    files
}

/// Set `TESSERA_GOLDEN=write` to accept new bytes: golden hashes of pictures change with them.
#[test]
fn every_file_has_the_bytes_it_always_had() {
    let mut hashes = String::new();
    for (name, bytes) in files() {
        writeln!(hashes, "{} {name}", blake3::hash(&bytes)).unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/scenes.txt");
    if std::env::var("TESSERA_GOLDEN").is_ok_and(|value| value == "write") {
        std::fs::write(path, &hashes).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap();
    for (now, then) in hashes.lines().zip(golden.lines()) {
        assert_eq!(now, then);
    }
    assert_eq!(hashes.lines().count(), golden.lines().count());
}

#[test]
fn every_glb_passes_validation_and_its_pictures_decode() {
    for (name, bytes) in files().iter().filter(|(name, _)| name.ends_with(".glb")) {
        let gltf = gltf::Gltf::from_slice(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let blob = gltf.blob.as_deref().unwrap_or_default();
        for view in gltf.views() {
            assert!(
                view.offset() + view.length() <= blob.len() && view.offset() % 4 == 0,
                "{name}"
            );
        }
        for image in gltf.images() {
            let gltf::image::Source::View { view, .. } = image.source() else {
                panic!("{name} refers to a file");
            };
            let bytes = &blob[view.offset()..view.offset() + view.length()];
            image::load_from_memory(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        for primitive in gltf.meshes().flat_map(|mesh| mesh.primitives().collect::<Vec<_>>()) {
            check_primitive(name, &primitive, blob);
        }
    }
}

/// Counts agree, indices lie within, numbers are finite, bounds are the tightest.
fn check_primitive(name: &str, primitive: &gltf::Primitive<'_>, blob: &[u8]) {
    let reader = primitive.reader(|_| Some(blob));
    let positions: Vec<[f32; 3]> = reader.read_positions().unwrap().collect();
    let corners = positions.len();
    assert!(positions.iter().flatten().all(|x| x.is_finite()), "{name}");
    let bounds = primitive.bounding_box();
    for axis in 0..3 {
        let along = positions.iter().map(|position| position[axis]);
        assert_eq!(along.clone().fold(f32::INFINITY, f32::min), bounds.min[axis], "{name}");
        assert_eq!(along.fold(f32::NEG_INFINITY, f32::max), bounds.max[axis], "{name}");
    }
    assert!(reader.read_normals().is_none_or(|normals| normals.count() == corners), "{name}");
    assert!(reader.read_tangents().is_none_or(|tangents| tangents.count() == corners), "{name}");
    assert!(
        reader.read_tex_coords(0).is_none_or(|uvs| uvs.into_f32().count() == corners),
        "{name}"
    );
    match reader.read_indices() {
        Some(indices) => {
            let indices: Vec<u32> = indices.into_u32().collect();
            assert!(indices.len().is_multiple_of(3), "{name}");
            assert!(indices.iter().all(|&index| (index as usize) < corners), "{name}");
        }
        None => assert!(corners.is_multiple_of(3), "{name}"),
    }
}

#[test]
fn every_sky_decodes_to_finite_light() {
    for (name, bytes) in files().iter().filter(|(name, _)| name.ends_with(".hdr")) {
        let map = image::load_from_memory_with_format(bytes, image::ImageFormat::Hdr)
            .unwrap_or_else(|error| panic!("{name}: {error}"))
            .into_rgb32f();
        assert!(map.iter().all(|x| x.is_finite() && *x >= 0.0), "{name}");
    }
}

/// A validator that accepts anything would pass the tests above.
#[test]
fn a_broken_glb_fails_validation() {
    let glb = conformance().remove(0).glb;
    let text = String::from_utf8_lossy(&glb).into_owned();
    let place = text.find("\"mesh\":0").unwrap();
    let mut broken = glb;
    broken[place + 7] = b'9';
    assert!(gltf::Gltf::from_slice(&broken).is_err());
}
