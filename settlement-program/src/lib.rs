//! Holds the money of a render farm on Solana, and pays its nodes what a published tree says.
//!
//! Artists deposit into jobs, nodes stake, the master puts up a bond, payers fund channels. An epoch
//! settles: the master publishes the root of a payout tree, draws its sum from jobs, waits out a
//! window in which nodes may challenge it, and then anybody can have every leaf paid. Bytes, seeds,
//! error numbers and the tree's hashing are in `tessera-settlement-abi`.
//!
//! # Contract
//! - Each vault holds what the farm's account says it must cover, after every instruction:
//!
//! | vault | covers |
//! |---|---|
//! | escrow | what jobs deposited and no epoch drew, and what epochs drew and have not paid |
//! | stake | stakes, and what of them is being unlocked |
//! | bond | the master's bond, what of it is being unlocked, and bonds of pending challenges |
//! | channels | what channels hold beyond what was redeemed |
//!
//! - Money that is being unlocked can still be slashed or claimed. It is unlocked by a time that was
//!   fixed when it was asked for.
//! - One epoch at a time is in its window, a cancelled one until its draws are back. A job cannot
//!   close while a draw may come back to it, and nothing is drawn from a job that expired.
//! - Whatever nobody does cannot hold money: expired jobs, sealed leaves, abandoned epochs, overdue
//!   verdicts and channels past their grace are settled by anyone.
//! - What happens once (a leaf, an accusation, an epoch's number, a channel's address) leaves a mark
//!   that stays.
//! - Every refusal has a number of its own, and leaves nothing changed.
//!
//! # Who may call what
//!
//! | instructions | who |
//! |---|---|
//! | `init_farm`, `open_epoch`, `draw`, `end_job`, `request_unbond`, `withdraw_bond` | the authority |
//! | `set_farm` | the authority, and as many guardians as the threshold says |
//! | `cancel_epoch` | the authority while it is open; anyone once it is abandoned |
//! | `resolve` | as many guardians as the threshold says; the authority where that is 0 |
//! | `approve_epoch`, `propose_slash`, `approve_slash` | a guardian |
//! | `register_node`, `set_payout`, `request_unstake`, `withdraw_stake`, `close_node`, `challenge` | the node |
//! | `stake`, `top_up`, `deposit_bond`, `top_up_channel`, `open_job`, `open_channel` | whoever's money it is |
//! | `request_close` | the channel's payer |
//! | `close_channel` | the payee; anyone after the grace |
//! | `reclaim_job` | anyone, once the job expired |
//! | `seal`, `push`, `claim`, `return_draw`, `close_epoch`, `execute_slash`, `settle_omitted` | anyone |
//! | `slash_equivocation`, `claim_double_verdict`, `claim_omitted`, `answer_omitted`, `redeem` | anyone who has the signed statements |
//!
//! # What is deliberately not there
//! - No judgement of work: the chain compares short signed headers and never sees a picture.
//! - No check that a tree is fair, nor that its leaves add up to its sum: that is what the window,
//!   guardians and challenges are for. No more than the sum is ever paid; what leaves lack of it
//!   stays in escrow.
//! - No defence against a trusted operator: where the threshold is 0, the authority may draw what
//!   was deposited to any tree that nobody challenges, and resolves challenges itself.
//! - No protection of the master's bond from the master: through a node of its own it can claim from
//!   it, claim by claim up to the cap, without the cooldown.
//! - No Token-2022, whose mints may take fees or forbid transfers, and no mint of other than 6
//!   decimals. Who can freeze the mint's accounts can freeze vaults.
//! - No address of this program in its bytes, no owner of it, no pause. Who may replace it is decided
//!   where it is deployed.
//!
//! # How it is built
//! For sBPF by Debian's compiler: `scripts/program` says how. That has no 128-bit integers, passes at
//! most five words to a function and returns one, and gives it 4,096 bytes of stack; hence some
//! structs where there could be arguments, and the `#[inline(never)]`.
//!
//! Reading order: [`checks`] → [`farm`] → [`node`] → [`job`] → [`epoch`] → [`accusation`] →
//! [`channel`].
#![no_std]

// On other processors it is only ever looked at, by clippy.
#[cfg(not(target_arch = "bpf"))]
extern crate std;

mod checks;
#[cfg(target_arch = "bpf")]
mod memory;

mod accusation;
mod channel;
mod epoch;
mod farm;
mod job;
mod node;

use pinocchio::error::ProgramError;
use pinocchio::{AccountView, Address, ProgramResult};
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::Tag;

use checks::Outcome;

/// Where the virtual machine enters, and what happens to a panic: nothing is said of where, since
/// paths of the machine that built this would be in the program's bytes.
#[allow(unsafe_code, reason = "the entry point is called from outside Rust")]
mod entry {
    // Accounts that one instruction can have: a push has 20, decisions up to 6 + 5.
    pinocchio::program_entrypoint!(super::enter, 32);
    pinocchio::no_allocator!();

    #[cfg(target_arch = "bpf")]
    #[panic_handler]
    fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
        // SAFETY: it ends the program.
        unsafe { pinocchio::syscalls::abort() }
    }
}

fn enter(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> ProgramResult {
    dispatch(program, accounts, data).map_err(ProgramError::from)
}

fn dispatch(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let tag = data.first().ok_or(Refusal::MalformedInstruction)?;
    let process = match Tag::from_number(*tag).ok_or(Refusal::UnknownInstruction)? {
        Tag::InitFarm => farm::init::process,
        Tag::SetFarm => farm::set::process,
        Tag::RegisterNode => node::register::process,
        Tag::SetPayout => node::set_payout::process,
        Tag::Stake => node::stake::process,
        Tag::RequestUnstake => node::request_unstake::process,
        Tag::WithdrawStake => node::withdraw_stake::process,
        Tag::CloseNode => node::close::process,
        Tag::OpenJob => job::open::process,
        Tag::TopUp => job::top_up::process,
        Tag::EndJob => job::end::process,
        Tag::ReclaimJob => job::reclaim::process,
        Tag::OpenEpoch => epoch::open::process,
        Tag::Draw => epoch::draw::process,
        Tag::ApproveEpoch => epoch::approve::process,
        Tag::Challenge => epoch::challenge::process,
        Tag::Resolve => epoch::resolve::process,
        Tag::ReturnDraw => epoch::return_draw::process,
        Tag::Seal => epoch::seal::process,
        Tag::CancelEpoch => epoch::cancel::process,
        Tag::Push => epoch::push::process,
        Tag::Claim => epoch::claim::process,
        Tag::CloseEpoch => epoch::close::process,
        Tag::SlashEquivocation => accusation::slash_equivocation::process,
        Tag::DepositBond => accusation::deposit_bond::process,
        Tag::RequestUnbond => accusation::request_unbond::process,
        Tag::WithdrawBond => accusation::withdraw_bond::process,
        Tag::ClaimDoubleVerdict => accusation::claim_double_verdict::process,
        Tag::ClaimOmitted => accusation::claim_omitted::process,
        Tag::AnswerOmitted => accusation::answer_omitted::process,
        Tag::SettleOmitted => accusation::settle_omitted::process,
        Tag::ProposeSlash => accusation::propose_slash::process,
        Tag::ApproveSlash => accusation::approve_slash::process,
        Tag::ExecuteSlash => accusation::execute_slash::process,
        Tag::OpenChannel => channel::open::process,
        Tag::TopUpChannel => channel::top_up::process,
        Tag::Redeem => channel::redeem::process,
        Tag::RequestClose => channel::request_close::process,
        Tag::CloseChannel => channel::close::process,
    };
    process(program, accounts, data)
}

/// The instruction's fields, its tag included.
fn parsed<T>(fields: Option<T>) -> Outcome<T> {
    fields.ok_or(Refusal::MalformedInstruction.into())
}
