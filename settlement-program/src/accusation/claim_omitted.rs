//! Claims that the verdict on an acknowledged commit is overdue, once for each lease and
//! generation. From here the master has its answer window.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Farm, Node, Omission, OmissionState};
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::ClaimOmitted;
use tessera_settlement_abi::seeds;
use tessera_settlement_abi::signed::AckHeader;

use crate::checks::accounts::{exactly, is_program, key, load, load_of, store};
use crate::checks::pda::New;
use crate::checks::{Outcome, after, ensure, now, signatures};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let ClaimOmitted { signatures_at } = parsed(ClaimOmitted::decode(data))?;
    let [payer, farm_account, node_account, account, sysvar, system] = exactly(accounts)?;
    is_program(system, &pinocchio_system::ID)?;
    let farm: Farm = load(program, farm_account)?;
    let node: Node = load_of(program, node_account, farm_account)?;
    let ack = signatures::one::<AckHeader>(sysvar, signatures_at)?.is;
    ensure(ack.master == farm.authority, Refusal::OtherMaster)?;
    ensure(ack.node == node.node, Refusal::OtherStatementNode)?;
    let now = now()?;
    ensure(now > ack.due_at, Refusal::NotYetDue)?;

    let generation = ack.generation.to_le_bytes();
    let seeds = seeds::omitted(key(farm_account), &node.node, &ack.lease, &generation);
    let new = New { program, seeds: &seeds, payer, owner: program, space: Omission::LEN };
    let bump = new.make(account)?;
    let claim = Omission {
        bump,
        state: OmissionState::Open,
        farm: *key(farm_account),
        node: node.node,
        lease: ack.lease,
        generation: ack.generation,
        pay: ack.pay,
        answer_by: after(now, farm.rules.answer_window_s)?,
        commit: ack.commit,
    };
    store(account, &claim)
}
