//! What the two ends say to each other beside media, each as the JSON of a `Control` message.

use serde::{Deserialize, Serialize};
use tessera_protocol::commit::SignatureBytes;
use tessera_protocol::stream::{ClaimReceipt, SegmentClaim, SegmentNumber};
use tessera_protocol::{GatewayId, LeaseId, NodeId};

/// Said once the worker is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Control {
    /// Worker to gateway, after all units and the `Done` of a segment, on the segment's lane: what
    /// was made.
    Claim {
        /// The lane whose segment it is.
        lane: u32,
        /// What was made.
        claim: SegmentClaim,
        /// The worker's signature over it.
        signature: SignatureBytes,
    },
    /// Gateway to worker: the segment was accepted, and this is the proof. It may come long after
    /// its lane ended.
    Receipt(ClaimReceipt),
    /// Gateway to worker: a claim that will have no receipt.
    Refused {
        /// The lane that it was made on.
        lane: u32,
        /// The segment.
        segment: SegmentNumber,
        /// Why, in a sentence.
        because: String,
    },
}

/// The first words of a connection, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Handshake {
    /// Worker: who it says it is.
    Hello { version: u32, node: NodeId, lease: LeaseId },
    /// Gateway: what is to be signed.
    Nonce {
        gateway: GatewayId,
        #[serde(with = "hexadecimal")]
        nonce: [u8; 32],
    },
    /// Worker: its signature over [`tessera_protocol::stream::claim::dial_message`].
    Proof { signature: SignatureBytes },
    /// Gateway: come in.
    Welcome,
    /// Gateway: no, and why.
    Refused { because: String },
}

/// The version of everything that is said on a connection.
pub(crate) const VERSION: u32 = 1;

mod hexadecimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8; 32], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(String::deserialize(from)?, &mut bytes).map_err(D::Error::custom)?;
        Ok(bytes)
    }
}
