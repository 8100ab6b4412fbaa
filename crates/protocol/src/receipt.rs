//! All that is needed to check one lease again, without asking anybody.
//!
//! A node's signature says what it made; the master's says which secret the lease had, and what the
//! audit found. Together with the job, the scene's files and the sums themselves, whoever has a receipt
//! can draw the same pixels, or others of their own choice, and compute them again.

use crate::commit::{AuditSecret, Commit, NodeKey, SignatureBytes, verify};
use crate::money::pay;
use crate::terms::{Promise, Terms};
use crate::verdict::{Verdict, Wrong, WrongPixel};
use crate::{Amount, MasterId, NodeId};
use serde::{Deserialize, Serialize};
use tessera_settlement_abi::signed::VerdictHeader;

/// What a master says of one result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// What the node signed. It names the master.
    pub commit: Commit,
    /// The node's signature.
    pub signature: SignatureBytes,
    /// What the master promised with the lease.
    pub terms: Terms,
    /// What the lease named the hash of, told once the result was there.
    pub secret: AuditSecret,
    /// What the audit found.
    pub verdict: Verdict,
    /// What the result is paid with: as promised where it counts, and nothing where it does not.
    pub pay: Amount,
    /// The master's signature over all of it.
    pub master_signature: SignatureBytes,
}

/// Why something is no receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptFault {
    /// The node never signed this.
    #[error("the node's signature is not its own over this commit")]
    NodeSignature,
    /// The master never signed this.
    #[error("the master's signature is not its own over this receipt")]
    MasterSignature,
    /// The master never promised this for this lease.
    #[error("the master's promise is not signed by it, or is of another lease")]
    Terms,
    /// The sum is not what was promised for so many rays.
    #[error("{stated} is paid, where {right} was promised")]
    Pay {
        /// What the receipt says.
        stated: Amount,
        /// What follows from rays, factor, price and verdict.
        right: Amount,
    },
    /// The secret is not the lease's.
    #[error("the secret is not the one that the lease named")]
    Secret,
    /// What was rejected is not shown to be what the node signed.
    #[error("the rejected pixel is not shown to be under a root that the node signed")]
    Proof,
    /// What was rejected was right.
    #[error("what was rejected as wrong is what was found")]
    NotWrong,
}

impl Receipt {
    /// A master's receipt. It signs whatever it is told; see [`Self::check`].
    pub fn issue(
        key: &NodeKey,
        commit: Commit,
        signature: SignatureBytes,
        terms: Terms,
        secret: AuditSecret,
        verdict: Verdict,
    ) -> Self {
        let unsigned = SignatureBytes([0; 64]);
        let pay = promised(&commit, &terms, &verdict);
        let mut receipt =
            Self { commit, signature, terms, secret, verdict, pay, master_signature: unsigned };
        receipt.master_signature = key.sign(&receipt.message());
        receipt
    }

    /// Whose receipt it is.
    pub fn master(&self) -> MasterId {
        self.commit.master
    }

    /// The bytes that the master signs: two of them for one lease, with different endings, prove that
    /// it gave two verdicts.
    fn message(&self) -> Vec<u8> {
        let Self { commit, signature, terms, secret, verdict, pay, .. } = self;
        let verdict_bytes = serde_json::to_vec(verdict).expect("a verdict is plain fields");
        let parts: [&[u8]; 5] =
            [&commit.id().0, &signature.0, &terms.signature.0, &secret.0, &verdict_bytes];
        let header = VerdictHeader {
            master: commit.master.0,
            node: commit.node.0,
            lease: commit.lease.0,
            generation: commit.generation.0,
            counts: verdict.counts(),
            pay: pay.0,
            body: *blake3::hash(&parts.concat()).as_bytes(),
        };
        header.encode().to_vec()
    }

    /// Checks what can be checked of a receipt by itself: all signatures, the secret, the pay, and where
    /// the result was rejected, that the node signed what was wrong.
    pub fn check(&self) -> Result<(), ReceiptFault> {
        if !self.commit.is_signed_by_its_node(&self.signature) {
            return Err(ReceiptFault::NodeSignature);
        }
        if self.secret.hash() != self.commit.secret {
            return Err(ReceiptFault::Secret);
        }
        let Terms { master, class, price, factor, signature } = &self.terms;
        let promise = Promise::of(&self.commit, *price, *factor);
        let named = *master == self.commit.master && *class == self.commit.class;
        if !named || !promise.is_signed(signature) {
            return Err(ReceiptFault::Terms);
        }
        if !verify(NodeId(master.0), &self.message(), &self.master_signature) {
            return Err(ReceiptFault::MasterSignature);
        }
        let right = promised(&self.commit, &self.terms, &self.verdict);
        if self.pay != right {
            return Err(ReceiptFault::Pay { stated: self.pay, right });
        }
        match &self.verdict {
            Verdict::Verified { .. } | Verdict::Alike(_) => Ok(()),
            Verdict::Rejected(wrong) => self.check_proof(wrong),
        }
    }

    fn check_proof(&self, wrong: &Wrong) -> Result<(), ReceiptFault> {
        match wrong {
            Wrong::Scene { signed, .. } if *signed != self.commit.scene => Err(ReceiptFault::Proof),
            Wrong::Scene { signed, found } if signed == found => Err(ReceiptFault::NotWrong),
            Wrong::Scene { .. } => Ok(()),
            Wrong::Pixel(pixel) => self.check_pixel(pixel),
            Wrong::Unlike(unlike) if unlike.within > unlike.looked => Err(ReceiptFault::NotWrong),
            Wrong::Unlike(unlike) => self.check_pixel(&unlike.pixel),
        }
    }

    fn check_pixel(&self, pixel: &WrongPixel) -> Result<(), ReceiptFault> {
        let result = self.commit.results.iter().find(|result| result.unit == pixel.unit);
        let shown = result.and_then(|result| pixel.proof.pixel(result.root, pixel.pixel));
        if shown != Some(pixel.signed) {
            return Err(ReceiptFault::Proof);
        }
        if pixel.signed == pixel.found {
            return Err(ReceiptFault::NotWrong);
        }
        Ok(())
    }
}

/// What a result is paid with. What does not fit is more than there is money.
fn promised(commit: &Commit, terms: &Terms, verdict: &Verdict) -> Amount {
    if !verdict.counts() {
        return Amount::ZERO;
    }
    let rays = commit.results.iter().fold(0u64, |sum, result| sum.saturating_add(result.rays));
    pay(rays, terms.factor, terms.price).unwrap_or(Amount::MAX)
}

/// Some of a job's receipts, in the order of their leases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReceiptPage {
    /// The receipts.
    pub data: Vec<Receipt>,
    /// Asks for the next page; `None` on the last.
    pub next_cursor: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::UnitResult;
    use crate::node::DeviceClass;
    use crate::verdict::{Alike, Second, Unlike};
    use crate::{
        FrameNumber, Generation, JobId, KernelId, LeaseId, PixelSum, RayPrice, SampleRange,
        SceneFactor, SceneHash, SettingsHash, UnitIndex, tree,
    };

    fn pixels() -> Vec<PixelSum> {
        (0..40).map(|n| PixelSum { r: n, g: 1, b: 2, rays: 4 }).collect()
    }

    fn keys() -> (NodeKey, NodeKey) {
        (NodeKey::from_secret(&[1; 32]), NodeKey::from_secret(&[2; 32]))
    }

    fn receipt(verdict: Verdict) -> Receipt {
        let (node, master) = keys();
        let secret = AuditSecret([3; 32]);
        let commit = Commit {
            master: MasterId(master.node().0),
            node: node.node(),
            job: JobId([1; 16]),
            class: DeviceClass::Exact,
            kernel: KernelId([2; 32]),
            scene: SceneHash([3; 32]),
            settings: SettingsHash([4; 32]),
            lease: LeaseId([5; 16]),
            generation: Generation(6),
            secret: secret.hash(),
            results: vec![UnitResult {
                unit: UnitIndex(7),
                root: tree::root(&pixels()),
                rays: 160,
            }],
        };
        let signature = commit.sign(&node);
        Receipt::issue(&master, commit.clone(), signature, terms(&commit), secret, verdict)
    }

    fn terms(commit: &Commit) -> Terms {
        let (_, key) = keys();
        // 160 rays of this scene are 240 of the usual one.
        let (price, factor) = (RayPrice(1_000_000_000), SceneFactor(1500));
        let signature = key.sign(&Promise::of(commit, price, factor).message());
        Terms { master: commit.master, class: commit.class, price, factor, signature }
    }

    fn wrong_pixel() -> WrongPixel {
        WrongPixel {
            unit: UnitIndex(7),
            frame: FrameNumber(0),
            x: 17,
            y: 0,
            samples: SampleRange { start: 0, end: 2 },
            pixel: 17,
            proof: tree::prove(&pixels(), 17).unwrap(),
            signed: pixels()[17],
            found: PixelSum { r: 99, ..pixels()[17] },
        }
    }

    fn unlike() -> Unlike {
        let (signed_rays, found_rays) = (160, 158);
        Unlike { looked: 40, within: 12, signed_rays, found_rays, pixel: wrong_pixel() }
    }

    fn rejected(wrong: Wrong) -> Receipt {
        receipt(Verdict::Rejected(Box::new(wrong)))
    }

    #[test]
    fn receipts_check_and_survive_their_journey() {
        let scene = Wrong::Scene { signed: SceneHash([3; 32]), found: SceneHash([9; 32]) };
        let second = Second { lease: LeaseId([6; 16]), within_ppm: 999_000, distance: 1 };
        let alike = Alike { enters: true, second: Some(second), looked: 0 };
        for receipt in [
            receipt(Verdict::Verified { pixels: 40 }),
            receipt(Verdict::Alike(alike)),
            receipt(Verdict::Alike(Alike { second: None, looked: 40, ..alike })),
            rejected(Wrong::Unlike(unlike())),
            rejected(Wrong::Pixel(wrong_pixel())),
            rejected(scene),
        ] {
            assert_eq!(receipt.check(), Ok(()));
            let pay = if receipt.verdict.counts() { 240 } else { 0 };
            assert_eq!(receipt.pay, Amount(pay));
            let text = serde_json::to_string(&receipt).unwrap();
            assert_eq!(serde_json::from_str::<Receipt>(&text).unwrap(), receipt);
        }
    }

    #[test]
    fn whatever_is_changed_is_named() {
        let good = receipt(Verdict::Verified { pixels: 40 });
        let faults = |change: &dyn Fn(&mut Receipt)| {
            let mut changed = good.clone();
            change(&mut changed);
            changed.check().unwrap_err()
        };
        let node = ReceiptFault::NodeSignature;
        assert_eq!(faults(&|receipt| receipt.commit.results[0].rays += 1), node);
        assert_eq!(faults(&|receipt| receipt.commit.generation.0 += 1), node);
        assert_eq!(faults(&|receipt| receipt.signature.0[5] ^= 1), node);
        assert_eq!(faults(&|receipt| receipt.secret.0[5] ^= 1), ReceiptFault::Secret);
        let master = ReceiptFault::MasterSignature;
        assert_eq!(faults(&|receipt| receipt.verdict = Verdict::Verified { pixels: 41 }), master);
        assert_eq!(faults(&|receipt| receipt.pay.0 += 1), master);
        assert_eq!(faults(&|receipt| receipt.terms.price.0 += 1), ReceiptFault::Terms);
        assert_eq!(faults(&|receipt| receipt.terms.factor.0 += 1), ReceiptFault::Terms);
        assert_eq!(faults(&|receipt| receipt.terms.master.0[5] ^= 1), ReceiptFault::Terms);
        assert_eq!(
            faults(&|receipt| receipt.terms.class = DeviceClass::Tolerant),
            ReceiptFault::Terms
        );
        assert_eq!(faults(&|receipt| receipt.commit.master.0[5] ^= 1), node);
        assert_eq!(faults(&|receipt| receipt.master_signature.0[5] ^= 1), master);
    }

    #[test]
    fn another_sum_than_was_promised_is_named_even_of_its_master() {
        let mut receipt = receipt(Verdict::Verified { pixels: 40 });
        receipt.pay = Amount(239);
        receipt.master_signature = keys().1.sign(&receipt.message());
        let fault = ReceiptFault::Pay { stated: Amount(239), right: Amount(240) };
        assert_eq!(receipt.check(), Err(fault));
    }

    #[test]
    fn a_rejection_needs_a_proof_even_of_its_master() {
        let changed = |change: fn(&mut WrongPixel)| {
            let mut wrong = wrong_pixel();
            change(&mut wrong);
            let pixel = wrong.clone();
            let unlike = rejected(Wrong::Unlike(Unlike { pixel, ..unlike() })).check();
            assert_eq!(unlike, rejected(Wrong::Pixel(wrong)).check());
            unlike
        };
        assert_eq!(changed(|wrong| wrong.signed.r += 1), Err(ReceiptFault::Proof));
        assert_eq!(changed(|wrong| wrong.pixel = 18), Err(ReceiptFault::Proof));
        assert_eq!(changed(|wrong| wrong.unit.0 += 1), Err(ReceiptFault::Proof));
        assert_eq!(changed(|wrong| wrong.proof.leaf[1].g += 1), Err(ReceiptFault::Proof));
        assert_eq!(changed(|wrong| wrong.found = wrong.signed), Err(ReceiptFault::NotWrong));
        let more = Unlike { within: 41, ..unlike() };
        assert_eq!(rejected(Wrong::Unlike(more)).check(), Err(ReceiptFault::NotWrong));
        let scene = SceneHash([8; 32]);
        let other = rejected(Wrong::Scene { signed: scene, found: SceneHash([9; 32]) });
        assert_eq!(other.check(), Err(ReceiptFault::Proof));
    }
}
