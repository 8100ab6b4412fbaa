//! Accusations. Those that rest on signatures need a [`signature_check`](super::signature_check) in
//! the same transaction, at the place `signatures_at`.

use solana_address::Address;
use solana_instruction::Instruction;
use tessera_settlement_abi::instruction::{
    AnswerOmitted, ApproveSlash, ClaimDoubleVerdict, ClaimOmitted, DepositBond, ExecuteSlash,
    ProposeSlash, RequestUnbond, SettleOmitted, SlashEquivocation, WithdrawBond,
};
use tessera_settlement_abi::seeds::Vault;
use tessera_settlement_abi::{Hash, Id};

use super::{FarmAddresses, INSTRUCTIONS, SYSTEM, Source, TOKEN, payer, read, signer, writable};

/// One generation of a node's lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseOf {
    /// The node's key.
    pub node: Address,
    /// The lease.
    pub lease: Id,
    /// Its generation.
    pub generation: u64,
}

impl FarmAddresses {
    /// Slashes a node for two commits; `rent` pays for the mark, `reporter` is the token account
    /// that gets the reporter's share.
    #[must_use]
    pub fn slash_equivocation(
        &self,
        rent: Address,
        reporter: Address,
        of: &LeaseOf,
        signatures_at: u8,
    ) -> Instruction {
        let accounts = vec![
            payer(rent),
            writable(reporter),
            writable(self.farm),
            writable(self.node(&of.node)),
            writable(self.vault(Vault::Stake)),
            writable(self.mint),
            writable(self.slashed(&of.node, &of.lease, of.generation)),
            read(INSTRUCTIONS),
            read(SYSTEM),
            read(TOKEN),
        ];
        self.build(SlashEquivocation { signatures_at }.encode(), accounts)
    }

    /// Adds to the master's bond.
    #[must_use]
    pub fn deposit_bond(&self, source: Source, amount: u64) -> Instruction {
        let accounts = vec![
            signer(source.owner),
            writable(source.account),
            writable(self.farm),
            writable(self.vault(Vault::Bond)),
            read(TOKEN),
        ];
        self.build(DepositBond { amount }.encode(), accounts)
    }

    /// Asks for bond back.
    #[must_use]
    pub fn request_unbond(&self, amount: u64) -> Instruction {
        let accounts = vec![signer(self.authority), writable(self.farm)];
        self.build(RequestUnbond { amount }.encode(), accounts)
    }

    /// Pays out the bond that was asked for.
    #[must_use]
    pub fn withdraw_bond(&self, to: Address) -> Instruction {
        let accounts = vec![
            signer(self.authority),
            writable(self.farm),
            writable(self.vault(Vault::Bond)),
            writable(to),
            read(TOKEN),
        ];
        self.build(WithdrawBond {}.encode(), accounts)
    }

    /// Pays a node for two verdicts on one lease; `rent` pays for the mark, `payout` is where the
    /// node is paid.
    #[must_use]
    pub fn claim_double_verdict(
        &self,
        rent: Address,
        payout: Address,
        of: &LeaseOf,
        signatures_at: u8,
    ) -> Instruction {
        let accounts = vec![
            payer(rent),
            writable(self.farm),
            read(self.node(&of.node)),
            writable(self.vault(Vault::Bond)),
            writable(payout),
            writable(self.doubled(&of.node, &of.lease, of.generation)),
            read(INSTRUCTIONS),
            read(SYSTEM),
            read(TOKEN),
        ];
        self.build(ClaimDoubleVerdict { signatures_at }.encode(), accounts)
    }

    /// Claims that a verdict is overdue; `rent` pays for the claim's account.
    #[must_use]
    pub fn claim_omitted(&self, rent: Address, of: &LeaseOf, signatures_at: u8) -> Instruction {
        let accounts = vec![
            payer(rent),
            read(self.farm),
            read(self.node(&of.node)),
            writable(self.omitted(&of.node, &of.lease, of.generation)),
            read(INSTRUCTIONS),
            read(SYSTEM),
        ];
        self.build(ClaimOmitted { signatures_at }.encode(), accounts)
    }

    /// Answers such a claim with the verdict.
    #[must_use]
    pub fn answer_omitted(&self, of: &LeaseOf, signatures_at: u8) -> Instruction {
        let claim = writable(self.omitted(&of.node, &of.lease, of.generation));
        let accounts = vec![read(self.farm), claim, read(INSTRUCTIONS)];
        self.build(AnswerOmitted { signatures_at }.encode(), accounts)
    }

    /// Pays an unanswered claim to `payout`, where the node is paid.
    #[must_use]
    pub fn settle_omitted(&self, payout: Address, of: &LeaseOf) -> Instruction {
        let accounts = vec![
            writable(self.farm),
            read(self.node(&of.node)),
            writable(self.omitted(&of.node, &of.lease, of.generation)),
            writable(self.vault(Vault::Bond)),
            writable(payout),
            read(TOKEN),
        ];
        self.build(SettleOmitted {}.encode(), accounts)
    }

    /// A guardian proposes to slash a node; `rent` pays for the proposal's account.
    #[must_use]
    pub fn propose_slash(
        &self,
        rent: Address,
        guardian: Address,
        node: &Address,
        evidence: Hash,
        amount: u64,
    ) -> Instruction {
        let accounts = vec![
            payer(rent),
            signer(guardian),
            read(self.farm),
            read(self.node(node)),
            writable(self.proposal(node, &evidence)),
            read(SYSTEM),
        ];
        self.build(ProposeSlash { evidence, amount }.encode(), accounts)
    }

    /// Another guardian approves it.
    #[must_use]
    pub fn approve_slash(&self, guardian: Address, node: &Address, evidence: &Hash) -> Instruction {
        let proposal = writable(self.proposal(node, evidence));
        self.build(ApproveSlash {}.encode(), vec![signer(guardian), read(self.farm), proposal])
    }

    /// Burns the stake.
    #[must_use]
    pub fn execute_slash(&self, node: &Address, evidence: &Hash) -> Instruction {
        let accounts = vec![
            writable(self.farm),
            writable(self.node(node)),
            writable(self.proposal(node, evidence)),
            writable(self.vault(Vault::Stake)),
            writable(self.mint),
            read(TOKEN),
        ];
        self.build(ExecuteSlash {}.encode(), accounts)
    }
}
