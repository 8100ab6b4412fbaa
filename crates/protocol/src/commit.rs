//! What a node signs: which work it did, under which lease, and what came out.

use crate::{Generation, JobId, KernelId, LeaseId, NodeId, ResultHash, UnitIndex};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

/// Opens every message that a node signs as a commit: a signature made for anything else never
/// passes for one.
const DOMAIN: &[u8] = b"tessera commit v1\0";
/// The same, for joining.
const JOIN_DOMAIN: &[u8] = b"tessera join v1\0";

/// The result of one unit, in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitResult {
    /// Which unit.
    pub unit: UnitIndex,
    /// The hash of its sums.
    pub hash: ResultHash,
    /// Rays of all its pixels.
    pub rays: u64,
}

/// All that one lease brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Who did the work.
    pub node: NodeId,
    /// The job.
    pub job: JobId,
    /// The kernel that made the pixels.
    pub kernel: KernelId,
    /// The lease.
    pub lease: LeaseId,
    /// The lease's generation.
    pub generation: Generation,
    /// The units, in the order of the grant.
    pub results: Vec<UnitResult>,
}

impl Commit {
    /// The bytes that are signed. Every field has a fixed width and the list is preceded by its
    /// length, so two different commits never share them.
    pub fn message(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(160 + 48 * self.results.len());
        bytes.extend_from_slice(DOMAIN);
        bytes.extend_from_slice(&self.node.0);
        bytes.extend_from_slice(&self.job.0);
        bytes.extend_from_slice(&self.kernel.0);
        bytes.extend_from_slice(&self.lease.0);
        bytes.extend_from_slice(&self.generation.0.to_le_bytes());
        bytes.extend_from_slice(&(self.results.len() as u64).to_le_bytes());
        for result in &self.results {
            bytes.extend_from_slice(&result.unit.0.to_le_bytes());
            bytes.extend_from_slice(&result.hash.0);
            bytes.extend_from_slice(&result.rays.to_le_bytes());
        }
        bytes
    }

    /// Signs with the node's key.
    pub fn sign(&self, key: &NodeKey) -> SignatureBytes {
        key.sign(&self.message())
    }

    /// Whether `signature` is that of `self.node` over this commit.
    pub fn is_signed_by_its_node(&self, signature: &SignatureBytes) -> bool {
        verify(self.node, &self.message(), signature)
    }
}

/// What a node signs to join: the master's challenge, so that an overheard join is of no use.
pub fn join_message(node: NodeId, challenge: &[u8; 32]) -> Vec<u8> {
    [JOIN_DOMAIN, &node.0, challenge].concat()
}

/// An Ed25519 signature, 128 hexadecimal digits in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String)]
pub struct SignatureBytes(pub [u8; 64]);

impl TryFrom<String> for SignatureBytes {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut bytes = [0; 64];
        hex::decode_to_slice(text, &mut bytes)
            .map_err(|_| "a signature is 128 hexadecimal digits")?;
        Ok(Self(bytes))
    }
}

impl From<SignatureBytes> for String {
    fn from(signature: SignatureBytes) -> String {
        hex::encode(signature.0)
    }
}

/// Whether `signature` is that of `node` over `message`. Strict: a key or signature with several
/// encodings is refused.
pub fn verify(node: NodeId, message: &[u8], signature: &SignatureBytes) -> bool {
    VerifyingKey::from_bytes(&node.0)
        .is_ok_and(|key| key.verify_strict(message, &Signature::from_bytes(&signature.0)).is_ok())
}

/// A node's secret key. It is never printed.
pub struct NodeKey(SigningKey);

impl NodeKey {
    /// The key with this 32-byte secret.
    pub fn from_secret(secret: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(secret))
    }

    /// A new key from the system's randomness.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        Ok(Self::from_secret(&secret))
    }

    /// The secret, for the node's own key file.
    pub fn secret(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The node that this key speaks for.
    pub fn node(&self) -> NodeId {
        NodeId(self.0.verifying_key().to_bytes())
    }

    /// Signs `message`.
    pub fn sign(&self, message: &[u8]) -> SignatureBytes {
        SignatureBytes(self.0.sign(message).to_bytes())
    }
}

impl std::fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NodeKey of {}", self.node())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(key: &NodeKey) -> Commit {
        Commit {
            node: key.node(),
            job: JobId([1; 16]),
            kernel: KernelId([2; 32]),
            lease: LeaseId([3; 16]),
            generation: Generation(4),
            results: vec![UnitResult { unit: UnitIndex(5), hash: ResultHash([6; 32]), rays: 7 }],
        }
    }

    #[test]
    fn a_commit_verifies_and_any_changed_field_does_not() {
        let key = NodeKey::from_secret(&[9; 32]);
        let commit = commit(&key);
        let signature = commit.sign(&key);
        assert!(commit.is_signed_by_its_node(&signature));
        let other = NodeKey::from_secret(&[8; 32]);
        let changed = [
            Commit { node: other.node(), ..commit.clone() },
            Commit { job: JobId([0; 16]), ..commit.clone() },
            Commit { kernel: KernelId([0; 32]), ..commit.clone() },
            Commit { lease: LeaseId([0; 16]), ..commit.clone() },
            Commit { generation: Generation(5), ..commit.clone() },
            Commit { results: vec![], ..commit.clone() },
            Commit { results: vec![UnitResult { rays: 8, ..commit.results[0] }], ..commit.clone() },
        ];
        for changed in changed {
            assert!(!changed.is_signed_by_its_node(&signature), "{changed:?}");
        }
        assert!(!commit.is_signed_by_its_node(&commit.sign(&other)));
    }
}
