// The buffers that the kernel reads; see src/layout.rs, field by field.

const NONE: u32 = 0xffffffffu;

struct Vertex {
    position: vec3<f32>,
    u: f32,
    normal: vec3<f32>,
    v: f32,
    tangent: vec4<f32>,
}

struct Triangle {
    corners: array<u32, 3>,
    more: u32,
}

struct Instance {
    world_to_local: array<vec4<f32>, 3>,
    local_to_world: array<vec4<f32>, 3>,
    lo: vec3<f32>,
    material: u32,
    hi: vec3<f32>,
    first_triangle: u32,
    first_light: u32,
    root: u32,
    mirrored: u32,
    stretch: f32,
}

struct Texture {
    first_texel: u32,
    width: u32,
    height: u32,
    flags: u32,
}

const WRAP_REPEAT: u32 = 0u;
const WRAP_CLAMP: u32 = 1u;
const NEAREST: u32 = 16u;
const COORDINATES_SHIFT: u32 = 5u;

struct Material {
    base_color: vec4<f32>,
    emission: vec3<f32>,
    metallic: f32,
    roughness: f32,
    normal_scale: f32,
    alpha_mode: u32,
    alpha_cutoff: f32,
    base_color_texture: Texture,
    metallic_roughness_texture: Texture,
    normal_texture: Texture,
    emission_texture: Texture,
    unlit: u32,
    padding: array<u32, 3>,
}

const ALPHA_OPAQUE: u32 = 0u;
const ALPHA_MASK: u32 = 1u;

struct Light {
    kind: u32,
    instance: u32,
    triangle: u32,
    alias_of: u32,
    position: vec3<f32>,
    probability: f32,
    direction: vec3<f32>,
    threshold: u32,
    intensity: vec3<f32>,
    spot_scale: f32,
    spot_offset: f32,
    range: f32,
    padding: array<u32, 2>,
}

const LIGHT_TRIANGLE: u32 = 0u;
const LIGHT_SPOT: u32 = 2u;
const LIGHT_DIRECTIONAL: u32 = 3u;
const LIGHT_ENVIRONMENT: u32 = 4u;

struct EnvironmentCell {
    density: f32,
    start: u32,
    row_start: u32,
    padding: u32,
}

struct Frame {
    camera_origin: vec3<f32>,
    width: u32,
    camera_right: vec3<f32>,
    height: u32,
    camera_up: vec3<f32>,
    seed: u32,
    camera_forward: vec3<f32>,
    number: u32,
    inverse_width: f32,
    inverse_height: f32,
    max_bounces: u32,
    light_count: u32,
    environment_texel: u32,
    environment_width: u32,
    environment_height: u32,
    environment_light: u32,
    cells_width: u32,
    cells_height: u32,
    environment_strength: f32,
    background: u32,
    rotation_cos: f32,
    rotation_sin: f32,
    scale_log2: i32,
    instance_count: u32,
    padding: vec3<u32>,
    parallel: u32,
    srgb: array<vec4<f32>, 64>,
    albedo: array<vec4<f32>, 128>,
    albedo_average: array<vec4<f32>, 4>,
}

struct Slice {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
    row_start: u32,
    row_end: u32,
    sample_start: u32,
    sample_end: u32,
    padding: vec3<u32>,
    root: u32,
}

struct Node {
    left_lo: vec3<f32>,
    left_first: u32,
    left_hi: vec3<f32>,
    left_count: u32,
    right_lo: vec3<f32>,
    right_first: u32,
    right_hi: vec3<f32>,
    right_count: u32,
}

struct LeafTriangle {
    a: vec3<f32>,
    triangle: u32,
    b: vec3<f32>,
    padding_b: u32,
    c: vec3<f32>,
    padding_c: u32,
}

struct Sum {
    words: array<vec2<u32>, 4>,
}

@group(0) @binding(0) var<uniform> frame: Frame;
@group(0) @binding(1) var<uniform> slice: Slice;
@group(0) @binding(2) var<storage, read> vertices: array<Vertex>;
@group(0) @binding(3) var<storage, read> triangles: array<Triangle>;
@group(0) @binding(4) var<storage, read> instances: array<Instance>;
@group(0) @binding(5) var<storage, read> materials: array<Material>;
@group(0) @binding(6) var<storage, read> texels: array<u32>;
@group(0) @binding(7) var<storage, read> lights: array<Light>;
@group(0) @binding(8) var<storage, read> cells: array<EnvironmentCell>;
@group(0) @binding(9) var<storage, read> nodes: array<Node>;
@group(0) @binding(10) var<storage, read> leaves: array<LeafTriangle>;
@group(0) @binding(11) var<storage, read_write> sums: array<Sum>;
