//! Quotes: what a job costs at most, said and signed before its first ray.
//!
//! A quote is made by looking at a few pixels, which the master's secret decides. The secret is told with
//! the quote, so whoever has the scene's files can look at the same pixels. Artists can't know
//! beforehand where the master will look. That the master didn't throw dice until it liked the answer
//! can't be seen from one quote: look with a seed of your own, and compare.

use crate::commit::{NodeKey, SignatureBytes, verify};
use crate::job::JobSpec;
use crate::node::DeviceClass;
use crate::{
    Amount, BlobHash, FrameNumber, JobId, KernelId, MasterId, NodeId, QuoteId, QuoteSecret,
    QuoteSeed, RayPrice, SceneFactor, SpecHash,
};
use serde::{Deserialize, Serialize};

/// Opens what a master signs as a quote.
const DOMAIN: &[u8] = b"tessera quote v1\0";
/// Opens what a job's specification is hashed with.
const SPEC_DOMAIN: &[u8] = b"tessera job spec v1\0";
/// Opens what a quote's seed is hashed with.
const SEED_DOMAIN: &[u8] = b"tessera quote seed v1\0";

impl SpecHash {
    /// The hash of every field of `spec` in a stated order and width.
    pub fn of(spec: &JobSpec) -> Self {
        let JobSpec { name, scene, settings, frames, fps, tile, samples_per_unit, class } = spec;
        let mut hasher = blake3::Hasher::new();
        hasher.update(SPEC_DOMAIN);
        hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
        hasher.update(&scene.0).update(&settings.hash().0);
        for word in [frames.first.0, frames.last.0, *fps, *tile, *samples_per_unit] {
            hasher.update(&word.to_le_bytes());
        }
        hasher.update(&[match class {
            DeviceClass::Exact => 0,
            DeviceClass::Tolerant => 1,
        }]);
        Self(*hasher.finalize().as_bytes())
    }
}

impl QuoteId {
    /// The job that comes of it, and its escrow on the chain: the first half of the id.
    pub fn job(self) -> JobId {
        let mut id = [0; 16];
        id.copy_from_slice(&self.0[..16]);
        JobId(id)
    }
}

impl QuoteSeed {
    /// The seed that `secret` gives for a job, whose rays `kernel` traces.
    pub fn of(secret: &QuoteSecret, kernel: KernelId, spec: &JobSpec) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(SEED_DOMAIN).update(&secret.0).update(&kernel.0);
        hasher.update(&spec.scene.0).update(&spec.settings.hash().0);
        hasher.update(&SpecHash::of(spec).0);
        Self(*hasher.finalize().as_bytes())
    }
}

/// What a quote says: the fields that are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuoteTerms {
    /// Whose word it is.
    pub master: MasterId,
    /// The job.
    pub spec: SpecHash,
    /// Its `.glb`.
    pub scene: BlobHash,
    /// Its environment map; 32 zero bytes in what is signed where there is none.
    pub environment: Option<BlobHash>,
    /// What decided where the master looked.
    pub seed: QuoteSeed,
    /// Frames that were looked at.
    pub frames_probed: u32,
    /// Samples of pixels that were traced, of all those frames together.
    pub pixels: u64,
    /// Rays of a sample of a pixel in the mean, in thousandths, rounded down.
    pub rays_mean_milli: u64,
    /// Rays of the whole job at most, if frames that nobody looked at are like those.
    pub rays_upper: u64,
    /// As how many a ray of the scene counts.
    pub factor: SceneFactor,
    /// What 10^9 factored rays cost at most.
    pub price_max: RayPrice,
    /// Added to the ceiling for what wasn't looked at, in thousandths.
    pub margin_permille: u32,
    /// What the job costs its artist at most.
    pub ceiling: Amount,
    /// Until when a job may be started on it, in milliseconds since 1970.
    pub valid_until_ms: i64,
}

impl QuoteTerms {
    /// Bytes of what is signed.
    pub const BYTES: usize = DOMAIN.len() + 5 * 32 + 3 * 4 + 6 * 8;

    /// The bytes that the master signs: the domain, then every field in the order of this struct,
    /// integers little-endian and as wide as their types.
    pub fn message(&self) -> Vec<u8> {
        let environment = self.environment.map_or([0; 32], |blob| blob.0);
        let parts: [&[u8]; 15] = [
            DOMAIN,
            &self.master.0,
            &self.spec.0,
            &self.scene.0,
            &environment,
            &self.seed.0,
            &self.frames_probed.to_le_bytes(),
            &self.pixels.to_le_bytes(),
            &self.rays_mean_milli.to_le_bytes(),
            &self.rays_upper.to_le_bytes(),
            &self.factor.0.to_le_bytes(),
            &self.price_max.0.to_le_bytes(),
            &self.margin_permille.to_le_bytes(),
            &self.ceiling.0.to_le_bytes(),
            &self.valid_until_ms.to_le_bytes(),
        ];
        parts.concat()
    }

    /// The quote in short.
    pub fn id(&self) -> QuoteId {
        QuoteId(*blake3::hash(&self.message()).as_bytes())
    }
}

/// A signed quote, and what is needed to see for oneself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Quote {
    /// What it says.
    pub terms: QuoteTerms,
    /// What the seed was made with.
    pub secret: QuoteSecret,
    /// The kernel whose rays were counted; it is in the seed.
    pub kernel: KernelId,
    /// The master's signature over [`QuoteTerms::message`].
    pub signature: SignatureBytes,
}

impl Quote {
    /// A master's quote. It signs whatever it is told: `terms.master` is to be `key`'s.
    pub fn issue(key: &NodeKey, terms: QuoteTerms, secret: QuoteSecret, kernel: KernelId) -> Self {
        let signature = key.sign(&terms.message());
        Self { terms, secret, kernel, signature }
    }

    /// Whether the master whom it names signed it.
    pub fn is_signed(&self) -> bool {
        verify(NodeId(self.terms.master.0), &self.terms.message(), &self.signature)
    }
}

/// A frame that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FrameRays {
    /// Which.
    pub frame: FrameNumber,
    /// Rays of a sample of a pixel in the mean, in thousandths, rounded down.
    pub rays_mean_milli: u64,
}

/// What a job will likely cost. Nobody signs it; it follows from what was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Outlook {
    /// What it costs if all pixels are like those that were looked at, at the highest price.
    pub expected: Amount,
    /// What it costs at least at that price, as surely as it stays below the ceiling.
    pub least: Amount,
    /// The frame with the fewest rays among those that were looked at.
    pub cheapest: FrameRays,
    /// The frame with the most.
    pub dearest: FrameRays,
}

/// A quote as its artist sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct QuoteView {
    /// What names it.
    pub id: QuoteId,
    /// What was signed.
    pub quote: Quote,
    /// What is likely.
    pub outlook: Outlook,
    /// The job that was started on it.
    #[serde(default)]
    pub job: Option<JobId>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::FrameSpan;
    use crate::settings::RenderSettings;
    use std::collections::BTreeSet;

    fn spec() -> JobSpec {
        JobSpec {
            name: "night".into(),
            scene: BlobHash([1; 32]),
            settings: RenderSettings::default(),
            frames: FrameSpan { first: FrameNumber(1), last: FrameNumber(9) },
            fps: 24,
            tile: 64,
            samples_per_unit: 16,
            class: DeviceClass::Exact,
        }
    }

    fn specs() -> Vec<JobSpec> {
        let base = spec();
        let settings = RenderSettings { seed: 1, ..base.settings };
        let span = |first, last| FrameSpan { first: FrameNumber(first), last: FrameNumber(last) };
        vec![
            JobSpec { name: "nigh".into(), ..base.clone() },
            JobSpec { scene: BlobHash([2; 32]), ..base.clone() },
            JobSpec { settings, ..base.clone() },
            JobSpec { frames: span(2, 9), ..base.clone() },
            JobSpec { frames: span(1, 8), ..base.clone() },
            JobSpec { fps: 25, ..base.clone() },
            JobSpec { tile: 32, ..base.clone() },
            JobSpec { samples_per_unit: 8, ..base.clone() },
            JobSpec { class: DeviceClass::Tolerant, ..base.clone() },
            base,
        ]
    }

    fn terms() -> QuoteTerms {
        QuoteTerms {
            master: MasterId(NodeKey::from_secret(&[9; 32]).node().0),
            spec: SpecHash([2; 32]),
            scene: BlobHash([3; 32]),
            environment: Some(BlobHash([4; 32])),
            seed: QuoteSeed([5; 32]),
            frames_probed: 6,
            pixels: 7,
            rays_mean_milli: 8,
            rays_upper: 9,
            factor: SceneFactor(10),
            price_max: RayPrice(11),
            margin_permille: 12,
            ceiling: Amount(13),
            valid_until_ms: 14,
        }
    }

    #[test]
    fn every_field_of_a_job_is_in_its_hash_and_in_the_seed() {
        let (secret, kernel) = (QuoteSecret([1; 32]), KernelId([2; 32]));
        let all = specs();
        let hashes: BTreeSet<_> = all.iter().map(SpecHash::of).collect();
        assert_eq!(hashes.len(), all.len());
        let mut seeds: BTreeSet<_> =
            all.iter().map(|spec| QuoteSeed::of(&secret, kernel, spec)).collect();
        seeds.insert(QuoteSeed::of(&QuoteSecret([3; 32]), kernel, &spec()));
        seeds.insert(QuoteSeed::of(&secret, KernelId([3; 32]), &spec()));
        assert_eq!(seeds.len(), all.len() + 2);
    }

    #[test]
    fn a_quote_is_signed_field_by_field() {
        let key = NodeKey::from_secret(&[9; 32]);
        let quote = Quote::issue(&key, terms(), QuoteSecret([1; 32]), KernelId([2; 32]));
        assert!(quote.is_signed());
        assert_eq!(quote.terms.message().len(), QuoteTerms::BYTES);
        let text = serde_json::to_string(&quote).unwrap();
        assert_eq!(serde_json::from_str::<Quote>(&text).unwrap(), quote);
        let good = terms();
        let changed = [
            QuoteTerms { master: MasterId([0; 32]), ..good },
            QuoteTerms { spec: SpecHash([0; 32]), ..good },
            QuoteTerms { scene: BlobHash([0; 32]), ..good },
            QuoteTerms { environment: None, ..good },
            QuoteTerms { seed: QuoteSeed([0; 32]), ..good },
            QuoteTerms { frames_probed: 0, ..good },
            QuoteTerms { pixels: 0, ..good },
            QuoteTerms { rays_mean_milli: 0, ..good },
            QuoteTerms { rays_upper: 0, ..good },
            QuoteTerms { factor: SceneFactor(0), ..good },
            QuoteTerms { price_max: RayPrice(0), ..good },
            QuoteTerms { margin_permille: 0, ..good },
            QuoteTerms { ceiling: Amount(0), ..good },
            QuoteTerms { valid_until_ms: 0, ..good },
        ];
        for terms in changed {
            assert!(!Quote { terms, ..quote.clone() }.is_signed(), "{terms:?}");
            assert_ne!(terms.id(), good.id());
        }
    }

    #[test]
    fn the_signed_bytes_are_these() {
        let bytes = terms().message();
        assert_eq!(&bytes[..17], b"tessera quote v1\0");
        assert_eq!(&bytes[17 + 160..][..12], [6, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[bytes.len() - 8..], 14i64.to_le_bytes());
    }
}
