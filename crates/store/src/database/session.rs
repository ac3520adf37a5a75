//! A session of PostgreSQL. What nobody waits for is held, and goes out with the next question.
//!
//! A database that is not beside the hub answers after some milliseconds, whatever it is asked. So
//! `BEGIN`, a savepoint, and a write whose outcome nobody asks for wait here until something is asked
//! or the transaction ends; then all of it goes out in one piece, in order, and all answers come
//! back after one round trip. What was refused is told by whatever is asked next.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::str::FromStr;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Error, NoTls, Statement};

use super::value::postgres_row;
use super::{Row, StoreError, Value};
use crate::Result;

/// More texts than the store has.
const STATEMENTS_MAX: usize = 1_000;
/// To the host, and until the server has let us in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// After so long a silence the network is asked whether the server is there, so often and so many times
/// before it counts as gone.
const SILENCE_MAX: Duration = Duration::from_secs(30);
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(10);
const ASKED_AGAIN_MAX: u32 = 3;
/// So long what was sent may wait to be acknowledged by the network.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(60);
/// So much is held at most.
const HELD_MAX: usize = 256;

pub(crate) struct Session {
    client: Client,
    /// The statements that are prepared, by their text. There are as many as this crate has texts.
    statements: BTreeMap<String, Statement>,
    held: Vec<Held>,
    /// How often something went out.
    pieces: u64,
    /// What was refused and no savepoint has undone: the transaction can only be given up.
    refused: Option<StoreError>,
    /// Drives the connection while something is waited for.
    runtime: Runtime,
}

/// What waits to go out.
enum Held {
    /// Neither a query nor a change.
    Command(String),
    Write(Statement, Vec<Value>),
    /// A write that must change a row, and the conflict if it does not.
    Change(Statement, Vec<Value>, String),
}

/// A place in what goes out.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    pieces: u64,
    held: usize,
}

/// What a connection is made with: what the address says, and how long a network may say nothing. A
/// query may take its time; a server that is not there any more is noticed.
pub(crate) fn limits(url: &str) -> Result<Config> {
    let mut limits = Config::from_str(url)?;
    let usual = Config::new();
    if limits.get_connect_timeout().is_none() {
        limits.connect_timeout(CONNECT_TIMEOUT);
    }
    if limits.get_tcp_user_timeout().is_none() {
        limits.tcp_user_timeout(UNACKNOWLEDGED_MAX);
    }
    if limits.get_keepalives_idle() == usual.get_keepalives_idle() {
        limits.keepalives_idle(SILENCE_MAX);
    }
    if limits.get_keepalives_interval().is_none() {
        limits.keepalives_interval(ASKED_AGAIN_AFTER);
    }
    if limits.get_keepalives_retries().is_none() {
        limits.keepalives_retries(ASKED_AGAIN_MAX);
    }
    Ok(limits)
}

impl Session {
    /// `url` as libpq writes it.
    pub(crate) fn connect(url: &str) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let limits = limits(url)?;
        let within = limits.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT);
        let connected = runtime.block_on(async {
            // Of the library's own limit only the way to the host is.
            tokio::time::timeout(within, limits.connect(NoTls)).await
        });
        let Ok(connected) = connected else {
            let why = format!("PostgreSQL did not let us in within {} s", within.as_secs());
            return Err(StoreError::Unavailable(why));
        };
        let (client, connection) = connected?;
        // What ends it is told to who asks next.
        runtime.spawn(async move { drop(connection.await) });
        Ok(Self {
            client,
            statements: BTreeMap::new(),
            held: Vec::new(),
            pieces: 0,
            refused: None,
            runtime,
        })
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    pub(crate) fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>> {
        let statement = self.prepared(sql)?;
        let rows = self.ask(async |client| client.query(&statement, &as_sql(values)).await)?;
        rows.iter().map(postgres_row).collect()
    }

    /// The same query of each of these values.
    pub(crate) fn query_each(&mut self, sql: &str, each: &[Vec<Value>]) -> Result<Vec<Vec<Row>>> {
        let statement = self.prepared(sql)?;
        let mut found = Vec::with_capacity(each.len());
        for few in each.chunks(HELD_MAX) {
            let answers = self.ask(async |client| {
                let mut under_way = Vec::with_capacity(few.len());
                for values in few {
                    let request = async { client.query(&statement, &as_sql(values)).await };
                    under_way.push(sent(request).await);
                }
                let mut answers = Vec::with_capacity(few.len());
                for request in under_way {
                    answers.push(request.answer().await?);
                }
                Ok(answers)
            })?;
            for rows in answers {
                found.push(rows.iter().map(postgres_row).collect::<Result<_>>()?);
            }
        }
        Ok(found)
    }

    /// Returns how many rows changed.
    pub(crate) fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64> {
        let statement = self.prepared(sql)?;
        self.ask(async |client| client.execute(&statement, &as_sql(values)).await)
    }

    /// Holds a change of which nobody asks how many rows it changes.
    pub(crate) fn write(&mut self, sql: &str, values: &[Value]) -> Result<()> {
        let statement = self.prepared(sql)?;
        self.hold(Held::Write(statement, values.to_vec()))
    }

    /// Holds a change that conflicts with another if it changes nothing.
    pub(crate) fn change(&mut self, sql: &str, values: &[Value], conflict: String) -> Result<()> {
        let statement = self.prepared(sql)?;
        self.hold(Held::Change(statement, values.to_vec(), conflict))
    }

    /// Holds a statement that is neither a query nor a change, or several.
    pub(crate) fn command(&mut self, sql: &str) -> Result<()> {
        self.hold(Held::Command(sql.to_owned()))
    }

    fn hold(&mut self, held: Held) -> Result<()> {
        self.held.push(held);
        if self.held.len() < HELD_MAX { Ok(()) } else { self.settle() }
    }

    /// Returns once all that was held is done, or something of it was refused.
    pub(crate) fn settle(&mut self) -> Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        self.ask(async |_| Ok(()))
    }

    /// Where the next savepoint begins. What was written before it is settled, so that no failure of
    /// that is taken for one of what comes, and none begins in a transaction that is given up: undoing
    /// it would hide why.
    pub(crate) fn mark(&mut self) -> Result<Mark> {
        if let Some(refused) = &self.refused {
            return Err(refused.clone());
        }
        if self.held.iter().any(|held| !matches!(held, Held::Command(_))) {
            self.settle()?;
        }
        Ok(Mark { pieces: self.pieces, held: self.held.len() })
    }

    /// Forgets what is held since a mark. Returns whether nothing of it had gone out.
    pub(crate) fn forget_since(&mut self, mark: Mark) -> bool {
        let all = self.pieces == mark.pieces;
        self.held.truncate(if all { mark.held } else { 0 });
        all
    }

    /// Returns once it is known whether what had to change something did: only we judge that, and
    /// what ends the transaction or savepoint must not be on its way by then.
    pub(crate) fn judge(&mut self) -> Result<()> {
        match self.held.iter().any(|held| matches!(held, Held::Change(..))) {
            true => self.settle(),
            false => Ok(()),
        }
    }

    /// Begins a transaction, in which nothing was refused yet.
    pub(crate) fn begin(&mut self, sql: &str) -> Result<()> {
        self.refused = None;
        self.command(sql)
    }

    /// A savepoint has undone what was refused.
    pub(crate) fn mended(&mut self) {
        self.refused = None;
    }

    /// Returns once the transaction is durable; what was refused of it undoes it whole, also where
    /// `work` has passed over that: to the server the end of such a transaction is no failure.
    pub(crate) fn commit(&mut self) -> Result<()> {
        let judged = match self.refused.take() {
            Some(refused) => Err(refused),
            None => self.judge(),
        };
        if let Err(error) = judged {
            self.roll_back()?;
            return Err(error);
        }
        self.command("COMMIT")?;
        self.settle()
    }

    /// Undoes a transaction of which something may have gone out.
    pub(crate) fn roll_back(&mut self) -> Result<()> {
        self.held.clear();
        self.command("ROLLBACK")?;
        self.settle()
    }

    /// Ends a transaction that only read: nobody waits until the server has heard of it.
    pub(crate) fn end_of_reading(&mut self) {
        let Self { client, held, runtime, .. } = self;
        if !held.is_empty() {
            // It read nothing: not even its `BEGIN` has gone out.
            held.clear();
            return;
        }
        runtime.block_on(async {
            let under_way = sent(client.batch_execute("COMMIT")).await;
            tokio::task::yield_now().await;
            drop(under_way);
        });
    }

    fn prepared(&mut self, sql: &str) -> Result<Statement> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        // What it names may have been made by what is held.
        self.settle()?;
        let prepared = self.runtime.block_on(self.client.prepare(sql)).map_err(StoreError::from);
        let statement = prepared.inspect_err(|error| refuse(&mut self.refused, error))?;
        if self.statements.len() >= STATEMENTS_MAX {
            self.statements.clear();
        }
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Sends what is held and `last` in one piece.
    ///
    /// # Errors
    /// The first failure; what came after it was refused because of it.
    fn ask<T>(
        &mut self,
        last: impl AsyncFnOnce(&Client) -> std::result::Result<T, Error>,
    ) -> Result<T> {
        let Self { client, held, pieces, refused, runtime, .. } = self;
        *pieces += 1;
        let held = std::mem::take(held);
        let client = &*client;
        let answer = runtime.block_on(async {
            let mut before = Vec::with_capacity(held.len());
            for one in &held {
                before.push(sent(one.carry_out(client)).await);
            }
            let last = sent(last(client)).await;
            for one in before {
                one.answer().await?;
            }
            Ok(last.answer().await?)
        });
        answer.inspect_err(|error| refuse(refused, error))
    }
}

/// Keeps the first failure: those after it were refused because of it.
fn refuse(first: &mut Option<StoreError>, error: &StoreError) {
    if first.is_none() {
        *first = Some(error.clone());
    }
}

impl Held {
    async fn carry_out(&self, client: &Client) -> Result<()> {
        match self {
            Self::Command(sql) => Ok(client.batch_execute(sql).await?),
            Self::Write(statement, values) => {
                client.execute(statement, &as_sql(values)).await?;
                Ok(())
            }
            Self::Change(statement, values, conflict) => {
                match client.execute(statement, &as_sql(values)).await? {
                    0 => Err(StoreError::Conflict(conflict.clone())),
                    _ => Ok(()),
                }
            }
        }
    }
}

/// A request that has been handed to the connection, which sends in the order in which it is handed.
enum Sent<F: Future> {
    Answered(F::Output),
    UnderWay(Pin<Box<F>>),
}

/// Polls a request once, which is what hands it over.
async fn sent<F: Future>(request: F) -> Sent<F> {
    let mut request = Box::pin(request);
    match poll_fn(|context| Poll::Ready(request.as_mut().poll(context))).await {
        Poll::Ready(answer) => Sent::Answered(answer),
        Poll::Pending => Sent::UnderWay(request),
    }
}

impl<F: Future> Sent<F> {
    async fn answer(self) -> F::Output {
        match self {
            Self::Answered(answer) => answer,
            Self::UnderWay(request) => request.await,
        }
    }
}

fn as_sql(values: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::{Duration, Instant};

    use super::{CONNECT_TIMEOUT, SILENCE_MAX, Session, UNACKNOWLEDGED_MAX, limits};

    #[test]
    fn c14_a_server_that_does_not_let_us_in_is_not_waited_for() {
        let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = silent.local_addr().expect("an address").port();
        let begun = Instant::now();
        let url = format!("postgres://hub@127.0.0.1:{port}/hub?connect_timeout=1");
        let Err(error) = Session::connect(&url) else { panic!("nobody answered") };
        assert!(error.to_string().contains("did not let us in within 1 s"), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
    }

    #[test]
    fn what_the_address_says_of_limits_goes_before_ours() {
        let ours = limits("postgres://hub@db/hub").expect("an address");
        assert_eq!(ours.get_connect_timeout(), Some(&CONNECT_TIMEOUT));
        assert_eq!(ours.get_tcp_user_timeout(), Some(&UNACKNOWLEDGED_MAX));
        assert_eq!(ours.get_keepalives_idle(), SILENCE_MAX);
        let theirs = "postgres://hub@db/hub?connect_timeout=3&tcp_user_timeout=4&keepalives_idle=5";
        let theirs = limits(theirs).expect("an address");
        assert_eq!(theirs.get_connect_timeout(), Some(&Duration::from_secs(3)));
        assert_eq!(theirs.get_tcp_user_timeout(), Some(&Duration::from_secs(4)));
        assert_eq!(theirs.get_keepalives_idle(), Duration::from_secs(5));
    }
}
