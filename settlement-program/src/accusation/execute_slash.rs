//! Burns what guardians agreed to slash, once their evidence lay open long enough; for anyone.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Farm, Node, Proposal};
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::ExecuteSlash;
use tessera_settlement_abi::share;

use super::{slashable, take_stake};
use crate::checks::accounts::{exactly, load, load_of, store};
use crate::checks::vault::{Till, Vault};
use crate::checks::{Outcome, ensure, guardians, now};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let ExecuteSlash {} = parsed(ExecuteSlash::decode(data))?;
    let [farm_account, node_account, account, vault, mint, token] = exactly(accounts)?;
    let mut farm: Farm = load(program, farm_account)?;
    let mut node: Node = load_of(program, node_account, farm_account)?;
    let mut proposal: Proposal = load_of(program, account, farm_account)?;
    ensure(proposal.node == node.node, Refusal::OtherNode)?;
    ensure(!proposal.executed, Refusal::ExecutedAlready)?;
    ensure(proposal.guardian_set == farm.guardian_set, Refusal::GuardiansChanged)?;
    ensure(farm.rules.threshold >= 2, Refusal::QuorumOfOne)?;
    ensure(guardians::enough(proposal.approvals, &farm.rules), Refusal::GuardiansMissing)?;
    ensure(now()? >= proposal.ready_at, Refusal::EvidencePending)?;

    // The stake may have shrunk since it was proposed; the cap holds for what is there now.
    let cap = share(slashable(&node)?, farm.rules.evidence_cap_bps);
    let amount = proposal.amount.min(cap);
    ensure(amount > 0, Refusal::NothingThere)?;
    take_stake(&mut farm, &mut node, amount)?;
    proposal.executed = true;
    let till = Till { program, account: farm_account, farm: &mut farm, token };
    till.burn(Vault::Stake, vault, mint, amount)?;
    store(account, &proposal)?;
    store(node_account, &node)?;
    store(farm_account, &farm)
}
