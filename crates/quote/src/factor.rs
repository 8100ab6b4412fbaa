//! As how many a scene's ray counts: its mean weight in the reference tree, over that in the
//! calibration scene.
//!
//! A ray has a weight of its own and one for each of its steps, see [`Steps`]. The weights were fitted
//! to what a ray takes on the CPU backend, over 48 frames of 45 scenes from a pure sky to 320,000
//! triangles. There the mean weight and time had a correlation of 0.97 (their logarithms, 0.92), and
//! the factor told time to within × or ÷ 1.19 at one standard deviation; without a factor it would be
//! 1.55. Rays that go like a camera's and its light's predict better than chords between random
//! places: fitted as well, those were off by 1.29. What the factor can't see is shading: environments
//! (a sixth to a third dearer than it says), large textures (a third), layers of transparency
//! (three quarters). `examples/predict` prints it all.

use crate::reference::rays::{LENGTH, send};
use crate::reference::steps::Steps;
use crate::reference::walk::{MeshTrees, Reference};
use tessera_protocol::{QuoteSeed, SceneFactor};
use tessera_shaders::layout::CanonicalScene;

/// Chains of rays that are sent into all frames together.
pub const CHAINS: u32 = 8192;

/// The calibration scene's mean weight of a ray, in thousandths, rounded down.
pub const CALIBRATION_MILLI: u64 = 92_505;

/// All factors that there are, in thousandths: ten for each factor of ten, evenly spaced in ratio.
pub const LADDER: [u32; 21] = [
    400, 500, 630, 800, 1000, 1250, 1600, 2000, 2500, 3150, 4000, 5000, 6300, 8000, 10_000, 12_500,
    16_000, 20_000, 25_000, 31_500, 40_000,
];

/// The mean weight of a ray that the ladder ends at.
const MOST_WEIGHT: u64 = CALIBRATION_MILLI * 40 / 1000;

/// What was counted in some frames of a scene.
#[derive(Debug, Clone, Default)]
pub struct Counted {
    meshes: Option<MeshTrees>,
    steps: Steps,
    beyond: bool,
}

impl Counted {
    /// Counts in a frame, one of `frames` of one scene that will be.
    pub fn look(&mut self, scene: &CanonicalScene, frames: usize, seed: &QuoteSeed) {
        let meshes = self.meshes.take().filter(|meshes| meshes.fit(scene));
        let meshes = meshes.unwrap_or_else(|| MeshTrees::build(scene));
        let chains = CHAINS.div_ceil((frames as u32).max(1));
        let most = u64::from(chains * LENGTH) * MOST_WEIGHT;
        let steps = send(&Reference::new(scene, &meshes), &seed.0, chains, most);
        self.beyond |= steps.weight() >= most;
        self.steps = self.steps.plus(steps);
        self.meshes = Some(meshes);
    }

    /// Whether a frame's rays weigh more than the ladder's last step, so that it wasn't counted to its
    /// end.
    pub fn is_beyond(&self) -> bool {
        self.beyond
    }

    /// What the rays did.
    pub fn steps(&self) -> Steps {
        self.steps
    }
}

/// The factor of the ladder that is nearest in ratio, the greater of two as near.
pub fn factor(steps: &Steps) -> SceneFactor {
    let ratio = u128::from(steps.mean_weight_milli()) * 1000 / u128::from(CALIBRATION_MILLI);
    // Between two neighbours, the border is the root of their product.
    let below = |pair: &&[u32]| u128::from(pair[0]) * u128::from(pair[1]) <= ratio * ratio;
    SceneFactor(LADDER[LADDER.windows(2).take_while(below).count()])
}

/// The factor of a job's scene from the canonical scenes of the frames that were looked at.
pub fn scene_factor<'a>(
    frames: impl ExactSizeIterator<Item = &'a CanonicalScene>,
    seed: &QuoteSeed,
) -> SceneFactor {
    let count = frames.len();
    let mut counted = Counted::default();
    frames.for_each(|scene| counted.look(scene, count, seed));
    factor(&counted.steps)
}

/// A factor that is not the scene's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the scene's factor was said to be {claimed}, and is {found}")]
pub struct WrongFactor {
    /// What was said.
    pub claimed: SceneFactor,
    /// What comes out.
    pub found: SceneFactor,
}

/// Computes a scene's factor again, and compares.
pub fn check_factor<'a>(
    frames: impl ExactSizeIterator<Item = &'a CanonicalScene>,
    seed: &QuoteSeed,
    claimed: SceneFactor,
) -> Result<(), WrongFactor> {
    let found = scene_factor(frames, seed);
    if found == claimed { Ok(()) } else { Err(WrongFactor { claimed, found }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::calibration;

    #[test]
    fn the_calibration_scene_weighs_what_is_written_and_counts_as_one() {
        let steps = calibration::steps(CHAINS);
        assert_eq!(steps.mean_weight_milli(), CALIBRATION_MILLI, "{steps:?}");
        assert_eq!(factor(&steps), SceneFactor::ONE);
        assert_eq!(LADDER[LADDER.len() - 1], 40_000, "as far as weights are counted");
    }

    #[test]
    fn the_ladder_rises_and_takes_the_nearest_in_ratio() {
        assert!(LADDER.is_sorted_by(|a, b| a < b && u64::from(*b) * 100 <= u64::from(*a) * 128));
        // So many rays that thousandths of their mean weight can be told apart.
        let of = |ratio_milli: u64| {
            let rays = 1_000_000;
            let weight = CALIBRATION_MILLI * ratio_milli;
            factor(&Steps {
                rays,
                triangles: (weight - rays * Steps::RAY) / Steps::TRIANGLE,
                ..Steps::default()
            })
        };
        assert_eq!(of(1000), SceneFactor(1000));
        // √1.25 = 1.118…
        assert_eq!((of(1117), of(1120)), (SceneFactor(1000), SceneFactor(1250)));
        assert_eq!((of(36_000), of(900_000)), (SceneFactor(40_000), SceneFactor(40_000)));
        assert_eq!(factor(&Steps::default()), SceneFactor(400));
    }
}
