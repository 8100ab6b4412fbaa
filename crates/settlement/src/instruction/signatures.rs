//! The Ed25519 program's instruction, under which statements signed off the chain come to it.

use solana_address::Address;
use solana_instruction::Instruction;

/// The program that verifies signatures before a transaction runs.
const ED25519: Address = Address::from_str_const("Ed25519SigVerify111111111111111111111111111");

/// Bytes before the first signature's offsets.
const LEAD_LEN: usize = 2;

/// Bytes of one signature's offsets.
const OFFSETS_LEN: usize = 14;

/// An instruction index that means the instruction itself.
const ITSELF: u16 = u16::MAX;

/// A statement, who signed it, and the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The key.
    pub by: [u8; 32],
    /// Ed25519 over `message`.
    pub signature: [u8; 64],
    /// The bytes of the statement's header.
    pub message: Vec<u8>,
}

/// The instruction that verifies these signatures, to be put into the transaction of the instruction
/// that relies on them, at the place that it names. At most a few: all fit into one transaction.
#[must_use]
pub fn signature_check(signatures: &[Signature]) -> Instruction {
    let mut offsets = vec![signatures.len() as u8, 0];
    let mut bytes = Vec::new();
    let start = LEAD_LEN + signatures.len() * OFFSETS_LEN;
    for one in signatures {
        let signature_at = (start + bytes.len()) as u16;
        let key_at = signature_at + 64;
        let message_at = key_at + 32;
        let message_len = one.message.len() as u16;
        bytes.extend_from_slice(&one.signature);
        bytes.extend_from_slice(&one.by);
        bytes.extend_from_slice(&one.message);
        let numbers = [signature_at, ITSELF, key_at, ITSELF, message_at, message_len, ITSELF];
        offsets.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    }
    offsets.extend_from_slice(&bytes);
    Instruction { program_id: ED25519, accounts: Vec::new(), data: offsets }
}
