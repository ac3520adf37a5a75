//! How much of the writer's time goes to what is behind the front door while much comes in.
//!
//! A stage writes for milliseconds where a delivery writes for microseconds, and waits for its
//! write before it computes the next part but one. So the turn that it gets here bounds what it
//! takes of the processors, too, and a sender of a burst is answered as if nothing ran behind it.

use std::time::{Duration, Instant};

/// Deliveries are counted in windows of this length.
const WINDOW: Duration = Duration::from_millis(50);
/// So many in one window (400 a second) make the front door busy.
const BUSY_FROM: usize = 20;
/// For each millisecond behind a busy front door so many go to the front door alone.
const REST: u32 = 3;
/// However long the work took, the next is not kept waiting for longer.
const REST_MAX: Duration = Duration::from_millis(100);

pub(super) struct Pace {
    window: Instant,
    in_window: usize,
    in_last: usize,
    /// When what is behind may be written again, if the front door is busy.
    turn: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { window: now, in_window: 0, in_last: 0, turn: now }
    }

    /// So many closures of the front door were written.
    pub(super) fn came_in(&mut self, now: Instant, closures: usize) {
        let passed = now.saturating_duration_since(self.window);
        if passed >= WINDOW {
            self.in_last = if passed < WINDOW * 2 { self.in_window } else { 0 };
            self.in_window = 0;
            self.window = now;
        }
        self.in_window += closures;
    }

    /// A closure from behind the front door was written, and took so long.
    pub(super) fn wrote_behind(&mut self, now: Instant, took: Duration) {
        if self.is_busy(now) {
            self.turn = now + (took * REST).min(REST_MAX);
        }
    }

    /// Much came in just now.
    pub(super) fn is_busy(&self, now: Instant) -> bool {
        let recent = now.saturating_duration_since(self.window) < WINDOW * 2;
        recent && self.in_window.max(self.in_last) >= BUSY_FROM
    }

    /// How long what is behind has to wait; `None` where it may be written now.
    pub(super) fn behind_waits(&self, now: Instant) -> Option<Duration> {
        let rest = self.turn.saturating_duration_since(now);
        (self.is_busy(now) && !rest.is_zero()).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_quiet_front_door_holds_nothing_up() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.came_in(start, BUSY_FROM - 1);
        pace.wrote_behind(start + MS, 8 * MS);
        assert_eq!(pace.behind_waits(start + MS), None);
        pace.came_in(start + 2 * MS, BUSY_FROM);
        assert_eq!(pace.behind_waits(start + 2 * MS), None, "it was quiet when that was written");
    }

    #[test]
    fn behind_a_busy_front_door_work_rests_as_long_as_it_took_three_times() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.came_in(start, BUSY_FROM);
        assert_eq!(pace.behind_waits(start), None, "nothing was written yet");
        pace.wrote_behind(start + 8 * MS, 8 * MS);
        assert_eq!(pace.behind_waits(start + 9 * MS), Some(23 * MS));
        assert_eq!(pace.behind_waits(start + 32 * MS), None);
        pace.wrote_behind(start + 40 * MS, Duration::from_secs(2));
        assert_eq!(pace.behind_waits(start + 40 * MS), Some(REST_MAX), "it does not starve");
    }

    #[test]
    fn a_front_door_is_quiet_again_when_nothing_came_for_two_windows() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.came_in(start, 10 * BUSY_FROM);
        pace.wrote_behind(start, 50 * MS);
        assert!(pace.behind_waits(start + 60 * MS).is_some(), "the last window counts still");
        pace.wrote_behind(start + 99 * MS, 50 * MS);
        assert_eq!(pace.behind_waits(start + 100 * MS), None);
        pace.came_in(start + 200 * MS, 1);
        assert_eq!(pace.behind_waits(start + 200 * MS), None, "one delivery is no burst");
    }
}
