//! Transfers: planned when an order is confirmed, validated in parts, taken back.
//!
//! Everything is always there: levels of stock, lots, packages and routes of several steps are not
//! played.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::store::{Cell, Fault, Fields, Record};
use super::world::{Call, World};

pub(super) const PICKING: &str = "stock.picking";
pub(super) const MOVE: &str = "stock.move";
pub(super) const LINE: &str = "stock.move.line";
const CUSTOMERS: i64 = 2;

/// Where each company's warehouse has its things, as the real template has them.
struct Warehouse {
    receipts: i64,
    deliveries: i64,
    stock: i64,
    code: &'static str,
}

const fn warehouse(company: i64) -> Warehouse {
    match company {
        2 => Warehouse { receipts: 9, deliveries: 10, stock: 18, code: "EUWH" },
        _ => Warehouse { receipts: 1, deliveries: 2, stock: 5, code: "WH" },
    }
}

fn record<const N: usize>(cells: [(&'static str, Cell); N]) -> Record {
    cells.into_iter().collect()
}

fn number(value: Decimal) -> Cell {
    Cell::Number(value)
}

impl World {
    pub(super) fn found_warehouse(&mut self, company: i64, name: &str) {
        let Warehouse { receipts, deliveries, stock, code } = warehouse(company);
        let link = Cell::Link(company);
        let customers =
            record([("name", Cell::text("Customers")), ("usage", Cell::text("customer"))]);
        self.store.insert_at("stock.location", CUSTOMERS, customers);
        for (id, title, kind, back, to) in [
            (receipts, "Receipts", "incoming", deliveries, stock),
            (deliveries, "Delivery Orders", "outgoing", receipts, CUSTOMERS),
        ] {
            let picking_type = record([
                ("name", Cell::text(format!("{name}: {title}"))),
                ("code", Cell::text(kind)),
                ("company_id", link.clone()),
                ("return_picking_type_id", Cell::Link(back)),
                ("default_location_dest_id", Cell::Link(to)),
                ("create_backorder", Cell::text("ask")),
            ]);
            self.store.insert_at("stock.picking.type", id, picking_type);
        }
        let own = record([
            ("name", Cell::text(name)),
            ("code", Cell::text(code)),
            ("company_id", link),
            ("delivery_steps", Cell::text("ship_only")),
            ("lot_stock_id", Cell::Link(stock)),
            ("out_type_id", Cell::Link(deliveries)),
            ("active", Cell::Flag(true)),
        ]);
        let own = self.store.insert("stock.warehouse", own);
        let location = record([
            ("name", Cell::text(format!("{code}/Stock"))),
            ("usage", Cell::text("internal")),
            ("warehouse_id", Cell::Link(own)),
            ("company_id", Cell::Link(company)),
        ]);
        self.store.insert_at("stock.location", stock, location);
    }

    /// One transfer for all goods of a confirmed order.
    pub(super) fn plan_delivery(&mut self, call: &Call, order: i64) {
        let Some(row) = self.store.get("sale.order", order) else { return };
        let company = row.link("company_id").unwrap_or(1);
        let (name, partner) = (row.word("name").to_owned(), row.link("partner_shipping_id"));
        let lines: Vec<(i64, i64, Decimal)> = row
            .links("order_line")
            .iter()
            .filter_map(|id| {
                let line = self.store.get("sale.order.line", *id)?;
                let product = line.link("product_id")?;
                let goods = self.store.get("product.product", product)?.word("type") == "consu";
                goods.then_some((*id, product, line.amount("product_uom_qty")))
            })
            .collect();
        if lines.is_empty() {
            return;
        }
        let Warehouse { deliveries, stock, .. } = warehouse(company);
        let picking = self.insert_picking(
            call,
            company,
            record([
                ("origin", Cell::text(name)),
                ("partner_id", partner.map_or(Cell::Nothing, Cell::Link)),
                ("picking_type_id", Cell::Link(deliveries)),
                ("location_id", Cell::Link(stock)),
                ("location_dest_id", Cell::Link(CUSTOMERS)),
                ("sale_id", Cell::Link(order)),
                ("state", Cell::text("assigned")),
            ]),
        );
        for (line, product, units) in lines {
            let id = self.insert_move(
                call,
                picking,
                record([
                    ("sale_line_id", Cell::Link(line)),
                    ("product_id", Cell::Link(product)),
                    ("product_uom_qty", number(units)),
                    ("location_id", Cell::Link(stock)),
                    ("location_dest_id", Cell::Link(CUSTOMERS)),
                ]),
            );
            self.reserve(call, id);
        }
    }

    fn insert_picking(&mut self, call: &Call, company: i64, mut picking: Record) -> i64 {
        let Warehouse { receipts, code, .. } = warehouse(company);
        let way = if picking.link("picking_type_id") == Some(receipts) { "IN" } else { "OUT" };
        let next = self.store.next(&format!("{code}/{way}"));
        picking.insert("name", Cell::Text(format!("{code}/{way}/{next:05}")));
        picking.insert("company_id", Cell::Link(company));
        self.insert(call, PICKING, picking)
    }

    fn insert_move(&mut self, call: &Call, picking: i64, mut row: Record) -> i64 {
        let of = self.store.get(PICKING, picking);
        for field in ["company_id", "picking_type_id"] {
            let cell = of.map(|of| of.cell(field).clone()).unwrap_or_default();
            row.insert(field, cell);
        }
        row.insert("picking_id", Cell::Link(picking));
        row.entry("product_uom").or_insert(Cell::Link(1));
        row.entry("state").or_insert(Cell::text("confirmed"));
        row.insert("quantity", number(Decimal::ZERO));
        row.insert("picked", Cell::Flag(false));
        let product = row.link("product_id").and_then(|id| self.store.get("product.product", id));
        let tracking = product.map(|it| it.cell("tracking").clone());
        row.insert("has_tracking", tracking.unwrap_or(Cell::text("none")));
        let planned = of.map(|of| of.cell("scheduled_date").clone());
        row.insert("date", planned.unwrap_or_default());
        let to = row.link("location_dest_id");
        let usage =
            to.and_then(|id| self.store.get("stock.location", id)).map(|it| it.word("usage"));
        let usage = Cell::text(usage.unwrap_or_default());
        row.insert("location_dest_usage", usage);
        let id = self.insert(call, MOVE, row);
        let mut all = self.moves_of(picking);
        all.push(id);
        self.store.set(PICKING, picking, "move_ids", Cell::Links(all));
        id
    }

    fn moves_of(&self, picking: i64) -> Vec<i64> {
        self.store.get(PICKING, picking).map(|it| it.links("move_ids").to_vec()).unwrap_or_default()
    }

    fn lines_of(&self, of: i64) -> Vec<i64> {
        let lines = self.store.get(MOVE, of).map(|it| it.links("move_line_ids").to_vec());
        lines.unwrap_or_default()
    }

    /// Sets aside what an open move still lacks.
    fn reserve(&mut self, call: &Call, of: i64) {
        let Some(row) = self.store.get(MOVE, of) else { return };
        let lacks = row.amount("product_uom_qty") - row.amount("quantity");
        if lacks > Decimal::ZERO {
            self.add_units(call, of, lacks, false);
        }
        self.store.set(MOVE, of, "state", Cell::text("assigned"));
        for line in self.lines_of(of) {
            self.store.set(LINE, line, "state", Cell::text("assigned"));
        }
    }

    fn add_units(&mut self, call: &Call, of: i64, units: Decimal, picked: bool) -> i64 {
        let mut line = record([("quantity", number(units)), ("picked", Cell::Flag(picked))]);
        if let Some(row) = self.store.get(MOVE, of) {
            let fields = [
                "picking_id",
                "product_id",
                "location_id",
                "location_dest_id",
                "company_id",
                "state",
            ];
            line.extend(fields.map(|field| (field, row.cell(field).clone())));
        }
        line.insert("move_id", Cell::Link(of));
        let id = self.insert(call, LINE, line);
        self.store.update(MOVE, of, |row| {
            let mut lines = row.links("move_line_ids").to_vec();
            lines.push(id);
            row.insert("move_line_ids", Cell::Links(lines));
            row.insert("quantity", number(row.amount("quantity") + units));
            if picked {
                row.insert("picked", Cell::Flag(true));
            }
        });
        id
    }

    /// A line of a move, as it is sent.
    pub(super) fn create_move_line(&mut self, call: &Call, values: &Record) -> Result<i64, Fault> {
        let Some(of) = values.link("move_id") else {
            return Err(super::sales::missing_value(
                "Company",
                "company_id",
                "Product Moves (Stock Move Line)",
                LINE,
            ));
        };
        let id = self.add_units(call, of, values.amount("quantity"), values.flag("picked"));
        // A line that is added to a finished move has left at once.
        self.count_delivered(of);
        Ok(id)
    }

    /// A transfer, as it is sent: a return.
    pub(super) fn create_picking(
        &mut self,
        call: &Call,
        mut picking: Record,
        moves: Vec<Record>,
    ) -> Result<i64, Fault> {
        if picking.link("location_id").is_none() {
            let missing =
                super::sales::missing_value("Source Location", "location_id", "Transfer", PICKING);
            return Err(missing);
        }
        let line = moves.iter().find_map(|row| row.link("sale_line_id"));
        let order = line.and_then(|id| self.store.get("sale.order.line", id)?.link("order_id"));
        picking.insert("sale_id", order.map_or(Cell::Nothing, Cell::Link));
        picking.insert("state", Cell::text("draft"));
        let id = self.insert_picking(call, call.company(), picking);
        for mut row in moves {
            row.insert("state", Cell::text("draft"));
            self.insert_move(call, id, row);
        }
        Ok(id)
    }

    pub(super) fn validate_pickings(&mut self, call: &Call, ids: &[i64]) -> Result<(), Fault> {
        for id in ids {
            let picking = self.store.get(PICKING, *id);
            let state = picking.ok_or_else(|| Fault::missing(PICKING, *id))?.word("state");
            match state {
                "done" => {}
                "cancel" => {
                    return Err(Fault::user("You cannot validate a transfer that is cancelled."));
                }
                _ => self.validate(call, *id),
            }
        }
        Ok(())
    }

    fn validate(&mut self, call: &Call, picking: i64) {
        let open = |world: &Self, id: &i64| {
            let state = world.store.get(MOVE, *id).map(|it| it.word("state").to_owned());
            state.is_some_and(|state| !matches!(state.as_str(), "done" | "cancel"))
        };
        let moves: Vec<i64> =
            self.moves_of(picking).into_iter().filter(|id| open(self, id)).collect();
        let picked =
            |world: &Self, id: &i64| world.store.get(MOVE, *id).is_some_and(|it| it.flag("picked"));
        // Where nothing was picked, everything is.
        if !moves.iter().any(|id| picked(self, id)) {
            for id in &moves {
                self.reserve(call, *id);
                self.store.set(MOVE, *id, "picked", Cell::Flag(true));
                for line in self.lines_of(*id) {
                    self.store.set(LINE, line, "picked", Cell::Flag(true));
                }
            }
        }
        let mut later = Vec::new();
        for id in moves {
            if picked(self, &id) {
                later.extend(self.finish_move(call, id));
                continue;
            }
            let demand = self.store.get(MOVE, id).map(|it| it.amount("product_uom_qty"));
            if demand.unwrap_or_default().is_zero() {
                self.cancel_stock_move(call, id);
            } else {
                later.push(id);
            }
        }
        let now = Cell::Text(call.moment());
        self.change(call, PICKING, picking, |it| {
            it.insert("state", Cell::text("done"));
            it.insert("date_done", now.clone());
        });
        self.date_moves(call, picking, &now);
        if !later.is_empty() {
            self.backorder(call, picking, &later);
        }
    }

    /// The moves of a finished transfer stand on its date.
    pub(super) fn date_moves(&mut self, call: &Call, picking: i64, done_at: &Cell) {
        let is_done = |world: &Self, model, id: i64| {
            world.store.get(model, id).is_some_and(|it| it.word("state") == "done")
        };
        if !is_done(self, PICKING, picking) {
            return;
        }
        for id in self.moves_of(picking) {
            if is_done(self, MOVE, id) {
                self.change(call, MOVE, id, |it| {
                    it.insert("date", done_at.clone());
                });
            }
        }
    }

    /// Finishes a move with what was picked of it; the rest is a move of its own.
    fn finish_move(&mut self, call: &Call, id: i64) -> Option<i64> {
        let (picked, other): (Vec<i64>, Vec<i64>) = self
            .lines_of(id)
            .into_iter()
            .partition(|line| self.store.get(LINE, *line).is_some_and(|it| it.flag("picked")));
        for line in other {
            self.store.delete(LINE, line);
        }
        let units: Decimal = picked
            .iter()
            .filter_map(|line| self.store.get(LINE, *line))
            .map(|line| line.amount("quantity"))
            .sum();
        for line in &picked {
            self.store.set(LINE, *line, "state", Cell::text("done"));
        }
        let row = self.store.get(MOVE, id).cloned().unwrap_or_default();
        let rest = row.amount("product_uom_qty") - units;
        self.change(call, MOVE, id, |it| {
            it.insert("move_line_ids", Cell::Links(picked));
            it.insert("quantity", number(units));
            it.insert("product_uom_qty", number(row.amount("product_uom_qty").min(units)));
            it.insert("state", Cell::text("done"));
        });
        self.count_delivered(id);
        if rest <= Decimal::ZERO {
            return None;
        }
        let mut left = record([("product_uom_qty", number(rest))]);
        let fields = ["sale_line_id", "product_id", "location_id", "location_dest_id"];
        left.extend(fields.map(|field| (field, row.cell(field).clone())));
        let new = self.insert_move(call, row.link("picking_id")?, left);
        self.reserve(call, new);
        Some(new)
    }

    fn backorder(&mut self, call: &Call, of: i64, moves: &[i64]) {
        let done = self.store.get(PICKING, of).cloned().unwrap_or_default();
        let mut rest =
            record([("backorder_id", Cell::Link(of)), ("state", Cell::text("assigned"))]);
        let fields = [
            "origin",
            "partner_id",
            "picking_type_id",
            "location_id",
            "location_dest_id",
            "sale_id",
        ];
        rest.extend(fields.map(|field| (field, done.cell(field).clone())));
        rest.insert("move_ids", Cell::Links(moves.to_vec()));
        let id = self.insert_picking(call, done.link("company_id").unwrap_or(1), rest);
        let kept: Vec<i64> =
            self.moves_of(of).into_iter().filter(|one| !moves.contains(one)).collect();
        self.store.set(PICKING, of, "move_ids", Cell::Links(kept));
        for one in moves {
            self.store.set(MOVE, *one, "picking_id", Cell::Link(id));
            for line in self.lines_of(*one) {
                self.store.set(LINE, line, "picking_id", Cell::Link(id));
            }
        }
    }

    fn cancel_stock_move(&mut self, call: &Call, id: i64) {
        for line in self.lines_of(id) {
            self.store.delete(LINE, line);
        }
        self.change(call, MOVE, id, |it| {
            it.insert("state", Cell::text("cancel"));
            it.insert("quantity", number(Decimal::ZERO));
            it.insert("move_line_ids", Cell::Links(Vec::new()));
        });
    }

    pub(super) fn cancel_pickings(&mut self, call: &Call, ids: &[i64]) -> Result<(), Fault> {
        for id in ids {
            let picking =
                self.store.get(PICKING, *id).ok_or_else(|| Fault::missing(PICKING, *id))?;
            if picking.word("state") == "done" {
                return Err(Fault::user(
                    "You cannot cancel a stock move that has been set to 'Done'. Create a return \
                     in order to reverse the moves which took place.",
                ));
            }
            for one in self.moves_of(*id) {
                self.cancel_stock_move(call, one);
            }
            self.change(call, PICKING, *id, |it| {
                it.insert("state", Cell::text("cancel"));
            });
        }
        Ok(())
    }

    /// What a cancelled order has not delivered stays.
    pub(super) fn cancel_delivery(&mut self, call: &Call, order: i64) {
        let open: Vec<i64> = self
            .store
            .all(PICKING)
            .filter(|(_, it)| it.link("sale_id") == Some(order) && it.word("state") != "done")
            .map(|(id, _)| id)
            .collect();
        // None of them is done.
        let _ = self.cancel_pickings(call, &open);
    }

    pub(super) fn assign_pickings(&mut self, call: &Call, ids: &[i64]) -> Result<(), Fault> {
        for id in ids {
            for one in self.moves_of(*id) {
                let state = self.store.get(MOVE, one).map(|it| it.word("state").to_owned());
                if state.is_some_and(|state| !matches!(state.as_str(), "done" | "cancel")) {
                    self.reserve(call, one);
                }
            }
            self.store.set(PICKING, *id, "state", Cell::text("assigned"));
        }
        Ok(())
    }

    /// A demand that falls below what was set aside sets all of it free.
    pub(super) fn demand(&mut self, call: &Call, of: i64, units: Decimal) {
        let Some(row) = self.store.get(MOVE, of) else { return };
        let (picking, frees) = (row.link("picking_id"), units < row.amount("quantity"));
        let open = !matches!(row.word("state"), "done" | "cancel");
        self.change(call, MOVE, of, |row| {
            row.insert("product_uom_qty", number(units));
        });
        if !frees || !open {
            return;
        }
        let (picked, other): (Vec<i64>, Vec<i64>) = self
            .lines_of(of)
            .into_iter()
            .partition(|line| self.store.get(LINE, *line).is_some_and(|it| it.flag("picked")));
        for line in other {
            self.store.delete(LINE, line);
        }
        self.store.update(MOVE, of, |row| {
            row.insert("move_line_ids", Cell::Links(picked));
            row.insert("quantity", number(Decimal::ZERO));
            row.insert("state", Cell::text("confirmed"));
        });
        if let Some(picking) = picking {
            let moves: BTreeSet<String> = self
                .moves_of(picking)
                .iter()
                .filter_map(|id| Some(self.store.get(MOVE, *id)?.word("state").to_owned()))
                .collect();
            if !moves.contains("assigned") {
                self.store.set(PICKING, picking, "state", Cell::text("confirmed"));
            }
        }
    }

    /// What the line of the order says is delivered.
    fn count_delivered(&mut self, of: i64) {
        let Some(line) = self.store.get(MOVE, of).and_then(|it| it.link("sale_line_id")) else {
            return;
        };
        let order = self.store.get("sale.order.line", line).and_then(|it| it.link("order_id"));
        let pickings = self.store.all(PICKING).filter(|(_, it)| it.link("sale_id") == order);
        let moves = pickings.flat_map(|(_, it)| it.links("move_ids").iter());
        let mut sums: BTreeMap<bool, Decimal> = BTreeMap::new();
        for one in moves.filter_map(|id| self.store.get(MOVE, *id)) {
            if one.link("sale_line_id") == Some(line) && one.word("state") == "done" {
                let out = one.word("location_dest_usage") == "customer";
                *sums.entry(out).or_default() += one.amount("quantity");
            }
        }
        let of = |out: bool| sums.get(&out).copied().unwrap_or_default();
        let delivered = of(true) - of(false);
        self.store.set("sale.order.line", line, "qty_delivered", number(delivered));
    }
}
