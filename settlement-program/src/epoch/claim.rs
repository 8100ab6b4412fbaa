//! Pays one leaf under its own proof; for anyone.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Epoch, EpochState, Farm};
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::Claim;
use tessera_settlement_abi::tree;

use super::{account_for, is_paid, mark_paid, sha256};
use crate::checks::accounts::{exactly, key, load, load_of, store};
use crate::checks::vault::{Till, Vault, payable};
use crate::checks::{Outcome, ensure};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let (fields, proof) = data.split_at_checked(Claim::LEN).ok_or(Refusal::MalformedInstruction)?;
    let Claim { index, amount } = parsed(Claim::decode(fields))?;
    let [farm_account, account, vault, payee, token] = exactly(accounts)?;
    let mut farm: Farm = load(program, farm_account)?;
    let mut epoch: Epoch = load_of(program, account, farm_account)?;
    ensure(epoch.state == EpochState::Payable, Refusal::EpochNotPayable)?;
    ensure(index < epoch.leaf_count, Refusal::BadIndex)?;

    let (siblings, odd) = proof.as_chunks::<32>();
    let depth = tree::depth(epoch.leaf_count).ok_or(Refusal::BadLeafCount)?;
    ensure(odd.is_empty() && siblings.len() == depth, Refusal::BadProof)?;
    let leaf = tree::leaf(sha256, key(account), index, key(payee), amount);
    let root = tree::climb(sha256, leaf, index, siblings.iter());
    ensure(root == epoch.root, Refusal::BadProof)?;
    {
        let mut bytes = account.try_borrow_mut()?;
        let bitmap = bytes.get_mut(Epoch::LEN..).ok_or(Refusal::WrongKind)?;
        ensure(!is_paid(bitmap, index)?, Refusal::PaidAlready)?;
        ensure(payable(payee, &farm, farm_account), Refusal::PayeeUnpayable)?;
        mark_paid(bitmap, index)?;
    }
    account_for(&mut farm, &mut epoch, amount)?;
    let till = Till { program, account: farm_account, farm: &mut farm, token };
    till.pay(Vault::Escrow, vault, payee, amount)?;
    store(account, &epoch)?;
    store(farm_account, &farm)
}
