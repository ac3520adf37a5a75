//! What left a location in a day, and what came back to it: at most one transfer for each way, made
//! once by key and in one call, validated together, and dated by its day.
//!
//! No order planned them. They have no carrier, so no label is bought. Odoo makes the delivery mail
//! of a transfer without a customer, too, so none is made while the company mails on delivery. A
//! draft of ours moves exactly its units when it is validated, whatever Odoo has on hand: its stock
//! may become negative, because what left has left.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::json;
use trueup_connect::conversation::{Context, Dispatch};
use trueup_connect::{CallError, DecodeError, ReceiptOutcome, Request};
use trueup_domain::command::{CommandKind, Content, TransferContent};

use super::check::number;
use super::stock::Stock;
use super::{At, Goods, MAILS, PICKING, Pass};
use crate::deliver::tables::moment;
use crate::external_id;
use crate::load::{Line, Table};
use crate::outcome::refused;
use crate::request;
use crate::wire::Row;

pub(super) const MADE_FIELDS: &[&str] = &[
    "picking_id",
    "product_id",
    "product_uom_qty",
    "quantity",
    "state",
    "location_dest_usage",
    "date",
];
const TRANSFER: &[&str] = &[
    "id",
    "picking_type_id/.id",
    "location_id/.id",
    "location_dest_id/.id",
    "origin",
    "scheduled_date",
];
const TRANSFER_MOVES: &[&str] = &[
    "move_ids/product_id/.id",
    "move_ids/product_uom_qty",
    "move_ids/product_uom/.id",
    "move_ids/location_id/.id",
    "move_ids/location_dest_id/.id",
];

/// What was read of Odoo before the write.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Places {
    locations: BTreeMap<i64, Location>,
    /// The type of the deliveries of each warehouse.
    deliveries: BTreeMap<i64, i64>,
    products: BTreeMap<i64, Product>,
}

#[derive(Serialize, Deserialize)]
struct Location {
    holds_stock: bool,
    warehouse: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct Product {
    /// Odoo moves goods and never services.
    stocked: bool,
    tracked: bool,
    unit: i64,
}

/// Units of one product that go one way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Moved {
    back: bool,
    product: i64,
    unit: i64,
    units: Decimal,
}

/// Where the transfers of a location begin and end.
struct Road {
    location: i64,
    customers: i64,
    out: i64,
    back: i64,
}

impl Places {
    pub(super) fn read(&mut self, at: At, row: &Row) -> Result<(), DecodeError> {
        let id = row.id()?;
        match at {
            At::Locations => {
                let usage = row.word("usage")?;
                let holds_stock = matches!(usage.as_str(), "internal" | "transit");
                let warehouse = row.reference("warehouse_id")?.map(|(id, _)| id);
                self.locations.insert(id, Location { holds_stock, warehouse });
            }
            At::Warehouses => {
                self.deliveries.insert(id, row.reference_id("out_type_id")?);
            }
            _ => {
                let stocked = row.word("type")? == "consu";
                let tracked = row.word("tracking")? != "none";
                let unit = row.reference_id("uom_id")?;
                self.products.insert(id, Product { stocked, tracked, unit });
            }
        }
        Ok(())
    }

    fn road(&self, stock: &Stock, location: i64) -> Result<Road, CallError> {
        let wrong = |why: &str| {
            let why = format!("the location {location} of Odoo {why}: mend the mapping");
            refused("bad_location", &why)
        };
        let found = self.locations.get(&location).ok_or_else(|| wrong("is not there"))?;
        if !found.holds_stock {
            return Err(wrong("holds no stock of the company"));
        }
        let out = found.warehouse.and_then(|id| self.deliveries.get(&id)).copied();
        let out = out.ok_or_else(|| wrong("belongs to no warehouse"))?;
        let kind = stock.types.get(&out);
        let customers = kind.and_then(|kind| kind.to);
        let customers = customers.ok_or_else(|| wrong("has no deliveries to customers"))?;
        // As Odoo's own return does it.
        let back = kind.and_then(|kind| kind.returns).unwrap_or(out);
        Ok(Road { location, customers, out, back })
    }
}

fn content(dispatch: &Dispatch) -> Option<&TransferContent> {
    match &dispatch.content {
        Content::Transfer(content) => Some(content),
        _ => None,
    }
}

fn key(effect_key: &str, back: bool) -> String {
    let way = if back { "back" } else { "out" };
    external_id::of(CommandKind::Goods, &format!("{effect_key}/{way}"))
}

/// The keys of the transfers that a command may have made.
pub(super) fn keys(dispatch: &Dispatch) -> impl Iterator<Item = String> + '_ {
    let ways =
        content(dispatch).map(|it| [(false, !it.out.is_empty()), (true, !it.back.is_empty())]);
    let asked = ways.into_iter().flatten().filter(|(_, asked)| *asked);
    asked.map(|(back, _)| key(&dispatch.key, back))
}

pub(super) fn transfers() -> Table {
    Table::new(TRANSFER, &[TRANSFER_MOVES])
}

/// What the records of one command say.
#[derive(Default)]
struct Standing {
    /// By way and product; planned ones too.
    units: BTreeMap<(bool, i64), Decimal>,
    done: bool,
    dated: bool,
}

impl Goods {
    pub(super) fn places_request(&self, context: &Context<'_>) -> Request {
        let contents = || self.open_items().filter_map(|item| content(&item.dispatch));
        let ids = |texts: Vec<&String>| -> Vec<i64> {
            let mut ids: Vec<i64> = texts.into_iter().filter_map(|id| id.parse().ok()).collect();
            ids.sort_unstable();
            ids.dedup();
            ids
        };
        let (model, ids, fields): (_, _, &[&str]) = match self.at {
            At::Locations => {
                let locations = ids(contents().map(|it| &it.location).collect());
                ("stock.location", locations, &["usage", "warehouse_id"])
            }
            At::Warehouses => {
                let all = self.places.locations.values().filter_map(|it| it.warehouse);
                ("stock.warehouse", all.collect(), &["out_type_id"])
            }
            _ => {
                let lines = contents().flat_map(|it| it.out.iter().chain(&it.back));
                let products = ids(lines.map(|line| &line.product).collect());
                ("product.product", products, &["type", "tracking", "uom_id"])
            }
        };
        self.read(context, model, &json!([["id", "in", ids]]), fields)
    }

    /// What each command moves. What Odoo cannot move exactly is left out and said; the rest of the
    /// day goes on.
    pub(super) fn plan_day(&mut self) {
        for index in self.open().collect::<Vec<_>>() {
            let Some(item) = self.items.get_mut(index) else { continue };
            let Some(content) = content(&item.dispatch) else { continue };
            let road = request::id(&content.location)
                .and_then(|location| self.places.road(&self.stock, location));
            if let Err(error) = road {
                self.refuse(index, error);
                continue;
            }
            let (mut moved, mut differs) = (Vec::new(), Vec::new());
            for (back, lines) in [(false, &content.out), (true, &content.back)] {
                for line in lines {
                    let id: i64 = line.product.parse().unwrap_or_default();
                    let says = |why: &str| {
                        let way = if back { "came back" } else { "left" };
                        format!("{} of {} {way} and are not moved: {why}", line.quantity, line.name)
                    };
                    match self.places.products.get(&id) {
                        None => differs.push(says("Odoo has no such product")),
                        Some(product) if !product.stocked => {}
                        Some(product) if product.tracked => differs.push(says(
                            "the product is tracked by lot or serial number, which no channel \
                             tells: move them in Odoo",
                        )),
                        Some(product) => moved.push(Moved {
                            back,
                            product: id,
                            unit: product.unit,
                            units: Decimal::from(line.quantity),
                        }),
                    }
                }
            }
            let nothing = moved.is_empty() && item.made.is_empty();
            item.moved = moved;
            item.differs = differs;
            if item.made.is_empty() {
                item.wrote = false;
            }
            let mails = self.mails && item.made.is_empty();
            if nothing {
                self.applied(index);
            } else if mails {
                self.refuse(index, refused("would_mail", MAILS));
            }
        }
    }

    /// The transfers of a batch, as rows, each with its command.
    pub(super) fn transfers_of(&self, batch: &[usize]) -> Vec<(usize, Vec<String>, Vec<Line>)> {
        let mut all = Vec::new();
        for index in batch {
            let Some(item) = self.items.get(*index) else { continue };
            let Some(content) = content(&item.dispatch) else { continue };
            let location = content.location.parse().unwrap_or_default();
            let Ok(road) = self.places.road(&self.stock, location) else { continue };
            for back in [false, true] {
                let moved: Vec<&Moved> = item.moved.iter().filter(|it| it.back == back).collect();
                if !moved.is_empty() {
                    let (head, lines) = transfer(&item.dispatch.key, content, &road, back, &moved);
                    all.push((*index, head, lines));
                }
            }
        }
        all
    }

    /// Compares what was made with what was asked; what is as asked and not done is validated.
    pub(super) fn read_made_day(&mut self, rows: &[Row]) -> Result<(), CallError> {
        for index in self.open().collect::<Vec<_>>() {
            let Some(stands) = self.standing_of_day(index, rows)? else {
                self.vanished(index);
                continue;
            };
            let Some(item) = self.items.get_mut(index) else { continue };
            item.pickings = item.made.iter().copied().collect();
            let found = differences(&item.moved, &stands.units);
            item.act = !stands.done && found.is_empty();
            item.dated = stands.done && stands.dated;
            item.differs.extend(found);
        }
        if self.mails {
            self.hold(&|_| true, "would_mail", MAILS);
        }
        self.begin_acting();
        Ok(())
    }

    pub(super) fn begin_dating(&mut self) {
        let mut by_moment: BTreeMap<Timestamp, Vec<usize>> = BTreeMap::new();
        for index in self.open() {
            let Some(item) = self.items.get(index) else { continue };
            let Some(content) = content(&item.dispatch) else { continue };
            if !item.dated && item.refusal.is_none() {
                by_moment.entry(content.moved_at).or_default().push(index);
            }
        }
        self.batches = by_moment.into_values().rev().collect();
        self.at = At::Date;
    }

    /// Odoo dates a transfer by the moment at which it is validated; its moves follow its date.
    pub(super) fn date_request(&mut self, context: &Context<'_>, batch: &[usize]) -> Request {
        let mut pickings = Vec::new();
        let mut on = Timestamp::UNIX_EPOCH;
        for index in batch {
            let Some(item) = self.items.get_mut(*index) else { continue };
            item.wrote = true;
            pickings.extend(item.pickings.iter().copied());
            on = content(&item.dispatch).map_or(on, |it| it.moved_at);
        }
        let arguments = json!({ "ids": pickings, "vals": { "date_done": moment(on) } });
        self.call(context, PICKING, "write", arguments, &[])
    }

    pub(super) fn read_after_day(&mut self, rows: &[Row]) -> Result<(), CallError> {
        for index in self.open().collect::<Vec<_>>() {
            let Some(stands) = self.standing_of_day(index, rows)? else {
                self.vanished(index);
                continue;
            };
            let Some(item) = self.items.get_mut(index) else { continue };
            if !stands.done && item.act {
                let silent = || refused("not_done", "Odoo answered and did not do it");
                let error = item.refusal.take().unwrap_or_else(silent);
                item.outcome = Some(ReceiptOutcome::Refused { error });
                continue;
            }
            let mut found = differences(&item.moved, &stands.units);
            if stands.done && !stands.dated {
                found.push("the transfer stands on another day than its own".to_owned());
            }
            found.retain(|text| !item.differs.contains(text));
            item.differs.extend(found);
            self.applied(index);
        }
        self.at = At::NextWay;
        Ok(())
    }

    /// What the transfers of an item say; `None` where one of them is not there.
    fn standing_of_day(&self, index: usize, rows: &[Row]) -> Result<Option<Standing>, CallError> {
        let Some(item) = self.items.get(index).filter(|_| self.way == Pass::Day) else {
            return Ok(None);
        };
        let on = content(&item.dispatch).map(|it| moment(it.moved_at));
        let mut stands = Standing { done: true, dated: true, ..Standing::default() };
        let mut seen = Vec::new();
        for row in rows {
            let picking = Row::or_lost(row.reference("picking_id"))?.map(|(id, _)| id);
            let Some(picking) = picking.filter(|id| item.made.contains(id)) else { continue };
            seen.push(picking);
            let done = Row::or_lost(row.word("state"))? == "done";
            stands.done &= done;
            stands.dated &= Row::or_lost(row.text("date"))? == on;
            // A planned move says how many it is to move, a finished one how many it did.
            let field = if done { "quantity" } else { "product_uom_qty" };
            let usage = Row::or_lost(row.text("location_dest_usage"))?;
            let back = usage.as_deref() != Some("customer");
            let product = Row::or_lost(row.reference_id("product_id"))?;
            let units = Row::or_lost(number(row, field))?;
            *stands.units.entry((back, product)).or_default() += units;
        }
        seen.sort_unstable();
        seen.dedup();
        Ok((seen.len() == item.made.len()).then_some(stands))
    }
}

/// One transfer as a row of `load()`, and its moves.
fn transfer(
    effect_key: &str,
    content: &TransferContent,
    road: &Road,
    back: bool,
    moved: &[&Moved],
) -> (Vec<String>, Vec<Line>) {
    let (kind, from, to) = if back {
        (road.back, road.customers, road.location)
    } else {
        (road.out, road.location, road.customers)
    };
    let origin =
        if back { format!("{}, back", content.reference) } else { content.reference.clone() };
    let head = vec![
        key(effect_key, back),
        kind.to_string(),
        from.to_string(),
        to.to_string(),
        origin,
        moment(content.moved_at),
    ];
    let line = |it: &&Moved| Line {
        group: 0,
        cells: vec![
            it.product.to_string(),
            it.units.normalize().to_string(),
            it.unit.to_string(),
            from.to_string(),
            to.to_string(),
        ],
    };
    (head, moved.iter().map(line).collect())
}

/// Whether the units of each product and way are as asked.
fn differences(asked: &[Moved], found: &BTreeMap<(bool, i64), Decimal>) -> Vec<String> {
    let mut sums: BTreeMap<(bool, i64), (Decimal, Decimal)> = BTreeMap::new();
    for it in asked {
        sums.entry((it.back, it.product)).or_default().0 += it.units;
    }
    for (which, units) in found {
        sums.entry(*which).or_default().1 += units;
    }
    let unlike = sums.into_iter().filter(|(_, (asked, found))| asked != found);
    let tell = |((back, product), (asked, found)): ((bool, i64), (Decimal, Decimal))| {
        let way = if back { "back" } else { "out" };
        let (asked, found) = (asked.normalize(), found.normalize());
        format!("{found} of product {product} were moved {way}, asked was {asked}")
    };
    unlike.map(tell).collect()
}
