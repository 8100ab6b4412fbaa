//! What can be typed about streams.

use super::PayWith;
use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use std::str::FromStr;
use tessera_protocol::stream::Ladder;
use tessera_protocol::stream::view::Latency;
use tessera_protocol::{Amount, PixelPrice};

/// What is done with streams.
#[derive(Debug, Subcommand)]
pub(crate) enum StreamCommand {
    /// Make a stream, and print its key, which is shown this once.
    Create(CreateStreamArgs),
    /// List streams, newest first.
    List,
    /// Show one stream in full: how it does, and who transcodes it.
    Show { stream: StreamRef },
    /// Follow a stream until it is ended.
    Watch { stream: StreamRef },
    /// Pay more into a stream's deposit, which its workers are paid from.
    TopUp(TopUpStreamArgs),
    /// Take back a stream's deposit that has expired, a year after it was made; `stop` returns it at once.
    Reclaim(ReclaimStreamArgs),
    /// Replace a stream's key; the old one is refused from then on, also in mid-stream.
    RotateKey { stream: StreamRef },
    /// End a stream for good.
    Stop { stream: StreamRef },
    /// List the segments of a stream's session, each with who made it.
    Segments { stream: StreamRef },
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CreateStreamArgs {
    /// What to call it.
    pub name: String,
    /// What to make of the source, such as 720p:2800k,480p30:1400k,360p:1M:av1.
    #[arg(long, value_name = "L", conflicts_with = "preset")]
    pub ladder: Option<Ladder>,
    /// The same in a word.
    #[arg(long, value_enum, default_value = "standard")]
    pub preset: Preset,
    /// How far behind the source viewers may be.
    #[arg(long, value_enum, default_value = "standard")]
    pub latency: LatencyArg,
    /// Keep each session as a recording.
    #[arg(long)]
    pub record: bool,
    /// Send the source on to this rtmp:// or rtmps:// URL as it is.
    #[arg(long, value_name = "URL")]
    pub restream: Option<String>,
    /// What to pay workers at most for 10^12 encoded pixels, in tokens, out of a deposit. Without it nobody
    /// is paid, and the stream has the workers that others leave.
    #[arg(long, value_name = "TOKENS", requires = "deposit")]
    pub max_price: Option<PixelPrice>,
    /// What to deposit for that; what is not used returns when the stream is ended.
    #[arg(long, value_name = "TOKENS", requires = "max_price")]
    pub deposit: Option<Amount>,
    #[command(flatten)]
    pub with: PayWith,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct TopUpStreamArgs {
    pub stream: StreamRef,
    /// How much more, in tokens.
    pub amount: Amount,
    #[command(flatten)]
    pub with: PayWith,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ReclaimStreamArgs {
    pub stream: StreamRef,
    #[command(flatten)]
    pub with: PayWith,
}

/// Ladders in common use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Preset {
    /// 720, 480, 360 and 240 lines.
    Standard,
    /// The same with 1080 lines above.
    FullHd,
    /// 480, 360 and 240 lines, for telephones.
    Mobile,
}

impl Preset {
    pub(crate) fn ladder(self) -> Ladder {
        let text = match self {
            Self::Standard => return Ladder::standard(),
            Self::FullHd => "1080p:5M,720p:2800k,480p:1400k,360p:800k,240p:400k",
            Self::Mobile => "480p:1200k,360p:700k,240p:350k",
        };
        text.parse().expect("a ladder of ours")
    }
}

/// `standard`, `short` or `low`.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LatencyArg {
    /// Segments of about two seconds.
    Standard,
    /// Segments of about one second.
    Short,
    /// Parts of about a third of a second (LL-HLS).
    Low,
}

impl From<LatencyArg> for Latency {
    fn from(latency: LatencyArg) -> Self {
        match latency {
            LatencyArg::Standard => Self::Standard,
            LatencyArg::Short => Self::Short,
            LatencyArg::Low => Self::Low,
        }
    }
}

/// A stream's id, or its name where no other stream has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamRef(pub String);

impl FromStr for StreamRef {
    type Err = std::convert::Infallible;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_ladders() {
        for preset in Preset::value_variants() {
            assert!(preset.ladder().renditions().len() >= 3);
        }
    }
}
