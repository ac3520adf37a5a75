//! A schedule as it stands in the file: its job, what the job takes, and its times.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use serde::Deserialize;
use toml::Spanned;
use trueup_hub::sales::Dimension;
use trueup_hub::schedules::{Missed, Schedule, When};

use super::{Configured, Entity, Mistake, StoreAt, Word};
use crate::commands::report::Format;
use crate::jobs::{Job, Of, Report};

/// A job may not run more often than the hub looks, nor less often than people remember.
const EVERY_MIN: SignedDuration = SignedDuration::from_mins(1);
const EVERY_MAX: SignedDuration = SignedDuration::from_hours(31 * 24);
const KEEP: u32 = 14;

/// A job with its times.
#[derive(Clone, Debug)]
pub struct Scheduled {
    pub schedule: Schedule,
    pub job: Job,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScheduleSection {
    job: Spanned<String>,
    cron: Option<Spanned<String>>,
    every: Option<Spanned<Word>>,
    time_zone: Option<Spanned<String>>,
    missed: Option<Spanned<String>>,
    folder: Option<Spanned<String>>,
    keep: Option<Spanned<NonZeroU32>>,
    report: Option<Spanned<String>>,
    of: Option<Spanned<String>>,
    by: Option<Spanned<Vec<String>>>,
    format: Option<Spanned<String>>,
    connections: Option<Spanned<Vec<String>>>,
}

/// What the rest of the file says, as far as a schedule needs it.
pub(super) struct Rest<'a> {
    pub folder: &'a Path,
    pub store: &'a StoreAt,
    pub entities: &'a BTreeMap<String, Entity>,
    pub connections: &'a BTreeMap<String, Configured>,
}

impl ScheduleSection {
    pub(super) fn check(
        self,
        name: &Spanned<String>,
        rest: &Rest<'_>,
    ) -> Result<Scheduled, Mistake> {
        self.refuse_what_its_job_does_not_take()?;
        let zone = self.zone(rest.entities)?;
        let when = self.when(name, &zone)?;
        let missed = match &self.missed {
            None => Missed::default(),
            Some(word) => match word.as_ref().as_str() {
                "once" => Missed::Once,
                "skip" => Missed::Skip,
                other => {
                    let what = format!("`{other}` does not say what becomes of missed runs");
                    let remedy = "write \"once\" (one run makes up for them) or \"skip\"";
                    return Err(Mistake::at(word, what, remedy));
                }
            },
        };
        let job = self.job(rest, zone)?;
        let name = name.as_ref().clone();
        Ok(Scheduled { schedule: Schedule { name, job: job.in_words(), when, missed }, job })
    }

    /// A setting that does nothing would be a mistake that nobody sees.
    fn refuse_what_its_job_does_not_take(&self) -> Result<(), Mistake> {
        let takes: &[&str] = match self.job.as_ref().as_str() {
            "backup" => &["folder", "keep"],
            "report" => &["folder", "report", "of", "by", "format"],
            "poll" => &["connections"],
            "check" => &[],
            _ => return Ok(()),
        };
        let given = [
            ("folder", self.folder.as_ref().map(Spanned::span)),
            ("keep", self.keep.as_ref().map(Spanned::span)),
            ("report", self.report.as_ref().map(Spanned::span)),
            ("of", self.of.as_ref().map(Spanned::span)),
            ("by", self.by.as_ref().map(Spanned::span)),
            ("format", self.format.as_ref().map(Spanned::span)),
            ("connections", self.connections.as_ref().map(Spanned::span)),
        ];
        for (setting, at) in given {
            if at.is_some() && !takes.contains(&setting) {
                let what = format!("the job `{}` takes no `{setting}`", self.job.as_ref());
                let remedy = match takes {
                    [] => "remove it".to_owned(),
                    takes => format!("remove it; this job takes: {}", takes.join(", ")),
                };
                return Err(Mistake { at, what, remedy });
            }
        }
        Ok(())
    }

    /// Its own, or the one that all entities share.
    fn zone(&self, entities: &BTreeMap<String, Entity>) -> Result<TimeZone, Mistake> {
        let name = match &self.time_zone {
            Some(zone) => zone.as_ref().as_str(),
            None => {
                let mut zones: Vec<&str> =
                    entities.values().map(|entity| entity.time_zone.as_str()).collect();
                zones.dedup();
                match (zones.as_slice(), &self.every, self.job.as_ref().as_str()) {
                    ([only], ..) => only,
                    (_, Some(_), "backup" | "check" | "poll") => "UTC",
                    _ => {
                        let what = "the entities have no time zone in common";
                        let remedy = "add `time_zone`, an IANA name such as \"Europe/Berlin\"";
                        return Err(Mistake::at(&self.job, what, remedy));
                    }
                }
            }
        };
        TimeZone::get(name).map_err(|_| {
            let what = format!("`{name}` is no time zone");
            let place = self.time_zone.as_ref().unwrap_or(&self.job);
            Mistake::at(place, what, "write an IANA name, such as \"Europe/Berlin\"")
        })
    }

    fn when(&self, name: &Spanned<String>, zone: &TimeZone) -> Result<When, Mistake> {
        match (&self.cron, &self.every) {
            (Some(cron), None) => When::cron(cron.as_ref(), zone.clone()).map_err(|why| {
                let what = format!("`{}` are no times: {why}", cron.as_ref());
                let remedy = "write minute, hour, day, month and day of the week, such as \
                              \"30 2 * * *\" (daily at 02:30) or \"0 6 1 * *\" (on the first)";
                Mistake::at(cron, what, remedy)
            }),
            (None, Some(every)) => {
                let text = &every.as_ref().0;
                let step = text.parse::<SignedDuration>().ok();
                let step = step.filter(|it| (EVERY_MIN..=EVERY_MAX).contains(it));
                step.map(When::Every).ok_or_else(|| {
                    let what = format!("`{text}` is no interval");
                    Mistake::at(every, what, "write \"15m\" or \"6h\", from a minute to 31 days")
                })
            }
            (Some(_), Some(every)) => {
                let what = "both `cron` and `every` are set";
                Err(Mistake::at(every, what, "keep one of them"))
            }
            (None, None) => {
                let what = format!("`{}` does not say when it runs", name.as_ref());
                let remedy = "add `cron = \"30 2 * * *\"` or `every = \"6h\"`";
                Err(Mistake::at(name, what, remedy))
            }
        }
    }

    fn job(&self, rest: &Rest<'_>, zone: TimeZone) -> Result<Job, Mistake> {
        match self.job.as_ref().as_str() {
            "backup" => {
                if !matches!(rest.store, StoreAt::Sqlite(_)) {
                    let what = "the store is in PostgreSQL, which is backed up by its own means";
                    let remedy = "use pg_dump or its continuous archive, and remove this job";
                    return Err(Mistake::at(&self.job, what, remedy));
                }
                let keep = self.keep.as_ref().map_or(KEEP, |keep| keep.as_ref().get());
                Ok(Job::Backup { folder: self.folder(rest)?, keep: keep as usize })
            }
            "report" => Ok(Job::Report(self.report(rest, zone)?)),
            "check" => Ok(Job::Check),
            "poll" => {
                let Some(names) = self.connections.as_ref().filter(|it| !it.as_ref().is_empty())
                else {
                    let what = "it does not say which connections are asked";
                    let remedy = "add `connections = [\"NAME\"]`";
                    return Err(Mistake::at(&self.job, what, remedy));
                };
                for name in names.as_ref() {
                    let known = rest.connections.get(name);
                    if known.is_none_or(|it| it.connector.conversations.is_none()) {
                        let what = format!("there is no connection `{name}` that can be asked");
                        return Err(Mistake::at(names, what, "name connections that are polled"));
                    }
                }
                Ok(Job::Poll { connections: names.as_ref().clone() })
            }
            other => {
                let what = format!("there is no job `{other}`");
                let remedy = "write \"backup\", \"report\", \"check\" or \"poll\"";
                Err(Mistake::at(&self.job, what, remedy))
            }
        }
    }

    fn folder(&self, rest: &Rest<'_>) -> Result<PathBuf, Mistake> {
        let Some(folder) = &self.folder else {
            let what = "it does not say where its files go";
            return Err(Mistake::at(&self.job, what, "add `folder`, such as \"backups\""));
        };
        Ok(rest.folder.join(folder.as_ref()))
    }

    fn report(&self, rest: &Rest<'_>, zone: TimeZone) -> Result<Report, Mistake> {
        let word = |it: &Option<Spanned<String>>, or: &str| {
            it.as_ref().map_or_else(|| or.to_owned(), |word| word.as_ref().clone())
        };
        let place = |it: &Option<Spanned<String>>| it.as_ref().unwrap_or(&self.job).clone();
        let of = match word(&self.of, "day").as_str() {
            "day" => Of::Day,
            "week" => Of::Week,
            "month" => Of::Month,
            other => {
                let what = format!("a report of a `{other}` is not made by a job");
                let remedy = "write \"day\", \"week\" or \"month\"";
                return Err(Mistake::at(&place(&self.of), what, remedy));
            }
        };
        let format = word(&self.format, "csv");
        let format = Format::from_str(&format, false).map_err(|_| {
            let what = format!("`{format}` is no format of a report");
            Mistake::at(&place(&self.format), what, "write csv, xlsx, parquet, json or table")
        })?;
        let by = self.by.as_ref().map_or_else(
            || Ok(vec![Dimension::Channel]),
            |by| {
                let read = by.as_ref().iter().map(|word| word.parse::<Dimension>());
                read.collect::<Result<Vec<_>, _>>().map_err(|error| {
                    Mistake::at(
                        by,
                        error.to_string(),
                        "write what `trueup report sales --by` takes",
                    )
                })
            },
        )?;
        let sales = match word(&self.report, "").as_str() {
            "sales" => true,
            "tax" if self.by.is_none() => false,
            "tax" => {
                let what = "the report of taxes has rows of its own";
                return Err(Mistake::at(&place(&self.report), what, "remove `by`"));
            }
            other => {
                let what = format!("`{other}` is no report");
                let remedy = "add `report = \"sales\"` or `report = \"tax\"`";
                return Err(Mistake::at(&place(&self.report), what, remedy));
            }
        };
        Ok(Report { by: sales.then_some(by), of, format, folder: self.folder(rest)?, zone })
    }
}
