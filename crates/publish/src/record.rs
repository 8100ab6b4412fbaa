//! How things are appended to files: each with its lengths and a checksum, so that a write that was
//! interrupted is told from one that was not.
//!
//! A record is `length of the JSON: u32`, `length of the bytes: u32`, the first 16 bytes of the
//! blake3 hash of all the rest, the JSON, the bytes. Integers are big-endian.

use bytes::{Buf, Bytes};
use serde::Serialize;
use serde::de::DeserializeOwned;

const CHECKSUM: usize = 16;
const HEAD: usize = 4 + 4 + CHECKSUM;

/// Appends a record of `said` and `media` to `out`.
pub(crate) fn put<T: Serialize>(said: &T, media: &[&[u8]], out: &mut Vec<u8>) {
    let json = serde_json::to_vec(said).expect("maps with names for keys, and numbers");
    let bytes: usize = media.iter().map(|piece| piece.len()).sum();
    let length = |length: usize| u32::try_from(length).expect("less than 4 GiB").to_be_bytes();
    let lengths = [length(json.len()), length(bytes)].concat();
    out.reserve(HEAD + json.len() + bytes);
    out.extend_from_slice(&lengths);
    let sum_at = out.len();
    out.extend_from_slice(&[0; CHECKSUM]);
    out.extend_from_slice(&json);
    for piece in media {
        out.extend_from_slice(piece);
    }
    let sum = checksum(&lengths, &out[sum_at + CHECKSUM..]);
    out[sum_at..sum_at + CHECKSUM].copy_from_slice(&sum);
}

/// Takes a whole record from the front of `rest`, or nothing.
pub(crate) fn take<T: DeserializeOwned>(rest: &mut Bytes) -> Option<(T, Bytes)> {
    let mut head = rest.get(..HEAD)?;
    let lengths = &head[..8];
    let (json, media) = (head.get_u32() as usize, head.get_u32() as usize);
    let end = HEAD.checked_add(json)?.checked_add(media)?;
    let body = rest.get(HEAD..end)?;
    if *head != checksum(lengths, body) {
        return None;
    }
    let said = serde_json::from_slice(&body[..json]).ok()?;
    let media = rest.slice(HEAD + json..end);
    rest.advance(end);
    Some((said, media))
}

fn checksum(lengths: &[u8], body: &[u8]) -> [u8; CHECKSUM] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(lengths).update(body);
    let mut sum = [0; CHECKSUM];
    hasher.finalize_xof().fill(&mut sum);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(bytes: &[u8]) -> Vec<(String, Bytes)> {
        let mut rest = Bytes::copy_from_slice(bytes);
        std::iter::from_fn(|| take(&mut rest)).collect()
    }

    proptest! {
        #[test]
        fn records_are_read_up_to_the_first_that_is_not_whole(
            records in proptest::collection::vec((".{0,20}", proptest::collection::vec(any::<u8>(), 0..40)), 1..6),
            at in any::<proptest::sample::Index>(),
            flip in 1..=u8::MAX,
        ) {
            let (mut bytes, mut ends) = (Vec::new(), vec![0]);
            for (said, media) in &records {
                put(said, &[&media[..3.min(media.len())], &media[3.min(media.len())..]], &mut bytes);
                ends.push(bytes.len());
            }
            let expected: Vec<_> =
                records.iter().map(|(said, media)| (said.clone(), Bytes::from(media.clone()))).collect();
            prop_assert_eq!(&all(&bytes), &expected);
            let at = at.index(bytes.len());
            let whole = ends.iter().filter(|&&end| end <= at).count() - 1;
            prop_assert_eq!(all(&bytes[..at]), expected[..whole].to_vec());
            let mut changed = bytes.clone();
            changed[at] ^= flip;
            prop_assert_eq!(all(&changed), expected[..whole].to_vec());
        }

        #[test]
        fn no_bytes_make_reading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(all(&bytes).is_empty());
        }
    }
}
