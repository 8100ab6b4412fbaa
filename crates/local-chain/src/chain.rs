//! The chain: the VM's state and the journal that it is rebuilt from, kept in step.

use crate::faucet::{self, KeyError};
use crate::journal::{Journal, JournalError};
use crate::record::{Event, Record};
use crate::time::{Clock, Moment};
use crate::vm::{ApplyError, Vm, decode};
use solana_address::Address;
use solana_keypair::Keypair;
use solana_signature::Signature;
use solana_signer::Signer;
use solana_transaction::versioned::VersionedTransaction;
use solana_transaction_error::TransactionError;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tessera_durable::{OsDisk, create_dir, sweep};

/// After this many records the hash over all accounts is recorded too.
const RECORDS_BETWEEN_HASHES: u64 = 512;

/// What a chain is opened with.
pub struct Config {
    /// The folder of its state; made where it is missing.
    pub state: PathBuf,
    /// What tells it the time.
    pub clock: Clock,
    /// Programs that it must have: address and ELF file. One that it has in another build is
    /// replaced.
    pub programs: Vec<(Address, Vec<u8>)>,
}

/// Why a chain could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] tessera_durable::Error),
    /// The journal is damaged.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The faucet's key is unreadable.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Another process has the folder.
    #[error("another process is running the chain of {}; stop it first", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// The lock file cannot be had.
    #[error("could not lock {}: {source}", path.display())]
    Lock {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A record does not lead where it led.
    #[error(
        "record {number} of the journal cannot be replayed: {why}. It was written by another \
         version of this program, or changed since; use that version, or begin a new chain in \
         another folder"
    )]
    Replay {
        /// The record's number.
        number: u64,
        /// Why not.
        why: ApplyError,
    },
    /// The key is not the one that this chain began with.
    #[error("faucet.json holds another key than the one that this chain began with; put it back")]
    OtherFaucet,
    /// A program that the chain must have does not load.
    #[error("the program {address} does not load: {why}")]
    Program {
        /// Its address.
        address: Address,
        /// Why not.
        why: ApplyError,
    },
}

/// Why a transaction was not executed.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The VM or the rules before it refuse. Nothing happened and no fee was taken.
    #[error("{0}")]
    Transaction(TransactionError),
    /// It could not be made durable, so it is not acknowledged, and nothing else will be.
    #[error("{0}; this chain stands still until its process is started again")]
    Halted(String),
    /// No transaction could be made of what was asked.
    #[error("{0}")]
    Unsigned(String),
}

/// A chain that is open. Clones are handles on the same one.
#[derive(Clone)]
pub struct LocalChain {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Clock,
    faucet: Keypair,
    state: Mutex<State>,
    /// Held for as long as the chain is open.
    _lock: File,
}

pub(crate) struct State {
    pub(crate) vm: Vm,
    journal: Journal<OsDisk>,
    halted: Option<String>,
}

impl LocalChain {
    /// Opens the chain of a folder: replays its journal, or begins a new one. Blocks.
    pub fn open(config: Config) -> Result<Self, OpenError> {
        let Config { state: folder, clock, programs } = config;
        create_dir(&OsDisk, &folder)?;
        let lock = lock(&folder)?;
        sweep(&OsDisk, &folder)?;
        let faucet = faucet::key(&folder.join("faucet.json"))?;
        let (mut journal, records) = Journal::open(OsDisk, &folder)?;
        let vm = match records.split_first() {
            Some((first, rest)) => replay(first, rest)?,
            None => begin(&mut journal, &faucet, clock())?,
        };
        if vm.faucet() != faucet.pubkey() {
            return Err(OpenError::OtherFaucet);
        }
        let mut state = State { vm, journal, halted: None };
        state.advance(clock());
        for (address, elf) in programs {
            state.put_program(address, elf)?;
        }
        state.note_hash()?;
        let state = Mutex::new(state);
        Ok(Self { inner: Arc::new(Inner { clock, faucet, state, _lock: lock }) })
    }

    /// Who hands out play money.
    pub fn faucet(&self) -> Address {
        self.inner.faucet.pubkey()
    }

    /// The play token's mint; it has six decimals.
    pub fn mint(&self) -> Address {
        faucet::mint(&self.faucet())
    }

    /// The hash over all accounts, as they were at the latest record.
    pub fn state_hash(&self) -> [u8; 32] {
        self.lock().vm.state_hash()
    }

    /// Executes a transaction; its bytes as they travel. `Ok` means that it is durable, whether it
    /// did what it says or failed and paid its fee: the error is in the result. Blocks.
    pub fn execute(&self, bytes: &[u8]) -> Result<Signature, Refusal> {
        let transaction =
            decode(bytes).ok_or(Refusal::Transaction(TransactionError::SanitizeFailure))?;
        self.now().execute(bytes.to_vec(), &transaction)
    }

    /// Lamports from the faucet. Blocks.
    pub fn airdrop(&self, to: &Address, lamports: u64) -> Result<Signature, Refusal> {
        let mut state = self.now();
        let (number, hash) = (state.journal.next_number(), state.vm.latest_blockhash());
        let signed = faucet::airdrop(&self.inner.faucet, to, lamports, number, hash);
        state.execute_signed(signed)
    }

    /// Play money, in base units, to the wallet's usual token account, which is made where it is
    /// missing and returned. Blocks.
    pub fn hand_out(&self, wallet: &Address, amount: u64) -> Result<(Signature, Address), Refusal> {
        let mut state = self.now();
        let (number, hash) = (state.journal.next_number(), state.vm.latest_blockhash());
        let signed = faucet::hand_out(&self.inner.faucet, wallet, amount, number, hash);
        let signature = state.execute_signed(signed)?;
        Ok((signature, faucet::token_account(wallet, &self.mint())))
    }

    /// The state, with its clock set to now.
    pub(crate) fn now(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        state.advance((self.inner.clock)());
        state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic between VM and journal: the state is not trusted any more.
        self.inner.state.lock().unwrap_or_else(|poisoned: PoisonError<MutexGuard<'_, State>>| {
            let mut state = poisoned.into_inner();
            state.halted.get_or_insert_with(|| "a request ended in a defect".into());
            state
        })
    }
}

impl State {
    fn advance(&mut self, unix_ms: u64) {
        let moment = self.vm.moment(unix_ms);
        self.vm.advance(moment);
    }

    /// Executes what [`Vm::check`] lets pass, and makes it durable.
    pub(crate) fn execute(
        &mut self,
        bytes: Vec<u8>,
        transaction: &VersionedTransaction,
    ) -> Result<Signature, Refusal> {
        self.ready()?;
        self.vm.check(transaction).map_err(Refusal::Transaction)?;
        let (at, event) = (self.vm.now(), Event::Transaction(bytes));
        self.vm.apply(at, &event).map_err(|error| match error {
            ApplyError::NotExecuted(error) => Refusal::Transaction(error),
            other => Refusal::Unsigned(other.to_string()),
        })?;
        self.write(at, event)?;
        Ok(transaction.signatures[0])
    }

    fn execute_signed(
        &mut self,
        signed: Result<VersionedTransaction, solana_signer::SignerError>,
    ) -> Result<Signature, Refusal> {
        let transaction = signed.map_err(|error| Refusal::Unsigned(error.to_string()))?;
        let bytes = wincode::serialize(&transaction)
            .map_err(|error| Refusal::Unsigned(error.to_string()))?;
        let signature = self.execute(bytes, &transaction)?;
        match self.vm.executed(&signature).map(|executed| executed.result.clone()) {
            Some(Err(error)) => Err(Refusal::Transaction(error)),
            _ => Ok(signature),
        }
    }

    /// Whether anything can still be acknowledged.
    pub(crate) fn ready(&self) -> Result<(), Refusal> {
        match &self.halted {
            Some(why) => Err(Refusal::Halted(why.clone())),
            None => Ok(()),
        }
    }

    fn write(&mut self, at: Moment, event: Event) -> Result<(), Refusal> {
        let result = self.append(at, event).and_then(|()| {
            let due = self.journal.next_number().is_multiple_of(RECORDS_BETWEEN_HASHES);
            if due { self.note_hash() } else { Ok(()) }
        });
        result.map_err(|error| {
            // The VM is ahead of the journal now.
            let why = error.to_string();
            self.halted = Some(why.clone());
            Refusal::Halted(why)
        })
    }

    fn note_hash(&mut self) -> Result<(), JournalError> {
        self.append(self.vm.now(), Event::StateHash(self.vm.state_hash()))
    }

    fn append(&mut self, at: Moment, event: Event) -> Result<(), JournalError> {
        let number = self.journal.next_number();
        self.journal.append(&Record { number, at, event })
    }

    fn put_program(&mut self, address: Address, elf: Vec<u8>) -> Result<(), OpenError> {
        use sha2::{Digest, Sha256};
        let hash: [u8; 32] = Sha256::digest(&elf).into();
        if self.vm.program(&address) == Some(hash) {
            return Ok(());
        }
        let (at, event) = (self.vm.now(), Event::Program { address, elf });
        self.vm.apply(at, &event).map_err(|why| OpenError::Program { address, why })?;
        Ok(self.append(at, event)?)
    }
}

fn begin(journal: &mut Journal<OsDisk>, faucet: &Keypair, unix_ms: u64) -> Result<Vm, OpenError> {
    let event = Event::Genesis { hash: faucet::random()?, faucet: faucet.pubkey() };
    let at = Moment { unix_ms, slot: crate::time::FIRST_SLOT };
    let record = Record { number: 0, at, event };
    journal.append(&record)?;
    Vm::begin(&record).map_err(|why| OpenError::Replay { number: 0, why })
}

fn replay(first: &Record, rest: &[Record]) -> Result<Vm, OpenError> {
    let mut vm = Vm::begin(first).map_err(|why| OpenError::Replay { number: 0, why })?;
    for Record { number, at, event } in rest {
        vm.apply(*at, event).map_err(|why| OpenError::Replay { number: *number, why })?;
    }
    Ok(vm)
}

/// Two processes that append to the same journal would ruin it.
fn lock(folder: &Path) -> Result<File, OpenError> {
    let path = folder.join("lock");
    let file =
        File::create(&path).map_err(|source| OpenError::Lock { path: path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Busy { path: folder.to_path_buf() }),
        Err(TryLockError::Error(source)) => Err(OpenError::Lock { path, source }),
    }
}
