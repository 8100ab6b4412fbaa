//! What every instruction checks in the same way.
//!
//! [`accounts`]: how many, who signed, what they hold. [`pda`]: making accounts. [`vault`]: tokens
//! in and out. [`guardians`]: who of them agreed. [`signatures`]: what was signed off the chain.

pub mod accounts;
pub mod guardians;
pub mod pda;
pub mod signatures;
pub mod vault;

use core::num::NonZeroU64;

use pinocchio::error::ProgramError;
use pinocchio::sysvars::{Sysvar as _, clock::Clock};
use tessera_settlement_abi::error::Refusal;

/// A refusal of this program, or of one that it called, as the number that the chain hands back.
///
/// One register: the processor that this is compiled for returns no more, so an [`Outcome`] with
/// nothing in it must fit.
pub struct Error(NonZeroU64);

impl From<Refusal> for Error {
    #[inline(always)]
    fn from(refusal: Refusal) -> Self {
        // Numbers of refusals are above 6,000, and custom errors are their own numbers.
        Self(NonZeroU64::MIN.saturating_add(u64::from(refusal.code()) - 1))
    }
}

impl From<ProgramError> for Error {
    fn from(error: ProgramError) -> Self {
        Self(NonZeroU64::MIN.saturating_add(u64::from(error) - 1))
    }
}

impl From<Error> for ProgramError {
    fn from(Error(number): Error) -> Self {
        number.get().into()
    }
}

/// What an instruction or a check comes to.
pub type Outcome<T = ()> = Result<T, Error>;

/// Refuses unless it holds.
#[inline(always)]
pub fn ensure(holds: bool, refusal: Refusal) -> Outcome {
    if holds { Ok(()) } else { Err(refusal.into()) }
}

/// Unix time in seconds, as the chain has it.
pub fn now() -> Outcome<i64> {
    Ok(Clock::get()?.unix_timestamp)
}

/// The time so many seconds after another.
pub fn after(time: i64, seconds: u32) -> Outcome<i64> {
    time.checked_add(i64::from(seconds)).ok_or(Refusal::Overflow.into())
}

/// A sum that fits.
pub fn sum(a: u64, b: u64) -> Outcome<u64> {
    a.checked_add(b).ok_or(Refusal::Overflow.into())
}

/// Takes from a total that a vault must cover. That it holds less is a fault of this program, which
/// then pays nothing.
pub fn less(total: u64, amount: u64) -> Outcome<u64> {
    total.checked_sub(amount).ok_or(Refusal::Uncovered.into())
}
