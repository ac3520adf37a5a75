//! What Odoo's warehouse has planned and done for some orders, and what a command takes of it.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use trueup_connect::{CallError, DecodeError};
use trueup_domain::command::GoodsLine;

use crate::outcome::refused;
use crate::request;
use crate::wire::Row;

pub const ORDER_LINE_FIELDS: &[&str] =
    &["order_id", "order_partner_id", "product_id", "product_type", "name"];
pub const MOVE_FIELDS: &[&str] = &[
    "sale_line_id",
    "picking_id",
    "picking_type_id",
    "product_id",
    "product_uom",
    "product_uom_qty",
    "quantity",
    "state",
    "location_id",
    "location_dest_id",
    "location_dest_usage",
    "has_tracking",
    "origin_returned_move_id",
];
pub const TYPE_FIELDS: &[&str] = &["code", "return_picking_type_id", "default_location_dest_id"];

/// What was read before the write.
#[derive(Default, Serialize, Deserialize)]
pub struct Stock {
    /// By id.
    pub lines: BTreeMap<i64, OrderLine>,
    /// Those that are not cancelled, by id.
    pub moves: BTreeMap<i64, Move>,
    pub types: BTreeMap<i64, PickingType>,
}

#[derive(Serialize, Deserialize)]
pub struct OrderLine {
    order: i64,
    partner: Option<i64>,
    product: i64,
    /// Odoo moves goods and never services.
    stocked: bool,
    name: String,
}

#[derive(Serialize, Deserialize)]
pub struct Move {
    pub line: Option<i64>,
    /// None until Odoo has planned it for a day.
    pub picking: Option<i64>,
    kind: Option<i64>,
    pub product: i64,
    pub unit: i64,
    pub demand: Decimal,
    pub moved: Decimal,
    pub done: bool,
    pub from: i64,
    pub to: i64,
    to_customer: bool,
    tracked: bool,
    /// The move whose goods it takes back.
    returns: Option<i64>,
    /// What is on its way back of a finished move, or came back.
    returned: Decimal,
    /// What commands of this delivery, or lines that are there, have taken of it.
    taken: Decimal,
}

#[derive(Serialize, Deserialize)]
pub struct PickingType {
    pub incoming: bool,
    pub returns: Option<i64>,
    pub to: Option<i64>,
}

/// Units of one move that a command takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    pub of: i64,
    pub units: Decimal,
}

/// Where goods come back from a move.
pub struct WayBack {
    pub kind: i64,
    pub to: i64,
}

impl Stock {
    pub fn read_line(&mut self, row: &Row) -> Result<(), DecodeError> {
        let Some((product, _)) = row.reference("product_id")? else { return Ok(()) };
        let line = OrderLine {
            order: row.reference_id("order_id")?,
            partner: row.reference("order_partner_id")?.map(|(id, _)| id),
            product,
            stocked: row.word("product_type")? == "consu",
            name: row.text("name")?.unwrap_or_default(),
        };
        self.lines.insert(row.id()?, line);
        Ok(())
    }

    pub fn read_move(&mut self, row: &Row) -> Result<(), DecodeError> {
        let id = |field: &str| Ok::<_, DecodeError>(row.reference(field)?.map(|(id, _)| id));
        let number = |field: &str| row.number(field)?.decimal(field);
        let one = Move {
            line: id("sale_line_id")?,
            picking: id("picking_id")?,
            kind: id("picking_type_id")?,
            product: row.reference_id("product_id")?,
            unit: row.reference_id("product_uom")?,
            demand: number("product_uom_qty")?,
            moved: number("quantity")?,
            done: row.word("state")? == "done",
            from: row.reference_id("location_id")?,
            to: row.reference_id("location_dest_id")?,
            to_customer: row.text("location_dest_usage")?.as_deref() == Some("customer"),
            tracked: row.word("has_tracking")? != "none",
            returns: id("origin_returned_move_id")?,
            returned: Decimal::ZERO,
            taken: Decimal::ZERO,
        };
        self.moves.insert(row.id()?, one);
        Ok(())
    }

    /// Counts, once all moves are read, what is on its way back of each.
    pub fn count_returns(&mut self) {
        let back: Vec<(i64, Decimal)> = self
            .moves
            .values()
            .filter_map(|it| Some((it.returns?, if it.done { it.moved } else { it.demand })))
            .collect();
        for (id, units) in back {
            if let Some(one) = self.moves.get_mut(&id) {
                one.returned += units;
            }
        }
    }

    pub fn read_type(&mut self, row: &Row) -> Result<(), DecodeError> {
        let kind = PickingType {
            incoming: row.word("code")? == "incoming",
            returns: row.reference("return_picking_type_id")?.map(|(id, _)| id),
            to: row.reference("default_location_dest_id")?.map(|(id, _)| id),
        };
        self.types.insert(row.id()?, kind);
        Ok(())
    }

    pub fn take(&mut self, id: i64, units: Decimal) {
        if let Some(one) = self.moves.get_mut(&id) {
            one.taken += units;
        }
    }

    pub fn partner_of(&self, one: &Move) -> Option<i64> {
        self.lines.get(&one.line?)?.partner
    }

    /// How many moves of an order, whether open or done, may hold a line.
    pub fn slots(&self, order: i64, product: i64) -> usize {
        let count = self.moves.values().filter(|it| self.is_of(it, order, product)).count();
        count.max(1)
    }

    fn is_of(&self, one: &Move, order: i64, product: i64) -> bool {
        let line = one.line.and_then(|id| self.lines.get(&id));
        line.is_some_and(|line| line.order == order && line.product == product)
    }

    /// Whether Odoo moves what a line sold; a line that is not on the order any more says so.
    pub fn stocked(&self, order: i64, product: i64) -> Result<bool, CallError> {
        let mut lines = self.lines.values().filter(|it| it.order == order);
        let found = lines.find(|it| it.product == product).map(|it| it.stocked);
        found.ok_or_else(|| {
            let why = format!("the order {order} has no line with the product {product}");
            refused("not_ordered", &why)
        })
    }

    /// The moves of an order that hold a product and fit: those of the line of that name first.
    fn moves_of(
        &self,
        order: i64,
        line: &GoodsLine,
        fits: impl Fn(&Move) -> bool,
    ) -> Result<Vec<i64>, CallError> {
        let product = request::id(&line.product)?;
        let named = |it: &Move| {
            let own = it.line.and_then(|id| self.lines.get(&id));
            own.is_some_and(|own| own.name == line.name)
        };
        let found = self.moves.iter().filter(|(_, it)| self.is_of(it, order, product) && fits(it));
        let mut ids: Vec<(bool, i64)> = found.map(|(id, it)| (!named(it), *id)).collect();
        ids.sort_unstable();
        Ok(ids.into_iter().map(|(_, id)| id).collect())
    }

    /// The open moves to the customer that a line leaves by; none for what is not stocked.
    pub fn out(&self, order: i64, line: &GoodsLine) -> Result<Vec<Share>, CallError> {
        if !self.stocked(order, request::id(&line.product)?)? {
            return Ok(Vec::new());
        }
        let open =
            |it: &Move| !it.done && it.to_customer && it.returns.is_none() && it.picking.is_some();
        let ids = self.moves_of(order, line, open)?;
        let (shares, rest) = self.share(&ids, line.quantity, |it| it.demand)?;
        if rest.is_zero() {
            return Ok(shares);
        }
        let had = units(&shares);
        let why = format!(
            "{} of {} left, and Odoo has {had} to deliver: another step of the warehouse comes \
             first, or somebody delivered or cancelled them",
            line.quantity,
            named(line)
        );
        Err(refused("not_planned", &why))
    }

    /// The finished moves to the customer that a line comes back from. Goods whose delivery has not
    /// been carried out yet come back later.
    pub fn back(&self, order: i64, line: &GoodsLine) -> Result<Vec<Share>, CallError> {
        if !self.stocked(order, request::id(&line.product)?)? {
            return Ok(Vec::new());
        }
        let ids = self.moves_of(order, line, |it| it.done && it.to_customer)?;
        let (shares, rest) = self.share(&ids, line.quantity, |it| it.moved - it.returned)?;
        if rest.is_zero() {
            return Ok(shares);
        }
        let had = units(&shares);
        let why =
            format!("{} of {} came back, and {had} are delivered", line.quantity, named(line));
        Err(CallError::Busy { why })
    }

    /// The finished moves of some transfers that hold a product, to be taken back.
    pub fn undo(&self, pickings: &[i64], line: &GoodsLine) -> Result<Vec<Share>, CallError> {
        let product = request::id(&line.product)?;
        let of = |it: &Move| it.picking.is_some_and(|id| pickings.contains(&id));
        let found = self.moves.iter().filter(|(_, it)| it.done && of(it) && it.product == product);
        let ids: Vec<i64> = found.map(|(id, _)| *id).collect();
        // What came back of them since was undone by a movement of its own.
        let (shares, rest) = self.share(&ids, line.quantity, |it| it.moved)?;
        if rest.is_zero() || ids.is_empty() {
            return Ok(shares);
        }
        let rest = rest.normalize();
        let why = format!("{rest} of {} are not there to be taken back", named(line));
        Err(refused("not_delivered", &why))
    }

    fn share(
        &self,
        ids: &[i64],
        units: i64,
        holds: impl Fn(&Move) -> Decimal,
    ) -> Result<(Vec<Share>, Decimal), CallError> {
        let mut rest = Decimal::from(units);
        let mut shares = Vec::new();
        for id in ids {
            let Some(one) = self.moves.get(id) else { continue };
            let units = rest.min(holds(one) - one.taken);
            if units <= Decimal::ZERO {
                continue;
            }
            if one.tracked {
                let why = "the product is tracked by lot or serial number, which no channel \
                           tells: carry the transfer out in Odoo";
                return Err(refused("tracked_product", why));
            }
            rest -= units;
            shares.push(Share { of: *id, units });
        }
        Ok((shares, rest))
    }

    /// New demands of open moves, so that no more of a line leaves than may.
    pub fn limit(&self, order: i64, line: &GoodsLine) -> Result<BTreeMap<i64, Decimal>, CallError> {
        let mut demands = BTreeMap::new();
        if !self.stocked(order, request::id(&line.product)?)? {
            return Ok(demands);
        }
        // Units of lines that were sold alike are alike.
        let out = |it: &Move| it.to_customer && it.returns.is_none();
        let ids = self.moves_of(order, line, out)?;
        let mut left = Decimal::ZERO;
        for one in ids.iter().filter_map(|id| self.moves.get(id)).filter(|one| one.done) {
            left += one.moved;
        }
        let may = Decimal::from(line.quantity);
        if left > may {
            let why = format!("{left} of {} left, and only {may} were to", named(line));
            return Err(refused("left_already", &why));
        }
        let mut room = may - left;
        for id in ids {
            let Some(one) = self.moves.get(&id).filter(|one| !one.done) else { continue };
            let demand = one.demand.min(room);
            room -= demand;
            if demand != one.demand {
                demands.insert(id, demand);
            }
        }
        Ok(demands)
    }

    /// As Odoo's own return does: by the type that takes the transfer's goods back, to where that
    /// type puts them.
    pub fn way_back(&self, one: &Move) -> Result<WayBack, CallError> {
        let own = one.kind.ok_or_else(|| {
            refused("not_planned", "what is to come back left without a type of transfer")
        })?;
        let returns = self.types.get(&own).and_then(|kind| kind.returns);
        let to = returns
            .and_then(|id| self.types.get(&id))
            .filter(|kind| kind.incoming)
            .and_then(|kind| kind.to);
        Ok(WayBack { kind: returns.unwrap_or(own), to: to.unwrap_or(one.from) })
    }
}

/// In all, as a person writes it: Odoo says `2.0`.
fn units(shares: &[Share]) -> Decimal {
    shares.iter().map(|share| share.units).sum::<Decimal>().normalize()
}

fn named(line: &GoodsLine) -> String {
    if line.name.trim().is_empty() { line.part.clone() } else { format!("`{}`", line.name) }
}
