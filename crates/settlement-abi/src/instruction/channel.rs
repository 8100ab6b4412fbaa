//! Channels: money promised voucher by voucher.

use super::Tag;
use crate::Key;

record!(
    /// Makes a channel and deposits into it.
    ///
    /// Accounts: rent payer `ws`, payer (owner of the source) `s`, source token account `w`, refund
    /// token account, farm `w`, node account of the payee, channel `w`, channels vault `w`, system,
    /// token.
    OpenChannel starts &[Tag::OpenChannel as u8],
    {
        /// Tells channels of one payer to one node apart; never usable again.
        nonce: u64,
        /// Signs the vouchers.
        voucher_key: Key,
        /// In base units, not 0.
        amount: u64,
        /// How long the node may redeem after its payer asked to close: a minute to 30 days.
        grace_s: u32,
    }
);

record!(
    /// Adds to a channel's deposit.
    ///
    /// Accounts: owner of the source `s`, source token account `w`, farm `w`, channel `w`, channels
    /// vault `w`, token.
    TopUpChannel starts &[Tag::TopUpChannel as u8],
    {
        /// In base units, not 0.
        amount: u64,
    }
);

record!(
    /// Pays the payee what a voucher promises beyond what was redeemed.
    ///
    /// The [`VoucherHeader`](crate::signed::VoucherHeader) is the message of an instruction of the
    /// Ed25519 program in the same transaction.
    ///
    /// Accounts: farm `w`, node account of the payee, channel `w`, channels vault `w`, node's payout
    /// account `w`, instructions, token.
    Redeem starts &[Tag::Redeem as u8],
    {
        /// Place of the Ed25519 instruction in the transaction.
        signatures_at: u8,
    }
);

record!(
    /// The payer asks to close a channel.
    ///
    /// Accounts: payer `s`, channel `w`.
    RequestClose starts &[Tag::RequestClose as u8],
    {}
);

record!(
    /// Refunds what a channel has left: after the grace for anyone, at once if the payee signs. If
    /// the payer signs, to any token account.
    ///
    /// Accounts: payer (`s` or not), payee's key (`s` or not), farm `w`, channel `w`, channels vault
    /// `w`, refund token account `w`, token.
    CloseChannel starts &[Tag::CloseChannel as u8],
    {}
);
