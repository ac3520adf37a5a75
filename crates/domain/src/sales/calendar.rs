//! The periods of a report. A day is in exactly one period of each calendar.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, date};
use jiff::{ToSpan, Unit};

/// How days are gathered into periods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Periods {
    #[default]
    Month,
    IsoWeek,
    /// Retail years of whole weeks, from Sunday to Saturday, in quarters of 4, 4 and 5 weeks.
    Weeks445,
    /// The same years in quarters of 4, 5 and 4 weeks.
    Weeks454,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no calendar; there are month, iso-week, 4-4-5 and 4-5-4")]
pub struct UnknownCalendar(pub String);

impl Periods {
    pub const ALL: &[Self] = &[Self::Month, Self::IsoWeek, Self::Weeks445, Self::Weeks454];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Month => "month",
            Self::IsoWeek => "iso-week",
            Self::Weeks445 => "4-4-5",
            Self::Weeks454 => "4-5-4",
        }
    }

    /// The name of the period that a day is in: `2026-06`, `2026-W23`, `2026-P05`. Names of one
    /// calendar sort as the periods follow each other.
    pub fn period_of(self, day: Date) -> String {
        match self {
            Self::Month => format!("{:04}-{:02}", day.year(), day.month()),
            Self::IsoWeek => {
                let week = day.iso_week_date();
                format!("{:04}-W{:02}", week.year(), week.week())
            }
            Self::Weeks445 => retail(day, [4, 4, 5]),
            Self::Weeks454 => retail(day, [4, 5, 4]),
        }
    }
}

/// A retail year begins on the day after the Saturday that is nearest to the end of January, and
/// is called by the year of that January. A fifty-third week belongs to its last period.
fn retail(day: Date, weeks: [i64; 3]) -> String {
    let next = year_begin(day.year());
    let (year, begin) = if day < next {
        (day.year().saturating_sub(1), year_begin(day.year().saturating_sub(1)))
    } else {
        (day.year(), next)
    };
    let days = begin.until((Unit::Day, day)).map_or(0, |span| i64::from(span.get_days()));
    let (quarter, week) = ((days / 7 / 13).min(3), days / 7 - (days / 7 / 13).min(3) * 13);
    let within = match week {
        week if week < weeks[0] => 1,
        week if week < weeks[0] + weeks[1] => 2,
        _ => 3,
    };
    format!("{year:04}-P{:02}", quarter * 3 + within)
}

fn year_begin(year: i16) -> Date {
    let end = Date::new(year, 1, 31).unwrap_or(date(1, 1, 31));
    // Days since the last Saturday: Saturday 0, Sunday 1, … Friday 6.
    let since = i64::from(end.weekday().to_sunday_zero_offset() + 1) % 7;
    let to_saturday = if since <= 3 { -since } else { 7 - since };
    end.saturating_add((to_saturday + 1).days())
}

impl fmt::Display for Periods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Periods {
    type Err = UnknownCalendar;
    fn from_str(word: &str) -> Result<Self, UnknownCalendar> {
        let found = Self::ALL.iter().copied().find(|one| one.word() == word);
        found.ok_or_else(|| UnknownCalendar(word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first days of the years as the National Retail Federation publishes its 4-5-4 calendar:
    /// 2017 and 2023 have fifty-three weeks.
    #[test]
    fn f5_retail_years_begin_as_published() {
        for (year, month, day) in [
            (2017, 1, 29),
            (2018, 2, 4),
            (2019, 2, 3),
            (2020, 2, 2),
            (2021, 1, 31),
            (2022, 1, 30),
            (2023, 1, 29),
            (2024, 2, 4),
            (2025, 2, 2),
            (2026, 2, 1),
        ] {
            assert_eq!(year_begin(year), date(year, month, day));
        }
    }

    #[test]
    fn f5_days_are_in_the_periods_of_each_calendar() {
        let check = |day: Date, names: [&str; 4]| {
            let of = Periods::ALL.iter().map(|periods| periods.period_of(day));
            assert_eq!(of.collect::<Vec<_>>(), names, "{day}");
        };
        check(date(2026, 2, 1), ["2026-02", "2026-W05", "2026-P01", "2026-P01"]);
        check(date(2026, 1, 31), ["2026-01", "2026-W05", "2025-P12", "2025-P12"]);
        check(date(2026, 3, 29), ["2026-03", "2026-W13", "2026-P03", "2026-P02"]);
        check(date(2026, 4, 5), ["2026-04", "2026-W14", "2026-P03", "2026-P03"]);
        check(date(2026, 5, 3), ["2026-05", "2026-W18", "2026-P04", "2026-P04"]);
        // The fifty-third week of 2023.
        check(date(2024, 2, 3), ["2024-02", "2024-W05", "2023-P12", "2023-P12"]);
        check(date(2024, 12, 30), ["2024-12", "2025-W01", "2024-P12", "2024-P11"]);
    }

    #[test]
    fn f5_each_period_is_one_run_of_days() {
        for periods in Periods::ALL {
            let mut day = date(2016, 1, 1);
            let mut names = vec![periods.period_of(day)];
            while day < date(2030, 1, 1) {
                day = day.tomorrow().expect("a day");
                let name = periods.period_of(day);
                let last = names.last().expect("a name");
                assert!(*last <= name, "{last} {name}");
                if *last != name {
                    names.push(name);
                }
            }
            let mut once = names.clone();
            once.dedup();
            assert_eq!(once, names);
        }
    }
}
