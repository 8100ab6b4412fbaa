//! How a program that works for a master is told whom to work for: the same words for nodes, workers
//! and gateways.

use crate::address::{AddressError, MasterAddress, PlainHttp};
use std::path::PathBuf;

/// A master, and what lets this program join it.
#[derive(Debug, clap::Args)]
pub struct MasterArguments {
    /// Address of the master, such as https://farm.example.
    #[arg(long, value_name = "URL", env = "TESSERA_MASTER")]
    master: String,
    /// What lets this program join; better in a file or in TESSERA_TOKEN, where others on this
    /// machine don't see it.
    #[arg(long, conflicts_with = "token_file")]
    token: Option<String>,
    /// A file that holds the token.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Speak plain http to a master on another machine: only where the connection is protected
    /// otherwise, since it shows the token to the network.
    #[arg(long)]
    allow_plain_http: bool,
}

/// Why nobody can be worked for.
#[derive(Debug, thiserror::Error)]
pub enum MasterArgumentsError {
    /// The address is none, or would show the token.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The token's file.
    #[error("could not read the token in {}: {source}", file.display())]
    Unread {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Nobody gave one.
    #[error("no token: give one that may enrol with --token-file or TESSERA_TOKEN")]
    NoToken,
}

impl MasterArguments {
    /// Where the master is.
    pub fn address(&self) -> Result<MasterAddress, MasterArgumentsError> {
        let plain =
            if self.allow_plain_http { PlainHttp::Anywhere } else { PlainHttp::LoopbackOnly };
        Ok(MasterAddress::parse(&self.master, plain)?)
    }

    /// Whether a master on another machine may be spoken to in plain.
    pub fn allows_plain_http(&self) -> bool {
        self.allow_plain_http
    }

    /// The token, from wherever it was given.
    pub fn token(&self) -> Result<String, MasterArgumentsError> {
        if let Some(token) = &self.token {
            return Ok(token.clone());
        }
        if let Some(file) = &self.token_file {
            return match std::fs::read_to_string(file) {
                Ok(text) => Ok(text.trim().to_owned()),
                Err(source) => Err(MasterArgumentsError::Unread { file: file.clone(), source }),
            };
        }
        std::env::var("TESSERA_TOKEN").map_err(|_| MasterArgumentsError::NoToken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        master: MasterArguments,
    }

    fn arguments(more: &[&str]) -> MasterArguments {
        let line = ["program", "--master", "http://10.0.0.1:1"].iter().chain(more);
        Line::try_parse_from(line).unwrap().master
    }

    #[test]
    fn a_master_on_another_machine_is_not_spoken_to_in_plain_unless_asked_for() {
        let refused = arguments(&[]).address();
        assert!(matches!(refused, Err(MasterArgumentsError::Address(_))), "{refused:?}");
        arguments(&["--allow-plain-http"]).address().unwrap();
    }

    #[test]
    fn a_token_comes_out_of_its_file_without_the_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let line = ["--token-file", file.to_str().unwrap()];
        let unread = arguments(&line).token().unwrap_err().to_string();
        assert!(unread.contains(line[1]), "{unread}");
        std::fs::write(&file, "secret\n").unwrap();
        assert_eq!(arguments(&line).token().unwrap(), "secret");
        assert_eq!(arguments(&["--token", "other"]).token().unwrap(), "other");
    }
}
