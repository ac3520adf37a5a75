//! `trueup check`: what is missing before the hub can work, and how to mend it.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde::Serialize;
use trueup_connect::{CallError, Context, Step, Task};
use trueup_hub::room::Level;
use trueup_hub::shell::{Http, Transport};
use trueup_hub::{Connection, Hub};
use trueup_store::mappings;

use super::odoo::{self, Pinned};
use super::{say, say_json};
use crate::cli::Global;
use crate::disk;
use crate::failure::Failure;
use crate::print;
use crate::settings::{Settings, StoreAt};
use crate::wiring;

/// Check the configuration, the secrets, the store, the mappings and every connection.
///
/// Each connection is asked for one page of one stream; nothing is stored and nothing is changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trueup check
  trueup check --offline
  trueup check --json

Exit status: 0 all is well; 1 something is missing; 2 the configuration is wrong;
3 the store or a connection cannot be reached")]
pub struct CheckArgs {
    /// Ask nobody; look only at what is here.
    #[arg(long)]
    offline: bool,
    /// Print the findings as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ok,
    Note,
    Missing,
    Unreachable,
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Missing => "missing",
            Self::Unreachable => "unreachable",
        }
    }
}

#[derive(Debug, Serialize)]
struct Finding {
    subject: String,
    check: &'static str,
    verdict: Verdict,
    detail: String,
    /// What to do about it.
    remedy: String,
}

pub fn run(global: &Global, args: &CheckArgs) -> Result<ExitCode> {
    let settings = wiring::settings(global)?;
    let hub = wiring::hub(&settings, &wiring::process_environment);
    let found = examine(&settings, &global.config, &hub, args.offline)?;
    if args.json {
        say_json(&found.0)?;
    } else {
        say(&found.shown())?;
    }
    Ok(match found.worst() {
        Verdict::Ok | Verdict::Note => ExitCode::SUCCESS,
        Verdict::Missing => ExitCode::from(1),
        Verdict::Unreachable => ExitCode::from(3),
    })
}

/// What the job of a check tells: how much was looked at, or what is wrong.
pub fn told(settings: &Settings, config: &Path, hub: &Hub) -> Result<Result<String, String>> {
    let found = examine(settings, config, &Ok(hub.clone()), false)?;
    if matches!(found.worst(), Verdict::Ok | Verdict::Note) {
        return Ok(Ok(format!("{} findings, none of them wrong", found.0.len())));
    }
    let wrong = found.0.iter().filter(|it| it.verdict > Verdict::Note);
    let lines: Vec<String> = wrong
        .map(|it| format!("{} {}: {} ({})", it.subject, it.check, it.detail, it.remedy))
        .collect();
    Ok(Err(lines.join("; ")))
}

fn examine(
    settings: &Settings,
    config: &Path,
    hub: &Result<Hub>,
    offline: bool,
) -> Result<Findings> {
    let environment = &wiring::process_environment;
    let mut found = Findings::default();
    found.add(
        "configuration",
        "file",
        Verdict::Ok,
        format!("{}, environment `{}`", config.display(), settings.environment),
        "",
    );
    found.token(settings)?;
    for (connection, name) in wiring::missing_secrets(settings, environment) {
        let detail = format!("the environment variable {name} is not set");
        found.add(
            &connection,
            "secret",
            Verdict::Missing,
            detail,
            "set it where Trueup is started",
        );
    }
    match hub {
        Ok(hub) => {
            let detail = wiring::store_shown(&settings.store);
            let schema =
                format!("{detail}; schema {}", hub.store.read(trueup_store::migrate::version)?);
            found.add("store", "open", Verdict::Ok, schema, "");
            found.disk(&settings.store);
            found.mappings(hub)?;
            found.ledgers(settings, hub)?;
        }
        Err(error) => {
            let failure = error.downcast_ref::<Failure>();
            let remedy = failure.map_or("", |failure| failure.remedy.as_str());
            found.add("store", "open", Verdict::Unreachable, error.to_string(), remedy);
        }
    }
    if settings.connections.is_empty() {
        let remedy = "add sections [connection.NAME]; `trueup init --dir elsewhere` shows examples";
        found.add("connections", "any", Verdict::Note, "none is configured".to_owned(), remedy);
    }
    if !offline {
        found.reach(&wiring::setup(settings, environment).connections)?;
    }
    Ok(found)
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn worst(&self) -> Verdict {
        self.0.iter().map(|one| one.verdict).max().unwrap_or(Verdict::Ok)
    }

    fn add(
        &mut self,
        subject: &str,
        check: &'static str,
        verdict: Verdict,
        detail: String,
        remedy: &str,
    ) {
        let (subject, remedy) = (subject.to_owned(), remedy.to_owned());
        self.0.push(Finding { subject, check, verdict, detail, remedy });
    }

    /// How full the disk is that the store lies on, where it lies here.
    fn disk(&mut self, at: &StoreAt) {
        let StoreAt::Sqlite(file) = at else { return };
        match disk::fill(file) {
            Ok(fill) => {
                let level = Level::of(fill);
                let verdict = match level {
                    Level::Plenty => Verdict::Ok,
                    Level::Filling => Verdict::Note,
                    Level::Scarce | Level::Full => Verdict::Missing,
                };
                let detail =
                    format!("{} % of its disk is used; {}", fill.used_per_mille / 10, level.says());
                let remedy = if verdict == Verdict::Ok { "" } else { "make room on that disk" };
                self.add("store", "disk", verdict, detail, remedy);
            }
            Err(error) => {
                let detail = format!("its disk cannot be asked: {error}");
                self.add("store", "disk", Verdict::Note, detail, "");
            }
        }
    }

    fn token(&mut self, settings: &Settings) -> Result<()> {
        let given = wiring::token(settings, &wiring::process_environment)?.is_some();
        let listen = settings.listen;
        let (verdict, detail, remedy) = match (given, listen.ip().is_loopback()) {
            (true, _) => (Verdict::Ok, format!("listens on {listen}, guarded by a token"), ""),
            (false, true) => (
                Verdict::Note,
                format!("listens on {listen}; who is on this machine may see the console"),
                "set TRUEUP_TOKEN, or write a key file with `trueup init`",
            ),
            (false, false) => (
                Verdict::Missing,
                format!("listens on {listen}, open to others without a token"),
                "set TRUEUP_TOKEN, or write a key file with `trueup init`",
            ),
        };
        self.add("server", "token", verdict, detail, remedy);
        Ok(())
    }

    /// Sales wait for the mapping of their channel.
    fn mappings(&mut self, hub: &Hub) -> Result<()> {
        for connection in hub.setup.connections.values() {
            if !sells(connection) {
                continue;
            }
            let name = &connection.name;
            let mapping = hub.store.read(|tx| mappings::get(tx, name, None))?;
            match mapping {
                Some(mapping) => {
                    let detail = format!("version {} is in force", mapping.version);
                    self.add(name, "mapping", Verdict::Ok, detail, "");
                }
                None => self.add(
                    name,
                    "mapping",
                    Verdict::Missing,
                    "none is approved: its sales wait".to_owned(),
                    "trueup odoo setup CONNECTION --apply --write-mapping FILE, then \
                     trueup mapping approve",
                ),
            }
        }
        Ok(())
    }

    /// What a provider's ledger says goes into the books on the accounts of who names it.
    fn ledgers(&mut self, settings: &Settings, hub: &Hub) -> Result<()> {
        for connection in hub.setup.connections.values() {
            let name = &connection.name;
            let named = hub.store.read(|tx| mappings::of_provider(tx, name))?;
            let named = named.into_iter().find(|(_, mapping)| mapping.names_provider(name));
            let (verdict, detail, remedy) = match (named, connection.ledger_since) {
                (None, None) => continue,
                (None, Some(_)) => (
                    Verdict::Missing,
                    "no approved mapping names it as the provider of a gateway".to_owned(),
                    "name it there, or take `ledger_since` out",
                ),
                (Some(_), None) => (
                    Verdict::Note,
                    "its fees, disputes and payouts do not go into the books".to_owned(),
                    "write `ledger_since`, unless somebody else books them",
                ),
                (Some((channel, mapping)), Some(since)) => {
                    let entity = settings.entities.get(&connection.entity);
                    let missing = entity.map(|it| mapping.missing_of_ledger(name, it.currency));
                    let missing: Vec<String> =
                        missing.unwrap_or_default().iter().map(ToString::to_string).collect();
                    if missing.is_empty() {
                        let detail = format!(
                            "goes into the books since {since}, by the mapping of {channel}"
                        );
                        (Verdict::Ok, detail, "")
                    } else {
                        let detail = format!("the mapping of {channel}: {}", missing.join("; "));
                        (Verdict::Missing, detail, "approve a mapping that has all of them")
                    }
                }
            };
            self.add(name, "ledger", verdict, detail, remedy);
        }
        Ok(())
    }

    fn reach(
        &mut self,
        connections: &std::collections::BTreeMap<String, Connection>,
    ) -> Result<()> {
        let runtime = wiring::runtime()?;
        let mut http =
            Http::new(runtime.handle().clone()).context("the HTTP client cannot be made")?;
        for connection in connections.values() {
            if connection.connector.conversations.is_none() {
                continue;
            }
            if connection.secret.is_none() {
                let detail = "not asked: its secret is missing".to_owned();
                self.add(&connection.name, "reach", Verdict::Note, detail, "");
                continue;
            }
            let started = Instant::now();
            let outcome = probe(connection, &mut http);
            let took = started.elapsed().as_millis();
            match outcome {
                Ok(()) => {
                    let detail = format!("answered in {took} ms");
                    self.add(&connection.name, "reach", Verdict::Ok, detail, "");
                    self.database(connection, &mut http);
                    self.target(connection, &mut http);
                }
                Err(error) => {
                    let (verdict, remedy) = weigh(&error);
                    let detail = format!("{}: {error}", error.code());
                    self.add(&connection.name, "reach", verdict, detail, remedy);
                }
            }
        }
        Ok(())
    }

    /// Another database under the same address must not get this one's documents.
    fn database(&mut self, connection: &Connection, http: &mut Http) {
        let name = &connection.name;
        match odoo::pinned(connection, http) {
            Ok(Pinned::Nothing) => {}
            Ok(Pinned::Same(found)) => {
                self.add(name, "database", Verdict::Ok, format!("`{found}`, as it is pinned"), "");
            }
            Ok(Pinned::NotPinned(found)) => self.add(
                name,
                "database",
                Verdict::Note,
                format!("`{found}` is not pinned"),
                &format!("add settings.fingerprint = \"{found}\" to the connection"),
            ),
            Ok(Pinned::Another { pinned, found }) => self.add(
                name,
                "database",
                Verdict::Missing,
                format!("`{found}` answers, `{pinned}` is pinned: it is another database"),
                "see where `url` and `settings.database` lead; nothing is delivered until they fit",
            ),
            Err(error) => {
                let (verdict, remedy) = weigh(&error);
                self.add(name, "database", verdict, error.to_string(), remedy);
            }
        }
    }

    /// What was upgraded may lack what we need; which database it is, is a finding of its own.
    fn target(&mut self, connection: &Connection, http: &mut Http) {
        let name = &connection.name;
        match identify(connection, http) {
            Ok(None) | Err(CallError::AnotherTarget { .. }) => {}
            Ok(Some(found)) => {
                let detail = format!("{} {found} has what we need", connection.connector.name);
                self.add(name, "version", Verdict::Ok, detail, "");
            }
            Err(error) => {
                let (verdict, remedy) = weigh(&error);
                self.add(name, "version", verdict, error.to_string(), remedy);
            }
        }
    }

    fn shown(&self) -> String {
        let mut table = print::table(["What", "Check", "", "Finding"]);
        for one in &self.0 {
            table.add_row([
                one.subject.clone(),
                one.check.to_owned(),
                one.verdict.word().to_owned(),
                print::cut(&one.detail, DETAIL_MAX),
            ]);
        }
        let mut text = print::lines(&table);
        let open: Vec<&Finding> = self.0.iter().filter(|one| !one.remedy.is_empty()).collect();
        if open.is_empty() {
            text.push_str("\nAll is well.\n");
        } else {
            text.push_str("\nNext\n");
        }
        let mut said = std::collections::BTreeSet::new();
        for one in open {
            let line = format!("  {} {}: {}\n", one.subject, one.check, one.remedy);
            if said.insert(line.clone()) {
                text.push_str(&line);
            }
        }
        text
    }
}

/// Longer findings are cut; `--json` has them whole.
const DETAIL_MAX: usize = 110;

/// Channels state orders; only their sales need a mapping.
fn sells(connection: &Connection) -> bool {
    connection.connector.kinds.iter().any(|kind| kind.starts_with("order"))
}

/// Asks for the first page of the first stream, from now on: cheap, and it needs the same rights as
/// the real thing.
fn probe(connection: &Connection, http: &mut Http) -> Result<(), CallError> {
    let Some(conversations) = connection.connector.conversations else { return Ok(()) };
    let Some(stream) = conversations.streams.first() else { return Ok(()) };
    let now = wiring::now();
    let context = Context { settings: &connection.settings, now };
    let task = Task::Poll { stream: stream.name.to_owned(), cursor: None, since: now };
    match (conversations.start)(&context, &task) {
        Step::Send { request, writes: false, state } => {
            let reply = http.send(connection, &request);
            let reply = reply.as_ref().map_err(CallError::clone);
            match (conversations.resume)(&context, &state, reply) {
                Step::Failed(error) => Err(error),
                Step::Send { .. } | Step::Wait { .. } | Step::Done(_) => Ok(()),
            }
        }
        Step::Failed(error) => Err(error),
        Step::Send { .. } | Step::Wait { .. } | Step::Done(_) => Ok(()),
    }
}

/// What the target says of itself, when it has all that we need; `None` where nobody asks that.
fn identify(connection: &Connection, http: &mut Http) -> Result<Option<String>, CallError> {
    let asked = connection.connector.conversations.filter(|it| it.identifies);
    let Some(conversations) = asked else { return Ok(None) };
    let context = Context { settings: &connection.settings, now: wiring::now() };
    let mut step =
        (conversations.start)(&context, &Task::Identify { known: None, made: Vec::new() });
    loop {
        step = match step {
            Step::Send { request, writes: false, state } => {
                let reply = http.send(connection, &request);
                let reply = reply.as_ref().map_err(CallError::clone);
                (conversations.resume)(&context, &state, reply)
            }
            Step::Done(outcome) => return Ok(outcome.identity.map(|said| said.found)),
            Step::Failed(error) => return Err(error),
            Step::Send { .. } | Step::Wait { .. } => return Ok(None),
        };
    }
}

fn weigh(error: &CallError) -> (Verdict, &'static str) {
    match error {
        CallError::Unauthorized => {
            (Verdict::Missing, "renew the key at the vendor, and set the variable to it")
        }
        CallError::NotSetUp { .. } | CallError::Denied { .. } => {
            (Verdict::Missing, "give the key the rights that the comments of `trueup init` name")
        }
        CallError::AnotherTarget { .. } => {
            (Verdict::Missing, "see where `url` and `settings.database` lead")
        }
        CallError::Unfit { .. } => (
            Verdict::Missing,
            "bring back what it names, or install the version of Trueup that is made for it; \
             nothing is delivered until then",
        ),
        CallError::Refused { .. } => (Verdict::Missing, "compare the settings of the connection"),
        CallError::RateLimited { .. } | CallError::Busy { .. } => {
            (Verdict::Note, "it is there; try again in a minute")
        }
        CallError::Unreachable { .. } | CallError::ReplyLost { .. } => {
            (Verdict::Unreachable, "see that `url` is right and that this machine may call it")
        }
    }
}
