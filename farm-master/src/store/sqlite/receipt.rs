//! A receipt as a row keeps it: half a kilobyte where JSON takes two. A session of twelve hours has
//! twenty thousand.

use super::rows::corrupt;
use crate::store::StoreError;
use tessera_protocol::commit::SignatureBytes;
use tessera_protocol::stream::claim::RenditionResult;
use tessera_protocol::stream::{ClaimReceipt, SegmentClaim, SegmentNumber};
use tessera_protocol::{GatewayId, Generation, LeaseId, MediaHash, NodeId, SessionId};

/// The first byte of what is written here.
const FORM: u8 = 1;

/// All of a receipt but what its row's key says: session and segment.
pub(super) fn pack(receipt: &ClaimReceipt) -> Vec<u8> {
    let claim = &receipt.claim;
    let mut bytes = vec![FORM];
    bytes.extend_from_slice(&claim.node.0);
    bytes.extend_from_slice(&claim.gateway.0);
    bytes.extend_from_slice(&claim.lease.0);
    bytes.extend_from_slice(&claim.generation.0.to_le_bytes());
    bytes.extend_from_slice(&receipt.worker_signature.0);
    bytes.extend_from_slice(&receipt.gateway_signature.0);
    for result in &claim.renditions {
        let name = result.rendition.as_str().as_bytes();
        bytes.push(u8::try_from(name.len()).expect("a rendition's name has at most 32 bytes"));
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(&result.frames.to_le_bytes());
        bytes.extend_from_slice(&result.pixels.to_le_bytes());
        bytes.extend_from_slice(&result.bytes.to_le_bytes());
        bytes.extend_from_slice(&result.hash.0);
    }
    bytes
}

/// What [`pack`] wrote.
pub(super) fn unpack(
    bytes: &[u8],
    session: SessionId,
    segment: SegmentNumber,
) -> Result<ClaimReceipt, StoreError> {
    let broken = || corrupt(format!("the receipt of segment {segment} of session {session}"));
    read(bytes, session, segment).ok_or_else(broken)
}

fn read(mut bytes: &[u8], session: SessionId, segment: SegmentNumber) -> Option<ClaimReceipt> {
    let bytes = &mut bytes;
    if take::<1>(bytes)? != [FORM] {
        return None;
    }
    let node = NodeId(take(bytes)?);
    let gateway = GatewayId(take(bytes)?);
    let lease = LeaseId(take(bytes)?);
    let generation = Generation(u64::from_le_bytes(take(bytes)?));
    let worker_signature = SignatureBytes(take(bytes)?);
    let gateway_signature = SignatureBytes(take(bytes)?);
    let mut renditions = Vec::new();
    while !bytes.is_empty() {
        let [length] = take(bytes)?;
        let (name, rest) = bytes.split_at_checked(usize::from(length))?;
        *bytes = rest;
        let name = std::str::from_utf8(name).ok()?.to_owned();
        renditions.push(RenditionResult {
            rendition: name.try_into().ok()?,
            frames: u32::from_le_bytes(take(bytes)?),
            pixels: u64::from_le_bytes(take(bytes)?),
            bytes: u64::from_le_bytes(take(bytes)?),
            hash: MediaHash(take(bytes)?),
        });
    }
    let claim = SegmentClaim { node, gateway, lease, session, generation, segment, renditions };
    Some(ClaimReceipt { claim, worker_signature, gateway_signature })
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_protocol::commit::NodeKey;

    fn receipt() -> ClaimReceipt {
        let (worker, gateway) = (NodeKey::from_secret(&[1; 32]), NodeKey::from_secret(&[2; 32]));
        let result = |name: &str| RenditionResult {
            rendition: name.to_owned().try_into().unwrap(),
            frames: 60,
            pixels: 60 * 1280 * 720,
            bytes: 700_000,
            hash: MediaHash([5; 32]),
        };
        let claim = SegmentClaim {
            node: worker.node(),
            gateway: GatewayId(gateway.node().0),
            lease: LeaseId([1; 16]),
            session: SessionId([2; 16]),
            generation: Generation(3),
            segment: SegmentNumber(4),
            renditions: ["720p", "480p", "360p", "240p"].map(result).into(),
        };
        let signature = worker.sign(&claim.message());
        ClaimReceipt::countersign(claim, signature, &gateway)
    }

    #[test]
    fn a_receipt_comes_back_whole_and_small() {
        let receipt = receipt();
        let packed = pack(&receipt);
        assert!(packed.len() < 512, "{} bytes", packed.len());
        let (session, segment) = (receipt.claim.session, receipt.claim.segment);
        let read = unpack(&packed, session, segment).unwrap();
        assert_eq!(read, receipt);
        assert!(read.is_signed_by_both());
    }

    #[test]
    fn a_cut_receipt_is_no_receipt() {
        let receipt = receipt();
        let packed = pack(&receipt);
        let (session, segment) = (receipt.claim.session, receipt.claim.segment);
        let whole =
            |cut: usize| unpack(&packed[..cut], session, segment).is_ok_and(|read| read == receipt);
        for cut in 0..packed.len() {
            assert!(!whole(cut), "{cut}");
        }
        assert!(unpack(&[&[9], &packed[1..]].concat(), session, segment).is_err());
    }
}
