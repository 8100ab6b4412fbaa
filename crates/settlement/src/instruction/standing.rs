//! Farms, nodes and jobs.

use solana_address::Address;
use solana_instruction::Instruction;
use tessera_settlement_abi::Id;
use tessera_settlement_abi::account::Rules;
use tessera_settlement_abi::instruction::{
    CloseNode, EndJob, InitFarm, OpenJob, ReclaimJob, RegisterNode, RequestUnstake, SetFarm,
    SetPayout, Stake, TopUp, WithdrawStake,
};
use tessera_settlement_abi::seeds::Vault;

use super::{FarmAddresses, SYSTEM, Source, TOKEN, payer, read, signer, writable};

impl FarmAddresses {
    /// Makes the farm and its vaults; `rent` pays for them.
    #[must_use]
    pub fn init_farm(&self, rent: Address, rules: Rules) -> Instruction {
        let mut accounts =
            vec![payer(rent), signer(self.authority), writable(self.farm), read(self.mint)];
        accounts.extend(Vault::ALL.iter().map(|kind| writable(self.vault(*kind))));
        accounts.extend([read(SYSTEM), read(TOKEN)]);
        self.build(InitFarm { rules }.encode(), accounts)
    }

    /// Changes the farm's rules; the guardians are those who agree.
    #[must_use]
    pub fn set_farm(&self, rules: Rules, guardians: &[Address]) -> Instruction {
        let mut accounts = vec![signer(self.authority), writable(self.farm)];
        accounts.extend(guardians.iter().copied().map(signer));
        self.build(SetFarm { rules }.encode(), accounts)
    }

    /// Makes a node's account; `rent` pays for it.
    #[must_use]
    pub fn register_node(&self, rent: Address, node: Address, payout: Address) -> Instruction {
        let account = writable(self.node(&node));
        let accounts =
            vec![payer(rent), signer(node), read(self.farm), account, read(payout), read(SYSTEM)];
        self.build(RegisterNode {}.encode(), accounts)
    }

    /// Has a node paid to another token account.
    #[must_use]
    pub fn set_payout(&self, node: Address, payout: Address) -> Instruction {
        let account = writable(self.node(&node));
        let accounts = vec![signer(node), read(self.farm), account, read(payout)];
        self.build(SetPayout {}.encode(), accounts)
    }

    /// Adds to a node's stake.
    #[must_use]
    pub fn stake(&self, source: Source, node: Address, amount: u64) -> Instruction {
        let into = (self.node(&node), Vault::Stake);
        self.deposit(Stake { amount }.encode(), source, into)
    }

    /// Asks for stake back.
    #[must_use]
    pub fn request_unstake(&self, node: Address, amount: u64) -> Instruction {
        let accounts = vec![signer(node), read(self.farm), writable(self.node(&node))];
        self.build(RequestUnstake { amount }.encode(), accounts)
    }

    /// Pays out the stake that was asked for.
    #[must_use]
    pub fn withdraw_stake(&self, node: Address, to: Address) -> Instruction {
        let accounts = vec![
            signer(node),
            writable(self.farm),
            writable(self.node(&node)),
            writable(self.vault(Vault::Stake)),
            writable(to),
            read(TOKEN),
        ];
        self.build(WithdrawStake {}.encode(), accounts)
    }

    /// Closes a node's account; `rent` is who paid for it.
    #[must_use]
    pub fn close_node(&self, node: Address, rent: Address) -> Instruction {
        let account = writable(self.node(&node));
        let accounts = vec![signer(node), read(self.farm), account, writable(rent)];
        self.build(CloseNode {}.encode(), accounts)
    }

    /// Makes a job's account and deposits into it; `rent` pays for the account.
    #[must_use]
    pub fn open_job(
        &self,
        rent: Address,
        artist: Source,
        refund: Address,
        deposit: OpenJob,
    ) -> Instruction {
        let accounts = vec![
            payer(rent),
            signer(artist.owner),
            writable(artist.account),
            read(refund),
            writable(self.farm),
            writable(self.job(&deposit.job)),
            writable(self.vault(Vault::Escrow)),
            read(SYSTEM),
            read(TOKEN),
        ];
        self.build(deposit.encode(), accounts)
    }

    /// Adds to a job's deposit.
    #[must_use]
    pub fn top_up(&self, source: Source, job: &Id, amount: u64) -> Instruction {
        self.deposit(TopUp { amount }.encode(), source, (self.job(job), Vault::Escrow))
    }

    /// The authority ends a job; `rent` is who paid for its account.
    #[must_use]
    pub fn end_job(&self, job: &Id, refund: Address, rent: Address) -> Instruction {
        let mut accounts = vec![signer(self.authority)];
        accounts.extend(self.exit(job, refund, rent));
        self.build(EndJob {}.encode(), accounts)
    }

    /// Ends an expired job. If the artist signs, `refund` may be any token account.
    #[must_use]
    pub fn reclaim_job(
        &self,
        job: &Id,
        (artist, signs): (Address, bool),
        refund: Address,
        rent: Address,
    ) -> Instruction {
        let mut accounts = vec![if signs { signer(artist) } else { read(artist) }];
        accounts.extend(self.exit(job, refund, rent));
        self.build(ReclaimJob {}.encode(), accounts)
    }

    fn exit(
        &self,
        job: &Id,
        refund: Address,
        rent: Address,
    ) -> [solana_instruction::AccountMeta; 6] {
        [
            writable(self.farm),
            writable(self.job(job)),
            writable(self.vault(Vault::Escrow)),
            writable(refund),
            writable(rent),
            read(TOKEN),
        ]
    }

    /// An amount of somebody's, into a vault and the account that it counts for.
    pub(super) fn deposit(
        &self,
        data: impl Into<Vec<u8>>,
        source: Source,
        (account, vault): (Address, Vault),
    ) -> Instruction {
        let accounts = vec![
            signer(source.owner),
            writable(source.account),
            writable(self.farm),
            writable(account),
            writable(self.vault(vault)),
            read(TOKEN),
        ];
        self.build(data, accounts)
    }
}
