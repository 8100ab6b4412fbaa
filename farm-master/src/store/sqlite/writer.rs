//! The one thread that writes: it takes every change that waits, makes them in one transaction, and
//! acknowledges them after its COMMIT. A sync of the disk is shared by all that came meanwhile.

use super::db::{Db, query};
use crate::store::StoreError;
use std::io;
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
    fn make(&mut self, db: &Db) -> Result<(), StoreError>;
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
    F: FnOnce(&Db) -> Result<T, StoreError> + Send,
    T: Send,
{
    fn make(&mut self, db: &Db) -> Result<(), StoreError> {
        let work = self.work.take().expect("a change is made once");
        self.answer = Some(work(db)?);
        Ok(())
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
    /// Starts the thread. It ends when the last `Writer` is dropped.
    pub(super) fn start(db: Db) -> io::Result<Self> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let named = std::thread::Builder::new().name("store-writer".into());
        named.spawn(move || write_all(&db, waiting))?;
        Ok(Self { queue })
    }

    /// Makes a change. It is durable when this returns.
    pub(super) async fn run<F, T>(&self, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&Db) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let change = Waiting { work: Some(work), answer: None, reply };
        self.queue.try_send(Box::new(change)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => StoreError::Stopped,
        })?;
        answer.await.map_err(|_| StoreError::Stopped)?
    }
}

fn write_all(db: &Db, mut waiting: mpsc::Receiver<Box<dyn Change>>) {
    let mut batch = Vec::with_capacity(BATCH);
    while waiting.blocking_recv_many(&mut batch, BATCH) > 0 {
        match write(db, &mut batch) {
            Ok(()) => batch.drain(..).for_each(Change::acknowledge),
            Err(error) => {
                tracing::error!(%error, changes = batch.len(), "a transaction failed");
                if let Err(error) = roll_back(db) {
                    tracing::error!(%error, "and could not be rolled back");
                }
                let why = error.to_string();
                for change in batch.drain(..) {
                    change.refuse(StoreError::NotKept(why.clone()));
                }
            }
        }
    }
}

/// One transaction. A change that fails is undone and refused by itself, and leaves the batch.
fn write(db: &Db, batch: &mut Vec<Box<dyn Change>>) -> Result<(), StoreError> {
    query("BEGIN IMMEDIATE").execute(db)?;
    let mut at = 0;
    while at < batch.len() {
        query("SAVEPOINT change").execute(db)?;
        let made = batch[at].make(db);
        if let Err(error) = made {
            query("ROLLBACK TO change").execute(db)?;
            query("RELEASE change").execute(db)?;
            tracing::error!(%error, "a change could not be made");
            batch.remove(at).refuse(error);
        } else {
            query("RELEASE change").execute(db)?;
            at += 1;
        }
    }
    query("COMMIT").execute(db).map(|_| ())
}

fn roll_back(db: &Db) -> Result<(), StoreError> {
    // After a failed COMMIT there may or may not be a transaction left to roll back.
    if db.is_in_transaction() {
        query("ROLLBACK").execute(db)?;
    }
    Ok(())
}
