//! After the write: what Odoo has, against what was asked.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use serde_json::json;
use trueup_connect::conversation::{Context, Dispatch};
use trueup_connect::{CallError, DecodeError, ReceiptOutcome, Request};

use super::stock::Stock;
use super::{At, Goods, Item, MOVE, MOVE_LINE, Pass, content, order_of};
use crate::outcome;
use crate::request;
use crate::wire::Row;

/// What the records of one command say.
#[derive(Default)]
struct Standing {
    pickings: BTreeSet<i64>,
    /// By product.
    units: BTreeMap<i64, Decimal>,
    done: bool,
    limited: bool,
}

impl Goods {
    /// What was made, or limited, as it stands.
    pub(super) fn made_request(&self, context: &Context<'_>) -> Request {
        let made = self.open_items().flat_map(|item| item.made.iter().copied());
        let (model, domain) = match self.way {
            Pass::Out => (MOVE_LINE, json!([["id", "in", made.collect::<Vec<_>>()]])),
            Pass::Back | Pass::Day => {
                (MOVE, json!([["picking_id", "in", made.collect::<Vec<_>>()]]))
            }
            Pass::Limit => {
                let ids: BTreeSet<i64> =
                    self.open_items().flat_map(|item| item.demands.keys().copied()).collect();
                (MOVE, json!([["id", "in", ids]]))
            }
        };
        let fields: &[&str] = match self.way {
            Pass::Out => &["picking_id", "product_id", "quantity", "state"],
            Pass::Back | Pass::Limit => {
                &["picking_id", "product_id", "product_uom_qty", "quantity", "state"]
            }
            Pass::Day => super::day::MADE_FIELDS,
        };
        self.read(context, model, &domain, fields)
    }

    /// Refuses what would be validated now; its lines stay, and say what left.
    pub(super) fn hold(&mut self, guilty: &dyn Fn(&Item) -> bool, code: &str, why: &str) {
        for index in self.open().collect::<Vec<_>>() {
            if self.items.get(index).is_some_and(|item| item.act && guilty(item)) {
                self.refuse(index, outcome::refused(code, why));
            }
        }
    }

    pub(super) fn begin_acting(&mut self) {
        let act = |index: &usize| self.items.get(*index).is_some_and(|item| item.act);
        let batch: Vec<usize> = self.open().filter(act).collect();
        self.batches = if batch.is_empty() { Vec::new() } else { vec![batch] };
        self.at = At::Act;
    }

    /// Compares what was made with what was asked; what is as asked and not done is acted upon.
    pub(super) fn read_made(&mut self, rows: &[Row]) -> Result<(), CallError> {
        if self.way == Pass::Day {
            return self.read_made_day(rows);
        }
        for index in self.open().collect::<Vec<_>>() {
            let Some(stands) = self.standing(index, rows)? else {
                self.vanished(index);
                continue;
            };
            let Some(item) = self.items.get_mut(index) else { continue };
            item.pickings = stands.pickings;
            let before = item.differs.len();
            compare(&item.dispatch, &self.stock, &stands.units, &mut item.differs);
            if stands.done && !item.shares.is_empty() {
                // The lines went onto a transfer that somebody had validated in between.
                let text = "the transfer was done before: more may have left than was planned";
                item.differs.push(text.to_owned());
            }
            item.act = !stands.done && item.differs.len() == before;
        }
        self.at = At::Mails;
        Ok(())
    }

    pub(super) fn read_after(&mut self, rows: &[Row]) -> Result<(), CallError> {
        if self.way == Pass::Day {
            return self.read_after_day(rows);
        }
        for index in self.open().collect::<Vec<_>>() {
            let Some(stands) = self.standing(index, rows)? else {
                self.vanished(index);
                continue;
            };
            let limited = self.way == Pass::Limit;
            let Some(item) = self.items.get_mut(index) else { continue };
            let holds = if limited { stands.limited } else { stands.done };
            if !holds && (item.act || limited) {
                let silent = || outcome::refused("not_done", "Odoo answered and did not do it");
                let error = item.refusal.take().unwrap_or_else(silent);
                item.outcome = Some(ReceiptOutcome::Refused { error });
                continue;
            }
            if !limited {
                let mut found = Vec::new();
                compare(&item.dispatch, &self.stock, &stands.units, &mut found);
                found.retain(|text| !item.differs.contains(text));
                item.differs.extend(found);
            }
            self.applied(index);
        }
        self.at = At::NextWay;
        Ok(())
    }

    /// What the records of an item say; `None` where one of them is not there.
    fn standing(&self, index: usize, rows: &[Row]) -> Result<Option<Standing>, CallError> {
        let Some(item) = self.items.get(index) else { return Ok(None) };
        let mut stands = Standing { done: true, limited: true, ..Standing::default() };
        let mut seen = BTreeSet::new();
        for row in rows {
            let id = Row::or_lost(row.id())?;
            let picking = Row::or_lost(row.reference("picking_id"))?.map(|(id, _)| id);
            let own = match self.way {
                Pass::Out => item.made.contains(&id).then_some(id),
                Pass::Back | Pass::Day => picking.filter(|id| item.made.contains(id)),
                Pass::Limit => item.demands.contains_key(&id).then_some(id),
            };
            let Some(own) = own else { continue };
            seen.insert(own);
            stands.pickings.extend(picking);
            let state = Row::or_lost(row.word("state"))?;
            stands.done &= state == "done";
            if let Some(wanted) = item.demands.get(&id) {
                let demand = Row::or_lost(number(row, "product_uom_qty"))?;
                stands.limited &= state == "cancel" || demand <= *wanted;
            }
            // A planned move says how many it is to move, a finished one how many it did.
            let field = match self.way {
                Pass::Back if state != "done" => "product_uom_qty",
                _ => "quantity",
            };
            let product = Row::or_lost(row.reference_id("product_id"))?;
            let units = Row::or_lost(number(row, field))?;
            *stands.units.entry(product).or_default() += units;
        }
        let wanted = if self.way == Pass::Limit { item.demands.len() } else { item.made.len() };
        Ok((seen.len() == wanted).then_some(stands))
    }

    /// Odoo gave an id and does not show the record: deleted just now.
    pub(super) fn vanished(&mut self, index: usize) {
        let error = outcome::refused("missing_record", "the record is not there any more");
        self.settle(index, ReceiptOutcome::Unknown { error });
    }
}

pub(super) fn number(row: &Row, field: &str) -> Result<Decimal, DecodeError> {
    row.number(field)?.decimal(field)
}

/// Whether units of each product are as asked. What Odoo keeps no stock of is not there.
fn compare(
    dispatch: &Dispatch,
    stock: &Stock,
    found: &BTreeMap<i64, Decimal>,
    differs: &mut Vec<String>,
) {
    let Some(content) = content(dispatch) else { return };
    let mut asked: BTreeMap<i64, Decimal> = BTreeMap::new();
    for line in &content.lines {
        let product = request::id(&line.product).unwrap_or_default();
        let stocked = order_of(dispatch).and_then(|order| stock.stocked(order, product));
        // Of a movement that is undone, what it moved says what is stocked.
        let counts =
            stocked.unwrap_or(true) && (found.contains_key(&product) || order_of(dispatch).is_ok());
        if counts {
            *asked.entry(product).or_default() += Decimal::from(line.quantity);
        }
    }
    let products: BTreeSet<i64> = asked.keys().chain(found.keys()).copied().collect();
    for product in products {
        let of = |map: &BTreeMap<i64, Decimal>| map.get(&product).copied().unwrap_or_default();
        if of(&asked) != of(found) {
            let (asked, found) = (of(&asked).normalize(), of(found).normalize());
            differs.push(format!("{found} of product {product} were moved, asked was {asked}"));
        }
    }
}
