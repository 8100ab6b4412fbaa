//! Whether a claim is about what was asked, and of whoever makes it.

use super::finished::MadeBy;
use crate::gateway::desk::Desk;
use tessera_protocol::commit::SignatureBytes;
use tessera_protocol::stream::gateway::SessionGrant;
use tessera_protocol::stream::{SegmentClaim, SegmentNumber};
use tessera_protocol::{GatewayId, Generation, LeaseId, NodeId, SessionId};

/// What a claim must name.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    pub(super) node: NodeId,
    pub(super) gateway: GatewayId,
    pub(super) lease: LeaseId,
    pub(super) session: SessionId,
    pub(super) generation: Generation,
    pub(super) segment: SegmentNumber,
}

impl Expected {
    /// What whoever made a segment of a session must name.
    pub(super) fn of(
        by: MadeBy,
        segment: SegmentNumber,
        grant: &SessionGrant,
        desk: &Desk,
    ) -> Self {
        Self {
            node: by.node,
            gateway: desk.id(),
            lease: by.lease,
            session: grant.session,
            generation: grant.generation,
            segment,
        }
    }
}

/// Why a claim is none; all of it but the renditions.
pub(super) fn check(
    claim: &SegmentClaim,
    signature: &SignatureBytes,
    expected: &Expected,
) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("the claim names another {what}"));
    if claim.node != expected.node {
        return wrong("node");
    }
    if claim.gateway != expected.gateway {
        return wrong("gateway");
    }
    if claim.lease != expected.lease {
        return wrong("lease");
    }
    if claim.session != expected.session {
        return wrong("session");
    }
    if claim.generation != expected.generation {
        return wrong("generation");
    }
    if claim.segment != expected.segment {
        return wrong("segment");
    }
    if !claim.is_signed_by_its_node(signature) {
        return Err("the claim's signature is not its node's".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_protocol::commit::NodeKey;

    #[test]
    fn every_name_must_be_right_and_the_signature_too() {
        let key = NodeKey::from_secret(&[1; 32]);
        let expected = Expected {
            node: key.node(),
            gateway: GatewayId([2; 32]),
            lease: LeaseId([3; 16]),
            session: SessionId([4; 16]),
            generation: Generation(5),
            segment: SegmentNumber(6),
        };
        let claim = SegmentClaim {
            node: expected.node,
            gateway: expected.gateway,
            lease: expected.lease,
            session: expected.session,
            generation: expected.generation,
            segment: expected.segment,
            renditions: vec![],
        };
        let signed = |claim: &SegmentClaim| check(claim, &key.sign(&claim.message()), &expected);
        assert_eq!(signed(&claim), Ok(()));
        for wrong in [
            SegmentClaim { node: NodeId([9; 32]), ..claim.clone() },
            SegmentClaim { gateway: GatewayId([9; 32]), ..claim.clone() },
            SegmentClaim { lease: LeaseId([9; 16]), ..claim.clone() },
            SegmentClaim { session: SessionId([9; 16]), ..claim.clone() },
            SegmentClaim { generation: Generation(4), ..claim.clone() },
            SegmentClaim { generation: Generation(6), ..claim.clone() },
            SegmentClaim { segment: SegmentNumber(7), ..claim.clone() },
        ] {
            assert!(signed(&wrong).is_err(), "{wrong:?}");
        }
        let of_other = key.sign(b"something else");
        assert!(check(&claim, &of_other, &expected).is_err());
    }
}
