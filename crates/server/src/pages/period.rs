//! The days a page or a report is about.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::Deserialize;
use trueup_store::{StoreError, Tx, documents};

use crate::problem::Problem;

/// Without dates: the last days with sales, this many.
const DAYS_DEFAULT: i64 = 14;
const DAYS_MAX: i64 = 366;

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Period {
    pub from: Option<String>,
    pub to: Option<String>,
}

impl Period {
    /// The days `from..=to`. What is left out ends at the newest day with a sale, because an empty
    /// page answers nobody's question.
    pub fn days(
        &self,
        tx: &mut Tx<'_>,
        now: Timestamp,
    ) -> Result<Result<(Date, Date), Problem>, StoreError> {
        let known = documents::sale_days(tx)?;
        Ok(self.within(known, now.to_zoned(TimeZone::UTC).date()))
    }

    fn within(
        &self,
        known: Option<(String, String)>,
        today: Date,
    ) -> Result<(Date, Date), Problem> {
        let (first, newest) = known.unzip();
        let newest = newest.and_then(|day| day.parse::<Date>().ok()).unwrap_or(today);
        let first = first.and_then(|day| day.parse::<Date>().ok()).unwrap_or(newest);
        let to = day(self.to.as_deref())?;
        let from = day(self.from.as_deref())?;
        let to = to.unwrap_or(newest.max(from.unwrap_or(newest)));
        let start = to.checked_sub((DAYS_DEFAULT - 1).days()).unwrap_or(to);
        let from = from.unwrap_or_else(|| start.max(first.min(to)));
        if from > to {
            return Err(Problem::unreadable("the first day is after the last"));
        }
        if from.checked_add(DAYS_MAX.days()).is_ok_and(|end| end < to) {
            return Err(Problem::unreadable(format!("ask for at most {DAYS_MAX} days")));
        }
        Ok((from, to))
    }
}

/// A day of a form; an empty field is none.
pub fn day(text: Option<&str>) -> Result<Option<Date>, Problem> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let wrong = |_| Problem::unreadable("write days as 2026-03-04");
    text.parse().map(Some).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_ends_at_the_newest_sale() {
        let today = Date::constant(2026, 3, 20);
        let known = Some(("2026-03-01".to_owned(), "2026-03-18".to_owned()));
        let check = |from: Option<&str>, to: Option<&str>| {
            let period = Period { from: from.map(str::to_owned), to: to.map(str::to_owned) };
            period.within(known.clone(), today).map(|(from, to)| format!("{from} {to}"))
        };
        assert_eq!(check(None, None), Ok("2026-03-05 2026-03-18".to_owned()));
        assert_eq!(check(None, Some("2026-03-04")), Ok("2026-03-01 2026-03-04".to_owned()));
        assert_eq!(check(Some("2026-03-19"), None), Ok("2026-03-19 2026-03-19".to_owned()));
        assert_eq!(check(Some(""), Some("")), Ok("2026-03-05 2026-03-18".to_owned()));
        for (from, to) in [("2026-03-02", "2026-03-01"), ("x", ""), ("2020-01-01", "2026-01-01")] {
            assert_eq!(check(Some(from), Some(to)).map_err(|problem| problem.code), Err("TU404"));
        }
        let empty = Period::default().within(None, today);
        assert_eq!(empty, Ok((today, today)));
    }
}
