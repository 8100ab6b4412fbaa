//! Channels: money that a payer promises to a node voucher by voucher, each for the sum of all
//! before it. However many were signed, one is redeemed.

pub mod close;
pub mod open;
pub mod redeem;
pub mod request_close;
pub mod top_up;

use tessera_settlement_abi::account::{Channel, ChannelState};
use tessera_settlement_abi::error::Refusal;

use crate::checks::{Outcome, ensure};

/// Refuses if the channel is closed.
fn is_open(channel: &Channel) -> Outcome {
    ensure(channel.state == ChannelState::Open, Refusal::ChannelClosed)
}
