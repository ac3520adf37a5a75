//! The rows of the ledger that were booked in a window, named without their content: what the
//! completeness ledger asks for.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use trueup_connect::json::NumberText;
use trueup_connect::{CallError, Outcome, Reply, Step};
use trueup_domain::completeness::Listed;

use super::walk::{LIMIT, last_passed, part};
use crate::{money, outcome, wire};

/// Where a list stands: newest first, as Stripe gives it.
#[derive(Serialize, Deserialize)]
pub struct Listing {
    /// Seconds since 1970; `until` itself is not listed.
    from: i64,
    until: i64,
    after: Option<String>,
    ended: bool,
    listed: Vec<Listed>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
    amount: NumberText,
    currency: String,
}

impl Listing {
    pub fn of(from: Timestamp, until: Timestamp) -> Self {
        let (from, until) = (from.as_second(), until.as_second());
        Self { from, until, after: None, ended: false, listed: Vec::new() }
    }

    /// The page after those so far; `None` at the end.
    pub fn path(&self) -> Option<String> {
        let after = self.after.as_ref().map_or(String::new(), |id| format!("&starting_after={id}"));
        (!self.ended).then(|| {
            format!(
                "/v1/balance_transactions?limit={LIMIT}&created%5Bgte%5D={}&created%5Blt%5D={}{after}",
                self.from, self.until
            )
        })
    }

    pub fn advance(&mut self, reply: &Reply) -> Result<(), CallError> {
        let page: wire::Page = outcome::read(reply)?;
        for object in &page.data {
            let named: Named = part(object)?;
            // An amount that cannot be read is the row's own trouble, which its decoding tells.
            let currency = money::currency(&named.currency).ok();
            let amount = currency.and_then(|it| money::amount("amount", &named.amount, it).ok());
            self.listed.push(Listed { external_id: named.id, version: None, amount });
        }
        self.after = last_passed(&page, self.after.as_deref())?;
        self.ended = !page.has_more;
        Ok(())
    }

    pub fn done(self) -> Step {
        Step::Done(Outcome { listed: self.listed, ..Outcome::default() })
    }
}
