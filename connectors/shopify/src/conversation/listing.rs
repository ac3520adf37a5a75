//! The orders of a window, named without their content: what the completeness ledger asks for.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use trueup_connect::{Outcome, Step};
use trueup_domain::Currency;
use trueup_domain::completeness::Listed;
use trueup_domain::document::Version;

use super::{PageInfo, queries};
use crate::wire::{Amount, Id};

/// A single query may not cost more than 1000 points; an order costs six.
const PAGE: usize = 100;

/// Where a list stands.
#[derive(Serialize, Deserialize)]
pub struct Listing {
    from: Timestamp,
    until: Timestamp,
    after: Option<String>,
    /// The list has no further page.
    ended: bool,
    listed: Vec<Listed>,
}

#[derive(Deserialize)]
struct Answered {
    orders: Page,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    nodes: Vec<Named>,
    page_info: PageInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    id: Id,
    updated_at: Timestamp,
    currency_code: String,
    total_price_set: Bag,
    total_cash_rounding_adjustment: Option<Rounding>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rounding {
    payment_set: Bag,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bag {
    shop_money: Amount,
}

impl Named {
    /// The total as the order's document states it: with what the till rounded.
    fn listed(self) -> Result<Listed, String> {
        let said = |error: &dyn std::fmt::Display| error.to_string();
        let currency = Currency::parse(&self.currency_code).map_err(|error| said(&error))?;
        let money =
            |bag: &Bag, field| bag.shop_money.money(field, currency).map_err(|error| said(&error));
        let mut total = money(&self.total_price_set, "totalPriceSet")?;
        if let Some(rounding) = &self.total_cash_rounding_adjustment {
            let rounding = money(&rounding.payment_set, "totalCashRoundingAdjustment")?;
            total = total.checked_add(rounding).map_err(|error| said(&error))?;
        }
        Ok(Listed {
            external_id: self.id.0,
            version: Some(Version::at(self.updated_at)),
            amount: Some(total),
        })
    }
}

impl Listing {
    pub fn of(from: Timestamp, until: Timestamp) -> Self {
        Self { from, until, after: None, ended: false, listed: Vec::new() }
    }

    /// The question after the pages so far; `None` at the end.
    pub fn request(&self) -> Option<Value> {
        // An order counts as made when it was processed: an imported one was created later.
        let window = format!("processed_at:>='{}' processed_at:<'{}'", self.from, self.until);
        (!self.ended).then(|| {
            json!({
                "query": queries::listed_orders(),
                "variables": { "query": window, "first": PAGE, "after": self.after },
            })
        })
    }

    pub fn take(&mut self, data: &RawValue) -> Result<(), String> {
        let answered: Answered =
            serde_json::from_str(data.get()).map_err(|error| error.to_string())?;
        for named in answered.orders.nodes {
            self.listed.push(named.listed()?);
        }
        let info = answered.orders.page_info;
        if info.has_next_page && (info.end_cursor.is_none() || info.end_cursor == self.after) {
            return Err("the next page is the same".to_owned());
        }
        self.ended = !info.has_next_page;
        self.after = info.end_cursor;
        Ok(())
    }

    pub fn done(&mut self) -> Step {
        let listed = std::mem::take(&mut self.listed);
        Step::Done(Outcome { listed, ..Outcome::default() })
    }
}
