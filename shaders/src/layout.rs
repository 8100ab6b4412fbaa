//! The buffers that the kernel reads: the canonical scene, struct by struct.
//!
//! Each struct has a twin of the same name in `wgsl/layout.wgsl`; a test compares size and every
//! offset with what naga makes of the WGSL. Positions are in *normalised* units: the host scales
//! the world by a power of two so that no coordinate exceeds 2 (see [`Frame::scale_log2`]).
//! No value here is negative zero, non-finite, or below 2^-100 in magnitude without being +0.

use bytemuck::{Pod, Zeroable};
use std::sync::Arc;

/// "There is none", where an index is expected.
pub const NONE: u32 = u32::MAX;

/// A corner of triangles, in its mesh's own space; or a record of what more there is of a corner,
/// see [`Vertex::more`].
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Vertex {
    /// Position.
    pub position: [f32; 3],
    /// First texture coordinate.
    pub u: f32,
    /// Shading normal; unit length, to rounding.
    pub normal: [f32; 3],
    /// Second texture coordinate, downwards as in glTF.
    pub v: f32,
    /// Tangent; the fourth component is the handedness, 1 or -1. All 0 where no normal map is used.
    pub tangent: [f32; 4],
}

impl Vertex {
    /// Further pairs of texture coordinates that a record has room for.
    pub const FURTHER: usize = 3;

    /// The record of a corner's colour, alpha last, and of its further texture coordinates.
    pub fn more(color: [f32; 4], further: [[f32; 2]; Self::FURTHER]) -> Self {
        let [[u, v], [x1, y1], [x2, y2]] = further;
        Self { position: [x1, y1, 0.0], u, normal: [x2, y2, 0.0], v, tangent: color }
    }
}

/// A triangle: three corners, counter-clockwise seen from its front.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct Triangle {
    /// Indices into the scene's vertices.
    pub corners: [u32; 3],
    /// How far behind each corner its record lies ([`Vertex::more`]); 0 where there is none, and
    /// the corners are white.
    pub more: u32,
}

/// A mesh: triangles of one material in one space. Not read by the kernel itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mesh {
    /// Its first triangle.
    pub first_triangle: u32,
    /// How many follow; not 0.
    pub triangle_count: u32,
}

/// A mesh placed in the world.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Instance {
    /// Rows of the matrix from the world to the mesh's own space; |entries| ≤ 2^40.
    pub world_to_local: [[f32; 4]; 3],
    /// Rows of the matrix from the mesh's own space to the world.
    pub local_to_world: [[f32; 4]; 3],
    /// Least corner of the padded world box, outside of which nothing of the instance is hit.
    pub lo: [f32; 3],
    /// Index of the material.
    pub material: u32,
    /// Greatest corner of the padded world box.
    pub hi: [f32; 3],
    /// The mesh's first triangle.
    pub first_triangle: u32,
    /// The light that the mesh's first triangle is, the others following; [`NONE`] if it emits
    /// nothing.
    pub first_light: u32,
    /// Root of the mesh's tree; 0 in the canonical scene, filled in by whoever builds the tree.
    pub root: u32,
    /// 1 where the transform mirrors, so that front faces turn; otherwise 0.
    pub mirrored: u32,
    /// The longest of the matrix's columns from local to world: how far an error grows.
    pub stretch: f32,
}

/// Where a texture's texels lie and how they are read.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct Texture {
    /// Index of the first texel; [`NONE`] where there is no texture.
    pub first_texel: u32,
    /// Texels across; not 0.
    pub width: u32,
    /// Texels down; not 0.
    pub height: u32,
    /// Bits 0–1 wrapping of u, bits 2–3 of v (0 repeat, 1 clamp, 2 mirror); bit 4 nearest texel
    /// instead of bilinear; bits 5–6 which texture coordinates: 0 the vertex's own, else the
    /// further ones of its record, counted from 1.
    pub flags: u32,
}

impl Texture {
    /// No texture.
    pub const NONE: Self = Self { first_texel: NONE, width: 1, height: 1, flags: 0 };
    /// Wrapping: repeat.
    pub const REPEAT: u32 = 0;
    /// Wrapping: clamp to the edge.
    pub const CLAMP: u32 = 1;
    /// Wrapping: mirrored repeat.
    pub const MIRROR: u32 = 2;
    /// The nearest texel instead of four blended.
    pub const NEAREST: u32 = 1 << 4;
    /// Where in `flags` it is said which texture coordinates.
    pub const COORDINATES_SHIFT: u32 = 5;
}

/// A metallic-roughness material, as glTF 2.0 has it.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Material {
    /// Linear base colour and alpha; multiplies the texture.
    pub base_color: [f32; 4],
    /// Emitted radiance; multiplies the texture.
    pub emission: [f32; 3],
    /// 0 dielectric to 1 metal; multiplies the texture's blue.
    pub metallic: f32,
    /// Perceptual roughness; multiplies the texture's green.
    pub roughness: f32,
    /// Multiplies the normal map's x and y.
    pub normal_scale: f32,
    /// One of [`Material::OPAQUE`], [`Material::MASK`], [`Material::BLEND`].
    pub alpha_mode: u32,
    /// Below this alpha a [`Material::MASK`] surface is not there.
    pub alpha_cutoff: f32,
    /// sRGB colour and linear alpha.
    pub base_color_texture: Texture,
    /// Linear; green is roughness, blue metalness.
    pub metallic_roughness_texture: Texture,
    /// Linear; tangent-space normals.
    pub normal_texture: Texture,
    /// sRGB.
    pub emission_texture: Texture,
    /// 1 where whoever sees the surface sees its base colour, whatever light falls on it.
    pub unlit: u32,
    /// Always 0.
    pub padding: [u32; 3],
}

impl Material {
    /// Alpha is ignored.
    pub const OPAQUE: u32 = 0;
    /// A surface is there where alpha is at least the cutoff.
    pub const MASK: u32 = 1;
    /// A surface is there with the probability alpha.
    pub const BLEND: u32 = 2;
}

/// Something that light is sampled from, and its cell of the alias table that chooses it.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Light {
    /// One of the `Light::*` kinds.
    pub kind: u32,
    /// The instance of an emissive triangle.
    pub instance: u32,
    /// The triangle of an emissive triangle.
    pub triangle: u32,
    /// The light chosen instead of this cell's own, see `threshold`.
    pub alias: u32,
    /// Where a point or spot light stands.
    pub position: [f32; 3],
    /// The probability with which this light is chosen.
    pub probability: f32,
    /// Where a spot or directional light shines to; unit length, to rounding.
    pub direction: [f32; 3],
    /// This cell yields its own light where 24 random bits are below this, else `alias`.
    pub threshold: u32,
    /// Radiant intensity in normalised units of a point or spot light, irradiance of a
    /// directional one.
    pub intensity: [f32; 3],
    /// A spot's `lightAngleScale`, as KHR_lights_punctual has it.
    pub spot_scale: f32,
    /// A spot's `lightAngleOffset`.
    pub spot_offset: f32,
    /// `range` in normalised units; 0 where light reaches without end.
    pub range: f32,
    /// Always 0.
    pub padding: [u32; 2],
}

impl Light {
    /// A triangle of an emissive instance.
    pub const TRIANGLE: u32 = 0;
    /// A point light.
    pub const POINT: u32 = 1;
    /// A spot light.
    pub const SPOT: u32 = 2;
    /// A directional light.
    pub const DIRECTIONAL: u32 = 3;
    /// The environment.
    pub const ENVIRONMENT: u32 = 4;
}

/// A cell of the environment's importance map. A row is chosen by 24 bits, then a cell of the row
/// by 24 others: the last one that starts at or below them.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct EnvironmentCell {
    /// Density over the unit square of (u, v), which integrates to 1.
    pub density: f32,
    /// Where the cell starts among the 2^24 numbers that choose in its row.
    pub start: u32,
    /// Where its row starts among the 2^24 numbers that choose a row.
    pub row_start: u32,
    /// Always 0.
    pub padding: u32,
}

/// One frame: camera, environment, settings. A uniform of the kernel.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Frame {
    /// Where the camera stands; the middle of the image where its rays are parallel.
    pub camera_origin: [f32; 3],
    /// Pixels across.
    pub width: u32,
    /// From the middle of the image to the middle of its right edge, at distance 1; in the world
    /// where the camera's rays are parallel.
    pub camera_right: [f32; 3],
    /// Pixels down.
    pub height: u32,
    /// From the middle of the image to the middle of its top edge, likewise.
    pub camera_up: [f32; 3],
    /// Chooses the random numbers, together with `number`.
    pub seed: u32,
    /// Where the camera looks; unit length, to rounding.
    pub camera_forward: [f32; 3],
    /// The frame's number.
    pub number: u32,
    /// 1 / width, correctly rounded.
    pub inverse_width: f32,
    /// 1 / height, correctly rounded.
    pub inverse_height: f32,
    /// Bounces after the camera's edge.
    pub max_bounces: u32,
    /// Lights in the alias table; 0 for none.
    pub light_count: u32,
    /// The environment's first texel, RGBE as in a Radiance file; [`NONE`] for none.
    pub environment_texel: u32,
    /// Its texels across.
    pub environment_width: u32,
    /// Its texels down.
    pub environment_height: u32,
    /// Its light's number; [`NONE`] for none.
    pub environment_light: u32,
    /// Cells of the importance map across.
    pub cells_width: u32,
    /// Cells of the importance map down.
    pub cells_height: u32,
    /// Multiplies the environment's radiance.
    pub environment_strength: f32,
    /// 1 where the camera sees the environment, 0 where it sees black.
    pub background: u32,
    /// Cosine of the environment's rotation about +Y.
    pub rotation_cos: f32,
    /// Sine of it.
    pub rotation_sin: f32,
    /// Normalised units are world units × 2^this.
    pub scale_log2: i32,
    /// Instances in the scene; 0 for an empty one.
    pub instance_count: u32,
    /// Always 0.
    pub padding: [u32; 3],
    /// 1 where the camera's rays are parallel: an orthographic camera.
    pub parallel: u32,
    /// Linear values of the 256 sRGB codes, in order.
    pub srgb: [[f32; 4]; 64],
    /// [`crate::albedo::ALBEDO`], row by row.
    pub albedo: [[f32; 4]; 128],
    /// [`crate::albedo::AVERAGE`].
    pub albedo_average: [[f32; 4]; 4],
}

/// What one dispatch renders of a frame. A uniform of the kernel, and no part of the scene.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct Slice {
    /// Left edge of the tile.
    pub x: u32,
    /// Top edge of the tile.
    pub y: u32,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// First row of the tile that this dispatch renders.
    pub row_start: u32,
    /// One past the last row.
    pub row_end: u32,
    /// First sample.
    pub sample_start: u32,
    /// One past the last sample.
    pub sample_end: u32,
    /// Always 0.
    pub padding: [u32; 3],
    /// Root of the tree over instances.
    pub root: u32,
}

/// A node of a tree of boxes, with both children's boxes. `count` 0: `first` is a node; otherwise
/// `first..first + count` are leaf triangles, or instances in the tree over instances.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Node {
    /// Least corner of the left child.
    pub left_lo: [f32; 3],
    /// First of the left child.
    pub left_first: u32,
    /// Greatest corner of the left child.
    pub left_hi: [f32; 3],
    /// Count of the left child.
    pub left_count: u32,
    /// Least corner of the right child.
    pub right_lo: [f32; 3],
    /// First of the right child.
    pub right_first: u32,
    /// Greatest corner of the right child.
    pub right_hi: [f32; 3],
    /// Count of the right child.
    pub right_count: u32,
}

/// A triangle as a leaf has it: corners side by side.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct LeafTriangle {
    /// First corner.
    pub a: [f32; 3],
    /// The triangle's number in the scene.
    pub triangle: u32,
    /// Second corner.
    pub b: [f32; 3],
    /// Always 0.
    pub padding_b: u32,
    /// Third corner.
    pub c: [f32; 3],
    /// Always 0.
    pub padding_c: u32,
}

/// A sum of the output buffer: pairs of words, low word first, of r, g, b and rays.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Sum {
    /// r, g, b, rays: low word, high word.
    pub words: [[u32; 2]; 4],
}

/// One frame of a scene, as every backend renders it and as it is hashed. What does not change
/// from frame to frame is shared.
#[derive(Debug, Clone)]
pub struct CanonicalScene {
    /// Camera, environment, settings.
    pub frame: Frame,
    /// All corners.
    pub vertices: Arc<Vec<Vertex>>,
    /// All triangles, mesh by mesh.
    pub triangles: Arc<Vec<Triangle>>,
    /// The meshes.
    pub meshes: Arc<Vec<Mesh>>,
    /// Which mesh each instance shows.
    pub instance_meshes: Vec<u32>,
    /// The instances.
    pub instances: Vec<Instance>,
    /// The materials; at least one.
    pub materials: Arc<Vec<Material>>,
    /// Texels of all textures, R in the lowest byte; then the environment's RGBE.
    pub texels: Arc<Vec<u32>>,
    /// What light is sampled from.
    pub lights: Vec<Light>,
    /// The environment's importance map, row by row from the top.
    pub cells: Arc<Vec<EnvironmentCell>>,
}

impl CanonicalScene {
    /// blake3 over every array, each preceded by its length: equal hashes mean equal pictures.
    pub fn hash(&self) -> [u8; 32] {
        fn add<T: Pod>(hasher: &mut blake3::Hasher, items: &[T]) {
            hasher.update(&(items.len() as u64).to_le_bytes());
            hasher.update(bytemuck::cast_slice(items));
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"tessera scene v1\0");
        add(&mut hasher, &[self.frame]);
        add(&mut hasher, &self.vertices);
        add(&mut hasher, &self.triangles);
        add(&mut hasher, &self.instances);
        add(&mut hasher, &self.materials);
        add(&mut hasher, &self.texels);
        add(&mut hasher, &self.lights);
        add(&mut hasher, &self.cells);
        *hasher.finalize().as_bytes()
    }
}
