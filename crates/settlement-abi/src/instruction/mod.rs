//! Instructions, as bytes: a tag, then the fields of its record, then, for [`Push`] and [`Claim`]
//! only, hashes.
//!
//! Accounts are listed in the order in which they are passed: `w` is writable, `s` signs. "system",
//! "token" and "instructions" are the system program, the SPL Token program and the sysvar of the
//! transaction's instructions. Who may call what is in the root documentation of the program.

mod accusation;
mod channel;
mod epoch;
mod standing;

pub use accusation::*;
pub use channel::*;
pub use epoch::*;
pub use standing::*;

byte_enum!(
    /// Which instruction, its first byte.
    Tag {
        /// [`InitFarm`].
        InitFarm = 0,
        /// [`SetFarm`].
        SetFarm = 1,
        /// [`RegisterNode`].
        RegisterNode = 10,
        /// [`SetPayout`].
        SetPayout = 11,
        /// [`Stake`].
        Stake = 12,
        /// [`RequestUnstake`].
        RequestUnstake = 13,
        /// [`WithdrawStake`].
        WithdrawStake = 14,
        /// [`CloseNode`].
        CloseNode = 15,
        /// [`OpenJob`].
        OpenJob = 20,
        /// [`TopUp`].
        TopUp = 21,
        /// [`EndJob`].
        EndJob = 22,
        /// [`ReclaimJob`].
        ReclaimJob = 23,
        /// [`OpenEpoch`].
        OpenEpoch = 30,
        /// [`Draw`].
        Draw = 31,
        /// [`ApproveEpoch`].
        ApproveEpoch = 32,
        /// [`Challenge`].
        Challenge = 33,
        /// [`Resolve`].
        Resolve = 34,
        /// [`ReturnDraw`].
        ReturnDraw = 35,
        /// [`Seal`].
        Seal = 36,
        /// [`CancelEpoch`].
        CancelEpoch = 37,
        /// [`Push`].
        Push = 38,
        /// [`Claim`].
        Claim = 39,
        /// [`CloseEpoch`].
        CloseEpoch = 40,
        /// [`SlashEquivocation`].
        SlashEquivocation = 50,
        /// [`DepositBond`].
        DepositBond = 51,
        /// [`RequestUnbond`].
        RequestUnbond = 52,
        /// [`WithdrawBond`].
        WithdrawBond = 53,
        /// [`ClaimDoubleVerdict`].
        ClaimDoubleVerdict = 54,
        /// [`ClaimOmitted`].
        ClaimOmitted = 55,
        /// [`AnswerOmitted`].
        AnswerOmitted = 56,
        /// [`SettleOmitted`].
        SettleOmitted = 57,
        /// [`ProposeSlash`].
        ProposeSlash = 58,
        /// [`ApproveSlash`].
        ApproveSlash = 59,
        /// [`ExecuteSlash`].
        ExecuteSlash = 60,
        /// [`OpenChannel`].
        OpenChannel = 70,
        /// [`TopUpChannel`].
        TopUpChannel = 71,
        /// [`Redeem`].
        Redeem = 72,
        /// [`RequestClose`].
        RequestClose = 73,
        /// [`CloseChannel`].
        CloseChannel = 74,
    }
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Rules;

    #[test]
    fn an_instruction_begins_with_its_tag() {
        assert_eq!(Seal {}.encode(), [36]);
        assert_eq!(Seal::decode(&[36]), Some(Seal {}));
        assert_eq!(Seal::decode(&[37]), None);
        assert_eq!(Seal::decode(&[36, 0]), None);
        assert_eq!(Draw { amount: 258 }.encode(), [31, 2, 1, 0, 0, 0, 0, 0, 0]);
        let open = OpenJob { job: [7; 16], amount: 5, expires_at: -1 };
        assert_eq!(OpenJob::decode(&open.encode()), Some(open));
        assert_eq!(OpenJob::LEN, 1 + 16 + 8 + 8);
        assert_eq!(InitFarm::LEN, 1 + Rules::LEN);
    }

    #[test]
    fn the_same_rules_make_and_change_a_farm() {
        let rules = Rules {
            guardian_count: 1,
            threshold: 1,
            guardians: [[1; 32], [0; 32], [0; 32], [0; 32], [0; 32]],
            challenge_window_s: 1,
            cooldown_s: 2,
            evidence_window_s: 3,
            answer_window_s: 4,
            reporter_share_bps: 5,
            equivocation_slash_bps: 6,
            evidence_cap_bps: 7,
            challenge_bond: 8,
            bond_claim_cap: 9,
        };
        let bytes = InitFarm { rules }.encode();
        let mut changed = bytes;
        changed[0] = Tag::SetFarm as u8;
        assert_eq!(SetFarm::decode(&changed), Some(SetFarm { rules }));
        assert_eq!(SetFarm::decode(&bytes), None);
    }

    #[test]
    fn tags_come_back() {
        for tag in Tag::ALL {
            assert_eq!(Tag::from_number(*tag as u8), Some(*tag));
        }
        assert_eq!(Tag::from_number(2), None);
        assert_eq!(Tag::from_number(255), None);
    }
}
