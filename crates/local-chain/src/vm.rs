//! The VM, and what follows from the records so far. Knows neither disk nor system clock.
//!
//! Live or replayed, each record takes the same path through [`Vm::apply`]; what may become a
//! record at all is decided before, by [`Vm::check`].

use crate::faucet;
use crate::record::{Event, Record};
use crate::time::{Moment, blockhash, slot_of};
use litesvm::LiteSVM;
use litesvm::types::{FailedTransactionMetadata, TransactionMetadata};
use sha2::{Digest, Sha256};
use solana_account::ReadableAccount;
use solana_address::Address;
use solana_clock::Clock;
use solana_epoch_schedule::EpochSchedule;
use solana_hash::Hash;
use solana_signature::Signature;
use solana_transaction::versioned::VersionedTransaction;
use solana_transaction_error::TransactionError;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// The longest transaction that the network carries.
pub const MAX_TRANSACTION_BYTES: usize = 1232;
/// For how many transactions bytes, logs and balances are kept. How each one ended is kept for all.
pub const DETAILS_KEPT: usize = 10_000;

/// How a transaction ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Executed {
    /// When.
    pub at: Moment,
    /// Whether it did what it says; if not, only its fee was taken.
    pub result: Result<(), TransactionError>,
}

/// The rest of what is known of a transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Details {
    /// As it was sent.
    pub bytes: Vec<u8>,
    /// The accounts that it names itself.
    pub keys: Vec<Address>,
    /// What it cost, in lamports.
    pub fee: u64,
    /// What it used of its compute budget.
    pub compute_units: u64,
    /// What its programs said.
    pub logs: Vec<String>,
    /// Lamports of `keys` before and after.
    pub balances: Vec<(u64, u64)>,
}

/// Why a record cannot follow those before it.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A chain begins with a genesis, and has only one.
    #[error("it is not a chain's beginning, or a second one")]
    NotGenesis,
    /// The bytes are no transaction.
    #[error("its bytes are no transaction")]
    NoTransaction,
    /// This VM would not have executed it.
    #[error("this VM does not execute it ({0})")]
    NotExecuted(TransactionError),
    /// The program does not load.
    #[error("the program does not load: {0}")]
    Program(String),
    /// The accounts are not those there were.
    #[error("the accounts are not those that there were at this point")]
    OtherState,
}

/// The chain's state.
pub struct Vm {
    svm: LiteSVM,
    genesis: [u8; 32],
    genesis_ms: u64,
    faucet: Address,
    now: Moment,
    programs: BTreeMap<Address, [u8; 32]>,
    executed: HashMap<Signature, Executed>,
    details: HashMap<Signature, Details>,
    recent: VecDeque<Signature>,
}

impl Vm {
    /// The chain that begins with this record.
    pub fn begin(first: &Record) -> Result<Self, ApplyError> {
        let Event::Genesis { hash, faucet } = &first.event else {
            return Err(ApplyError::NotGenesis);
        };
        let mut vm = Self {
            svm: machine(),
            genesis: *hash,
            genesis_ms: first.at.unix_ms,
            faucet: *faucet,
            now: first.at,
            programs: BTreeMap::new(),
            executed: HashMap::new(),
            details: HashMap::new(),
            recent: VecDeque::new(),
        };
        vm.advance(first.at);
        let purse = solana_account::Account {
            lamports: faucet::LAMPORTS,
            rent_epoch: u64::MAX,
            ..Default::default()
        };
        vm.put(*faucet, purse)?;
        let rent = vm.svm.minimum_balance_for_rent_exemption(82);
        vm.put(faucet::mint(faucet), faucet::mint_account(faucet, rent))?;
        Ok(vm)
    }

    fn put(
        &mut self,
        address: Address,
        account: solana_account::Account,
    ) -> Result<(), ApplyError> {
        self.svm
            .set_account(address, account)
            .map_err(|error| ApplyError::Program(error.to_string()))
    }

    /// Does what the record says.
    pub fn apply(&mut self, at: Moment, event: &Event) -> Result<(), ApplyError> {
        self.advance(at);
        match event {
            Event::Genesis { .. } => Err(ApplyError::NotGenesis),
            Event::Program { address, elf } => {
                self.svm
                    .add_program(*address, elf)
                    .map_err(|error| ApplyError::Program(error.to_string()))?;
                self.programs.insert(*address, Sha256::digest(elf).into());
                Ok(())
            }
            Event::Transaction(bytes) => self.execute(bytes),
            Event::StateHash(hash) if *hash == self.state_hash() => Ok(()),
            Event::StateHash(_) => Err(ApplyError::OtherState),
        }
    }

    fn execute(&mut self, bytes: &[u8]) -> Result<(), ApplyError> {
        let transaction = decode(bytes).ok_or(ApplyError::NoTransaction)?;
        let signature = *transaction.signatures.first().ok_or(ApplyError::NoTransaction)?;
        let keys = transaction.message.static_account_keys().to_vec();
        let lamports = |svm: &LiteSVM| -> Vec<u64> {
            keys.iter().map(|key| svm.get_balance(key).unwrap_or(0)).collect()
        };
        let before = lamports(&self.svm);
        let (result, meta) = match self.svm.send_transaction(transaction) {
            Ok(meta) => (Ok(()), meta),
            Err(FailedTransactionMetadata { err, meta }) => (Err(err), meta),
        };
        // What the VM did not execute has no signature in its report.
        if meta.signature != signature {
            return Err(ApplyError::NotExecuted(
                result.err().unwrap_or(TransactionError::SanitizeFailure),
            ));
        }
        let balances = before.into_iter().zip(lamports(&self.svm)).collect();
        self.executed.insert(signature, Executed { at: self.now, result });
        let TransactionMetadata { fee, compute_units_consumed: compute_units, logs, .. } = meta;
        let bytes = bytes.to_vec();
        let details = Details { bytes, keys, fee, compute_units, logs, balances };
        self.details.insert(signature, details);
        self.recent.push_back(signature);
        if self.recent.len() > DETAILS_KEPT
            && let Some(old) = self.recent.pop_front()
        {
            self.details.remove(&old);
        }
        Ok(())
    }

    /// Lets the time pass; an earlier moment changes nothing.
    pub fn advance(&mut self, to: Moment) {
        self.now = self.now.max(to);
        let schedule: EpochSchedule = self.svm.get_sysvar();
        let epoch = schedule.get_epoch(self.now.slot);
        self.svm.set_sysvar(&Clock {
            slot: self.now.slot,
            epoch_start_timestamp: i64::try_from(self.genesis_ms / 1000).unwrap_or(i64::MAX),
            epoch,
            leader_schedule_epoch: epoch + 1,
            unix_timestamp: self.now.unix_s(),
        });
    }

    /// The moment that the system's time is on this chain.
    pub fn moment(&self, unix_ms: u64) -> Moment {
        self.now.advanced_to(unix_ms, self.genesis_ms)
    }

    /// Whether a transaction may be executed now, as far as can be told before.
    pub fn check(&self, transaction: &VersionedTransaction) -> Result<(), TransactionError> {
        transaction.sanitize().map_err(|_| TransactionError::SanitizeFailure)?;
        transaction.verify_and_hash_message()?;
        self.check_new(transaction)
    }

    /// Whether a transaction is neither too old nor known already.
    pub fn check_new(&self, transaction: &VersionedTransaction) -> Result<(), TransactionError> {
        let hash = transaction.message.recent_blockhash();
        let signature = transaction.signatures.first().ok_or(TransactionError::SanitizeFailure)?;
        if self.executed.contains_key(signature) {
            return Err(TransactionError::AlreadyProcessed);
        }
        match slot_of(&self.genesis, hash.as_bytes(), self.now.slot) {
            Some(_) => Ok(()),
            None => Err(TransactionError::BlockhashNotFound),
        }
    }

    /// What a transaction would do, without doing it. Its signatures are not looked at.
    pub fn simulate(
        &self,
        transaction: VersionedTransaction,
    ) -> (Result<(), TransactionError>, TransactionMetadata) {
        match self.svm.simulate_transaction(transaction) {
            Ok(info) => (Ok(()), info.meta),
            Err(FailedTransactionMetadata { err, meta }) => (Err(err), meta),
        }
    }

    /// The hash over all accounts, in the order of their addresses.
    pub fn state_hash(&self) -> [u8; 32] {
        let accounts: BTreeMap<_, _> = self.svm.accounts_db().inner.iter().collect();
        let mut hasher = Sha256::new();
        for (address, account) in accounts {
            hasher.update(address.as_ref());
            hasher.update(account.lamports().to_le_bytes());
            hasher.update(account.owner().as_ref());
            hasher.update([u8::from(account.executable())]);
            hasher.update(account.rent_epoch().to_le_bytes());
            hasher.update((account.data().len() as u64).to_le_bytes());
            hasher.update(account.data());
        }
        hasher.finalize().into()
    }

    /// The VM's accounts and sysvars, to read.
    pub fn svm(&self) -> &LiteSVM {
        &self.svm
    }

    /// The genesis hash.
    pub fn genesis(&self) -> [u8; 32] {
        self.genesis
    }

    /// Who hands out play money.
    pub fn faucet(&self) -> Address {
        self.faucet
    }

    /// What the clock says.
    pub fn now(&self) -> Moment {
        self.now
    }

    /// The blockhash of the current slot.
    pub fn latest_blockhash(&self) -> Hash {
        Hash::new_from_array(blockhash(&self.genesis, self.now.slot))
    }

    /// The SHA-256 of a program that was put in place.
    pub fn program(&self, address: &Address) -> Option<[u8; 32]> {
        self.programs.get(address).copied()
    }

    /// How a transaction ended, if it was executed.
    pub fn executed(&self, signature: &Signature) -> Option<&Executed> {
        self.executed.get(signature)
    }

    /// The rest, for the last [`DETAILS_KEPT`] transactions.
    pub fn details(&self, signature: &Signature) -> Option<&Details> {
        self.details.get(signature)
    }

    /// How many transactions were executed.
    pub fn transaction_count(&self) -> usize {
        self.executed.len()
    }

    /// The signatures of the transactions with details, the newest first.
    pub fn recent(&self) -> impl Iterator<Item = &Signature> {
        self.recent.iter().rev()
    }
}

/// A transaction's bytes, read; `None` where they are something else, too many, or go on behind it.
pub fn decode(bytes: &[u8]) -> Option<VersionedTransaction> {
    if bytes.len() > MAX_TRANSACTION_BYTES {
        return None;
    }
    wincode::deserialize_exact(bytes).ok()
}

/// The VM as the main network is today. What is decided before execution is not asked of it, and
/// nothing in it is random, as the account that it usually airdrops from would be.
fn machine() -> LiteSVM {
    LiteSVM::default()
        .with_mainnet_features()
        .with_builtins()
        .with_sysvars()
        .with_feature_accounts()
        .with_default_programs()
        .with_precompiles()
        .with_transaction_history(0)
        .with_sigverify(false)
        .with_blockhash_check(false)
}
