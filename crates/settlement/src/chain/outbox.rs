//! What is written down before anything is sent.
//!
//! A transaction that was sent may be executed for as long as its blockhash is valid, whatever
//! happened to who sent it. So its signature and bytes are durable first; after a crash they are
//! found again, and nothing else is signed in their place while they may still be executed.

use super::Receipt;
use solana_signature::Signature;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// A signed transaction of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its signature, by which the chain knows it.
    pub signature: Signature,
    /// All of it, as it travels.
    pub bytes: Vec<u8>,
    /// The last block height at which it may be executed.
    pub last_valid_block_height: u64,
    /// What is known of it.
    pub state: AttemptState,
}

/// What is known of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptState {
    /// It may have been sent, and may be executed. Nothing else may be signed for its step.
    Open,
    /// It was executed, for good. Its step is done.
    Finalised(Receipt),
    /// It was executed and failed, for good: its fee is paid, and nothing else happened.
    Failed,
    /// It was not executed and never will be.
    Expired,
}

/// The outbox could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the outbox of the chain cannot be used: {0}")]
pub struct OutboxError(pub String);

/// Keeps the latest attempt of each step, by the step's name. Whoever implements it keeps them as
/// durably as the step matters: for a master, in its database.
pub trait Outbox: Send + Sync {
    /// The latest attempt of a step; `None` where there was none.
    fn load(&self, step: &str)
    -> impl Future<Output = Result<Option<Attempt>, OutboxError>> + Send;

    /// Keeps an attempt in place of the step's last one. `Ok` means that it is durable.
    fn keep(
        &self,
        step: &str,
        attempt: &Attempt,
    ) -> impl Future<Output = Result<(), OutboxError>> + Send;
}

impl<O: Outbox> Outbox for &O {
    async fn load(&self, step: &str) -> Result<Option<Attempt>, OutboxError> {
        (**self).load(step).await
    }

    async fn keep(&self, step: &str, attempt: &Attempt) -> Result<(), OutboxError> {
        (**self).keep(step, attempt).await
    }
}

/// An outbox that is gone with the process: for tests and for tools that a person watches.
#[derive(Debug, Default)]
pub struct MemoryOutbox {
    attempts: Mutex<BTreeMap<String, Attempt>>,
}

impl MemoryOutbox {
    /// All steps and their latest attempts.
    pub fn all(&self) -> BTreeMap<String, Attempt> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Outbox for MemoryOutbox {
    async fn load(&self, step: &str) -> Result<Option<Attempt>, OutboxError> {
        Ok(self.attempts.lock().unwrap_or_else(PoisonError::into_inner).get(step).cloned())
    }

    async fn keep(&self, step: &str, attempt: &Attempt) -> Result<(), OutboxError> {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.insert(step.to_string(), attempt.clone());
        Ok(())
    }
}
