//! Answers a claim of an overdue verdict with that verdict; for anyone who has it, as long as
//! nothing was paid.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Farm, Omission, OmissionState};
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::AnswerOmitted;
use tessera_settlement_abi::signed::VerdictHeader;

use crate::checks::accounts::{exactly, load, load_of, store};
use crate::checks::{Outcome, ensure, signatures};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let AnswerOmitted { signatures_at } = parsed(AnswerOmitted::decode(data))?;
    let [farm_account, account, sysvar] = exactly(accounts)?;
    let farm: Farm = load(program, farm_account)?;
    let mut claim: Omission = load_of(program, account, farm_account)?;
    ensure(claim.state == OmissionState::Open, Refusal::AnsweredAlready)?;
    let verdict = signatures::one::<VerdictHeader>(sysvar, signatures_at)?.is;
    ensure(verdict.master == farm.authority, Refusal::OtherMaster)?;
    ensure(verdict.node == claim.node, Refusal::OtherStatementNode)?;
    ensure(verdict.lease == claim.lease, Refusal::OtherLease)?;
    ensure(verdict.generation == claim.generation, Refusal::OtherGeneration)?;
    claim.state = OmissionState::Answered;
    store(account, &claim)
}
