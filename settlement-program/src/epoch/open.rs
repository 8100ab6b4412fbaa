//! Opens the next epoch: its root and its sum are fixed from here on.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Epoch, EpochState, Farm};
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::OpenEpoch;
use tessera_settlement_abi::{ABANDONED_S, seeds, tree};

use super::NOBODY;
use crate::checks::accounts::{exactly, is_program, key, load, signed_by_authority, store};
use crate::checks::pda::New;
use crate::checks::{Outcome, after, ensure, now};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let asked = parsed(OpenEpoch::decode(data))?;
    let [payer, authority, farm_account, account, system] = exactly(accounts)?;
    is_program(system, &pinocchio_system::ID)?;
    let mut farm: Farm = load(program, farm_account)?;
    signed_by_authority(authority, &farm)?;
    ensure(farm.settling == 0, Refusal::EpochInWindow)?;
    ensure(asked.number == farm.next_epoch, Refusal::WrongEpochNumber)?;
    ensure(tree::depth(asked.leaf_count).is_some(), Refusal::BadLeafCount)?;
    ensure(asked.total > 0, Refusal::ZeroAmount)?;

    let number = asked.number.to_le_bytes();
    let seeds = seeds::epoch(key(farm_account), &number);
    let space = Epoch::account_len(asked.leaf_count);
    let new = New { program, seeds: &seeds, payer, owner: program, space };
    let bump = new.make(account)?;
    let window = farm.rules.challenge_window_s;
    let deadline = after(now()?, window)?;
    let epoch = Epoch {
        bump,
        state: EpochState::Open,
        approvals: 0,
        leaf_count: asked.leaf_count,
        paid_leaves: 0,
        farm: *key(farm_account),
        number: asked.number,
        root: asked.root,
        total: asked.total,
        funded: 0,
        paid: 0,
        deadline,
        abandoned_at: after(deadline, window)?.saturating_add(ABANDONED_S),
        challenger: NOBODY,
        challenge_bond: 0,
        reason: [0; 32],
        rent_payer: *key(payer),
    };
    farm.settling = asked.number;
    farm.next_epoch = asked.number.checked_add(1).ok_or(Refusal::Overflow)?;
    store(account, &epoch)?;
    store(farm_account, &farm)
}
