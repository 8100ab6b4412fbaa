//! What a node signs: which work it did, under which lease, and what came out.

use crate::lease::LeaseGrant;
use crate::node::DeviceClass;
use crate::{
    CommitId, Generation, JobId, KernelId, LeaseId, MasterId, NodeId, ResultRoot, SceneHash,
    SecretHash, SettingsHash, UnitIndex,
};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use tessera_settlement_abi::signed::CommitHeader;

/// Opens what a lease's secret is hashed with.
const SECRET_DOMAIN: &[u8] = b"tessera audit secret v1\0";
/// The same, for joining.
const JOIN_DOMAIN: &[u8] = b"tessera join v1\0";

/// The result of one unit, in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UnitResult {
    /// Which unit.
    pub unit: UnitIndex,
    /// The root over its pixels.
    pub root: ResultRoot,
    /// Rays of all its pixels.
    pub rays: u64,
}

/// All that one lease brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Commit {
    /// Whose lease it was done under.
    pub master: MasterId,
    /// Who did the work.
    pub node: NodeId,
    /// The job.
    pub job: JobId,
    /// What the job asks of its devices: of an exact one two commits of a lease prove a lie.
    pub class: DeviceClass,
    /// The kernel that made the pixels.
    pub kernel: KernelId,
    /// The canonical scene of the lease's frame, as the node prepared it.
    pub scene: SceneHash,
    /// The settings it was rendered with.
    pub settings: SettingsHash,
    /// The lease.
    pub lease: LeaseId,
    /// The lease's generation.
    pub generation: Generation,
    /// The hash of the lease's secret, as the lease names it: the pixels that are looked at follow
    /// from the secret and this commit, so neither side can choose them.
    pub secret: SecretHash,
    /// The units, in the order of the grant.
    pub results: Vec<UnitResult>,
}

impl Commit {
    /// What a node says that it made under a lease.
    pub fn under(
        grant: &LeaseGrant,
        node: NodeId,
        scene: SceneHash,
        results: Vec<UnitResult>,
    ) -> Self {
        Self {
            master: grant.terms.master,
            node,
            job: grant.job,
            class: grant.terms.class,
            kernel: grant.kernel,
            scene,
            settings: grant.settings.hash(),
            lease: grant.lease,
            generation: grant.generation,
            secret: grant.secret,
            results,
        }
    }

    /// The bytes that are signed: short enough for a program on a chain to be shown two of them, with
    /// the hash of all that it need not know.
    pub fn message(&self) -> Vec<u8> {
        let header = CommitHeader {
            master: self.master.0,
            node: self.node.0,
            job: self.job.0,
            lease: self.lease.0,
            generation: self.generation.0,
            class: self.class.signed(),
            body: *blake3::hash(&self.body()).as_bytes(),
        };
        header.encode().to_vec()
    }

    /// Every field has a fixed width and the list is preceded by its length, so two different ones
    /// never share their bytes.
    fn body(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(144 + 48 * self.results.len());
        bytes.extend_from_slice(&self.kernel.0);
        bytes.extend_from_slice(&self.scene.0);
        bytes.extend_from_slice(&self.settings.0);
        bytes.extend_from_slice(&self.secret.0);
        bytes.extend_from_slice(&(self.results.len() as u64).to_le_bytes());
        for result in &self.results {
            bytes.extend_from_slice(&result.unit.0.to_le_bytes());
            bytes.extend_from_slice(&result.root.0);
            bytes.extend_from_slice(&result.rays.to_le_bytes());
        }
        bytes
    }

    /// The commit in short.
    pub fn id(&self) -> CommitId {
        CommitId(*blake3::hash(&self.message()).as_bytes())
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

/// What a master knows of a lease and its node does not, until the node has signed what it made.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String)]
pub struct AuditSecret(pub [u8; 32]);

impl TryFrom<String> for AuditSecret {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| "a secret is 64 hexadecimal digits")?;
        Ok(Self(bytes))
    }
}

impl From<AuditSecret> for String {
    fn from(secret: AuditSecret) -> String {
        hex::encode(secret.0)
    }
}

impl AuditSecret {
    /// A new one from the system's randomness.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        Ok(Self(secret))
    }

    /// What the lease names: it binds the master and tells nothing.
    pub fn hash(&self) -> SecretHash {
        let mut hasher = blake3::Hasher::new();
        SecretHash(*hasher.update(SECRET_DOMAIN).update(&self.0).finalize().as_bytes())
    }
}

impl std::fmt::Debug for AuditSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AuditSecret of {}", self.hash())
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
            master: MasterId([7; 32]),
            node: key.node(),
            job: JobId([1; 16]),
            class: DeviceClass::Exact,
            kernel: KernelId([2; 32]),
            scene: SceneHash([10; 32]),
            settings: SettingsHash([11; 32]),
            lease: LeaseId([3; 16]),
            generation: Generation(4),
            secret: SecretHash([12; 32]),
            results: vec![UnitResult { unit: UnitIndex(5), root: ResultRoot([6; 32]), rays: 7 }],
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
            Commit { master: MasterId([0; 32]), ..commit.clone() },
            Commit { class: DeviceClass::Tolerant, ..commit.clone() },
            Commit { job: JobId([0; 16]), ..commit.clone() },
            Commit { kernel: KernelId([0; 32]), ..commit.clone() },
            Commit { scene: SceneHash([0; 32]), ..commit.clone() },
            Commit { settings: SettingsHash([0; 32]), ..commit.clone() },
            Commit { secret: SecretHash([0; 32]), ..commit.clone() },
            Commit { lease: LeaseId([0; 16]), ..commit.clone() },
            Commit { generation: Generation(5), ..commit.clone() },
            Commit { results: vec![], ..commit.clone() },
            Commit { results: vec![UnitResult { rays: 8, ..commit.results[0] }], ..commit.clone() },
            Commit {
                results: vec![UnitResult { root: ResultRoot([0; 32]), ..commit.results[0] }],
                ..commit.clone()
            },
        ];
        for changed in changed {
            assert!(!changed.is_signed_by_its_node(&signature), "{changed:?}");
            assert_ne!(changed.id(), commit.id(), "{changed:?}");
        }
        assert!(!commit.is_signed_by_its_node(&commit.sign(&other)));
    }
}
