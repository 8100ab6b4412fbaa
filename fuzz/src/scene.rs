//! What artists send: a `.glb` with its JSON, numbers and pictures, and a Radiance `.hdr`.

use crate::{Memory, Target};
use std::sync::LazyLock;
use tessera_scene::{Asset, Limits, View};

/// A whole `.glb`.
pub static GLB: Target = Target {
    run: |input| attempt(input, None),
    seeds: || FILES.iter().map(|file| container(&file.json, &file.bin)).collect(),
    words: &WORDS,
    memory: MEMORY,
};

/// Its JSON, behind a byte that says whose numbers go with it.
pub static JSON: Target = Target {
    run: |input| {
        let Some((&file, json)) = input.split_first() else { return };
        attempt(&container(json, &FILES[usize::from(file) % FILES.len()].bin), None);
    },
    seeds: || numbered(|file| &file.json),
    words: &WORDS,
    memory: MEMORY,
};

/// Its numbers and pictures, behind a byte that says whose JSON speaks of them.
pub static NUMBERS: Target = Target {
    run: |input| {
        let Some((&file, bin)) = input.split_first() else { return };
        let File { json, bin: whole } = &FILES[usize::from(file) % FILES.len()];
        let mut bin = bin.to_vec();
        bin.resize(whole.len(), 0);
        attempt(&container(json, &bin), None);
    },
    seeds: || numbered(|file| &file.bin),
    words: &[],
    memory: Memory { bytes: 16 << 20, ..MEMORY },
};

/// A picture, as the texture of a card.
pub static PICTURE: Target = Target {
    run: |input| attempt(&card(input), None),
    seeds: pictures,
    words: &[
        "IHDR", "PLTE", "tRNS", "IDAT", "IEND", "acTL", "fcTL", "fdAT", "iCCP", "Adobe", "JFIF",
    ],
    memory: MEMORY,
};

/// An environment map.
pub static ENVIRONMENT: Target = Target {
    run: |input| attempt(&container(EMPTY, &[]), Some(input)),
    seeds: skies,
    words: &["#?RADIANCE", "FORMAT=32-bit_rle_rgbe", "EXPOSURE=", "-Y ", "+X "],
    memory: MEMORY,
};

const MEMORY: Memory = Memory { bytes: 8 << 20, times: 256 };

/// Longest seeds: short ones are changed to more purpose.
const SEED: usize = 8 << 10;

const WORDS: [&str; 24] = [
    "\"sparse\":{\"count\":1,\"indices\":{\"bufferView\":0,\"componentType\":5123},\"values\":{\"bufferView\":0}}",
    "\"extensionsUsed\"",
    "\"extensionsRequired\"",
    "\"KHR_lights_punctual\"",
    "\"KHR_mesh_quantization\"",
    "\"EXT_mesh_gpu_instancing\"",
    "\"KHR_texture_transform\"",
    "\"KHR_materials_unlit\"",
    "\"EXT_texture_webp\"",
    "\"skins\":[{\"joints\":[0]}]",
    "\"inverseBindMatrices\"",
    "\"skin\":0",
    "\"targets\":[{\"POSITION\":0}]",
    "\"weights\"",
    "\"JOINTS_0\"",
    "\"WEIGHTS_0\"",
    "\"COLOR_0\"",
    "\"CUBICSPLINE\"",
    "\"orthographic\"",
    "\"byteStride\"",
    "\"normalized\":true",
    "\"uri\":\"data:application/octet-stream;base64,AAAA\"",
    "1e39",
    "4294967295",
];

/// A `.glb`'s two chunks.
struct File {
    json: Vec<u8>,
    bin: Vec<u8>,
}

/// The short ones of the scenes that renderers have to agree on.
static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    let all = tessera_scenes::conformance().into_iter();
    let files: Vec<File> = all
        .map(|scene| chunks(&scene.glb))
        .filter(|file| file.json.len() + file.bin.len() <= SEED)
        .collect();
    assert!(files.len() >= 4, "only {} scenes are short", files.len());
    files
});

fn numbered(part: impl Fn(&File) -> &[u8]) -> Vec<Vec<u8>> {
    let behind = |(n, file): (usize, &File)| [&[n as u8], part(file)].concat();
    FILES.iter().enumerate().map(behind).collect()
}

/// Loads a file and makes two frames of it. Either may refuse; neither may panic, and what comes out is
/// fit for a GPU.
fn attempt(glb: &[u8], environment: Option<&[u8]>) {
    // An input shall cost a millisecond. That limits are kept is for the crate's own tests to show.
    let limits = Limits {
        texels: 1 << 16,
        vertices: 1 << 16,
        placed_vertices: 1 << 18,
        triangles: 1 << 15,
        instances: 1 << 10,
        lights: 1 << 14,
        ..Limits::default()
    };
    let Ok(asset) = Asset::load(glb, environment, &limits) else { return };
    let view = View {
        width: 64,
        height: 32,
        seed: 7,
        max_bounces: 5,
        camera: None,
        environment_strength: 1.0,
        environment_rotation_deg: 30.0,
        background_black: false,
    };
    for time_s in [0.0, 0.4] {
        if let Ok(scene) = asset.frame(&view, 0, time_s) {
            tessera_scene::validate(&scene).expect("a frame is fit for a GPU");
        }
    }
}

const EMPTY: &[u8] = br#"{"asset":{"version":"2.0"}}"#;

/// A square with this picture all over.
fn card(picture: &[u8]) -> Vec<u8> {
    let corners = [[0.0f32, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];
    let corners: Vec<u8> = corners.as_flattened().iter().flat_map(|x| x.to_le_bytes()).collect();
    let json = format!(
        r#"{{"asset":{{"version":"2.0"}},"scenes":[{{"nodes":[0]}}],"nodes":[{{"mesh":0}}],
        "meshes":[{{"primitives":[{{"attributes":{{"POSITION":0}},"material":0}}]}}],
        "materials":[{{"emissiveTexture":{{"index":0}},"emissiveFactor":[1,1,1]}}],
        "textures":[{{"source":0}}],"images":[{{"bufferView":1}}],
        "accessors":[{{"bufferView":0,"componentType":5126,"count":3,"type":"VEC3"}}],
        "buffers":[{{"byteLength":{}}}],"bufferViews":[{{"buffer":0,"byteLength":36}},
        {{"buffer":0,"byteOffset":36,"byteLength":{}}}]}}"#,
        36 + picture.len(),
        picture.len(),
    );
    container(json.as_bytes(), &[&corners, picture].concat())
}

fn container(json: &[u8], bin: &[u8]) -> Vec<u8> {
    let word = |length: usize| (length as u32).to_le_bytes();
    let mut file = [&b"glTF"[..], &word(2), &word(28 + json.len() + bin.len())].concat();
    file.extend([&word(json.len()), &b"JSON"[..], json].concat());
    file.extend([&word(bin.len()), &b"BIN\0"[..], bin].concat());
    file
}

/// A `.glb` of ours, taken apart again.
fn chunks(glb: &[u8]) -> File {
    let word =
        |at: usize| u32::from_le_bytes(glb[at..at + 4].try_into().expect("4 bytes")) as usize;
    let end = 20 + word(12);
    let bin = glb.get(end + 8..).unwrap_or_default();
    File { json: glb[20..end].trim_ascii().to_vec(), bin: bin.to_vec() }
}

/// The pictures of all scenes, cut out by their first bytes, short ones only.
fn pictures() -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for scene in tessera_scenes::conformance() {
        let File { json, bin } = chunks(&scene.glb);
        let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON of ours");
        for image in json["images"].as_array().into_iter().flatten() {
            let view = &json["bufferViews"][image["bufferView"].as_u64().unwrap_or(0) as usize];
            let part = |key: &str| view[key].as_u64().unwrap_or(0) as usize;
            found.push(bin[part("byteOffset")..][..part("byteLength")].to_vec());
        }
    }
    found.retain(|picture| picture.len() <= SEED);
    found.sort();
    found.dedup();
    assert!(found.iter().any(|picture| picture.starts_with(b"\xff\xd8")), "a JPEG is among them");
    found
}

/// Small skies in each packing.
fn skies() -> Vec<Vec<u8>> {
    use tessera_scenes::environment::{Packing, sky};
    let light = |d: [f32; 3]| [d[0].abs(), 1.0, if d[1] > 0.9 { 1e4 } else { 0.0 }];
    [Packing::Flat, Packing::Runs].into_iter().map(|packing| sky(16, 8, packing, light)).collect()
}
