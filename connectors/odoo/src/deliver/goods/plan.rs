//! Before the write: what is there under our keys, and what a command takes of what is planned.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use trueup_connect::conversation::Context;
use trueup_connect::{CallError, ReceiptOutcome, Request};
use trueup_domain::command::Way;

use super::stock::Stock;
use super::{At, Goods, Item, MOVE, Origin, Pass, Taken, content, day, order_of, origin, rows};
use crate::load::{self, Loaded, Table};
use crate::request;

impl Goods {
    /// Commands that were sent before: which records are there under their keys? All of a command's are
    /// made in one call.
    pub(super) fn begin_probing(&mut self) {
        self.absent.clear();
        for index in self.open().collect::<Vec<_>>() {
            let Some(item) = self.items.get(index).filter(|item| item.dispatch.again) else {
                continue;
            };
            let key = &item.dispatch.key;
            let Some(content) = content(&item.dispatch) else {
                self.probed.extend(day::keys(&item.dispatch).map(|key| (index, key)));
                continue;
            };
            match content.way {
                Way::Limit => {}
                Way::Back => self.probed.push((index, rows::return_key(key))),
                Way::Out => {
                    let order = order_of(&item.dispatch).unwrap_or_default();
                    for line in &content.lines {
                        let product = request::id(&line.product).unwrap_or_default();
                        for slot in 0..self.stock.slots(order, product) {
                            self.probed.push((index, rows::taken_key(key, &line.part, slot)));
                        }
                    }
                }
            }
        }
    }

    /// Takes in the answer to a probe. The write that is looked up may arrive between two of them: the
    /// keys of a command of which one is there, that were not there before, are probed once more.
    pub(super) fn probed(&mut self, body: &[u8]) -> Result<(), CallError> {
        match load::read(body, self.probed.len())? {
            Loaded::Nothing(error) => return Err(error),
            Loaded::Bad(bad) => {
                for (position, one) in std::mem::take(&mut self.probed).into_iter().enumerate() {
                    let list = match bad.contains_key(&position) {
                        true => &mut self.absent,
                        false => &mut self.probed,
                    };
                    list.push(one);
                }
            }
            Loaded::Ids { ids, .. } => {
                let mut found = BTreeSet::new();
                for ((index, _), id) in std::mem::take(&mut self.probed).into_iter().zip(ids) {
                    if let Some(item) = self.items.get_mut(index) {
                        item.made.push(id);
                    }
                    found.insert(index);
                }
                let absent = std::mem::take(&mut self.absent).into_iter();
                (self.probed, self.absent) = absent.partition(|(index, _)| found.contains(index));
            }
        }
        Ok(())
    }

    /// What each command takes of what is planned or done.
    pub(super) fn plan(&mut self) {
        if self.way == Pass::Day {
            self.plan_day();
            return self.begin_loading();
        }
        for index in self.open().collect::<Vec<_>>() {
            let Some(item) = self.items.get_mut(index) else { continue };
            if !item.made.is_empty() {
                continue;
            }
            item.wrote = false;
            if let Err(error) = plan_one(item, &mut self.stock) {
                match error {
                    CallError::Busy { .. } => {
                        item.outcome = Some(ReceiptOutcome::NotApplied { error });
                    }
                    _ => item.outcome = Some(ReceiptOutcome::Refused { error }),
                }
            } else if item.shares.is_empty() && item.demands.is_empty() {
                self.applied(index);
            }
        }
        self.begin_loading();
    }

    pub(super) fn begin_loading(&mut self) {
        let fresh = |index: &usize| self.items.get(*index).is_some_and(|it| it.made.is_empty());
        let batch: Vec<usize> = self.open().filter(fresh).collect();
        self.batches = if batch.is_empty() { Vec::new() } else { vec![batch] };
        self.at = At::Load;
    }

    pub(super) fn load_request(&mut self, context: &Context<'_>, batch: &[usize]) -> Request {
        for index in batch {
            if let Some(item) = self.items.get_mut(*index) {
                item.wrote = true;
            }
        }
        if self.way == Pass::Limit {
            let mut table = Table::new(&[".id", "product_uom_qty"], &[]);
            for (_, row) in self.rows_of(batch) {
                table.record(row, &[]);
            }
            return self.load(context, MOVE, &table, &[("mode", json!("init"))]);
        }
        let mut table = match self.way {
            Pass::Out => rows::taken(),
            Pass::Day => day::transfers(),
            Pass::Back | Pass::Limit => rows::returns(),
        };
        if self.way == Pass::Out {
            for (_, row) in self.rows_of(batch) {
                table.record(row, &[]);
            }
        } else if self.way == Pass::Day {
            for (_, head, lines) in self.transfers_of(batch) {
                table.record(head, &lines);
            }
        } else {
            for index in batch {
                if let Some((head, lines)) = self.return_of(*index) {
                    table.record(head, &lines);
                }
            }
        }
        self.load(context, self.made_model(), &table, &load::once())
    }

    fn return_of(&self, index: usize) -> Option<(Vec<String>, Vec<load::Line>)> {
        let item = self.items.get(index)?;
        let key = rows::return_key(&item.dispatch.key);
        rows::return_row(key, content(&item.dispatch)?, &item.shares, &self.stock).ok()
    }

    /// The rows of a batch of goods that left or are limited, each with the item it belongs to.
    fn rows_of(&self, batch: &[usize]) -> Vec<(usize, Vec<String>)> {
        let mut all = Vec::new();
        for index in batch {
            let Some(item) = self.items.get(*index) else { continue };
            for (id, demand) in &item.demands {
                all.push((*index, vec![id.to_string(), demand.normalize().to_string()]));
            }
            let mut slots: BTreeMap<&str, usize> = BTreeMap::new();
            for Taken { part, share } in &item.shares {
                let slot = slots.entry(part).or_default();
                let key = rows::taken_key(&item.dispatch.key, part, *slot);
                *slot += 1;
                all.extend(rows::taken_row(key, *share, &self.stock).map(|row| (*index, row)));
            }
        }
        all
    }

    /// The item of each record of a batch.
    pub(super) fn owners(&self, batch: &[usize]) -> Vec<usize> {
        if self.way == Pass::Back {
            return batch.to_vec();
        }
        if self.way == Pass::Day {
            return self.transfers_of(batch).into_iter().map(|(index, ..)| index).collect();
        }
        self.rows_of(batch).into_iter().map(|(index, _)| index).collect()
    }
}

fn plan_one(item: &mut Item, stock: &mut Stock) -> Result<(), CallError> {
    let Some(content) = content(&item.dispatch) else { return Ok(()) };
    let origin = origin(&item.dispatch)?;
    let mut shares: Vec<Taken> = Vec::new();
    for line in &content.lines {
        let taken = match (&origin, content.way) {
            (Origin::Pickings(ids), _) => stock.undo(ids, line),
            (Origin::Order(order), Way::Out) => stock.out(*order, line),
            (Origin::Order(order), Way::Back) => stock.back(*order, line),
            (Origin::Order(order), Way::Limit) => stock.limit(*order, line).map(|demands| {
                item.demands.extend(demands);
                Vec::new()
            }),
        };
        let taken = match taken {
            Ok(taken) => taken,
            Err(error) => {
                // What a refused command would have taken is there for the others.
                for Taken { share, .. } in &shares {
                    stock.take(share.of, -share.units);
                }
                return Err(error);
            }
        };
        for share in taken {
            stock.take(share.of, share.units);
            shares.push(Taken { part: line.part.clone(), share });
        }
    }
    let moves = shares.iter().map(|taken| &taken.share.of).chain(item.demands.keys());
    item.pickings = moves.filter_map(|id| stock.moves.get(id)?.picking).collect();
    item.shares = shares;
    Ok(())
}
