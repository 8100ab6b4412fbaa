//! Deceit: of nodes, paid from their stake, and of the master, paid from its bond.

use super::Tag;
use crate::Hash;

record!(
    /// Slashes a node that signed two commits for one generation of a lease.
    ///
    /// The two [`CommitHeader`](crate::signed::CommitHeader)s are the two messages of one
    /// instruction of the Ed25519 program in the same transaction.
    ///
    /// Accounts: payer `ws`, reporter's token account `w`, farm `w`, node account `w`, stake vault
    /// `w`, mint `w`, mark `w`, instructions, system, token.
    SlashEquivocation starts &[Tag::SlashEquivocation as u8],
    {
        /// Place of the Ed25519 instruction in the transaction.
        signatures_at: u8,
    }
);

record!(
    /// Adds to the master's bond.
    ///
    /// Accounts: owner of the source `s`, source token account `w`, farm `w`, bond vault `w`, token.
    DepositBond starts &[Tag::DepositBond as u8],
    {
        /// In base units, not 0.
        amount: u64,
    }
);

record!(
    /// Asks for bond back. What was asked for before waits anew.
    ///
    /// Accounts: authority `s`, farm `w`.
    RequestUnbond starts &[Tag::RequestUnbond as u8],
    {
        /// In base units, not 0.
        amount: u64,
    }
);

record!(
    /// Pays out the bond that was asked for, after the cooldown.
    ///
    /// Accounts: authority `s`, farm `w`, bond vault `w`, destination `w`, token.
    WithdrawBond starts &[Tag::WithdrawBond as u8],
    {}
);

record!(
    /// Pays a node out of the bond of a master that signed two verdicts on one generation of a
    /// lease.
    ///
    /// The two [`VerdictHeader`](crate::signed::VerdictHeader)s are the two messages of one
    /// instruction of the Ed25519 program in the same transaction.
    ///
    /// Accounts: payer `ws`, farm `w`, node account, bond vault `w`, node's payout account `w`,
    /// mark `w`, instructions, system, token.
    ClaimDoubleVerdict starts &[Tag::ClaimDoubleVerdict as u8],
    {
        /// Place of the Ed25519 instruction in the transaction.
        signatures_at: u8,
    }
);

record!(
    /// Claims that the verdict on an acknowledged commit is overdue.
    ///
    /// The [`AckHeader`](crate::signed::AckHeader) is the message of an instruction of the Ed25519
    /// program in the same transaction.
    ///
    /// Accounts: payer `ws`, farm, node account, claim `w`, instructions, system.
    ClaimOmitted starts &[Tag::ClaimOmitted as u8],
    {
        /// Place of the Ed25519 instruction in the transaction.
        signatures_at: u8,
    }
);

record!(
    /// Answers such a claim with the verdict.
    ///
    /// The [`VerdictHeader`](crate::signed::VerdictHeader) is the message of an instruction of the
    /// Ed25519 program in the same transaction.
    ///
    /// Accounts: farm, claim `w`, instructions.
    AnswerOmitted starts &[Tag::AnswerOmitted as u8],
    {
        /// Place of the Ed25519 instruction in the transaction.
        signatures_at: u8,
    }
);

record!(
    /// Pays an unanswered claim out of the master's bond.
    ///
    /// Accounts: farm `w`, node account, claim `w`, bond vault `w`, node's payout account `w`, token.
    SettleOmitted starts &[Tag::SettleOmitted as u8],
    {}
);

record!(
    /// A guardian proposes to slash a node, which counts as its approval.
    ///
    /// Accounts: payer `ws`, guardian `s`, farm, node account, proposal `w`, system.
    ProposeSlash starts &[Tag::ProposeSlash as u8],
    {
        /// Hash of the evidence, which is published elsewhere.
        evidence: Hash,
        /// In base units, not 0.
        amount: u64,
    }
);

record!(
    /// Another guardian approves it.
    ///
    /// Accounts: guardian `s`, farm, proposal `w`.
    ApproveSlash starts &[Tag::ApproveSlash as u8],
    {}
);

record!(
    /// Burns the stake, once approved and after the evidence window.
    ///
    /// Accounts: farm `w`, node account `w`, proposal `w`, stake vault `w`, mint `w`, token.
    ExecuteSlash starts &[Tag::ExecuteSlash as u8],
    {}
);
