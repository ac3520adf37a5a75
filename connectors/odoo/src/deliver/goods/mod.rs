//! Carrying out what Odoo's warehouse has planned: goods that left, units that will not leave, and
//! goods that came back (`POSTING.md` P4). Nothing of it makes an entry in Odoo 19 (V1).
//!
//! What left becomes lines of the planned moves, made once by key, each with exactly its units; the
//! transfer is validated as long as it is not done, and Odoo plans the rest anew. What came back
//! is a transfer of its own, made once by key, tied to the moves that it takes back. A limit is a
//! level, and written only where it does not hold. What a day moved is transfers of its own.
//!
//! | module    | holds                                                                    |
//! |-----------|--------------------------------------------------------------------------|
//! | this one  | the steps, and what each reply means for the commands still open         |
//! | [`stock`] | what is planned and done, and what a command takes of it                 |
//! | [`plan`]  | the keys that are there, and the units that a command takes              |
//! | [`rows`]  | those as rows of `load()`                                                |
//! | [`check`] | what Odoo has, against what was asked                                    |
//! | [`day`]   | what left a location in a day, without orders: reading, rows, checks     |
//!
//! Nobody is told: every call says `skip_sms`, and nothing is validated while Odoo would mail the
//! customer or buy a carrier's label (`POSTING.md` P16, V12).

mod check;
mod day;
mod plan;
mod rows;
mod stock;

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use trueup_connect::conversation::{Context, Dispatch, Outcome, Reply, State, Step};
use trueup_connect::{CallError, ReceiptOutcome, Request};
use trueup_domain::command::{Content, GoodsContent, Way};

use self::check::number;
use self::day::{Moved, Places};
use self::stock::{Share, Stock};
use super::{BUSY_TRIES, bound_id, cut_short, halve, pause_ms, receipt, sure, tables};
use crate::Talk;
use crate::load::{self, Loaded, Table};
use crate::outcome;
use crate::request;
use crate::settings::SHIPPING_FLAG;
use crate::wire::{self, Row};

const MOVE: &str = "stock.move";
const MOVE_LINE: &str = "stock.move.line";
const PICKING: &str = "stock.picking";

/// The binding of a command that had nothing to move: services, or units that were not planned.
const NOTHING: &str = "nothing to move";

/// What is carried out together. Goods of one pass are done before those of the next, and what is
/// there is read anew: what came back has left before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Pass {
    Out,
    Limit,
    Back,
    /// What a day moved, without orders.
    Day,
}

const PASSES: [Pass; 4] = [Pass::Out, Pass::Limit, Pass::Back, Pass::Day];

fn pass(dispatch: &Dispatch) -> Option<Pass> {
    match &dispatch.content {
        Content::Goods(content) => Some(match content.way {
            Way::Out => Pass::Out,
            Way::Limit => Pass::Limit,
            Way::Back => Pass::Back,
        }),
        Content::Transfer(_) => Some(Pass::Day),
        _ => None,
    }
}

#[derive(Serialize, Deserialize)]
pub struct Goods {
    company: i64,
    items: Vec<Item>,
    way: Pass,
    at: At,
    stock: Stock,
    #[serde(default)]
    places: Places,
    /// Batches still to be made or acted upon, each a list of item numbers; the last is next.
    batches: Vec<Vec<usize>>,
    /// The keys of the probe under way: the item, and the key.
    probed: Vec<(usize, String)>,
    /// The keys that were not there when they were asked for.
    #[serde(default)]
    absent: Vec<(usize, String)>,
    /// Odoo would mail who gets a delivery; read before a day's transfers are made.
    #[serde(default)]
    mails: bool,
    tries: u32,
    waiting: bool,
}

/// One command of the delivery.
#[derive(Serialize, Deserialize)]
struct Item {
    dispatch: Dispatch,
    /// Records under our keys.
    made: Vec<i64>,
    shares: Vec<Taken>,
    /// What a day moved of each product.
    #[serde(default)]
    moved: Vec<Moved>,
    /// New demands of open moves.
    demands: BTreeMap<i64, Decimal>,
    /// The transfers of what it moves.
    pickings: BTreeSet<i64>,
    wrote: bool,
    act: bool,
    /// Its transfers stand on their day.
    #[serde(default)]
    dated: bool,
    differs: Vec<String>,
    /// Why an action failed. An earlier attempt of ours may have done it first: what is read at the
    /// end has the last word.
    refusal: Option<CallError>,
    outcome: Option<ReceiptOutcome>,
}

/// Units of one line of a command, and the move they are taken of.
#[derive(Serialize, Deserialize)]
struct Taken {
    part: String,
    share: Share,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum At {
    Lines,
    Moves,
    Taken,
    Locations,
    Warehouses,
    Products,
    Types,
    Probe,
    Load,
    Made,
    Mails,
    Labels,
    Act,
    /// The transfers of a day stand on that day.
    Date,
    /// The moves that an action was to finish.
    After,
    /// Transfers of which nothing is left to deliver.
    Cancel,
    /// What remains of a limited transfer is set aside again.
    Assign,
    NextWay,
}

pub fn start(context: &Context<'_>, commands: &[Dispatch]) -> Step {
    let company = commands.first().map_or("", |it| it.content.company());
    let company = match request::id(company) {
        Ok(company) => company,
        Err(error) => return Step::Failed(error),
    };
    let items = commands.iter().map(|dispatch| {
        let checked = tables::references(&dispatch.content)
            .try_for_each(|text| request::id(text).map(drop))
            .and_then(|()| match pass(dispatch) {
                Some(Pass::Day) => Ok(()),
                _ => origin(dispatch).map(drop),
            });
        Item {
            dispatch: dispatch.clone(),
            made: Vec::new(),
            shares: Vec::new(),
            moved: Vec::new(),
            demands: BTreeMap::new(),
            pickings: BTreeSet::new(),
            // What was sent before may have been done.
            wrote: dispatch.again,
            act: false,
            dated: false,
            differs: Vec::new(),
            refusal: None,
            outcome: checked.err().map(|error| ReceiptOutcome::Refused { error }),
        }
    });
    let goods = Goods {
        company,
        items: items.collect(),
        way: Pass::Out,
        at: At::Lines,
        stock: Stock::default(),
        places: Places::default(),
        batches: Vec::new(),
        probed: Vec::new(),
        absent: Vec::new(),
        mails: false,
        tries: 0,
        waiting: false,
    };
    goods.step(context)
}

/// What a movement starts from.
enum Origin {
    Order(i64),
    /// Transfers whose goods are moved the other way.
    Pickings(Vec<i64>),
}

fn origin(dispatch: &Dispatch) -> Result<Origin, CallError> {
    let Some(bound) = dispatch.bindings.get("goods") else {
        return bound_id(dispatch, "order").map(Origin::Order);
    };
    let ids = bound.strip_prefix(PICKING).map(|ids| ids.trim_start_matches('/'));
    // Where nothing was moved, nothing is to be taken back.
    let ids = ids.unwrap_or_default().split(',').filter(|id| !id.is_empty());
    Ok(Origin::Pickings(ids.map(request::id).collect::<Result<_, _>>()?))
}

fn order_of(dispatch: &Dispatch) -> Result<i64, CallError> {
    bound_id(dispatch, "order")
}

fn content(dispatch: &Dispatch) -> Option<&GoodsContent> {
    match &dispatch.content {
        Content::Goods(content) => Some(content),
        _ => None,
    }
}

enum Ready {
    Read(Request),
    Write(Request),
    End,
}

impl Goods {
    /// The items of the way that is gone now, that are not decided.
    fn open(&self) -> impl Iterator<Item = usize> + '_ {
        let items = self.items.iter().enumerate();
        let own = move |item: &Item| pass(&item.dispatch) == Some(self.way);
        items.filter(move |(_, item)| item.outcome.is_none() && own(item)).map(|(index, _)| index)
    }

    fn open_items(&self) -> impl Iterator<Item = &Item> {
        self.open().filter_map(|index| self.items.get(index))
    }

    fn settle(&mut self, index: usize, outcome: ReceiptOutcome) {
        if let Some(item) = self.items.get_mut(index) {
            item.outcome = Some(outcome);
        }
    }

    pub(super) fn refuse(&mut self, index: usize, error: CallError) {
        self.settle(index, ReceiptOutcome::Refused { error });
    }

    fn applied(&mut self, index: usize) {
        let Some(item) = self.items.get_mut(index) else { return };
        let ids: Vec<String> = item.pickings.iter().map(i64::to_string).collect();
        let binding = if ids.is_empty() {
            NOTHING.to_owned()
        } else {
            format!("{PICKING}/{}", ids.join(","))
        };
        let differs = std::mem::take(&mut item.differs);
        item.outcome =
            Some(ReceiptOutcome::Applied { binding, record: None, differs, found_by: None });
    }

    fn step(mut self, context: &Context<'_>) -> Step {
        loop {
            if let Some(ready) = self.try_step(context) {
                return match ready {
                    Ready::Read(request) => self.send(request, false),
                    Ready::Write(request) => self.send(request, true),
                    Ready::End => self.finish(),
                };
            }
        }
    }

    fn send(self, request: Request, writes: bool) -> Step {
        Step::Send { request, writes, state: State::of(&Talk::Goods(Box::new(self))) }
    }

    /// `None` after moving on to the next step without a request.
    fn try_step(&mut self, context: &Context<'_>) -> Option<Ready> {
        if self.open().next().is_none() {
            self.at = At::NextWay;
        }
        match self.at {
            At::NextWay => {
                let next = PASSES.into_iter().find(|pass| *pass > self.way);
                let Some(next) = next else { return Some(Ready::End) };
                self.way = next;
                self.stock = Stock::default();
                self.at = if next == Pass::Day { At::Locations } else { At::Lines };
                None
            }
            At::Lines => {
                let orders: BTreeSet<i64> =
                    self.open_items().filter_map(|item| order_of(&item.dispatch).ok()).collect();
                let domain = json!([["order_id", "in", orders], ["display_type", "=", false]]);
                let fields = stock::ORDER_LINE_FIELDS;
                Some(Ready::Read(self.read(context, "sale.order.line", &domain, fields)))
            }
            At::Moves => Some(Ready::Read(self.moves_request(context))),
            At::Taken => {
                let open = self.stock.moves.iter().filter(|(_, it)| !it.done);
                let open: Vec<i64> = open.map(|(id, _)| *id).collect();
                if self.way != Pass::Out || open.is_empty() {
                    self.at = At::Types;
                    return None;
                }
                let domain = json!([["move_id", "in", open], ["picked", "=", true]]);
                Some(Ready::Read(self.read(context, MOVE_LINE, &domain, &["move_id", "quantity"])))
            }
            At::Locations | At::Warehouses | At::Products => {
                Some(Ready::Read(self.places_request(context)))
            }
            At::Types => {
                if !matches!(self.way, Pass::Back | Pass::Day) {
                    self.at = At::Probe;
                    self.begin_probing();
                    return None;
                }
                let domain = json!([["company_id", "=", self.company]]);
                let fields = stock::TYPE_FIELDS;
                Some(Ready::Read(self.read(context, "stock.picking.type", &domain, fields)))
            }
            At::Probe => {
                if self.probed.is_empty() {
                    self.plan();
                    return None;
                }
                let mut table = rows::probe();
                for (_, key) in &self.probed {
                    table.record(vec![key.clone()], &[]);
                }
                Some(Ready::Read(self.load(context, self.made_model(), &table, &load::once())))
            }
            At::Mails => {
                if self.way != Pass::Day && !self.open_items().any(|item| item.act) {
                    self.at = At::Act;
                    return None;
                }
                let domain = json!([["id", "=", self.company]]);
                let fields = ["stock_move_email_validation"];
                Some(Ready::Read(self.read(context, "res.company", &domain, &fields)))
            }
            At::Labels => {
                if context.settings.get(SHIPPING_FLAG) != Some("yes") {
                    self.begin_acting();
                    return None;
                }
                let acting = self.open_items().filter(|item| item.act);
                let pickings: BTreeSet<i64> = acting.flat_map(|it| it.pickings.clone()).collect();
                let domain = json!([
                    ["id", "in", pickings],
                    ["carrier_id.integration_level", "=", "rate_and_ship"],
                    ["carrier_tracking_ref", "=", false]
                ]);
                Some(Ready::Read(self.read(context, PICKING, &domain, &["name"])))
            }
            At::Load | At::Act | At::Date => match (self.at, self.batches.last().cloned()) {
                (At::Act, Some(batch)) => Some(Ready::Write(self.act_request(context, &batch))),
                (At::Date, Some(batch)) => Some(Ready::Write(self.date_request(context, &batch))),
                (_, Some(batch)) => Some(Ready::Write(self.load_request(context, &batch))),
                (At::Act, None) if self.way == Pass::Day => {
                    self.begin_dating();
                    None
                }
                (At::Act | At::Date, None) => {
                    self.at = At::After;
                    None
                }
                (_, None) => {
                    self.at = if self.way == Pass::Limit { At::Cancel } else { At::Made };
                    None
                }
            },
            At::Made | At::After => Some(Ready::Read(self.made_request(context))),
            At::Cancel | At::Assign => {
                let (method, at) = if self.at == At::Cancel {
                    ("action_cancel", At::Assign)
                } else {
                    ("action_assign", At::After)
                };
                let ids = self.limited(self.at == At::Cancel);
                if ids.is_empty() {
                    self.at = at;
                    return None;
                }
                let arguments = json!({ "ids": ids });
                Some(Ready::Write(self.call(context, PICKING, method, arguments, &[])))
            }
        }
    }

    fn made_model(&self) -> &'static str {
        if matches!(self.way, Pass::Back | Pass::Day) { PICKING } else { MOVE_LINE }
    }

    fn call(
        &self,
        context: &Context<'_>,
        model: &str,
        method: &str,
        arguments: Value,
        more: &[(&str, Value)],
    ) -> Request {
        request::call(context.settings, self.company, model, method, arguments, more)
    }

    fn read(&self, context: &Context<'_>, model: &str, domain: &Value, fields: &[&str]) -> Request {
        request::search_read(context.settings, self.company, model, domain, fields, "id")
    }

    fn load(
        &self,
        context: &Context<'_>,
        model: &str,
        table: &Table,
        more: &[(&str, Value)],
    ) -> Request {
        self.call(context, model, "load", table.arguments(), more)
    }

    fn moves_request(&self, context: &Context<'_>) -> Request {
        let lines: Vec<i64> = self.stock.lines.keys().copied().collect();
        let pickings: BTreeSet<i64> = self
            .open_items()
            .filter_map(|item| origin(&item.dispatch).ok())
            .flat_map(|origin| match origin {
                Origin::Order(_) => Vec::new(),
                Origin::Pickings(ids) => ids,
            })
            .collect();
        let domain = json!([
            ["state", "!=", "cancel"],
            "|",
            ["sale_line_id", "in", lines],
            ["picking_id", "in", pickings]
        ]);
        self.read(context, MOVE, &domain, stock::MOVE_FIELDS)
    }

    fn act_request(&mut self, context: &Context<'_>, batch: &[usize]) -> Request {
        let mut pickings = BTreeSet::new();
        for index in batch {
            let Some(item) = self.items.get_mut(*index) else { continue };
            item.wrote = true;
            pickings.extend(item.pickings.iter().copied());
        }
        let arguments = json!({ "ids": pickings });
        let rest_later = [("skip_backorder", json!(true))];
        self.call(context, PICKING, "button_validate", arguments, &rest_later)
    }

    /// Limited transfers of which nothing, or something, is left to deliver.
    fn limited(&self, nothing_left: bool) -> Vec<i64> {
        let touched: BTreeSet<i64> =
            self.open_items().flat_map(|item| item.pickings.iter().copied()).collect();
        let demand = |id: &i64, planned: Decimal| {
            self.open_items().find_map(|item| item.demands.get(id)).copied().unwrap_or(planned)
        };
        let left = |picking: &i64| {
            let of = self.stock.moves.iter().filter(|(_, it)| it.picking == Some(*picking));
            of.filter(|(_, it)| !it.done).any(|(id, it)| !demand(id, it.demand).is_zero())
        };
        touched.into_iter().filter(|picking| left(picking) != nothing_left).collect()
    }

    pub fn resume(mut self, context: &Context<'_>, reply: Result<&Reply, CallError>) -> Step {
        if std::mem::take(&mut self.waiting) {
            return self.step(context);
        }
        let writes = matches!(self.at, At::Load | At::Act | At::Date | At::Cancel | At::Assign);
        let body = match outcome::read(reply, writes) {
            Ok(body) => body,
            Err(error) => return self.failed(context, error),
        };
        let read = match self.at {
            At::Load => return self.loaded(context, body),
            At::Probe => self.probed(body),
            At::Act | At::Date => {
                self.batches.pop();
                self.tries = 0;
                Ok(())
            }
            At::Cancel => {
                self.at = At::Assign;
                Ok(())
            }
            At::Assign => {
                self.at = At::After;
                Ok(())
            }
            _ => wire::rows(body).and_then(|rows| self.read_rows(&rows)),
        };
        match read {
            Ok(()) => self.step(context),
            Err(error) => self.give_up(error),
        }
    }

    fn read_rows(&mut self, rows: &[Row]) -> Result<(), CallError> {
        match self.at {
            At::Lines => {
                for row in rows {
                    Row::or_lost(self.stock.read_line(row))?;
                }
                self.at = At::Moves;
            }
            At::Moves => {
                for row in rows {
                    Row::or_lost(self.stock.read_move(row))?;
                }
                self.stock.count_returns();
                self.at = At::Taken;
            }
            At::Taken => {
                for row in rows {
                    let of = Row::or_lost(row.reference_id("move_id"))?;
                    self.stock.take(of, Row::or_lost(number(row, "quantity"))?);
                }
                self.at = At::Types;
            }
            At::Locations | At::Warehouses | At::Products => {
                for row in rows {
                    Row::or_lost(self.places.read(self.at, row))?;
                }
                self.at = match self.at {
                    At::Locations => At::Warehouses,
                    At::Warehouses => At::Products,
                    _ => At::Types,
                };
            }
            At::Types => {
                for row in rows {
                    Row::or_lost(self.stock.read_type(row))?;
                }
                self.begin_probing();
                // A transfer of our own is not made while it could not be validated.
                self.at = if self.way == Pass::Day { At::Mails } else { At::Probe };
            }
            At::Mails => {
                let mut mails = false;
                for row in rows {
                    mails |= Row::or_lost(row.flag("stock_move_email_validation"))?;
                }
                if self.way == Pass::Day {
                    (self.mails, self.at) = (mails, At::Probe);
                    return Ok(());
                }
                if mails {
                    self.hold(&|_| true, "would_mail", MAILS);
                }
                self.at = At::Labels;
            }
            At::Labels => {
                let mut buys = BTreeSet::new();
                for row in rows {
                    buys.insert(Row::or_lost(row.id())?);
                }
                let touches = |item: &Item| !item.pickings.is_disjoint(&buys);
                self.hold(&touches, "would_buy_label", LABELS);
                self.begin_acting();
            }
            At::Made => self.read_made(rows)?,
            At::After => self.read_after(rows)?,
            At::Probe | At::Load | At::Act | At::Date | At::Cancel | At::Assign | At::NextWay => {}
        }
        Ok(())
    }

    fn loaded(mut self, context: &Context<'_>, body: &[u8]) -> Step {
        let Some(batch) = self.batches.pop() else {
            return self.give_up(wire::unexpected("no batch was loaded"));
        };
        let owners = self.owners(&batch);
        match load::read(body, owners.len()) {
            Err(error) => {
                self.batches.push(batch);
                return self.failed(context, error);
            }
            Ok(Loaded::Nothing(error)) => {
                self.nothing_kept(&batch);
                self.batches.push(batch);
                return self.failed(context, error);
            }
            Ok(Loaded::Bad(bad)) => {
                self.nothing_kept(&batch);
                for (position, error) in bad {
                    if let Some(index) = owners.get(position) {
                        self.refuse(*index, error);
                    }
                }
                let rest: Vec<usize> =
                    batch.into_iter().filter(|index| self.open().any(|it| it == *index)).collect();
                if !rest.is_empty() {
                    self.batches.push(rest);
                }
            }
            Ok(Loaded::Ids { ids, .. }) => {
                for (index, id) in owners.into_iter().zip(ids) {
                    if let Some(item) =
                        self.items.get_mut(index).filter(|_| self.way != Pass::Limit)
                    {
                        item.made.push(id);
                    }
                }
            }
        }
        self.tries = 0;
        self.step(context)
    }

    /// `load()` said so: the call was rolled back whole.
    fn nothing_kept(&mut self, batch: &[usize]) {
        for index in batch {
            if let Some(item) = self.items.get_mut(*index) {
                item.wrote = false;
            }
        }
    }

    fn failed(mut self, context: &Context<'_>, error: CallError) -> Step {
        let batch = self.batches.last().cloned().unwrap_or_default();
        if self.at == At::Load && !matches!(error, CallError::ReplyLost { .. }) {
            self.nothing_kept(&batch);
        }
        if matches!(error, CallError::Busy { .. }) && self.tries < BUSY_TRIES {
            self.tries += 1;
            self.waiting = true;
            let for_ms = pause_ms(self.tries);
            return Step::Wait { for_ms, state: State::of(&Talk::Goods(Box::new(self))) };
        }
        let refused = matches!(error, CallError::Refused { .. });
        match self.at {
            At::Load | At::Act if refused && !batch.is_empty() => {
                self.take_apart(context, &batch, error)
            }
            // What is read at the end says on which day they stand.
            At::Date if refused => {
                self.batches.pop();
                self.step(context)
            }
            // The limit holds already; this was for tidiness.
            At::Cancel if refused => {
                self.at = At::Assign;
                self.step(context)
            }
            At::Assign if refused => {
                self.at = At::After;
                self.step(context)
            }
            _ => self.give_up(error),
        }
    }

    fn take_apart(mut self, context: &Context<'_>, batch: &[usize], error: CallError) -> Step {
        if let Some(only) = halve(&mut self.batches, batch) {
            match (self.at, self.items.get_mut(only)) {
                (At::Act, Some(item)) => item.refusal = Some(error),
                _ => self.refuse(only, error),
            }
        }
        self.step(context)
    }

    fn give_up(mut self, error: CallError) -> Step {
        let denied = matches!(error, CallError::Denied { .. });
        if !denied && self.items.iter().all(|item| !item.wrote && item.outcome.is_none()) {
            return Step::Failed(sure(error));
        }
        for item in self.items.iter_mut().filter(|item| item.outcome.is_none()) {
            item.outcome = Some(cut_short(item.wrote, error.clone()));
        }
        self.finish()
    }

    fn finish(self) -> Step {
        let receipts = self.items.into_iter().map(|item| {
            let unknown =
                || ReceiptOutcome::Unknown { error: wire::unexpected("the steps ended early") };
            receipt(&item.dispatch.key, item.outcome.unwrap_or_else(unknown))
        });
        Step::Done(Outcome { receipts: receipts.collect(), ..Outcome::default() })
    }
}

pub(super) const MAILS: &str = "Odoo would mail the customer when the transfer is validated \
    (`stock_move_email_validation` of the company): switch that off";
const LABELS: &str = "Odoo would buy a carrier's label when the transfer is validated: take the \
    carrier off it, or enter the tracking reference";
