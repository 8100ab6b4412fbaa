//! What a worker signs for each segment, and what the gateway signs in answer.

use super::{RenditionName, SegmentNumber};
use crate::commit::{NodeKey, SignatureBytes, verify};
use crate::{GatewayId, Generation, LeaseId, MediaHash, NodeId, SessionId};
use serde::{Deserialize, Serialize};

/// Opens every message that a worker signs as a claim.
const CLAIM_DOMAIN: &[u8] = b"tessera segment claim v1\0";
/// The same, for a gateway's receipt.
const RECEIPT_DOMAIN: &[u8] = b"tessera segment receipt v1\0";
/// The same, for a worker that dials a gateway.
const DIAL_DOMAIN: &[u8] = b"tessera dial v1\0";

/// One rendition of a segment, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RenditionResult {
    /// Which rendition.
    pub rendition: RenditionName,
    /// Frames encoded.
    pub frames: u32,
    /// Pixels encoded: frames × width × height, as coded units show it. What is paid.
    pub pixels: u64,
    /// Bytes of its units.
    pub bytes: u64,
    /// The hash of its units.
    pub hash: MediaHash,
}

/// What a worker made of one segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SegmentClaim {
    /// Who did it.
    pub node: NodeId,
    /// For which gateway.
    pub gateway: GatewayId,
    /// Under which session lease.
    pub lease: LeaseId,
    /// Of which session.
    pub session: SessionId,
    /// The session's generation then.
    pub generation: Generation,
    /// Which segment.
    pub segment: SegmentNumber,
    /// Its renditions, in the ladder's order.
    pub renditions: Vec<RenditionResult>,
}

impl SegmentClaim {
    /// The bytes that are signed: widths are fixed, or a length precedes.
    pub fn message(&self) -> Vec<u8> {
        self.message_in(CLAIM_DOMAIN)
    }

    fn message_in(&self, domain: &[u8]) -> Vec<u8> {
        let mut bytes = domain.to_vec();
        bytes.extend_from_slice(&self.node.0);
        bytes.extend_from_slice(&self.gateway.0);
        bytes.extend_from_slice(&self.lease.0);
        bytes.extend_from_slice(&self.session.0);
        bytes.extend_from_slice(&self.generation.0.to_le_bytes());
        bytes.extend_from_slice(&self.segment.0.to_le_bytes());
        bytes.extend_from_slice(&(self.renditions.len() as u64).to_le_bytes());
        for result in &self.renditions {
            let name = result.rendition.as_str().as_bytes();
            bytes.extend_from_slice(&(name.len() as u64).to_le_bytes());
            bytes.extend_from_slice(name);
            bytes.extend_from_slice(&result.frames.to_le_bytes());
            bytes.extend_from_slice(&result.pixels.to_le_bytes());
            bytes.extend_from_slice(&result.bytes.to_le_bytes());
            bytes.extend_from_slice(&result.hash.0);
        }
        bytes
    }

    /// Whether `signature` is its node's.
    pub fn is_signed_by_its_node(&self, signature: &SignatureBytes) -> bool {
        verify(self.node, &self.message(), signature)
    }
}

/// A claim that a gateway took: proof for the worker that its segment was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimReceipt {
    /// The claim.
    pub claim: SegmentClaim,
    /// The worker's signature over it.
    pub worker_signature: SignatureBytes,
    /// The gateway's over both.
    pub gateway_signature: SignatureBytes,
}

impl ClaimReceipt {
    /// Countersigns a claim as the gateway that it names.
    pub fn countersign(
        claim: SegmentClaim,
        worker_signature: SignatureBytes,
        gateway: &NodeKey,
    ) -> Self {
        let message = Self::message(&claim, &worker_signature);
        Self { claim, worker_signature, gateway_signature: gateway.sign(&message) }
    }

    fn message(claim: &SegmentClaim, worker_signature: &SignatureBytes) -> Vec<u8> {
        [claim.message_in(RECEIPT_DOMAIN), worker_signature.0.to_vec()].concat()
    }

    /// Whether both signatures are right.
    pub fn is_signed_by_both(&self) -> bool {
        let message = Self::message(&self.claim, &self.worker_signature);
        self.claim.is_signed_by_its_node(&self.worker_signature)
            && verify(NodeId(self.claim.gateway.0), &message, &self.gateway_signature)
    }
}

/// What a worker signs to show a gateway who it is: the gateway's own nonce and name, so that what
/// one gateway hears is of no use at another.
pub fn dial_message(node: NodeId, gateway: GatewayId, lease: LeaseId, nonce: &[u8; 32]) -> Vec<u8> {
    [DIAL_DOMAIN, &node.0, &gateway.0, &lease.0, nonce].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(worker: &NodeKey, gateway: &NodeKey) -> SegmentClaim {
        SegmentClaim {
            node: worker.node(),
            gateway: GatewayId(gateway.node().0),
            lease: LeaseId([1; 16]),
            session: SessionId([2; 16]),
            generation: Generation(3),
            segment: SegmentNumber(4),
            renditions: vec![RenditionResult {
                rendition: "720p".to_owned().try_into().unwrap(),
                frames: 60,
                pixels: 60 * 1280 * 720,
                bytes: 700_000,
                hash: MediaHash([5; 32]),
            }],
        }
    }

    #[test]
    fn a_receipt_holds_and_any_changed_field_breaks_it() {
        let (worker, gateway) = (NodeKey::from_secret(&[1; 32]), NodeKey::from_secret(&[2; 32]));
        let claim = claim(&worker, &gateway);
        let signature = worker.sign(&claim.message());
        let receipt = ClaimReceipt::countersign(claim.clone(), signature.clone(), &gateway);
        assert!(receipt.is_signed_by_both());

        let mut renamed = claim.clone();
        renamed.renditions[0].rendition = "480p".to_owned().try_into().unwrap();
        let mut grown = claim.clone();
        grown.renditions[0].pixels += 1;
        let mut other_bytes = claim.clone();
        other_bytes.renditions[0].hash = MediaHash([6; 32]);
        for changed in [
            renamed,
            grown,
            other_bytes,
            SegmentClaim { segment: SegmentNumber(5), ..claim.clone() },
            SegmentClaim { generation: Generation(4), ..claim.clone() },
            SegmentClaim { session: SessionId([9; 16]), ..claim.clone() },
            SegmentClaim { lease: LeaseId([9; 16]), ..claim.clone() },
            SegmentClaim { gateway: GatewayId([9; 32]), ..claim.clone() },
            SegmentClaim { node: gateway.node(), ..claim.clone() },
            SegmentClaim { renditions: vec![], ..claim },
        ] {
            assert!(!changed.is_signed_by_its_node(&signature), "{changed:?}");
            assert!(!ClaimReceipt { claim: changed, ..receipt.clone() }.is_signed_by_both());
        }
        // The worker's own signature does not stand in for the gateway's.
        let forged = ClaimReceipt { gateway_signature: signature, ..receipt };
        assert!(!forged.is_signed_by_both());
    }
}
