//! The books of a history: nothing is posted that the checker would find fault with, and what their
//! entries say of money that came and went is added up as they are posted.

use crate::world::Who;
use std::collections::BTreeMap;
use tessera_ledger::{
    Account, Balances as _, Books, Cause, Checker, Delivered, Entry, EpochPlan, LedgerError, Once,
    Payer, Purse, Verified,
};
use tessera_protocol::commit::{AuditSecret, Commit, NodeKey, SignatureBytes, UnitResult};
use tessera_protocol::node::DeviceClass;
use tessera_protocol::receipt::Receipt;
use tessera_protocol::terms::Terms;
use tessera_protocol::verdict::Verdict;
use tessera_protocol::{
    Amount, Generation, JobId, KernelId, LeaseId, MasterId, NodeId, PixelPrice, RayPrice,
    ResultRoot, SceneFactor, SceneHash, SecretHash, SettingsHash, StreamId, UnitIndex,
};
use tessera_settlement::instruction::Signature;

/// What begins the `id` of what somebody put in or took out with its own tokens. Stakes and bonds also
/// change by challenges.
pub(crate) const OWN: &str = "own/";

/// What entries say of tokens that came and went, and of which escrow a payer's wallet lies in.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) deposited: BTreeMap<Payer, i128>,
    /// Deposited for a job and above its ceiling, or returned from below it, and not refunded; the same of a
    /// stream, of what was not put aside for it.
    pub(crate) loose: BTreeMap<Purse, i128>,
    pub(crate) staked: BTreeMap<NodeId, i128>,
    pub(crate) reserve: i128,
    pub(crate) bond: i128,
}

#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) books: Books,
    pub(crate) told: Told,
    checker: Checker,
    receipts: BTreeMap<LeaseId, Verified>,
    delivered: BTreeMap<(LeaseId, u32), Delivered>,
}

impl Ledger {
    /// Takes a receipt, and posts what it proves.
    pub(crate) fn verify(
        &mut self,
        receipt: &Receipt,
        held: bool,
        epoch: u64,
    ) -> Result<(), LedgerError> {
        let verified = Verified::from_receipt(receipt).expect("its verdict counts");
        self.receipts.insert(verified.lease(), verified);
        self.post(Cause::LeaseVerified { verified, held, epoch })
    }

    /// Takes what receipts of segments add up to, and posts what they prove.
    pub(crate) fn deliver(
        &mut self,
        delivered: Delivered,
        (stream, part, before): (StreamId, u32, u64),
        price: PixelPrice,
    ) -> Result<(), LedgerError> {
        self.delivered.insert((delivered.lease(), part), delivered);
        self.post(Cause::SegmentsDelivered { delivered, stream, part, before, price })
    }

    pub(crate) fn post(&mut self, cause: Cause) -> Result<(), LedgerError> {
        let (receipts, segments) = (&self.receipts, &self.delivered);
        let proven = |cause: &Cause| match cause {
            Cause::LeaseVerified { verified, .. } => {
                receipts.get(&verified.lease()) == Some(verified)
            }
            Cause::SegmentsDelivered { delivered, part, .. } => {
                segments.get(&(delivered.lease(), *part)) == Some(delivered)
            }
            _ => false,
        };
        let entry = self.books.post(cause)?;
        assert_eq!(self.checker.next(entry, proven), [], "{entry:?}");
        self.told.note(entry);
        Ok(())
    }

    /// Posts what cannot be refused.
    #[track_caller]
    pub(crate) fn must(&mut self, cause: Cause) {
        let said = format!("{cause:?}");
        if let Err(error) = self.post(cause) {
            panic!("{said}: {error}");
        }
    }

    pub(crate) fn has(&self, account: Account) -> u64 {
        let balance = self.books.balance(&account).expect("whole books know everything");
        u64::try_from(balance).expect("an account that is never below zero")
    }

    /// Whether something matches among the accounts that have money.
    pub(crate) fn any(&self, is_it: impl Fn(&Account) -> bool) -> bool {
        self.books.balances().any(|(account, balance)| balance != 0 && is_it(account))
    }

    /// What epoch `number` was opened with.
    pub(crate) fn plan(&self, number: u64) -> &EpochPlan {
        let entry = self.books.entry(&Once::epoch(number)).expect("whole books know everything");
        match entry.map(|entry| &entry.cause) {
            Some(Cause::EpochOpened { plan, .. }) => plan,
            other => panic!("epoch {number} was opened by {other:?}"),
        }
    }
}

impl Told {
    fn note(&mut self, entry: &Entry) {
        match &entry.cause {
            Cause::Deposited { id, payer, amount } => {
                *self.deposited.entry(*payer).or_default() += i128::from(amount.0);
                *self.loose.entry(purse_of(id)).or_default() += i128::from(amount.0);
            }
            Cause::Withdrawn { id, amount, .. } => {
                *self.loose.entry(purse_of(id)).or_default() -= i128::from(amount.0);
            }
            Cause::QuoteAccepted { job, .. }
            | Cause::ToppedUp { job, .. }
            | Cause::JobEnded { job, .. } => self.of_wallets(Purse::Job(*job), entry),
            Cause::StreamFunded { stream, .. } | Cause::StreamEnded { stream } => {
                self.of_wallets(Purse::Stream(*stream), entry);
            }
            Cause::StakeAdded { id, node, amount } if id.starts_with(OWN) => {
                *self.staked.entry(*node).or_default() += i128::from(amount.0);
            }
            Cause::StakeWithdrawn { node, amount, .. } => {
                *self.staked.entry(*node).or_default() -= i128::from(amount.0);
            }
            Cause::ReserveFunded { amount, .. } => self.reserve += i128::from(amount.0),
            Cause::ReserveWithdrawn { amount, .. } => self.reserve -= i128::from(amount.0),
            Cause::BondFunded { id, amount } if id.starts_with(OWN) => {
                self.bond += i128::from(amount.0);
            }
            _ => {}
        }
    }

    fn of_wallets(&mut self, purse: Purse, entry: &Entry) {
        let of_wallets = |account: &Account| matches!(account, Account::Wallet(_));
        let wallets = entry.postings.iter().filter(|it| of_wallets(&it.account));
        let change: i128 = wallets.map(|posting| i128::from(posting.amount)).sum();
        *self.loose.entry(purse).or_default() += change;
    }
}

/// What begins the `id` of a movement of a stream's money; a job's begins with the job.
pub(crate) const OF_STREAM: &str = "stream:";

/// What a movement of a payer's money is of: the part of its id before the stroke.
fn purse_of(id: &str) -> Purse {
    let of = id.split('/').next().expect("a split has a first part");
    let purse = match of.strip_prefix(OF_STREAM) {
        Some(stream) => stream.parse().ok().map(Purse::Stream),
        None => of.parse().ok().map(Purse::Job),
    };
    purse.expect("ids name their job or stream first")
}

/// A lease, with what it took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    pub(crate) lease: LeaseId,
    pub(crate) job: JobId,
    pub(crate) node: Who,
    pub(crate) rays: u64,
    pub(crate) factor: SceneFactor,
    pub(crate) price: RayPrice,
}

pub(crate) fn lease(n: u32) -> LeaseId {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    LeaseId(bytes)
}

fn commit(work: &Work, root: ResultRoot) -> Commit {
    Commit {
        master: MasterId(Who::Operator.id().0),
        node: work.node.id(),
        job: work.job,
        class: DeviceClass::Exact,
        kernel: KernelId([0; 32]),
        scene: SceneHash([0; 32]),
        settings: SettingsHash([0; 32]),
        lease: work.lease,
        generation: Generation(1),
        secret: SecretHash([0; 32]),
        results: vec![UnitResult { unit: UnitIndex(0), root, rays: work.rays }],
    }
}

/// A receipt that says that work counts. Nobody here looks at its signatures.
pub(crate) fn receipt(work: &Work, pay: u64) -> Receipt {
    let (Work { factor, price, .. }, unsigned) = (*work, SignatureBytes([0; 64]));
    let commit = commit(work, ResultRoot([0; 32]));
    let (master, signature) = (commit.master, unsigned.clone());
    let terms = Terms { master, class: DeviceClass::Exact, price, factor, signature };
    Receipt {
        commit,
        signature: unsigned.clone(),
        terms,
        secret: AuditSecret([0; 32]),
        verdict: Verdict::Verified { pixels: 40 },
        pay: Amount(pay),
        master_signature: unsigned,
    }
}

/// Two commits that a node signed for one lease.
pub(crate) fn two_commits(work: &Work) -> [Signature; 2] {
    let key = NodeKey::from_secret(&work.node.secret());
    [1, 2].map(|root| {
        let message = commit(work, ResultRoot([root; 32])).message();
        let signature = key.sign(&message).0;
        Signature { by: work.node.id().0, signature, message }
    })
}
