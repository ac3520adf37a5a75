//! What the jobs of the schedules do. When they do it is [`trueup_hub::schedules`].

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use trueup_hub::Hub;
use trueup_hub::sales::Dimension;
use trueup_hub::schedules::{self, Run};
use trueup_store::{StoreError, listings, streams};

use crate::commands::report::{self, Format};
use crate::commands::{backup, check};
use crate::settings::{Scheduled, Settings, StoreAt};
use crate::wiring;

/// How the moment stands in the name of a backup: in order when sorted, and without colons.
const STAMP: &str = "%Y%m%dT%H%M%SZ";
const BACKUP: &str = "sqlite";

/// What is done.
#[derive(Clone, Debug)]
pub enum Job {
    /// The store is written into a file of a folder; of those that this job wrote the newest stay.
    Backup { folder: PathBuf, keep: usize },
    /// The report of each period that ended is written into a file.
    Report(Report),
    /// What `trueup check` looks at; what is missing makes it fail.
    Check,
    /// Connections are asked at once.
    Poll { connections: Vec<String> },
}

#[derive(Clone, Debug)]
pub struct Report {
    /// Of sales, by these; of taxes otherwise.
    pub by: Option<Vec<Dimension>>,
    pub of: Of,
    pub format: Format,
    pub folder: PathBuf,
    /// Where a period has ended.
    pub zone: TimeZone,
}

/// The periods of which a job makes reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    Day,
    /// From Monday to Sunday.
    Week,
    Month,
}

impl Of {
    const fn word(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// The first day of the period that holds a day.
    fn first(self, day: Date) -> Result<Date, jiff::Error> {
        match self {
            Self::Day => Ok(day),
            Self::Week => day.tomorrow()?.nth_weekday(-1, Weekday::Monday),
            Self::Month => Ok(day.first_of_month()),
        }
    }

    /// The periods that ended after one moment and up to another, with their first and last days,
    /// the oldest first. At least the last one that ended: a report that is asked for once more is
    /// made once more.
    fn ended(
        self,
        zone: &TimeZone,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<(Date, Date)>, jiff::Error> {
        let mut ended = Vec::new();
        // The period that runs at `to`: the one before it has ended when it began.
        let mut next = self.first(to.to_zoned(zone.clone()).date())?;
        loop {
            let first = self.first(next.yesterday()?)?;
            ended.push((first, next.yesterday()?));
            if zone.to_zoned(first.to_datetime(Time::midnight()))?.timestamp() <= from {
                break;
            }
            next = first;
        }
        ended.reverse();
        Ok(ended)
    }
}

impl Job {
    pub fn in_words(&self) -> String {
        match self {
            Self::Backup { keep, .. } => format!("backup, the newest {keep} are kept"),
            Self::Report(Report { by, of, format, .. }) => {
                let of = of.word();
                let format = format.extension();
                match by {
                    Some(by) => {
                        let by: Vec<&str> = by.iter().map(|by| by.word()).collect();
                        format!("report of sales of each {of} by {}, as {format}", by.join(", "))
                    }
                    None => format!("report of taxes of each {of}, as {format}"),
                }
            }
            Self::Check => "check".to_owned(),
            Self::Poll { connections } => format!("poll of {}", connections.join(", ")),
        }
    }

    /// Does it. Returns what it made.
    fn run(&self, name: &str, run: &Run, around: &Around<'_>) -> Result<String> {
        match self {
            Self::Backup { folder, keep } => backup_into(folder, *keep, name, around),
            Self::Report(report) => report.write(name, run, around.hub),
            Self::Check => {
                let told = check::told(around.settings, around.config, around.hub)?;
                told.map_err(|wrong| anyhow!(wrong))
            }
            Self::Poll { connections } => {
                let names = connections.clone();
                around.hub.store.write(move |tx| {
                    names.iter().try_for_each(|name| {
                        streams::poll_now(tx, name)?;
                        listings::ask_now(tx, name)
                    })
                })?;
                Ok(format!("{} are asked next", connections.join(", ")))
            }
        }
    }
}

/// What a job may need of the process.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    pub hub: &'a Hub,
    pub settings: &'a Settings,
    /// The configuration file.
    pub config: &'a Path,
}

/// Runs a schedule if it is due. Returns how it ended, if it ran; that it failed is recorded, and
/// no error.
pub fn run_due(
    scheduled: &Scheduled,
    around: &Around<'_>,
) -> Result<Option<Result<String, String>>, StoreError> {
    let Scheduled { schedule, job } = scheduled;
    let Some(run) = schedules::begin(around.hub, schedule, wiring::now())? else {
        return Ok(None);
    };
    tracing::info!(schedule = schedule.name, "a job begins");
    // A job that panics is a job that failed: the others have their times, too.
    let outcome = catch_unwind(AssertUnwindSafe(|| job.run(&schedule.name, &run, around)));
    let outcome = outcome.unwrap_or_else(|_| Err(anyhow!("it ended in a panic: see the log")));
    let outcome = outcome.map_err(|error| format!("{error:#}"));
    match &outcome {
        Ok(made) => tracing::info!(schedule = schedule.name, made, "a job is done"),
        Err(why) => tracing::warn!(schedule = schedule.name, why, "a job failed"),
    }
    schedules::end(around.hub, schedule, &run, outcome.clone(), wiring::now())?;
    Ok(Some(outcome))
}

fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)
        .with_context(|| format!("the folder `{}` cannot be made", folder.display()))
}

impl Report {
    fn write(&self, name: &str, run: &Run, hub: &Hub) -> Result<String> {
        make(&self.folder)?;
        let mut made = Vec::new();
        for (first, last) in self.of.ended(&self.zone, run.from, run.to)? {
            let file = format!("{name}-{first}_{last}.{}", self.format.extension());
            let path = self.folder.join(&file);
            report::write(hub, self.by.as_deref(), (first, last), self.format, &path)?;
            made.push(file);
        }
        Ok(made.join(", "))
    }
}

fn backup_into(folder: &Path, keep: usize, name: &str, around: &Around<'_>) -> Result<String> {
    let StoreAt::Sqlite(from) = &around.settings.store else {
        return Err(anyhow!("the store is in PostgreSQL, which is backed up by its own means"));
    };
    make(folder)?;
    let file = format!("{name}-{}.{BACKUP}", wiring::now().strftime(STAMP));
    let (bytes, contents) = backup::write(from, &folder.join(&file))?;
    let mut text = format!("{file}: {bytes} bytes, {}", backup::shown(&contents));
    let own = fs::read_dir(folder)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    for old in superseded(own.collect(), name, keep) {
        fs::remove_file(folder.join(&old)).with_context(|| format!("`{old}` cannot be removed"))?;
        text.push_str(&format!("; {old} was removed"));
    }
    Ok(text)
}

/// Of the files of a folder, the backups of this job that are older than the newest few.
fn superseded(files: Vec<String>, name: &str, keep: usize) -> Vec<String> {
    let is_own = |file: &String| {
        let stamp = file.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
        let stamp = stamp.and_then(|rest| rest.strip_suffix(BACKUP)?.strip_suffix('.'));
        stamp.is_some_and(|stamp| DateTime::strptime(STAMP, stamp).is_ok())
    };
    let mut own: Vec<String> = files.into_iter().filter(is_own).collect();
    own.sort_unstable();
    own.truncate(own.len().saturating_sub(keep));
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(of: Of, zone: &str, from: &str, to: &str) -> Vec<String> {
        let zone = TimeZone::get(zone).unwrap();
        let periods = of.ended(&zone, from.parse().unwrap(), to.parse().unwrap()).unwrap();
        periods.into_iter().map(|(first, last)| format!("{first}_{last}")).collect()
    }

    #[test]
    fn f6_each_period_that_ended_since_the_last_run_has_its_report() {
        let to = "2026-03-02T05:00:00Z";
        let days = ended(Of::Day, "Europe/Berlin", "2026-02-27T05:00:00Z", to);
        let missed = ["2026-02-27_2026-02-27", "2026-02-28_2026-02-28", "2026-03-01_2026-03-01"];
        assert_eq!(days, missed);
        let months = ended(Of::Month, "Europe/Berlin", "2026-02-01T05:00:00Z", to);
        assert_eq!(months, ["2026-02-01_2026-02-28"]);
        // A Monday: the week that ended the day before.
        let weeks = ended(Of::Week, "Europe/Berlin", "2026-02-24T05:00:00Z", to);
        assert_eq!(weeks, ["2026-02-23_2026-03-01"]);
    }

    #[test]
    fn a_report_that_is_asked_for_again_is_of_the_last_period_that_ended() {
        let (from, to) = ("2026-03-02T05:00:00Z", "2026-03-02T09:00:00Z");
        assert_eq!(ended(Of::Day, "Europe/Berlin", from, to), ["2026-03-01_2026-03-01"]);
        assert_eq!(ended(Of::Month, "Europe/Berlin", from, to), ["2026-02-01_2026-02-28"]);
    }

    #[test]
    fn f2_a_period_ends_at_midnight_of_the_zone() {
        let (from, to) = ("2026-02-28T12:00:00Z", "2026-02-28T23:30:00Z");
        assert_eq!(ended(Of::Month, "Europe/Berlin", from, to), ["2026-02-01_2026-02-28"]);
        assert_eq!(ended(Of::Month, "UTC", from, to), ["2026-01-01_2026-01-31"]);
    }

    #[test]
    fn only_old_backups_of_the_job_itself_are_removed() {
        let files = [
            "night-20260301T023000Z.sqlite",
            "night-20260303T023000Z.sqlite",
            "night-20260302T023000Z.sqlite",
            "night-20260302T023000Z.sqlite.part",
            "night-monday.sqlite",
            "nightly-20260101T023000Z.sqlite",
            "trueup.sqlite",
        ];
        let files = || files.map(str::to_owned).to_vec();
        assert_eq!(superseded(files(), "night", 2), ["night-20260301T023000Z.sqlite"]);
        assert_eq!(superseded(files(), "night", 3), Vec::<String>::new());
    }
}
