//! What a node or a worker was told of itself, kept where its owner can read it: what it has earned, and why
//! it got nothing when it asked last. Both keep it in the same file of their state folders.

use crate::MasterAddress;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use tessera_durable::{Access, OsDisk, write_file};
use tessera_protocol::NodeId;
use tessera_protocol::finance::EarningsView;
use tessera_protocol::job::Why;

/// In the state folder.
pub const STATUS_FILE: &str = "status.json";

/// See the module.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Whose.
    pub node: NodeId,
    /// What people call it.
    pub name: String,
    /// Whom it works for.
    pub master: String,
    /// When it was told this, in milliseconds since 1970.
    pub at_ms: i64,
    /// What it has earned.
    pub earnings: EarningsView,
    /// Why it got nothing when it asked for work last.
    pub why: Vec<Why>,
}

/// A status that cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// There is none, or it is not for this user.
    #[error(
        "{}: {source}; it is written by whoever works for a master: is --state its folder?",
        path.display()
    )]
    Unread {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{}: {source}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The file could not be written.
    #[error(transparent)]
    Unwritten(#[from] tessera_durable::Error),
}

impl Status {
    /// What was told just now.
    pub fn now(
        node: NodeId,
        name: &str,
        master: &MasterAddress,
        (earnings, why): (EarningsView, Vec<Why>),
    ) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            node,
            name: name.to_owned(),
            master: master.to_string(),
            at_ms: i64::try_from(now.as_millis()).unwrap_or(i64::MAX),
            earnings,
            why,
        }
    }

    /// What whoever has this state folder was told last.
    pub fn read(state: &Path) -> Result<Self, StatusError> {
        let path = state.join(STATUS_FILE);
        match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|source| StatusError::Damaged { path, source }),
            Err(source) => Err(StatusError::Unread { path, source }),
        }
    }

    /// Keeps it in a state folder, in place of the one before.
    pub fn write(&self, state: &Path) -> Result<(), StatusError> {
        let text = serde_json::to_vec(self).expect("a status is plain fields");
        Ok(write_file(&OsDisk, &state.join(STATUS_FILE), &text, Access::Umask)?)
    }
}

/// As people read it, some lines.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, name, master, earnings, why, .. } = self;
        write!(f, "{name} ({node}), at work for {master}")?;
        // As text first: amounts do not fill a column by themselves.
        let mut line = |what: &str, amount: tessera_protocol::Amount, means: &str| {
            let line = format!("  {what:<8}  {:>14}   {means}", amount.to_string());
            write!(f, "\n{}", line.trim_end())
        };
        line("pending", earnings.pending, "brought, and not judged finally")?;
        line("earned", earnings.earned, "counts, and is not settled yet")?;
        line("settling", earnings.settling, "in an epoch on its way, or claimable")?;
        line("paid", earnings.paid, "")?;
        line("rejected", earnings.rejected, "was wrong, and is not paid")?;
        line("unpaid", earnings.unpaid, "counts, and nobody has money for it")?;
        for note in &earnings.notes {
            write!(f, "\n  note: {note}")?;
        }
        for why in why {
            write!(f, "\n  waits: {}", why.sentence)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PlainHttp;
    use tessera_protocol::Amount;

    #[test]
    fn a_status_is_read_as_it_was_written_and_where_there_is_none_that_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let none = Status::read(folder.path()).unwrap_err();
        assert!(none.to_string().contains("--state"), "{none}");
        let master = MasterAddress::parse("http://127.0.0.1:1", PlainHttp::LoopbackOnly).unwrap();
        let why = Why { code: "outbid".into(), sentence: "Another one cost less.".into() };
        let earnings = EarningsView {
            paid: Amount(1_500_000),
            notes: vec!["a word".into()],
            ..EarningsView::default()
        };
        let status = Status::now(NodeId([1; 32]), "a node", &master, (earnings, vec![why]));
        status.write(folder.path()).unwrap();
        assert_eq!(Status::read(folder.path()).unwrap(), status);
        std::fs::write(folder.path().join(STATUS_FILE), "{").unwrap();
        assert!(matches!(Status::read(folder.path()), Err(StatusError::Damaged { .. })));

        let said = status.to_string();
        let lines: Vec<&str> = said.lines().collect();
        assert!(
            lines[0].starts_with("a node (0101") && lines[0].contains(&status.master),
            "{said}"
        );
        assert_eq!(lines[4], "  paid            1.500000");
        assert_eq!(lines[7..], ["  note: a word", "  waits: Another one cost less."]);
    }
}
