//! One record of the journal, and how it lies in the file.
//!
//! `length u32 ‖ checksum 8 ‖ body`, little-endian; `length` counts the body, the checksum is the
//! first eight bytes of its SHA-256. The body is `number u64 ‖ kind u8 ‖ unix_ms u64 ‖ slot u64 ‖
//! payload`. The number makes a missing record visible.

use crate::time::Moment;
use sha2::{Digest, Sha256};
use solana_address::Address;

/// The largest body: a program is the only thing that comes near it.
pub const MAX_BODY_BYTES: usize = 4 << 20;

const CHECKSUM_BYTES: usize = 8;
const PREFIX_BYTES: usize = 4 + CHECKSUM_BYTES;
const HEAD_BYTES: usize = 8 + 1 + 8 + 8;

/// Something that made the chain what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The first record: what tells this chain from others.
    Genesis {
        /// The genesis hash.
        hash: [u8; 32],
        /// Who hands out play money.
        faucet: Address,
    },
    /// A program was put in place, or replaced by another build of it.
    Program {
        /// Its address.
        address: Address,
        /// The ELF file.
        elf: Vec<u8>,
    },
    /// A transaction was executed, successfully or not; either way it paid its fee. The bytes are
    /// those that were sent.
    Transaction(Vec<u8>),
    /// The hash over all accounts at this point, against which a replay is checked.
    StateHash([u8; 32]),
}

/// An event, its place in the order of all, and when it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Counted from 0 without gaps.
    pub number: u64,
    /// What the VM's clock said.
    pub at: Moment,
    /// What happened.
    pub event: Event,
}

impl Record {
    /// The record as it lies in the file.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(256);
        body.extend_from_slice(&self.number.to_le_bytes());
        body.push(self.event.kind());
        body.extend_from_slice(&self.at.unix_ms.to_le_bytes());
        body.extend_from_slice(&self.at.slot.to_le_bytes());
        match &self.event {
            Event::Genesis { hash, faucet } => {
                body.extend_from_slice(hash);
                body.extend_from_slice(faucet.as_ref());
            }
            Event::Program { address, elf } => {
                body.extend_from_slice(address.as_ref());
                body.extend_from_slice(elf);
            }
            Event::Transaction(bytes) => body.extend_from_slice(bytes),
            Event::StateHash(hash) => body.extend_from_slice(hash),
        }
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(PREFIX_BYTES + body.len());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&checksum(&body));
        bytes.extend_from_slice(&body);
        bytes
    }

    /// Reads the record at the beginning of `bytes`, with its length; `None` where none is whole.
    pub fn decode(bytes: &[u8]) -> Option<(Self, usize)> {
        let length = u32::from_le_bytes(array(bytes.get(..4)?)?) as usize;
        if !(HEAD_BYTES..=MAX_BODY_BYTES).contains(&length) {
            return None;
        }
        let body = bytes.get(PREFIX_BYTES..PREFIX_BYTES + length)?;
        if bytes.get(4..PREFIX_BYTES)? != checksum(body) {
            return None;
        }
        let payload = &body[HEAD_BYTES..];
        let event = match body[8] {
            0 => Event::Genesis {
                hash: array(payload.get(..32)?)?,
                faucet: Address::new_from_array(array(payload.get(32..)?)?),
            },
            1 => Event::Program {
                address: Address::new_from_array(array(payload.get(..32)?)?),
                elf: payload.get(32..)?.to_vec(),
            },
            2 => Event::Transaction(payload.to_vec()),
            3 => Event::StateHash(array(payload)?),
            _ => return None,
        };
        let record = Self {
            number: u64::from_le_bytes(array(&body[..8])?),
            at: Moment {
                unix_ms: u64::from_le_bytes(array(&body[9..17])?),
                slot: u64::from_le_bytes(array(&body[17..25])?),
            },
            event,
        };
        Some((record, PREFIX_BYTES + length))
    }
}

impl Event {
    fn kind(&self) -> u8 {
        match self {
            Self::Genesis { .. } => 0,
            Self::Program { .. } => 1,
            Self::Transaction(_) => 2,
            Self::StateHash(_) => 3,
        }
    }
}

fn array<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let digest = Sha256::digest(body);
    std::array::from_fn(|i| digest[i])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Vec<Record> {
        let events = [
            Event::Genesis { hash: [1; 32], faucet: Address::new_from_array([2; 32]) },
            Event::Program { address: Address::new_from_array([3; 32]), elf: vec![4; 99] },
            Event::Transaction(vec![5; 200]),
            Event::StateHash([6; 32]),
        ];
        let at = Moment { unix_ms: 1_700_000_000_123, slot: 77 };
        (0..).zip(events).map(|(number, event)| Record { number, at, event }).collect()
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        for record in records() {
            let bytes = record.encode();
            assert_eq!(Record::decode(&bytes), Some((record, bytes.len())));
        }
    }

    #[test]
    fn no_cut_and_no_changed_bit_is_taken_for_a_record() {
        for record in records() {
            let bytes = record.encode();
            for end in 0..bytes.len() {
                assert_eq!(Record::decode(&bytes[..end]), None);
            }
            for bit in 0..bytes.len() * 8 {
                let mut bytes = bytes.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(Record::decode(&bytes), None, "bit {bit}");
            }
        }
    }
}
