//! Jobs that run at their time: which occurrence is due, and what becomes of a run.
//!
//! What a job does is the program's affair; here is when. A schedule has one row that says how far
//! it is done, so that an occurrence is done once however often somebody looks, and one that passed
//! while nobody looked is known (F6, decision 0034). Occurrences that were missed are one run: it
//! is told since when.
//!
//! One run at a time: who works on the store runs them one after the other. A run that was cut off
//! is begun again, not at once; so is one that failed, which is a case until one succeeds.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use trueup_store::schedules::{self, Ended, Standing};
use trueup_store::{StoreError, Tx, cases};

use crate::setup::{Hub, check};

/// A run that failed or was cut off is begun again after this long, then after twice as long, …
const AGAIN: SignedDuration = SignedDuration::from_mins(1);
const AGAIN_MAX: SignedDuration = SignedDuration::from_hours(1);
/// An occurrence that is older was missed: nobody looked, or the clock was turned.
const MISSED_AFTER: SignedDuration = SignedDuration::from_mins(10);
/// What is said to be done further ahead than this was said by a clock that ran ahead (C7).
const AHEAD_MAX: SignedDuration = SignedDuration::from_hours(2);
const DETAIL_MAX: usize = 2_000;

/// A job and its times.
#[derive(Clone, Debug)]
pub struct Schedule {
    pub name: String,
    /// What it does, in a few words, such as `backup into backups`.
    pub job: String,
    pub when: When,
    pub missed: Missed,
}

/// When a job runs.
#[derive(Clone, Debug)]
pub enum When {
    /// At the times of a pattern, in a time zone. A time that the change to summer leaves out comes
    /// at the end of the gap; one that the change to winter repeats comes once, the first time.
    Cron { pattern: Box<Cron>, zone: TimeZone },
    /// At the multiples of this since 1970, UTC.
    Every(SignedDuration),
}

/// What becomes of occurrences while nobody looked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missed {
    /// One run makes up for all of them.
    #[default]
    Once,
    /// They are passed over.
    Skip,
}

impl Missed {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Skip => "skip",
        }
    }
}

impl When {
    /// Reads a pattern of five fields, such as `30 2 * * *`.
    ///
    /// # Errors
    /// What is wrong with it, for a person: also that it never occurs.
    pub fn cron(pattern: &str, zone: TimeZone) -> Result<Self, String> {
        let parser =
            CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let parsed = parser.parse(pattern).map_err(|error| error.to_string())?;
        let when = Self::Cron { pattern: Box::new(parsed), zone };
        // Any moment will do: the days of a pattern come back within some years or never.
        when.next(Timestamp::UNIX_EPOCH).ok_or("it never occurs")?;
        Ok(when)
    }

    /// The first occurrence after a moment.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron { pattern, zone } => {
                let after = after.to_zoned(zone.clone());
                Some(pattern.find_next_occurrence(&after, false).ok()?.timestamp())
            }
            Self::Every(step) => self.latest(after)?.checked_add(*step).ok(),
        }
    }

    /// The last occurrence at or before a moment.
    pub fn latest(&self, to: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron { pattern, zone } => {
                let to = to.to_zoned(zone.clone());
                Some(pattern.find_previous_occurrence(&to, true).ok()?.timestamp())
            }
            Self::Every(step) => {
                let step = step.as_secs().max(1);
                Timestamp::from_second(to.as_second().div_euclid(step) * step).ok()
            }
        }
    }

    /// As it was written, such as `30 2 * * * (Europe/Berlin)`.
    pub fn written(&self) -> String {
        match self {
            Self::Cron { pattern, zone } => {
                format!("{} ({})", pattern.as_str(), zone.iana_name().unwrap_or("UTC"))
            }
            Self::Every(step) => format!("every {step:#}"),
        }
    }

    /// For people, such as `At 02:30 (Europe/Berlin)`.
    pub fn in_words(&self) -> String {
        match self {
            Self::Cron { pattern, zone } => {
                let zone = zone.iana_name().unwrap_or("UTC");
                let words = pattern.describe();
                format!("{} ({zone})", words.trim_end_matches('.'))
            }
            Self::Every(step) => format!("Every {step:#}"),
        }
    }
}

/// What is to be done about a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// It runs for all that is due up to this moment.
    Now { to: Timestamp },
    /// What is due up to this moment was missed, and is passed over.
    PassedOver { to: Timestamp },
    /// Nothing, until then; `None`: it never occurs again.
    Later(Option<Timestamp>),
}

/// Whether a schedule is due at a moment, by what its row says.
pub fn due(schedule: &Schedule, standing: &Standing, now: Timestamp) -> Due {
    if standing.asked.is_some() {
        return Due::Now { to: now };
    }
    let ahead = |at: Timestamp| now.duration_until(at) > AHEAD_MAX;
    let done_to = if ahead(standing.done_to) { now } else { standing.done_to };
    let latest = schedule.when.latest(now).filter(|it| *it > done_to);
    let Some(latest) = latest else {
        return Due::Later(schedule.when.next(now.max(done_to)));
    };
    // One that failed is tried again and is no missed one.
    if standing.attempts > 0 {
        return match standing.next_at {
            Some(next) if next > now && !ahead(next) => Due::Later(Some(next)),
            _ => Due::Now { to: latest },
        };
    }
    match schedule.missed {
        Missed::Skip if latest.duration_until(now) > MISSED_AFTER => Due::PassedOver { to: latest },
        Missed::Once | Missed::Skip => Due::Now { to: latest },
    }
}

/// When a run may begin again by itself after so many in a row that did not succeed.
fn again(attempts: i64, now: Timestamp) -> Timestamp {
    let doubled = u32::try_from(attempts.clamp(0, 16))
        .ok()
        .and_then(|times| AGAIN.checked_mul(2_i32.checked_pow(times)?));
    now.checked_add(doubled.map_or(AGAIN_MAX, |it| it.min(AGAIN_MAX))).unwrap_or(now)
}

/// A run that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Everything after this moment and up to the other is to be done.
    pub from: Timestamp,
    pub to: Timestamp,
    /// Who wanted it, where it was a person, and since when.
    pub asked: Option<(Timestamp, String)>,
}

/// Makes the schedules of the configuration known.
pub fn declare(tx: &mut Tx<'_>, all: &[Schedule], now: Timestamp) -> Result<(), StoreError> {
    all.iter().try_for_each(|one| schedules::declare(tx, &one.name, now))
}

/// Begins the run of a schedule that is due; `None` while none is, or while it is not our turn.
pub fn begin(hub: &Hub, schedule: &Schedule, now: Timestamp) -> Result<Option<Run>, StoreError> {
    let Some(leases) = hub.turn.timers() else { return Ok(None) };
    let name = &schedule.name;
    // Read apart: nearly always nothing is due, and no write is needed to see it.
    let Some(standing) = hub.store.read(|tx| schedules::find(tx, name))? else { return Ok(None) };
    let due = due(schedule, &standing, now);
    if matches!(due, Due::Later(_)) {
        return Ok(None);
    }
    let name = name.clone();
    hub.store.write(move |tx| {
        check(tx, &leases)?;
        match due {
            Due::Later(_) => Ok(None),
            Due::PassedOver { to } => {
                schedules::pass_over(tx, &name, to)?;
                Ok(None)
            }
            Due::Now { to } => {
                schedules::begin(tx, &name, now, again(standing.attempts, now))?;
                let from = standing.done_to.min(to);
                Ok(Some(Run { from, to, asked: standing.asked }))
            }
        }
    })
}

/// Records how a run ended: `Ok` with what it made, or why it failed. A failure is a case until a
/// run succeeds.
pub fn end(
    hub: &Hub,
    schedule: &Schedule,
    run: &Run,
    outcome: Result<String, String>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(leases) = hub.turn.timers() else { return Err(StoreError::LeaseLost) };
    let Schedule { name, job, .. } = schedule.clone();
    let (to, asked) = (run.to, run.asked.as_ref().map(|(at, _)| *at));
    hub.store.write(move |tx| {
        check(tx, &leases)?;
        let done = outcome.is_ok();
        let mut detail = match outcome {
            Ok(detail) | Err(detail) => detail,
        };
        detail.truncate(detail.floor_char_boundary(DETAIL_MAX));
        let ended = Ended { at: now, done, detail };
        schedules::end(tx, &name, &ended, to, asked)?;
        if done {
            return cases::resolve(tx, Some("job_failed"), &name, "the job succeeded", now);
        }
        let case = cases::NewCase {
            kind: "job_failed",
            subject: &name,
            entity: "",
            title: &format!("The job `{name}` ({job}) failed"),
            detail: &ended.detail,
            remedy: "mend what it names; it is tried again by itself, or now with retry",
            amount: None,
            owner: "integrator",
        };
        cases::open(tx, &case, now)
    })
}

/// A schedule as people and programs see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    pub name: String,
    pub job: String,
    /// Its times, in words.
    pub when: String,
    /// Its times, as they were written.
    pub times: String,
    /// What becomes of missed times: `once` or `skip`.
    pub missed: &'static str,
    /// `waiting`, `running`, `done` or `failed`.
    pub state: &'static str,
    /// When the last run ended.
    pub last_at: Option<Timestamp>,
    /// What it made, or why it failed.
    pub detail: String,
    /// When the next run begins: a moment that has passed where it is due now.
    pub next_at: Option<Timestamp>,
    /// Who wants it run now.
    pub asked_by: Option<String>,
}

/// How schedules stand, in their order.
pub fn shown(tx: &mut Tx<'_>, all: &[Schedule], now: Timestamp) -> Result<Vec<Shown>, StoreError> {
    let mut shown = Vec::new();
    for schedule in all {
        let standing = schedules::find(tx, &schedule.name)?;
        let next_at = match standing.as_ref().map(|it| due(schedule, it, now)) {
            None => schedule.when.next(now),
            Some(Due::Now { .. }) => Some(now),
            Some(Due::PassedOver { to }) => schedule.when.next(to),
            Some(Due::Later(at)) => at,
        };
        let last = standing.as_ref().and_then(|it| it.last.as_ref());
        let state = match (&standing, last) {
            (Some(standing), _) if standing.started_at.is_some() => "running",
            (_, None) => "waiting",
            (_, Some(last)) if last.done => "done",
            (_, Some(_)) => "failed",
        };
        shown.push(Shown {
            name: schedule.name.clone(),
            job: schedule.job.clone(),
            when: schedule.when.in_words(),
            times: schedule.when.written(),
            missed: schedule.missed.word(),
            state,
            last_at: last.map(|last| last.at),
            detail: last.map(|last| last.detail.clone()).unwrap_or_default(),
            next_at,
            asked_by: standing.and_then(|it| it.asked).map(|(_, person)| person),
        });
    }
    Ok(shown)
}
