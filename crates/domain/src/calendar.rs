//! Business days of providers and banks: what decides that money is *not due* yet.

use std::collections::BTreeSet;

use jiff::civil::{Date, Weekday};

/// Weekends and named holidays on which nothing is booked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    holidays: BTreeSet<Date>,
}

impl Calendar {
    pub fn new(holidays: impl IntoIterator<Item = Date>) -> Self {
        Self { holidays: holidays.into_iter().collect() }
    }

    pub fn is_business_day(&self, day: Date) -> bool {
        !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
            && !self.holidays.contains(&day)
    }

    /// The day `count` business days after `day`; with 0, `day` itself or the next business day.
    /// The last day that can be expressed is its own successor.
    pub fn add_business_days(&self, day: Date, count: u32) -> Date {
        let mut current = day;
        let mut left = count;
        loop {
            if self.is_business_day(current) {
                if left == 0 {
                    return current;
                }
                left -= 1;
            }
            match current.tomorrow() {
                Ok(next) => current = next,
                Err(_) => return current,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn weekends_and_holidays_are_no_business_days() {
        let calendar = Calendar::new([date(2026, 6, 1)]);
        // 2026-05-29 is a Friday, the Monday after it a holiday.
        assert_eq!(calendar.add_business_days(date(2026, 5, 29), 1), date(2026, 6, 2));
        assert_eq!(calendar.add_business_days(date(2026, 5, 30), 0), date(2026, 6, 2));
        assert_eq!(calendar.add_business_days(date(2026, 6, 2), 2), date(2026, 6, 4));
    }
}
