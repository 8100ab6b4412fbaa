//! Reading books of which not everything may be known, and turning transfers into postings.

use crate::account::{Account, Payer, Posting};
use crate::books::Balances;
use crate::cause::{Cause, Entry, FeeTerms, Once};
use crate::error::{LedgerError, Need};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use tessera_protocol::{Amount, JobId};

/// Money that goes from one account to another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transfer {
    pub(super) from: Account,
    pub(super) to: Account,
    pub(super) amount: Amount,
}

/// What a job's payer accepted.
pub(super) struct Quote {
    pub(super) payer: Payer,
    pub(super) ceiling: Amount,
    pub(super) fee: FeeTerms,
}

/// Books that take note of what they could not tell, and answer as if there were nothing: so that one
/// reading finds as many needs as it can.
pub(super) struct Reader<'a, B> {
    books: &'a B,
    needs: RefCell<BTreeSet<Need>>,
}

impl<'a, B: Balances> Reader<'a, B> {
    pub(super) fn new(books: &'a B) -> Self {
        Self { books, needs: RefCell::default() }
    }

    pub(super) fn all_known(&self) -> Result<(), LedgerError> {
        let needs = self.needs.take();
        if needs.is_empty() { Ok(()) } else { Err(LedgerError::Needs(needs.into_iter().collect())) }
    }

    fn or_note<T>(&self, read: Result<T, Need>, nothing: T) -> T {
        read.unwrap_or_else(|need| {
            self.needs.borrow_mut().insert(need);
            nothing
        })
    }

    pub(super) fn balance(&self, account: &Account) -> i64 {
        self.or_note(self.books.balance(account), 0)
    }

    /// The balance of an account that is never below zero.
    pub(super) fn amount(&self, account: &Account) -> Amount {
        Amount(u64::try_from(self.balance(account)).unwrap_or(0))
    }

    pub(super) fn is_posted(&self, once: &Once) -> bool {
        self.or_note(self.books.is_posted(once), false)
    }

    pub(super) fn entry(&self, once: &Once) -> Option<&'a Entry> {
        self.or_note(self.books.entry(once), None)
    }

    pub(super) fn quote(&self, job: JobId) -> Result<Quote, LedgerError> {
        match self.entry(&Once::job(job)).map(|entry| &entry.cause) {
            Some(Cause::QuoteAccepted { payer, ceiling, fee, .. }) => {
                Ok(Quote { payer: *payer, ceiling: *ceiling, fee: *fee })
            }
            _ => Err(LedgerError::UnknownJob(job)),
        }
    }
}

fn signed(amount: Amount) -> Result<i64, LedgerError> {
    i64::try_from(amount.0).map_err(|_| LedgerError::TooLarge)
}

/// One posting for each account that changes; refused where an account has not enough.
pub(super) fn postings<B: Balances>(
    transfers: Vec<Transfer>,
    books: &Reader<'_, B>,
) -> Result<Vec<Posting>, LedgerError> {
    let mut changes: BTreeMap<Account, i64> = BTreeMap::new();
    for Transfer { from, to, amount } in transfers {
        let amount = signed(amount)?;
        for (account, change) in [(from, -amount), (to, amount)] {
            let sum = changes.entry(account).or_default();
            *sum = sum.checked_add(change).ok_or(LedgerError::TooLarge)?;
        }
    }
    changes.retain(|_, amount| *amount != 0);
    let mut refused = None;
    for (account, amount) in &changes {
        let has = books.balance(account);
        let after = has.checked_add(*amount).ok_or(LedgerError::TooLarge)?;
        if after < 0 && !account.may_be_negative() && refused.is_none() {
            let (has, wants) = (Amount(has.unsigned_abs()), Amount(amount.unsigned_abs()));
            refused = Some(LedgerError::NotEnough { account: *account, has, wants });
        }
    }
    match refused {
        Some(error) => Err(error),
        None => {
            Ok(changes.into_iter().map(|(account, amount)| Posting { account, amount }).collect())
        }
    }
}
