//! When commands of a kind may go out: accounting at night, say, and orders at once.
//!
//! Outside its window a kind waits in order, and nothing of it fails; what is under way ends, and
//! what is unknown is looked up at any time.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use trueup_domain::command::CommandKind;

/// The hours of each day in which something goes out, in the time zone of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    from: Time,
    /// At this time it is over; before `from` it is that of the next day.
    until: Time,
}

/// The windows of a connection. A kind without one goes out at any time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Windows(pub Vec<(CommandKind, Window)>);

impl Window {
    /// Reads two times of a day, such as `20:00-06:00`; `None` if it is no window, or an empty one.
    pub fn parse(text: &str) -> Option<Self> {
        let (from, until) = text.split_once('-')?;
        let time = |text: &str| {
            let text = text.trim();
            // Minutes are as fine as anybody plans, and `24:00` is no time.
            (text.len() == 5).then(|| Time::strptime("%H:%M", text).ok()).flatten()
        };
        let (from, until) = (time(from)?, time(until)?);
        (from != until).then_some(Self { from, until })
    }

    fn holds(self, time: Time) -> bool {
        if self.from < self.until {
            (self.from..self.until).contains(&time)
        } else {
            time >= self.from || time < self.until
        }
    }

    /// As a person writes it.
    pub fn shown(self) -> String {
        format!("{}–{}", self.from.strftime("%H:%M"), self.until.strftime("%H:%M"))
    }
}

impl Windows {
    /// Whether commands of a kind may go out at a moment. A zone that is not known is taken for UTC.
    pub fn open(&self, kind: CommandKind, zone: &str, now: Timestamp) -> bool {
        let Some((_, window)) = self.0.iter().find(|(of, _)| *of == kind) else { return true };
        let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
        window.holds(now.to_zoned(zone).time())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(window: &str, zone: &str, now: &str) -> bool {
        let windows = Windows(vec![(CommandKind::Entry, Window::parse(window).unwrap())]);
        windows.open(CommandKind::Entry, zone, now.parse().unwrap())
    }

    #[test]
    fn a_window_may_reach_over_midnight_and_is_one_of_its_zone() {
        for (now, expected) in [
            ("2026-03-02T18:59:59Z", false),
            ("2026-03-02T19:00:00Z", true),
            ("2026-03-03T00:30:00Z", true),
            ("2026-03-03T04:59:59Z", true),
            ("2026-03-03T05:00:00Z", false),
        ] {
            assert_eq!(open("20:00-06:00", "Europe/Berlin", now), expected, "{now}");
        }
        assert!(open("08:00-12:30", "UTC", "2026-03-02T12:29:59Z"));
        assert!(!open("08:00-12:30", "UTC", "2026-03-02T12:30:00Z"));
        let none = Windows::default();
        assert!(none.open(CommandKind::Entry, "UTC", "2026-03-02T12:30:00Z".parse().unwrap()));
    }

    #[test]
    fn what_is_no_window_is_refused() {
        for text in
            ["", "20:00", "20:00-20:00", "20-06", "24:00-06:00", "8:00-9:00", "20:00-06:00h"]
        {
            assert_eq!(Window::parse(text), None, "{text}");
        }
        assert_eq!(
            Window::parse("20:00 - 06:00").map(Window::shown).as_deref(),
            Some("20:00–06:00")
        );
    }
}
