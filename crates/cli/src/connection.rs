//! Which master to speak to, and with which token: flag over environment over the state folder.

use crate::args::Args;
use crate::network::state::StateFolder;
use anyhow::{Context, bail};
use std::time::Duration;
use tessera_client::{Client, MasterAddress, PlainHttp};

/// How long the master may be away when a command begins.
const FIRST_CONTACT: Duration = Duration::from_secs(1);
/// How long it may be away in the middle of one: it may be restarted.
const LATER: Duration = Duration::from_secs(60);

/// What was said about the master, not looked up yet.
pub(crate) struct Connection {
    /// From the flag or the environment.
    master: Option<String>,
    /// From the flag or the environment.
    token: Option<String>,
    state: StateFolder,
    plain: PlainHttp,
}

impl Connection {
    pub(crate) fn new(args: &Args) -> Self {
        let plain =
            if args.allow_plain_http { PlainHttp::Anywhere } else { PlainHttp::LoopbackOnly };
        Self {
            master: args.master.clone(),
            token: args.token.clone(),
            state: StateFolder::new(args.state.clone()),
            plain,
        }
    }

    pub(crate) fn state(&self) -> &StateFolder {
        &self.state
    }

    /// A client of the master that is meant, once that has answered: a wrong address is told at
    /// once, while a master that goes away later is waited for.
    pub(crate) async fn open(&self) -> anyhow::Result<Client> {
        let client = self.client()?;
        client.clone().with_patience(FIRST_CONTACT).health().await?;
        Ok(client.with_patience(LATER))
    }

    fn client(&self) -> anyhow::Result<Client> {
        let local = self.state.master_address()?;
        let Some(address) = self.master.as_ref().or(local.as_ref()) else {
            bail!(
                "no farm is known in {}; start one with `farm up`, or name one with --master or \
                 TESSERA_MASTER",
                self.state.path().display()
            );
        };
        let master = MasterAddress::parse(address, self.plain)?;
        let token = match &self.token {
            Some(token) => Some(token.clone()),
            // The local operator's token is for the local master and nobody else.
            None if self.is_local(&master, local.as_deref()) => self.state.operator_token()?,
            None => None,
        };
        let token = token.with_context(|| {
            format!("no token for the master at {master}; give it with --token or TESSERA_TOKEN")
        })?;
        Ok(Client::new(master, Some(token))?)
    }

    fn is_local(&self, master: &MasterAddress, local: Option<&str>) -> bool {
        local
            .and_then(|local| MasterAddress::parse(local, self.plain).ok())
            .is_some_and(|local| local == *master)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(state: &std::path::Path, master: Option<&str>) -> Connection {
        Connection {
            master: master.map(str::to_string),
            token: None,
            state: StateFolder::new(state.to_path_buf()),
            plain: PlainHttp::LoopbackOnly,
        }
    }

    #[test]
    fn the_local_token_is_given_to_the_local_master_only() {
        let folder = tempfile::tempdir().unwrap();
        let nothing = connection(folder.path(), None).client().err().unwrap().to_string();
        assert!(nothing.contains("farm up"), "{nothing}");

        let state = StateFolder::new(folder.path().to_path_buf());
        state.write_for_test("http://127.0.0.1:7000", "secret");
        assert!(connection(folder.path(), None).client().is_ok());
        assert!(connection(folder.path(), Some("http://127.0.0.1:7000/")).client().is_ok());
        let other =
            connection(folder.path(), Some("http://127.0.0.1:7001")).client().err().unwrap();
        assert!(other.to_string().contains("no token"), "{other}");
    }
}
