//! How much more a target may be asked, by what its vendor documents and its replies say.
//!
//! What would be refused is not asked: a call waits until the allowance that it draws on has filled
//! up for it. Short waits are spent before the call leaves; what would wait for longer is answered as
//! the target would, so that its conversation keeps what it has and comes again.
//!
//! All of it is kept in memory: a process that starts takes an allowance to be full, and the first
//! reply corrects that.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use trueup_connect::limits::{Draw, Rate, Said, UNIT};
use trueup_connect::{Reply, Request};

use crate::setup::Connection;

/// A call waits so long for its turn, with its lane; for longer its conversation does.
const WAITS_AT_MOST: SignedDuration = SignedDuration::from_secs(10);
/// A connection that says a rate may ask for so many seconds' worth at once.
const AT_ONCE_S: u64 = 10;
const OWN: &str = "connection";
/// What is tried again soon: so many commands at once and one a second, and one for five that went
/// well. Beyond that it is tried again late, so that a target of which a part fails is not asked
/// twice as much for it.
const AGAIN: Rate = Rate::per_second(1, 100);
const EARNED: u64 = UNIT / 5;

/// When a call may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    After(SignedDuration),
    /// It would be refused for so long; nothing was drawn.
    NotYet(SignedDuration),
}

/// What one allowance holds. Levels are millionths, and below nothing where calls wait for theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Allowance {
    rate: Rate,
    left: i128,
    /// When that was so.
    at: Timestamp,
    /// What a request of each kind cost last.
    costs: BTreeMap<String, u64>,
}

impl Allowance {
    fn full(rate: Rate, now: Timestamp) -> Self {
        Self { rate, left: i128::from(rate.most), at: now, costs: BTreeMap::new() }
    }

    fn fill_up(&mut self, now: Timestamp) {
        // A clock that is set back fills nothing, and takes nothing.
        let passed = now.duration_since(self.at).as_micros().max(0);
        let came = passed.saturating_mul(i128::from(self.rate.per_second)) / 1_000_000;
        self.left = self.left.saturating_add(came).min(i128::from(self.rate.most));
        self.at = now;
    }

    fn draw(&mut self, draw: &Draw, now: Timestamp) -> Leave {
        self.fill_up(now);
        let cost = self.costs.get(&draw.kind).copied().unwrap_or(draw.cost);
        // What costs more than there ever is, is asked when all of it is there.
        let cost = i128::from(cost.min(self.rate.most));
        let left = self.left - cost;
        // The vendor rounds on its own, and so does a clock: ten milliseconds' worth more is to be there,
        // unless all of it is.
        let per_second = i128::from(self.rate.per_second.max(1));
        let full = self.left >= i128::from(self.rate.most);
        let wanted = if full { left } else { left - per_second / 100 };
        let lacks = (-wanted).max(0).saturating_mul(1_000);
        let wait_ms = if lacks == 0 { 0 } else { lacks / per_second + 1 };
        let wait = SignedDuration::from_millis(i64::try_from(wait_ms).unwrap_or(i64::MAX));
        if wait > WAITS_AT_MOST {
            return Leave::NotYet(wait);
        }
        self.left = left;
        Leave::After(wait)
    }

    fn hear(&mut self, draw: &Draw, said: &Said, now: Timestamp) {
        self.fill_up(now);
        self.rate.most = said.most.unwrap_or(self.rate.most).max(UNIT);
        self.rate.per_second = said.per_second.unwrap_or(self.rate.per_second).max(1);
        if let Some(cost) = said.cost {
            self.costs.insert(draw.kind.clone(), cost);
        }
        if let Some(left) = said.left {
            self.left = i128::from(left);
        }
        if said.refused {
            self.left = self.left.min(0);
        }
        self.left = self.left.min(i128::from(self.rate.most));
    }
}

/// What this process knows of the allowances of its targets.
#[derive(Clone, Default)]
pub struct Allowances(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    /// By connection and the vendor's allowance.
    allowances: BTreeMap<(String, &'static str), Allowance>,
    waited: BTreeMap<String, SignedDuration>,
    /// By connection: what may be tried again soon.
    again: BTreeMap<String, Allowance>,
}

impl Allowances {
    fn known(&self) -> MutexGuard<'_, Known> {
        // What is under the lock is whole at every moment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws for a request, and says when it may leave.
    pub(crate) fn draw(&self, connection: &Connection, request: &Request, now: Timestamp) -> Leave {
        let Some(draw) = drawn(connection, request) else {
            return Leave::After(SignedDuration::ZERO);
        };
        let mut known = self.known();
        let key = (connection.name.clone(), draw.allowance);
        let allowance =
            known.allowances.entry(key).or_insert_with(|| Allowance::full(draw.rate, now));
        let leave = allowance.draw(&draw, now);
        if let Leave::After(wait) | Leave::NotYet(wait) = leave
            && wait.is_positive()
        {
            let waited = known.waited.entry(connection.name.clone()).or_default();
            *waited = waited.saturating_add(wait);
        }
        leave
    }

    /// Keeps what a reply says of the allowance that its request drew on.
    pub(crate) fn hear(
        &self,
        connection: &Connection,
        request: &Request,
        reply: &Reply,
        now: Timestamp,
    ) {
        let Some(draw) = drawn(connection, request) else { return };
        let limits = connection.connector.conversations.and_then(|it| it.limits);
        let said = limits.map(|limits| (limits.says)(reply)).unwrap_or_default();
        if let Some(allowance) =
            self.known().allowances.get_mut(&(connection.name.clone(), draw.allowance))
        {
            allowance.hear(&draw, &said, now);
        }
    }

    /// After a delivery of which so many commands went well and so many did not: how many of the
    /// latter may be tried again soon.
    pub(crate) fn again(
        &self,
        connection: &str,
        well: usize,
        failed: usize,
        now: Timestamp,
    ) -> usize {
        let mut known = self.known();
        let budget = known.again.entry(connection.to_owned());
        let budget = budget.or_insert_with(|| Allowance::full(AGAIN, now));
        budget.fill_up(now);
        let earned = i128::try_from(well).unwrap_or(0) * i128::from(EARNED);
        let left = budget.left.saturating_add(earned).clamp(0, i128::from(AGAIN.most));
        let soon = usize::try_from(left / i128::from(UNIT)).unwrap_or(0).min(failed);
        budget.left = left - i128::try_from(soon).unwrap_or(0) * i128::from(UNIT);
        soon
    }

    /// How long calls of each connection waited for their allowance since the process started.
    pub fn waited(&self) -> BTreeMap<String, SignedDuration> {
        self.known().waited.clone()
    }
}

/// What a request draws on: what the connection says, where the vendor says nothing, or the vendor's.
fn drawn(connection: &Connection, request: &Request) -> Option<Draw> {
    let limits = connection.connector.conversations.and_then(|it| it.limits);
    let base_url = connection.base_url.as_deref().unwrap_or_default();
    let vendors = limits.and_then(|limits| (limits.draws)(base_url, request));
    match (vendors, connection.calls_per_minute) {
        (Some(draw), _) if !draw.ours => Some(draw),
        (_, Some(calls)) => {
            let per_second = u64::from(calls) * UNIT / 60;
            let most = (per_second * AT_ONCE_S).max(UNIT);
            Some(Draw::call(OWN, Rate { most, per_second }))
        }
        (draw, None) => draw,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: Rate = Rate::millionths_per_second(5_600, 20);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_780_000_000 + seconds).expect("a time")
    }

    /// In how many whole seconds a call may leave; `None` where it may not.
    fn secs(leave: Leave) -> Option<i64> {
        match leave {
            Leave::After(wait) => Some(wait.as_secs()),
            Leave::NotYet(_) => None,
        }
    }

    #[test]
    fn so_many_leave_at_once_and_the_rest_when_the_vendor_has_room() {
        let call = Draw::call("search", SLOW);
        let mut allowance = Allowance::full(SLOW, at(0));
        for _ in 0..20 {
            assert_eq!(secs(allowance.draw(&call, at(0))), Some(0));
        }
        let Leave::NotYet(wait) = allowance.draw(&call, at(0)) else { panic!("refused") };
        assert_eq!(wait.as_secs(), 178);
        // What was not sent drew nothing; ten seconds before there is room it waits for it.
        assert_eq!(secs(allowance.draw(&call, at(169))), Some(9));
        assert!(matches!(allowance.draw(&call, at(179)), Leave::NotYet(_)));
    }

    #[test]
    fn those_that_wait_leave_one_after_the_other() {
        let rate = Rate::per_second(1, 2);
        let call = Draw::call("calls", rate);
        let mut allowance = Allowance::full(rate, at(0));
        let left: Vec<_> = (0..5).map(|_| secs(allowance.draw(&call, at(0)))).collect();
        assert_eq!(left, [0, 0, 1, 2, 3].map(Some));
        assert_eq!(secs(allowance.draw(&call, at(3))), Some(1));
        assert_eq!(secs(allowance.draw(&call, at(1_000))), Some(0));
        assert_eq!(
            secs(allowance.draw(&call, at(1_000))),
            Some(0),
            "after a pause no more than at first"
        );
        assert_eq!(secs(allowance.draw(&call, at(1_000))), Some(1));
    }

    #[test]
    fn what_a_reply_says_counts() {
        let call = Draw::call("search", SLOW);
        let mut allowance = Allowance::full(SLOW, at(0));
        // Somebody else used it up.
        allowance.hear(&call, &Said { refused: true, ..Said::default() }, at(0));
        let Leave::NotYet(wait) = allowance.draw(&call, at(0)) else { panic!("refused") };
        assert_eq!(wait.as_secs(), 178);
        // This seller is given more than is documented.
        allowance.hear(&call, &Said { per_second: Some(UNIT), ..Said::default() }, at(0));
        assert_eq!(secs(allowance.draw(&call, at(0))), Some(1));
    }

    #[test]
    fn points_are_counted_as_the_vendor_counted_the_same_question_before() {
        let rate = Rate::per_second(50, 1_000);
        let ask = |kind: &str| Draw {
            kind: kind.to_owned(),
            cost: 100 * UNIT,
            ..Draw::call("points", rate)
        };
        let mut allowance = Allowance::full(rate, at(0));
        assert_eq!(secs(allowance.draw(&ask("orders"), at(0))), Some(0));
        let said = Said {
            most: Some(1_000 * UNIT),
            per_second: Some(50 * UNIT),
            left: Some(102 * UNIT),
            cost: Some(502 * UNIT),
            refused: false,
        };
        allowance.hear(&ask("orders"), &said, at(0));
        assert_eq!(
            secs(allowance.draw(&ask("one"), at(0))),
            Some(0),
            "another question is another cost"
        );
        assert_eq!(secs(allowance.draw(&ask("orders"), at(1))), Some(9));
        let dear = Said { cost: Some(5_000 * UNIT), left: Some(1_000 * UNIT), ..Said::default() };
        allowance.hear(&ask("dear"), &dear, at(20));
        assert_eq!(secs(allowance.draw(&ask("dear"), at(20))), Some(0), "all there is must do");
    }

    #[test]
    fn few_of_many_failures_are_tried_again_soon() {
        let allowances = Allowances::default();
        let again = |well, failed, seconds| allowances.again("books", well, failed, at(seconds));
        assert_eq!(again(0, 70, 0), 70);
        assert_eq!(again(0, 70, 0), 30, "a hundred at once");
        assert_eq!(again(0, 70, 0), 0);
        assert_eq!(again(0, 70, 7), 7, "one a second");
        assert_eq!(again(70, 30, 7), 14, "one for five that went well");
        assert_eq!(again(0, 200, 86_400), 100);
        assert_eq!(allowances.again("shop", 0, 1, at(0)), 1, "each connection has its own");
    }

    #[test]
    fn c7_a_clock_that_jumps_fills_no_more_than_there_is_and_takes_nothing() {
        let rate = Rate::per_second(1, 2);
        let call = Draw::call("calls", rate);
        let mut allowance = Allowance::full(rate, at(86_400));
        assert_eq!(secs(allowance.draw(&call, at(86_400))), Some(0));
        assert_eq!(secs(allowance.draw(&call, at(0))), Some(0));
        assert_eq!(secs(allowance.draw(&call, at(0))), Some(1));
    }
}
