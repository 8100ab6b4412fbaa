//! The one task that writes: it takes every change that waits, makes them in one transaction, and
//! acknowledges them after its COMMIT. A sync of the disk is shared by all that came meanwhile.

use crate::store::StoreError;
use futures::future::BoxFuture;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

/// Changes that may wait; more are refused as [`StoreError::Busy`].
const QUEUE: usize = 4096;
/// Most changes of one transaction: bounds how long the first of them waits.
const BATCH: usize = 256;

/// Where changes are sent.
#[derive(Clone)]
pub(super) struct Writer {
    queue: mpsc::Sender<Box<dyn Change>>,
}

/// A change, and after it was made, its answer.
trait Change: Send {
    fn make<'c>(
        &'c mut self,
        db: &'c mut SqliteConnection,
    ) -> BoxFuture<'c, Result<(), StoreError>>;
    fn acknowledge(self: Box<Self>);
    fn refuse(self: Box<Self>, error: StoreError);
}

struct Waiting<F, T> {
    work: Option<F>,
    answer: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Change for Waiting<F, T>
where
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>> + Send,
    T: Send,
{
    fn make<'c>(
        &'c mut self,
        db: &'c mut SqliteConnection,
    ) -> BoxFuture<'c, Result<(), StoreError>> {
        Box::pin(async move {
            let work = self.work.take().expect("a change is made once");
            self.answer = Some(work(db).await?);
            Ok(())
        })
    }

    fn acknowledge(self: Box<Self>) {
        let answer = self.answer.expect("a change that was made has an answer");
        // Whoever asked may be gone; the change stands all the same.
        let _ = self.reply.send(Ok(answer));
    }

    fn refuse(self: Box<Self>, error: StoreError) {
        let _ = self.reply.send(Err(error));
    }
}

impl Writer {
    /// Starts the task. It ends when the last `Writer` is dropped.
    pub(super) fn start(db: SqliteConnection) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(write_all(db, waiting));
        Self { queue }
    }

    /// Makes a change. It is durable when this returns.
    pub(super) async fn run<F, T>(&self, work: F) -> Result<T, StoreError>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>>
            + Send
            + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let change = Waiting { work: Some(work), answer: None, reply };
        self.queue.try_send(Box::new(change)).map_err(|_| StoreError::Busy)?;
        answer.await.map_err(|_| StoreError::Database(sqlx::Error::WorkerCrashed))?
    }
}

async fn write_all(mut db: SqliteConnection, mut waiting: mpsc::Receiver<Box<dyn Change>>) {
    let mut batch = Vec::with_capacity(BATCH);
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        match write(&mut db, &mut batch).await {
            Ok(()) => batch.drain(..).for_each(|change| change.acknowledge()),
            Err(error) => {
                tracing::error!(%error, changes = batch.len(), "a transaction failed");
                if let Err(error) = roll_back(&mut db).await {
                    tracing::error!(%error, "and could not be rolled back");
                }
                for change in batch.drain(..) {
                    change.refuse(StoreError::Database(sqlx::Error::Protocol(error.to_string())));
                }
            }
        }
    }
    if let Err(error) = db.close().await {
        tracing::error!(%error, "the database did not close cleanly");
    }
}

/// One transaction. A change that fails is undone and refused by itself, and leaves the batch.
async fn write(
    db: &mut SqliteConnection,
    batch: &mut Vec<Box<dyn Change>>,
) -> Result<(), sqlx::Error> {
    execute(db, "BEGIN IMMEDIATE").await?;
    let mut at = 0;
    while at < batch.len() {
        execute(db, "SAVEPOINT change").await?;
        let made = batch[at].make(db).await;
        if let Err(error) = made {
            execute(db, "ROLLBACK TO change").await?;
            execute(db, "RELEASE change").await?;
            tracing::error!(%error, "a change could not be made");
            batch.remove(at).refuse(error);
        } else {
            execute(db, "RELEASE change").await?;
            at += 1;
        }
    }
    execute(db, "COMMIT").await
}

async fn roll_back(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    // After a failed COMMIT there may or may not be a transaction left to roll back.
    match execute(db, "ROLLBACK").await {
        Err(error) if error.to_string().contains("no transaction is active") => Ok(()),
        other => other,
    }
}

async fn execute(db: &mut SqliteConnection, sql: &'static str) -> Result<(), sqlx::Error> {
    sqlx::query(sql).execute(db).await.map(|_| ())
}
