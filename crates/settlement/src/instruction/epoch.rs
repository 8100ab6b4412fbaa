//! Epochs, from their opening to the last leaf.

use solana_address::Address;
use solana_instruction::Instruction;
use tessera_settlement_abi::instruction::{
    ApproveEpoch, CancelEpoch, Challenge, Claim, CloseEpoch, Draw, OpenEpoch, Push, Resolve,
    ReturnDraw, Seal,
};
use tessera_settlement_abi::seeds::Vault;
use tessera_settlement_abi::{Hash, Id};

use super::{FarmAddresses, SYSTEM, TOKEN, payer, read, signer, writable};
use crate::tree::{Payout, Run};

impl FarmAddresses {
    /// Opens the farm's next epoch; `rent` pays for its account.
    #[must_use]
    pub fn open_epoch(&self, rent: Address, epoch: OpenEpoch) -> Instruction {
        let account = writable(self.epoch(epoch.number));
        let accounts =
            vec![payer(rent), signer(self.authority), writable(self.farm), account, read(SYSTEM)];
        self.build(epoch.encode(), accounts)
    }

    /// Moves money of a job to an open epoch.
    #[must_use]
    pub fn draw(&self, epoch: u64, job: &Id, amount: u64) -> Instruction {
        let accounts = vec![
            signer(self.authority),
            read(self.farm),
            writable(self.job(job)),
            writable(self.epoch(epoch)),
        ];
        self.build(Draw { amount }.encode(), accounts)
    }

    /// A guardian approves an open epoch.
    #[must_use]
    pub fn approve_epoch(&self, epoch: u64, guardian: Address) -> Instruction {
        let accounts = vec![signer(guardian), read(self.farm), writable(self.epoch(epoch))];
        self.build(ApproveEpoch {}.encode(), accounts)
    }

    /// A node challenges an open epoch, with a bond from a token account of its own.
    #[must_use]
    pub fn challenge(
        &self,
        epoch: u64,
        node: Address,
        source: Address,
        reason: Hash,
    ) -> Instruction {
        let accounts = vec![
            signer(node),
            writable(source),
            writable(self.farm),
            writable(self.node(&node)),
            writable(self.epoch(epoch)),
            writable(self.vault(Vault::Bond)),
            read(TOKEN),
        ];
        self.build(Challenge { reason }.encode(), accounts)
    }

    /// Resolves the challenge of `challenger`; who decides signs: guardians, or the authority where
    /// the farm has no threshold.
    #[must_use]
    pub fn resolve(
        &self,
        epoch: u64,
        challenger: Address,
        upheld: bool,
        deciding: &[Address],
    ) -> Instruction {
        let mut accounts = vec![
            writable(self.farm),
            writable(self.epoch(epoch)),
            writable(self.node(&challenger)),
            writable(self.vault(Vault::Bond)),
            writable(self.vault(Vault::Stake)),
            read(TOKEN),
        ];
        accounts.extend(deciding.iter().copied().map(signer));
        self.build(Resolve { upheld }.encode(), accounts)
    }

    /// Gives a cancelled epoch's draw back to its job.
    #[must_use]
    pub fn return_draw(&self, epoch: u64, job: &Id) -> Instruction {
        let accounts =
            vec![writable(self.farm), writable(self.job(job)), writable(self.epoch(epoch))];
        self.build(ReturnDraw {}.encode(), accounts)
    }

    /// Makes an epoch payable.
    #[must_use]
    pub fn seal(&self, epoch: u64) -> Instruction {
        let accounts = vec![writable(self.farm), writable(self.epoch(epoch))];
        self.build(Seal {}.encode(), accounts)
    }

    /// The authority takes an open epoch back.
    #[must_use]
    pub fn cancel_epoch(&self, epoch: u64) -> Instruction {
        let accounts =
            vec![signer(self.authority), writable(self.farm), writable(self.epoch(epoch))];
        self.build(CancelEpoch {}.encode(), accounts)
    }

    /// Anyone cancels an epoch that was abandoned; `challenger` is the node whose challenge nobody
    /// resolved.
    #[must_use]
    pub fn cancel_abandoned(&self, epoch: u64, challenger: Option<Address>) -> Instruction {
        let mut accounts =
            vec![read(self.authority), writable(self.farm), writable(self.epoch(epoch))];
        if let Some(challenger) = challenger {
            accounts.extend([
                writable(self.node(&challenger)),
                writable(self.vault(Vault::Bond)),
                writable(self.vault(Vault::Stake)),
                read(TOKEN),
            ]);
        }
        self.build(CancelEpoch {}.encode(), accounts)
    }

    /// Pays one run of leaves.
    #[must_use]
    pub fn push(&self, epoch: u64, run: &Run) -> Instruction {
        let largest = run.payouts.iter().map(|payout| payout.amount).max().unwrap_or(0);
        let width = (largest.max(1).ilog2() / 8 + 1) as u8;
        let mut data = Push { start: run.start, width }.encode().to_vec();
        for payout in &run.payouts {
            data.extend_from_slice(&payout.amount.to_le_bytes()[..usize::from(width)]);
        }
        data.extend(run.proof.iter().flatten());
        let mut accounts = vec![
            writable(self.farm),
            writable(self.epoch(epoch)),
            writable(self.vault(Vault::Escrow)),
            read(TOKEN),
        ];
        accounts.extend(run.payouts.iter().map(|payout| writable(payout.payee)));
        self.build(data, accounts)
    }

    /// Pays one leaf.
    #[must_use]
    pub fn claim(&self, epoch: u64, index: u32, payout: Payout, proof: &[Hash]) -> Instruction {
        let mut data = Claim { index, amount: payout.amount }.encode().to_vec();
        data.extend(proof.iter().flatten());
        let accounts = vec![
            writable(self.farm),
            writable(self.epoch(epoch)),
            writable(self.vault(Vault::Escrow)),
            writable(payout.payee),
            read(TOKEN),
        ];
        self.build(data, accounts)
    }

    /// Closes an epoch that owes nobody anything; `rent` is who paid for its account.
    #[must_use]
    pub fn close_epoch(&self, epoch: u64, rent: Address) -> Instruction {
        let accounts = vec![read(self.farm), writable(self.epoch(epoch)), writable(rent)];
        self.build(CloseEpoch {}.encode(), accounts)
    }
}
