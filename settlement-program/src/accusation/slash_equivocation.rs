//! Slashes a node that signed two different commits for one generation of a lease, once. The
//! reporter gets a share, the rest is burned: nobody else gains by it.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Farm, Mark, Node};
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::SlashEquivocation;
use tessera_settlement_abi::signed::{Class, CommitHeader};
use tessera_settlement_abi::{seeds, share};

use super::{slashable, take_stake};
use crate::checks::accounts::{exactly, is_program, key, load, load_of, store};
use crate::checks::pda::New;
use crate::checks::signatures::{self, Signed};
use crate::checks::vault::{Till, Vault, payable};
use crate::checks::{Outcome, ensure};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let SlashEquivocation { signatures_at } = parsed(SlashEquivocation::decode(data))?;
    let [payer, reporter, farm_account, account, vault, mint, mark, sysvar, system, token] =
        exactly(accounts)?;
    is_program(system, &pinocchio_system::ID)?;
    let mut farm: Farm = load(program, farm_account)?;
    let mut node: Node = load_of(program, account, farm_account)?;
    let [Signed { is: one, .. }, Signed { is: other, .. }] =
        signatures::two::<CommitHeader>(sysvar, signatures_at)?;
    for commit in [&one, &other] {
        ensure(commit.master == farm.authority, Refusal::OtherMaster)?;
        ensure(commit.node == node.node, Refusal::OtherStatementNode)?;
        ensure(commit.class == Class::Exact, Refusal::TolerantClass)?;
    }
    ensure(one.lease == other.lease, Refusal::OtherLease)?;
    ensure(one.generation == other.generation, Refusal::OtherGeneration)?;
    ensure(one.body != other.body, Refusal::SameStatement)?;

    let generation = one.generation.to_le_bytes();
    let seeds = seeds::slashed(key(farm_account), &node.node, &one.lease, &generation);
    let new = New { program, seeds: &seeds, payer, owner: program, space: Mark::LEN };
    let bump = new.make(mark)?;
    mark.try_borrow_mut()?.copy_from_slice(&Mark { bump }.encode());

    let amount = share(slashable(&node)?, farm.rules.equivocation_slash_bps);
    ensure(amount > 0, Refusal::NothingThere)?;
    let reward = share(amount, farm.rules.reporter_share_bps);
    ensure(payable(reporter, &farm, farm_account), Refusal::PayeeUnpayable)?;
    take_stake(&mut farm, &mut node, amount)?;
    let till = Till { program, account: farm_account, farm: &mut farm, token };
    till.pay(Vault::Stake, vault, reporter, reward)?;
    till.burn(Vault::Stake, vault, mint, amount - reward)?;
    store(account, &node)?;
    store(farm_account, &farm)
}
