//! On which business day a moment falls, where clocks are put forward and back.

use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use trueup_domain::document::{Document, Order};

use crate::world::{Given, at, entries, line, order, paid};

/// The date of a moment at an offset, without any zone.
fn date_at(moment: Timestamp, offset: Offset) -> Date {
    offset.to_datetime(moment).date()
}

fn day_in(zone: &'static str, moment: Timestamp) -> Date {
    Given { time_zone: zone, ..Given::default() }.day(moment)
}

/// Every time that any zone puts its clocks forward or back, from 2020 to 2035: the second before,
/// the second of it, and an hour on either side fall on the day that the clock on the wall shows.
#[test]
fn f1_each_change_of_the_clocks_keeps_each_moment_on_its_day() {
    let (from, until) = (at("2020-01-01T00:00:00Z"), at("2036-01-01T00:00:00Z"));
    let second = SignedDuration::from_secs(1);
    let mut changes = 0;
    for name in jiff::tz::db().available() {
        let name: &'static str = name.as_str().to_owned().leak();
        let Ok(zone) = TimeZone::get(name) else { continue };
        for change in zone.following(from).take_while(|change| change.timestamp() < until) {
            changes += 1;
            let moment = change.timestamp();
            let (before, after) = (zone.to_offset(moment - second), change.offset());
            let hour = SignedDuration::from_hours(1);
            for (moment, offset) in [
                (moment - hour, zone.to_offset(moment - hour)),
                (moment - second, before),
                (moment, after),
                (moment + hour, zone.to_offset(moment + hour)),
            ] {
                assert_eq!(day_in(name, moment), date_at(moment, offset), "{name} {moment}");
            }
        }
    }
    assert!(changes > 3_000, "only {changes} changes of clocks are known here");
}

/// A day of 23 hours, one of 25 with an hour that comes twice, and one of 24: each sale of an hour
/// is booked on one of them, and none is lost between them.
#[test]
fn f1_days_of_23_and_25_hours_hold_all_their_sales() {
    let mut sold = Vec::new();
    for (day, hours) in [("2026-03-29", 23), ("2026-10-25", 25), ("2026-07-05", 24)] {
        let day: Date = day.parse().expect("a day");
        let zone = TimeZone::get("Europe/Berlin").expect("known");
        let start = DateTime::from_parts(day, jiff::civil::Time::midnight());
        let start = start.to_zoned(zone).expect("a moment").timestamp();
        let mut count = 0;
        // From six hours before the day to six hours after it.
        for hour in -6..31 {
            let placed_at = start + SignedDuration::from_hours(hour);
            let order = Order { placed_at, ..order(vec![line("A1", 1, "10.00")], Vec::new()) };
            let documents: [Document; 2] = [order.into(), paid("card", "10.00")];
            let given = Given { time_zone: "Europe/Berlin", ..Given::default() };
            let sale = given.sale(&documents);
            let booked = entries(&sale.facts).next().expect("an entry").date;
            count += usize::from(booked == day);
            assert_eq!(booked == day, (0..hours).contains(&hour), "{day} {hour}");
        }
        sold.push(count);
    }
    assert_eq!(sold, [23, 25, 24]);
}
