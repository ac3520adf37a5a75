//! The sessions of a PostgreSQL database that a process has open, and a transaction on one of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::session::Session;
use super::{Engine, StoreError, Tx, lock};
use crate::Result;

/// So many sessions of PostgreSQL a process has at most: who wants one more waits.
const SESSIONS_MAX: usize = 16;
/// So many writes of the front door wait for one of them, each on a thread of its own.
const SUBMITTED_MAX: usize = 256;

pub(super) struct Postgres {
    pub(super) url: String,
    sessions: Mutex<Sessions>,
    /// A session is not in use any more.
    free: Condvar,
    /// Writes of the front door that are not done.
    submitted: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Sessions {
    idle: Vec<Session>,
    in_use: usize,
    /// Who has come, and whose turn it is: a lease must be renewed in time, however much comes in at
    /// the front door.
    came: u64,
    turn: u64,
}

#[derive(Clone, Copy)]
pub(super) enum Access {
    /// One state for all statements: a decision must not see half of what arrives meanwhile.
    Read,
    /// Each check-then-act is a lease, a unique constraint or a conditional update, so that
    /// READ COMMITTED is enough.
    Write,
}

impl Access {
    fn begin(self) -> &'static str {
        match self {
            Self::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Self::Write => "BEGIN",
        }
    }
}

impl Postgres {
    pub(super) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            sessions: Mutex::default(),
            free: Condvar::new(),
            submitted: Arc::default(),
        }
    }

    /// A place among the writes of the front door that wait; `None` where there are too many.
    pub(super) fn submit(&self) -> Option<Submitted> {
        let submitted = Submitted(Arc::clone(&self.submitted));
        let before = submitted.0.fetch_add(1, Ordering::Relaxed);
        (before < SUBMITTED_MAX).then_some(submitted)
    }

    pub(super) fn run<T>(
        &self,
        access: Access,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut used = self.session()?;
        let session = &mut used.session;
        session.begin(access.begin())?;
        let outcome = work(&mut Tx(Engine::Postgres(session)));
        let outcome = match (outcome, access) {
            (Ok(done), Access::Write) => session.commit().map(|()| done),
            (Ok(done), Access::Read) => {
                session.end_of_reading();
                Ok(done)
            }
            (Err(error), _) => {
                session.roll_back()?;
                Err(error)
            }
        };
        // What was prepared before the schema changed fails once; the next session prepares anew.
        if !matches!(outcome, Err(StoreError::Unavailable(_))) {
            used.keep();
        }
        outcome
    }

    /// A session for one transaction; waits in turn while all that may be open are in use.
    fn session(&self) -> Result<Used<'_>> {
        let mut sessions = lock(&self.sessions);
        let own = sessions.came;
        sessions.came += 1;
        while sessions.turn != own || sessions.in_use >= SESSIONS_MAX {
            sessions = self.free.wait(sessions).unwrap_or_else(PoisonError::into_inner);
        }
        sessions.turn += 1;
        sessions.in_use += 1;
        if sessions.turn != sessions.came {
            self.free.notify_all();
        }
        let idle = sessions.idle.pop().filter(|session| !session.is_closed());
        drop(sessions);
        let in_use = InUse(self);
        let session = match idle {
            Some(session) => session,
            None => Session::connect(&self.url)?,
        };
        Ok(Used { session, in_use })
    }
}

/// A write of the front door, until it is done.
pub(super) struct Submitted(Arc<AtomicUsize>);

impl Drop for Submitted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One of the sessions that may be open, until it is dropped.
struct InUse<'a>(&'a Postgres);

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        lock(&self.0.sessions).in_use -= 1;
        self.0.free.notify_all();
    }
}

/// A session in use. One in which something went wrong, or panicked, is not used again.
struct Used<'a> {
    session: Session,
    in_use: InUse<'a>,
}

impl Used<'_> {
    fn keep(self) {
        let Self { session, in_use } = self;
        lock(&in_use.0.sessions).idle.push(session);
    }
}
