//! What light is sampled from, and how often each of it is chosen.

use crate::alias::{self, Alias};
use crate::document::{self, LightKind};
use crate::error::{Findings, Note};
use crate::math::{
    Affine, TINY, Vec3, cross, flush, flush3, length, luminance, normalized, scale, sub, widen,
};
use std::f64::consts::PI;
use tessera_shaders::layout::{Light, NONE, Triangle, Vertex};

/// A light of KHR_lights_punctual, checked.
#[derive(Debug, Clone)]
pub(crate) struct Punctual {
    pub(crate) kind: LightKind,
    /// Intensity × colour.
    emitted: Vec3,
    range: Option<f64>,
    cos_inner: f64,
    cos_outer: f64,
}

impl Punctual {
    pub(crate) fn new(light: &document::Light, place: &str, findings: &mut Findings) -> Self {
        let intensity = light.intensity.unwrap_or(1.0);
        let emitted = scale(light.color, intensity);
        if !emitted.iter().all(|x| (0.0..=f64::from(f32::MAX)).contains(x)) {
            let message = format!("has the intensity {intensity} and colour {:?}", light.color);
            findings.problem(Note::new(place, message));
        }
        if light.range.is_some_and(|range| range <= 0.0) {
            findings.problem(Note::new(format!("{place}.range"), "is not above 0"));
        }
        let (inner, outer) = (light.spot.inner_cone_angle, light.spot.outer_cone_angle);
        if light.kind == LightKind::Spot && !(0.0 <= inner && inner < outer && outer <= PI / 2.0) {
            let message = format!("has cones of {inner} and {outer} radians");
            findings.problem(Note::new(format!("{place}.spot"), message));
        }
        Self {
            kind: light.kind,
            emitted,
            range: light.range,
            cos_inner: libm::cos(inner),
            cos_outer: libm::cos(outer),
        }
    }

    /// The light where its node stands, in units of which the world's one has `unit`, and its
    /// power in a scene of this radius.
    ///
    /// # Errors
    /// Its intensity in these units is too large for the kernel.
    pub(crate) fn placed(
        &self,
        to_world: &Affine,
        unit: f64,
        radius: f64,
    ) -> Result<(Light, f64), String> {
        let direction = normalized(to_world.column(2)).map(|back| scale(back, -1.0));
        let position = flush3(scale(to_world.column(3), unit));
        let mut light = Light { direction: flush3(direction.unwrap_or([0.0, 0.0, -1.0])), ..DARK };
        let mut intensity = self.emitted;
        let power = match self.kind {
            LightKind::Point | LightKind::Spot => {
                light.kind = Light::POINT;
                light.position = position;
                light.range = self.range.map_or(0.0, |range| flush((range * unit).max(TINY)));
                intensity = scale(intensity, unit * unit);
                4.0 * PI * luminance(intensity)
            }
            LightKind::Directional => {
                light.kind = Light::DIRECTIONAL;
                PI * radius * radius * luminance(intensity)
            }
        };
        let power = match self.kind {
            LightKind::Point => power,
            _ if direction.is_none() => return Ok((DARK, 0.0)),
            LightKind::Directional => power,
            LightKind::Spot => {
                light.kind = Light::SPOT;
                let spot_scale = 1.0 / (self.cos_inner - self.cos_outer).max(0.001);
                light.spot_scale = flush(spot_scale);
                light.spot_offset = flush(-self.cos_outer * spot_scale);
                // Half the sphere's, as the share of 4π that half-way between the cones lies in.
                power * 0.5 * (1.0 - 0.5 * (self.cos_inner + self.cos_outer))
            }
        };
        light.intensity = flush3(intensity);
        if light.intensity.iter().any(|x| !x.is_finite()) {
            return Err("is too bright for a scene of this size".into());
        }
        Ok((light, power))
    }
}

/// A light that is never chosen.
const DARK: Light = Light {
    kind: Light::POINT,
    instance: NONE,
    triangle: NONE,
    alias: 0,
    position: [0.0; 3],
    probability: 0.0,
    direction: [0.0; 3],
    threshold: 0,
    intensity: [0.0; 3],
    spot_scale: 0.0,
    spot_offset: 0.0,
    range: 0.0,
    padding: [0; 2],
};

/// Collects lights with their powers, and makes the table.
#[derive(Debug, Default)]
pub(crate) struct Lights {
    lights: Vec<Light>,
    powers: Vec<f64>,
}

/// The table of a frame.
#[derive(Debug)]
pub(crate) struct LightTable {
    /// A power of two of them, or none.
    pub(crate) lights: Vec<Light>,
    /// The environment's place among them.
    pub(crate) environment: u32,
}

/// The least share of samples that the environment and all other lights get where there are both.
///
/// Power says how much light there is, not who sees it: a lamp in a room under a bright sky gives
/// nearly all the light there is, and the sky seen through a window next to none of it, or the
/// other way round on the balcony. A quarter costs at most a factor of 4 in variance where the
/// estimate is right, and bounds the loss by the same factor where it is wrong.
const LEAST_SHARE: f64 = 0.25;

impl Lights {
    pub(crate) fn len(&self) -> usize {
        self.lights.len()
    }

    /// Adds each triangle of an instance; both of its sides emit.
    pub(crate) fn add_triangles(
        &mut self,
        instance: u32,
        first_triangle: u32,
        triangles: &[Triangle],
        vertices: &[Vertex],
        to_normalized: &Affine,
        emitted: f64,
    ) {
        for (i, triangle) in triangles.iter().enumerate() {
            let corner = |i: usize| {
                to_normalized.point(widen(vertices[triangle.corners[i] as usize].position))
            };
            let a = corner(0);
            let area = 0.5 * length(cross(sub(corner(1), a), sub(corner(2), a)));
            let triangle = first_triangle + i as u32;
            self.lights.push(Light { kind: Light::TRIANGLE, instance, triangle, ..DARK });
            self.powers.push(emitted * area * 2.0 * PI);
        }
    }

    pub(crate) fn add(&mut self, light: Light, power: f64) {
        self.lights.push(light);
        self.powers.push(power);
    }

    /// The table, with the environment as the last light if it has a power.
    pub(crate) fn into_table(mut self, environment_power: Option<f64>) -> LightTable {
        let none = LightTable { lights: Vec::new(), environment: NONE };
        let mut environment = NONE;
        if let Some(power) = environment_power {
            let others = self.powers.iter().fold(0.0, |sum, power| sum + power);
            environment = self.lights.len() as u32;
            self.add(Light { kind: Light::ENVIRONMENT, ..DARK }, guarded(power, others));
        }
        let count = self.lights.len().next_power_of_two();
        if self.lights.is_empty() || count > alias::MOST {
            return none;
        }
        self.lights.resize(count, DARK);
        self.powers.resize(count, 0.0);
        let Some(table) = Alias::new(&self.powers) else { return none };
        for (i, light) in self.lights.iter_mut().enumerate() {
            light.probability = table.probability(i);
            light.threshold = table.thresholds[i];
            light.alias = table.aliases[i];
        }
        LightTable { lights: self.lights, environment }
    }
}

/// The environment's power, such that both it and the others have their least share.
fn guarded(environment: f64, others: f64) -> f64 {
    if environment <= 0.0 || others <= 0.0 {
        return environment;
    }
    let share = (environment / (environment + others)).clamp(LEAST_SHARE, 1.0 - LEAST_SHARE);
    others * share / (1.0 - share)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point() -> Light {
        Light { intensity: [1.0; 3], ..DARK }
    }

    #[test]
    fn the_table_is_padded_and_its_padding_never_chosen() {
        let mut lights = Lights::default();
        for power in [1.0, 0.0, 3.0] {
            lights.add(point(), power);
        }
        let table = lights.into_table(None);
        assert_eq!((table.lights.len(), table.environment), (4, NONE));
        let probabilities: Vec<f32> = table.lights.iter().map(|light| light.probability).collect();
        assert_eq!(probabilities, [0.25, 0.0, 0.75, 0.0]);
    }

    #[test]
    fn environment_and_lights_both_keep_a_quarter() {
        for (power, environment, expected) in
            [(1.0, 1e9, 0.75), (1e9, 1.0, 0.25), (1.0, 1.0, 0.5), (0.0, 2.0, 1.0), (2.0, 0.0, 0.0)]
        {
            let mut lights = Lights::default();
            lights.add(point(), power);
            let table = lights.into_table(Some(environment));
            assert_eq!(table.environment, 1);
            let probability = table.lights[1].probability;
            assert!((probability - expected).abs() < 1e-6, "{power} {environment}: {probability}");
        }
    }

    #[test]
    fn without_any_power_there_is_no_table() {
        let mut lights = Lights::default();
        lights.add(point(), 0.0);
        let table = lights.into_table(Some(0.0));
        assert!(table.lights.is_empty());
        assert_eq!(table.environment, NONE);
    }
}
