//! A sample of a pixel: one path from the camera, with light sampled at each vertex.
//!
//! An unbiased path tracer. At each vertex one light is drawn and one direction of the BSDF; the
//! two are weighed against each other by the power heuristic. Paths end by Russian roulette, or
//! after `max_bounces` bounces: the ray from the last vertex may still find light.

use super::Scene;
use super::bsdf::{Bsdf, Evaluation};
use super::camera::camera_ray;
use super::environment::environment_radiance;
use super::intersect::{Query, T_FAR, closest, occluded};
use super::light::{hit_density, miss_density, power_heuristic, sample_light};
use super::math::TWO_TO_MINUS_24;
use super::math::{
    Vec3, basis, div, dot3, flush3, inverse, is_finite, lesser, max_component, root, unit3, vec3,
};
use super::sampler::{
    DIMENSION_CHOICE, DIMENSION_DIRECTION, DIMENSION_LIGHT, DIMENSION_LIGHT_POINT, DIMENSION_PIXEL,
    pixel_seed, sample_bits, sample_pair, scramble, vertex_dimension,
};
use super::surface::{Surface, surface_at};

/// Paths are not ended by chance before this vertex.
const ROULETTE_FROM: u32 = 2;

/// A sample's radiance and what it cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PathSample {
    /// Linear Rec.709.
    pub radiance: Vec3,
    /// Closest-hit and shadow queries.
    pub rays: u32,
}

/// Where a ray leaves a surface to the side that `direction` points to.
#[inline(always)]
fn leave(surface: &Surface, direction: Vec3) -> Vec3 {
    let side = if dot3(surface.geometric_normal, direction) < 0.0 {
        -surface.offset
    } else {
        surface.offset
    };
    surface.position + surface.geometric_normal * side
}

/// Traces sample `sample` of pixel (`x`, `y`).
pub fn trace_path(scene: &Scene<'_>, x: u32, y: u32, sample: u32) -> PathSample {
    let frame = scene.frame;
    let seed = pixel_seed(frame.seed, frame.number, x, y);
    let alpha_seed = scramble(seed ^ scramble(sample));
    let (jx, jy) = sample_pair(seed, sample, DIMENSION_PIXEL);
    let (mut origin, mut direction) = camera_ray(scene, x, y, jx, jy);
    let mut throughput = Vec3::ONE;
    let mut radiance = Vec3::ZERO;
    let mut density = 0.0;
    let mut rays = 0;
    let mut vertex = 0;
    loop {
        rays += 1;
        let query =
            Query { origin, direction, t_max: T_FAR, alpha_seed: alpha_seed.wrapping_add(rays) };
        let Some(hit) = closest(scene, &query) else {
            if vertex > 0 {
                let weight = power_heuristic(density, miss_density(scene, direction));
                radiance =
                    radiance + flush3(throughput * environment_radiance(scene, direction)) * weight;
            } else if frame.background == 1 {
                radiance = environment_radiance(scene, direction);
            }
            break;
        };
        let surface = surface_at(scene, &hit, direction);
        if max_component(surface.emission) > 0.0 {
            let weight = if vertex == 0 || surface.unlit {
                1.0
            } else {
                let other =
                    hit_density(scene, &surface, hit.instance, hit.triangle, direction, hit.t);
                power_heuristic(density, other)
            };
            radiance = radiance + flush3(throughput * surface.emission) * weight;
        }
        if vertex > frame.max_bounces || surface.unlit {
            break;
        }

        // The shading frame.
        let normal = surface.shading_normal;
        let (tangent, bitangent) = basis(normal);
        let viewer = -direction;
        let viewer = vec3(dot3(tangent, viewer), dot3(bitangent, viewer), dot3(normal, viewer));
        let bsdf = Bsdf::new(frame, &surface, viewer);

        // Light, drawn.
        let (choice, choice_bits) =
            sample_bits(seed, sample, vertex_dimension(vertex, DIMENSION_LIGHT));
        let (u, v) = sample_pair(seed, sample, vertex_dimension(vertex, DIMENSION_LIGHT_POINT));
        let from = surface.position;
        let light = sample_light(scene, from, choice as f32 * TWO_TO_MINUS_24, choice_bits, u, v);
        if light.density > 0.0 && max_component(light.radiance) > 0.0 {
            let to_light = unit3(light.direction);
            let above = dot3(surface.geometric_normal, to_light);
            let towards =
                vec3(dot3(tangent, to_light), dot3(bitangent, to_light), dot3(normal, to_light));
            let evaluation =
                if above > 0.0 { bsdf.evaluate(frame, towards) } else { Evaluation::NONE };
            if max_component(evaluation.value) > 0.0 {
                rays += 1;
                let query = Query {
                    origin: leave(&surface, to_light),
                    direction: light.direction,
                    t_max: light.t_max,
                    alpha_seed: alpha_seed.wrapping_add(rays),
                };
                if !occluded(scene, &query) {
                    let weight = if light.point_like {
                        1.0
                    } else {
                        power_heuristic(light.density, evaluation.density)
                    };
                    let scale = div(weight, light.density);
                    let arriving = flush3(light.radiance * scale);
                    radiance = radiance + flush3(throughput * evaluation.value) * arriving;
                }
            }
        }

        // The next direction.
        let (choice, survival) =
            sample_pair(seed, sample, vertex_dimension(vertex, DIMENSION_CHOICE));
        let (u, v) = sample_pair(seed, sample, vertex_dimension(vertex, DIMENSION_DIRECTION));
        let towards = bsdf.sample(choice, u, v);
        let evaluation = bsdf.evaluate(frame, towards);
        let next = flush3((tangent * towards.x + bitangent * towards.y) + normal * towards.z);
        if evaluation.density == 0.0 || dot3(surface.geometric_normal, next) <= 0.0 {
            break;
        }
        let scale = inverse(evaluation.density);
        throughput = flush3(throughput * flush3(evaluation.value * scale));
        let strongest = max_component(throughput);
        if strongest == 0.0 || !is_finite(strongest) {
            break;
        }
        if vertex >= ROULETTE_FROM {
            let chance = lesser(root(strongest), 1.0);
            if survival >= chance {
                break;
            }
            throughput = throughput * inverse(chance);
        }
        density = evaluation.density;
        origin = leave(&surface, next);
        direction = unit3(next);
        vertex += 1;
    }
    PathSample { radiance, rays }
}
