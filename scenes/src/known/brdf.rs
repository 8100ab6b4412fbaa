//! The metallic-roughness BRDF of glTF 2.0, appendix B, in doubles, and its integral.
//!
//! Smith's masking and shadowing are height-correlated, as in Khronos's sample renderer and in
//! Cycles; the appendix prints the separable form, which is darker for rough metals seen aslant.

use crate::model::Material;
use std::f64::consts::PI;

/// A plain metallic-roughness surface.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surface {
    /// Linear base colour.
    pub base: [f32; 3],
    /// 0 or 1.
    pub metallic: f32,
    /// Perceptual roughness.
    pub roughness: f32,
}

impl Surface {
    pub(super) fn material(&self) -> Material {
        let Self { base, metallic, roughness } = *self;
        Material { metallic, roughness, ..Material::matt(base) }
    }

    /// The BRDF of a surface whose normal is +Y, for unit directions to viewer and light.
    pub(super) fn brdf(&self, to_viewer: [f64; 3], to_light: [f64; 3]) -> [f64; 3] {
        let sum: [f64; 3] = std::array::from_fn(|i| to_viewer[i] + to_light[i]);
        let length = sum.iter().map(|x| x * x).sum::<f64>().sqrt();
        let half = sum.map(|x| x / length);
        let cos_vh: f64 = half.iter().zip(to_viewer).map(|(h, v)| h * v).sum();
        let alpha2 = f64::from(self.roughness).powi(4);

        let spread = half[1] * half[1] * (alpha2 - 1.0) + 1.0;
        let distribution = alpha2 / (PI * spread * spread);
        let [cos_v, cos_l] = [to_viewer[1], to_light[1]];
        let slope = |cos: f64| (alpha2 + (1.0 - alpha2) * cos * cos).sqrt();
        let specular = distribution * 0.5 / (cos_l * slope(cos_v) + cos_v * slope(cos_l));
        let schlick = (1.0 - cos_vh).powi(5);
        self.base.map(f64::from).map(|base| {
            let dielectric_fresnel = 0.04 + 0.96 * schlick;
            let dielectric = (1.0 - dielectric_fresnel) * base / PI + dielectric_fresnel * specular;
            let metal = (base + (1.0 - base) * schlick) * specular;
            let metallic = f64::from(self.metallic);
            dielectric * (1.0 - metallic) + metal * metallic
        })
    }

    /// The share of even light that is reflected to a viewer at this cosine from the normal.
    pub(super) fn albedo(&self, cos_viewer: f64) -> [f64; 3] {
        const RINGS: u32 = 300;
        const SPOKES: u32 = 300;
        let to_viewer = [(1.0 - cos_viewer * cos_viewer).sqrt(), cos_viewer, 0.0];
        let mut sum = [0.0; 3];
        for ring in 0..RINGS {
            // Even steps of the squared sine have even weight under the cosine.
            let sin2 = (f64::from(ring) + 0.5) / f64::from(RINGS);
            let (sin, cos) = (sin2.sqrt(), (1.0 - sin2).sqrt());
            for spoke in 0..SPOKES {
                // The two halves mirror each other.
                let angle = (f64::from(spoke) + 0.5) / f64::from(SPOKES) * PI;
                let to_light = [sin * libm::cos(angle), cos, sin * libm::sin(angle)];
                let f = self.brdf(to_viewer, to_light);
                sum = std::array::from_fn(|k| sum[k] + f[k]);
            }
        }
        sum.map(|sum| sum * PI / f64::from(RINGS * SPOKES))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lambert_surface_without_its_coat_would_reflect_its_base_colour() {
        // Straight on, a rough dielectric's coat takes and gives little: within a few per cent.
        let clay = Surface { base: [0.5; 3], metallic: 0.0, roughness: 1.0 };
        let albedo = clay.albedo(1.0)[0];
        assert!((albedo - 0.5).abs() < 0.03, "{albedo}");
    }

    #[test]
    fn no_metal_reflects_more_than_it_gets_and_a_white_glaze_gains_at_most_a_quarter() {
        for roughness in [0.3, 0.6, 1.0] {
            // The coat takes from below by the half vector's Fresnel term and not by its own
            // albedo: glTF's mix is not conservative towards the rim.
            for (metallic, most) in [(1.0, 1.001), (0.0, 1.25)] {
                let white = Surface { base: [1.0; 3], metallic, roughness };
                for cos in [1.0, 0.5, 0.2] {
                    let albedo = white.albedo(cos)[0];
                    assert!(albedo <= most && albedo > 0.3, "{white:?} {cos}: {albedo}");
                }
            }
        }
    }

    #[test]
    fn the_brdf_is_reciprocal() {
        let surface = Surface { base: [0.9, 0.5, 0.1], metallic: 1.0, roughness: 0.4 };
        let (a, b) = ([0.6, 0.8, 0.0], [0.0, 0.6, 0.8]);
        let (there, back) = (surface.brdf(a, b), surface.brdf(b, a));
        assert!(there.iter().zip(back).all(|(x, y)| (x - y).abs() < 1e-12));
    }
}
