//! SQLite and PostgreSQL behind one transaction type.
//!
//! One set of queries runs on both: `$n` placeholders, values that are integers, texts or bytes.
//! SQLite has one writer thread, which runs the closures that wait in one commit, a savepoint each
//! (group commit); readers have their own connections. PostgreSQL runs each closure in its own
//! transaction on a plain thread, because its client blocks.

use jiff::Timestamp;
use rusqlite::OpenFlags;
use rusqlite::config::DbConfig;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use trueup_domain::planted::planted;

use crate::changes::{Changes, Notices};
use crate::writer::{self, Job, Lane, Queue, job_of};
use crate::{Result, migrate};

/// While much comes in at the front door, a stage writes this part of what it else writes at once.
const SMALL_PART: usize = 5;
const POSTGRES_CONNECTIONS: usize = 8;
/// So often work that collides is done before its caller is told.
const COLLISIONS_MAX: u32 = 10;
/// More texts than the store has.
const STATEMENTS_MAX: usize = 1_000;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A constraint refused the write: somebody else was first, or the content differs.
    #[error("the database refused a conflicting write: {0}")]
    Conflict(String),
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// Two transactions of PostgreSQL stood in each other's way, and this one was undone whole: the
    /// same work done anew may well succeed.
    #[error("another transaction was in the way: {0}")]
    Collided(String),
    /// The disk or the file of the database failed. Nothing is written any more: what a sync that
    /// failed has left is not known, and a second one would only say that all is well.
    #[error("the database file can no longer be used: {0}")]
    Damaged(String),
    /// A row fails its own invariant.
    #[error("a stored row cannot be read: {0}")]
    Corrupt(String),
    /// The lease of the shard is somebody else's now; the work is dropped.
    #[error("the lease was lost")]
    LeaseLost,
    /// Only in simulation: the process died around this commit.
    #[error("the process crashed")]
    Crashed,
}

impl StoreError {
    pub fn corrupt(what: impl std::fmt::Display) -> Self {
        Self::Corrupt(what.to_string())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Null,
    Int(i64),
    Text(String),
    Blob(Vec<u8>),
}

macro_rules! value_from {
    ($($from:ty => |$value:ident| $make:expr;)*) => {
        $(impl From<$from> for Value { fn from($value: $from) -> Self { $make } })*
    };
}
value_from! {
    i64 => |value| Value::Int(value);
    u32 => |value| Value::Int(i64::from(value));
    bool => |value| Value::Int(i64::from(value));
    &str => |value| Value::Text(value.to_owned());
    String => |value| Value::Text(value);
    &String => |value| Value::Text(value.clone());
    Vec<u8> => |value| Value::Blob(value);
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The parameters of a statement: `values![a, b]`.
#[macro_export]
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::Value::from($value)),*] };
}

#[derive(Clone, Debug)]
pub struct Row(pub(crate) Vec<Value>);

impl Row {
    pub(crate) fn into_values(self) -> Vec<Value> {
        self.0
    }
    pub fn int(&self, index: usize) -> Result<i64> {
        self.opt_int(index)?.ok_or_else(|| StoreError::corrupt(format!("column {index} is null")))
    }
    pub fn opt_int(&self, index: usize) -> Result<Option<i64>> {
        match self.0.get(index) {
            Some(Value::Int(value)) => Ok(Some(*value)),
            Some(Value::Null) => Ok(None),
            other => Err(StoreError::corrupt(format!("column {index} is {other:?}"))),
        }
    }
    pub fn text(&self, index: usize) -> Result<String> {
        self.opt_text(index)?.ok_or_else(|| StoreError::corrupt(format!("column {index} is null")))
    }
    pub fn opt_text(&self, index: usize) -> Result<Option<String>> {
        match self.0.get(index) {
            Some(Value::Text(value)) => Ok(Some(value.clone())),
            Some(Value::Null) => Ok(None),
            other => Err(StoreError::corrupt(format!("column {index} is {other:?}"))),
        }
    }
    pub fn blob(&self, index: usize) -> Result<Vec<u8>> {
        match self.0.get(index) {
            Some(Value::Blob(value)) => Ok(value.clone()),
            other => Err(StoreError::corrupt(format!("column {index} is {other:?}"))),
        }
    }
}

/// A transaction of either engine. Reads of a [`Store::read`] see one state.
pub struct Tx<'a>(pub(crate) Engine<'a>);

pub(crate) enum Engine<'a> {
    Sqlite(&'a rusqlite::Connection),
    Postgres(Box<postgres::Transaction<'a>>, &'a mut Statements),
}

/// The statements that a connection to PostgreSQL has prepared, by their text. There are as many as
/// this crate has texts.
type Statements = BTreeMap<String, postgres::Statement>;

fn prepared(
    transaction: &mut postgres::Transaction<'_>,
    known: &mut Statements,
    sql: &str,
) -> Result<postgres::Statement> {
    if let Some(statement) = known.get(sql) {
        return Ok(statement.clone());
    }
    let statement = transaction.prepare(sql)?;
    if known.len() >= STATEMENTS_MAX {
        known.clear();
    }
    known.insert(sql.to_owned(), statement.clone());
    Ok(statement)
}

thread_local! {
    /// `$n` rewritten to `?n`: SQLite would number `$n` by first appearance, not by value.
    static REWRITTEN: RefCell<BTreeMap<String, Arc<str>>> = const { RefCell::new(BTreeMap::new()) };
}

fn for_sqlite(sql: &str) -> Arc<str> {
    REWRITTEN.with_borrow_mut(|known| match known.get(sql) {
        Some(text) => Arc::clone(text),
        None => {
            let text: Arc<str> = sql.replace('$', "?").into();
            known.insert(sql.to_owned(), Arc::clone(&text));
            text
        }
    })
}

impl Tx<'_> {
    pub fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>> {
        match &mut self.0 {
            Engine::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(&for_sqlite(sql))?;
                let columns = statement.column_count();
                let mut rows = statement.query(rusqlite::params_from_iter(values))?;
                let mut found = Vec::new();
                while let Some(row) = rows.next()? {
                    let row: rusqlite::Result<Vec<Value>> =
                        (0..columns).map(|index| row.get(index)).collect();
                    found.push(Row(row?));
                }
                Ok(found)
            }
            Engine::Postgres(transaction, known) => {
                let statement = prepared(transaction, known, sql)?;
                let rows = transaction.query(&statement, &as_sql(values))?;
                rows.iter().map(postgres_row).collect()
            }
        }
    }

    pub fn query_one(&mut self, sql: &str, values: &[Value]) -> Result<Option<Row>> {
        Ok(self.query(sql, values)?.into_iter().next())
    }

    /// Returns how many rows changed.
    pub fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64> {
        match &mut self.0 {
            Engine::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(&for_sqlite(sql))?;
                let changed = statement.execute(rusqlite::params_from_iter(values))?;
                Ok(u64::try_from(changed).unwrap_or(0))
            }
            Engine::Postgres(transaction, known) => {
                let statement = prepared(transaction, known, sql)?;
                Ok(transaction.execute(&statement, &as_sql(values))?)
            }
        }
    }

    /// Runs several statements without parameters: migrations only.
    pub(crate) fn batch(&mut self, sql: &str) -> Result<()> {
        match &mut self.0 {
            Engine::Sqlite(connection) => connection.execute_batch(sql)?,
            Engine::Postgres(transaction, _) => transaction.batch_execute(sql)?,
        }
        Ok(())
    }

    /// Runs a statement that is neither a query nor a change. It is prepared once: a savepoint
    /// around each of many small writes is a good part of their time.
    fn command(&mut self, sql: &str) -> Result<()> {
        match &mut self.0 {
            Engine::Sqlite(connection) => {
                connection.prepare_cached(sql)?.raw_execute().map(drop)?
            }
            Engine::Postgres(transaction, _) => transaction.batch_execute(sql)?,
        }
        Ok(())
    }

    /// Runs `work` so that its failure, or its panic, undoes only its own writes.
    pub fn savepoint<T>(&mut self, work: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        self.command("SAVEPOINT unit")?;
        let outcome = catch_unwind(AssertUnwindSafe(|| work(self)));
        if let Ok(Ok(_)) = &outcome {
            self.command("RELEASE SAVEPOINT unit")?;
            return outcome.unwrap_or_else(|panic| resume_unwind(panic));
        }
        let undone = self.batch("ROLLBACK TO SAVEPOINT unit; RELEASE SAVEPOINT unit");
        match outcome {
            // A full disk ends the whole transaction by itself. That is the cause to tell; but
            // nobody may take it for a refusal of this unit alone.
            Ok(Err(error)) if undone.is_ok() || !matches!(error, StoreError::Conflict(_)) => {
                Err(error)
            }
            Ok(outcome) => undone.and(outcome),
            Err(panic) => resume_unwind(panic),
        }
    }

    /// Runs `work`, keeps what it says, and undoes all that it wrote.
    pub fn rehearse<T>(&mut self, work: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        let mut said = None;
        let undone = self.savepoint(|tx| {
            said = Some(work(tx)?);
            Err::<(), _>(StoreError::Conflict("rehearsed, and undone".to_owned()))
        });
        match (said, undone) {
            (Some(said), _) => Ok(said),
            (None, Err(error)) => Err(error),
            (None, Ok(())) => Err(StoreError::corrupt("a rehearsal that said nothing")),
        }
    }

    /// Lets processes that start together migrate one after the other; SQLite has one writer.
    pub(crate) fn lock_migrations(&mut self) -> Result<()> {
        match self.0 {
            Engine::Sqlite(_) => Ok(()),
            Engine::Postgres(..) => self.batch("LOCK TABLE migrations IN EXCLUSIVE MODE"),
        }
    }

    /// The row lock of PostgreSQL that SQLite, with its one writer, does without: the row stays whose
    /// it is, whatever else is written to it.
    pub(crate) fn for_key_share(&self) -> &'static str {
        match self.0 {
            Engine::Sqlite(_) => "",
            Engine::Postgres(..) => " FOR KEY SHARE",
        }
    }

    /// Whether other transactions write beside this one. SQLite has one writer.
    pub fn has_rivals(&self) -> bool {
        matches!(self.0, Engine::Postgres(..))
    }

    /// The same for rows that are written afterwards, beside those who only need them to stay.
    pub(crate) fn for_no_key_update(&self) -> &'static str {
        match self.0 {
            Engine::Sqlite(_) => "",
            Engine::Postgres(..) => " FOR NO KEY UPDATE",
        }
    }

    /// The same for rows that are written afterwards, alone.
    pub(crate) fn for_update(&self) -> &'static str {
        match self.0 {
            Engine::Sqlite(_) => "",
            Engine::Postgres(..) => " FOR UPDATE",
        }
    }

    /// The time by which leases of this database are measured: on PostgreSQL its own, because the
    /// clocks of the machines that share it differ; on SQLite `now`, that of the one process.
    pub fn clock(&mut self, now: Timestamp) -> Result<Timestamp> {
        match self.0 {
            Engine::Sqlite(_) => Ok(now),
            Engine::Postgres(..) => {
                let sql = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)";
                let row = self.query_one(sql, &[])?;
                let row = row.ok_or_else(|| StoreError::corrupt("the database has no clock"))?;
                crate::messages::moment(row.int(0)?)
            }
        }
    }

    pub(crate) fn blob_type(&self) -> &'static str {
        match self.0 {
            Engine::Sqlite(_) => "BLOB",
            Engine::Postgres(..) => "BYTEA",
        }
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        use rusqlite::types::{ToSqlOutput, ValueRef};
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
            Self::Blob(value) => ValueRef::Blob(value),
        }))
    }
}
impl rusqlite::types::FromSql for Value {
    fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
        use rusqlite::types::ValueRef;
        Ok(match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(value) => Self::Int(value),
            ValueRef::Text(_) => Self::Text(value.as_str()?.to_owned()),
            ValueRef::Blob(value) => Self::Blob(value.to_vec()),
            ValueRef::Real(_) => return Err(rusqlite::types::FromSqlError::InvalidType),
        })
    }
}

impl postgres::types::ToSql for Value {
    fn to_sql(
        &self,
        kind: &postgres::types::Type,
        out: &mut postgres::types::private::BytesMut,
    ) -> std::result::Result<postgres::types::IsNull, Box<dyn std::error::Error + Sync + Send>>
    {
        match self {
            Self::Null => Ok(postgres::types::IsNull::Yes),
            Self::Int(value) => value.to_sql(kind, out),
            // PostgreSQL has no text with a zero byte, and a hostile name must not stop a stage.
            Self::Text(value) if value.contains('\0') => {
                value.replace('\0', "\u{FFFD}").to_sql(kind, out)
            }
            Self::Text(value) => value.to_sql(kind, out),
            Self::Blob(value) => value.to_sql(kind, out),
        }
    }
    fn accepts(_: &postgres::types::Type) -> bool {
        true
    }
    postgres::types::to_sql_checked!();
}

fn as_sql(values: &[Value]) -> Vec<&(dyn postgres::types::ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn postgres::types::ToSql + Sync)).collect()
}

fn postgres_row(row: &postgres::Row) -> Result<Row> {
    use postgres::types::Type;
    let value = |index: usize, kind: &Type| -> Result<Value> {
        Ok(match *kind {
            Type::INT8 => row.try_get::<_, Option<i64>>(index)?.into(),
            // No column is one, but a literal is: `SELECT 1`.
            Type::INT4 => row.try_get::<_, Option<i32>>(index)?.map(i64::from).into(),
            Type::TEXT | Type::VARCHAR | Type::NAME => {
                row.try_get::<_, Option<String>>(index)?.into()
            }
            Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(index)?.into(),
            ref other => return Err(StoreError::corrupt(format!("unexpected type {other}"))),
        })
    };
    let columns = row.columns().iter().enumerate();
    columns.map(|(index, column)| value(index, column.type_())).collect::<Result<_>>().map(Row)
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::ConstraintViolation) => Self::Conflict(error.to_string()),
            Some(
                rusqlite::ErrorCode::DatabaseCorrupt
                | rusqlite::ErrorCode::NotADatabase
                | rusqlite::ErrorCode::SystemIoFailure
                | rusqlite::ErrorCode::ReadOnly,
            ) => Self::Damaged(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}
impl From<postgres::Error> for StoreError {
    fn from(error: postgres::Error) -> Self {
        let text = match error.as_db_error() {
            Some(inner) => inner.to_string(),
            None => error.to_string(),
        };
        match error.code().map(postgres::error::SqlState::code) {
            Some(code) if code.starts_with("23") => Self::Conflict(text),
            // Deadlocks and failures to serialise.
            Some(code) if code.starts_with("40") => Self::Collided(text),
            Some("XX001" | "XX002") => Self::Corrupt(text),
            _ => Self::Unavailable(text),
        }
    }
}

/// What becomes of the next commit of a simulated store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitFate {
    Commit,
    /// The process dies before the commit: nothing of it is kept.
    CrashBefore,
    /// The process dies after the commit, before anybody learns of it.
    CrashAfter,
}

type Fate = Box<dyn FnMut() -> CommitFate + Send>;
/// What others do before a write begins.
type Meanwhile = Box<dyn FnMut() + Send>;

/// The database of one hub. Cheap to clone; all clones share it.
#[derive(Clone)]
pub struct Store(Arc<Backend>, Arc<Changes>);

enum Backend {
    /// With what others do meanwhile, which writes itself and so is outside the lock.
    Memory(Mutex<Memory>, Mutex<Option<Meanwhile>>),
    File(File),
    Postgres(Postgres),
}

struct Memory {
    connection: rusqlite::Connection,
    fate: Fate,
}

struct File {
    path: PathBuf,
    jobs: Arc<Queue>,
    /// Who writes and who writes back. Each gives its connection back at its end, as two that are
    /// closed at once leave the log to nobody.
    threads: Vec<JoinHandle<rusqlite::Connection>>,
    readers: Mutex<Vec<rusqlite::Connection>>,
}

struct Postgres {
    url: String,
    idle: Mutex<Vec<Connected>>,
}

struct Connected {
    client: postgres::Client,
    statements: Statements,
}

impl Store {
    /// A throw-away store on one thread, for tests and simulation.
    pub fn in_memory() -> Result<Self> {
        let connection = rusqlite::Connection::open_in_memory()?;
        connection.execute_batch("PRAGMA foreign_keys = ON")?;
        keep_plans(&connection)?;
        let memory = Memory { connection, fate: Box::new(|| CommitFate::Commit) };
        let backend = Backend::Memory(Mutex::new(memory), Mutex::new(None));
        let store = Self(Arc::new(backend), Arc::default());
        store.write(migrate::run)?;
        Ok(store)
    }

    /// Decides the fate of every commit from now on; only for a store in memory.
    pub fn set_fate(&self, fate: impl FnMut() -> CommitFate + Send + 'static) {
        if let Backend::Memory(memory, _) = &*self.0 {
            lock(memory).fate = Box::new(fate);
        }
    }

    /// Lets `meanwhile` run before each write from now on, as another process would between two
    /// commits of this one. What it writes itself is not interrupted again. Only for a store in
    /// memory.
    pub fn set_meanwhile(&self, meanwhile: impl FnMut() + Send + 'static) {
        if let Backend::Memory(_, slot) = &*self.0 {
            *lock(slot) = Some(Box::new(meanwhile));
        }
    }

    pub fn open_sqlite(path: &Path) -> Result<Self> {
        let connection = make_file(path)?;
        let jobs = Arc::new(Queue::default());
        let unavailable = |error: std::io::Error| StoreError::Unavailable(error.to_string());
        let changes = Arc::<Changes>::default();
        let (waiting, committed) = (Arc::clone(&jobs), Arc::clone(&changes));
        let write = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                writer::write_groups(&connection, &waiting, &committed);
                connection
            })
            .map_err(unavailable)?;
        let (checkpointer, waiting) = (open_file(path)?, Arc::clone(&jobs));
        let write_back = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || {
                writer::checkpoint(&checkpointer, &waiting);
                checkpointer
            })
            .map_err(unavailable)?;
        let threads = vec![write, write_back];
        let file = File { path: path.to_owned(), jobs, threads, readers: Mutex::new(Vec::new()) };
        let store = Self(Arc::new(Backend::File(file)), changes);
        store.write(migrate::run)?;
        Ok(store)
    }

    /// Opens a PostgreSQL database; `url` as libpq writes it.
    pub fn open_postgres(url: &str) -> Result<Self> {
        let backend = Postgres { url: url.to_owned(), idle: Mutex::new(Vec::new()) };
        let store = Self(Arc::new(Backend::Postgres(backend)), Arc::default());
        match store.write(migrate::run) {
            // Another process made the very first table at the same moment.
            Err(StoreError::Conflict(_)) => store.write(migrate::run)?,
            outcome => outcome?,
        }
        Ok(store)
    }

    /// Whether other transactions write beside one of this process.
    pub fn has_rivals(&self) -> bool {
        matches!(&*self.0, Backend::Postgres(_))
    }

    /// What was committed, for who waits for work.
    pub fn changes(&self) -> &Changes {
        &self.1
    }

    /// Lets the processes of a PostgreSQL database wake each other, until what is returned is
    /// dropped; `None` where no other process can be.
    pub fn tell_others(&self) -> Result<Option<Notices>> {
        match &*self.0 {
            Backend::Postgres(postgres) => {
                Notices::start(postgres.url.clone(), Arc::clone(&self.1)).map(Some)
            }
            Backend::Memory(..) | Backend::File(_) => Ok(None),
        }
    }

    /// What makes the file unusable, once something did: nothing is written to it any more.
    pub fn damage(&self) -> Option<String> {
        match &*self.0 {
            Backend::File(file) => file.jobs.damage(),
            Backend::Memory(..) | Backend::Postgres(_) => None,
        }
    }

    /// Runs `work` on one consistent state.
    pub fn read<T>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        match &*self.0 {
            Backend::Memory(memory, _) => work(&mut Tx(Engine::Sqlite(&lock(memory).connection))),
            Backend::File(file) => {
                let idle = lock(&file.readers).pop();
                let connection = match idle {
                    Some(connection) => connection,
                    None => open_file(&file.path)?,
                };
                connection.execute_batch("BEGIN")?;
                let outcome = work(&mut Tx(Engine::Sqlite(&connection)));
                if connection.execute_batch("COMMIT").is_ok() {
                    lock(&file.readers).push(connection);
                }
                if let Err(StoreError::Damaged(what)) = &outcome {
                    file.jobs.damaged(what);
                }
                outcome
            }
            Backend::Postgres(postgres) => postgres.run(Access::Read, work),
        }
    }

    /// Runs `work` in a transaction and returns once it is durable.
    pub fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        match &*self.0 {
            Backend::Memory(memory, meanwhile) => {
                let taken = lock(meanwhile).take();
                if let Some(mut others) = taken {
                    others();
                    lock(meanwhile).get_or_insert(others);
                }
                lock(memory).write(work)
            }
            Backend::File(file) => {
                let outcome = Self::queue(file, work).wait();
                match (outcome, file.jobs.damage()) {
                    (Err(StoreError::Unavailable(_)), Some(damage)) => {
                        Err(StoreError::Damaged(damage))
                    }
                    (outcome, _) => outcome,
                }
            }
            Backend::Postgres(_) => {
                let outcome = self.write_aside(work);
                if outcome.is_ok() {
                    self.1.committed();
                }
                outcome
            }
        }
    }

    /// As [`Store::write`], but on PostgreSQL it wakes nobody: no stage has anything to do after it.
    pub fn write_aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        match &*self.0 {
            Backend::Memory(..) | Backend::File(_) => self.write(work),
            Backend::Postgres(postgres) => postgres.run(Access::Write, work),
        }
    }

    /// As [`Store::write`], for work that can be done anew: on PostgreSQL it is, where it collides
    /// with that of another process or thread.
    pub fn redo<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let Backend::Postgres(postgres) = &*self.0 else { return self.write(work) };
        let mut tries = 1;
        loop {
            match postgres.run(Access::Write, &work) {
                Err(StoreError::Collided(_)) if tries < COLLISIONS_MAX => tries += 1,
                outcome => {
                    if outcome.is_ok() {
                        self.1.committed();
                    }
                    return outcome;
                }
            }
        }
    }

    /// How many of `full` units a stage should write in one turn now: fewer while much comes in at
    /// the front door, where a sender waits for as long as a turn takes.
    pub fn part(&self, full: usize) -> usize {
        match &*self.0 {
            Backend::File(file) if file.jobs.front_door_is_busy() => (full / SMALL_PART).max(1),
            _ => full,
        }
    }

    /// Begins to [`Store::redo`], so that the caller can do something else until it is durable.
    pub fn redo_later<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Later<T> {
        match &*self.0 {
            Backend::File(file) => Self::queue(file, work),
            Backend::Memory(..) | Backend::Postgres(_) => Later::done(self.redo(work)),
        }
    }

    fn queue<T: Send + 'static>(
        file: &File,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Later<T> {
        let (sender, outcome) = std::sync::mpsc::channel();
        // Whoever does not wait does not care.
        let done = move |outcome| drop(sender.send(outcome));
        file.jobs.push(Lane::Behind, job_of(work, done));
        Later(outcome)
    }

    /// Queues `work` and calls `done` once it is durable; async code awaits a channel that `done`
    /// fills. Waits while the queue is full.
    pub fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
        done: impl FnOnce(Result<T>) + Send + 'static,
    ) {
        if let Err(full) = self.try_submit(work, done) {
            full.submit();
        }
    }

    /// As [`Store::submit`], but gives the work back where the queue is full, for who must not wait.
    pub fn try_submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
        done: impl FnOnce(Result<T>) + Send + 'static,
    ) -> std::result::Result<(), Full> {
        match &*self.0 {
            Backend::File(file) => {
                let jobs = Arc::clone(&file.jobs);
                jobs.try_push(job_of(work, done)).map_err(|job| Full { jobs, job })?;
            }
            Backend::Memory(..) => done(self.write(work)),
            Backend::Postgres(_) => {
                let store = self.clone();
                std::thread::spawn(move || done(store.write(work)));
            }
        }
        Ok(())
    }
}

/// A write under way.
#[must_use = "it may fail"]
pub struct Later<T>(Receiver<Result<T>>);

impl<T> Later<T> {
    fn done(outcome: Result<T>) -> Self {
        let (sender, receiver) = std::sync::mpsc::channel();
        // The other end is in hand.
        let _ = sender.send(outcome);
        Self(receiver)
    }

    /// Returns once the write is durable, or has failed.
    pub fn wait(self) -> Result<T> {
        let gone = |_| StoreError::Unavailable("the writer stopped or could not begin".to_owned());
        self.0.recv().map_err(gone)?
    }
}

/// Work that found no room in the queue of the writer.
pub struct Full {
    jobs: Arc<Queue>,
    job: Job,
}

impl Full {
    /// Waits for room.
    pub fn submit(self) {
        self.jobs.push(Lane::FrontDoor, self.job);
    }
}

/// The first connection makes the file; a later one that finds none must not make an empty one.
fn make_file(path: &Path) -> Result<rusqlite::Connection> {
    prepare(rusqlite::Connection::open(path)?)
}

fn open_file(path: &Path) -> Result<rusqlite::Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    prepare(rusqlite::Connection::open_with_flags(path, flags)?)
}

fn prepare(connection: rusqlite::Connection) -> Result<rusqlite::Connection> {
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
         PRAGMA cache_size = -8192; PRAGMA wal_autocheckpoint = 0;",
    )?;
    keep_plans(&connection)?;
    Ok(connection)
}

/// A statement is planned once and not again for each set of values. SQLite otherwise plans anew
/// whatever compares a value and might use a partial index, which was a quarter of all work.
fn keep_plans(connection: &rusqlite::Connection) -> Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(256);
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A panic inside a closure was caught and its transaction rolled back; what is kept is sound.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memory {
    fn write<T>(&mut self, work: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let connection = &self.connection;
        let outcome = catch_unwind(AssertUnwindSafe(|| work(&mut Tx(Engine::Sqlite(connection)))));
        if !matches!(outcome, Ok(Ok(_))) {
            self.connection.execute_batch("ROLLBACK")?;
        }
        let value = outcome.unwrap_or_else(|panic| resume_unwind(panic))?;
        match (self.fate)() {
            CommitFate::Commit => {
                self.connection.execute_batch("COMMIT")?;
                Ok(value)
            }
            CommitFate::CrashBefore => {
                self.connection.execute_batch("ROLLBACK")?;
                if planted("said_before_it_is_durable") {
                    return Ok(value);
                }
                Err(StoreError::Crashed)
            }
            CommitFate::CrashAfter => {
                self.connection.execute_batch("COMMIT")?;
                Err(StoreError::Crashed)
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Access {
    /// One state for all statements: a decision must not see half of what arrives meanwhile.
    Read,
    /// Each check-then-act is a lease, a unique constraint or a conditional update, so that
    /// READ COMMITTED is enough.
    Write,
}

/// Ends when the file is closed: who opens it next, or copies it, meets nobody.
impl Drop for File {
    fn drop(&mut self) {
        self.jobs.close();
        let me = std::thread::current().id();
        for thread in self.threads.drain(..) {
            // The last who holds the store can be a closure that the writer drops itself.
            if thread.thread().id() != me && thread.join().is_err() {
                report(&StoreError::Crashed);
            }
        }
    }
}

impl Postgres {
    fn run<T>(&self, access: Access, work: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        let idle = lock(&self.idle).pop();
        let mut connected = match idle {
            Some(connected) if !connected.client.is_closed() => connected,
            _ => {
                let client = postgres::Client::connect(&self.url, postgres::NoTls)?;
                Connected { client, statements: Statements::new() }
            }
        };
        let outcome = {
            let Connected { client, statements } = &mut connected;
            let transaction = match access {
                Access::Read => client
                    .build_transaction()
                    .isolation_level(postgres::IsolationLevel::RepeatableRead)
                    .read_only(true)
                    .start()?,
                Access::Write => client.transaction()?,
            };
            let mut tx = Tx(Engine::Postgres(Box::new(transaction), statements));
            let outcome = work(&mut tx);
            if let Engine::Postgres(transaction, _) = tx.0 {
                match &outcome {
                    Ok(_) => transaction.commit()?,
                    Err(_) => transaction.rollback()?,
                }
            }
            outcome
        };
        let mut idle = lock(&self.idle);
        // What was prepared before the schema changed fails once; the next connection prepares anew.
        let sound = !matches!(outcome, Err(StoreError::Unavailable(_)));
        if sound && idle.len() < POSTGRES_CONNECTIONS {
            idle.push(connected);
        }
        outcome
    }
}

/// The store has no logger; what it cannot return it writes where an operator looks.
pub(crate) fn report(error: &StoreError) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "store: {error}");
}
