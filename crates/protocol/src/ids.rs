//! Ids. Mixing two kinds does not compile.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A string that is not an id of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {kind}: expected {digits} lower-case hexadecimal digits")]
pub struct ParseIdError {
    kind: &'static str,
    text: String,
    digits: usize,
}

fn parse_hex<const N: usize>(kind: &'static str, text: &str) -> Result<[u8; N], ParseIdError> {
    let refused = || ParseIdError { kind, text: text.chars().take(80).collect(), digits: 2 * N };
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| refused())?;
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(refused());
    }
    Ok(bytes)
}

/// A fixed number of bytes, written as lower-case hexadecimal.
macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub [u8; $bytes]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                parse_hex($kind, text).map(Self)
            }
        }
        impl TryFrom<String> for $name {
            type Error = ParseIdError;
            fn try_from(text: String) -> Result<Self, ParseIdError> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .pattern(Some(format!("^[0-9a-f]{{{}}}$", 2 * $bytes)))
                    .into()
            }
        }
        impl utoipa::ToSchema for $name {}
    };
}

hex_id! {
    /// What an uploaded file is stored under: the blake3 hash of its bytes.
    BlobHash, 32, "a blob's hash"
}
hex_id! {
    /// An upload on its way, named by 16 random bytes.
    UploadId, 16, "an upload's id"
}
hex_id! {
    /// A job, named by 16 random bytes so that ids say nothing about other people's jobs.
    JobId, 16, "a job's id"
}
hex_id! {
    /// A lease, named by 16 random bytes.
    LeaseId, 16, "a lease's id"
}
hex_id! {
    /// Audits that an auditor was given, named by 16 random bytes.
    AuditId, 16, "the id of audits"
}
hex_id! {
    /// Whoever owns jobs, streams and nodes: 8 random bytes, or the id of a token that no account made.
    AccountId, 8, "an account's id"
}
hex_id! {
    /// A key of an account: the first 8 bytes of its hash, by which it is found.
    KeyId, 8, "a key's id"
}
hex_id! {
    /// A node: its Ed25519 public key, which is also its Solana address.
    NodeId, 32, "a node's key"
}
hex_id! {
    /// blake3 of an integer result: the pixel sums in row-major order, see [`crate::sums::hash`].
    ResultHash, 32, "a result's hash"
}
hex_id! {
    /// A master: the Ed25519 public key that its receipts are signed with.
    MasterId, 32, "a master's key"
}
hex_id! {
    /// Whose releases a node runs: the Ed25519 public key that its operator signs them with.
    ReleaseKey, 32, "a release key"
}
hex_id! {
    /// The root of the tree over a unit's pixels, see [`crate::tree::root`].
    ResultRoot, 32, "a result's root"
}
hex_id! {
    /// blake3 of the settings of a render, see [`crate::settings::RenderSettings::hash`].
    SettingsHash, 32, "the hash of settings"
}
hex_id! {
    /// blake3 of what a master keeps secret of a lease until its result is signed.
    SecretHash, 32, "the hash of a secret"
}
hex_id! {
    /// A commit in short: the hash of what was signed.
    CommitId, 32, "a commit's id"
}
hex_id! {
    /// blake3 of the canonical scene of one frame.
    SceneHash, 32, "a scene's hash"
}
hex_id! {
    /// What computes a pixel: both texts of the kernel, the host preparation and the constants.
    KernelId, 32, "a kernel's id"
}

hex_id! {
    /// A stream, named by 16 random bytes.
    StreamId, 16, "a stream's id"
}
hex_id! {
    /// Names a stream in the URLs that viewers have: known to everybody, and no help in sending.
    PlaybackId, 16, "a playback id"
}
hex_id! {
    /// One broadcast of a stream, named by 16 random bytes.
    SessionId, 16, "a session's id"
}
hex_id! {
    /// A gateway: its Ed25519 public key.
    GatewayId, 32, "a gateway's key"
}
hex_id! {
    /// blake3 of the units of one rendition of one segment.
    MediaHash, 32, "the hash of a rendition's units"
}
hex_id! {
    /// blake3 over the claims of segments that are paid together.
    ClaimsHash, 32, "the hash of claims"
}
hex_id! {
    /// A deposit on the chain: an escrow's account is found by it.
    EscrowId, 16, "an escrow's id"
}
hex_id! {
    /// A webhook, named by 16 random bytes.
    WebhookId, 16, "a webhook's id"
}
hex_id! {
    /// One message to a webhook, the same at each attempt.
    DeliveryId, 16, "a delivery's id"
}
hex_id! {
    /// blake3 of all that an artist asked for with a job, see [`SpecHash::of`].
    SpecHash, 32, "a job specification's hash"
}
hex_id! {
    /// What a master drew for one quote, after scene and settings were fixed; told with the quote.
    QuoteSecret, 32, "a quote's secret"
}
hex_id! {
    /// Decides all that a quote looks at, see [`QuoteSeed::of`].
    QuoteSeed, 32, "a quote's seed"
}
hex_id! {
    /// A quote in short: the hash of what its master signed.
    QuoteId, 32, "a quote's id"
}

/// A job's escrow has the job's own id.
impl From<JobId> for EscrowId {
    fn from(job: JobId) -> Self {
        Self(job.0)
    }
}

impl BlobHash {
    /// The hash of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

/// The generation of a lease. A result that names another generation than the lease's is refused.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(transparent)]
pub struct Generation(pub u64);

/// A frame's number in its animation; frame `f` shows the time `f / fps`.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(transparent)]
pub struct FrameNumber(pub u32);

/// A unit's place in its job's plan, counted from 0.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(transparent)]
pub struct UnitIndex(pub u64);

impl fmt::Display for FrameNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for UnitIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_own_text() {
        let id = JobId([0xab; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(
            serde_json::from_str::<JobId>(&serde_json::to_string(&id).unwrap()).unwrap(),
            id
        );
    }

    #[test]
    fn a_short_long_or_upper_case_id_is_refused() {
        for text in ["", "ab", &"a".repeat(33), &"A".repeat(32), &"g".repeat(32)] {
            assert!(text.parse::<JobId>().is_err(), "{text}");
        }
    }
}
