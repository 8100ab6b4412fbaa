//! The program's accounts, as bytes.
//!
//! Each begins with its kind, the version of its layout and the bump of its address. All are of a
//! fixed length but [`Epoch`], which a bitmap of its paid leaves follows.

use crate::{GUARDIANS_MAX, Hash, Id, Key};

/// Version of every layout below, the second byte of each account.
pub const VERSION: u8 = 1;

byte_enum!(
    /// What an account is, its first byte. A byte of 0 is an account that is not there.
    Kind {
        /// [`Farm`].
        Farm = 1,
        /// [`Node`].
        Node = 2,
        /// [`Job`].
        Job = 3,
        /// [`Epoch`].
        Epoch = 4,
        /// [`Mark`].
        Mark = 5,
        /// [`Omission`].
        Omission = 6,
        /// [`Proposal`].
        Proposal = 7,
        /// [`Channel`].
        Channel = 8,
    }
);

record!(
    /// What a farm's authority decides, and its guardians where there are some.
    Rules starts &[],
    {
        /// How many guardians there are; their keys come first in `guardians`.
        guardian_count: u8,
        /// How many of them must agree; 0 means that the operator is trusted.
        threshold: u8,
        /// Keys of the guardians, zeros after the last.
        guardians: [Key; GUARDIANS_MAX],
        /// How long an epoch may be challenged.
        challenge_window_s: u32,
        /// How long stake and bond stay locked after their owner asked for them.
        cooldown_s: u32,
        /// How long guardians' evidence lies open before it can slash; at most `cooldown_s`.
        evidence_window_s: u32,
        /// How long the master has to answer a claim that a verdict is overdue.
        answer_window_s: u32,
        /// What a reporter gets of what is slashed, at most 5,000.
        reporter_share_bps: u16,
        /// How much of a stake two commits for one lease cost.
        equivocation_slash_bps: u16,
        /// How much of a stake guardians may slash by one piece of evidence.
        evidence_cap_bps: u16,
        /// What a challenger puts up, in base units; not 0.
        challenge_bond: u64,
        /// The most that one claim takes from the master's bond, in base units.
        bond_claim_cap: u64,
    }
);

record!(
    /// One operator's deployment: its rules, and the sums that its vaults must cover.
    Farm starts &[Kind::Farm as u8, VERSION],
    {
        /// Bump of this address.
        bump: u8,
        /// Bumps of the vaults, by their numbers.
        vault_bumps: [u8; 4],
        /// Counts changes of the guardians: what earlier ones approved is void.
        guardian_set: u32,
        /// The master's key: signs epochs, receipts and verdicts.
        authority: Key,
        /// The SPL mint of all amounts.
        mint: Key,
        /// Guardians, windows and shares.
        rules: Rules,
        /// The number that the next epoch must have, from 1.
        next_epoch: u64,
        /// The epoch that is open or challenged, or cancelled with draws not yet returned; 0: none.
        settling: u64,
        /// What the escrow vault must cover.
        escrow_total: u64,
        /// What the stake vault must cover.
        stake_total: u64,
        /// What the channels vault must cover.
        channels_total: u64,
        /// The master's bond. The bond vault must cover it, `unbonding` and `challenges_held`.
        bond: u64,
        /// Bond that the master asked for. Claims reach it until it is paid out.
        unbonding: u64,
        /// When `unbonding` may be paid out.
        unbond_at: i64,
        /// Bonds of challengers whose challenge is not resolved.
        challenges_held: u64,
    }
);

record!(
    /// A node at a farm.
    Node starts &[Kind::Node as u8, VERSION],
    {
        /// Bump of this address.
        bump: u8,
        /// Address of the farm's account.
        farm: Key,
        /// The node's key.
        node: Key,
        /// Token account that earnings go to.
        payout: Key,
        /// Gets the rent back when the account closes.
        rent_payer: Key,
        /// Stake, in base units.
        stake: u64,
        /// Stake that the node asked for. Slashing reaches it until it is paid out.
        unlocking: u64,
        /// When `unlocking` may be paid out.
        unlock_at: i64,
        /// All that was ever slashed.
        slashed_total: u64,
        /// The last epoch that it challenged; 0: none.
        challenged: u64,
    }
);

record!(
    /// The money of one job or stream, held until its work is settled.
    Job starts &[Kind::Job as u8, VERSION],
    {
        /// Bump of this address.
        bump: u8,
        /// Address of the farm's account.
        farm: Key,
        /// The job.
        job: Id,
        /// Who deposited: may take what is left after `expires_at` to any account.
        artist: Key,
        /// Token account that refunds go to.
        refund: Key,
        /// Gets the rent back when the account closes.
        rent_payer: Key,
        /// All that was ever deposited.
        deposited: u64,
        /// All that epochs drew and did not return; never above `deposited`.
        drawn: u64,
        /// The last epoch that drew; 0: none.
        last_epoch: u64,
        /// What it drew; 0 once that was returned.
        last_draw: u64,
        /// From then on nothing is drawn, and anyone may have what is left refunded.
        expires_at: i64,
    }
);

byte_enum!(
    /// Where an epoch stands.
    EpochState {
        /// Being funded, may be challenged until its deadline.
        Open = 0,
        /// Waits for guardians to resolve a challenge.
        Challenged = 1,
        /// Every leaf may be paid.
        Payable = 2,
        /// Nothing will be paid; draws go back to their jobs.
        Cancelled = 3,
    }
);

record!(
    /// One settlement: a payout tree and the money for it. The bitmap of paid leaves follows.
    Epoch starts &[Kind::Epoch as u8, VERSION],
    {
        /// Bump of this address.
        bump: u8,
        /// Where it stands.
        state: EpochState,
        /// Which guardians approved: bit `i` for the `i`th.
        approvals: u8,
        /// Leaves of the tree.
        leaf_count: u32,
        /// Leaves that are paid.
        paid_leaves: u32,
        /// Address of the farm's account.
        farm: Key,
        /// Its number.
        number: u64,
        /// Root of the payout tree.
        root: Hash,
        /// Sum of all leaves.
        total: u64,
        /// What was drawn for it from jobs; `total` when it is sealed.
        funded: u64,
        /// What was paid out of it.
        paid: u64,
        /// From then on it can be sealed and no longer be challenged.
        deadline: i64,
        /// From then on anyone may cancel it if it is not sealed, however often its deadline began
        /// anew.
        abandoned_at: i64,
        /// Key of the node whose challenge is not resolved, else zeros.
        challenger: Key,
        /// What that node put up.
        challenge_bond: u64,
        /// Hash of its reasons.
        reason: Hash,
        /// Gets the rent back when the account closes.
        rent_payer: Key,
    }
);

impl Epoch {
    /// Bytes of the whole account, bitmap included.
    #[must_use]
    pub const fn account_len(leaf_count: u32) -> usize {
        Self::LEN + crate::tree::bitmap_len(leaf_count)
    }
}

record!(
    /// That something happened, and will not a second time.
    Mark starts &[Kind::Mark as u8, VERSION],
    {
        /// Bump of this address.
        bump: u8,
    }
);

byte_enum!(
    /// Where a claim of an overdue verdict stands.
    OmissionState {
        /// The master may answer.
        Open = 0,
        /// The verdict was shown.
        Answered = 1,
        /// The node was paid out of the master's bond.
        Paid = 2,
    }
);

record!(
    /// A node's claim that the verdict on its commit is overdue. It stays when it is settled, so
    /// that there is only ever one for a lease.
    Omission starts &[Kind::Omission as u8, VERSION],
    {
        /// Bump of this address.
        bump: u8,
        /// Where it stands.
        state: OmissionState,
        /// Address of the farm's account.
        farm: Key,
        /// The node's key.
        node: Key,
        /// The lease.
        lease: Id,
        /// Its generation.
        generation: u64,
        /// What the work earns, in base units.
        pay: u64,
        /// After that the node may take its pay from the master's bond.
        answer_by: i64,
        /// Which commit was acknowledged.
        commit: Hash,
    }
);

record!(
    /// Guardians' proposal to slash a node. It stays when it was executed, so that one piece of
    /// evidence slashes once.
    Proposal starts &[Kind::Proposal as u8, VERSION],
    {
        /// Bump of this address.
        bump: u8,
        /// Whether it was executed.
        executed: bool,
        /// Which guardians approved: bit `i` for the `i`th.
        approvals: u8,
        /// Which guardians those were: the farm's count when it was proposed.
        guardian_set: u32,
        /// Address of the farm's account.
        farm: Key,
        /// The node's key.
        node: Key,
        /// Hash of the evidence.
        evidence: Hash,
        /// What is to be slashed, in base units.
        amount: u64,
        /// From then on it can be executed.
        ready_at: i64,
    }
);

byte_enum!(
    /// Where a channel stands.
    ChannelState {
        /// Vouchers are redeemed; more so while its payer waits to close it.
        Open = 0,
        /// Nothing is left in it. The account stays, or old vouchers would be good for a new
        /// channel at the same address.
        Closed = 1,
    }
);

record!(
    /// Money that a payer promises to a node voucher by voucher.
    Channel starts &[Kind::Channel as u8, VERSION],
    {
        /// Bump of this address.
        bump: u8,
        /// Where it stands.
        state: ChannelState,
        /// Address of the farm's account.
        farm: Key,
        /// Who pays.
        payer: Key,
        /// The node's key.
        payee: Key,
        /// Signs the vouchers.
        voucher_key: Key,
        /// Token account that the rest goes back to.
        refund: Key,
        /// Tells channels of one payer to one node apart.
        nonce: u64,
        /// All that was ever deposited.
        deposited: u64,
        /// All that was redeemed; never above `deposited`.
        redeemed: u64,
        /// How long the node may redeem after its payer asked to close.
        grace_s: u32,
        /// From then on anyone may close it; 0: nobody asked.
        close_at: i64,
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_begin_with_kind_version_and_bump() {
        let mark = Mark { bump: 254 };
        assert_eq!(mark.encode(), [5, 1, 254]);
        assert_eq!(Mark::decode(&[5, 1, 254]), Some(mark));
        assert_eq!(Mark::decode(&[4, 1, 254]), None, "another kind");
        assert_eq!(Mark::decode(&[5, 2, 254]), None, "another version");
        assert_eq!(Mark::decode(&[0, 0, 0]), None, "nothing there");
    }

    #[test]
    fn lengths_are_as_written_down() {
        // Rent and whoever reads accounts by offset depend on them.
        assert_eq!(Rules::LEN, 2 + 5 * 32 + 4 * 4 + 3 * 2 + 2 * 8);
        assert_eq!(Farm::LEN, 2 + 1 + 4 + 4 + 2 * 32 + Rules::LEN + 9 * 8);
        assert_eq!(Node::LEN, 2 + 1 + 4 * 32 + 5 * 8);
        assert_eq!(Job::LEN, 2 + 1 + 32 + 16 + 3 * 32 + 5 * 8);
        assert_eq!(Epoch::LEN, 2 + 3 + 8 + 32 + 8 + 32 + 5 * 8 + 32 + 8 + 32 + 32);
        assert_eq!(Epoch::account_len(9), Epoch::LEN + 2);
        assert_eq!(Omission::LEN, 2 + 2 + 64 + 16 + 24 + 32);
        assert_eq!(Proposal::LEN, 2 + 3 + 4 + 96 + 16);
        assert_eq!(Channel::LEN, 2 + 2 + 5 * 32 + 24 + 4 + 8);
    }

    #[test]
    fn a_state_that_means_nothing_is_refused() {
        let epoch = Epoch {
            bump: 255,
            state: EpochState::Cancelled,
            approvals: 0b101,
            leaf_count: 3,
            paid_leaves: 1,
            farm: [1; 32],
            number: 7,
            root: [2; 32],
            total: 100,
            funded: 90,
            paid: 10,
            deadline: -1,
            abandoned_at: 6,
            challenger: [0; 32],
            challenge_bond: 5,
            reason: [3; 32],
            rent_payer: [4; 32],
        };
        let mut bytes = epoch.encode();
        assert_eq!(Epoch::decode(&bytes), Some(epoch));
        bytes[3] = 4;
        assert_eq!(Epoch::decode(&bytes), None);
    }

    #[test]
    fn numbers_of_kinds_and_states_come_back() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_number(*kind as u8), Some(*kind));
        }
        assert_eq!(Kind::from_number(0), None);
        assert_eq!(EpochState::from_number(4), None);
    }
}
