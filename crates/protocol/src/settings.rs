//! What an artist chooses about a render, apart from the scene itself.

use crate::{BlobHash, SettingsHash, TileRect};
use serde::{Deserialize, Serialize};

/// What a ray that leaves the scene shows to the camera. Light from the environment falls on the
/// scene either way.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Background {
    /// The environment map; black where there is none.
    #[default]
    Environment,
    /// Black.
    Black,
}

/// An environment map beside the scene.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// An equirectangular Radiance `.hdr` among the uploads.
    pub blob: BlobHash,
    /// Multiplies the map's radiance; 0 to 10^6.
    pub strength: f32,
    /// Turns the map about +Y, in degrees; -360 to 360.
    pub rotation_deg: f32,
}

/// Everything but the scene that a pixel depends on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RenderSettings {
    /// Pixels across, 1 to [`Self::MAX_SIDE`].
    pub width: u32,
    /// Pixels down, 1 to [`Self::MAX_SIDE`].
    pub height: u32,
    /// Samples of each pixel, 1 to [`Self::MAX_SPP`].
    pub spp: u32,
    /// Chooses the random numbers.
    pub seed: u32,
    /// Bounces after the camera's edge, counted as Cycles does; at most [`Self::MAX_BOUNCES`].
    pub max_bounces: u32,
    /// Which of the scene's cameras, in the order of its nodes; `None` is the first one, or one
    /// that frames the scene where it has none.
    pub camera: Option<u32>,
    /// Light from outside.
    pub environment: Option<Environment>,
    /// What the camera sees where it sees nothing.
    pub background: Background,
}

impl Default for RenderSettings {
    fn default() -> Self {
        Self {
            width: 1280,
            height: 720,
            spp: 64,
            seed: 0,
            max_bounces: 7,
            camera: None,
            environment: None,
            background: Background::Environment,
        }
    }
}

/// A setting outside its limits.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{setting} is {value}; it may be {allowed}")]
pub struct SettingError {
    /// The setting's name.
    pub setting: &'static str,
    /// What was asked for.
    pub value: String,
    /// What may be asked for.
    pub allowed: String,
}

pub(crate) fn check_range<T: PartialOrd + std::fmt::Display + Copy>(
    setting: &'static str,
    value: T,
    least: T,
    most: T,
) -> Result<(), SettingError> {
    // Written so that a NaN is refused.
    if value >= least && value <= most {
        return Ok(());
    }
    Err(SettingError { setting, value: value.to_string(), allowed: format!("{least} to {most}") })
}

impl RenderSettings {
    /// Longest side of a frame, in pixels.
    pub const MAX_SIDE: u32 = 16_384;
    /// Most samples of a pixel: with the clamp of a sample at 2^16 and quanta of 2^-24, a sum
    /// stays below 2^62.
    pub const MAX_SPP: u32 = 1 << 22;
    /// Most bounces.
    pub const MAX_BOUNCES: u32 = 64;

    /// Checks every limit.
    pub fn validate(&self) -> Result<(), SettingError> {
        check_range("width", self.width, 1, Self::MAX_SIDE)?;
        check_range("height", self.height, 1, Self::MAX_SIDE)?;
        check_range("spp", self.spp, 1, Self::MAX_SPP)?;
        check_range("max_bounces", self.max_bounces, 0, Self::MAX_BOUNCES)?;
        if let Some(environment) = &self.environment {
            check_range("environment.strength", environment.strength, 0.0, 1e6)?;
            check_range("environment.rotation_deg", environment.rotation_deg, -360.0, 360.0)?;
        }
        Ok(())
    }

    /// The whole frame.
    pub fn frame_rect(&self) -> TileRect {
        TileRect::frame(self.width, self.height)
    }

    /// The hash of every field in a stated order and width, for what is signed.
    pub fn hash(&self) -> SettingsHash {
        let Self { width, height, spp, seed, max_bounces, camera, environment, background } = self;
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"tessera settings v1\0");
        for word in [*width, *height, *spp, *seed, *max_bounces] {
            hasher.update(&word.to_le_bytes());
        }
        // An option is a byte that says whether it is there, then what it is or zeros.
        hasher.update(&[u8::from(camera.is_some())]);
        hasher.update(&camera.unwrap_or_default().to_le_bytes());
        let (blob, strength, rotation_deg) = environment.map_or(([0; 32], 0.0, 0.0), |light| {
            (light.blob.0, light.strength, light.rotation_deg)
        });
        hasher.update(&[u8::from(environment.is_some())]);
        hasher.update(&blob);
        hasher.update(&strength.to_bits().to_le_bytes());
        hasher.update(&rotation_deg.to_bits().to_le_bytes());
        hasher.update(&[match background {
            Background::Environment => 0,
            Background::Black => 1,
        }]);
        SettingsHash(*hasher.finalize().as_bytes())
    }

    /// Most rays that one sample can cost: the camera's, and two for each vertex that scatters.
    pub fn max_rays_per_sample(&self) -> u64 {
        1 + 2 * (u64::from(self.max_bounces) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_in_the_hash() {
        let base = RenderSettings::default();
        let light = Environment { blob: BlobHash([0; 32]), strength: 0.0, rotation_deg: 0.0 };
        let lit_by = |light| RenderSettings { environment: Some(light), ..base.clone() };
        let all = [
            base.clone(),
            RenderSettings { width: 1, ..base.clone() },
            RenderSettings { height: 1, ..base.clone() },
            RenderSettings { spp: 1, ..base.clone() },
            RenderSettings { seed: 1, ..base.clone() },
            RenderSettings { max_bounces: 1, ..base.clone() },
            RenderSettings { camera: Some(0), ..base.clone() },
            RenderSettings { camera: Some(1), ..base.clone() },
            RenderSettings { background: Background::Black, ..base.clone() },
            lit_by(light),
            lit_by(Environment { blob: BlobHash([1; 32]), ..light }),
            lit_by(Environment { strength: 1.0, ..light }),
            lit_by(Environment { rotation_deg: 1.0, ..light }),
        ];
        let hashes: std::collections::BTreeSet<_> = all.iter().map(RenderSettings::hash).collect();
        assert_eq!(hashes.len(), all.len());
    }

    #[test]
    fn limits_refuse_what_lies_outside_and_name_it() {
        let ok = RenderSettings::default();
        assert_eq!(ok.validate(), Ok(()));
        let environment =
            |strength| Some(Environment { blob: BlobHash([0; 32]), strength, rotation_deg: 0.0 });
        for (settings, name) in [
            (RenderSettings { width: 0, ..ok.clone() }, "width"),
            (RenderSettings { height: 16_385, ..ok.clone() }, "height"),
            (RenderSettings { spp: 0, ..ok.clone() }, "spp"),
            (RenderSettings { max_bounces: 65, ..ok.clone() }, "max_bounces"),
            (RenderSettings { environment: environment(f32::NAN), ..ok }, "environment.strength"),
        ] {
            assert_eq!(settings.validate().unwrap_err().setting, name);
        }
    }
}
