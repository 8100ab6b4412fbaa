//! Light from outside: an equirectangular map of RGBE texels, sampled by importance.
//!
//! u = atan2(z, x) / 2π + ½ and v is measured from +Y, both in [0, 1].

use super::Scene;
use super::math::{
    Vec3, atan2_turns, div, floor, flush, flush3, lerp, lesser, root, sin_cos_turns, vec3,
};
use crate::layout::NONE;

/// 2^-16.
const TWO_TO_MINUS_16: f32 = f32::from_bits(0x3780_0000);
/// 2π², rounded: what turns a density over the unit square into one over the sphere, × sin θ.
const TWO_PI_SQUARED: f32 = f32::from_bits(0x419d_e9e6);

/// A direction to the environment, drawn by importance.
#[derive(Debug, Clone, Copy)]
pub struct EnvironmentSample {
    /// Unit length, to rounding.
    pub direction: Vec3,
    /// Per solid angle; 0 where nothing is to be had.
    pub density: f32,
}

/// From the world to the map.
#[inline(always)]
fn turn_to_map(scene: &Scene<'_>, d: Vec3) -> Vec3 {
    let (c, s) = (scene.frame.rotation_cos, scene.frame.rotation_sin);
    vec3(flush(d.x * c - d.z * s), d.y, flush(d.x * s + d.z * c))
}

/// From the map to the world.
#[inline(always)]
fn turn_to_world(scene: &Scene<'_>, d: Vec3) -> Vec3 {
    let (c, s) = (scene.frame.rotation_cos, scene.frame.rotation_sin);
    vec3(flush(d.x * c + d.z * s), d.y, flush(d.z * c - d.x * s))
}

/// Where a direction in the map's own frame meets the map, and sin θ.
#[inline(always)]
fn map_coordinates(d: Vec3) -> (f32, f32, f32) {
    let sin = root(flush(d.x * d.x + d.z * d.z));
    (atan2_turns(d.z, d.x) + 0.5, 2.0 * atan2_turns(sin, d.y), sin)
}

/// A texel's radiance: RGBE, mantissas × 2^(E - 136); 0 where E is 0.
#[inline(always)]
fn fetch(scene: &Scene<'_>, x: u32, y: u32) -> Vec3 {
    let frame = scene.frame;
    let word = scene.texels[(frame.environment_texel + y * frame.environment_width + x) as usize];
    let exponent = word >> 24;
    if exponent < 37 {
        return Vec3::ZERO;
    }
    // 2^(E - 136) as bits; exponents from 10 on are normal numbers.
    let scale = f32::from_bits((exponent - 9) << 23);
    vec3((word & 255) as f32, ((word >> 8) & 255) as f32, ((word >> 16) & 255) as f32) * scale
}

/// The environment's radiance from where `direction` points to.
#[inline(always)]
pub fn environment_radiance(scene: &Scene<'_>, direction: Vec3) -> Vec3 {
    let frame = scene.frame;
    if frame.environment_texel == NONE {
        return Vec3::ZERO;
    }
    let (u, v, _) = map_coordinates(turn_to_map(scene, direction));
    let (width, height) = (frame.environment_width, frame.environment_height);
    let x = u * width as f32 - 0.5;
    let y = v * height as f32 - 0.5;
    let (left, top) = (floor(x), floor(y));
    let (tx, ty) = (flush(x - left), flush(y - top));
    // Around the horizon the map closes; at the poles it ends.
    let column = |i: i32| {
        if i < 0 {
            width - 1
        } else if i >= width as i32 {
            0
        } else {
            i as u32
        }
    };
    let row = |i: i32| {
        if i < 0 {
            0
        } else if i >= height as i32 {
            height - 1
        } else {
            i as u32
        }
    };
    let (x0, x1) = (column(left as i32), column(left as i32 + 1));
    let (y0, y1) = (row(top as i32), row(top as i32 + 1));
    let blend =
        |a: Vec3, b: Vec3, t: f32| vec3(lerp(a.x, b.x, t), lerp(a.y, b.y, t), lerp(a.z, b.z, t));
    let upper = blend(fetch(scene, x0, y0), fetch(scene, x1, y0), tx);
    let lower = blend(fetch(scene, x0, y1), fetch(scene, x1, y1), tx);
    flush3(blend(upper, lower, ty) * frame.environment_strength)
}

#[inline(always)]
fn density_per_solid_angle(density: f32, sin: f32) -> f32 {
    div(density, TWO_PI_SQUARED * sin)
}

/// The density with which [`sample_environment`] draws `direction`, per solid angle.
#[inline(always)]
pub fn environment_density(scene: &Scene<'_>, direction: Vec3) -> f32 {
    let frame = scene.frame;
    let (u, v, sin) = map_coordinates(turn_to_map(scene, direction));
    let x = lesser(u * frame.cells_width as f32, (frame.cells_width - 1) as f32) as u32;
    let y = lesser(v * frame.cells_height as f32, (frame.cells_height - 1) as f32) as u32;
    density_per_solid_angle(scene.cells[(y * frame.cells_width + x) as usize].density, sin)
}

/// The numbers that choose a row or a cell.
const ALL: u32 = 1 << 24;

/// Where `bits` fall among `count` starts: the last start at or below them, and how far `bits` are
/// on the way to the next one. `fill` in [0, 1) are the digits that 24 bits lack.
#[inline(always)]
fn choose(bits: u32, fill: f32, count: u32, start: impl Fn(u32) -> u32) -> (u32, f32) {
    let (mut low, mut high) = (0, count);
    while high - low > 1 {
        let middle = (low + high) / 2;
        if start(middle) <= bits {
            low = middle;
        } else {
            high = middle;
        }
    }
    let from = start(low);
    let to = if low + 1 < count { start(low + 1) } else { ALL };
    (low, div((bits - from) as f32 + fill, (to - from) as f32))
}

/// Draws a direction: 24 bits choose a row of the map, 24 others a place in it. `fill` is hashed
/// bits, which only fill up precision.
#[inline(always)]
pub fn sample_environment(
    scene: &Scene<'_>,
    row_bits: u32,
    cell_bits: u32,
    fill: u32,
) -> EnvironmentSample {
    let frame = scene.frame;
    let (width, height) = (frame.cells_width, frame.cells_height);
    let row_fill = (fill & 0xffff) as f32 * TWO_TO_MINUS_16;
    let cell_fill = (fill >> 16) as f32 * TWO_TO_MINUS_16;
    let row_start = |row: u32| scene.cells[(row * width) as usize].row_start;
    let (row, down) = choose(row_bits, row_fill, height, row_start);
    let start = |x: u32| scene.cells[(row * width + x) as usize].start;
    let (column, across) = choose(cell_bits, cell_fill, width, start);
    let map_u = div(column as f32 + across, width as f32);
    let map_v = div(row as f32 + down, height as f32);
    let (sin_phi, cos_phi) = sin_cos_turns(map_u + 0.5);
    let (sin_theta, cos_theta) = sin_cos_turns(map_v * 0.5);
    let direction = flush3(vec3(sin_theta * cos_phi, cos_theta, sin_theta * sin_phi));
    let density = scene.cells[(row * width + column) as usize].density;
    EnvironmentSample {
        direction: turn_to_world(scene, direction),
        density: density_per_solid_angle(density, sin_theta),
    }
}
