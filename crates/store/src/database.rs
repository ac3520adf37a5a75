//! SQLite and PostgreSQL behind one transaction type.
//!
//! One set of queries runs on both: `$n` placeholders, values that are integers, texts or bytes.
//! SQLite has one writer thread, which runs the closures that wait in one commit, a savepoint each
//! (group commit); readers have their own connections. PostgreSQL runs each closure in its own
//! transaction on a plain thread, because its client blocks.

mod pool;
mod session;
mod value;

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

use self::pool::{Access, Postgres};
use self::session::Session;
pub(crate) use self::session::limits;
pub use self::value::{Row, Value};
use crate::changes::{Changes, Notices};
use crate::scans;
use crate::writer::{self, Lane, Queue, job_of};
use crate::{Result, migrate};

/// While much comes in at the front door, a stage writes this part of what it usually writes at once.
const SMALL_PART: usize = 5;
/// While little does, and nobody else writes, so much more: what has one commit changes each page once.
const LARGE_PART: usize = 4;
/// So often work that collides is done before its caller is told.
const COLLISIONS_MAX: u32 = 10;

#[derive(Clone, Debug, thiserror::Error)]
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

/// A transaction of either engine. Reads of a [`Store::read`] see one state.
pub struct Tx<'a>(pub(crate) Engine<'a>);

pub(crate) enum Engine<'a> {
    Sqlite(&'a rusqlite::Connection),
    Postgres(&'a mut Session),
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
                drop(rows);
                scans::note(sql, &statement);
                Ok(found)
            }
            Engine::Postgres(session) => session.query(sql, values),
        }
    }

    pub fn query_one(&mut self, sql: &str, values: &[Value]) -> Result<Option<Row>> {
        Ok(self.query(sql, values)?.into_iter().next())
    }

    /// The same query of each of these values: on PostgreSQL they are asked at once.
    pub fn query_each(&mut self, sql: &str, each: &[Vec<Value>]) -> Result<Vec<Vec<Row>>> {
        match &mut self.0 {
            Engine::Sqlite(_) => each.iter().map(|values| self.query(sql, values)).collect(),
            Engine::Postgres(_) if each.is_empty() => Ok(Vec::new()),
            Engine::Postgres(session) => session.query_each(sql, each),
        }
    }

    /// Returns how many rows changed.
    pub fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64> {
        match &mut self.0 {
            Engine::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(&for_sqlite(sql))?;
                let changed = statement.execute(rusqlite::params_from_iter(values))?;
                scans::note(sql, &statement);
                Ok(u64::try_from(changed).unwrap_or(0))
            }
            Engine::Postgres(session) => session.execute(sql, values),
        }
    }

    /// A change of which nobody asks how many rows it changes. On PostgreSQL nobody waits for it
    /// either: what comes next in this transaction finds it done, or says why it could not be.
    pub fn write(&mut self, sql: &str, values: &[Value]) -> Result<()> {
        match &mut self.0 {
            Engine::Sqlite(_) => self.execute(sql, values).map(drop),
            Engine::Postgres(session) => session.write(sql, values),
        }
    }

    /// As [`Tx::write`], of a change that conflicts with what another process did if it changes
    /// nothing; `conflict` says with what.
    pub fn write_or(&mut self, sql: &str, values: &[Value], conflict: String) -> Result<()> {
        match &mut self.0 {
            Engine::Sqlite(_) => match self.execute(sql, values)? {
                0 => Err(StoreError::Conflict(conflict)),
                _ => Ok(()),
            },
            Engine::Postgres(session) => session.change(sql, values, conflict),
        }
    }

    /// Returns once all that was written is done, or something of it could not be.
    fn settle(&mut self) -> Result<()> {
        match &mut self.0 {
            Engine::Sqlite(_) => Ok(()),
            Engine::Postgres(session) => session.settle(),
        }
    }

    /// Returns once it is known whether what had to change something did.
    fn judge(&mut self) -> Result<()> {
        match &mut self.0 {
            Engine::Sqlite(_) => Ok(()),
            Engine::Postgres(session) => session.judge(),
        }
    }

    /// Runs several statements without parameters: migrations only.
    pub(crate) fn batch(&mut self, sql: &str) -> Result<()> {
        match &mut self.0 {
            Engine::Sqlite(connection) => Ok(connection.execute_batch(sql)?),
            Engine::Postgres(session) => {
                session.command(sql)?;
                session.settle()
            }
        }
    }

    /// Runs a statement that is neither a query nor a change. It is prepared once: a savepoint
    /// around each of many small writes is a good part of their time.
    fn command(&mut self, sql: &str) -> Result<()> {
        match &mut self.0 {
            Engine::Sqlite(connection) => {
                connection.prepare_cached(sql)?.raw_execute().map(drop)?;
                Ok(())
            }
            Engine::Postgres(session) => session.command(sql),
        }
    }

    /// Runs `work` so that its failure, or its panic, undoes only its own writes.
    pub fn savepoint<T>(&mut self, work: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        let mark = match &mut self.0 {
            Engine::Sqlite(_) => None,
            Engine::Postgres(session) => Some(session.mark()?),
        };
        self.command("SAVEPOINT unit")?;
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let done = work(self)?;
            self.judge()?;
            self.command("RELEASE SAVEPOINT unit")?;
            self.settle().map(|()| done)
        }));
        if let Ok(Ok(_)) = &outcome {
            return outcome.unwrap_or_else(|panic| resume_unwind(panic));
        }
        let never_begun = match (&mut self.0, mark) {
            (Engine::Postgres(session), Some(mark)) => session.forget_since(mark),
            _ => false,
        };
        let undone = match never_begun {
            true => Ok(()),
            false => self.batch("ROLLBACK TO SAVEPOINT unit; RELEASE SAVEPOINT unit"),
        };
        if let (Engine::Postgres(session), Ok(())) = (&mut self.0, &undone) {
            session.mended();
        }
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
            let all = work(tx)?;
            // What the database refuses is refused in a rehearsal, too.
            tx.settle()?;
            said = Some(all);
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
            Engine::Postgres(_) => self.batch("LOCK TABLE migrations IN EXCLUSIVE MODE"),
        }
    }

    /// The row lock of PostgreSQL that SQLite, with its one writer, does without: the row stays whose
    /// it is, whatever else is written to it.
    pub(crate) fn for_key_share(&self) -> &'static str {
        match self.0 {
            Engine::Sqlite(_) => "",
            Engine::Postgres(_) => " FOR KEY SHARE",
        }
    }

    /// Whether other transactions write beside this one. SQLite has one writer.
    pub fn has_rivals(&self) -> bool {
        matches!(self.0, Engine::Postgres(_))
    }

    /// The same for rows that are written afterwards, beside those who only need them to stay.
    pub(crate) fn for_no_key_update(&self) -> &'static str {
        match self.0 {
            Engine::Sqlite(_) => "",
            Engine::Postgres(_) => " FOR NO KEY UPDATE",
        }
    }

    /// The same for rows that are written afterwards, alone.
    pub(crate) fn for_update(&self) -> &'static str {
        match self.0 {
            Engine::Sqlite(_) => "",
            Engine::Postgres(_) => " FOR UPDATE",
        }
    }

    /// The time by which leases of this database are measured: on PostgreSQL its own, because the
    /// clocks of the machines that share it differ; on SQLite `now`, that of the one process.
    pub fn clock(&mut self, now: Timestamp) -> Result<Timestamp> {
        match self.0 {
            Engine::Sqlite(_) => Ok(now),
            Engine::Postgres(_) => {
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
            Engine::Postgres(_) => "BYTEA",
        }
    }
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
impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        let text = match error.as_db_error() {
            Some(inner) => inner.to_string(),
            None => error.to_string(),
        };
        match error.code().map(tokio_postgres::error::SqlState::code) {
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
        let mut connection = make_file(path)?;
        // What a savepoint may have to put back is a few pages. Reports, which sort much, have
        // connections of their own.
        connection.execute_batch("PRAGMA temp_store = MEMORY")?;
        let jobs = Arc::new(Queue::default());
        writer::watch_log(&mut connection, &jobs)?;
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
        let backend = Postgres::new(url);
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

    /// How many units a stage that usually writes `usual` of them should write in one turn now: fewer
    /// while much comes in at the front door, where a sender waits for as long as a turn takes.
    pub fn part(&self, usual: usize) -> usize {
        match &*self.0 {
            Backend::File(file) if file.jobs.front_door_is_busy() => (usual / SMALL_PART).max(1),
            Backend::File(_) => usual * LARGE_PART,
            Backend::Memory(..) | Backend::Postgres(_) => usual,
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
                let full = |job| Full(Box::new(move || jobs.push(Lane::FrontDoor, job)));
                file.jobs.try_push(job_of(work, done)).map_err(full)?;
            }
            Backend::Memory(..) => done(self.write(work)),
            Backend::Postgres(postgres) => {
                let (store, submitted) = (self.clone(), postgres.submit());
                let write = move || done(store.write(work));
                let Some(submitted) = submitted else { return Err(Full(Box::new(write))) };
                std::thread::spawn(move || {
                    write();
                    drop(submitted);
                });
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

/// Work that found no room before the writer.
pub struct Full(Box<dyn FnOnce() + Send>);

impl Full {
    /// Waits for room.
    pub fn submit(self) {
        (self.0)();
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

/// The store has no logger; what it cannot return it writes where an operator looks.
pub(crate) fn report(error: &StoreError) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "store: {error}");
}
