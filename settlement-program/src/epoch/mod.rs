//! Epochs: a payout tree, the money for it, a window in which it may be challenged, and payment.
//!
//! One at a time is in its window ([`Farm::settling`]), a cancelled one until every draw is back
//! with its job. So a job's account needs to remember one draw only, and cannot vanish while that
//! draw may come back.

pub mod approve;
pub mod cancel;
pub mod challenge;
pub mod claim;
pub mod close;
pub mod draw;
pub mod open;
pub mod push;
pub mod resolve;
pub mod return_draw;
pub mod seal;

use pinocchio::AccountView;
use tessera_settlement_abi::account::{Epoch, EpochState, Farm};
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::{Hash, Key};

use crate::checks::vault::{Till, Vault};
use crate::checks::{Outcome, less, sum};

/// SHA-256, by the virtual machine.
fn sha256(parts: &[&[u8]]) -> Hash {
    solana_sha256_hasher::hashv(parts).to_bytes()
}

/// Whether the bitmap that follows an epoch says that a leaf is paid.
fn is_paid(bitmap: &[u8], index: u32) -> Outcome<bool> {
    let byte = bitmap.get(index as usize / 8).ok_or(Refusal::BadIndex)?;
    Ok(byte & 1 << (index % 8) != 0)
}

/// Says so in the bitmap.
fn mark_paid(bitmap: &mut [u8], index: u32) -> Outcome {
    let byte = bitmap.get_mut(index as usize / 8).ok_or(Refusal::BadIndex)?;
    *byte |= 1 << (index % 8);
    Ok(())
}

/// Takes a leaf's amount from the sums that stand for it.
fn account_for(farm: &mut Farm, epoch: &mut Epoch, amount: u64) -> Outcome {
    let paid = sum(epoch.paid, amount)?;
    if paid > epoch.funded {
        return Err(Refusal::AboveTotal.into());
    }
    epoch.paid = paid;
    epoch.paid_leaves += 1;
    farm.escrow_total = less(farm.escrow_total, amount)?;
    Ok(())
}

/// Cancels an epoch; if jobs have draws in it, it stays in its window until they are returned.
fn cancelled(farm: &mut Farm, epoch: &mut Epoch) {
    epoch.state = EpochState::Cancelled;
    if epoch.funded == 0 {
        farm.settling = 0;
    }
}

/// Adds a challenger's bond, and what it is rewarded with out of the master's, to its stake: that
/// can always be paid, whatever became of its token account.
fn give_to_challenger(
    till: &mut Till<'_>,
    node_stake: &mut u64,
    epoch: &mut Epoch,
    reward: u64,
    (bond, stake): &(&AccountView, &AccountView),
) -> Outcome {
    let given = sum(epoch.challenge_bond, reward)?;
    till.farm.challenges_held = less(till.farm.challenges_held, epoch.challenge_bond)?;
    crate::accusation::take_bond(till.farm, reward)?;
    *node_stake = sum(*node_stake, given)?;
    till.farm.stake_total = sum(till.farm.stake_total, given)?;
    epoch.challenger = NOBODY;
    epoch.challenge_bond = 0;
    till.is_vault(stake, Vault::Stake)?;
    till.pay(Vault::Bond, bond, stake, given)
}

/// No challenger.
const NOBODY: Key = [0; 32];
