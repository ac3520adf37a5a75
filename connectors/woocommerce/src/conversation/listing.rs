//! The orders that were created in a window, named without their content: what the completeness
//! ledger asks for. Those in the trash are asked for apart, because `any` leaves them out.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use trueup_connect::{CallError, Outcome, Reply, Step};
use trueup_domain::Currency;
use trueup_domain::completeness::Listed;
use trueup_domain::document::Version;

use super::{PER_PAGE, TRASH};
use crate::decode::is_draft;
use crate::outcome;
use crate::wire::{Amount, Gmt, Id};

const STATUSES: [&str; 2] = ["any", TRASH];

/// Where a list stands.
#[derive(Serialize, Deserialize)]
pub struct Listing {
    from: Timestamp,
    until: Timestamp,
    /// Which of [`STATUSES`] is being listed.
    status: usize,
    page: u32,
    listed: Vec<Listed>,
}

#[derive(Deserialize)]
struct Named {
    id: Id,
    status: String,
    currency: String,
    date_modified_gmt: Option<Gmt>,
    date_created_gmt: Option<Gmt>,
    total: Amount,
}

impl Listing {
    pub fn of(from: Timestamp, until: Timestamp) -> Self {
        Self { from, until, status: 0, page: 1, listed: Vec::new() }
    }

    /// The page after those so far; `None` at the end.
    pub fn path(&self) -> Option<String> {
        let status = STATUSES.get(self.status)?;
        // Both bounds are left out of the answer, and times are whole seconds.
        let after = Timestamp::from_second(self.from.as_second().saturating_sub(1));
        let after = after.unwrap_or(Timestamp::UNIX_EPOCH).strftime("%Y-%m-%dT%H:%M:%S");
        let before = self.until.strftime("%Y-%m-%dT%H:%M:%S");
        Some(format!(
            "orders?after={after}&before={before}&dates_are_gmt=true&orderby=id&order=asc\
             &_fields=id,status,currency,date_created_gmt,date_modified_gmt,total\
             &per_page={PER_PAGE}&page={}&status={status}",
            self.page
        ))
    }

    pub fn take(&mut self, reply: &Reply) -> Result<(), CallError> {
        let page: Vec<Named> = outcome::read(reply)?;
        let full = page.len() == PER_PAGE;
        for named in page.into_iter().filter(|named| !is_draft(&named.status)) {
            let modified = named.date_modified_gmt.or(named.date_created_gmt);
            let currency = Currency::parse(&named.currency).ok();
            self.listed.push(Listed {
                external_id: named.id.0,
                version: modified.map(|at| Version::at(at.0)),
                amount: currency.and_then(|it| named.total.money("total", it).ok()),
            });
        }
        if full {
            self.page += 1;
        } else {
            (self.status, self.page) = (self.status + 1, 1);
        }
        Ok(())
    }

    pub fn done(&mut self) -> Step {
        let listed = std::mem::take(&mut self.listed);
        Step::Done(Outcome { listed, ..Outcome::default() })
    }
}
