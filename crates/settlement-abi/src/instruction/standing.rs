//! Who takes part and with what money: farms, nodes, jobs.

use super::Tag;
use crate::Id;
use crate::account::Rules;

record!(
    /// Makes a farm and its four vaults.
    ///
    /// Accounts: payer `ws`, authority `s`, farm `w`, mint, vaults in the order of their numbers
    /// `w` × 4, system, token.
    InitFarm starts &[Tag::InitFarm as u8],
    {
        /// Guardians, windows and shares.
        rules: Rules,
    }
);

record!(
    /// Changes a farm's rules or guardians, while no epoch is in its window.
    ///
    /// Accounts: authority `s`, farm `w`, then, if the farm has a threshold, that many of its
    /// present guardians `s`.
    SetFarm starts &[Tag::SetFarm as u8],
    {
        /// Guardians, windows and shares.
        rules: Rules,
    }
);

record!(
    /// Makes a node's account.
    ///
    /// Accounts: payer `ws`, node `s`, farm, node account `w`, payout token account, system.
    RegisterNode starts &[Tag::RegisterNode as u8],
    {}
);

record!(
    /// Has a node paid to another token account.
    ///
    /// Accounts: node `s`, farm, node account `w`, payout token account.
    SetPayout starts &[Tag::SetPayout as u8],
    {}
);

record!(
    /// Adds to a node's stake.
    ///
    /// Accounts: owner of the source `s`, source token account `w`, farm `w`, node account `w`,
    /// stake vault `w`, token.
    Stake starts &[Tag::Stake as u8],
    {
        /// In base units, not 0.
        amount: u64,
    }
);

record!(
    /// Asks for stake back. What was asked for before waits anew.
    ///
    /// Accounts: node `s`, farm, node account `w`.
    RequestUnstake starts &[Tag::RequestUnstake as u8],
    {
        /// In base units, not 0.
        amount: u64,
    }
);

record!(
    /// Pays out the stake that was asked for, after the cooldown.
    ///
    /// Accounts: node `s`, farm `w`, node account `w`, stake vault `w`, destination `w`, token.
    WithdrawStake starts &[Tag::WithdrawStake as u8],
    {}
);

record!(
    /// Closes the account of a node without stake.
    ///
    /// Accounts: node `s`, farm, node account `w`, who paid its rent `w`.
    CloseNode starts &[Tag::CloseNode as u8],
    {}
);

record!(
    /// Makes a job's account and deposits into it.
    ///
    /// Accounts: payer `ws`, artist (owner of the source) `s`, source token account `w`, refund
    /// token account, farm `w`, job account `w`, escrow vault `w`, system, token.
    OpenJob starts &[Tag::OpenJob as u8],
    {
        /// The job.
        job: Id,
        /// In base units, not 0.
        amount: u64,
        /// From then on nothing is drawn, and anyone may have what is left refunded: in the future,
        /// within 400 days.
        expires_at: i64,
    }
);

record!(
    /// Adds to a job's deposit.
    ///
    /// Accounts: owner of the source `s`, source token account `w`, farm `w`, job account `w`,
    /// escrow vault `w`, token.
    TopUp starts &[Tag::TopUp as u8],
    {
        /// In base units, not 0.
        amount: u64,
    }
);

record!(
    /// Refunds what a job has left and closes it.
    ///
    /// Accounts: authority `s`, farm `w`, job account `w`, escrow vault `w`, refund token account
    /// `w`, who paid its rent `w`, token.
    EndJob starts &[Tag::EndJob as u8],
    {}
);

record!(
    /// The same after the job expired, for anyone. If the artist signs, to any token account.
    ///
    /// Accounts: artist (`s` or not), farm `w`, job account `w`, escrow vault `w`, refund token
    /// account `w`, who paid its rent `w`, token.
    ReclaimJob starts &[Tag::ReclaimJob as u8],
    {}
);
