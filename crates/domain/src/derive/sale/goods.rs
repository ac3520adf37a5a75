//! What left, what came back, and what will not leave (`POSTING.md` P4).
//!
//! Only where the mapping says that the channel's word moves goods. Gift cards, tips and charges
//! are no goods; which goods the books keep no stock of is theirs to know.
//!
//! A sale with an order of the books asks for one movement of each shipment. One that goes into the
//! books within a sum states its units as rows, which the transfer of their day sums up.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Documents, Ordered, Sale, needs};
use crate::command::{Content, GoodsContent, GoodsLine, Way};
use crate::derive::billing::Billed;
use crate::document::{FulfilmentStatus, LineKind, Order, Restock};
use crate::fact::{FactContent, Units as Row};
use crate::mapping::{GoodsPolicy, Mapping, Missing};

/// Units by line of the channel's order.
type Units = BTreeMap<String, i64>;

/// Lines by the number of the order of the books that has them.
type Moved = BTreeMap<u32, (Ordered, Vec<GoodsLine>)>;

impl Sale<'_> {
    pub(super) fn goods(
        &mut self,
        order: &Order,
        parts: &[Billed],
        sorted: &Documents<'_>,
        mapping: &Mapping,
    ) {
        if mapping.goods != GoodsPolicy::Channel {
            return;
        }
        for fulfilment in &sorted.fulfilments {
            if fulfilment.status != FulfilmentStatus::Succeeded {
                continue;
            }
            let lines = fulfilment.lines.iter().map(|line| (&line.line, line.quantity));
            let units = sum(lines);
            self.movement(order, parts, mapping, Way::Out, &fulfilment.id, &units);
        }
        self.limits(order, parts, sorted, mapping);
        // A unit comes back once, whoever says so a second time (case `over_returned`).
        let sold = order.lines.iter().map(|line| (&line.id, line.quantity));
        let mut out = sum(sold);
        for refund in &sorted.refunds {
            let back = refund.lines.iter().filter(|line| line.restock == Restock::Returned);
            let lines = back.map(|line| (&line.line, line.quantity));
            let mut units = sum(lines);
            for (line, quantity) in &mut units {
                let left = out.entry(line.clone()).or_default();
                *quantity = (*quantity).min(*left);
                *left -= *quantity;
            }
            units.retain(|_, quantity| *quantity > 0);
            self.movement(order, parts, mapping, Way::Back, &refund.id, &units);
        }
    }

    /// The rows of what is transferred by the day. No more of a line comes back than has left: what is
    /// back before its shipment is told waits for that.
    pub(super) fn units(
        &mut self,
        order: &Order,
        parts: &[Billed],
        sorted: &Documents<'_>,
        mapping: &Mapping,
    ) -> Vec<Missing> {
        let mut missing = Vec::new();
        if mapping.goods != GoodsPolicy::Day {
            return missing;
        }
        let mut left = Units::new();
        for fulfilment in &sorted.fulfilments {
            if fulfilment.status != FulfilmentStatus::Succeeded {
                continue;
            }
            let place = mapping.location(fulfilment.location.as_deref());
            let said = Said { way: Way::Out, by: &fulfilment.id, at: fulfilment.created_at, place };
            for (line, units) in sum(fulfilment.lines.iter().map(|it| (&it.line, it.quantity))) {
                let own = left.entry(line.clone()).or_default();
                *own = own.saturating_add(units);
                missing.extend(self.rows(order, parts, &said, &line, units).err());
            }
        }
        let mut refunds = sorted.refunds.clone();
        refunds.sort_by_key(|refund| (refund.created_at, &refund.id));
        for refund in refunds {
            for line in refund.lines.iter().filter(|line| line.restock == Restock::Returned) {
                let Some(out) = left.get_mut(&line.line) else { continue };
                let units = line.quantity.min(*out);
                if units <= 0 {
                    continue;
                }
                *out -= units;
                let place = mapping.location(line.location.as_deref());
                let by = format!("{}/{}", refund.id, line.id);
                let said = Said { way: Way::Back, by: &by, at: refund.created_at, place };
                missing.extend(self.rows(order, parts, &said, &line.line, units).err());
            }
        }
        missing
    }

    /// A row for each product of a line; nothing for what is no goods.
    fn rows(
        &mut self,
        order: &Order,
        parts: &[Billed],
        said: &Said<'_>,
        line: &str,
        quantity: i64,
    ) -> Result<(), Missing> {
        let sold = order.lines.iter().find(|sold| sold.id == line);
        if sold.is_none_or(|sold| sold.kind != LineKind::Goods) {
            return Ok(());
        }
        for part in parts.iter().filter(|part| part.line == line) {
            let row = Row {
                day: self.around.day(said.at),
                way: said.way,
                location: said.place.clone()?,
                product: part.product.clone()?,
                name: part.name.clone(),
                quantity: quantity.saturating_mul(part.units),
                by: said.by.to_owned(),
            };
            let kind = if said.way == Way::Out { "left" } else { "came_back" };
            self.fact(kind, &format!("{}/{}", said.by, part.part), FactContent::Units(row));
        }
        Ok(())
    }

    /// Units that were taken off the order before they left. Lines with one product are one in
    /// stock, so their units are limited together.
    fn limits(
        &mut self,
        order: &Order,
        parts: &[Billed],
        sorted: &Documents<'_>,
        mapping: &Mapping,
    ) {
        let lines = sorted.refunds.iter().flat_map(|refund| &refund.lines);
        let cancelled = lines.filter(|line| line.restock == Restock::Cancelled);
        let cancelled = sum(cancelled.map(|line| (&line.line, line.quantity)));
        let mut limits: Moved = BTreeMap::new();
        for (ordered, part, line) in self.goods_lines(order, parts) {
            let off = units_of(&cancelled, part).unwrap_or(0);
            let lines = &mut limits.entry(ordered.number).or_insert((ordered, Vec::new())).1;
            let left = line.quantity.saturating_sub(off).max(0);
            match lines.iter_mut().find(|one| one.product == line.product) {
                Some(one) => one.quantity = one.quantity.saturating_add(left),
                None => lines.push(GoodsLine { quantity: left, ..line }),
            }
        }
        let touched = |line: &GoodsLine| {
            let of = parts.iter().filter(|part| part.product.as_ref() == Ok(&line.product));
            of.into_iter().any(|part| cancelled.contains_key(&part.line))
        };
        for (_, lines) in limits.values_mut() {
            lines.retain(touched);
        }
        self.commands(order, mapping, Way::Limit, "", limits);
    }

    fn movement(
        &mut self,
        order: &Order,
        parts: &[Billed],
        mapping: &Mapping,
        way: Way,
        by: &str,
        units: &Units,
    ) {
        let mut moved: Moved = BTreeMap::new();
        for (ordered, part, line) in self.goods_lines(order, parts) {
            let Some(quantity) = units_of(units, part) else { continue };
            let lines = &mut moved.entry(ordered.number).or_insert((ordered, Vec::new())).1;
            lines.push(GoodsLine { quantity, ..line });
        }
        self.commands(order, mapping, way, by, moved);
    }

    /// The lines of goods, with all their units, and the order of the books that has each.
    fn goods_lines<'p>(
        &self,
        order: &Order,
        parts: &'p [Billed],
    ) -> Vec<(Ordered, &'p Billed, GoodsLine)> {
        let of = |part: &'p Billed| {
            let line = order.lines.iter().find(|line| line.id == part.line)?;
            let ordered = self.ordered.get(&part.part).filter(|_| line.kind == LineKind::Goods)?;
            let line = GoodsLine {
                part: part.part.clone(),
                product: part.product.clone().ok()?,
                name: part.name.clone(),
                quantity: line.quantity.saturating_mul(part.units),
            };
            Some((ordered.clone(), part, line))
        };
        parts.iter().filter_map(of).collect()
    }

    /// One command for each order of the books that has some of the lines.
    fn commands(&mut self, order: &Order, mapping: &Mapping, way: Way, by: &str, moved: Moved) {
        for (number, (ordered, lines)) in moved {
            if lines.is_empty() {
                continue;
            }
            let (kind, part, reference) = match way {
                Way::Out => ("goods_out", format!("{by}/{number}"), order.number.clone()),
                Way::Limit => ("goods_limit", number.to_string(), order.number.clone()),
                Way::Back => {
                    let reference = format!("{} refund {by}", order.number);
                    ("goods_back", format!("{by}/{number}"), reference)
                }
            };
            let content = Content::Goods(GoodsContent {
                company: mapping.company.clone(),
                way,
                reference,
                order: ordered.content_hash,
                lines,
            });
            let after = vec![needs("order", "order", &number.to_string())];
            self.command(kind, &part, mapping, content, after, None);
        }
    }
}

/// Units of a part's product in some units of its line.
fn units_of(units: &Units, part: &Billed) -> Option<i64> {
    units.get(&part.line).map(|units| units.saturating_mul(part.units))
}

/// A shipment or a refund that says where units were, and when.
struct Said<'a> {
    way: Way,
    by: &'a str,
    at: Timestamp,
    place: Result<crate::command::TargetRef, Missing>,
}

fn sum<'a>(lines: impl Iterator<Item = (&'a String, i64)>) -> Units {
    let mut units = Units::new();
    for (line, quantity) in lines.filter(|(_, quantity)| *quantity > 0) {
        let sum = units.entry(line.clone()).or_default();
        *sum = sum.saturating_add(quantity);
    }
    units
}
