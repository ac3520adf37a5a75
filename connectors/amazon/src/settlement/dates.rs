//! Moments as Amazon's marketplaces write them.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use trueup_connect::DecodeError;

use super::table::short;

/// `2026-09-01 10:00:00 UTC`, `01.09.2026 10:00:00 UTC`, `2026/09/01 10:00:00 UTC`,
/// `2026-09-01T10:00:00+00:00`, or a day alone. Only UTC is read, and a text that names no zone
/// means it.
pub fn moment(field: &str, text: &str) -> Result<Timestamp, DecodeError> {
    let wrong = || DecodeError::field(format!("{field} `{}`", short(text)));
    if text.contains('T')
        && let Ok(moment) = text.parse::<Timestamp>()
    {
        return Ok(moment);
    }
    let mut words = text.split_whitespace();
    let day = day(words.next().unwrap_or_default()).ok_or_else(wrong)?;
    let time = match words.next() {
        None | Some("UTC") => Time::midnight(),
        Some(word) => word.parse::<Time>().map_err(|_| wrong())?,
    };
    if words.next().is_some_and(|zone| zone != "UTC" && zone != "GMT") || words.next().is_some() {
        return Err(wrong());
    }
    let moment = TimeZone::UTC.to_timestamp(DateTime::from_parts(day, time));
    moment.map_err(|_| wrong())
}

/// `2026-09-01`, `2026/09/01`, `01.09.2026`, or the American `09/01/2026` and `09/01/26`.
fn day(text: &str) -> Option<Date> {
    let mark = text.chars().find(|sign| !sign.is_ascii_digit())?;
    let parts: Vec<&str> = text.split(mark).collect();
    let [first, second, third] = parts.as_slice() else { return None };
    let (year, month, day) = match (first.len(), mark) {
        (4, '-' | '/') => (*first, *second, *third),
        (1 | 2, '.') => (*third, *second, *first),
        (1 | 2, '/') => (*third, *first, *second),
        _ => return None,
    };
    let number = |text: &str| text.parse::<i16>().ok().filter(|number| *number > 0);
    let year = match year.len() {
        4 => number(year)?,
        2 => number(year)?.checked_add(2000)?,
        _ => return None,
    };
    let small = |text: &str| number(text).and_then(|number| i8::try_from(number).ok());
    Date::new(year, small(month)?, small(day)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let read = moment("posted-date", text).ok().map(|moment| moment.to_string());
        assert_eq!(read.as_deref(), expected, "{text}");
    }

    #[test]
    fn each_marketplace_writes_the_day_its_own_way() {
        check("2026-09-01 10:00:00 UTC", Some("2026-09-01T10:00:00Z"));
        check("01.09.2026 10:00:00 UTC", Some("2026-09-01T10:00:00Z"));
        check("2026/09/01 10:00:00 UTC", Some("2026-09-01T10:00:00Z"));
        check("09/02/2026", Some("2026-09-02T00:00:00Z"));
        check("09/02/26", Some("2026-09-02T00:00:00Z"));
        check("2026-09-01T10:00:00+00:00", Some("2026-09-01T10:00:00Z"));
        check("2026-09-01T10:00:00Z", Some("2026-09-01T10:00:00Z"));
        check("2026-09-01T12:00:00+02:00", Some("2026-09-01T10:00:00Z"));
    }

    #[test]
    fn other_zones_and_days_that_do_not_exist_are_refused() {
        check("2026-09-01 10:00:00 PDT", None);
        check("2026-02-30 10:00:00 UTC", None);
        check("13/13/2026", None);
        check("0.0.0", None);
        check("", None);
        check("yesterday", None);
    }
}
