//! What rules read, and two things to read it from: whole books, and what a store has looked up.

use crate::account::{Account, Posting};
use crate::cause::{Cause, Entry, Once};
use crate::error::{LedgerError, Need};
use crate::rule::post;
use std::collections::{BTreeMap, HashMap};

/// What a rule reads of the books. A rule that is not told something asks for it, together with all
/// else that it can see that it will need.
pub trait Balances {
    /// What is in an account; 0 where nothing ever was.
    fn balance(&self, account: &Account) -> Result<i64, Need>;
    /// Whether something was posted.
    fn is_posted(&self, once: &Once) -> Result<bool, Need>;
    /// The entry of something, where it was posted.
    fn entry(&self, once: &Once) -> Result<Option<&Entry>, Need>;
}

/// Whole books, in memory.
#[derive(Debug, Clone, Default)]
pub struct Books {
    entries: Vec<Entry>,
    places: HashMap<Once, usize>,
    balances: BTreeMap<Account, i64>,
}

impl Balances for Books {
    fn balance(&self, account: &Account) -> Result<i64, Need> {
        Ok(self.balances.get(account).copied().unwrap_or(0))
    }

    fn is_posted(&self, once: &Once) -> Result<bool, Need> {
        Ok(self.places.contains_key(once))
    }

    fn entry(&self, once: &Once) -> Result<Option<&Entry>, Need> {
        Ok(self.places.get(once).and_then(|place| self.entries.get(*place)))
    }
}

impl Books {
    /// The books that these entries make; the rules have to give each of them again.
    pub fn replay(entries: impl IntoIterator<Item = Entry>) -> Result<Self, ReplayError> {
        let mut books = Self::default();
        for entry in entries {
            let number = entry.number;
            let posted = books.post(entry.cause.clone());
            let made = posted.map_err(|error| ReplayError::Refused { number, error })?;
            if *made != entry {
                return Err(ReplayError::Differs { number });
            }
        }
        Ok(books)
    }

    /// Posts what follows from a cause.
    pub fn post(&mut self, cause: Cause) -> Result<&Entry, LedgerError> {
        let postings = post(&cause, self)?;
        let number = self.entries.len() as u64 + 1;
        Ok(self.record(Entry { number, cause, postings }))
    }

    /// Takes an entry as it is.
    pub(crate) fn record(&mut self, entry: Entry) -> &Entry {
        let place = self.entries.len();
        for Posting { account, amount } in &entry.postings {
            let balance = self.balances.entry(*account).or_default();
            *balance = balance.saturating_add(*amount);
        }
        self.places.insert(entry.cause.once(), place);
        self.entries.push(entry);
        &self.entries[place]
    }

    /// All entries, in their order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// All accounts that ever had money, in their order.
    pub fn balances(&self) -> impl Iterator<Item = (&Account, i64)> {
        self.balances.iter().map(|(account, balance)| (account, *balance))
    }
}

/// Why entries are no books.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The rules refuse one.
    #[error("entry {number} would not be posted: {error}")]
    Refused {
        /// Which.
        number: u64,
        /// Why.
        #[source]
        error: LedgerError,
    },
    /// The rules give another one.
    #[error("entry {number} is not what follows from its cause")]
    Differs {
        /// Which.
        number: u64,
    },
}

/// What a store has looked up for a rule. What is not in here is not taken to be nothing: the rule
/// says what it needs, the store looks it up in the same transaction, and the rule is asked again.
///
/// ```
/// # use tessera_ledger::{Account, Books, Balances, Cause, Known, LedgerError, Need, Payer, post};
/// # use tessera_protocol::Amount;
/// # let store = Books::default();
/// # let cause = Cause::Deposited { id: "1".into(), payer: Payer([1; 8]), amount: Amount(5) };
/// let mut known = Known::default();
/// let postings = loop {
///     match post(&cause, &known) {
///         Err(LedgerError::Needs(needs)) => {
///             for need in needs {
///                 match need {
///                     Need::Balance(account) => {
///                         let balance = store.balance(&account).unwrap();
///                         known.balances.insert(account, balance);
///                     }
///                     Need::Posted(once) => {
///                         let posted = store.is_posted(&once).unwrap();
///                         known.posted.insert(once, posted);
///                     }
///                     Need::Entry(once) => {
///                         let entry = store.entry(&once).unwrap().cloned();
///                         known.entries.insert(once, entry);
///                     }
///                 }
///             }
///         }
///         other => break other,
///     }
/// };
/// assert_eq!(postings.unwrap().len(), 2);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Balances, 0 for accounts that never had money.
    pub balances: HashMap<Account, i64>,
    /// What was posted, and what was not.
    pub posted: HashMap<Once, bool>,
    /// Entries, and where there are none.
    pub entries: HashMap<Once, Option<Entry>>,
}

impl Balances for Known {
    fn balance(&self, account: &Account) -> Result<i64, Need> {
        self.balances.get(account).copied().ok_or(Need::Balance(*account))
    }

    fn is_posted(&self, once: &Once) -> Result<bool, Need> {
        let entry = self.entries.get(once).map(Option::is_some);
        entry.or_else(|| self.posted.get(once).copied()).ok_or_else(|| Need::Posted(once.clone()))
    }

    fn entry(&self, once: &Once) -> Result<Option<&Entry>, Need> {
        self.entries.get(once).map(Option::as_ref).ok_or_else(|| Need::Entry(once.clone()))
    }
}
