//! Connections that read beside the writer. Each question sees one state of the database, however much of it
//! it looks at, and runs to its end on one thread.

use super::db::{Db, query};
use crate::store::StoreError;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// Questions that run at once; more wait.
const READERS: usize = 4;

#[derive(Clone)]
pub(super) struct Readers {
    path: PathBuf,
    may_run: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Db>>>,
    /// For those who ask on a thread of their own.
    here: Arc<Mutex<Db>>,
}

impl Readers {
    /// Opens a first connection; more when they are needed.
    pub(super) fn open(path: &Path) -> Result<Self, rusqlite::Error> {
        let idle = vec![Db::open_to_read(path)?];
        let may_run = Arc::new(Semaphore::new(READERS));
        let here = Arc::new(Mutex::new(Db::open_to_read(path)?));
        Ok(Self { path: path.to_owned(), may_run, idle: Arc::new(Mutex::new(idle)), here })
    }

    pub(super) async fn run<F, T>(&self, question: F) -> Result<T, StoreError>
    where
        F: FnOnce(&Db) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
    {
        let permit = self.may_run.clone().acquire_owned().await.map_err(|_| StoreError::Stopped)?;
        let readers = self.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let db = match readers.lock().pop() {
                Some(db) => db,
                None => Db::open_to_read(&readers.path)?,
            };
            let answer = ask(&db, question);
            // What failed half-way is not asked again.
            if !db.is_in_transaction() {
                readers.lock().push(db);
            }
            answer
        });
        asked.await.map_err(|_| StoreError::Stopped)?
    }

    /// Asks on the thread that calls, which may block, and in one statement only. It has a connection of its
    /// own: who has one of the others waits for a thread, so were all threads held by such as wait for one of
    /// them, all would wait for ever.
    pub(super) fn ask_here<T>(
        &self,
        question: impl FnOnce(&Db) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        question(&self.here.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Db>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ask<T>(db: &Db, question: impl FnOnce(&Db) -> Result<T, StoreError>) -> Result<T, StoreError> {
    query("BEGIN").execute(db)?;
    let answer = question(db);
    query("COMMIT").execute(db)?;
    answer
}
