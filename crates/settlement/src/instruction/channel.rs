//! Channels: money promised voucher by voucher.

use solana_address::Address;
use solana_instruction::Instruction;
use tessera_settlement_abi::instruction::{
    CloseChannel, OpenChannel, Redeem, RequestClose, TopUpChannel,
};
use tessera_settlement_abi::seeds::Vault;

use super::{FarmAddresses, INSTRUCTIONS, SYSTEM, Source, TOKEN, payer, read, signer, writable};

/// The two ends of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Who pays.
    pub payer: Address,
    /// The node's key.
    pub payee: Address,
}

impl FarmAddresses {
    /// Makes a channel and deposits into it; `rent` pays for its account.
    #[must_use]
    pub fn open_channel(
        &self,
        rent: Address,
        source: Source,
        refund: Address,
        payee: &Address,
        terms: OpenChannel,
    ) -> Instruction {
        let accounts = vec![
            payer(rent),
            signer(source.owner),
            writable(source.account),
            read(refund),
            writable(self.farm),
            read(self.node(payee)),
            writable(self.channel(&source.owner, payee, terms.nonce)),
            writable(self.vault(Vault::Channels)),
            read(SYSTEM),
            read(TOKEN),
        ];
        self.build(terms.encode(), accounts)
    }

    /// Adds to a channel's deposit.
    #[must_use]
    pub fn top_up_channel(&self, source: Source, channel: Address, amount: u64) -> Instruction {
        self.deposit(TopUpChannel { amount }.encode(), source, (channel, Vault::Channels))
    }

    /// Pays what a voucher promises to `payout`, where the payee is paid. The voucher is verified at
    /// the place `signatures_at` of the same transaction.
    #[must_use]
    pub fn redeem(
        &self,
        payee: &Address,
        payout: Address,
        channel: Address,
        signatures_at: u8,
    ) -> Instruction {
        let accounts = vec![
            writable(self.farm),
            read(self.node(payee)),
            writable(channel),
            writable(self.vault(Vault::Channels)),
            writable(payout),
            read(INSTRUCTIONS),
            read(TOKEN),
        ];
        self.build(Redeem { signatures_at }.encode(), accounts)
    }

    /// The payer asks to close a channel.
    #[must_use]
    pub fn request_close(&self, payer: Address, channel: Address) -> Instruction {
        self.build(RequestClose {}.encode(), vec![signer(payer), writable(channel)])
    }

    /// Closes a channel: after its grace nobody needs to sign, the payee may at once. If the payer
    /// signs, `refund` may be any token account.
    #[must_use]
    pub fn close_channel(
        &self,
        ends: Ends,
        channel: Address,
        refund: Address,
        signing: &[Address],
    ) -> Instruction {
        let end = |address| {
            if signing.contains(&address) { signer(address) } else { read(address) }
        };
        let accounts = vec![
            end(ends.payer),
            end(ends.payee),
            writable(self.farm),
            writable(channel),
            writable(self.vault(Vault::Channels)),
            writable(refund),
            read(TOKEN),
        ];
        self.build(CloseChannel {}.encode(), accounts)
    }
}
