//! Whether what was computed again is what was signed.

use super::draw::Look;
use tessera_protocol::commit::Commit;
use tessera_protocol::lease::Unit;
use tessera_protocol::verdict::{Verdict, Wrong, WrongPixel};
use tessera_protocol::{PixelSum, SceneHash, tree};

/// Judges a result of which `looks` were computed again, with `found`, in the scene `scene`. The
/// first wrong pixel in the looks' order decides.
///
/// # Panics
/// When there are not as many values as looks, or a look lies outside of its unit: both are the
/// caller's own.
pub fn judge(
    commit: &Commit,
    units: &[Unit],
    sums: &[Vec<PixelSum>],
    scene: SceneHash,
    looks: &[Look],
    found: &[PixelSum],
) -> Verdict {
    assert_eq!(looks.len(), found.len(), "each look has a value");
    let rejected = |wrong| Verdict::Rejected(Box::new(wrong));
    if commit.scene != scene {
        return rejected(Wrong::Scene { signed: commit.scene, found: scene });
    }
    let signed = |look: &Look| sums[look.unit][look.pixel as usize];
    let wrong = looks.iter().zip(found).find(|(look, found)| signed(look) != **found);
    let Some((look, found)) = wrong else {
        return Verdict::Verified { pixels: looks.len() as u64 };
    };
    rejected(Wrong::Pixel(wrong_pixel(units, sums, look, *found)))
}

/// Shows the pixel of a look, of which the kernel makes `found`, and that something was signed for it.
///
/// # Panics
/// When the look lies outside of the units: that is the caller's own.
pub fn wrong_pixel(
    units: &[Unit],
    sums: &[Vec<PixelSum>],
    look: &Look,
    found: PixelSum,
) -> WrongPixel {
    let (unit, sums) = (&units[look.unit], &sums[look.unit]);
    let proof = tree::prove(sums, look.pixel as usize);
    WrongPixel {
        unit: unit.index,
        frame: unit.frame,
        x: look.x,
        y: look.y,
        samples: look.samples,
        pixel: look.pixel,
        proof: proof.expect("the look lies in its unit"),
        signed: sums[look.pixel as usize],
        found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Draws, Seed, looks};
    use tessera_protocol::commit::{AuditSecret, NodeKey, UnitResult};
    use tessera_protocol::node::DeviceClass;
    use tessera_protocol::{
        CommitId, FrameNumber, Generation, JobId, KernelId, LeaseId, MasterId, SampleRange,
        SecretHash, SettingsHash, TileRect, UnitIndex, sums,
    };

    const SCENE: SceneHash = SceneHash([1; 32]);

    fn unit() -> Unit {
        Unit {
            index: UnitIndex(5),
            frame: FrameNumber(2),
            rect: TileRect { x: 8, y: 16, width: 4, height: 4 },
            samples: SampleRange { start: 0, end: 2 },
        }
    }

    fn honest() -> Vec<PixelSum> {
        (0..16).map(|n| PixelSum { r: n, g: 2 * n, b: 3, rays: 4 + n }).collect()
    }

    fn commit(pixels: &[PixelSum]) -> Commit {
        let root = tree::root(pixels);
        Commit {
            master: MasterId([12; 32]),
            class: DeviceClass::Exact,
            node: NodeKey::from_secret(&[1; 32]).node(),
            job: JobId([1; 16]),
            kernel: KernelId([2; 32]),
            scene: SCENE,
            settings: SettingsHash([3; 32]),
            lease: LeaseId([4; 16]),
            generation: Generation(1),
            secret: SecretHash([5; 32]),
            results: vec![UnitResult { unit: UnitIndex(5), root, rays: sums::rays(pixels) }],
        }
    }

    /// Looks at all of what was signed, which should have been `honest`.
    fn judged(signed: &[PixelSum], commit: &Commit, scene: SceneHash) -> Verdict {
        let seed = Seed::of(&AuditSecret([0; 32]), CommitId([0; 32]));
        let sums = [signed.to_vec()];
        let all = looks(&seed, &[unit()], &sums, Draws::All);
        let found: Vec<_> = all.iter().map(|look| honest()[look.pixel as usize]).collect();
        judge(commit, &[unit()], &sums, scene, &all, &found)
    }

    #[test]
    fn an_honest_result_is_verified() {
        let pixels = honest();
        assert_eq!(judged(&pixels, &commit(&pixels), SCENE), Verdict::Verified { pixels: 16 });
    }

    #[test]
    fn one_quantum_or_one_ray_is_enough_to_be_rejected_with_proof() {
        for change in [
            |sum: &mut PixelSum| sum.r += 1,
            |sum: &mut PixelSum| sum.g -= 1,
            |sum: &mut PixelSum| sum.b += 1 << 40,
            |sum: &mut PixelSum| sum.rays += 1,
        ] {
            let mut pixels = honest();
            change(&mut pixels[9]);
            let commit = commit(&pixels);
            let Verdict::Rejected(wrong) = judged(&pixels, &commit, SCENE) else {
                panic!("a wrong pixel was verified");
            };
            let Wrong::Pixel(wrong) = *wrong else { panic!("{wrong}") };
            assert_eq!((wrong.x, wrong.y, wrong.unit), (9, 18, UnitIndex(5)));
            assert_eq!((wrong.signed, wrong.found), (pixels[9], honest()[9]));
            let shown = wrong.proof.pixel(commit.results[0].root, wrong.pixel);
            assert_eq!(shown, Some(wrong.signed), "the commit's root proves what was signed");
        }
    }

    #[test]
    fn another_scene_is_rejected_whatever_its_pixels() {
        let pixels = honest();
        let other = SceneHash([9; 32]);
        let verdict = judged(&pixels, &commit(&pixels), other);
        let wrong = Wrong::Scene { signed: SCENE, found: other };
        assert_eq!(verdict, Verdict::Rejected(Box::new(wrong)));
    }
}
