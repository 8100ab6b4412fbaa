//! Pays one aligned run of leaves under one proof; for anyone.
//!
//! A leaf that is paid is passed over, and so is one whose token account cannot be paid now: one
//! payee can neither hold up nor lose the others' money.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Epoch, EpochState, Farm};
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::Push;
use tessera_settlement_abi::tree::{EMPTY, PUSH_DEPTH};
use tessera_settlement_abi::{Hash, PUSH_LEAVES, tree};

use super::{account_for, is_paid, mark_paid, sha256};
use crate::checks::accounts::{at_least, key, load, load_of, store};
use crate::checks::vault::{Till, Vault, payable};
use crate::checks::{Outcome, ensure};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let (fields, rest) = data.split_at_checked(Push::LEN).ok_or(Refusal::MalformedInstruction)?;
    let Push { start, width } = parsed(Push::decode(fields))?;
    let ([farm_account, account, vault, token], payees) = at_least(accounts)?;
    let mut farm: Farm = load(program, farm_account)?;
    let mut epoch: Epoch = load_of(program, account, farm_account)?;
    ensure(epoch.state == EpochState::Payable, Refusal::EpochNotPayable)?;
    let aligned = start % PUSH_LEAVES as u32 == 0 && start < epoch.leaf_count;
    ensure(aligned, Refusal::BadIndex)?;

    let count = (PUSH_LEAVES as u32).min(epoch.leaf_count - start) as usize;
    ensure(payees.len() >= count, Refusal::AccountsMissing)?;
    ensure(payees.len() == count, Refusal::AccountsLeftOver)?;
    let width = usize::from(width);
    ensure((1..=8).contains(&width), Refusal::MalformedInstruction)?;
    let split = rest.split_at_checked(count * width);
    let (amounts, proof) = split.ok_or(Refusal::MalformedInstruction)?;
    let run = Run { start, payees, amounts: read(amounts, width) };
    proven(&run, key(account), &epoch, proof)?;

    for (at, payee) in payees.iter().enumerate() {
        let (index, amount) = (start + at as u32, run.amounts[at]);
        let paid = {
            let bytes = account.try_borrow()?;
            is_paid(bytes.get(Epoch::LEN..).unwrap_or(&[]), index)?
        };
        if paid || !payable(payee, &farm, farm_account) {
            continue;
        }
        account_for(&mut farm, &mut epoch, amount)?;
        let till = Till { program, account: farm_account, farm: &mut farm, token };
        till.pay(Vault::Escrow, vault, payee, amount)?;
        let mut bytes = account.try_borrow_mut()?;
        mark_paid(bytes.get_mut(Epoch::LEN..).unwrap_or(&mut []), index)?;
    }
    store(account, &epoch)?;
    store(farm_account, &farm)
}

/// One aligned run of leaves.
struct Run<'a> {
    start: u32,
    payees: &'a [AccountView],
    /// One for each payee.
    amounts: [u64; PUSH_LEAVES],
}

/// Amounts of so many bytes each, the lowest first.
fn read(bytes: &[u8], width: usize) -> [u64; PUSH_LEAVES] {
    let mut amounts = [0; PUSH_LEAVES];
    for (amount, bytes) in amounts.iter_mut().zip(bytes.chunks_exact(width)) {
        for byte in bytes.iter().rev() {
            *amount = *amount << 8 | u64::from(*byte);
        }
    }
    amounts
}

/// Refuses unless the run's leaves are those of the epoch.
#[inline(never)]
fn proven(run: &Run<'_>, epoch_key: &[u8; 32], epoch: &Epoch, proof: &[u8]) -> Outcome {
    let mut leaves: [Hash; PUSH_LEAVES] = [EMPTY; PUSH_LEAVES];
    for (at, ((leaf, payee), amount)) in
        leaves.iter_mut().zip(run.payees).zip(run.amounts).enumerate()
    {
        *leaf = tree::leaf(sha256, epoch_key, run.start + at as u32, key(payee), amount);
    }
    let (siblings, odd) = proof.as_chunks::<32>();
    let depth = tree::depth(epoch.leaf_count).ok_or(Refusal::BadLeafCount)?;
    let right_length = odd.is_empty() && siblings.len() == depth - PUSH_DEPTH;
    ensure(right_length, Refusal::BadProof)?;
    let root = tree::run_root(sha256, &mut leaves);
    let place = run.start / PUSH_LEAVES as u32;
    ensure(tree::climb(sha256, root, place, siblings.iter()) == epoch.root, Refusal::BadProof)
}
