//! The chain of a farm on this machine.

use super::LOOK_EVERY;
use super::child::{Recipe, Supervised};
use super::state::StateFolder;
use anyhow::Context;
use std::ffi::OsString;
use std::path::PathBuf;

/// Where a chain is, and what is on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChainPlace {
    /// Its RPC.
    pub url: String,
    /// The settlement program, as wallets write addresses.
    pub program: String,
    /// The mint of the play money.
    pub mint: String,
}

impl ChainPlace {
    /// What the chain wrote down when it listened: a line each.
    fn read(text: &str) -> Option<Self> {
        let mut lines = text.lines().map(|line| line.trim().to_owned());
        let place = Self { url: lines.next()?, program: lines.next()?, mint: lines.next()? };
        (!place.mint.is_empty()).then_some(place)
    }
}

/// Starts the chain, and waits until it listens. Started again, it listens where it did.
pub(super) async fn start(
    program: PathBuf,
    state: &StateFolder,
) -> anyhow::Result<(Supervised, ChainPlace)> {
    let ready = state.chain().join("address");
    std::fs::create_dir_all(state.chain())
        .with_context(|| format!("cannot make the folder {}", state.chain().display()))?;
    // Left by an earlier run; the new one appears when the chain listens.
    match std::fs::remove_file(&ready) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", ready.display()));
        }
        _ => {}
    }
    let arguments = |listen: &str| -> Vec<OsString> {
        vec![
            "--state".into(),
            state.chain().join("ledger").into_os_string(),
            "--listen".into(),
            listen.into(),
            "--address-file".into(),
            ready.clone().into_os_string(),
        ]
    };
    let recipe = |listen: &str| Recipe {
        name: "chain".into(),
        program: program.clone(),
        arguments: arguments(listen),
        log: state.log("chain"),
    };
    let mut process = Supervised::start(recipe("127.0.0.1:0"))?;
    let place = loop {
        process.expect_running()?;
        let written = std::fs::read_to_string(&ready).unwrap_or_default();
        match ChainPlace::read(&written) {
            Some(place) => break place,
            None => tokio::time::sleep(LOOK_EVERY).await,
        }
    };
    process.set_arguments(arguments(place.url.trim_start_matches("http://")));
    Ok((process, place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_whole_or_not_at_all() {
        let place = ChainPlace::read("http://127.0.0.1:1\nProg\nMint\n").unwrap();
        assert_eq!((place.url.as_str(), place.mint.as_str()), ("http://127.0.0.1:1", "Mint"));
        assert_eq!(ChainPlace::read("http://127.0.0.1:1\nProg\n"), None);
        assert_eq!(ChainPlace::read("http://127.0.0.1:1\nProg\n\n"), None);
        assert_eq!(ChainPlace::read(""), None);
    }
}
