//! The store in one SQLite file: WAL, every commit synced, one writer, several readers.
//!
//! Reading order: [`writer`] (how a change becomes durable) → `rows` (what a row means) → `jobs` →
//! `leases` → `results` → `access`.

mod access;
mod jobs;
mod leases;
mod results;
mod rows;
mod writer;

use super::*;
use anyhow::Context as _;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, SqliteConnection};
use std::path::Path;
use std::time::Duration;
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
    fn add_blob(&self, hash: BlobHash, bytes: u64, now_ms: i64) -> Later<'_, bool> {
        self.write(move |db| Box::pin(access::add_blob(db, hash, bytes, now_ms)))
    }
    fn blob(&self, hash: BlobHash) -> Later<'_, Option<u64>> {
        self.read(move |db| Box::pin(access::blob(db, hash)))
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
    ) -> Later<'_, Changed> {
        self.write(move |db| Box::pin(jobs::change(db, id, change, reason)))
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
    fn nodes(&self, after: Option<NodeId>, limit: u32) -> Later<'_, Vec<NodeView>> {
        self.read(move |db| Box::pin(access::nodes(db, after, limit)))
    }

    fn lease(&self, ask: LeaseAsk) -> Later<'_, Option<Granted>> {
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
    fn frame_done(&self, job: JobId, frame: FrameNumber, hash: ResultHash) -> Later<'_, ()> {
        self.write(move |db| Box::pin(results::frame_done(db, job, frame, hash)))
    }
    fn unfinished_jobs(&self) -> Later<'_, Vec<JobView>> {
        self.read(|db| Box::pin(jobs::unfinished(db)))
    }
    fn finish_job(&self, id: JobId, movie: bool, reason: Option<String>) -> Later<'_, Changed> {
        self.write(move |db| Box::pin(jobs::finish(db, id, movie, reason)))
    }
    fn spent_results(&self, limit: u32) -> Later<'_, Vec<StoredResult>> {
        self.read(move |db| Box::pin(results::spent(db, limit)))
    }
    fn forget_results(&self, leases: Vec<LeaseId>) -> Later<'_, ()> {
        self.write(move |db| Box::pin(async move { results::forget(db, &leases).await }))
    }
    fn is_kept(&self, lease: LeaseId, commit: CommitId) -> Later<'_, bool> {
        self.read(move |db| Box::pin(results::is_kept(db, lease, commit)))
    }

    fn totals(&self) -> Later<'_, Totals> {
        self.read(|db| Box::pin(access::totals(db)))
    }
}
