//! A release of `render-node`: what its operator signs, so that nodes take no other program for an update.

use crate::commit::{NodeKey, SignatureBytes, verify};
use crate::{BlobHash, ReleaseKey};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Opens what is signed, so that no other signature of the key is one of a release.
const DOMAIN: &[u8] = b"tessera node release v1\0";

/// Which of two releases is the higher one. Three numbers and nothing after them: what comes before a
/// release or beside it must not be a matter of opinion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReleaseVersion {
    /// Counts breaks.
    pub major: u32,
    /// Counts what is new.
    pub minor: u32,
    /// Counts repairs.
    pub patch: u32,
}

/// A text that is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no version: three numbers are, such as 1.2.0")]
pub struct ParseVersionError(String);

impl FromStr for ReleaseVersion {
    type Err = ParseVersionError;

    fn from_str(text: &str) -> Result<Self, ParseVersionError> {
        let number = |part: &str| {
            let version: u32 = part.parse().ok()?;
            // "+1" and "01" are numbers as well; a version is written in one way.
            (version.to_string() == part).then_some(version)
        };
        let numbers: Option<Vec<u32>> = text.split('.').map(number).collect();
        match numbers.as_deref() {
            Some(&[major, minor, patch]) => Ok(Self { major, minor, patch }),
            _ => Err(ParseVersionError(text.chars().take(80).collect())),
        }
    }
}

impl fmt::Display for ReleaseVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl TryFrom<String> for ReleaseVersion {
    type Error = ParseVersionError;
    fn try_from(text: String) -> Result<Self, ParseVersionError> {
        text.parse()
    }
}

impl From<ReleaseVersion> for String {
    fn from(version: ReleaseVersion) -> String {
        version.to_string()
    }
}

/// A program, and whose word it is that it is this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Release {
    /// Which of two is the higher one.
    #[schema(value_type = String)]
    pub version: ReleaseVersion,
    /// What it runs on: `x86_64-unknown-linux-gnu`.
    pub target: String,
    /// How long it is.
    pub bytes: u64,
    /// What it is.
    pub blake3: BlobHash,
    /// Who signed.
    pub key: ReleaseKey,
    /// The key's signature over all of the above.
    pub signature: SignatureBytes,
}

impl Release {
    /// Longest program that is taken: a node holds it in memory while it runs.
    pub const BYTES_MAX: u64 = 512 << 20;

    /// Signs a program.
    pub fn sign(
        version: ReleaseVersion,
        target: &str,
        (bytes, blake3): (u64, BlobHash),
        key: &NodeKey,
    ) -> Self {
        let mut release = Self {
            version,
            target: target.to_owned(),
            bytes,
            blake3,
            key: ReleaseKey(key.node().0),
            signature: SignatureBytes([0; 64]),
        };
        release.signature = key.sign(&release.message());
        release
    }

    /// Whether the signature is that of the key it names. Whether that key counts is another question.
    pub fn is_signed(&self) -> bool {
        verify(crate::NodeId(self.key.0), &self.message(), &self.signature)
    }

    /// All but the target has a fixed width, so two releases never share their bytes.
    fn message(&self) -> Vec<u8> {
        let ReleaseVersion { major, minor, patch } = self.version;
        [
            DOMAIN,
            &major.to_le_bytes(),
            &minor.to_le_bytes(),
            &patch.to_le_bytes(),
            &self.bytes.to_le_bytes(),
            &self.blake3.0,
            self.target.as_bytes(),
        ]
        .concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> ReleaseVersion {
        text.parse().unwrap()
    }

    #[test]
    fn versions_are_ordered_by_their_numbers_and_written_in_one_way() {
        assert!(version("0.10.0") > version("0.9.9"));
        assert!(version("1.0.0") > version("0.99.99"));
        assert_eq!(version("1.2.3").to_string(), "1.2.3");
        for text in ["", "1", "1.2", "1.2.3.4", "1.2.x", "01.2.3", "+1.2.3", "1.2.-3", "1.2.3-rc1"]
        {
            assert!(text.parse::<ReleaseVersion>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_release_verifies_and_any_changed_field_does_not() {
        let key = NodeKey::from_secret(&[9; 32]);
        let other = NodeKey::from_secret(&[8; 32]);
        let program = (5, BlobHash([1; 32]));
        let release = Release::sign(version("1.2.3"), "x86_64-unknown-linux-gnu", program, &key);
        assert!(release.is_signed());
        let changed = [
            Release { version: version("1.2.4"), ..release.clone() },
            Release { target: "x86_64-unknown-linux-musl".into(), ..release.clone() },
            Release { bytes: 6, ..release.clone() },
            Release { blake3: BlobHash([2; 32]), ..release.clone() },
            Release { key: ReleaseKey(other.node().0), ..release.clone() },
            Release { signature: other.sign(&release.message()), ..release.clone() },
            // What the key signs for another purpose is no release.
            Release { signature: key.sign(&release.message()[DOMAIN.len()..]), ..release.clone() },
        ];
        for changed in changed {
            assert!(!changed.is_signed(), "{changed:?}");
        }
        let text = serde_json::to_string(&release).unwrap();
        assert_eq!(serde_json::from_str::<Release>(&text).unwrap(), release);
    }
}
