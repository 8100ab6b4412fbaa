//! What a submit must be: the first step of verification, *structure*.
//!
//! It says that the right node did the right units under the right lease, that what arrived is
//! what was signed, and that counts and sums are possible. It does not say that the pixels are
//! right: that is the pixel audit's step, which comes after this one, see `tessera_verify::audit`.

use crate::lease::Lease;
use tessera_protocol::commit::{Commit, SignatureBytes, UnitResult};
use tessera_protocol::lease::Unit;
use tessera_protocol::settings::RenderSettings;
use tessera_protocol::sums::{self, QUANTUM_LOG2};
use tessera_protocol::{
    Generation, JobId, KernelId, MasterId, NodeId, PixelSum, ResultRoot, SecretHash, SettingsHash,
    UnitIndex, tree,
};

/// A channel of one sample counts at most 2^16 of radiance, in quanta.
const MAX_SUM_PER_SAMPLE: u64 = 1 << (16 - QUANTUM_LOG2);

/// Why a submit does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Signed by another key than the commit's node's.
    #[error("the signature is not that of node {0} over this commit")]
    Signature(NodeId),
    /// Sent by another node than the one that signed.
    #[error("the lease is held by node {holder} and the commit names {named}")]
    Node {
        /// Who holds the lease.
        holder: NodeId,
        /// Whom the commit names.
        named: NodeId,
    },
    /// Another job's.
    #[error("the lease is of job {leased} and the commit names {named}")]
    Job {
        /// The lease's job.
        leased: JobId,
        /// The commit's.
        named: JobId,
    },
    /// Signed for another master.
    #[error("the lease is this master's, {own}, and the commit names {named}")]
    Master {
        /// This one.
        own: MasterId,
        /// The commit's.
        named: MasterId,
    },
    /// Signed as of another kind of job.
    #[error("the commit names another class of devices than its job has")]
    Class,
    /// Made with another kernel.
    #[error("the job pins kernel {pinned} and the commit names {named}")]
    Kernel {
        /// The job's kernel.
        pinned: KernelId,
        /// The commit's.
        named: KernelId,
    },
    /// Made with other settings.
    #[error("the job's settings hash to {asked} and the commit names {named}")]
    Settings {
        /// The hash of the job's settings.
        asked: SettingsHash,
        /// The commit's.
        named: SettingsHash,
    },
    /// Signed for another secret than the lease's.
    #[error("the lease's secret hashes to {leased} and the commit names {named}")]
    Secret {
        /// The lease's.
        leased: SecretHash,
        /// The commit's.
        named: SecretHash,
    },
    /// Made under another generation.
    #[error("the lease has generation {} and the commit names {}", .leased.0, .named.0)]
    Generation {
        /// The lease's generation.
        leased: Generation,
        /// The commit's.
        named: Generation,
    },
    /// Other units than were leased, or in another order.
    #[error("the commit's units are not those of the lease, in its order")]
    Units,
    /// Packed sums that cannot be unpacked to the unit's pixels.
    #[error("unit {unit} does not unpack to the sums of its {pixels} pixels: {reason}")]
    Packed {
        /// The unit.
        unit: UnitIndex,
        /// Its pixels.
        pixels: u64,
        /// What went wrong.
        reason: String,
    },
    /// What arrived is not what was signed.
    #[error("the sums of unit {unit} have the root {found} and the commit says {named}")]
    Root {
        /// The unit.
        unit: UnitIndex,
        /// The root of the sums.
        found: ResultRoot,
        /// What was signed.
        named: ResultRoot,
    },
    /// Rays that do not add up, or that these samples cannot have cost.
    #[error("unit {unit} cannot have cost the {rays} rays it names: {reason}")]
    Rays {
        /// The unit.
        unit: UnitIndex,
        /// What was signed.
        rays: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A sum above what the samples can reach.
    #[error("unit {unit} has a pixel brighter than its samples can make it")]
    Sum {
        /// The unit.
        unit: UnitIndex,
    },
}

/// Checks who, what and under which lease of `own`, before any sum is unpacked.
pub fn check_commit(
    own: MasterId,
    lease: &Lease,
    settings: &RenderSettings,
    commit: &Commit,
    signature: &SignatureBytes,
) -> Result<(), Refused> {
    if commit.node != lease.node {
        return Err(Refused::Node { holder: lease.node, named: commit.node });
    }
    if !commit.is_signed_by_its_node(signature) {
        return Err(Refused::Signature(commit.node));
    }
    if commit.master != own {
        return Err(Refused::Master { own, named: commit.master });
    }
    if commit.class != lease.class {
        return Err(Refused::Class);
    }
    if commit.job != lease.job {
        return Err(Refused::Job { leased: lease.job, named: commit.job });
    }
    if commit.kernel != lease.kernel {
        return Err(Refused::Kernel { pinned: lease.kernel, named: commit.kernel });
    }
    let asked = settings.hash();
    if commit.settings != asked {
        return Err(Refused::Settings { asked, named: commit.settings });
    }
    if commit.secret != lease.secret {
        return Err(Refused::Secret { leased: lease.secret, named: commit.secret });
    }
    if commit.generation != lease.generation {
        return Err(Refused::Generation { leased: lease.generation, named: commit.generation });
    }
    if !commit.results.iter().map(|result| result.unit.0).eq(lease.units.clone()) {
        return Err(Refused::Units);
    }
    Ok(())
}

/// Checks one unit's sums against what was signed and what is possible.
pub fn check_unit(
    settings: &RenderSettings,
    unit: &Unit,
    result: &UnitResult,
    pixels: &[PixelSum],
) -> Result<(), Refused> {
    let index = unit.index;
    if pixels.len() as u64 != unit.rect.pixels() {
        return Err(Refused::Packed {
            unit: index,
            pixels: unit.rect.pixels(),
            reason: format!("it has {} pixels", pixels.len()),
        });
    }
    let found = tree::root(pixels);
    if found != result.root {
        return Err(Refused::Root { unit: index, found, named: result.root });
    }
    let rays = |reason| Err(Refused::Rays { unit: index, rays: result.rays, reason });
    if sums::rays(pixels) != result.rays {
        return rays("the pixels' rays add up to another number");
    }
    let samples = u64::from(unit.samples.count());
    let most_rays = samples * settings.max_rays_per_sample();
    if pixels.iter().any(|pixel| pixel.rays < samples) {
        return rays("a pixel has fewer rays than samples");
    }
    if pixels.iter().any(|pixel| pixel.rays > most_rays) {
        return rays("a pixel has more rays than its bounces allow");
    }
    let most = samples * MAX_SUM_PER_SAMPLE;
    if pixels.iter().any(|pixel| pixel.r.max(pixel.g).max(pixel.b) > most) {
        return Err(Refused::Sum { unit: index });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_protocol::commit::NodeKey;
    use tessera_protocol::node::DeviceClass;
    use tessera_protocol::{
        FrameNumber, LeaseId, RayPrice, SampleRange, SceneFactor, SceneHash, TileRect,
    };

    const OWN: MasterId = MasterId([12; 32]);

    fn lease(key: &NodeKey) -> Lease {
        Lease {
            id: LeaseId([1; 16]),
            generation: Generation(7),
            job: JobId([2; 16]),
            kernel: KernelId([3; 32]),
            node: key.node(),
            secret: SecretHash([4; 32]),
            units: 40..42,
            second_of: None,
            class: DeviceClass::Exact,
            price: RayPrice(0),
            factor: SceneFactor::ONE,
        }
    }

    fn settings() -> RenderSettings {
        RenderSettings { max_bounces: 1, ..Default::default() }
    }

    fn commit(lease: &Lease) -> Commit {
        let result =
            |unit| UnitResult { unit: UnitIndex(unit), root: ResultRoot([0; 32]), rays: 1 };
        Commit {
            master: OWN,
            class: lease.class,
            node: lease.node,
            job: lease.job,
            kernel: lease.kernel,
            scene: SceneHash([8; 32]),
            settings: settings().hash(),
            secret: lease.secret,
            lease: lease.id,
            generation: lease.generation,
            results: lease.units.clone().map(result).collect(),
        }
    }

    #[test]
    fn a_commit_under_its_lease_passes_and_each_deviation_is_named() {
        let key = NodeKey::from_secret(&[5; 32]);
        let lease = lease(&key);
        let good = commit(&lease);
        assert_eq!(check_commit(OWN, &lease, &settings(), &good, &good.sign(&key)), Ok(()));

        let stranger = NodeKey::from_secret(&[6; 32]);
        assert_eq!(
            check_commit(OWN, &lease, &settings(), &good, &good.sign(&stranger)),
            Err(Refused::Signature(key.node()))
        );
        let refused = |changed: Commit, key: &NodeKey| {
            check_commit(OWN, &lease, &settings(), &changed, &changed.sign(key)).unwrap_err()
        };
        let other = Commit { node: stranger.node(), ..good.clone() };
        assert!(matches!(refused(other, &stranger), Refused::Node { .. }));
        let other = Commit { master: MasterId([9; 32]), ..good.clone() };
        assert!(matches!(refused(other, &key), Refused::Master { .. }));
        let other = Commit { class: DeviceClass::Tolerant, ..good.clone() };
        assert_eq!(refused(other, &key), Refused::Class);
        let other = Commit { job: JobId([9; 16]), ..good.clone() };
        assert!(matches!(refused(other, &key), Refused::Job { .. }));
        let other = Commit { kernel: KernelId([9; 32]), ..good.clone() };
        assert!(matches!(refused(other, &key), Refused::Kernel { .. }));
        let other = Commit { settings: SettingsHash([9; 32]), ..good.clone() };
        assert!(matches!(refused(other, &key), Refused::Settings { .. }));
        let other = Commit { secret: SecretHash([9; 32]), ..good.clone() };
        assert!(matches!(refused(other, &key), Refused::Secret { .. }));
        let other = Commit { generation: Generation(6), ..good.clone() };
        assert!(matches!(refused(other, &key), Refused::Generation { .. }));
        let mut fewer = good.clone();
        fewer.results.pop();
        assert_eq!(refused(fewer, &key), Refused::Units);
        let mut swapped = good;
        swapped.results.reverse();
        assert_eq!(refused(swapped, &key), Refused::Units);
    }

    fn unit() -> Unit {
        Unit {
            index: UnitIndex(3),
            frame: FrameNumber(0),
            rect: TileRect { x: 0, y: 0, width: 2, height: 1 },
            samples: SampleRange { start: 4, end: 8 },
        }
    }

    fn checked(pixels: &[PixelSum], change: impl Fn(&mut UnitResult)) -> Result<(), Refused> {
        let mut result =
            UnitResult { unit: UnitIndex(3), root: tree::root(pixels), rays: sums::rays(pixels) };
        change(&mut result);
        check_unit(&settings(), &unit(), &result, pixels)
    }

    #[test]
    fn sums_must_be_those_that_were_signed_and_possible() {
        let pixel = PixelSum { r: 1, g: 2, b: 3, rays: 4 };
        let most = PixelSum { r: 4 << 40, rays: 20, ..pixel };
        assert_eq!(checked(&[pixel, most], |_| {}), Ok(()));
        assert!(matches!(checked(&[pixel], |_| {}), Err(Refused::Packed { .. })));
        let forged = checked(&[pixel, pixel], |result| result.root.0[0] ^= 1);
        assert!(matches!(forged, Err(Refused::Root { .. })));
        let inflated = checked(&[pixel, pixel], |result| result.rays += 1);
        assert!(matches!(inflated, Err(Refused::Rays { .. })));
        for rays in [3, 21] {
            let odd = [pixel, PixelSum { rays, ..pixel }];
            assert!(matches!(checked(&odd, |_| {}), Err(Refused::Rays { .. })), "{rays}");
        }
        let bright = [pixel, PixelSum { b: (4 << 40) + 1, ..pixel }];
        assert_eq!(checked(&bright, |_| {}), Err(Refused::Sum { unit: UnitIndex(3) }));
    }
}
