//! What was signed off the chain, as the Ed25519 program of the same transaction has verified it.
//!
//! The virtual machine checks such an instruction before it runs, or fails the transaction; all
//! that is left to do is to read which bytes were checked against which key. Its offsets can point
//! into other instructions, so that what was verified is not what one reads: they must all point
//! into itself.

use pinocchio::sysvars::instructions::{INSTRUCTIONS_ID, Instructions};
use pinocchio::{AccountView, Address};
use tessera_settlement_abi::Key;
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::signed::{AckHeader, CommitHeader, VerdictHeader, VoucherHeader};

use super::accounts::is_program;
use super::{Outcome, ensure};

/// `Ed25519SigVerify111111111111111111111111111`.
const ED25519: Address = Address::from_str_const("Ed25519SigVerify111111111111111111111111111");

/// Bytes before the first signature's offsets: how many there are, and one unused.
const LEAD_LEN: usize = 2;

/// Bytes of one signature's offsets: seven u16.
const OFFSETS_LEN: usize = 14;

/// An instruction index that means the instruction itself.
const ITSELF: u16 = u16::MAX;

/// A statement that can be judged on the chain.
pub trait Statement: Sized {
    /// Reads it; `None` if it is another.
    fn read(bytes: &[u8]) -> Option<Self>;

    /// Who must have signed it; `None` where that is not part of the statement.
    fn signer(&self) -> Option<&Key>;
}

macro_rules! statement {
    ($($kind:ident, $signer:expr;)*) => {$(
        impl Statement for $kind {
            fn read(bytes: &[u8]) -> Option<Self> {
                Self::decode(bytes)
            }

            fn signer(&self) -> Option<&Key> {
                let signer: fn(&Self) -> Option<&Key> = $signer;
                signer(self)
            }
        }
    )*};
}

statement! {
    CommitHeader, |is| Some(&is.node);
    AckHeader, |is| Some(&is.master);
    VerdictHeader, |is| Some(&is.master);
    VoucherHeader, |_| None;
}

/// A statement and the key that signed it.
pub struct Signed<T> {
    /// The key.
    pub by: Key,
    /// The statement.
    pub is: T,
}

/// The one statement that the instruction at this place of the transaction has verified, by the
/// key that it names.
#[inline(never)]
pub fn one<T: Statement>(sysvar: &AccountView, place: u8) -> Outcome<Signed<T>> {
    verified(sysvar, place, 1, |bytes| statement(bytes, 0))
}

/// The same for exactly two statements of one kind.
#[inline(never)]
pub fn two<T: Statement>(sysvar: &AccountView, place: u8) -> Outcome<[Signed<T>; 2]> {
    verified(sysvar, place, 2, |bytes| Ok([statement(bytes, 0)?, statement(bytes, 1)?]))
}

/// Reads the bytes of an Ed25519 instruction that holds so many signatures.
fn verified<T>(
    sysvar: &AccountView,
    place: u8,
    count: u8,
    read: impl Fn(&[u8]) -> Outcome<T>,
) -> Outcome<T> {
    is_program(sysvar, &INSTRUCTIONS_ID)?;
    let instructions = Instructions::try_from(sysvar)?;
    let checked =
        instructions.load_instruction_at(usize::from(place)).map_err(|_| Refusal::NotAnEd25519)?;
    ensure(checked.get_program_id() == &ED25519, Refusal::NotAnEd25519)?;
    let bytes = checked.get_instruction_data();
    ensure(bytes.first() == Some(&count), Refusal::WrongSignatureCount)?;
    read(bytes)
}

#[inline(never)]
fn statement<T: Statement>(bytes: &[u8], at: usize) -> Outcome<Signed<T>> {
    let start = LEAD_LEN + at * OFFSETS_LEN;
    let offsets = bytes.get(start..start + OFFSETS_LEN).ok_or(Refusal::ForeignOffsets)?;
    let number = |at: usize| u16::from_le_bytes([offsets[2 * at], offsets[2 * at + 1]]);
    let [signature_in, key_at, key_in] = [number(1), number(2), number(3)];
    let [message_at, message_len, message_in] = [number(4), number(5), number(6)];
    let own = [signature_in, key_in, message_in].iter().all(|&within| within == ITSELF);
    ensure(own, Refusal::ForeignOffsets)?;

    let slice = |at: u16, len: usize| {
        let at = usize::from(at);
        bytes.get(at..at + len).ok_or(Refusal::ForeignOffsets)
    };
    let by: Key = slice(key_at, 32)?.try_into().map_err(|_| Refusal::ForeignOffsets)?;
    let message = slice(message_at, usize::from(message_len))?;
    let is = T::read(message).ok_or(Refusal::NotAStatement)?;
    ensure(is.signer().is_none_or(|signer| signer == &by), Refusal::WrongSigner)?;
    Ok(Signed { by, is })
}
