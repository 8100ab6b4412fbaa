//! Pays a node out of the bond of a master that signed two different verdicts on one generation of
//! a lease, once.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Farm, Mark, Node};
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::ClaimDoubleVerdict;
use tessera_settlement_abi::seeds;
use tessera_settlement_abi::signed::VerdictHeader;

use super::{claimable, take_bond};
use crate::checks::accounts::{exactly, is_program, key, load, load_of, store};
use crate::checks::pda::New;
use crate::checks::signatures::{self, Signed};
use crate::checks::vault::{Till, Vault, payable_as};
use crate::checks::{Outcome, ensure};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let ClaimDoubleVerdict { signatures_at } = parsed(ClaimDoubleVerdict::decode(data))?;
    let [payer, farm_account, account, vault, payout, mark, sysvar, system, token] =
        exactly(accounts)?;
    is_program(system, &pinocchio_system::ID)?;
    let mut farm: Farm = load(program, farm_account)?;
    let node: Node = load_of(program, account, farm_account)?;
    let [Signed { is: one, .. }, Signed { is: other, .. }] =
        signatures::two::<VerdictHeader>(sysvar, signatures_at)?;
    for verdict in [&one, &other] {
        ensure(verdict.master == farm.authority, Refusal::OtherMaster)?;
        ensure(verdict.node == node.node, Refusal::OtherStatementNode)?;
    }
    ensure(one.lease == other.lease, Refusal::OtherLease)?;
    ensure(one.generation == other.generation, Refusal::OtherGeneration)?;
    ensure(one != other, Refusal::SameStatement)?;

    let generation = one.generation.to_le_bytes();
    let seeds = seeds::doubled(key(farm_account), &node.node, &one.lease, &generation);
    let new = New { program, seeds: &seeds, payer, owner: program, space: Mark::LEN };
    let bump = new.make(mark)?;
    mark.try_borrow_mut()?.copy_from_slice(&Mark { bump }.encode());

    let amount = claimable(&farm)?;
    ensure(amount > 0, Refusal::NothingThere)?;
    let to = (&farm, &*farm_account);
    payable_as(payout, &node.payout, Refusal::WrongPayout, to)?;
    take_bond(&mut farm, amount)?;
    let till = Till { program, account: farm_account, farm: &mut farm, token };
    till.pay(Vault::Bond, vault, payout, amount)?;
    store(farm_account, &farm)
}
