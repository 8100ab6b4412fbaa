//! What is where a ray hit: place, normals, and the material's values there.

use super::Scene;
use super::intersect::Hit;
use super::math::{
    Vec3, cross3, dot3, flush, flush3, greater, lerp, lesser, magnitude, max_magnitude, root,
    transform_direction, transform_point, transform_transposed, unit3, vec3,
};
use super::sampler::scramble;
use super::texture::{Encoding, sample_texture};
use crate::layout::{Instance, Material, NONE, Texture, Triangle, Vertex};

/// 2^20: edges are stretched by this before they are crossed, so that small ones aren't lost.
const EDGE_SCALE: f32 = f32::from_bits(0x4980_0000);
/// 2^-40.
const INVERSE_EDGE_SCALE_SQUARED: f32 = f32::from_bits(0x2b80_0000);
/// How far a new ray starts from its surface, in parts of the coordinates: 2^-19.
const OFFSET: f32 = f32::from_bits(0x3600_0000);
/// A shading normal is bent so that the viewer stands at least this far above its horizon: 2^-7.
const LEAST_COSINE: f32 = f32::from_bits(0x3c00_0000);
/// α of GGX is at least 2^-10.
const LEAST_ALPHA: f32 = f32::from_bits(0x3a80_0000);

/// A surface, seen from where the ray came.
#[derive(Debug, Clone, Copy)]
pub struct Surface {
    /// Where.
    pub position: Vec3,
    /// Across the triangle, on the viewer's side; zero for a degenerate triangle.
    pub geometric_normal: Vec3,
    /// The normal that shading uses, on the viewer's side.
    pub shading_normal: Vec3,
    /// How far new rays start from `position`, along the geometric normal.
    pub offset: f32,
    /// Reflectance of the diffuse lobe.
    pub diffuse: Vec3,
    /// Reflectance of the specular lobe, straight on.
    pub f0: Vec3,
    /// GGX's α.
    pub alpha: f32,
    /// Emitted radiance; that of an unlit surface is its base colour.
    pub emission: Vec3,
    /// Whether it reflects nothing, and is found as a light by chance alone.
    pub unlit: bool,
    /// The triangle's area in the world, where it emits; otherwise 0.
    pub area: f32,
}

/// Twice-area vector of a triangle in the world: stretched by 2^40, on its front.
#[inline(always)]
fn stretched_normal(instance: &Instance, a: Vec3, b: Vec3, c: Vec3) -> Vec3 {
    let ab = transform_direction(&instance.local_to_world, b - a) * EDGE_SCALE;
    let ac = transform_direction(&instance.local_to_world, c - a) * EDGE_SCALE;
    cross3(ab, ac)
}

/// The unit normal of a triangle in the world and its area.
#[inline(always)]
pub fn triangle_normal(instance: &Instance, a: Vec3, b: Vec3, c: Vec3) -> (Vec3, f32) {
    let n = stretched_normal(instance, a, b, c);
    let area = (root(dot3(n, n)) * 0.5) * INVERSE_EDGE_SCALE_SQUARED;
    (unit3(n), flush(area))
}

#[inline(always)]
fn weigh3(a: [f32; 3], b: [f32; 3], c: [f32; 3], w: [f32; 3]) -> Vec3 {
    flush3((Vec3::from_array(a) * w[0] + Vec3::from_array(b) * w[1]) + Vec3::from_array(c) * w[2])
}

#[inline(always)]
fn weigh(a: f32, b: f32, c: f32, w: [f32; 3]) -> f32 {
    flush((a * w[0] + b * w[1]) + c * w[2])
}

/// Texture coordinates inside a triangle: those of its vertices.
#[inline(always)]
fn weigh_uv(corners: [&Vertex; 3], w: [f32; 3]) -> (f32, f32) {
    let [a, b, c] = corners;
    (weigh(a.u, b.u, c.u, w), weigh(a.v, b.v, c.v, w))
}

/// Texture coordinates inside a triangle: those of its records, see [`Vertex::more`].
fn further_uv(records: [&Vertex; 3], number: u32, w: [f32; 3]) -> (f32, f32) {
    let [a, b, c] = records;
    match number {
        1 => weigh_uv(records, w),
        2 => (
            weigh(a.position[0], b.position[0], c.position[0], w),
            weigh(a.position[1], b.position[1], c.position[1], w),
        ),
        _ => (
            weigh(a.normal[0], b.normal[0], c.normal[0], w),
            weigh(a.normal[1], b.normal[1], c.normal[1], w),
        ),
    }
}

impl Scene<'_> {
    /// A triangle's corners.
    #[inline(always)]
    pub fn corners(&self, triangle: u32) -> [&Vertex; 3] {
        self.triangles[triangle as usize].corners.map(|i| &self.vertices[i as usize])
    }

    /// The records of its corners; the corners themselves where there are none.
    fn records(&self, triangle: u32) -> [&Vertex; 3] {
        let Triangle { corners, more } = self.triangles[triangle as usize];
        corners.map(|i| &self.vertices[(i + more) as usize])
    }

    /// Where `texture` is read, of a triangle whose own texture coordinates are `uv`.
    #[inline(always)]
    fn uv_of(&self, texture: &Texture, uv: (f32, f32), triangle: u32, w: [f32; 3]) -> (f32, f32) {
        match texture.flags >> Texture::COORDINATES_SHIFT {
            0 => uv,
            number => further_uv(self.records(triangle), number, w),
        }
    }

    /// Where `texture` is read inside a triangle.
    #[inline(always)]
    pub fn texture_uv(&self, texture: &Texture, triangle: u32, w: [f32; 3]) -> (f32, f32) {
        self.uv_of(texture, weigh_uv(self.corners(triangle), w), triangle, w)
    }

    /// Colour and alpha inside a triangle that has records.
    fn color(&self, triangle: u32, w: [f32; 3]) -> (Vec3, f32) {
        let [a, b, c] = self.records(triangle).map(|record| record.tangent);
        // Rounding may lead beyond the corners' colours.
        let lane = |i: usize| lesser(weigh(a[i], b[i], c[i], w), 1.0);
        (vec3(lane(0), lane(1), lane(2)), lane(3))
    }

    /// Whether a surface with alpha is there for this ray: decided by a hash, so that neither the
    /// order of candidates nor an early end changes it.
    #[inline(always)]
    pub fn is_there(&self, seed: u32, instance: u32, triangle: u32, weights: [f32; 3]) -> bool {
        let material = &self.materials[self.instances[instance as usize].material as usize];
        let (u, v) = self.texture_uv(&material.base_color_texture, triangle, weights);
        let texel = sample_texture(self, &material.base_color_texture, u, v, Encoding::Srgb);
        let mut alpha = flush(texel.alpha * material.base_color[3]);
        if self.triangles[triangle as usize].more != 0 {
            alpha = flush(alpha * self.color(triangle, weights).1);
        }
        if material.alpha_mode == Material::MASK {
            return alpha >= material.alpha_cutoff;
        }
        let random = scramble(scramble(seed.wrapping_add(instance)).wrapping_add(triangle)) >> 8;
        (random as f32) < alpha * 16_777_216.0
    }
}

/// The surface at `hit`, for a ray that came along `direction`.
#[inline(always)]
pub fn surface_at(scene: &Scene<'_>, hit: &Hit, direction: Vec3) -> Surface {
    let instance = &scene.instances[hit.instance as usize];
    let material = &scene.materials[instance.material as usize];
    let corners = scene.corners(hit.triangle);
    let [a, b, c] = corners;
    let w = hit.weights;
    let local = weigh3(a.position, b.position, c.position, w);
    let position = transform_point(&instance.local_to_world, local);
    let (pa, pb, pc) =
        (Vec3::from_array(a.position), Vec3::from_array(b.position), Vec3::from_array(c.position));
    let (normal, area) = triangle_normal(instance, pa, pb, pc);
    let reach = greater(greater(max_magnitude(pa), max_magnitude(pb)), max_magnitude(pc));
    let own_uv = weigh_uv(corners, w);
    let sample = |texture: &Texture, encoding| {
        let (u, v) = scene.uv_of(texture, own_uv, hit.triangle, w);
        sample_texture(scene, texture, u, v, encoding).color
    };

    let viewer = -direction;
    let geometric_normal = if dot3(normal, viewer) < 0.0 { -normal } else { normal };
    let smooth = unit3(transform_transposed(
        &instance.world_to_local,
        weigh3(a.normal, b.normal, c.normal, w),
    ));
    let smooth = if dot3(smooth, geometric_normal) < 0.0 { -smooth } else { smooth };
    let shading = if material.normal_texture.first_texel == NONE {
        smooth
    } else {
        let tangent = weigh3(
            [a.tangent[0], a.tangent[1], a.tangent[2]],
            [b.tangent[0], b.tangent[1], b.tangent[2]],
            [c.tangent[0], c.tangent[1], c.tangent[2]],
            w,
        );
        // The map's +z is the side that the vertex normals are on; a surface seen from behind has
        // the map's relief from behind.
        let tangent = transform_direction(&instance.local_to_world, tangent);
        let side = if dot3(
            transform_transposed(&instance.world_to_local, weigh3(a.normal, b.normal, c.normal, w)),
            smooth,
        ) < 0.0
        {
            -1.0
        } else {
            1.0
        };
        let handedness = if instance.mirrored == 1 { -a.tangent[3] } else { a.tangent[3] } * side;
        let map = sample(&material.normal_texture, Encoding::Linear);
        let x = flush((map.x * 2.0 - 1.0) * material.normal_scale);
        let y = flush((map.y * 2.0 - 1.0) * material.normal_scale);
        let z = map.z * 2.0 - 1.0;
        let along = unit3(tangent - smooth * dot3(smooth, tangent));
        let across = cross3(smooth, along) * handedness;
        let bumpy = unit3((along * x + across * y) + smooth * greater(z, 0.0));
        if dot3(bumpy, bumpy) == 0.0 { smooth } else { bumpy }
    };
    let facing = dot3(shading, viewer);
    let shading_normal = if facing < LEAST_COSINE {
        unit3(shading + viewer * (LEAST_COSINE - facing))
    } else {
        shading
    };

    let base = sample(&material.base_color_texture, Encoding::Srgb);
    let base =
        flush3(base * vec3(material.base_color[0], material.base_color[1], material.base_color[2]));
    let base = match scene.triangles[hit.triangle as usize].more {
        0 => base,
        _ => flush3(base * scene.color(hit.triangle, w).0),
    };
    let rough = sample(&material.metallic_roughness_texture, Encoding::Linear);
    let metallic = flush(rough.z * material.metallic);
    let roughness = flush(rough.y * material.roughness);
    let emission = Vec3::from_array(material.emission);
    let unlit = material.unlit == 1;
    let emission = if unlit {
        base
    } else if instance.first_light == NONE {
        Vec3::ZERO
    } else {
        emission * sample(&material.emission_texture, Encoding::Srgb)
    };
    Surface {
        position,
        geometric_normal,
        shading_normal,
        offset: flush((reach * instance.stretch + max_magnitude(position)) * OFFSET),
        diffuse: flush3(base * (1.0 - metallic)),
        f0: vec3(
            flush(lerp(f32::from_bits(0x3d23_d70a), base.x, metallic)),
            flush(lerp(f32::from_bits(0x3d23_d70a), base.y, metallic)),
            flush(lerp(f32::from_bits(0x3d23_d70a), base.z, metallic)),
        ),
        alpha: greater(magnitude(roughness * roughness), LEAST_ALPHA),
        emission: flush3(emission),
        unlit,
        area: if instance.first_light == NONE { 0.0 } else { area },
    }
}
