//! The metallic-roughness BRDF of glTF 2.0 in doubles, and its integral.
//!
//! Smith's masking and shadowing are height-correlated, as in Khronos's sample renderer and in
//! Cycles; appendix B prints the separable form, which is darker for rough metals seen aslant. A
//! dielectric is a coat over a diffuse layer that gets what the coat leaves of all light (albedo
//! scaling: Kulla and Conty 2017), where the appendix's simpler mix would not keep the energy.

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

    /// How it reflects.
    pub(super) fn brdf(&self) -> Brdf {
        let lobe = Lobe { alpha2: f64::from(self.roughness).powi(4) };
        Brdf { surface: *self, lobe, coat: Coat::new(&lobe) }
    }
}

/// GGX without a Fresnel term. The normal is +Y.
#[derive(Debug, Clone, Copy)]
struct Lobe {
    /// α².
    alpha2: f64,
}

impl Lobe {
    /// The lobe's value and Schlick's (1 - v·h)⁵, for unit directions to viewer and light.
    fn value(&self, to_viewer: [f64; 3], to_light: [f64; 3]) -> (f64, f64) {
        let sum: [f64; 3] = std::array::from_fn(|i| to_viewer[i] + to_light[i]);
        let length = sum.iter().map(|x| x * x).sum::<f64>().sqrt();
        let half = sum.map(|x| x / length);
        let cos_vh: f64 = half.iter().zip(to_viewer).map(|(h, v)| h * v).sum();
        let alpha2 = self.alpha2;
        let spread = half[1] * half[1] * (alpha2 - 1.0) + 1.0;
        let distribution = alpha2 / (PI * spread * spread);
        let [cos_v, cos_l] = [to_viewer[1], to_light[1]];
        let slope = |cos: f64| (alpha2 + (1.0 - alpha2) * cos * cos).sqrt();
        let visibility = 0.5 / (cos_l * slope(cos_v) + cos_v * slope(cos_l));
        (distribution * visibility, (1.0 - cos_vh).powi(5))
    }
}

/// A dielectric's Fresnel term.
fn dielectric(schlick: f64) -> f64 {
    0.04 + 0.96 * schlick
}

/// A unit direction at this cosine from the normal.
fn aslant(cos: f64) -> [f64; 3] {
    [(1.0 - cos * cos).max(0.0).sqrt(), cos, 0.0]
}

/// What a dielectric's coat reflects before anything gets through it.
#[derive(Debug, Clone)]
struct Coat {
    /// At the cosines (i / (length - 1))², closer together where the albedo is steep.
    albedos: Vec<f64>,
    /// Over all directions.
    mean: f64,
}

impl Coat {
    fn new(lobe: &Lobe) -> Self {
        const NODES: u32 = 49;
        let cos = |i: f64| (i / f64::from(NODES - 1)).powi(2);
        let albedo = |i| {
            let to_viewer = aslant(cos(f64::from(i)).max(1e-6));
            let [albedo] = over_hemisphere([120, 60], |to_light| {
                let (value, schlick) = lobe.value(to_viewer, to_light);
                [dielectric(schlick) * value]
            });
            albedo
        };
        let mut coat = Self { albedos: (0..NODES).map(albedo).collect(), mean: 0.0 };
        const STEPS: u32 = 2000;
        // Even steps of the squared cosine have even weight.
        let at = |i| coat.albedo(((f64::from(i) + 0.5) / f64::from(STEPS)).sqrt());
        coat.mean = (0..STEPS).map(at).sum::<f64>() / f64::from(STEPS);
        coat
    }

    fn albedo(&self, cos: f64) -> f64 {
        let last = self.albedos.len() - 1;
        let place = cos.sqrt() * last as f64;
        let left = (place as usize).min(last - 1);
        let t = place - left as f64;
        self.albedos[left] * (1.0 - t) + self.albedos[left + 1] * t
    }

    /// What a white diffuse layer below it reflects, over 1 / π.
    fn passed(&self, cos_viewer: f64, cos_light: f64) -> f64 {
        (1.0 - self.albedo(cos_viewer)) * (1.0 - self.albedo(cos_light)) / (1.0 - self.mean)
    }
}

/// ∫ `f` cos θ dω over the hemisphere about +Y, for an `f` that is the same for both signs of z.
fn over_hemisphere<const N: usize>(
    [rings, spokes]: [u32; 2],
    f: impl Fn([f64; 3]) -> [f64; N],
) -> [f64; N] {
    let mut sum = [0.0; N];
    for ring in 0..rings {
        // Even steps of the squared sine have even weight under the cosine.
        let sin2 = (f64::from(ring) + 0.5) / f64::from(rings);
        let (sin, cos) = (sin2.sqrt(), (1.0 - sin2).sqrt());
        for spoke in 0..spokes {
            let angle = (f64::from(spoke) + 0.5) / f64::from(spokes) * PI;
            let value = f([sin * libm::cos(angle), cos, sin * libm::sin(angle)]);
            sum = std::array::from_fn(|k| sum[k] + value[k]);
        }
    }
    sum.map(|sum| sum * PI / f64::from(rings * spokes))
}

/// How a surface whose normal is +Y reflects.
#[derive(Debug, Clone)]
pub(super) struct Brdf {
    surface: Surface,
    lobe: Lobe,
    coat: Coat,
}

impl Brdf {
    /// Its value for unit directions to viewer and light.
    pub(super) fn value(&self, to_viewer: [f64; 3], to_light: [f64; 3]) -> [f64; 3] {
        let (specular, schlick) = self.lobe.value(to_viewer, to_light);
        let below = self.coat.passed(to_viewer[1], to_light[1]) / PI;
        let metallic = f64::from(self.surface.metallic);
        self.surface.base.map(f64::from).map(|base| {
            let coated = base * below + dielectric(schlick) * specular;
            let metal = (base + (1.0 - base) * schlick) * specular;
            coated * (1.0 - metallic) + metal * metallic
        })
    }

    /// The share of even light that is reflected to a viewer at this cosine from the normal.
    pub(super) fn albedo(&self, cos_viewer: f64) -> [f64; 3] {
        let to_viewer = aslant(cos_viewer);
        over_hemisphere([300, 300], |to_light| self.value(to_viewer, to_light))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_white_dielectric_reflects_all_light_and_a_darker_one_less() {
        for roughness in [0.5, 0.7, 1.0] {
            let glaze = |base| Surface { base: [base; 3], metallic: 0.0, roughness }.brdf();
            for cos in [1.0, 0.7, 0.4, 0.2] {
                let white = glaze(1.0).albedo(cos)[0];
                assert!((white - 1.0).abs() < 2e-3, "{roughness} {cos}: {white}");
                assert!(glaze(0.98).albedo(cos)[0] < white - 5e-3);
            }
        }
    }

    #[test]
    fn no_metal_reflects_more_than_it_gets() {
        for roughness in [0.3, 0.6, 1.0] {
            let white = Surface { base: [1.0; 3], metallic: 1.0, roughness }.brdf();
            for cos in [1.0, 0.5, 0.2] {
                let albedo = white.albedo(cos)[0];
                assert!(albedo <= 1.001 && albedo > 0.3, "{roughness} {cos}: {albedo}");
            }
        }
    }

    #[test]
    fn the_brdf_is_reciprocal() {
        for metallic in [0.0, 1.0] {
            let surface = Surface { base: [0.9, 0.5, 0.1], metallic, roughness: 0.4 }.brdf();
            let (a, b) = ([0.6, 0.8, 0.0], [0.0, 0.6, 0.8]);
            let (there, back) = (surface.value(a, b), surface.value(b, a));
            assert!(there.iter().zip(back).all(|(x, y)| (x - y).abs() < 1e-12));
        }
    }
}
