//! How results travel: a header that says what they are, then the packed sums.
//!
//! Body of a submit: 4 bytes, little-endian, the header's length; the header as JSON; then each
//! unit's packed sums, one behind the other, in the order of the header.

use crate::commit::{Commit, SignatureBytes};
use crate::terms::Acknowledgement;
use serde::{Deserialize, Serialize};

/// Longest header: the most units of a lease, with room to spare.
pub const MAX_HEADER_BYTES: usize = 256 * 1024;

/// Opens the body of a submit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubmitHeader {
    /// What the node signed.
    pub commit: Commit,
    /// Its signature.
    pub signature: SignatureBytes,
    /// Bytes of each unit's packed sums, in the order of `commit.results`.
    pub packed_bytes: Vec<u64>,
}

/// What became of a submit. Sending the same one again gets the same answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SubmitView {
    /// Units that this submit brought, to be looked at.
    pub accepted: u64,
    /// Units that somebody else's result had already filled.
    pub already_done: u64,
    /// The master's promise to judge them.
    #[serde(default)]
    pub acknowledgement: Option<Acknowledgement>,
}

/// A body that is not a submit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The body ends inside its header.
    #[error("the body is {0} bytes long, too short for its header")]
    TooShort(usize),
    /// The header says it is longer than allowed.
    #[error("the header says it is {0} bytes long; at most {MAX_HEADER_BYTES} are allowed")]
    HeaderTooLong(usize),
    /// The header is not what it should be.
    #[error("the header is not a submit's: {0}")]
    Header(String),
    /// Sizes and body disagree.
    #[error("the header lists {expected} bytes of results and the body holds {found}")]
    Length {
        /// The sum of the header's sizes, saturating.
        expected: u64,
        /// Bytes behind the header.
        found: u64,
    },
    /// As many sizes as results are needed.
    #[error("the header has {sizes} sizes for {results} results")]
    Count {
        /// Entries of `packed_bytes`.
        sizes: usize,
        /// Entries of `commit.results`.
        results: usize,
    },
}

/// Writes a submit's body.
pub fn encode(header: &SubmitHeader, packed: &[Vec<u8>]) -> Vec<u8> {
    let json = serde_json::to_vec(header).expect("a header of plain fields serialises");
    let mut body = Vec::with_capacity(4 + json.len() + packed.iter().map(Vec::len).sum::<usize>());
    body.extend_from_slice(&u32::try_from(json.len()).expect("a header is short").to_le_bytes());
    body.extend_from_slice(&json);
    for unit in packed {
        body.extend_from_slice(unit);
    }
    body
}

/// Most bytes of a body that its header can take.
pub const HEAD_BYTES: usize = 4 + MAX_HEADER_BYTES;

/// Reads a submit's header, out of the first [`HEAD_BYTES`] of its body at least; and what lies behind
/// it.
pub fn decode_header(body: &[u8]) -> Result<(SubmitHeader, &[u8]), SubmitError> {
    let (length, rest) = body.split_first_chunk::<4>().ok_or(SubmitError::TooShort(body.len()))?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > MAX_HEADER_BYTES {
        return Err(SubmitError::HeaderTooLong(length));
    }
    let (json, rest) = rest.split_at_checked(length).ok_or(SubmitError::TooShort(body.len()))?;
    let header =
        serde_json::from_slice(json).map_err(|error| SubmitError::Header(error.to_string()))?;
    Ok((header, rest))
}

/// Reads a submit's body; the slices are the units' packed sums, unread.
pub fn decode(body: &[u8]) -> Result<(SubmitHeader, Vec<&[u8]>), SubmitError> {
    let (header, mut rest) = decode_header(body)?;
    let (sizes, results) = (header.packed_bytes.len(), header.commit.results.len());
    if sizes != results {
        return Err(SubmitError::Count { sizes, results });
    }
    let expected = header.packed_bytes.iter().fold(0u64, |sum, &n| sum.saturating_add(n));
    if expected != rest.len() as u64 {
        return Err(SubmitError::Length { expected, found: rest.len() as u64 });
    }
    let mut units = Vec::with_capacity(sizes);
    for &size in &header.packed_bytes {
        let (unit, tail) = rest.split_at(size as usize);
        units.push(unit);
        rest = tail;
    }
    Ok((header, units))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::{NodeKey, UnitResult};
    use crate::node::DeviceClass;
    use crate::{
        Generation, JobId, KernelId, LeaseId, MasterId, ResultRoot, SceneHash, SecretHash,
        SettingsHash, UnitIndex,
    };

    fn body() -> (SubmitHeader, Vec<u8>) {
        let key = NodeKey::from_secret(&[1; 32]);
        let result =
            |unit| UnitResult { unit: UnitIndex(unit), root: ResultRoot([6; 32]), rays: 7 };
        let commit = Commit {
            master: MasterId([12; 32]),
            class: DeviceClass::Exact,
            node: key.node(),
            job: JobId([1; 16]),
            kernel: KernelId([2; 32]),
            scene: SceneHash([5; 32]),
            settings: SettingsHash([7; 32]),
            secret: SecretHash([8; 32]),
            lease: LeaseId([3; 16]),
            generation: Generation(4),
            results: vec![result(0), result(1)],
        };
        let signature = commit.sign(&key);
        let header = SubmitHeader { commit, signature, packed_bytes: vec![2, 3] };
        let body = encode(&header, &[vec![1, 2], vec![3, 4, 5]]);
        (header, body)
    }

    #[test]
    fn what_was_encoded_is_decoded() {
        let (header, body) = body();
        let (read, units) = decode(&body).unwrap();
        assert_eq!(read, header);
        assert_eq!(units, [&[1u8, 2][..], &[3, 4, 5]]);
    }

    #[test]
    fn every_truncation_is_refused() {
        let (_, body) = body();
        for length in 0..body.len() {
            assert!(decode(&body[..length]).is_err(), "{length}");
        }
        assert!(decode(&[body.as_slice(), &[0]].concat()).is_err());
    }
}
