//! The store in one SQLite file: WAL, every commit synced, one writer, several readers.
//!
//! Reading order: [`writer`] (how a change becomes durable) → `rows` (what a row means) → `jobs` →
//! `leases` → `seconds` → `results` → `unaudited` → `audits` → `verdicts` → `ledger` → `money` → `approval` → `mosaic` → `access` → `accounts`; of live streams `live` (every call) → `streams` → `sessions` →
//! `segments` → `receipt` → `workers` → `webhooks`.

mod access;
mod accounts;
mod approval;
mod audits;
mod jobs;
mod leases;
mod ledger;
mod live;
mod log;
mod money;
mod mosaic;
mod receipt;
mod results;
mod rows;
mod seconds;
mod segments;
mod sessions;
mod spares;
mod stream_pay;
mod streams;
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
use money::{chain, epochs, escrows, pay, quotes};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, SqliteConnection};
use std::path::Path;
use std::time::Duration;
use tessera_ledger::{Account, Cause, Entry, Verified};
use tessera_protocol::commit::{Commit, SignatureBytes};
use tessera_protocol::finance::{EarningsView, JobPayout, PayoutState, PayoutView};
use tessera_protocol::{Amount, QuoteId};
use writer::Writer;

/// Readers beside the writer.
const READERS: u32 = 4;

/// See the module.
pub struct Sqlite {
    writer: Writer,
    readers: SqlitePool,
}

impl Sqlite {
    /// Opens the database, makes it where it is missing, and brings its tables up to date. The
    /// folder's own durability is the caller's.
    pub async fn open(path: &Path) -> anyhow::Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10))
            .statement_cache_capacity(200)
            .disable_statement_logging();
        let mut db: SqliteConnection = options
            .connect()
            .await
            .with_context(|| format!("could not open the database {}", path.display()))?;
        sqlx::migrate!("./migrations")
            .run(&mut db)
            .await
            .with_context(|| format!("could not update the tables of {}", path.display()))?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.read_only(true).create_if_missing(false))
            .await
            .with_context(|| format!("could not read the database {}", path.display()))?;
        Ok(Self { writer: Writer::start(db), readers })
    }

    /// Runs a question on a reader of its own.
    fn read<'a, T, F>(&'a self, question: F) -> Later<'a, T>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>>
            + Send
            + 'a,
        T: Send + 'a,
    {
        Box::pin(async move {
            let mut db = self.readers.acquire().await?;
            question(&mut db).await
        })
    }

    /// Runs a change in the writer.
    fn write<'a, T, F>(&'a self, change: F) -> Later<'a, T>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>>
            + Send
            + 'static,
        T: Send + 'static,
    {
        Box::pin(self.writer.run(change))
    }
}

impl ApprovalStore for Sqlite {
    fn approve_due(&self, now_ms: i64) -> Later<'_, u64> {
        self.write(move |db| Box::pin(approval::approve_due(db, now_ms)))
    }
    fn approve(&self, job: JobId, frame: Option<FrameNumber>) -> Later<'_, u64> {
        self.write(move |db| Box::pin(approval::approve(db, job, frame)))
    }
    fn unapproved(&self, job: JobId) -> Later<'_, (u64, i64)> {
        self.read(move |db| Box::pin(approval::unapproved(db, job)))
    }
    fn object(
        &self,
        job: JobId,
        frame: FrameNumber,
        reason: String,
        seed: [u8; 32],
        now_ms: i64,
    ) -> Later<'_, Objection> {
        self.write(move |db| {
            Box::pin(async move { approval::object(db, job, frame, &reason, &seed, now_ms).await })
        })
    }
    fn open_dispute(&self, kernel: KernelId) -> Later<'_, Option<OpenDispute>> {
        self.read(move |db| Box::pin(approval::open_dispute(db, kernel)))
    }
    fn answer(
        &self,
        job: JobId,
        frame: FrameNumber,
        case: u32,
        answer: Answer,
        now_ms: i64,
    ) -> Later<'_, Settled> {
        self.write(move |db| {
            Box::pin(async move { approval::answer(db, (job, frame, case), &answer, now_ms).await })
        })
    }
}

impl MoneyStore for Sqlite {
    fn keep_quote(&self, quote: KeptQuote, now_ms: i64) -> Later<'_, ()> {
        self.write(move |db| Box::pin(async move { quotes::keep_quote(db, &quote, now_ms).await }))
    }
    fn quote(&self, id: QuoteId) -> Later<'_, Option<KeptQuote>> {
        self.read(move |db| Box::pin(quotes::quote(db, id)))
    }
    fn accept_quote(&self, accepted: Accepted) -> Later<'_, Creation> {
        self.write(move |db| Box::pin(async move { quotes::accept_quote(db, &accepted).await }))
    }
    fn owed(&self, lease: LeaseId) -> Later<'_, Option<Owed>> {
        self.read(move |db| Box::pin(pay::owed(db, lease)))
    }
    fn unbooked(&self, limit: u32) -> Later<'_, Vec<Audited>> {
        self.read(move |db| Box::pin(pay::unbooked(db, limit)))
    }
    fn book_lease(&self, verified: Verified, now_ms: i64) -> Later<'_, Booked> {
        self.write(move |db| Box::pin(pay::book_lease(db, verified, now_ms)))
    }
    fn give_up_pay(&self, lease: LeaseId) -> Later<'_, ()> {
        self.write(move |db| Box::pin(pay::set_posted(db, lease, pay::Posted::Yes)))
    }
    fn note_reserve(&self, deposited: Amount, now_ms: i64) -> Later<'_, Amount> {
        self.write(move |db| Box::pin(escrows::note_reserve(db, deposited, now_ms)))
    }
    fn book(&self, cause: Cause, now_ms: i64) -> Later<'_, Booked> {
        self.write(move |db| Box::pin(async move { ledger::book(db, &cause, now_ms).await }))
    }
    fn books(&self, before: Option<i64>, limit: u32) -> Later<'_, BookPage> {
        self.read(move |db| Box::pin(ledger::page(db, before, limit)))
    }
    fn entries_after(&self, entry: u64, limit: u32) -> Later<'_, Vec<Entry>> {
        self.read(move |db| Box::pin(ledger::entries_after(db, entry, limit)))
    }
    fn is_counting(&self, lease: LeaseId) -> Later<'_, bool> {
        self.read(move |db| Box::pin(pay::is_counting(db, lease)))
    }
    fn balances(&self) -> Later<'_, Vec<(Account, i64)>> {
        self.read(|db| Box::pin(ledger::balances(db)))
    }
    fn epoch(&self, number: u64) -> Later<'_, Option<OpenEpoch>> {
        self.read(move |db| Box::pin(epochs::epoch(db, number)))
    }
    fn claimable(&self, after: (u64, u32), limit: u32) -> Later<'_, Vec<Leaf>> {
        self.read(move |db| Box::pin(epochs::claimable(db, after, limit)))
    }
    fn expiring(&self, until_ms: i64, limit: u32) -> Later<'_, Vec<JobId>> {
        self.read(move |db| Box::pin(escrows::expiring(db, until_ms, limit)))
    }
    fn note_deposit(&self, job: JobId, deposited: Amount, now_ms: i64) -> Later<'_, Amount> {
        self.write(move |db| Box::pin(escrows::note_deposit(db, job, deposited, now_ms)))
    }
    fn raise_ceiling(&self, job: JobId, deposited: Amount, now_ms: i64) -> Later<'_, Raised> {
        self.write(move |db| Box::pin(escrows::raise_ceiling(db, job, deposited, now_ms)))
    }
    fn balance(&self, account: Account) -> Later<'_, i64> {
        self.read(move |db| Box::pin(async move { ledger::balance(db, &account).await }))
    }
    fn epochs(&self) -> Later<'_, u64> {
        self.read(|db| Box::pin(epochs::epochs(db)))
    }
    fn open_epoch(&self) -> Later<'_, Option<OpenEpoch>> {
        self.read(|db| Box::pin(epochs::open_epoch(db)))
    }
    fn begin_epoch(
        &self,
        payable: Payable,
        floor: Amount,
        now_ms: i64,
    ) -> Later<'_, Option<OpenEpoch>> {
        self.write(move |db| {
            Box::pin(async move { epochs::begin_epoch(db, &payable, floor, now_ms).await })
        })
    }
    fn leaf_done(&self, epoch: u64, leaf: u32, state: PayoutState, now_ms: i64) -> Later<'_, ()> {
        self.write(move |db| Box::pin(epochs::leaf_done(db, epoch, leaf, state, now_ms)))
    }
    fn cancel_epoch(&self, epoch: u64, now_ms: i64) -> Later<'_, ()> {
        self.write(move |db| Box::pin(epochs::cancel_epoch(db, epoch, now_ms)))
    }
    fn epoch_done(&self, epoch: u64) -> Later<'_, ()> {
        self.write(move |db| Box::pin(epochs::epoch_done(db, epoch)))
    }
    fn spent_escrows(&self, limit: u32) -> Later<'_, Vec<SpentEscrow>> {
        self.read(move |db| Box::pin(escrows::spent_escrows(db, limit)))
    }
    fn end_escrow(&self, job: JobId, now_ms: i64) -> Later<'_, ()> {
        self.write(move |db| Box::pin(escrows::end_escrow(db, job, now_ms)))
    }
    fn close_escrow(&self, job: JobId, refund: Option<Cause>, now_ms: i64) -> Later<'_, ()> {
        self.write(move |db| Box::pin(escrows::close_escrow(db, job, refund, now_ms)))
    }
    fn attempt(&self, step: String) -> Later<'_, Option<String>> {
        self.read(move |db| Box::pin(async move { chain::attempt(db, &step).await }))
    }
    fn note_attempt(&self, step: String, body: Option<String>) -> Later<'_, ()> {
        self.write(move |db| {
            Box::pin(async move { chain::note_attempt(db, &step, body.as_deref()).await })
        })
    }
    fn equivocations(&self, limit: u32) -> Later<'_, Vec<TwoCommits>> {
        self.read(move |db| Box::pin(chain::equivocations(db, limit)))
    }
    fn equivocation_shown(&self, lease: LeaseId, refused: Option<String>) -> Later<'_, ()> {
        self.write(move |db| {
            Box::pin(async move { chain::equivocation_shown(db, lease, refused.as_deref()).await })
        })
    }
    fn refused_slashes(&self, limit: u32) -> Later<'_, Vec<(LeaseId, String)>> {
        self.read(move |db| Box::pin(chain::refused_slashes(db, limit)))
    }
    fn payouts(
        &self,
        node: Option<NodeId>,
        before: Option<(u64, u32)>,
        limit: u32,
    ) -> Later<'_, Vec<PayoutView>> {
        self.read(move |db| Box::pin(epochs::payouts(db, node, before, limit)))
    }
    fn job_payouts(&self, job: JobId, operator: NodeId) -> Later<'_, Vec<JobPayout>> {
        self.read(move |db| Box::pin(epochs::job_payouts(db, job, operator)))
    }
    fn earnings(&self, node: NodeId) -> Later<'_, EarningsView> {
        self.read(move |db| Box::pin(pay::earnings(db, node)))
    }
}

impl ProofStore for Sqlite {
    fn unaudited(
        &self,
        kernel: KernelId,
        now_ms: i64,
        limit: u32,
        taken: Vec<(JobId, FrameNumber)>,
    ) -> Later<'_, Option<UnauditedFrame>> {
        self.read(move |db| {
            Box::pin(async move { unaudited::unaudited(db, kernel, now_ms, limit, &taken).await })
        })
    }
    fn waiting_result(&self, lease: LeaseId) -> Later<'_, Option<StoredResult>> {
        self.read(move |db| Box::pin(unaudited::waiting_result(db, lease)))
    }
    fn postpone(&self, lease: LeaseId, retry_ms: i64) -> Later<'_, u64> {
        self.write(move |db| Box::pin(unaudited::postpone(db, lease, retry_ms)))
    }
    fn settle(&self, lease: LeaseId, finding: Finding, now_ms: i64) -> Later<'_, Settled> {
        self.write(move |db| {
            Box::pin(async move { audits::settle(db, lease, &finding, now_ms).await })
        })
    }
    fn equivocated(
        &self,
        commit: Commit,
        signature: SignatureBytes,
        now_ms: i64,
    ) -> Later<'_, Settled> {
        self.write(move |db| {
            Box::pin(async move { audits::equivocated(db, &commit, &signature, now_ms).await })
        })
    }
    fn spoiled(&self, lease: LeaseId) -> Later<'_, ()> {
        self.write(move |db| Box::pin(audits::spoiled(db, lease)))
    }
    fn audited(&self, job: JobId, after: u64, limit: u32) -> Later<'_, Vec<Audited>> {
        self.read(move |db| Box::pin(verdicts::audited(db, job, after, limit)))
    }
    fn audited_lease(&self, lease: LeaseId) -> Later<'_, Option<Audited>> {
        self.read(move |db| Box::pin(verdicts::audited_lease(db, lease)))
    }
}

impl Store for Sqlite {
    fn latest_ms(&self) -> Later<'_, i64> {
        self.read(|db| Box::pin(access::latest_ms(db)))
    }

    fn add_token(&self, token: Token, now_ms: i64) -> Later<'_, ()> {
        self.write(move |db| Box::pin(async move { access::add_token(db, &token, now_ms).await }))
    }
    fn token(&self, id: TokenId) -> Later<'_, Option<Token>> {
        self.read(move |db| Box::pin(access::token(db, id)))
    }
    fn has_operator(&self) -> Later<'_, bool> {
        self.read(|db| Box::pin(access::has_operator(db)))
    }
    fn add_blob(&self, blob: BlobHash, bytes: u64, owner: TokenId, now_ms: i64) -> Later<'_, bool> {
        self.write(move |db| Box::pin(access::add_blob(db, blob, bytes, owner, now_ms)))
    }
    fn blob(&self, blob: BlobHash, owner: Option<TokenId>) -> Later<'_, Option<u64>> {
        self.read(move |db| Box::pin(access::blob(db, blob, owner)))
    }

    fn create_job(&self, job: NewJob) -> Later<'_, Creation> {
        self.write(move |db| Box::pin(async move { jobs::create(db, &job).await }))
    }
    fn job(&self, id: JobId) -> Later<'_, Option<(JobView, TokenId)>> {
        self.read(move |db| Box::pin(jobs::find(db, id)))
    }
    fn jobs(
        &self,
        owner: Option<TokenId>,
        before: Option<i64>,
        limit: u32,
    ) -> Later<'_, Vec<(i64, JobView)>> {
        self.read(move |db| Box::pin(jobs::list(db, owner, before, limit)))
    }
    fn change_job(
        &self,
        id: JobId,
        change: JobChange,
        reason: Option<String>,
        now_ms: i64,
    ) -> Later<'_, Changed> {
        self.write(move |db| Box::pin(jobs::change(db, id, change, reason, now_ms)))
    }
    fn waiting(&self, id: JobId) -> Later<'_, Waiting> {
        self.read(move |db| Box::pin(jobs::waiting(db, id)))
    }
    fn frames(&self, job: JobId, from: FrameNumber, limit: u32) -> Later<'_, Vec<FrameView>> {
        self.read(move |db| Box::pin(results::frames(db, job, from, limit)))
    }
    fn last_event(&self) -> Later<'_, i64> {
        self.read(|db| Box::pin(jobs::last_event(db)))
    }
    fn events(&self, job: JobId, after: i64, limit: u32) -> Later<'_, Vec<(i64, JobEvent)>> {
        self.read(move |db| Box::pin(jobs::events(db, job, after, limit)))
    }

    fn join(&self, joining: Joining) -> Later<'_, ()> {
        self.write(move |db| Box::pin(async move { access::join(db, &joining).await }))
    }
    fn node(&self, id: NodeId) -> Later<'_, Option<NodeView>> {
        self.read(move |db| Box::pin(access::node(db, id)))
    }
    fn nodes(
        &self,
        owner: Option<TokenId>,
        after: Option<NodeId>,
        limit: u32,
    ) -> Later<'_, Vec<NodeView>> {
        self.read(move |db| Box::pin(access::nodes(db, owner, after, limit)))
    }
    fn is_node_of(&self, id: NodeId, owner: TokenId) -> Later<'_, bool> {
        self.read(move |db| Box::pin(access::is_node_of(db, id, owner)))
    }
    fn wish(&self, id: NodeId, wish: NodeWish) -> Later<'_, ()> {
        self.write(move |db| Box::pin(access::wish(db, id, wish)))
    }

    fn lease(&self, ask: LeaseAsk) -> Later<'_, Leased> {
        self.write(move |db| Box::pin(async move { leases::grant(db, &ask).await }))
    }
    fn lease_state(&self, id: LeaseId) -> Later<'_, LeaseState> {
        self.read(move |db| Box::pin(leases::state(db, id)))
    }
    fn standing_leases(&self) -> Later<'_, Vec<(Lease, i64)>> {
        self.read(|db| Box::pin(leases::standing(db)))
    }
    fn end_lease(
        &self,
        id: LeaseId,
        of: Option<NodeId>,
        end: LeaseEnd,
        failures_allowed: usize,
        now_ms: i64,
    ) -> Later<'_, Freed> {
        self.write(move |db| Box::pin(leases::end(db, id, of, end, failures_allowed, now_ms)))
    }
    fn may_read(&self, node: NodeId, blob: BlobHash) -> Later<'_, bool> {
        self.read(move |db| Box::pin(leases::may_read(db, node, blob)))
    }
    fn enter(&self, result: CheckedResult) -> Later<'_, Entered> {
        self.write(move |db| Box::pin(async move { results::enter(db, &result).await }))
    }

    fn whole_frames(&self, limit: u32) -> Later<'_, Vec<WholeFrame>> {
        self.read(move |db| Box::pin(results::whole_frames(db, limit)))
    }
    fn frame_done(
        &self,
        job: JobId,
        frame: FrameNumber,
        hash: ResultHash,
        made_of: Vec<LeaseId>,
        approve_by_ms: Option<i64>,
    ) -> Later<'_, ()> {
        self.write(move |db| {
            Box::pin(async move {
                results::frame_done(db, job, frame, hash, &made_of, approve_by_ms).await
            })
        })
    }
    fn unfinished_jobs(&self) -> Later<'_, Vec<JobView>> {
        self.read(|db| Box::pin(jobs::unfinished(db)))
    }
    fn finish_job(
        &self,
        id: JobId,
        movie: bool,
        reason: Option<String>,
        now_ms: i64,
    ) -> Later<'_, Changed> {
        self.write(move |db| Box::pin(jobs::finish(db, id, movie, reason, now_ms)))
    }
    fn spent_results(&self, until_ms: i64, limit: u32) -> Later<'_, Vec<StoredResult>> {
        self.read(move |db| Box::pin(results::spent(db, until_ms, limit)))
    }
    fn forget_results(&self, leases: Vec<LeaseId>) -> Later<'_, ()> {
        self.write(move |db| Box::pin(async move { results::forget(db, &leases).await }))
    }
    fn is_kept(&self, lease: LeaseId, commit: CommitId) -> Later<'_, bool> {
        self.read(move |db| Box::pin(results::is_kept(db, lease, commit)))
    }

    fn suggested(&self) -> Later<'_, Option<(RayPrice, i64)>> {
        self.read(|db| Box::pin(quotes::suggested(db)))
    }
    fn suggest(&self, price: RayPrice, now_ms: i64) -> Later<'_, ()> {
        self.write(move |db| Box::pin(quotes::suggest(db, price, now_ms)))
    }

    fn totals(&self) -> Later<'_, Totals> {
        self.read(|db| Box::pin(access::totals(db)))
    }
}
