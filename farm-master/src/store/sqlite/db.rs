//! Questions in SQL and what comes back: the one place that knows the driver.
//!
//! Everything here blocks. A question runs on the thread that asks it, so that one costs what SQLite takes for it
//! and no change of threads. Parameters are numbered, `$1` and on, as PostgreSQL has them, too.

use crate::store::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{CachedStatement, Connection, OpenFlags};
use rusqlite_migration::{M, Migrations};
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tessera_protocol::JobId;
use tessera_protocol::job::JobSpec;

/// More than there are different questions: each is compiled once for each connection.
const STATEMENTS: usize = 512;
/// Pages of 4 kB that are written before they are brought from the log to their places, which is work for two syncs: a
/// thousand nodes write some ten thousand a second, mostly the same ones.
const CHECKPOINT_PAGES: i64 = 16_384;
/// Pages that the writer keeps in memory.
const CACHE_PAGES: i64 = 16_384;
/// Specs of jobs that each connection keeps in memory.
const SPECS: usize = 1024;
/// How long another connection may hold a lock that is wanted here.
const PATIENCE: Duration = Duration::from_secs(10);

/// In this order, each once.
const MIGRATIONS: &[M<'static>] = &[
    M::up(include_str!("../../../migrations/0001_farm.sql")),
    M::up(include_str!("../../../migrations/0002_live.sql")),
    M::up(include_str!("../../../migrations/0003_uplink.sql")),
    M::up(include_str!("../../../migrations/0004_proof.sql")),
    M::up(include_str!("../../../migrations/0005_tolerant.sql")),
    M::up(include_str!("../../../migrations/0006_records.sql")),
    M::up(include_str!("../../../migrations/0007_money.sql")),
    M::up(include_str!("../../../migrations/0008_accounts.sql")),
    M::up(include_str!("../../../migrations/0009_stream_pay.sql")),
    M::up(include_str!("../../../migrations/0010_blob_owner.sql")),
    M::up(include_str!("../../../migrations/0011_job_webhooks.sql")),
    M::up(include_str!("../../../migrations/0012_forfeited.sql")),
    M::up(include_str!("../../../migrations/0013_shares.sql")),
    M::up(include_str!("../../../migrations/0014_kept_uploads.sql")),
    M::up(include_str!("../../../migrations/0015_hours.sql")),
    M::up(include_str!("../../../migrations/0016_requeued.sql")),
    M::up(include_str!("../../../migrations/0017_memory.sql")),
    M::up(include_str!("../../../migrations/0018_sums.sql")),
    M::up(include_str!("../../../migrations/0019_indices.sql")),
];

/// A connection.
pub(super) struct Db {
    connection: Connection,
    /// What the columns of each question's answer are called.
    columns: RefCell<HashMap<Box<str>, Columns>>,
    specs: RefCell<HashMap<JobId, JobSpec>>,
}

type Columns = Arc<[Box<str>]>;

impl Db {
    /// Opens the file to write to it, makes it where it is missing, and brings its tables up to date.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let mut connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        connection.pragma_update(None, "cache_size", CACHE_PAGES)?;
        // What a change alone would undo is not worth a file.
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        prepare(&connection)?;
        take_over(&connection)?;
        let version: i64 = connection.query_row("PRAGMA user_version", (), |row| row.get(0))?;
        anyhow::ensure!(
            usize::try_from(version).is_ok_and(|version| version <= MIGRATIONS.len()),
            "its tables are of version {version}, and this farm-master knows {} at most: start the newer one",
            MIGRATIONS.len()
        );
        Migrations::from_slice(MIGRATIONS).to_latest(&mut connection)?;
        Ok(Self::of(connection))
    }

    /// Opens the file to read it.
    pub(super) fn open_to_read(path: &Path) -> Result<Self, rusqlite::Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        prepare(&connection)?;
        Ok(Self::of(connection))
    }

    fn of(connection: Connection) -> Self {
        Self { connection, columns: RefCell::default(), specs: RefCell::default() }
    }

    /// A job's spec, read by `read` the first time: it never changes.
    pub(super) fn spec(
        &self,
        job: JobId,
        read: impl FnOnce() -> Result<JobSpec, StoreError>,
    ) -> Result<JobSpec, StoreError> {
        if let Some(known) = self.specs.borrow().get(&job) {
            return Ok(known.clone());
        }
        let spec = read()?;
        let mut known = self.specs.borrow_mut();
        if known.len() >= SPECS {
            known.clear();
        }
        known.insert(job, spec.clone());
        Ok(spec)
    }

    /// Whether a transaction is open.
    pub(super) fn is_in_transaction(&self) -> bool {
        !self.connection.is_autocommit()
    }

    /// How SQLite goes about a question, step by step.
    #[cfg(test)]
    pub(super) fn steps(&self, text: &str) -> Vec<String> {
        let explain = format!("EXPLAIN QUERY PLAN {text}");
        let mut statement = self.connection.prepare(&explain).unwrap();
        let (mut rows, mut steps) = (statement.raw_query(), Vec::new());
        while let Some(row) = rows.next().unwrap() {
            steps.push(row.get("detail").unwrap());
        }
        steps
    }

    fn columns(&self, statement: &CachedStatement<'_>, text: &str) -> Columns {
        let mut known = self.columns.borrow_mut();
        if let Some(columns) = known.get(text) {
            return columns.clone();
        }
        if known.len() >= STATEMENTS {
            known.clear();
        }
        let columns: Columns = statement.column_names().into_iter().map(Box::from).collect();
        known.insert(text.into(), columns.clone());
        columns
    }
}

fn prepare(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.busy_timeout(PATIENCE)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

/// Files of earlier masters count their migrations in a table of another library.
fn take_over(connection: &Connection) -> Result<(), rusqlite::Error> {
    if !connection.table_exists(None, "_sqlx_migrations")? {
        return Ok(());
    }
    let count = "SELECT COUNT(*) FROM _sqlx_migrations WHERE success";
    let done: i64 = connection.query_row(count, (), |row| row.get(0))?;
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE; PRAGMA user_version = {done}; DROP TABLE _sqlx_migrations; COMMIT"
    ))
}

/// A question, or a change, and what its parameters are.
pub(super) struct Query<'q> {
    text: &'q str,
    values: Vec<ToSqlOutput<'q>>,
}

pub(super) fn query(text: &str) -> Query<'_> {
    Query { text, values: Vec::new() }
}

impl<'q> Query<'q> {
    /// The next parameter.
    pub(super) fn bind(mut self, value: impl Parameter<'q>) -> Self {
        self.values.push(value.to_sql());
        self
    }

    /// Makes a change; answers how many rows it was made to.
    pub(super) fn execute(&self, db: &Db) -> Result<u64, StoreError> {
        Ok(self.prepare(db)?.raw_execute()? as u64)
    }

    /// All rows.
    pub(super) fn fetch_all(&self, db: &Db) -> Result<Vec<Row>, StoreError> {
        let mut rows = Vec::new();
        self.find_map(db, |row| {
            rows.push(row);
            Ok(None::<()>)
        })?;
        Ok(rows)
    }

    /// The first row, if there is one.
    pub(super) fn fetch_optional(&self, db: &Db) -> Result<Option<Row>, StoreError> {
        self.find_map(db, |row| Ok(Some(row)))
    }

    /// The first row, which is there.
    pub(super) fn fetch_one(&self, db: &Db) -> Result<Row, StoreError> {
        self.fetch_optional(db)?.ok_or(StoreError::Database(rusqlite::Error::QueryReturnedNoRows))
    }

    /// What comes of the first row of which something comes; no more rows are looked for.
    pub(super) fn find_map<T>(
        &self,
        db: &Db,
        mut of: impl FnMut(Row) -> Result<Option<T>, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let mut statement = self.prepare(db)?;
        let columns = db.columns(&statement, self.text);
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            let values = (0..columns.len()).map(|at| row.get::<_, Value>(at));
            let values = values.collect::<Result<_, _>>()?;
            if let Some(found) = of(Row { columns: columns.clone(), values })? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn prepare<'db>(&self, db: &'db Db) -> Result<CachedStatement<'db>, StoreError> {
        let mut statement = db.connection.prepare_cached(self.text)?;
        for index in 1..=statement.parameter_count() {
            // SQLite numbers names in the order in which they appear.
            let name = statement.parameter_name(index).and_then(|name| name.strip_prefix('$'));
            let value = name.and_then(|name| name.parse::<usize>().ok()?.checked_sub(1));
            let value = value.and_then(|at| self.values.get(at));
            let value =
                value.ok_or(rusqlite::Error::InvalidParameterCount(index, self.values.len()))?;
            statement.raw_bind_parameter(index, value)?;
        }
        Ok(statement)
    }
}

/// A row that was found.
pub(super) struct Row {
    columns: Columns,
    values: Box<[Value]>,
}

impl Row {
    /// What stands in a column; [`StoreError::Corrupt`] where that is of another kind.
    pub(super) fn try_get<'r, T: Column<'r>>(&'r self, column: &str) -> Result<T, StoreError> {
        let at = self.columns.iter().position(|name| **name == *column);
        let value = at.and_then(|at| self.values.get(at));
        let value = value
            .ok_or_else(|| rusqlite::Error::InvalidColumnName(column.to_owned()))
            .map(ValueRef::from)?;
        T::read(value)
            .ok_or_else(|| StoreError::Corrupt(format!("{column} holds {}", value.data_type())))
    }
}

/// What can stand in a column.
pub(super) trait Column<'r>: Sized {
    fn read(value: ValueRef<'r>) -> Option<Self>;
}

impl Column<'_> for i64 {
    fn read(value: ValueRef<'_>) -> Option<Self> {
        value.as_i64().ok()
    }
}

impl Column<'_> for u32 {
    fn read(value: ValueRef<'_>) -> Option<Self> {
        value.as_i64().ok()?.try_into().ok()
    }
}

impl<'r> Column<'r> for &'r str {
    fn read(value: ValueRef<'r>) -> Option<Self> {
        value.as_str().ok()
    }
}

impl Column<'_> for String {
    fn read(value: ValueRef<'_>) -> Option<Self> {
        value.as_str().ok().map(Self::from)
    }
}

impl<'r> Column<'r> for &'r [u8] {
    fn read(value: ValueRef<'r>) -> Option<Self> {
        value.as_blob().ok()
    }
}

impl Column<'_> for Vec<u8> {
    fn read(value: ValueRef<'_>) -> Option<Self> {
        value.as_blob().ok().map(Self::from)
    }
}

impl<'r, T: Column<'r>> Column<'r> for Option<T> {
    fn read(value: ValueRef<'r>) -> Option<Self> {
        match value {
            ValueRef::Null => Some(None),
            value => T::read(value).map(Some),
        }
    }
}

/// What can be a parameter.
pub(super) trait Parameter<'q> {
    fn to_sql(self) -> ToSqlOutput<'q>;
}

impl<'q> Parameter<'q> for &'q [u8] {
    fn to_sql(self) -> ToSqlOutput<'q> {
        ToSqlOutput::Borrowed(ValueRef::Blob(self))
    }
}

impl<'q> Parameter<'q> for &'q Vec<u8> {
    fn to_sql(self) -> ToSqlOutput<'q> {
        self.as_slice().to_sql()
    }
}

impl<'q> Parameter<'q> for &'q str {
    fn to_sql(self) -> ToSqlOutput<'q> {
        ToSqlOutput::Borrowed(ValueRef::Text(self.as_bytes()))
    }
}

impl<'q> Parameter<'q> for &'q String {
    fn to_sql(self) -> ToSqlOutput<'q> {
        self.as_str().to_sql()
    }
}

impl<'q, T> Parameter<'q> for &'q Option<T>
where
    &'q T: Parameter<'q>,
{
    fn to_sql(self) -> ToSqlOutput<'q> {
        self.as_ref().to_sql()
    }
}

impl<'q, T: Parameter<'q>> Parameter<'q> for Option<T> {
    fn to_sql(self) -> ToSqlOutput<'q> {
        self.map_or(ToSqlOutput::Owned(Value::Null), Parameter::to_sql)
    }
}

macro_rules! owned {
    ($($kind:ty => $value:expr),*) => {
        $(impl<'q> Parameter<'q> for $kind {
            fn to_sql(self) -> ToSqlOutput<'q> {
                ToSqlOutput::Owned($value(self))
            }
        })*
    };
}

owned!(
    bool => |whether| Value::Integer(i64::from(whether)),
    i64 => Value::Integer,
    u32 => |number| Value::Integer(i64::from(number)),
    String => Value::Text,
    Vec<u8> => Value::Blob
);
