//! The store in one SQLite file: WAL, every commit synced, one writer, several readers.
//!
//! Reading order: [`writer`] (how a change becomes durable) → `readers` → `db` (what SQL is asked and answers) → `rows` (what a row means) → `jobs` →
//! `leases` → `seconds` → `results` → `sums` → `unaudited` → `audits` → `verdicts` → `requeue` → `ledger` → `money` → `approval` → `mosaic` → `access` → `accounts`; of live streams `live` (every call) → `streams` → `sessions` →
//! `segments` → `receipt` → `workers` → `webhooks`.

mod access;
mod accounts;
mod approval;
mod audits;
mod db;
mod jobs;
mod leases;
mod ledger;
mod live;
mod log;
mod money;
mod mosaic;
mod readers;
mod receipt;
mod requeue;
mod results;
mod rows;
mod seconds;
mod segments;
mod sessions;
mod spares;
mod stream_pay;
mod streams;
mod sums;
mod turns;
mod unaudited;
mod verdicts;
mod webhooks;
mod workers;
mod writer;

use super::approval::{Answer, Objection, OpenDispute};
use super::money::{
    Accepted, BookPage, Booked, KeptQuote, Leaf, OpenEpoch, Owed, Payable, Raised, SpentEscrow,
    TwoCommits,
};
use super::proof::{Audited, Finding, Settled, UnauditedFrame};
use super::*;
use anyhow::Context as _;
use db::Db;
use money::{chain, epochs, escrows, pay, quotes};
use readers::Readers;
use std::path::Path;
use tessera_ledger::{Account, Cause, Entry, Verified};
use tessera_protocol::commit::{Commit, SignatureBytes};
use tessera_protocol::finance::{EarningsView, JobPayout, PayoutState, PayoutView};
use tessera_protocol::{Amount, QuoteId};
use writer::Writer;

/// See the module.
pub struct Sqlite {
    writer: Writer,
    readers: Readers,
}

impl Sqlite {
    /// Opens the database, makes it where it is missing, and brings its tables up to date. The
    /// folder's own durability is the caller's.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let db = Db::open(path)
            .with_context(|| format!("could not open the database {}", path.display()))?;
        let readers = Readers::open(path)
            .with_context(|| format!("could not read the database {}", path.display()))?;
        Ok(Self { writer: Writer::start(db)?, readers })
    }

    /// Runs a question on a reader of its own.
    fn read<'a, T, F>(&'a self, question: F) -> Later<'a, T>
    where
        F: FnOnce(&Db) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
    {
        Box::pin(self.readers.run(question))
    }

    /// Runs a change in the writer.
    fn write<'a, T, F>(&'a self, change: F) -> Later<'a, T>
    where
        F: FnOnce(&Db) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
    {
        Box::pin(self.writer.run(change))
    }
}

impl ApprovalStore for Sqlite {
    fn approve_due(&self, now_ms: i64) -> Later<'_, u64> {
        self.write(move |db| approval::approve_due(db, now_ms))
    }
    fn approve(&self, job: JobId, frame: Option<FrameNumber>) -> Later<'_, u64> {
        self.write(move |db| approval::approve(db, job, frame))
    }
    fn unapproved(&self, job: JobId) -> Later<'_, (u64, i64)> {
        self.read(move |db| approval::unapproved(db, job))
    }
    fn object(
        &self,
        job: JobId,
        frame: FrameNumber,
        reason: String,
        seed: [u8; 32],
        now_ms: i64,
    ) -> Later<'_, Objection> {
        self.write(move |db| approval::object(db, job, frame, &reason, &seed, now_ms))
    }
    fn open_dispute(&self, kernel: KernelId) -> Later<'_, Option<OpenDispute>> {
        self.read(move |db| approval::open_dispute(db, kernel))
    }
    fn answer(
        &self,
        job: JobId,
        frame: FrameNumber,
        case: u32,
        answer: Answer,
        now_ms: i64,
    ) -> Later<'_, Settled> {
        self.write(move |db| approval::answer(db, (job, frame, case), &answer, now_ms))
    }
}

impl MoneyStore for Sqlite {
    fn keep_quote(&self, quote: KeptQuote, now_ms: i64) -> Later<'_, ()> {
        self.write(move |db| quotes::keep_quote(db, &quote, now_ms))
    }
    fn quote(&self, id: QuoteId) -> Later<'_, Option<KeptQuote>> {
        self.read(move |db| quotes::quote(db, id))
    }
    fn accept_quote(&self, accepted: Accepted) -> Later<'_, Creation> {
        self.write(move |db| quotes::accept_quote(db, &accepted))
    }
    fn owed(&self, lease: LeaseId) -> Later<'_, Option<Owed>> {
        self.read(move |db| pay::owed(db, lease))
    }
    fn unbooked(&self, limit: u32) -> Later<'_, Vec<Audited>> {
        self.read(move |db| pay::unbooked(db, limit))
    }
    fn book_lease(&self, verified: Verified, now_ms: i64) -> Later<'_, Booked> {
        self.write(move |db| pay::book_lease(db, verified, now_ms))
    }
    fn give_up_pay(&self, lease: LeaseId) -> Later<'_, ()> {
        self.write(move |db| pay::set_posted(db, lease, pay::Posted::Yes))
    }
    fn note_reserve(&self, deposited: Amount, now_ms: i64) -> Later<'_, Amount> {
        self.write(move |db| escrows::note_reserve(db, deposited, now_ms))
    }
    fn book(&self, cause: Cause, now_ms: i64) -> Later<'_, Booked> {
        self.write(move |db| ledger::book(db, &cause, now_ms))
    }
    fn books(&self, before: Option<i64>, limit: u32) -> Later<'_, BookPage> {
        self.read(move |db| ledger::page(db, before, limit))
    }
    fn entries_after(&self, entry: u64, limit: u32) -> Later<'_, Vec<Entry>> {
        self.read(move |db| ledger::entries_after(db, entry, limit))
    }
    fn is_counting(&self, lease: LeaseId) -> Later<'_, bool> {
        self.read(move |db| pay::is_counting(db, lease))
    }
    fn balances(&self) -> Later<'_, Vec<(Account, i64)>> {
        self.read(ledger::balances)
    }
    fn epoch(&self, number: u64) -> Later<'_, Option<OpenEpoch>> {
        self.read(move |db| epochs::epoch(db, number))
    }
    fn claimable(&self, after: (u64, u32), limit: u32) -> Later<'_, Vec<Leaf>> {
        self.read(move |db| epochs::claimable(db, after, limit))
    }
    fn expiring(&self, until_ms: i64, limit: u32) -> Later<'_, Vec<JobId>> {
        self.read(move |db| escrows::expiring(db, until_ms, limit))
    }
    fn note_deposit(&self, job: JobId, deposited: Amount, now_ms: i64) -> Later<'_, Amount> {
        self.write(move |db| escrows::note_deposit(db, job, deposited, now_ms))
    }
    fn raise_ceiling(&self, job: JobId, deposited: Amount, now_ms: i64) -> Later<'_, Raised> {
        self.write(move |db| escrows::raise_ceiling(db, job, deposited, now_ms))
    }
    fn balance(&self, account: Account) -> Later<'_, i64> {
        self.read(move |db| ledger::balance(db, &account))
    }
    fn epochs(&self) -> Later<'_, u64> {
        self.read(epochs::epochs)
    }
    fn open_epoch(&self) -> Later<'_, Option<OpenEpoch>> {
        self.read(epochs::open_epoch)
    }
    fn begin_epoch(
        &self,
        payable: Payable,
        floor: Amount,
        now_ms: i64,
    ) -> Later<'_, Option<OpenEpoch>> {
        self.write(move |db| epochs::begin_epoch(db, &payable, floor, now_ms))
    }
    fn leaf_done(&self, epoch: u64, leaf: u32, state: PayoutState, now_ms: i64) -> Later<'_, ()> {
        self.write(move |db| epochs::leaf_done(db, epoch, leaf, state, now_ms))
    }
    fn cancel_epoch(&self, epoch: u64, now_ms: i64) -> Later<'_, ()> {
        self.write(move |db| epochs::cancel_epoch(db, epoch, now_ms))
    }
    fn epoch_done(&self, epoch: u64) -> Later<'_, ()> {
        self.write(move |db| epochs::epoch_done(db, epoch))
    }
    fn spent_escrows(&self, limit: u32) -> Later<'_, Vec<SpentEscrow>> {
        self.read(move |db| escrows::spent_escrows(db, limit))
    }
    fn end_escrow(&self, job: JobId, now_ms: i64) -> Later<'_, ()> {
        self.write(move |db| escrows::end_escrow(db, job, now_ms))
    }
    fn close_escrow(&self, job: JobId, refund: Option<Cause>, now_ms: i64) -> Later<'_, ()> {
        self.write(move |db| escrows::close_escrow(db, job, refund, now_ms))
    }
    fn attempt(&self, step: String) -> Later<'_, Option<String>> {
        self.read(move |db| chain::attempt(db, &step))
    }
    fn note_attempt(&self, step: String, body: Option<String>) -> Later<'_, ()> {
        self.write(move |db| chain::note_attempt(db, &step, body.as_deref()))
    }
    fn equivocations(&self, limit: u32) -> Later<'_, Vec<TwoCommits>> {
        self.read(move |db| chain::equivocations(db, limit))
    }
    fn equivocation_shown(&self, lease: LeaseId, refused: Option<String>) -> Later<'_, ()> {
        self.write(move |db| chain::equivocation_shown(db, lease, refused.as_deref()))
    }
    fn refused_slashes(&self, limit: u32) -> Later<'_, Vec<(LeaseId, String)>> {
        self.read(move |db| chain::refused_slashes(db, limit))
    }
    fn payouts(
        &self,
        node: Option<NodeId>,
        before: Option<(u64, u32)>,
        limit: u32,
    ) -> Later<'_, Vec<PayoutView>> {
        self.read(move |db| epochs::payouts(db, node, before, limit))
    }
    fn job_payouts(&self, job: JobId, operator: NodeId) -> Later<'_, Vec<JobPayout>> {
        self.read(move |db| epochs::job_payouts(db, job, operator))
    }
    fn earnings(&self, node: NodeId) -> Later<'_, EarningsView> {
        self.read(move |db| pay::earnings(db, node))
    }
}

impl ProofStore for Sqlite {
    fn unaudited(
        &self,
        kernel: KernelId,
        now_ms: i64,
        due_ms: i64,
        limit: u32,
        taken: Vec<(JobId, FrameNumber)>,
    ) -> Later<'_, Option<UnauditedFrame>> {
        self.read(move |db| unaudited::unaudited(db, kernel, (now_ms, due_ms), limit, &taken))
    }
    fn waiting_result(&self, lease: LeaseId) -> Later<'_, Option<StoredResult>> {
        self.read(move |db| unaudited::waiting_result(db, lease))
    }
    fn postpone(&self, lease: LeaseId, retry_ms: i64) -> Later<'_, u64> {
        self.write(move |db| unaudited::postpone(db, lease, retry_ms))
    }
    fn settle(&self, lease: LeaseId, finding: Finding, now_ms: i64) -> Later<'_, Settled> {
        self.write(move |db| audits::settle(db, lease, &finding, now_ms))
    }
    fn rejections(&self, nodes: Vec<NodeId>) -> Later<'_, Vec<u64>> {
        self.read(move |db| audits::rejections(db, &nodes))
    }
    fn equivocated(
        &self,
        commit: Commit,
        signature: SignatureBytes,
        now_ms: i64,
    ) -> Later<'_, Settled> {
        self.write(move |db| audits::equivocated(db, &commit, &signature, now_ms))
    }
    fn spoiled(&self, lease: LeaseId) -> Later<'_, ()> {
        self.write(move |db| audits::spoiled(db, lease))
    }
    fn audited(&self, job: JobId, after: u64, limit: u32) -> Later<'_, Vec<Audited>> {
        self.read(move |db| verdicts::audited(db, job, after, limit))
    }
    fn audited_lease(&self, lease: LeaseId) -> Later<'_, Option<Audited>> {
        self.read(move |db| verdicts::audited_lease(db, lease))
    }
}

impl Store for Sqlite {
    fn latest_ms(&self) -> Later<'_, i64> {
        self.read(access::latest_ms)
    }

    fn add_token(&self, token: Token, now_ms: i64) -> Later<'_, ()> {
        self.write(move |db| access::add_token(db, &token, now_ms))
    }
    fn token(&self, id: TokenId) -> Later<'_, Option<Token>> {
        self.read(move |db| access::token(db, id))
    }
    fn has_operator(&self) -> Later<'_, bool> {
        self.read(access::has_operator)
    }
    fn add_blob(&self, blob: BlobHash, bytes: u64, owner: TokenId, now_ms: i64) -> Later<'_, bool> {
        self.write(move |db| access::add_blob(db, blob, bytes, owner, now_ms))
    }
    fn blob(&self, blob: BlobHash, owner: Option<TokenId>) -> Later<'_, Option<u64>> {
        self.read(move |db| access::blob(db, blob, owner))
    }
    fn use_blob(
        &self,
        blob: BlobHash,
        owner: Option<TokenId>,
        now_ms: i64,
    ) -> Later<'_, Option<u64>> {
        self.write(move |db| access::use_blob(db, blob, owner, now_ms))
    }
    fn forget_upload(&self, until_ms: i64) -> Later<'_, Option<BlobHash>> {
        self.write(move |db| access::forget_upload(db, until_ms))
    }

    fn create_job(&self, job: NewJob) -> Later<'_, Creation> {
        self.write(move |db| jobs::create(db, &job))
    }
    fn job(&self, id: JobId) -> Later<'_, Option<(JobView, TokenId)>> {
        self.read(move |db| jobs::find(db, id))
    }
    fn jobs(
        &self,
        owner: Option<TokenId>,
        before: Option<i64>,
        limit: u32,
    ) -> Later<'_, Vec<(i64, JobView)>> {
        self.read(move |db| jobs::list(db, owner, before, limit))
    }
    fn change_job(
        &self,
        id: JobId,
        change: JobChange,
        reason: Option<String>,
        now_ms: i64,
    ) -> Later<'_, Changed> {
        self.write(move |db| jobs::change(db, id, change, reason, now_ms))
    }
    fn requeue(&self, id: JobId, frames: Vec<FrameNumber>, now_ms: i64) -> Later<'_, Requeued> {
        self.write(move |db| requeue::requeue(db, id, &frames, now_ms))
    }
    fn end_failed(&self, until_ms: i64, because: String, now_ms: i64) -> Later<'_, Vec<JobId>> {
        self.write(move |db| requeue::end_failed(db, until_ms, &because, now_ms))
    }
    fn waiting(&self, id: JobId) -> Later<'_, Waiting> {
        self.read(move |db| jobs::waiting(db, id))
    }
    fn frames(&self, job: JobId, from: FrameNumber, limit: u32) -> Later<'_, Vec<FrameView>> {
        self.read(move |db| results::frames(db, job, from, limit))
    }
    fn last_event(&self) -> Later<'_, i64> {
        self.read(jobs::last_event)
    }
    fn events(&self, job: JobId, after: i64, limit: u32) -> Later<'_, Vec<(i64, JobEvent)>> {
        self.read(move |db| jobs::events(db, job, after, limit))
    }

    fn join(&self, joining: Joining) -> Later<'_, ()> {
        self.write(move |db| access::join(db, &joining))
    }
    fn node(&self, id: NodeId) -> Later<'_, Option<NodeView>> {
        self.read(move |db| access::node(db, id))
    }
    fn asker(&self, id: NodeId) -> Later<'_, Option<Asker>> {
        self.read(move |db| access::asker(db, id))
    }
    fn nodes(
        &self,
        owner: Option<TokenId>,
        after: Option<NodeId>,
        limit: u32,
    ) -> Later<'_, Vec<NodeView>> {
        self.read(move |db| access::nodes(db, owner, after, limit))
    }
    fn is_node_of(&self, id: NodeId, owner: TokenId) -> Later<'_, bool> {
        self.read(move |db| access::is_node_of(db, id, owner))
    }
    fn wish(&self, id: NodeId, wish: NodeWish) -> Later<'_, ()> {
        self.write(move |db| access::wish(db, id, wish))
    }
    fn set_hours(&self, id: NodeId, hours: SetHours) -> Later<'_, ()> {
        self.write(move |db| access::set_hours(db, id, &hours))
    }
    fn hours(&self, id: NodeId) -> Later<'_, Option<SetHours>> {
        self.read(move |db| access::hours(db, id))
    }

    fn lease(&self, ask: LeaseAsk) -> Later<'_, Leased> {
        self.write(move |db| leases::grant(db, &ask))
    }
    fn lease_state(&self, id: LeaseId) -> Later<'_, LeaseState> {
        self.read(move |db| leases::state(db, id))
    }
    fn may_have_work(&self, now_ms: i64) -> Later<'_, bool> {
        self.read(move |db| leases::may_have_work(db, now_ms))
    }
    fn standing_leases(&self) -> Later<'_, Vec<(Lease, i64)>> {
        self.read(leases::standing)
    }
    fn end_lease(
        &self,
        id: LeaseId,
        of: Option<NodeId>,
        end: LeaseEnd,
        failures_allowed: usize,
        now_ms: i64,
    ) -> Later<'_, Freed> {
        self.write(move |db| leases::end(db, id, of, end, failures_allowed, now_ms))
    }
    fn may_read(&self, node: NodeId, blob: BlobHash) -> Later<'_, bool> {
        self.read(move |db| leases::may_read(db, node, blob))
    }
    fn enter(&self, result: CheckedResult) -> Later<'_, Entered> {
        self.write(move |db| results::enter(db, &result))
    }

    fn whole_frames(&self, limit: u32) -> Later<'_, Vec<WholeFrame>> {
        self.read(move |db| results::whole_frames(db, limit))
    }
    fn frame_done(
        &self,
        job: JobId,
        frame: FrameNumber,
        hash: ResultHash,
        made_of: Vec<LeaseId>,
        approve_by_ms: Option<i64>,
    ) -> Later<'_, ()> {
        self.write(move |db| results::frame_done(db, job, frame, hash, &made_of, approve_by_ms))
    }
    fn unfinished_jobs(&self) -> Later<'_, Vec<JobView>> {
        self.read(jobs::unfinished)
    }
    fn finish_job(
        &self,
        id: JobId,
        movie: bool,
        reason: Option<String>,
        now_ms: i64,
    ) -> Later<'_, Changed> {
        self.write(move |db| jobs::finish(db, id, movie, reason, now_ms))
    }
    fn spent_results(&self, until_ms: i64, limit: u32) -> Later<'_, Vec<StoredResult>> {
        self.read(move |db| results::spent(db, until_ms, limit))
    }
    fn forget_results(&self, leases: Vec<LeaseId>) -> Later<'_, ()> {
        self.write(move |db| results::forget(db, &leases))
    }
    fn is_file_kept(&self, lease: LeaseId, commit: CommitId) -> Later<'_, bool> {
        self.read(move |db| results::is_file_kept(db, lease, commit))
    }
    fn sums(&self, lease: LeaseId) -> Result<Option<Vec<u8>>, StoreError> {
        self.readers.ask_here(|db| sums::body(db, lease))
    }

    fn suggested(&self) -> Later<'_, Option<(RayPrice, i64)>> {
        self.read(quotes::suggested)
    }
    fn suggest(&self, price: RayPrice, now_ms: i64) -> Later<'_, ()> {
        self.write(move |db| quotes::suggest(db, price, now_ms))
    }

    fn totals(&self) -> Later<'_, Totals> {
        self.read(access::totals)
    }
}
