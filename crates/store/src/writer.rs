//! The one writer of a SQLite file: waiting closures run in one commit, each in a savepoint of its
//! own but for the first, which nothing can undo but itself.
//!
//! What came in at the front door goes first, because a sender waits for it; of what is behind it,
//! one closure at most joins each commit, and while much comes in, what is behind has a part of the
//! writer's time ([`Pace`]), so that neither side starves.
//! Checkpoints are made beside the writer, so that no commit waits for one.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

mod pace;

use self::pace::Pace;
use rusqlite::hooks::Wal;

use crate::Result;
use crate::changes::Changes;
use crate::database::{Engine, StoreError, Tx, report};

/// Closures that may wait in each lane before more of them have to wait for room.
const WAITING_MAX: usize = 4096;
const GROUP_MAX: usize = 512;
const GROUP_TIME_MAX: Duration = Duration::from_millis(10);
/// The log is written back into the database once it has grown by so many pages: a page that
/// changes with each commit is written once for many of them.
const CHECKPOINT_PAGES: i64 = 1024;
/// So long what is in the log alone waits for more.
const CHECKPOINT_WITHIN: Duration = Duration::from_secs(1);
/// A log of so many pages is written back between two groups, so that the next begins it anew:
/// beside a writer that never rests it would only grow. SQLite syncs the database only when all of
/// the log is written back, so a delivery may wait for this sync: the longer the log, the longer.
const LOG_PAGES_MAX: i64 = 8192;

pub(crate) type Job = Box<dyn FnOnce(&mut Tx<'_>, Place) -> Written + Send>;

/// Where a closure stands in its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// With nothing before it. It needs no savepoint, which would copy each page that it changes:
    /// if it fails, the transaction is given up with it.
    First,
    /// In a savepoint of its own.
    Later,
}

/// What a closure did in the transaction of its group.
pub(crate) struct Written {
    completion: Completion,
    /// It found that the file cannot be used any more.
    damage: Option<String>,
    /// Why it could not be done, where that may have ended the whole transaction.
    failure: Option<String>,
    /// What it wrote before it failed is still in the transaction, and must not be committed.
    undo: bool,
}

/// Tells the caller how its closure ended, once the commit has succeeded or failed.
pub(crate) type Completion = Box<dyn FnOnce(Option<&StoreError>) + Send>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    FrontDoor,
    Behind,
}

/// A closure for the writer: `work` so that its failure undoes only its own writes, and `done` once
/// it is durable.
pub(crate) fn job_of<T: Send + 'static>(
    work: impl FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    done: impl FnOnce(Result<T>) + Send + 'static,
) -> Job {
    Box::new(move |tx, place| {
        // The writer outlives a bug in one closure; its caller learns of it.
        let outcome = catch_unwind(AssertUnwindSafe(|| match place {
            Place::First => work(tx),
            Place::Later => tx.savepoint(work),
        }));
        let outcome = outcome
            .unwrap_or_else(|_| Err(StoreError::Unavailable("the work panicked".to_owned())));
        let damage = match &outcome {
            Err(StoreError::Damaged(what)) => Some(what.clone()),
            _ => None,
        };
        let failure = match &outcome {
            Err(StoreError::Unavailable(what)) => Some(what.clone()),
            _ => None,
        };
        let undo = outcome.is_err() && place == Place::First;
        let completion: Completion = Box::new(move |failed| match failed {
            None => done(outcome),
            Some(StoreError::Damaged(what)) => done(Err(StoreError::Damaged(what.clone()))),
            Some(StoreError::Unavailable(what)) => done(Err(StoreError::Unavailable(what.clone()))),
            Some(error) => done(Err(StoreError::Unavailable(error.to_string()))),
        });
        Written { completion, damage, failure, undo }
    })
}

/// What waits for the writer.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    /// A closure came, or none will any more: for the writer.
    work: Condvar,
    /// A full lane has room again, or will never have: for who waits to push.
    room: Condvar,
    /// The log has grown, or the queue was closed: for the checkpoints.
    log: Condvar,
    /// Much comes in at the front door: what is behind it is to be written in small parts.
    busy: AtomicBool,
    /// Why nothing is written any more.
    damage: OnceLock<String>,
}

#[derive(Default)]
struct Waiting {
    front_door: VecDeque<Job>,
    behind: VecDeque<Job>,
    /// No more is taken in; what waits is still written.
    closed: bool,
    log: Log,
}

/// The log as the writer and the checkpoints know it, in pages.
#[derive(Clone, Copy, Debug, Default)]
struct Log {
    /// After the last commit.
    pages: i64,
    /// What a checkpoint found last.
    found: i64,
    /// What it left, because somebody still reads an older state.
    left: i64,
    /// It has grown too long.
    is_long: bool,
}

impl Log {
    fn after_commit(self, pages: i64) -> Self {
        match pages < self.pages {
            // It was written back whole, and begun anew.
            true => Self { pages, found: 0, left: 0, ..self },
            false => Self { pages, ..self },
        }
    }

    /// `found` pages, of which so many are written back.
    fn after_checkpoint(self, found: i64, written_back: i64) -> Self {
        // Before the first commit it is what an earlier process left.
        let pages = if self.pages == 0 { found } else { self.pages };
        let is_long = self.is_long || found > LOG_PAGES_MAX;
        Self { pages, found, left: found - written_back, is_long }
    }

    fn has_grown_enough(self) -> bool {
        self.pages - self.found >= CHECKPOINT_PAGES
    }

    fn is_written_back(self) -> bool {
        self.pages == self.found && self.left == 0
    }
}

impl Waiting {
    fn lane(&mut self, lane: Lane) -> &mut VecDeque<Job> {
        match lane {
            Lane::FrontDoor => &mut self.front_door,
            Lane::Behind => &mut self.behind,
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a closure; waits while its lane is full. One that comes when the writer is gone is
    /// dropped, and with it the channel of its caller.
    pub(crate) fn push(&self, lane: Lane, job: Job) {
        let mut waiting = self.lock();
        while waiting.lane(lane).len() >= WAITING_MAX && !waiting.closed {
            waiting = self.room.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        if !waiting.closed {
            waiting.lane(lane).push_back(job);
            self.work.notify_one();
        }
    }

    /// Queues a closure of the front door, or gives it back where there is no room.
    pub(crate) fn try_push(&self, job: Job) -> std::result::Result<(), Job> {
        let mut waiting = self.lock();
        if waiting.front_door.len() >= WAITING_MAX && !waiting.closed {
            return Err(job);
        }
        if !waiting.closed {
            waiting.front_door.push_back(job);
            self.work.notify_one();
        }
        Ok(())
    }

    pub(crate) fn front_door_is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed)
    }

    /// The file cannot be used any more: the writer ends, and who waits for it is told.
    pub(crate) fn damaged(&self, what: &str) {
        if self.damage.set(what.to_owned()).is_ok() {
            report(&StoreError::Damaged(what.to_owned()));
            self.close();
        }
    }

    /// Reports what went wrong beside the closures. Returns whether the file can still be used.
    fn heed(&self, error: &StoreError) -> bool {
        match error {
            StoreError::Damaged(what) => self.damaged(what),
            error => report(error),
        }
        self.damage().is_none()
    }

    pub(crate) fn damage(&self) -> Option<String> {
        self.damage.get().cloned()
    }

    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.tell_all();
    }

    fn tell_all(&self) {
        self.work.notify_all();
        self.room.notify_all();
        self.log.notify_all();
    }

    /// After a commit.
    fn log_is(&self, pages: i64) {
        let mut waiting = self.lock();
        let was = waiting.log;
        waiting.log = was.after_commit(pages);
        // Who waits is woken twice: to wait for more, and when there is enough.
        if was.is_written_back() || waiting.log.has_grown_enough() {
            self.log.notify_all();
        }
    }

    /// Waits until the log is to be written back; `false` once the queue is closed.
    fn wait_for_log(&self) -> bool {
        let mut waiting = self.lock();
        let idle = |waiting: &mut Waiting| !waiting.closed && waiting.log.is_written_back();
        waiting = self.log.wait_while(waiting, idle).unwrap_or_else(PoisonError::into_inner);
        let short = |waiting: &mut Waiting| !waiting.closed && !waiting.log.has_grown_enough();
        let waited = self.log.wait_timeout_while(waiting, CHECKPOINT_WITHIN, short);
        !waited.unwrap_or_else(PoisonError::into_inner).0.closed
    }

    fn pop(&self, waiting: &mut Waiting, lane: Lane) -> Option<Job> {
        let job = waiting.lane(lane).pop_front()?;
        if waiting.lane(lane).len() + 1 >= WAITING_MAX {
            self.room.notify_all();
        }
        Some(job)
    }

    /// Waits for work, for what is behind until its turn; `None` when all is written and no more
    /// will come.
    fn wait(&self, pace: &Pace) -> Option<(Lane, Job)> {
        let mut waiting = self.lock();
        loop {
            if let Some(job) = self.pop(&mut waiting, Lane::FrontDoor) {
                return Some((Lane::FrontDoor, job));
            }
            let turn = pace.behind_waits(Instant::now()).filter(|_| !waiting.closed);
            if turn.is_none()
                && let Some(job) = self.pop(&mut waiting, Lane::Behind)
            {
                return Some((Lane::Behind, job));
            }
            if waiting.closed {
                return None;
            }
            waiting = match turn {
                Some(turn) => {
                    let waited = self.work.wait_timeout(waiting, turn);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.work.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn next(&self, lane: Lane) -> Option<Job> {
        self.pop(&mut self.lock(), lane)
    }
}

/// Closes the queue when the writer ends, whatever ends it: who waits for it is told.
struct Closing<'a>(&'a Queue);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        waiting.closed = true;
        waiting.front_door.clear();
        waiting.behind.clear();
        drop(waiting);
        self.0.tell_all();
    }
}

/// Closures of one commit.
struct Group<'a> {
    connection: &'a rusqlite::Connection,
    completions: Vec<Completion>,
    damage: Option<String>,
    /// What ended the transaction before its time.
    given_up: Option<String>,
    /// The first closure failed: nothing is to be committed, and nothing joins it.
    undo: bool,
}

impl Group<'_> {
    fn run(&mut self, job: Job) {
        let place = match self.completions.is_empty() {
            true => Place::First,
            false => Place::Later,
        };
        let written = job(&mut Tx(Engine::Sqlite(self.connection)), place);
        let Written { completion, damage, failure, undo } = written;
        self.completions.push(completion);
        self.undo = undo;
        self.damage = self.damage.take().or(damage);
        if self.connection.is_autocommit() && !undo {
            self.given_up = failure.or_else(|| Some("the transaction was given up".to_owned()));
        }
    }

    /// Nothing more joins a transaction that SQLite has given up by itself, as it does when the disk
    /// is full: a closure would commit alone (C8).
    fn goes_on(&self) -> bool {
        self.damage.is_none() && self.given_up.is_none() && !self.undo
    }

    /// Commits, or undoes all of it, and tells each caller. Returns why the file cannot be used any
    /// more, if it cannot: of a sync that failed nobody knows what it left (C9).
    fn end(self) -> Option<String> {
        let committed = match (self.damage, self.given_up) {
            (Some(damage), _) => Err(StoreError::Damaged(damage)),
            (None, Some(why)) => Err(StoreError::Unavailable(why)),
            // Its caller is told why by what it returned.
            (None, None) if self.undo => Ok(()),
            (None, None) => self.connection.execute_batch("COMMIT").map_err(StoreError::from),
        };
        if (committed.is_err() || self.undo) && !self.connection.is_autocommit() {
            // The next group must not join what is left open.
            if let Err(error) = self.connection.execute_batch("ROLLBACK") {
                report(&StoreError::from(error));
            }
        }
        for completion in self.completions {
            completion(committed.as_ref().err());
        }
        match committed {
            Err(StoreError::Damaged(damage)) => Some(damage),
            _ => None,
        }
    }
}

/// Runs waiting closures until every [`crate::Store`] is gone.
pub(crate) fn write_groups(
    connection: &rusqlite::Connection,
    queue: &Arc<Queue>,
    changes: &Changes,
) {
    let _closing = Closing(queue);
    let mut pace = Pace::new(Instant::now());
    while let Some((lane, first)) = queue.wait(&pace) {
        let started = Instant::now();
        let begun = connection.execute_batch("BEGIN IMMEDIATE").map_err(StoreError::from);
        if let Err(error) = begun {
            // Nothing ran: tell the caller by dropping its job, which closes its channel.
            drop(first);
            if queue.heed(&error) {
                continue;
            }
            return;
        }
        let completions = Vec::new();
        let mut group =
            Group { connection, completions, damage: None, given_up: None, undo: false };
        group.run(first);
        if lane == Lane::Behind {
            pace.wrote_behind(Instant::now(), started.elapsed());
        }
        let of_behind = usize::from(lane == Lane::Behind);
        let more = |group: &Group<'_>| {
            group.goes_on()
                && group.completions.len() < GROUP_MAX
                && started.elapsed() < GROUP_TIME_MAX
        };
        while let Some(job) = more(&group).then(|| queue.next(Lane::FrontDoor)).flatten() {
            group.run(job);
        }
        let begun = Instant::now();
        pace.came_in(begun, group.completions.len() - of_behind);
        queue.busy.store(pace.is_busy(begun), Ordering::Relaxed);
        if lane == Lane::FrontDoor
            && group.goes_on()
            && pace.behind_waits(begun).is_none()
            && let Some(job) = queue.next(Lane::Behind)
        {
            group.run(job);
            pace.wrote_behind(Instant::now(), begun.elapsed());
        }
        if let Some(damage) = group.end() {
            queue.damaged(&damage);
            return;
        }
        changes.committed();
        // Bound apart, so that the lock is free while the log is written back.
        let long = std::mem::take(&mut queue.lock().log.is_long);
        if long
            && let Err(error) = checkpoint_once(connection)
            && !queue.heed(&error)
        {
            return;
        }
    }
}

/// Has the queue told how long the log is after each commit.
pub(crate) fn watch_log(connection: &mut rusqlite::Connection, queue: &Arc<Queue>) -> Result<()> {
    let queue = Arc::clone(queue);
    let told = move |_: &mut Wal, pages| {
        queue.log_is(i64::from(pages));
        Ok(())
    };
    Ok(connection.wal_hook(Some(told))?)
}

/// Writes the log back now and then, until the queue is closed. A log that is written back whole is
/// left alone until it grows.
pub(crate) fn checkpoint(connection: &rusqlite::Connection, queue: &Arc<Queue>) {
    // At first what an earlier process left.
    loop {
        match checkpoint_once(connection) {
            Ok((found, written_back)) => {
                let mut waiting = queue.lock();
                waiting.log = waiting.log.after_checkpoint(found, written_back);
            }
            Err(error) if queue.heed(&error) => {}
            Err(_) => return,
        }
        if !queue.wait_for_log() {
            return;
        }
    }
}

/// Writes back what no reader needs any more, without waiting for anybody. Returns how many pages
/// the log has, and how many of them are written back.
fn checkpoint_once(connection: &rusqlite::Connection) -> Result<(i64, i64)> {
    let mut statement = connection.prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?;
    Ok(statement.query_row([], |row| Ok((row.get(1)?, row.get(2)?)))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_to_be_written_back_by_what_it_grew_since() {
        let found = Log::default().after_checkpoint(3, 3);
        assert!(found.is_written_back(), "what an earlier process left");
        let short = found.after_commit(3 + CHECKPOINT_PAGES - 1);
        assert!(!short.is_written_back() && !short.has_grown_enough());
        let long = short.after_commit(3 + CHECKPOINT_PAGES);
        assert!(long.has_grown_enough());
        let tried = long.after_checkpoint(long.pages, 5);
        assert!(!tried.has_grown_enough(), "nobody tries again at once");
        assert!(!tried.is_written_back(), "somebody reads an older state");
        let anew = tried.after_checkpoint(long.pages, long.pages).after_commit(CHECKPOINT_PAGES);
        assert!(anew.has_grown_enough(), "it was begun anew: {anew:?}");
        assert!(!anew.is_long);
        assert!(anew.after_checkpoint(LOG_PAGES_MAX + 1, 0).is_long);
    }
}
