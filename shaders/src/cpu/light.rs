//! Lights: how one is chosen, a place on it drawn, and with which density.

use super::Scene;
use super::environment::{environment_density, environment_radiance, sample_environment};
use super::intersect::T_FAR;
use super::math::{
    Vec3, div, dot3, flush, flush3, greater, inverse, lesser, magnitude, root, transform_point,
    unit3,
};
use super::sampler::scramble;
use super::surface::{Surface, triangle_normal};
use super::texture::{Encoding, sample_texture};
use crate::layout::{CanonicalScene, Light, NONE};

/// A shadow ray ends this far before its light: 1 - 2^-12.
const ALMOST_THERE: f32 = f32::from_bits(0x3f7f_f000);

/// Light that may fall on a point, if nothing is between.
#[derive(Debug, Clone, Copy)]
pub struct LightSample {
    /// To the light; the shadow ray's, of any length.
    pub direction: Vec3,
    /// The shadow ray's end along `direction`.
    pub t_max: f32,
    /// Radiance, or for point-like lights irradiance across `direction`.
    pub radiance: Vec3,
    /// Per solid angle, the choice of the light included; 0 where there is no light. For
    /// point-like lights the probability of the choice.
    pub density: f32,
    /// Whether no other way of sampling finds this light.
    pub point_like: bool,
}

/// What every sample of an emissive triangle needs and none changes: [`triangle_normal`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Emitter {
    normal: Vec3,
    area: f32,
}

impl Emitter {
    /// Those of a scene's lights, in order; lights that are not triangles have an empty one.
    pub fn all(scene: &CanonicalScene) -> Vec<Self> {
        let emitter = |light: &Light| {
            if light.kind != Light::TRIANGLE {
                return Self::default();
            }
            let corners = scene.triangles[light.triangle as usize].corners;
            let [a, b, c] = corners.map(|i| Vec3::from_array(scene.vertices[i as usize].position));
            let instance = &scene.instances[light.instance as usize];
            let (normal, area) = triangle_normal(instance, a, b, c);
            Self { normal, area }
        };
        scene.lights.iter().map(emitter).collect()
    }
}

const NO_LIGHT: LightSample = LightSample {
    direction: Vec3::ZERO,
    t_max: 0.0,
    radiance: Vec3::ZERO,
    density: 0.0,
    point_like: true,
};

/// A density over a triangle's area, per solid angle seen from `distance_squared` away.
#[inline(always)]
fn triangle_density(probability: f32, area: f32, distance_squared: f32, cosine: f32) -> f32 {
    div(probability * distance_squared, area * magnitude(cosine))
}

/// The density with which [`sample_light`] draws the point that a ray along the unit `direction`
/// hit at `t`.
#[inline(always)]
pub fn hit_density(
    scene: &Scene<'_>,
    surface: &Surface,
    instance: u32,
    triangle: u32,
    direction: Vec3,
    t: f32,
) -> f32 {
    let placed = &scene.instances[instance as usize];
    let light = placed.first_light + (triangle - placed.first_triangle);
    let probability = scene.lights[light as usize].probability;
    triangle_density(probability, surface.area, t * t, dot3(surface.geometric_normal, direction))
}

/// The density with which [`sample_light`] draws the environment in `direction`.
#[inline(always)]
pub fn miss_density(scene: &Scene<'_>, direction: Vec3) -> f32 {
    let light = scene.frame.environment_light;
    if light == NONE {
        return 0.0;
    }
    flush(scene.lights[light as usize].probability * environment_density(scene, direction))
}

/// Chooses a light for the point `from`. `choice` and `choice_bits` choose which, (`u`, `v`) where
/// on it.
#[inline(always)]
pub fn sample_light(
    scene: &Scene<'_>,
    from: Vec3,
    choice: f32,
    choice_bits: u32,
    u: f32,
    v: f32,
) -> LightSample {
    let count = scene.frame.light_count;
    if count == 0 {
        return NO_LIGHT;
    }
    let mut index = lesser(choice * count as f32, (count - 1) as f32) as u32;
    if choice_bits >= scene.lights[index as usize].threshold {
        index = scene.lights[index as usize].alias;
    }
    let light = &scene.lights[index as usize];
    match light.kind {
        Light::TRIANGLE => sample_triangle(scene, index, from, u, v),
        Light::ENVIRONMENT => {
            let fill = scramble(choice_bits ^ choice.to_bits());
            let (row_bits, cell_bits) = ((u * 16_777_216.0) as u32, (v * 16_777_216.0) as u32);
            let drawn = sample_environment(scene, row_bits, cell_bits, fill);
            LightSample {
                direction: drawn.direction,
                t_max: T_FAR,
                radiance: environment_radiance(scene, drawn.direction),
                density: flush(light.probability * drawn.density),
                point_like: false,
            }
        }
        Light::DIRECTIONAL => LightSample {
            direction: -Vec3::from_array(light.direction),
            t_max: T_FAR,
            radiance: Vec3::from_array(light.intensity),
            density: light.probability,
            point_like: true,
        },
        _ => sample_point(light, from),
    }
}

/// A point of an emissive triangle, drawn evenly over its area.
#[inline(always)]
fn sample_triangle(scene: &Scene<'_>, number: u32, from: Vec3, u: f32, v: f32) -> LightSample {
    let light = &scene.lights[number as usize];
    let instance = &scene.instances[light.instance as usize];
    let corners = scene.corners(light.triangle);
    let (a, b, c) = (
        Vec3::from_array(corners[0].position),
        Vec3::from_array(corners[1].position),
        Vec3::from_array(corners[2].position),
    );
    let spread = root(u);
    let weights = [1.0 - spread, flush(spread * (1.0 - v)), flush(spread * v)];
    let local = flush3((a * weights[0] + b * weights[1]) + c * weights[2]);
    let to_light = flush3(transform_point(&instance.local_to_world, local) - from);
    let Emitter { normal, area } = scene.emitters[number as usize];
    let distance_squared = dot3(to_light, to_light);
    let cosine = dot3(normal, unit3(to_light));
    let material = &scene.materials[instance.material as usize];
    let (tu, tv) = scene.texture_uv(&material.emission_texture, light.triangle, weights);
    let texel = sample_texture(scene, &material.emission_texture, tu, tv, Encoding::Srgb).color;
    LightSample {
        direction: to_light,
        t_max: ALMOST_THERE,
        radiance: flush3(Vec3::from_array(material.emission) * texel),
        density: triangle_density(light.probability, area, distance_squared, cosine),
        point_like: false,
    }
}

/// A point or spot light, by KHR_lights_punctual.
#[inline(always)]
fn sample_point(light: &Light, from: Vec3) -> LightSample {
    let to_light = flush3(Vec3::from_array(light.position) - from);
    let distance_squared = dot3(to_light, to_light);
    let mut fall_off = inverse(distance_squared);
    if light.range > 0.0 {
        let ratio = div(distance_squared, light.range * light.range);
        fall_off *= lesser(greater(1.0 - ratio * ratio, 0.0), 1.0);
    }
    if light.kind == Light::SPOT {
        let cosine = -dot3(Vec3::from_array(light.direction), unit3(to_light));
        let within = lesser(greater(cosine * light.spot_scale + light.spot_offset, 0.0), 1.0);
        fall_off *= within * within;
    }
    LightSample {
        direction: to_light,
        t_max: ALMOST_THERE,
        radiance: flush3(Vec3::from_array(light.intensity) * flush(fall_off)),
        density: light.probability,
        point_like: true,
    }
}

/// The balance of two ways of drawing a direction: the power heuristic, exponent 2 (Veach 1997).
#[inline(always)]
pub fn power_heuristic(density: f32, other: f32) -> f32 {
    let ratio = div(other, density);
    inverse(1.0 + ratio * ratio)
}
