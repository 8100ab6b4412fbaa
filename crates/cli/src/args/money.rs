//! What can be typed about money.

use clap::{Args as ClapArgs, ValueEnum};
use std::path::PathBuf;
use tessera_protocol::{Amount, JobId, QuoteId, Tier};

#[derive(Debug, ClapArgs)]
pub(crate) struct WalletArgs {
    /// The wallet's key file, as Solana's tools write it; made where it is missing. By default one in the
    /// state folder.
    #[arg(long, value_name = "FILE", env = "TESSERA_WALLET")]
    pub wallet: Option<PathBuf>,
    /// Take play money from the faucet of `farm up`'s own chain first.
    #[arg(long, value_name = "TOKENS")]
    pub play_money: Option<Amount>,
}

/// Which key pays.
#[derive(Debug, ClapArgs)]
pub(crate) struct PayWith {
    /// The wallet that pays. By default one in the state folder.
    #[arg(long, value_name = "FILE", env = "TESSERA_WALLET")]
    pub wallet: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AcceptArgs {
    pub quote: QuoteId,
    #[command(flatten)]
    pub with: PayWith,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ReclaimArgs {
    pub quote: QuoteId,
    #[command(flatten)]
    pub with: PayWith,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct TopUpArgs {
    pub job: JobId,
    /// By how much its ceiling rises, in tokens.
    pub amount: Amount,
    #[command(flatten)]
    pub with: PayWith,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ApproveArgs {
    pub job: JobId,
    /// Only this frame; all that are assembled by default.
    #[arg(long, value_name = "N")]
    pub frame: Option<u32>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RejectArgs {
    pub job: JobId,
    pub frame: u32,
    /// What is wrong with it.
    #[arg(long, value_name = "TEXT")]
    pub because: String,
    /// Do not wait for the answer.
    #[arg(long)]
    pub no_wait: bool,
}

/// `economy`, `standard` or `priority`.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum TierArg {
    /// The cheapest, when others leave room.
    Economy,
    /// The usual.
    Standard,
    /// Before the others, on proven nodes.
    Priority,
}

impl From<TierArg> for Tier {
    fn from(tier: TierArg) -> Self {
        match tier {
            TierArg::Economy => Self::Economy,
            TierArg::Standard => Self::Standard,
            TierArg::Priority => Self::Priority,
        }
    }
}
