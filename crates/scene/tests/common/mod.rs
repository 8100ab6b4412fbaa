//! Files by hand: a glTF's JSON as it stands, and the bytes it points to.
#![allow(dead_code, reason = "each test program uses its own part")]

use serde_json::{Value, json};
use tessera_scene::{Asset, Limits, Note, Report, SceneError, View};
use tessera_shaders::layout::CanonicalScene;

/// A `.glb` in the making.
pub(crate) struct Glb {
    pub(crate) json: Value,
    pub(crate) bin: Vec<u8>,
}

impl Glb {
    /// An empty scene.
    pub(crate) fn new() -> Self {
        let json = json!({
            "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": []}],
            "nodes": [], "meshes": [], "accessors": [], "bufferViews": [],
        });
        Self { json, bin: Vec::new() }
    }

    /// One triangle in the plane z = 0, by itself.
    pub(crate) fn triangle() -> Self {
        let mut glb = Self::new();
        let positions = glb.floats(3, &[0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        let mesh = glb.mesh(&json!({"attributes": {"POSITION": positions}}));
        glb.node(json!({"mesh": mesh}));
        glb
    }

    /// A unit square in the plane z = 0, seen upright from +Z: u to the right, v down.
    pub(crate) fn card(extra: &Value) -> Self {
        let mut glb = Self::new();
        let positions =
            glb.floats(3, &[0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0]);
        let normals = glb.floats(3, &[0.0, 0.0, 1.0].repeat(4));
        let uvs = glb.floats(2, &[0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0]);
        let indices = glb.accessor(5121, "SCALAR", 6, &[0, 1, 2, 0, 2, 3]);
        let mut primitive = json!({
            "attributes": {"POSITION": positions, "NORMAL": normals, "TEXCOORD_0": uvs},
            "indices": indices,
        });
        merge(&mut primitive, extra);
        let mesh = glb.mesh(&primitive);
        glb.node(json!({"mesh": mesh}));
        glb
    }

    pub(crate) fn push(&mut self, list: &str, item: Value) -> usize {
        let items = self.json.as_object_mut().unwrap().entry(list).or_insert_with(|| json!([]));
        items.as_array_mut().unwrap().push(item);
        items.as_array().unwrap().len() - 1
    }

    pub(crate) fn view(&mut self, bytes: &[u8]) -> usize {
        while !self.bin.len().is_multiple_of(4) {
            self.bin.push(0);
        }
        let view = json!({"buffer": 0, "byteOffset": self.bin.len(), "byteLength": bytes.len()});
        self.bin.extend(bytes);
        self.push("bufferViews", view)
    }

    pub(crate) fn accessor(
        &mut self,
        component: u32,
        shape: &str,
        count: usize,
        bytes: &[u8],
    ) -> usize {
        let view = self.view(bytes);
        let accessor =
            json!({"bufferView": view, "componentType": component, "count": count, "type": shape});
        self.push("accessors", accessor)
    }

    pub(crate) fn floats(&mut self, lanes: usize, values: &[f32]) -> usize {
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        let shape = ["SCALAR", "VEC2", "VEC3", "VEC4"][lanes - 1];
        self.accessor(5126, shape, values.len() / lanes, &bytes)
    }

    /// A mesh of one primitive.
    pub(crate) fn mesh(&mut self, primitive: &Value) -> usize {
        self.push("meshes", json!({"primitives": [primitive]}))
    }

    /// A node at the root of the scene.
    pub(crate) fn node(&mut self, node: Value) -> usize {
        let index = self.push("nodes", node);
        self.json["scenes"][0]["nodes"].as_array_mut().unwrap().push(json!(index));
        index
    }

    /// A texture of this picture.
    pub(crate) fn picture(&mut self, file: &[u8]) -> usize {
        let view = self.view(file);
        let image = self.push("images", json!({"bufferView": view, "mimeType": "image/png"}));
        self.push("textures", json!({"source": image}))
    }

    pub(crate) fn light(&mut self, light: Value, node: Value) {
        let mut node = node;
        let root = self.json.as_object_mut().unwrap();
        let extensions = root
            .entry("extensions")
            .or_insert_with(|| json!({"KHR_lights_punctual": {"lights": []}}));
        let lights = extensions["KHR_lights_punctual"]["lights"].as_array_mut().unwrap();
        lights.push(light);
        let extension = json!({"extensions": {"KHR_lights_punctual": {"light": lights.len() - 1}}});
        merge(&mut node, &extension);
        self.node(node);
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut json = self.json.clone();
        if json.get("buffers").is_none() {
            json["buffers"] = json!([{"byteLength": self.bin.len()}]);
        }
        container(json.to_string().as_bytes(), &self.bin)
    }

    pub(crate) fn load(&self) -> Result<Asset, SceneError> {
        Asset::load(&self.bytes(), None, &Limits::default())
    }

    pub(crate) fn asset(&self) -> Asset {
        self.load().unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) fn scene(&self) -> CanonicalScene {
        frame(&self.asset(), &view())
    }

    /// The problems for which it is refused.
    pub(crate) fn problems(&self) -> Vec<Note> {
        problems(self.load())
    }
}

pub(crate) fn problems(result: Result<Asset, SceneError>) -> Vec<Note> {
    match result {
        Err(SceneError::Refused(notes)) => notes,
        other => panic!("not refused: {other:?}"),
    }
}

pub(crate) fn container(json: &[u8], bin: &[u8]) -> Vec<u8> {
    let padded = |chunk: &[u8], with: u8| {
        let mut chunk = chunk.to_vec();
        chunk.resize(chunk.len().next_multiple_of(4), with);
        chunk
    };
    let (json, bin) = (padded(json, b' '), padded(bin, 0));
    let word = |x: usize| (x as u32).to_le_bytes();
    let mut file = [b"glTF".as_slice(), &word(2), &word(28 + json.len() + bin.len())].concat();
    file.extend([&word(json.len()), b"JSON".as_slice(), &json].concat());
    file.extend([&word(bin.len()), b"BIN\0".as_slice(), &bin].concat());
    file
}

pub(crate) fn merge(into: &mut Value, from: &Value) {
    for (key, value) in from.as_object().unwrap() {
        into[key] = value.clone();
    }
}

pub(crate) fn view() -> View {
    View {
        width: 64,
        height: 32,
        seed: 7,
        max_bounces: 5,
        camera: None,
        environment_strength: 1.0,
        environment_rotation_deg: 0.0,
        background_black: false,
    }
}

pub(crate) fn frame(asset: &Asset, view: &View) -> CanonicalScene {
    asset.frame(view, 3, 0.0).unwrap_or_else(|error| panic!("{error}"))
}

/// Whether a report has a warning at this place.
pub(crate) fn warns(report: &Report, place: &str) -> bool {
    report.warnings.iter().any(|note| note.place == place)
}

/// A PNG of these RGBA texels.
pub(crate) fn png(width: u32, height: u32, rgba: &[u8]) -> Vec<u8> {
    png_of(width, height, png::ColorType::Rgba, png::BitDepth::Eight, rgba)
}

pub(crate) fn png_of(
    width: u32,
    height: u32,
    color: png::ColorType,
    depth: png::BitDepth,
    data: &[u8],
) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == png::ColorType::Indexed {
        encoder.set_palette(vec![10, 20, 30, 40, 50, 60]);
        encoder.set_trns(vec![255, 128]);
    }
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(data).unwrap();
    writer.finish().unwrap();
    file
}

/// A Radiance picture of these RGBE texels, as they are.
pub(crate) fn hdr(width: u32, height: u32, texel: impl Fn(u32, u32) -> [u8; 4]) -> Vec<u8> {
    let mut file =
        format!("#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y {height} +X {width}\n").into_bytes();
    for y in 0..height {
        for x in 0..width {
            file.extend(texel(x, y));
        }
    }
    file
}

pub(crate) fn close(a: f32, b: f64) -> bool {
    (f64::from(a) - b).abs() < 1e-6 * b.abs().max(1.0)
}

pub(crate) fn close3(a: [f32; 3], b: [f64; 3]) -> bool {
    a.iter().zip(b).all(|(&a, b)| close(a, b))
}

/// Gives the first mesh this material.
pub(crate) fn textured(glb: &mut Glb, material: &Value) {
    glb.push("materials", material.clone());
    glb.json["meshes"][0]["primitives"][0]["material"] = json!(0);
}
