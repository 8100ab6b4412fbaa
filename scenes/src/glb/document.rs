//! glTF's JSON, as far as the scenes use it.
//!
//! Numbers are doubles that hold floats exactly. The shortest decimals of a float would do for a
//! reader of floats, but one of doubles would get other numbers, and no longer half of them from
//! a scene half as large.

use serde::Serialize;

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Root {
    pub asset: Asset,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions_used: Vec<&'static str>,
    pub scene: usize,
    pub scenes: Vec<Scene>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<Node>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cameras: Vec<Camera>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub meshes: Vec<Mesh>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub materials: Vec<Material>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub textures: Vec<Texture>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub samplers: Vec<Sampler>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub animations: Vec<Animation>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accessors: Vec<Accessor>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub buffer_views: Vec<BufferView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub buffers: Vec<Buffer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extensions: Option<RootExtensions>,
}

#[derive(Serialize)]
pub(super) struct Asset {
    pub version: &'static str,
    pub generator: &'static str,
}

impl Default for Asset {
    fn default() -> Self {
        Self { version: "2.0", generator: "Tessera scenes" }
    }
}

#[derive(Serialize)]
pub(super) struct Scene {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<usize>,
}

#[derive(Serialize, Default)]
pub(super) struct Node {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub translation: Option<[f64; 3]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation: Option<[f64; 4]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<[f64; 3]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matrix: Option<[f64; 16]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mesh: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub camera: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extensions: Option<NodeExtensions>,
}

#[derive(Serialize)]
pub(super) struct NodeExtensions {
    #[serde(rename = "KHR_lights_punctual")]
    pub punctual: LampReference,
}

#[derive(Serialize)]
pub(super) struct LampReference {
    pub light: usize,
}

#[derive(Serialize)]
pub(super) struct RootExtensions {
    #[serde(rename = "KHR_lights_punctual")]
    pub punctual: Lamps,
}

#[derive(Serialize)]
pub(super) struct Lamps {
    pub lights: Vec<Lamp>,
}

#[derive(Serialize)]
pub(super) struct Lamp {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub color: [f64; 3],
    pub intensity: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spot: Option<Spot>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spot {
    pub inner_cone_angle: f64,
    pub outer_cone_angle: f64,
}

#[derive(Serialize)]
pub(super) struct Camera {
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub perspective: Option<Perspective>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orthographic: Option<Orthographic>,
}

#[derive(Serialize)]
pub(super) struct Orthographic {
    pub xmag: f64,
    pub ymag: f64,
    pub zfar: f64,
    pub znear: f64,
}

#[derive(Serialize)]
pub(super) struct Perspective {
    pub yfov: f64,
    pub znear: f64,
}

#[derive(Serialize)]
pub(super) struct Mesh {
    pub primitives: Vec<Primitive>,
}

#[derive(Serialize)]
pub(super) struct Primitive {
    pub attributes: Attributes,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub indices: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub material: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) struct Attributes {
    pub position: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normal: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tangent: Option<usize>,
    #[serde(rename = "TEXCOORD_0", skip_serializing_if = "Option::is_none")]
    pub texcoord_0: Option<usize>,
    #[serde(rename = "TEXCOORD_1", skip_serializing_if = "Option::is_none")]
    pub texcoord_1: Option<usize>,
    #[serde(rename = "COLOR_0", skip_serializing_if = "Option::is_none")]
    pub color_0: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Material {
    #[serde(rename = "pbrMetallicRoughness")]
    pub pbr: MetallicRoughness,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normal_texture: Option<NormalTexture>,
    pub emissive_factor: [f64; 3],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emissive_texture: Option<TextureInfo>,
    pub alpha_mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha_cutoff: Option<f64>,
    pub double_sided: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extensions: Option<MaterialExtensions>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MetallicRoughness {
    pub base_color_factor: [f64; 4],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_color_texture: Option<TextureInfo>,
    pub metallic_factor: f64,
    pub roughness_factor: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metallic_roughness_texture: Option<TextureInfo>,
}

#[derive(Serialize, Default, PartialEq)]
pub(super) struct MaterialExtensions {
    #[serde(rename = "KHR_materials_emissive_strength", skip_serializing_if = "Option::is_none")]
    pub strength: Option<EmissiveStrength>,
    #[serde(rename = "KHR_materials_unlit", skip_serializing_if = "Option::is_none")]
    pub unlit: Option<Unlit>,
}

/// Has no members of its own.
#[derive(Serialize, PartialEq)]
pub(super) struct Unlit {}

#[derive(Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(super) struct EmissiveStrength {
    pub emissive_strength: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TextureInfo {
    pub index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tex_coord: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extensions: Option<TextureExtensions>,
}

#[derive(Serialize)]
pub(super) struct TextureExtensions {
    #[serde(rename = "KHR_texture_transform")]
    pub transform: TextureTransform,
}

#[derive(Serialize)]
pub(super) struct TextureTransform {
    pub offset: [f64; 2],
    pub rotation: f64,
    pub scale: [f64; 2],
}

#[derive(Serialize)]
pub(super) struct NormalTexture {
    #[serde(flatten)]
    pub info: TextureInfo,
    pub scale: f64,
}

#[derive(Serialize)]
pub(super) struct Texture {
    pub sampler: usize,
    pub source: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sampler {
    pub wrap_s: u32,
    pub wrap_t: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Image {
    pub buffer_view: usize,
    pub mime_type: &'static str,
}

#[derive(Serialize, Default)]
pub(super) struct Animation {
    pub samplers: Vec<AnimationSampler>,
    pub channels: Vec<AnimationChannel>,
}

#[derive(Serialize)]
pub(super) struct AnimationSampler {
    pub input: usize,
    pub output: usize,
    pub interpolation: &'static str,
}

#[derive(Serialize)]
pub(super) struct AnimationChannel {
    pub sampler: usize,
    pub target: AnimationTarget,
}

#[derive(Serialize)]
pub(super) struct AnimationTarget {
    pub node: usize,
    pub path: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Accessor {
    pub buffer_view: usize,
    pub component_type: u32,
    pub count: usize,
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<Vec<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<Vec<f64>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BufferView {
    pub buffer: usize,
    pub byte_offset: usize,
    pub byte_length: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Buffer {
    pub byte_length: usize,
}
