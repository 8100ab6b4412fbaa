//! Jobs: money of artists, held until their work is settled.

pub mod end;
pub mod open;
pub mod reclaim;
pub mod top_up;

use pinocchio::AccountView;
use tessera_settlement_abi::account::Job;
use tessera_settlement_abi::error::Refusal;

use crate::checks::accounts::close;
use crate::checks::vault::{Till, Vault, refund_to};
use crate::checks::{Outcome, ensure, less};

/// Where what a job has left goes, and its rent.
struct Exit<'a> {
    /// The farm's escrow.
    vault: &'a AccountView,
    /// Token account that is refunded to.
    refund: &'a AccountView,
    /// Whether the artist signed for another than the one named at the deposit.
    artist_signed: bool,
    /// Who paid the rent.
    rent_to: &'a mut AccountView,
}

/// Refunds what a job has left and closes it.
///
/// Not while an epoch that drew from it is in its window: should that be cancelled, its draw comes
/// back to this account.
fn refund_and_close(
    till: &mut Till<'_>,
    (account, job): (&mut AccountView, &Job),
    exit: Exit<'_>,
) -> Outcome {
    let Exit { vault, refund, artist_signed, rent_to } = exit;
    let in_window = job.last_draw > 0 && job.last_epoch == till.farm.settling;
    ensure(!in_window, Refusal::JobInWindow)?;
    let left = less(job.deposited, job.drawn)?;
    till.is_vault(vault, Vault::Escrow)?;
    if left > 0 {
        refund_to(refund, &job.refund, artist_signed, (till.farm, till.account))?;
        till.farm.escrow_total = less(till.farm.escrow_total, left)?;
        till.pay(Vault::Escrow, vault, refund, left)?;
    }
    close(account, rent_to, &job.rent_payer)
}
