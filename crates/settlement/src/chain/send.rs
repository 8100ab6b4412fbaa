//! A named step: one transaction that happens once, whoever is killed and however often it is sent.
//!
//! Sign, write down, send, ask until it is final. The same bytes are sent again freely, since the
//! chain executes a signature once. Something else is signed only when the first can never be
//! executed: the finalised chain has grown past its blockhash's life, and asked *after* that, with
//! its whole history, does not know the signature.
//!
//! Two steps that ask for the same at the same time must be two transactions, though their bytes
//! would be the same and a chain executes the same bytes once. So limits that every transaction may
//! set, and that have room, tell them apart: see `frame` below.

use super::outbox::{Attempt, AttemptState, Outbox, OutboxError};
use super::words::Refused;
use super::{Chain, ChainError, FINALIZED, Height, told_error};
use crate::tree::sha256;
use solana_address::Address;
use solana_commitment_config::CommitmentConfig;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_message::{Message, VersionedMessage};
use solana_rpc_client::api::config::{
    RpcSendTransactionConfig, RpcSimulateTransactionConfig, RpcTransactionConfig,
};
use solana_signature::Signature;
use solana_signer::{Signer, SignerError};
use solana_transaction::versioned::VersionedTransaction;
use solana_transaction_error::TransactionError;
use solana_transaction_status_client_types::option_serializer::OptionSerializer;
use solana_transaction_status_client_types::{
    TransactionConfirmationStatus, TransactionStatus, UiTransactionEncoding,
};
use std::ops::ControlFlow;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Between two questions for a transaction that is under way.
const POLL: Duration = Duration::from_millis(500);
/// Between two times that its bytes are sent.
const RESEND: Duration = Duration::from_secs(3);
/// How long a send may take. That it arrived is seen by its status, so nobody waits for long.
const SEND: Duration = Duration::from_secs(10);
/// How often a step is signed anew, after the chain has let it expire.
const SIGNINGS: usize = 4;
/// How often an executed transaction's cost is asked for before it is left unknown: endpoints may
/// know its status before they tell of it.
const COST_TRIES: usize = 5;
/// The program whose instructions set a transaction's limits.
const COMPUTE_BUDGET: Address =
    Address::from_str_const("ComputeBudget111111111111111111111111111111");
/// The most compute units that a transaction may use.
const UNITS_MAX: u64 = 1_400_000;
/// Units beyond what a rehearsal says: those by which transactions are told apart come on top.
const UNITS_SPARE: u64 = 1_000;
/// The most bytes of accounts that a transaction may load; none of ours needs a tenth.
const LOADED_BYTES_MAX: u32 = 64 << 20;
/// The longest transaction that the network carries.
pub const TRANSACTION_BYTES_MAX: usize = 1232;

/// A transaction to be.
#[derive(Debug)]
pub struct Step<'a> {
    /// Its name: unique for ever, since what was done under a name is not done again.
    pub name: String,
    /// What it does.
    pub instructions: Vec<Instruction>,
    /// Who signs. The first one pays the fee.
    pub signers: Vec<&'a Keypair>,
}

/// An executed transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Its signature.
    pub signature: Signature,
    /// The slot in which it was executed.
    pub slot: u64,
    /// What it cost; `None` where the endpoint has forgotten.
    pub cost: Option<Cost>,
}

/// What a transaction cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Its fee.
    pub fee_lamports: u64,
    /// What it used of its compute budget.
    pub compute_units: u64,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is done, for good.
    Finalised(Receipt),
    /// The chain refuses it, and nothing happened but perhaps a fee. It may be tried again when
    /// something has changed.
    Refused(Refused),
    /// Again and again it was not executed in time: the network is full, or drops what we send.
    Expired,
}

/// Why it is not known how a step ended. It is found out when the step is sent again.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The chain does not answer.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The outbox does not work; nothing was sent that is not in it.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// A signature is missing.
    #[error("step {step} cannot be signed: {source}")]
    Sign {
        /// The step.
        step: String,
        /// Why not.
        source: SignerError,
    },
    /// The network does not carry it.
    #[error(
        "step {step} takes {bytes} bytes, and a transaction has at most {TRANSACTION_BYTES_MAX}"
    )]
    TooLong {
        /// The step.
        step: String,
        /// Its length.
        bytes: usize,
    },
    /// Whoever watches wanted to stop here.
    #[error("stopped at step {step}")]
    Stopped {
        /// The step.
        step: String,
    },
}

/// Where a step is, for whoever watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// Nothing has happened yet.
    Before,
    /// It is signed and written down, and not sent.
    Kept,
    /// It was sent at least once, and nothing is known of it.
    Sent,
    /// It is final, and that is not written down.
    Final,
    /// It is final, and that is written down.
    After,
}

type Watch = Box<dyn Fn(&str, Point) -> ControlFlow<()> + Send + Sync>;

/// Sends steps.
pub struct Sender<O> {
    outbox: O,
    settlement: Address,
    price_micro_lamports: u64,
    watch: Watch,
}

impl<O: Outbox> Sender<O> {
    /// Sends through this outbox; `settlement` is the program whose refusals are put into words.
    pub fn new(outbox: O, settlement: Address) -> Self {
        let watch = Box::new(|_: &str, _| ControlFlow::Continue(()));
        Self { outbox, settlement, price_micro_lamports: 0, watch }
    }

    /// Offers so many millionths of a lamport for each compute unit, on top of the fee.
    #[must_use]
    pub fn with_price(self, price_micro_lamports: u64) -> Self {
        Self { price_micro_lamports, ..self }
    }

    /// Has each step's points told, by name; `Break` stops there, as a crash would.
    #[must_use]
    pub fn with_watch(
        self,
        watch: impl Fn(&str, Point) -> ControlFlow<()> + Send + Sync + 'static,
    ) -> Self {
        Self { watch: Box::new(watch), ..self }
    }

    fn tell(&self, step: &str, point: Point) -> Result<(), SendError> {
        match (self.watch)(step, point) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(SendError::Stopped { step: step.to_string() }),
        }
    }

    /// Brings a step to its end: begins it, goes on with what an earlier process began, or says
    /// how it ended long ago.
    ///
    /// Dropping the future, or being killed, leaves nothing to repair: call it again. One caller
    /// at a time for each name.
    pub async fn send(&self, chain: &Chain, step: &Step<'_>) -> Result<Outcome, SendError> {
        self.tell(&step.name, Point::Before)?;
        for _ in 0..SIGNINGS {
            let attempt = match self.outbox.load(&step.name).await? {
                Some(Attempt { state: AttemptState::Finalised(receipt), .. }) => {
                    return Ok(Outcome::Finalised(receipt));
                }
                Some(attempt) if attempt.state == AttemptState::Open => attempt,
                before => match self.sign(chain, step, before.as_ref()).await? {
                    Ok(attempt) => attempt,
                    Err(refused) => return Ok(Outcome::Refused(refused)),
                },
            };
            let ended = self.follow(chain, step, &attempt).await?;
            self.tell(&step.name, Point::Final)?;
            let state = match &ended {
                Outcome::Finalised(receipt) => AttemptState::Finalised(*receipt),
                Outcome::Refused(_) => AttemptState::Failed,
                Outcome::Expired => AttemptState::Expired,
            };
            self.outbox.keep(&step.name, &Attempt { state, ..attempt }).await?;
            if ended != Outcome::Expired {
                self.tell(&step.name, Point::After)?;
                return Ok(ended);
            }
            tracing::warn!(step = step.name, "not executed in time; signing anew");
        }
        Ok(Outcome::Expired)
    }

    /// Signs and writes down, unless the chain would refuse it as it is now. `before` is what was
    /// signed for the step and ended.
    async fn sign(
        &self,
        chain: &Chain,
        step: &Step<'_>,
        before: Option<&Attempt>,
    ) -> Result<Result<Attempt, Refused>, SendError> {
        let units = match self.rehearse(chain, step).await? {
            Ok(units) => units,
            Err(refused) => return Ok(Err(refused)),
        };
        let recent = chain.recent().await?;
        let payer = step.signers.first().map(|payer| payer.pubkey());
        let mark = mark(&step.name, before);
        // What the rehearsal took and half as much again: other accounts take another path.
        let units = units + units / 2 + UNITS_SPARE;
        let instructions = frame(step, units, self.price_micro_lamports, mark);
        let message = Message::new_with_blockhash(&instructions, payer.as_ref(), &recent.hash);
        let message = VersionedMessage::Legacy(message);
        let signed = VersionedTransaction::try_new(message, step.signers.as_slice())
            .map_err(|source| SendError::Sign { step: step.name.clone(), source })?;
        let attempt = Attempt {
            signature: signed.signatures[0],
            bytes: bytes_of(step, &signed)?,
            last_valid_block_height: recent.last_valid_block_height,
            state: AttemptState::Open,
        };
        self.outbox.keep(&step.name, &attempt).await?;
        self.tell(&step.name, Point::Kept)?;
        Ok(Ok(attempt))
    }

    /// Tries the step without sending it: the compute units it takes, or the chain's refusal.
    async fn rehearse(
        &self,
        chain: &Chain,
        step: &Step<'_>,
    ) -> Result<Result<u64, Refused>, SendError> {
        let payer = step.signers.first().map(|payer| payer.pubkey());
        // Nobody must own the price of more units than it will take.
        let instructions = frame(step, UNITS_MAX, self.price_micro_lamports.min(1), [0; 32]);
        let message = Message::new(&instructions, payer.as_ref());
        let signatures = usize::from(message.header.num_required_signatures);
        let unsigned = VersionedTransaction {
            signatures: vec![Signature::default(); signatures],
            message: VersionedMessage::Legacy(message),
        };
        bytes_of(step, &unsigned)?;
        let config = RpcSimulateTransactionConfig {
            replace_recent_blockhash: true,
            commitment: Some(CommitmentConfig::confirmed()),
            ..Default::default()
        };
        let tried = chain
            .question("a rehearsal", || {
                chain.rpc().simulate_transaction_with_config(&unsigned, config.clone())
            })
            .await?
            .value;
        Ok(match tried.err {
            Some(error) => {
                let programs: Vec<Address> = instructions.iter().map(|i| i.program_id).collect();
                Err(Refused::new(&error.into(), &programs, &self.settlement))
            }
            None => Ok(tried.units_consumed.unwrap_or(0)),
        })
    }

    /// Sends the attempt and asks for it until it is final or can never be executed.
    async fn follow(
        &self,
        chain: &Chain,
        step: &Step<'_>,
        attempt: &Attempt,
    ) -> Result<Outcome, SendError> {
        let mut sent_at: Option<Instant> = None;
        loop {
            let status = status(chain, &attempt.signature, 0).await?;
            if let Some(status) = status {
                if is_final(&status) {
                    return Ok(self.ended(chain, attempt, &status).await);
                }
            } else {
                let height = chain.height().await?;
                if height.block_height > attempt.last_valid_block_height {
                    return self.after_expiry(chain, attempt, height).await;
                }
                if sent_at.is_none_or(|at| at.elapsed() >= RESEND) {
                    send_bytes(chain, attempt).await;
                    if sent_at.replace(Instant::now()).is_none() {
                        self.tell(&step.name, Point::Sent)?;
                        continue;
                    }
                }
            }
            sleep(POLL).await;
        }
    }

    /// The chain is past the attempt's life at `height`: what it says of it from there on is so
    /// for good.
    async fn after_expiry(
        &self,
        chain: &Chain,
        attempt: &Attempt,
        height: Height,
    ) -> Result<Outcome, SendError> {
        loop {
            // Behind an endpoint there may be several machines, and one of them late.
            match status(chain, &attempt.signature, height.slot).await? {
                None => return Ok(Outcome::Expired),
                Some(status) if is_final(&status) => {
                    return Ok(self.ended(chain, attempt, &status).await);
                }
                Some(_) => sleep(POLL).await,
            }
        }
    }

    async fn ended(&self, chain: &Chain, attempt: &Attempt, status: &TransactionStatus) -> Outcome {
        match &status.err {
            Some(error) => Outcome::Refused(self.refused(attempt, error)),
            None => {
                let cost = cost(chain, &attempt.signature).await;
                let signature = attempt.signature;
                Outcome::Finalised(Receipt { signature, slot: status.slot, cost })
            }
        }
    }

    /// As the attempt was signed, perhaps by another version.
    fn refused(&self, attempt: &Attempt, error: &TransactionError) -> Refused {
        let sent = wincode::deserialize_exact::<VersionedTransaction>(&attempt.bytes);
        let message = sent.map(|sent| sent.message).unwrap_or_default();
        let keys = message.static_account_keys();
        let program = |at: u8| keys.get(usize::from(at)).copied().unwrap_or_default();
        let programs: Vec<Address> =
            message.instructions().iter().map(|i| program(i.program_id_index)).collect();
        Refused::new(error, &programs, &self.settlement)
    }
}

/// What the chain says of a signature, from a slot on at the earliest.
async fn status(
    chain: &Chain,
    signature: &Signature,
    from_slot: u64,
) -> Result<Option<TransactionStatus>, ChainError> {
    const WHAT: &str = "a transaction's status";
    chain
        .ask(WHAT, || async {
            let asked = [*signature];
            let told = chain.rpc().get_signature_statuses_with_history(&asked).await;
            let told = told.map_err(|error| told_error(WHAT, &error))?;
            if told.context.slot < from_slot {
                let why = format!("it has got to slot {} only, and was further", told.context.slot);
                return Err(ChainError::Nonsense { what: WHAT, why });
            }
            match <[Option<TransactionStatus>; 1]>::try_from(told.value) {
                Ok([status]) => Ok(status),
                Err(other) => {
                    let why = format!("{} answers to one question", other.len());
                    Err(ChainError::Nonsense { what: WHAT, why })
                }
            }
        })
        .await
}

fn is_final(status: &TransactionStatus) -> bool {
    match &status.confirmation_status {
        Some(level) => *level == TransactionConfirmationStatus::Finalized,
        // Old endpoints do not name the level; no count means rooted.
        None => status.confirmations.is_none(),
    }
}

/// Sends the bytes. Whether they arrived is seen by the status alone, so errors are only noted.
async fn send_bytes(chain: &Chain, attempt: &Attempt) {
    let Ok(transaction) = wincode::deserialize_exact::<VersionedTransaction>(&attempt.bytes) else {
        tracing::error!(signature = %attempt.signature, "the outbox holds no transaction here");
        return;
    };
    let config = RpcSendTransactionConfig {
        skip_preflight: true,
        max_retries: Some(0),
        ..Default::default()
    };
    let sent = chain.rpc().send_transaction_with_config(&transaction, config);
    match timeout(SEND, sent).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::debug!(%error, signature = %attempt.signature, "sending"),
        Err(_) => tracing::debug!(signature = %attempt.signature, "sending takes long"),
    }
}

/// What an executed transaction cost, if the endpoint still tells.
async fn cost(chain: &Chain, signature: &Signature) -> Option<Cost> {
    let config = RpcTransactionConfig {
        encoding: Some(UiTransactionEncoding::Base64),
        commitment: Some(FINALIZED),
        max_supported_transaction_version: Some(0),
    };
    for _ in 0..COST_TRIES {
        let told = timeout(SEND, chain.rpc().get_transaction_with_config(signature, config)).await;
        if let Ok(Ok(told)) = told
            && let Some(meta) = told.transaction.meta
        {
            let compute_units = match meta.compute_units_consumed {
                OptionSerializer::Some(units) => units,
                OptionSerializer::None | OptionSerializer::Skip => 0,
            };
            return Some(Cost { fee_lamports: meta.fee, compute_units });
        }
        sleep(POLL).await;
    }
    None
}

fn bytes_of(step: &Step<'_>, transaction: &VersionedTransaction) -> Result<Vec<u8>, SendError> {
    // Whatever cannot be written down cannot be carried either.
    let bytes = wincode::serialize(transaction).unwrap_or_default();
    match bytes.len() {
        1..=TRANSACTION_BYTES_MAX => Ok(bytes),
        bytes => Err(SendError::TooLong { step: step.name.clone(), bytes }),
    }
}

/// The step's instructions, and behind them limits: of compute units, of bytes to load, and the
/// price of being among the first where one is offered. Behind, because instructions name others by
/// their place.
///
/// The limits have room, and how much of it they take is up to the mark: in 34 bits of it
/// transactions differ that would be the same otherwise.
fn frame(
    step: &Step<'_>,
    units: u64,
    price_micro_lamports: u64,
    mark: [u8; 32],
) -> Vec<Instruction> {
    let [a, b, c, d, e, ..] = mark;
    let spare_units = u32::from(u16::from_le_bytes([a, b]) % 1_024);
    let spare_bytes = u32::from_le_bytes([c, d, e, 0]);
    let units = u32::try_from(units.min(UNITS_MAX)).unwrap_or(u32::MAX) + spare_units;
    let bytes = LOADED_BYTES_MAX - spare_bytes;
    let mut instructions = step.instructions.clone();
    instructions.push(compute_budget(2, &units.to_le_bytes()));
    instructions.push(compute_budget(4, &bytes.to_le_bytes()));
    if price_micro_lamports > 0 {
        instructions.push(compute_budget(3, &price_micro_lamports.to_le_bytes()));
    }
    instructions
}

/// What tells a step's transaction from all others, those signed for it before included.
fn mark(step: &str, before: Option<&Attempt>) -> [u8; 32] {
    let before = before.map_or(&[0; 64], |before| before.signature.as_array());
    sha256(&[step.as_bytes(), before])
}

fn compute_budget(tag: u8, value: &[u8]) -> Instruction {
    Instruction { program_id: COMPUTE_BUDGET, accounts: Vec::new(), data: [&[tag], value].concat() }
}
