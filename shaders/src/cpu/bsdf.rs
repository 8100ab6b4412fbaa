//! How a surface reflects: Lambert under GGX, by appendix B of the glTF 2.0 specification.
//!
//! The diffuse layer gets what the specular one leaves of all light, not of each direction
//! ([`crate::albedo`]): the appendix's simpler mix loses some percent of energy at each bounce.
//!
//! Directions are in the shading frame, its normal along +z. Densities are per solid angle.

use super::math::{
    INVERSE_PI, Vec3, div, dot3, floor, flush, flush3, greater, lerp, lesser, luminance, root,
    sin_cos_turns, unit3, vec3,
};
use super::surface::Surface;
use crate::albedo::{COSINES, ROUGHNESSES};
use crate::layout::Frame;

/// The lobe that is rarer is sampled at least this often: 1/16.
const LEAST_CHANCE: f32 = 0.0625;

/// What the lobes of a surface need, for one direction to the viewer.
#[derive(Debug, Clone, Copy)]
pub struct Bsdf {
    viewer: Vec3,
    diffuse: Vec3,
    f0: Vec3,
    alpha: f32,
    /// Which row of the albedo's table.
    row: TableRow,
    /// What gets through the specular layer from the viewer's side, over the mean of it.
    through_viewer: f32,
    /// With which chance the specular lobe is sampled.
    specular_chance: f32,
}

/// A place between two rows of the albedo's table.
#[derive(Debug, Clone, Copy)]
struct TableRow {
    first: u32,
    t: f32,
}

impl TableRow {
    /// The row of GGX's α.
    #[inline(always)]
    fn new(alpha: f32) -> Self {
        let place = root(alpha) * (ROUGHNESSES - 1) as f32;
        let first = lesser(floor(place), (ROUGHNESSES - 2) as f32);
        Self { first: first as u32, t: place - first }
    }
}

/// What of the light along `cosine` gets through the specular layer.
#[inline(always)]
fn through(frame: &Frame, row: TableRow, cosine: f32) -> f32 {
    let place = cosine * (COSINES - 1) as f32;
    let first = lesser(floor(place), (COSINES - 2) as f32);
    let t = lesser(place - first, 1.0);
    let entry = |row: u32, column: u32| {
        let i = row * COSINES as u32 + column;
        frame.albedo[(i >> 2) as usize][(i & 3) as usize]
    };
    let column = first as u32;
    let low = lerp(entry(row.first, column), entry(row.first, column + 1), t);
    let high = lerp(entry(row.first + 1, column), entry(row.first + 1, column + 1), t);
    1.0 - lerp(low, high, row.t)
}

/// The mean of [`through`] over the hemisphere.
#[inline(always)]
fn through_average(frame: &Frame, row: TableRow) -> f32 {
    let entry = |i: u32| frame.albedo_average[(i >> 2) as usize][(i & 3) as usize];
    1.0 - lerp(entry(row.first), entry(row.first + 1), row.t)
}

/// A BSDF's value times the cosine, and the density of sampling the direction.
#[derive(Debug, Clone, Copy)]
pub struct Evaluation {
    /// BSDF × cosine.
    pub value: Vec3,
    /// Per solid angle; 0 where the direction is never sampled.
    pub density: f32,
}

impl Evaluation {
    /// Where nothing is reflected.
    pub const NONE: Self = Self { value: Vec3::ZERO, density: 0.0 };
}

/// (1 - x)^5.
#[inline(always)]
fn schlick_weight(x: f32) -> f32 {
    let m = greater(1.0 - x, 0.0);
    let m2 = m * m;
    flush((m2 * m2) * m)
}

impl Bsdf {
    /// `viewer` is the direction to the viewer, above the horizon.
    #[inline(always)]
    pub fn new(frame: &Frame, surface: &Surface, viewer: Vec3) -> Self {
        let row = TableRow::new(surface.alpha);
        let through_viewer = through(frame, row, viewer.z);
        let f0 = luminance(surface.f0);
        let specular = f0 + (1.0 - f0) * schlick_weight(viewer.z);
        let diffuse = luminance(surface.diffuse) * through_viewer;
        let chance = div(specular, specular + diffuse);
        let specular_chance = if diffuse == 0.0 {
            1.0
        } else {
            lesser(greater(chance, LEAST_CHANCE), 1.0 - LEAST_CHANCE)
        };
        Self {
            viewer,
            diffuse: surface.diffuse,
            f0: surface.f0,
            alpha: surface.alpha,
            row,
            through_viewer: div(through_viewer, through_average(frame, row)),
            specular_chance,
        }
    }

    /// The BSDF towards `light`; all 0 at or below the horizon.
    #[inline(always)]
    pub fn evaluate(&self, frame: &Frame, light: Vec3) -> Evaluation {
        let (n_l, n_v) = (light.z, self.viewer.z);
        if n_l <= 0.0 || n_v <= 0.0 {
            return Evaluation::NONE;
        }
        let half = unit3(light + self.viewer);
        let weight = schlick_weight(dot3(half, self.viewer));
        let a2 = self.alpha * self.alpha;

        // D (Trowbridge-Reitz), written without the cancellation at small α.
        let d = (half.x * half.x + half.y * half.y) + a2 * (half.z * half.z);
        let distribution = div(a2 * INVERSE_PI, flush(d * d));
        // Smith's height-correlated shadowing, over 4 n·l n·v (Heitz 2014).
        let root_v = root(a2 + (1.0 - a2) * (n_v * n_v));
        let root_l = root(a2 + (1.0 - a2) * (n_l * n_l));
        let visibility = div(0.5, n_l * root_v + n_v * root_l);
        let specular = flush(distribution * visibility);
        let fresnel = self.f0 + (Vec3::ONE - self.f0) * weight;
        let passed = self.through_viewer * through(frame, self.row, n_l);
        let value = flush3((self.diffuse * (passed * INVERSE_PI) + fresnel * specular) * n_l);

        // Density of GGX's visible normals (Heitz 2018), mirrored: D / (2 (n·v + root)).
        let specular_density = div(distribution, 2.0 * (n_v + root_v));
        let diffuse_density = n_l * INVERSE_PI;
        let density = self.specular_chance * specular_density
            + (1.0 - self.specular_chance) * diffuse_density;
        Evaluation { value, density: flush(density) }
    }

    /// A direction to where light may come from, from three numbers in [0, 1). It may lie below
    /// the horizon, where nothing is reflected.
    #[inline(always)]
    pub fn sample(&self, choice: f32, u: f32, v: f32) -> Vec3 {
        let (sin, cos) = sin_cos_turns(u);
        if choice >= self.specular_chance {
            // Lambert: the disk, projected up (Malley).
            let radius = root(v);
            return flush3(vec3(radius * cos, radius * sin, root(1.0 - v)));
        }
        // A visible normal by spherical caps (Dupuy and Benyoub 2023).
        let stretched =
            unit3(vec3(self.viewer.x * self.alpha, self.viewer.y * self.alpha, self.viewer.z));
        let z = (1.0 - v) * (1.0 + stretched.z) - stretched.z;
        let radius = root(greater(1.0 - z * z, 0.0));
        let cap = vec3(radius * cos, radius * sin, z) + stretched;
        let half = unit3(vec3(cap.x * self.alpha, cap.y * self.alpha, greater(cap.z, 0.0)));
        flush3(half * (2.0 * dot3(self.viewer, half)) - self.viewer)
    }
}
