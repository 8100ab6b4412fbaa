//! What a worker is told.

use std::path::PathBuf;
use tessera_client::MasterArguments;
use tessera_protocol::PixelPrice;

/// Whom to work for, and how much.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Whom to work for.
    #[command(flatten)]
    pub master: MasterArguments,
    /// This worker's own folder: its key, how fast it is, and receipts.
    #[arg(long, value_name = "DIR", default_value = ".tessera-worker")]
    pub state: PathBuf,
    /// What people call this worker; the machine's name by default.
    #[arg(long)]
    pub name: Option<String>,
    /// What to ask for 10^12 encoded pixels, in tokens. Streams that pay less go to others; those that
    /// nobody pays for are taken at any price.
    #[arg(long, value_name = "TOKENS", default_value = "1")]
    pub price: PixelPrice,
    /// Bits a second that this machine's line can send, such as 20M. Sessions that need more go to
    /// others; without it, any line is taken to do.
    #[arg(long, value_name = "BITS", value_parser = bits_per_s)]
    pub uplink: Option<u64>,
    /// Most sessions at once; a machine that is busy takes fewer.
    #[arg(long, value_name = "N", default_value_t = 4,
        value_parser = clap::value_parser!(u16).range(1..=64))]
    pub sessions: u16,
    /// Let other programs of this machine go first.
    #[arg(long)]
    pub nice: bool,
    /// Work although the kernel cannot shut the engine in: what strangers stream is then decoded
    /// with all rights of this user.
    #[arg(long)]
    pub without_seccomp: bool,
}

impl Arguments {
    pub(super) fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| {
            let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            if name.trim().is_empty() { "worker".to_owned() } else { name.trim().to_owned() }
        })
    }
}

/// `20M`: a whole number, and k, M or G for its thousands.
fn bits_per_s(text: &str) -> Result<u64, String> {
    let units = [('k', 1_000), ('K', 1_000), ('M', 1_000_000), ('G', 1_000_000_000)];
    let with = units.iter().find_map(|(unit, times)| Some((text.strip_suffix(*unit)?, *times)));
    let (number, times) = with.unwrap_or((text, 1));
    let bits = number.parse::<u64>().ok().and_then(|number| number.checked_mul(times));
    // The master keeps it as a signed number.
    bits.filter(|bits| (1..=i64::MAX.unsigned_abs()).contains(bits))
        .ok_or_else(|| "expected bits a second, such as 800k, 20M or 1G".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    #[test]
    fn an_uplink_is_bits_a_second_and_not_known_without_being_said() {
        let uplink = |more: &[&str]| {
            let line = ["work", "--master", "http://127.0.0.1:1"].iter().chain(more);
            Line::try_parse_from(line).map(|line| line.arguments.uplink)
        };
        assert_eq!(uplink(&[]).unwrap(), None);
        for (text, bits) in
            [("20M", 20_000_000), ("800k", 800_000), ("1G", 1_000_000_000), ("56000", 56_000)]
        {
            assert_eq!(uplink(&["--uplink", text]).unwrap(), Some(bits), "{text}");
        }
        for text in ["", "M", "0", "20m", "20 M", "-1", "1.5M", "20Mbit", "99999999999G"] {
            assert!(uplink(&["--uplink", text]).is_err(), "{text}");
        }
    }
}
