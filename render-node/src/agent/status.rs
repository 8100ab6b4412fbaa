//! What the node is told of itself, kept where its owner can read it: what it has earned, and why it got
//! nothing when it asked last.

use super::Agent;
use super::session::Session;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tessera_durable::{Access, OsDisk, write_file};
use tessera_protocol::NodeId;
use tessera_protocol::finance::EarningsView;
use tessera_protocol::job::Why;
use tokio::time::Instant;

/// In the state folder.
pub const STATUS_FILE: &str = "status.json";
/// How old it becomes while the node is at work.
pub(super) const EVERY: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Which node.
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

impl Status {
    /// What the node whose state lies in this folder was told last.
    ///
    /// # Errors
    /// It never was, or the file is damaged: a sentence for people.
    pub fn read(state: &Path) -> Result<Self, String> {
        let path = state.join(STATUS_FILE);
        let text = std::fs::read_to_string(&path).map_err(|error| {
            format!(
                "{}: {error}; a node writes it once it works for a master: is --state its folder?",
                path.display()
            )
        })?;
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
    }
}

impl Agent {
    /// Asks how it stands, if it has not asked for a while, and writes it down. That it could not is no
    /// reason to work less.
    pub(super) async fn note_status(&mut self, session: &Session) {
        if self.status_at.is_some_and(|at| at.elapsed() < EVERY) {
            return;
        }
        self.status_at = Some(Instant::now());
        let told = tokio::try_join!(session.client.earnings(), session.client.why());
        let (earnings, why) = match told {
            Ok(told) => told,
            Err(error) => {
                return tracing::debug!(%error, "the master does not say how the node stands");
            }
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let status = Status {
            node: self.key.node(),
            name: self.config.name.clone(),
            master: self.config.master.to_string(),
            at_ms: i64::try_from(now.as_millis()).unwrap_or(i64::MAX),
            earnings,
            why,
        };
        let path = self.config.state.join(STATUS_FILE);
        let text = serde_json::to_vec(&status).expect("a status is plain fields");
        if let Err(error) = write_file(&OsDisk, &path, &text, Access::Umask) {
            tracing::debug!(%error, "the status could not be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_again_and_where_there_is_none_that_is_said() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Status::read(folder.path()).unwrap_err().contains("--state"));
        let status = Status {
            node: NodeId([1; 32]),
            name: "a node".into(),
            master: "http://127.0.0.1:1".into(),
            at_ms: 5,
            earnings: EarningsView::default(),
            why: vec![],
        };
        let file = folder.path().join(STATUS_FILE);
        std::fs::write(&file, serde_json::to_vec(&status).unwrap()).unwrap();
        assert_eq!(Status::read(folder.path()), Ok(status));
        std::fs::write(&file, "{").unwrap();
        assert!(Status::read(folder.path()).is_err());
    }
}
