//! Values that show that work was done: the books pay for nothing else.
//!
//! Neither can be written by hand or read from a text: [`Verified`] comes of a receipt whose verdict
//! counts, [`Delivered`] of a segment's receipt that both sides signed. What is read back with the
//! books themselves is as trustworthy as the books, and [`crate::check()`] asks for the receipts again.

use serde::{Deserialize, Serialize};
use tessera_protocol::money::pay;
use tessera_protocol::receipt::Receipt;
use tessera_protocol::stream::{ClaimReceipt, RenditionName, SegmentNumber};
use tessera_protocol::{
    Amount, Generation, JobId, LeaseId, NodeId, RayPrice, SceneFactor, SessionId,
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

/// A rendition of a segment that a gateway took, and how much it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivered {
    node: NodeId,
    session: SessionId,
    segment: SegmentNumber,
    rendition: RenditionName,
    pixels: u64,
}

impl Delivered {
    /// The renditions of a segment's receipt; `None` where it is not signed by both sides.
    pub fn from_receipt(receipt: &ClaimReceipt) -> Option<Vec<Self>> {
        if !receipt.is_signed_by_both() {
            return None;
        }
        let claim = &receipt.claim;
        let delivered = claim.renditions.iter().map(|result| Self {
            node: claim.node,
            session: claim.session,
            segment: claim.segment,
            rendition: result.rendition.clone(),
            pixels: result.pixels,
        });
        Some(delivered.collect())
    }

    /// Who encoded it.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Of which session.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// Which segment.
    pub fn segment(&self) -> SegmentNumber {
        self.segment
    }

    /// Which rendition.
    pub fn rendition(&self) -> &RenditionName {
        &self.rendition
    }

    /// How many pixels were encoded.
    pub fn pixels(&self) -> u64 {
        self.pixels
    }
}

/// How proofs are read back as a part of the books, and in no other way.
pub(crate) mod stored {
    use super::{
        Amount, Delivered, Deserialize, Generation, JobId, LeaseId, NodeId, RayPrice,
        RenditionName, SceneFactor, SegmentNumber, SessionId, Verified,
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
        segment: SegmentNumber,
        rendition: RenditionName,
        pixels: u64,
    }

    pub(crate) fn verified<'de, D: Deserializer<'de>>(reader: D) -> Result<Verified, D::Error> {
        StoredVerified::deserialize(reader)
    }

    pub(crate) fn delivered<'de, D: Deserializer<'de>>(reader: D) -> Result<Delivered, D::Error> {
        StoredDelivered::deserialize(reader)
    }
}
