//! The JSON of a glTF file, as far as it is read.
//!
//! Each element is decoded by itself, so that one broken material doesn't hide the next one.

use crate::error::{Findings, Note};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(crate) struct Document {
    pub(crate) accessors: Vec<Accessor>,
    pub(crate) animations: Vec<Animation>,
    pub(crate) buffers: Vec<Buffer>,
    pub(crate) buffer_views: Vec<BufferView>,
    pub(crate) cameras: Vec<Camera>,
    pub(crate) images: Vec<Image>,
    pub(crate) lights: Vec<Light>,
    pub(crate) materials: Vec<Material>,
    pub(crate) meshes: Vec<Mesh>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) samplers: Vec<Sampler>,
    pub(crate) scenes: Vec<Scene>,
    pub(crate) skins: Vec<Skin>,
    pub(crate) textures: Vec<Texture>,
    /// The scene to be shown, if the file says so.
    pub(crate) scene: Option<u32>,
    pub(crate) extensions_required: Vec<String>,
    /// Attributes may be small integers: KHR_mesh_quantization.
    pub(crate) quantized: bool,
}

impl Document {
    pub(crate) fn parse(root: &Value, findings: &mut Findings) -> Self {
        if !root.is_object() {
            findings.problem(Note::new("file", "its JSON is not an object"));
        }
        let version = root.pointer("/asset/version").and_then(Value::as_str).unwrap_or("");
        if !version.starts_with("2.") {
            findings.problem(Note::new("asset.version", format!("is {version:?}, not 2.x")));
        }
        let names = ["extensionsUsed", "extensionsRequired"].map(|key| root.get(key));
        let mut names = names.into_iter().flatten().filter_map(Value::as_array).flatten();
        let lights = root.pointer("/extensions/KHR_lights_punctual/lights");
        Self {
            accessors: list(root, "accessors", findings),
            animations: list(root, "animations", findings),
            buffers: list(root, "buffers", findings),
            buffer_views: list(root, "bufferViews", findings),
            cameras: list(root, "cameras", findings),
            images: list(root, "images", findings),
            lights: decode_list(lights, "extensions.KHR_lights_punctual.lights", findings),
            materials: list(root, "materials", findings),
            meshes: list(root, "meshes", findings),
            nodes: list(root, "nodes", findings),
            samplers: list(root, "samplers", findings),
            scenes: list(root, "scenes", findings),
            skins: list(root, "skins", findings),
            textures: list(root, "textures", findings),
            scene: root.get("scene").and_then(|value| findings.take(decode(value, "scene"))),
            extensions_required: list(root, "extensionsRequired", findings),
            quantized: names.any(|name| name == "KHR_mesh_quantization"),
        }
    }
}

fn list<T: DeserializeOwned>(root: &Value, key: &str, findings: &mut Findings) -> Vec<T> {
    decode_list(root.get(key), key, findings)
}

fn decode_list<T: DeserializeOwned>(
    value: Option<&Value>,
    place: &str,
    findings: &mut Findings,
) -> Vec<T> {
    let Some(value) = value else { return Vec::new() };
    let Some(items) = value.as_array() else {
        findings.problem(Note::new(place, "is not an array"));
        return Vec::new();
    };
    let decode_at = |(i, item)| findings.take(decode(item, &format!("{place}[{i}]")));
    items.iter().enumerate().filter_map(decode_at).collect()
}

fn decode<T: DeserializeOwned>(value: &Value, place: &str) -> Result<T, Note> {
    T::deserialize(value).map_err(|error| Note::new(place, error.to_string()))
}

/// The element that an index names; `place` is where the index stands.
pub(crate) fn lookup<'a, T>(
    items: &'a [T],
    kind: &str,
    index: u32,
    place: &str,
) -> Result<&'a T, Note> {
    items.get(index as usize).ok_or_else(|| {
        Note::new(place, format!("is {index}, but the file has {} {kind}", items.len()))
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Buffer {
    pub(crate) byte_length: u64,
    pub(crate) uri: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BufferView {
    pub(crate) buffer: u32,
    #[serde(default)]
    pub(crate) byte_offset: u64,
    pub(crate) byte_length: u64,
    pub(crate) byte_stride: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Accessor {
    pub(crate) buffer_view: Option<u32>,
    #[serde(default)]
    pub(crate) byte_offset: u64,
    pub(crate) component_type: u32,
    #[serde(default)]
    pub(crate) normalized: bool,
    pub(crate) count: u64,
    #[serde(rename = "type")]
    pub(crate) shape: String,
    pub(crate) sparse: Option<Sparse>,
}

/// Elements of an accessor that are others than its buffer view says.
#[derive(Debug, Deserialize)]
pub(crate) struct Sparse {
    pub(crate) count: u64,
    pub(crate) indices: SparseIndices,
    pub(crate) values: SparseValues,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SparseIndices {
    pub(crate) buffer_view: u32,
    #[serde(default)]
    pub(crate) byte_offset: u64,
    pub(crate) component_type: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SparseValues {
    pub(crate) buffer_view: u32,
    #[serde(default)]
    pub(crate) byte_offset: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Image {
    pub(crate) buffer_view: Option<u32>,
    pub(crate) uri: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sampler {
    pub(crate) mag_filter: Option<u32>,
    pub(crate) wrap_s: Option<u32>,
    pub(crate) wrap_t: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Texture {
    pub(crate) sampler: Option<u32>,
    pub(crate) source: Option<u32>,
    #[serde(default)]
    pub(crate) extensions: TextureExtensions,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TextureExtensions {
    #[serde(rename = "EXT_texture_webp")]
    pub(crate) webp: Option<WebpOfTexture>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WebpOfTexture {
    pub(crate) source: Option<u32>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TextureInfo {
    pub(crate) index: u32,
    #[serde(default)]
    pub(crate) tex_coord: u32,
    /// Of a normal texture.
    pub(crate) scale: Option<f64>,
    #[serde(default)]
    pub(crate) extensions: TextureInfoExtensions,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TextureInfoExtensions {
    #[serde(rename = "KHR_texture_transform")]
    pub(crate) transform: Option<TextureTransform>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct TextureTransform {
    pub(crate) offset: [f64; 2],
    pub(crate) rotation: f64,
    pub(crate) scale: [f64; 2],
    pub(crate) tex_coord: Option<u32>,
}

impl Default for TextureTransform {
    fn default() -> Self {
        Self { offset: [0.0; 2], rotation: 0.0, scale: [1.0; 2], tex_coord: None }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Material {
    pub(crate) pbr_metallic_roughness: MetallicRoughness,
    pub(crate) normal_texture: Option<TextureInfo>,
    pub(crate) emissive_texture: Option<TextureInfo>,
    pub(crate) emissive_factor: [f64; 3],
    pub(crate) alpha_mode: AlphaMode,
    pub(crate) alpha_cutoff: Option<f64>,
    pub(crate) extensions: MaterialExtensions,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum AlphaMode {
    #[default]
    Opaque,
    Mask,
    Blend,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct MetallicRoughness {
    pub(crate) base_color_factor: [f64; 4],
    pub(crate) base_color_texture: Option<TextureInfo>,
    pub(crate) metallic_factor: f64,
    pub(crate) roughness_factor: f64,
    pub(crate) metallic_roughness_texture: Option<TextureInfo>,
}

impl Default for MetallicRoughness {
    fn default() -> Self {
        Self {
            base_color_factor: [1.0; 4],
            base_color_texture: None,
            metallic_factor: 1.0,
            roughness_factor: 1.0,
            metallic_roughness_texture: None,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct MaterialExtensions {
    #[serde(rename = "KHR_materials_emissive_strength")]
    pub(crate) emissive_strength: EmissiveStrength,
    #[serde(rename = "KHR_materials_unlit")]
    pub(crate) unlit: Option<Unlit>,
}

/// Has no members of its own.
#[derive(Debug, Deserialize)]
pub(crate) struct Unlit {}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct EmissiveStrength {
    pub(crate) emissive_strength: f64,
}

impl Default for EmissiveStrength {
    fn default() -> Self {
        Self { emissive_strength: 1.0 }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Mesh {
    pub(crate) primitives: Vec<Primitive>,
    /// Of the morph targets, where a node says nothing else.
    pub(crate) weights: Option<Vec<f64>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Primitive {
    pub(crate) attributes: BTreeMap<String, u32>,
    pub(crate) indices: Option<u32>,
    pub(crate) material: Option<u32>,
    pub(crate) mode: Option<u32>,
    /// Morph targets: what each adds to attributes.
    #[serde(default)]
    pub(crate) targets: Vec<BTreeMap<String, u32>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Node {
    pub(crate) name: Option<String>,
    pub(crate) children: Vec<u32>,
    pub(crate) camera: Option<u32>,
    pub(crate) mesh: Option<u32>,
    pub(crate) skin: Option<u32>,
    /// Of its mesh's morph targets.
    pub(crate) weights: Option<Vec<f64>>,
    pub(crate) matrix: Option<[f64; 16]>,
    pub(crate) translation: Option<[f64; 3]>,
    pub(crate) rotation: Option<[f64; 4]>,
    pub(crate) scale: Option<[f64; 3]>,
    pub(crate) extensions: NodeExtensions,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NodeExtensions {
    #[serde(rename = "KHR_lights_punctual")]
    pub(crate) light: Option<LightOfNode>,
    #[serde(rename = "EXT_mesh_gpu_instancing")]
    pub(crate) instancing: Option<Instancing>,
}

/// Copies of a node's mesh: accessors of what stands before the node's own transform.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Instancing {
    pub(crate) attributes: BTreeMap<String, u32>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct LightOfNode {
    pub(crate) light: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Scene {
    pub(crate) nodes: Vec<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Skin {
    pub(crate) inverse_bind_matrices: Option<u32>,
    pub(crate) joints: Vec<u32>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Camera {
    pub(crate) perspective: Option<Perspective>,
    pub(crate) orthographic: Option<Orthographic>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Perspective {
    pub(crate) yfov: f64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Orthographic {
    pub(crate) ymag: f64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Animation {
    #[serde(default)]
    pub(crate) name: Option<String>,
    pub(crate) channels: Vec<Channel>,
    pub(crate) samplers: Vec<AnimationSampler>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Channel {
    pub(crate) sampler: u32,
    pub(crate) target: Target,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    pub(crate) node: Option<u32>,
    pub(crate) path: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct AnimationSampler {
    pub(crate) input: u32,
    pub(crate) output: u32,
    pub(crate) interpolation: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Light {
    #[serde(rename = "type")]
    pub(crate) kind: LightKind,
    #[serde(default = "white")]
    pub(crate) color: [f64; 3],
    pub(crate) intensity: Option<f64>,
    pub(crate) range: Option<f64>,
    #[serde(default)]
    pub(crate) spot: Spot,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LightKind {
    Point,
    Spot,
    Directional,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Spot {
    pub(crate) inner_cone_angle: f64,
    pub(crate) outer_cone_angle: f64,
}

impl Default for Spot {
    fn default() -> Self {
        Self { inner_cone_angle: 0.0, outer_cone_angle: std::f64::consts::FRAC_PI_4 }
    }
}

fn white() -> [f64; 3] {
    [1.0; 3]
}
