//! Values that show that work was done: the books pay for nothing else.
//!
//! Neither can be written by hand or read from a text: [`Verified`] comes of a receipt whose verdict
//! counts, [`Delivered`] of segments' receipts that both sides signed. What is read back with the
//! books themselves is as trustworthy as the books, and [`crate::check()`] asks for the receipts again.

use serde::{Deserialize, Serialize};
use tessera_protocol::money::{pay, stream_pay};
use tessera_protocol::receipt::Receipt;
use tessera_protocol::stream::ClaimReceipt;
use tessera_protocol::{
    Amount, ClaimsHash, Generation, JobId, LeaseId, NodeId, PixelPrice, RayPrice, SceneFactor,
    SessionId,
};

/// A lease's result that counts, and what it is paid with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Verified {
    node: NodeId,
    job: JobId,
    lease: LeaseId,
    generation: Generation,
    rays: u64,
    factor: SceneFactor,
    price: RayPrice,
    pay: Amount,
}

impl Verified {
    /// The work of a receipt; `None` where its verdict does not count, or where it states another sum
    /// than follows from its rays, factor and price. Signatures are not looked at: a receipt from
    /// elsewhere is checked first ([`Receipt::check`]).
    pub fn from_receipt(receipt: &Receipt) -> Option<Self> {
        if !receipt.verdict.counts() {
            return None;
        }
        let results = &receipt.commit.results;
        let verified = Self {
            node: receipt.commit.node,
            job: receipt.commit.job,
            lease: receipt.commit.lease,
            generation: receipt.commit.generation,
            rays: results.iter().try_fold(0u64, |sum, result| sum.checked_add(result.rays))?,
            factor: receipt.terms.factor,
            price: receipt.terms.price,
            pay: receipt.pay,
        };
        (verified.right_pay() == Some(verified.pay)).then_some(verified)
    }

    /// What follows from its rays, factor and price.
    pub(crate) fn right_pay(&self) -> Option<Amount> {
        pay(self.rays, self.factor, self.price)
    }

    /// Who did it.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// For which job.
    pub fn job(&self) -> JobId {
        self.job
    }

    /// Under which lease.
    pub fn lease(&self) -> LeaseId {
        self.lease
    }

    /// How many rays it took.
    pub fn rays(&self) -> u64 {
        self.rays
    }

    /// What it is paid with.
    pub fn pay(&self) -> Amount {
        self.pay
    }
}

/// Segments that a gateway took of a worker under one lease, and how much they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Delivered {
    node: NodeId,
    session: SessionId,
    lease: LeaseId,
    segments: u32,
    pixels: u64,
    /// Over the hashes of what was signed, in the order of segments.
    claims: ClaimsHash,
}

impl Delivered {
    /// What receipts of one lease add up to. `None` where there are none, where they are of more than one
    /// lease, not in the order of their segments or one is there twice, and where one of them is not
    /// signed by both sides.
    pub fn from_receipts(receipts: &[ClaimReceipt]) -> Option<Self> {
        let first = &receipts.first()?.claim;
        let of_one = |receipt: &ClaimReceipt| {
            let claim = &receipt.claim;
            let of = (claim.node, claim.session, claim.lease);
            of == (first.node, first.session, first.lease) && receipt.is_signed_by_both()
        };
        let in_order = receipts.is_sorted_by(|a, b| a.claim.segment < b.claim.segment);
        if !in_order || !receipts.iter().all(of_one) {
            return None;
        }
        let mut claims = blake3::Hasher::new();
        for receipt in receipts {
            claims.update(blake3::hash(&receipt.claim.message()).as_bytes());
        }
        let mut renditions = receipts.iter().flat_map(|receipt| &receipt.claim.renditions);
        Some(Self {
            node: first.node,
            session: first.session,
            lease: first.lease,
            segments: u32::try_from(receipts.len()).ok()?,
            pixels: renditions.try_fold(0u64, |sum, result| sum.checked_add(result.pixels))?,
            claims: ClaimsHash(*claims.finalize().as_bytes()),
        })
    }

    /// Who encoded them.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Of which session.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// Under which lease.
    pub fn lease(&self) -> LeaseId {
        self.lease
    }

    /// How many they are.
    pub fn segments(&self) -> u32 {
        self.segments
    }

    /// How many pixels were encoded, in all renditions together.
    pub fn pixels(&self) -> u64 {
        self.pixels
    }
}

/// What the next `pixels` of a lease are paid with, after `before` of them: so that all parts together are
/// paid with what their sum costs. `None` where that does not fit.
pub fn delivered_pay(before: u64, pixels: u64, price: PixelPrice) -> Option<Amount> {
    let all = stream_pay(before.checked_add(pixels)?, price)?;
    all.checked_sub(stream_pay(before, price)?)
}

/// How proofs are read back as a part of the books, and in no other way.
pub(crate) mod stored {
    use super::{
        Amount, ClaimsHash, Delivered, Deserialize, Generation, JobId, LeaseId, NodeId, RayPrice,
        SceneFactor, SessionId, Verified,
    };
    use serde::Deserializer;

    #[derive(Deserialize)]
    #[serde(remote = "Verified", deny_unknown_fields)]
    struct StoredVerified {
        node: NodeId,
        job: JobId,
        lease: LeaseId,
        generation: Generation,
        rays: u64,
        factor: SceneFactor,
        price: RayPrice,
        pay: Amount,
    }

    #[derive(Deserialize)]
    #[serde(remote = "Delivered", deny_unknown_fields)]
    struct StoredDelivered {
        node: NodeId,
        session: SessionId,
        lease: LeaseId,
        segments: u32,
        pixels: u64,
        claims: ClaimsHash,
    }

    pub(crate) fn verified<'de, D: Deserializer<'de>>(reader: D) -> Result<Verified, D::Error> {
        StoredVerified::deserialize(reader)
    }

    pub(crate) fn delivered<'de, D: Deserializer<'de>>(reader: D) -> Result<Delivered, D::Error> {
        StoredDelivered::deserialize(reader)
    }
}
