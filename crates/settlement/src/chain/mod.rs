//! A chain by its RPC endpoint: what is asked of it, and what is sent to it so that it happens once.
//!
//! Any cluster will do: a public one, a validator of one's own, or `local-chain`. Reads are at
//! *finalized*, so nothing that was read is taken back. Endpoints fail, lag and limit; [`Chain`]
//! waits and asks again, for a bounded time, and never takes an odd answer for a fact.
//!
//! Reading order: this file → [`outbox`] (what is written down before anything is sent) → [`send`]
//! (a named step, once) → [`words`] (refusals for people).

mod faucet;
pub mod outbox;
pub mod send;
pub mod words;

pub use outbox::{Attempt, AttemptState, MemoryOutbox, Outbox, OutboxError};
pub use send::{Cost, Outcome, Point, Receipt, SendError, Sender, Step};
pub use words::Refused;

use crate::instruction::TOKEN;
use crate::tokens;
use solana_account::Account;
use solana_address::Address;
use solana_commitment_config::CommitmentConfig;
use solana_hash::Hash;
use solana_message::Message;
use solana_rpc_client::api::client_error::{Error as ClientError, ErrorKind};
use solana_rpc_client::api::config::{RpcAccountInfoConfig, UiAccountEncoding};
use solana_rpc_client::api::request::RpcError;
use solana_rpc_client::api::response::UiAccount;
use solana_rpc_client::nonblocking::rpc_client::RpcClient;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How long one request may take, the client's own waiting for a limited endpoint included.
const REQUEST: Duration = Duration::from_secs(30);
/// How long a question is asked again before it fails.
const PATIENCE: Duration = Duration::from_secs(90);
/// The first wait between two tries; it doubles up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// The most accounts that an endpoint tells at once.
const ACCOUNTS_AT_ONCE: usize = 100;
const ACCOUNTS: &str = "accounts";
/// The sysvar with the chain's time.
pub(crate) const CLOCK: Address =
    Address::from_str_const("SysvarC1ock11111111111111111111111111111111");

pub(crate) const FINALIZED: CommitmentConfig = CommitmentConfig::finalized();

/// Why a chain did not answer.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// Nobody answers, or not in time, or the endpoint limits us.
    #[error(
        "the chain's endpoint does not answer when asked for {what}: {why}; is the URL right and \
         the endpoint up?"
    )]
    Unreachable {
        /// What was asked for.
        what: &'static str,
        /// Why, as the client says it.
        why: String,
    },
    /// The endpoint refuses the question.
    #[error("the chain's endpoint refuses to tell {what}: {message} (code {code})")]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// JSON-RPC's number.
        code: i64,
        /// The endpoint's words.
        message: String,
    },
    /// The answer is none.
    #[error("the chain's endpoint answers nonsense when asked for {what}: {why}")]
    Nonsense {
        /// What was asked for.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

impl ChainError {
    /// Whether it may be better soon.
    fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Nonsense { .. } => true,
            // Behind, unhealthy, limited, or an error of the server's own.
            Self::Refused { code, .. } => {
                matches!(code, -32016 | -32014 | -32005 | -32004 | -32603 | 429)
            }
        }
    }
}

/// A blockhash to sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recent {
    /// The hash.
    pub hash: Hash,
    /// The last block height at which a transaction with it may still be executed.
    pub last_valid_block_height: u64,
}

/// The chain's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainTime {
    /// The slot.
    pub slot: u64,
    /// Seconds since 1970, by which programs go.
    pub unix_s: i64,
}

/// How far the chain has got for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Height {
    pub(crate) slot: u64,
    pub(crate) block_height: u64,
}

/// A chain, to read from.
pub struct Chain {
    rpc: RpcClient,
}

impl Chain {
    /// The chain behind an endpoint's URL.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { rpc: RpcClient::new_with_timeout_and_commitment(url.into(), REQUEST, FINALIZED) }
    }

    /// The chain behind a client of one's own, whose commitment must be *finalized*.
    #[must_use]
    pub fn with_client(rpc: RpcClient) -> Self {
        Self { rpc }
    }

    pub(crate) fn rpc(&self) -> &RpcClient {
        &self.rpc
    }

    /// An account; `None` where there is none.
    pub async fn account(&self, address: &Address) -> Result<Option<Account>, ChainError> {
        Ok(self.accounts(&[*address]).await?.pop().flatten())
    }

    /// Accounts in the order asked for. Up to a hundred are of one moment; more need not be.
    pub async fn accounts(
        &self,
        addresses: &[Address],
    ) -> Result<Vec<Option<Account>>, ChainError> {
        self.accounts_since(addresses, 0).await
    }

    /// Accounts as they were in this slot or later: behind an endpoint there may be several
    /// machines, and the one that answers need not know yet what another has told.
    pub async fn accounts_since(
        &self,
        addresses: &[Address],
        slot: u64,
    ) -> Result<Vec<Option<Account>>, ChainError> {
        let mut all = Vec::with_capacity(addresses.len());
        for some in addresses.chunks(ACCOUNTS_AT_ONCE) {
            all.extend(self.ask(ACCOUNTS, || self.some_accounts(some, slot)).await?);
        }
        Ok(all)
    }

    async fn some_accounts(
        &self,
        addresses: &[Address],
        slot: u64,
    ) -> Result<Vec<Option<Account>>, ChainError> {
        let config = RpcAccountInfoConfig {
            encoding: Some(UiAccountEncoding::Base64),
            commitment: Some(FINALIZED),
            data_slice: None,
            min_context_slot: Some(slot),
        };
        let told = self.rpc.get_multiple_ui_accounts_with_config(addresses, config);
        let told = told.await.map_err(|error| told_error(ACCOUNTS, &error))?;
        let nonsense = |why: String| Err(ChainError::Nonsense { what: ACCOUNTS, why });
        if told.context.slot < slot {
            return nonsense(format!("of slot {}, not of {slot} or later", told.context.slot));
        }
        if told.value.len() != addresses.len() {
            return nonsense(format!("{} for {} addresses", told.value.len(), addresses.len()));
        }
        let mut accounts = Vec::with_capacity(addresses.len());
        for (address, told) in addresses.iter().zip(told.value) {
            let account = told.as_ref().map(UiAccount::to_account);
            if account == Some(None) {
                return nonsense(format!("what it tells of {address} is no account"));
            }
            accounts.push(account.flatten());
        }
        Ok(accounts)
    }

    /// The chain's time.
    pub async fn time(&self) -> Result<ChainTime, ChainError> {
        time_in(self.account(&CLOCK).await?.as_ref())
    }

    /// Which chain it is: no two have the same genesis. Whoever keeps anything about a chain keeps
    /// this beside it, lest a URL come to name another one.
    pub async fn genesis(&self) -> Result<Hash, ChainError> {
        self.question("its genesis", || self.rpc.get_genesis_hash()).await
    }

    /// The lamports that an account of so many bytes must hold.
    pub async fn rent(&self, bytes: usize) -> Result<u64, ChainError> {
        self.question("rent", || self.rpc.get_minimum_balance_for_rent_exemption(bytes)).await
    }

    /// An address's lamports; 0 where there is no account.
    pub async fn lamports(&self, address: &Address) -> Result<u64, ChainError> {
        Ok(self.account(address).await?.map_or(0, |account| account.lamports))
    }

    /// Base units in a token account; `None` where there is no such account.
    pub async fn tokens(&self, address: &Address) -> Result<Option<u64>, ChainError> {
        let account = self.account(address).await?.filter(|account| account.owner == TOKEN);
        Ok(account.and_then(|account| tokens::read(&account.data)).map(|tokens| tokens.amount))
    }

    /// A blockhash to sign with, as fresh as is safe.
    pub async fn recent(&self) -> Result<Recent, ChainError> {
        let told = || self.rpc.get_latest_blockhash_with_commitment(CommitmentConfig::confirmed());
        let (hash, last_valid_block_height) = self.question("a blockhash", told).await?;
        Ok(Recent { hash, last_valid_block_height })
    }

    /// What a message would cost, in lamports. Its blockhash must be recent.
    pub async fn fee(&self, message: &Message) -> Result<u64, ChainError> {
        self.question("a fee", || self.rpc.get_fee_for_message(message)).await
    }

    /// How far the chain has got for good.
    pub(crate) async fn height(&self) -> Result<Height, ChainError> {
        let told = || self.rpc.get_epoch_info_with_commitment(FINALIZED);
        let told = self.question("its height", told).await?;
        Ok(Height { slot: told.absolute_slot, block_height: told.block_height })
    }

    /// Asks with the client's own call.
    pub(crate) async fn question<T, F>(
        &self,
        what: &'static str,
        call: impl Fn() -> F,
    ) -> Result<T, ChainError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        self.ask(what, || async { call().await.map_err(|error| told_error(what, &error)) }).await
    }

    /// Asks until there is an answer, the refusal is one for good, or patience ends.
    pub(crate) async fn ask<T, F>(
        &self,
        what: &'static str,
        try_once: impl Fn() -> F,
    ) -> Result<T, ChainError>
    where
        F: Future<Output = Result<T, ChainError>>,
    {
        let until = Instant::now() + PATIENCE;
        let mut wait = FIRST_WAIT;
        loop {
            let error = match timeout(REQUEST, try_once()).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => error,
                Err(_) => {
                    let why = format!("no answer within {} s", REQUEST.as_secs());
                    ChainError::Unreachable { what, why }
                }
            };
            if !error.may_pass() || Instant::now() + wait > until {
                return Err(error);
            }
            tracing::debug!(%error, "asking again");
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }
}

/// The client's error, as ours.
pub(crate) fn told_error(what: &'static str, error: &ClientError) -> ChainError {
    match error.kind() {
        ErrorKind::RpcError(RpcError::RpcResponseError { code, message, .. }) => {
            ChainError::Refused { what, code: *code, message: message.clone() }
        }
        ErrorKind::RpcError(_) | ErrorKind::SerdeJson(_) | ErrorKind::Custom(_) => {
            ChainError::Nonsense { what, why: error.to_string() }
        }
        _ => ChainError::Unreachable { what, why: error.to_string() },
    }
}

/// The time in the clock's account: slot first, Unix time last, 40 bytes in all.
pub(crate) fn time_in(clock: Option<&Account>) -> Result<ChainTime, ChainError> {
    let read = |data: &[u8]| {
        let slot = u64::from_le_bytes(data.get(..8)?.try_into().ok()?);
        let unix_s = i64::from_le_bytes(data.get(32..40)?.try_into().ok()?);
        Some(ChainTime { slot, unix_s })
    };
    clock.and_then(|clock| read(&clock.data)).ok_or_else(|| ChainError::Nonsense {
        what: "the time",
        why: "the clock's account is no clock".into(),
    })
}
