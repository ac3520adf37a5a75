//! Seven virtual days of a retailer, across a month end, a weekend and a bank holiday.
//!
//! The week is planned from a seed, then played step by step; what goes wrong is planted on the
//! way and written down in [`Planted`], which only the comparison at the end reads.
//!
//! | module        | holds                                            |
//! |---------------|--------------------------------------------------|
//! | this one      | what can happen, and the playing of it           |
//! | [`plan`]      | which orders there are, and what happens when    |
//! | [`catalogue`] | what is sold, to whom, and what it comes to      |

mod catalogue;
mod plan;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use trueup_connect::sandbox::Push;
use trueup_domain::calendar::Calendar;
use trueup_domain::document::PaymentStatus;
use trueup_shopify::sandbox::{NewLine, NewOrder};

use self::catalogue::{STATES, buyer_us, line_total, order_total, taxes};
use crate::world::{Arriving, BANK_EU, BANK_US, Edit, Paid, SHOP_EU, SHOP_US, STRIPE, Sold, World};

pub const DAYS: i64 = 7;
/// What the bank keeps of the one short payout.
const BANK_CHARGE: i64 = 1500;
/// How much too much the provider charges once.
const FEE_EXCESS: i64 = 37;
const UNKNOWN_ROW: i64 = 1234;
/// Between two strokes of a merchant in a hurry; shops date to the second.
const HASTE: SignedDuration = SignedDuration::from_millis(400);
/// By how much somebody raises the price of an order's first line in the books.
pub const EDIT_IN_BOOKS: i64 = 500;

#[derive(Clone, Copy, Debug)]
pub struct WeekSettings {
    pub orders: u32,
    pub seed: u64,
    /// The first day; the default week holds a month end, a bank holiday and a weekend.
    pub start: Date,
    /// Plant what goes wrong.
    pub faults: bool,
    /// Of a thousand orders paid by card, how many get a further line later.
    pub extended_per_mille: u64,
    /// How many of the others become dearer later.
    pub repriced_per_mille: u64,
    /// Of a thousand orders that were paid at once, how many are called off before they leave.
    pub cancelled_per_mille: u64,
    /// From how many of the others single units come back, edited or not.
    pub returned_per_mille: u64,
    /// Of those that are called off, or of which two units come back, to how many both parts of it
    /// happen within one second, so that what the shop says twice bears one version.
    pub hasty_per_mille: u64,
    /// Every order is the first one again on another day, so that payouts are alike.
    pub alike: bool,
    /// The bank sends the first payout in dollars back, and the next one holds its money.
    pub sent_back: bool,
}

impl Default for WeekSettings {
    fn default() -> Self {
        Self {
            orders: 300,
            seed: 1,
            start: jiff::civil::date(2026, 4, 29),
            faults: true,
            extended_per_mille: 15,
            repriced_per_mille: 0,
            cancelled_per_mille: 0,
            returned_per_mille: 0,
            hasty_per_mille: 0,
            alike: false,
            sent_back: false,
        }
    }
}

/// The days on which no bank books in the demo's week.
pub fn calendar() -> Calendar {
    Calendar::new([jiff::civil::date(2026, 5, 1)])
}

/// An open difference that was planted: its type, and its amount in minor units of a currency.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlantedOpen {
    pub kind: &'static str,
    pub minor: i64,
    pub currency: &'static str,
}

/// What went wrong on purpose.
#[derive(Clone, Debug, Default)]
pub struct Planted {
    pub open: Vec<PlantedOpen>,
    /// How often each kind of trouble must have been absorbed.
    pub absorbed: BTreeMap<&'static str, u64>,
}

impl Planted {
    pub fn open(&mut self, kind: &'static str, minor: i64, currency: &'static str) {
        self.open.push(PlantedOpen { kind, minor, currency });
    }
    fn absorbed(&mut self, kind: &'static str) {
        *self.absorbed.entry(kind).or_default() += 1;
    }
}

/// What leaves the world in a step, for the caller to carry.
#[derive(Clone, Debug)]
pub enum Sent {
    Webhook {
        connection: &'static str,
        push: Push,
    },
    File {
        connection: &'static str,
        name: String,
        body: Vec<u8>,
    },
    /// The reply to the next document sent to the books is lost on the way.
    LoseReply,
    /// Somebody is to change an order in books that the world does not play.
    EditInBooks,
    /// Somebody is to delete a credit note in such books.
    DeleteCreditNote,
}

#[derive(Clone, Debug)]
enum Happening {
    Order(usize),
    Fulfil(usize),
    Return(usize),
    TransferArrives(usize),
    /// The old customer's refund, of a sale from before the start.
    OldRefund,
    Payouts,
    BankDay(Date),
    /// A delivery of the past comes at last.
    Late(usize),
    Dispute,
    UnknownRow,
    LoseReply,
    EditInBooks,
    DeleteCreditNote,
    /// The merchant adds a line to an order, or makes one dearer.
    Extend(usize),
    Reprice(usize),
    /// The merchant calls an order off and gives all of it back, at once or in two strokes.
    CallOff(usize),
    GiveAllBack(usize),
    Cancel(usize),
    /// One unit of an order's first line comes back.
    ReturnUnit(usize),
    Nothing,
}

/// One planned order; what happened to it later.
#[derive(Debug)]
struct Planned {
    shop: &'static str,
    order: NewOrder,
    paid: Paid,
    trouble: Option<Trouble>,
    sold: Option<Sold>,
    returned: bool,
    big: bool,
    kept_back: Option<Push>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Duplicate,
    Lost,
    Stale,
    WrongFee,
}

/// A payout on its way to the bank.
#[derive(Debug)]
struct OnItsWay {
    bank: &'static str,
    provider: &'static str,
    text: String,
    trace: Option<String>,
    amount: i64,
    books_on: Date,
    id: String,
}

pub struct Week {
    settings: WeekSettings,
    calendar: Calendar,
    happenings: BTreeMap<(Timestamp, usize), Happening>,
    orders: Vec<Planned>,
    on_its_way: Vec<OnItsWay>,
    old_sale: Option<Sold>,
    short_done: bool,
    sent_back_done: bool,
    /// Orders that got a further line; those that were repriced or called off.
    extended: BTreeSet<usize>,
    turned_over: BTreeSet<usize>,
    pub planted: Planted,
}

fn at(day: Date, hour: i8, minute: i8) -> Timestamp {
    let moment = day.at(hour, minute, 0, 0).to_zoned(TimeZone::UTC);
    moment.map_or(Timestamp::UNIX_EPOCH, |zoned| zoned.timestamp())
}

fn after(day: Date, days: i64) -> Date {
    day.saturating_add(jiff::Span::new().days(days))
}

impl Week {
    pub fn new(settings: WeekSettings) -> Self {
        let mut week = Self {
            settings,
            calendar: calendar(),
            happenings: BTreeMap::new(),
            orders: Vec::new(),
            on_its_way: Vec::new(),
            old_sale: None,
            short_done: false,
            sent_back_done: false,
            extended: BTreeSet::new(),
            turned_over: BTreeSet::new(),
            planted: Planted::default(),
        };
        week.plan();
        week
    }

    pub fn start(&self) -> Timestamp {
        at(self.settings.start, 0, 0)
    }

    /// The moment after the last day.
    pub fn end(&self) -> Timestamp {
        at(after(self.settings.start, DAYS), 0, 0)
    }

    /// The moment of the next happening, if one is left.
    pub fn next_at(&self) -> Option<Timestamp> {
        self.happenings.keys().next().map(|(at, _)| *at)
    }

    /// Orders that got a further line, and were neither repriced nor called off: shop, id.
    pub fn only_extended(&self) -> BTreeSet<(&'static str, String)> {
        let known = |index: &usize| {
            let sold = self.orders.get(*index)?.sold.as_ref()?;
            Some((sold.shop, sold.id.clone()))
        };
        let extended = self.extended.iter().filter(|index| !self.turned_over.contains(index));
        extended.filter_map(known).collect()
    }

    fn add(&mut self, at: Timestamp, happening: Happening) {
        let number = self.happenings.len() + self.orders.len() * 16;
        let mut key = (at, number);
        while self.happenings.contains_key(&key) {
            key.1 += 1;
        }
        self.happenings.insert(key, happening);
    }

    /// What happened before the first day: a sale that only its refund tells of.
    pub fn prepare(&mut self, world: &mut World) {
        let before = at(after(self.settings.start, -9), 10, 0);
        let line = NewLine {
            sku: Some("HOODIE-L".to_owned()),
            title: "Hoodie, large".to_owned(),
            unit: 5999,
            quantity: 1,
            taxes: taxes(SHOP_US, STATES.first().map_or(&[][..], |state| state.2), false),
            ..NewLine::default()
        };
        let buyer = buyer_us(121, "NY", "New York");
        let order = NewOrder { lines: vec![line], buyer: Some(buyer), ..NewOrder::default() };
        self.old_sale = world.sell(SHOP_US, order, Paid::Card, None, before);
        let paid_out = at(after(self.settings.start, -5), 22, 30);
        if let Some(payout) = world.stripe.pay_out(paid_out, after(self.settings.start, -4)) {
            world.stripe.mark_paid(&payout, at(after(self.settings.start, -4), 9, 0));
        }
        // Nobody listened yet.
        let _ = world.take_pushes();
    }

    /// Plays everything up to and with `until`.
    pub fn play(&mut self, world: &mut World, until: Timestamp) -> Vec<(Timestamp, Sent)> {
        let mut sent = Vec::new();
        while let Some((&key, _)) = self.happenings.iter().next() {
            if key.0 > until {
                break;
            }
            let Some(happening) = self.happenings.remove(&key) else { break };
            self.happen(world, &happening, key.0, &mut sent);
            let pushes = world.take_pushes();
            sent.extend(
                pushes
                    .into_iter()
                    .map(|(connection, push)| (key.0, Sent::Webhook { connection, push })),
            );
        }
        sent
    }

    fn happen(
        &mut self,
        world: &mut World,
        happening: &Happening,
        now: Timestamp,
        sent: &mut Vec<(Timestamp, Sent)>,
    ) {
        match happening {
            Happening::Order(index) => self.place(world, *index, now, sent),
            Happening::Fulfil(index) => {
                if let Some(sold) = self.orders.get(*index).and_then(|it| it.sold.as_ref())
                    && let Some(shop) = world.shops.get_mut(sold.shop)
                {
                    let _ = shop.fulfil(&sold.id, now);
                }
            }
            Happening::Return(index) => self.give_back(world, *index, now),
            Happening::TransferArrives(index) => self.transfer(world, *index, now),
            Happening::OldRefund => self.old_refund(world, now),
            Happening::Payouts => self.payouts(world, now),
            Happening::BankDay(day) => self.bank_day(world, *day, now, sent),
            Happening::Late(index) => {
                let late = self
                    .orders
                    .get_mut(*index)
                    .and_then(|it| it.kept_back.take().map(|push| (it.shop, push)));
                if let Some((connection, push)) = late {
                    self.planted.absorbed("stale_version");
                    sent.push((now, Sent::Webhook { connection, push }));
                }
            }
            Happening::Dispute => self.dispute(world, now),
            Happening::UnknownRow => {
                world.stripe.unknown_row("mystery_movement", UNKNOWN_ROW, now);
                self.planted.open("unknown_row", UNKNOWN_ROW, "USD");
            }
            Happening::LoseReply => {
                self.planted.absorbed("lost_reply");
                sent.push((now, Sent::LoseReply));
            }
            Happening::EditInBooks if world.odoo.is_none() => sent.push((now, Sent::EditInBooks)),
            Happening::EditInBooks => self.edit_in_books(world, now),
            Happening::DeleteCreditNote if world.odoo.is_none() => {
                sent.push((now, Sent::DeleteCreditNote));
            }
            Happening::DeleteCreditNote => self.delete_credit_note(world, now),
            Happening::Extend(index) => {
                self.extended.insert(*index);
                let mug = |shop| NewLine {
                    sku: Some("MUG-01".to_owned()),
                    title: "Mug".to_owned(),
                    unit: 1250,
                    quantity: 1,
                    taxes: taxes(shop, &[("State Tax", 400)], false),
                    ..NewLine::default()
                };
                self.edit(world, *index, |shop| Edit::AddLine(mug(shop)), now);
            }
            Happening::Reprice(index) => {
                self.turned_over.insert(*index);
                self.edit(world, *index, |_| Edit::RaisePrice(100), now);
            }
            Happening::CallOff(index) => {
                self.turned_over.insert(*index);
                if let Some(sold) = self.orders.get(*index).and_then(|it| it.sold.clone()) {
                    let _ = world.call_off(&sold, now);
                }
            }
            Happening::GiveAllBack(index) => {
                self.turned_over.insert(*index);
                if let Some(sold) = self.orders.get(*index).and_then(|it| it.sold.clone())
                    && world.give_all_back(&sold, now).is_some()
                {
                    self.add(now + HASTE, Happening::Cancel(*index));
                }
            }
            Happening::Cancel(index) => {
                if let Some(sold) = self.orders.get(*index).and_then(|it| it.sold.as_ref())
                    && let Some(shop) = world.shops.get_mut(sold.shop)
                {
                    let _ = shop.cancel(&sold.id, now);
                }
            }
            Happening::ReturnUnit(index) => {
                if let Some(sold) = self.orders.get(*index).and_then(|it| it.sold.clone()) {
                    let _ = world.give_back_unit(&sold, now);
                }
            }
            Happening::Nothing => {}
        }
    }

    /// Orders that were picked for trouble keep their amounts.
    fn edit(
        &mut self,
        world: &mut World,
        index: usize,
        edit: impl FnOnce(&'static str) -> Edit,
        now: Timestamp,
    ) {
        let Some(planned) = self.orders.get_mut(index) else { return };
        if let (Some(sold), None) = (&mut planned.sold, planned.trouble) {
            let order = world.shops.get(sold.shop).and_then(|shop| shop.order(&sold.id));
            if order.is_some_and(|order| order.cancelled_at.is_none()) {
                let _ = world.edit(sold, edit(planned.shop), now);
            }
        }
    }

    fn place(
        &mut self,
        world: &mut World,
        index: usize,
        now: Timestamp,
        sent: &mut Vec<(Timestamp, Sent)>,
    ) {
        let Some(planned) = self.orders.get_mut(index) else { return };
        let fee = (planned.trouble == Some(Trouble::WrongFee)).then(|| {
            let included = planned.shop == SHOP_EU;
            let cards = planned.order.lines.iter().filter(|line| line.gift_card);
            let cards: i64 = cards.map(|line| line_total(line, included)).sum();
            world.stripe.fee_of(order_total(&planned.order, included) + cards) + FEE_EXCESS
        });
        planned.sold = world.sell(planned.shop, planned.order.clone(), planned.paid, fee, now);
        if planned.trouble == Some(Trouble::WrongFee) && planned.sold.is_some() {
            self.planted.open("fee_differs", FEE_EXCESS, "USD");
        }
        let Some(planned) = self.orders.get_mut(index) else { return };
        match planned.trouble {
            Some(Trouble::Lost) => {
                // Shopify's deliveries of this order are lost; Stripe's are not.
                let kept = world.take_pushes().into_iter().filter(|(name, _)| *name == STRIPE);
                sent.extend(
                    kept.map(|(connection, push)| (now, Sent::Webhook { connection, push })),
                );
                self.planted.absorbed("found_by_polling");
            }
            Some(Trouble::Duplicate) => {
                let pushes = world.take_pushes();
                let twice = pushes.iter().find(|(_, push)| push.kind == "orders/create").cloned();
                for (connection, push) in pushes.into_iter().chain(twice) {
                    sent.push((now, Sent::Webhook { connection, push }));
                }
                self.planted.absorbed("duplicate_message");
            }
            Some(Trouble::Stale) => {
                for (connection, push) in world.take_pushes() {
                    if push.kind == "orders/create" && planned.kept_back.is_none() {
                        planned.kept_back = Some(push);
                    } else {
                        sent.push((now, Sent::Webhook { connection, push }));
                    }
                }
            }
            Some(Trouble::WrongFee) | None => {}
        }
    }

    fn give_back(&mut self, world: &mut World, index: usize, now: Timestamp) {
        let Some(planned) = self.orders.get_mut(index) else { return };
        // Goods that were not paid yet do not come back.
        let Some(sold) = planned.sold.clone().filter(|_| planned.paid != Paid::Transfer) else {
            return;
        };
        let included = planned.shop == SHOP_EU;
        let whole = planned.big || planned.order.lines.len() == 1;
        let (lines, amount, shipping) = if whole {
            let lines = planned.order.lines.iter().enumerate();
            let lines: Vec<(usize, i64)> = lines
                .filter(|(_, line)| !line.gift_card)
                .map(|(at, line)| (at, line.quantity))
                .collect();
            let shipping = planned.order.shipping.as_ref().map_or(0, |it| it.price - it.discount);
            (lines, order_total(&planned.order, included), shipping)
        } else {
            let Some(line) = planned.order.lines.first() else { return };
            (vec![(0, line.quantity)], line_total(line, included), 0)
        };
        if world.give_back(&sold, &lines, amount, shipping, now).is_some() {
            planned.returned = true;
        }
    }

    fn transfer(&mut self, world: &mut World, index: usize, now: Timestamp) {
        let Some(planned) = self.orders.get_mut(index) else { return };
        let Some(sold) = &planned.sold else { return };
        let Some(shop) = world.shops.get_mut(sold.shop) else { return };
        let Some(number) = shop.order(&sold.id).map(|order| order.name()) else { return };
        if let Some((transaction, _)) = &sold.card {
            let done = PaymentStatus::Succeeded;
            if shop.settle_transaction(&sold.id, transaction, done, now).is_err() {
                return;
            }
        }
        let bank = if sold.shop == SHOP_US { BANK_US } else { BANK_EU };
        let name = planned.order.buyer.as_ref().and_then(|buyer| buyer.name.clone());
        let day = now.to_zoned(TimeZone::UTC).date();
        if let Some(bank) = world.banks.get_mut(bank) {
            let name = name.unwrap_or_default();
            bank.credit(sold.total, day, &name, &format!("Order {number}"), None);
        }
    }

    fn old_refund(&mut self, world: &mut World, now: Timestamp) {
        let Some(sold) = self.old_sale.clone() else { return };
        if world.give_back(&sold, &[(0, 1)], sold.total, 0, now).is_some() {
            self.planted.open("refund_before_start", sold.total, "USD");
        }
    }

    fn dispute(&mut self, world: &mut World, now: Timestamp) {
        let disputed = self.orders.iter().find_map(|planned| {
            let sold = planned.sold.as_ref().filter(|_| !planned.returned)?;
            let charge = sold.card.as_ref()?.1.clone()?;
            (planned.trouble.is_none()).then_some((charge, sold.card_amount))
        });
        if let Some((charge, amount)) = disputed
            && world.stripe.dispute(&charge, amount, 1500, now).is_some()
        {
            self.planted.open("dispute_open", amount, "USD");
        }
    }

    fn payouts(&mut self, world: &mut World, now: Timestamp) {
        let day = now.to_zoned(TimeZone::UTC).date();
        let books_on = self.calendar.add_business_days(after(day, 1), 0);
        if let Some(id) = world.stripe.pay_out(now, books_on) {
            let trace = world.stripe.bank_references(&id).map(|(trace, _)| trace);
            let amount = world.stripe.payout_amount(&id).unwrap_or(0);
            self.on_its_way.push(OnItsWay {
                bank: BANK_US,
                provider: "Stripe Payments Company",
                text: "STRIPE PAYOUT".to_owned(),
                trace,
                amount,
                books_on,
                id,
            });
        }
        if let Some(shop) = world.shops.get_mut(SHOP_EU)
            && let Some(id) = shop.pay_out(now)
        {
            let _ = shop.payout_is(&id, "in_transit", now);
            let amount = shop.payout_amount(&id).unwrap_or(0);
            self.on_its_way.push(OnItsWay {
                bank: BANK_EU,
                provider: "Shopify International Ltd",
                text: "SHOPIFY PAYMENTS PAYOUT".to_owned(),
                trace: None,
                amount,
                books_on,
                id,
            });
        }
    }

    /// The bank books what has arrived and writes its statements.
    fn bank_day(
        &mut self,
        world: &mut World,
        day: Date,
        now: Timestamp,
        sent: &mut Vec<(Timestamp, Sent)>,
    ) {
        if !self.calendar.is_business_day(day) {
            return;
        }
        let (arrived, still): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.on_its_way).into_iter().partition(|it| it.books_on <= day);
        self.on_its_way = still;
        for payout in arrived {
            if self.settings.sent_back
                && !self.sent_back_done
                && payout.bank == BANK_US
                && payout.amount > 0
            {
                self.sent_back_done = world.stripe.payout_failed(&payout.id, now).is_some();
                continue;
            }
            let short = self.settings.faults
                && !self.short_done
                && payout.bank == BANK_US
                && payout.amount > 10 * BANK_CHARGE
                && day > after(self.settings.start, 2);
            let kept = if short { BANK_CHARGE } else { 0 };
            if short {
                self.short_done = true;
                self.planted.open("short_payout", -BANK_CHARGE, "USD");
            }
            let arriving = Arriving {
                amount: payout.amount,
                kept,
                provider: payout.provider,
                text: &payout.text,
                trace: payout.trace.as_deref(),
            };
            world.bank_payout(payout.bank, &arriving, day);
            if payout.bank == BANK_US {
                world.stripe.mark_paid(&payout.id, now);
            } else if let Some(shop) = world.shops.get_mut(SHOP_EU) {
                let _ = shop.payout_is(&payout.id, "paid", now);
            }
        }
        // The landlord is paid from the same account: a line that is none of ours.
        if day == after(self.settings.start, 1) {
            for bank in world.banks.values_mut() {
                bank.debit(180_000, day, "Warehouse Rent BV", "rent", None);
            }
        }
        for (connection, bank) in &mut world.banks {
            if let Some((name, body)) = bank.close_day(day) {
                sent.push((now, Sent::File { connection, name, body }));
            }
        }
    }

    /// Somebody changes a posted order in the books.
    fn edit_in_books(&mut self, world: &mut World, now: Timestamp) {
        let Some(odoo) = &mut world.odoo else { return };
        let domain = serde_json::json!([["state", "=", "sale"], ["company_id", "=", 1]]);
        let total = |odoo: &trueup_odoo::OdooSandbox, id: i64| {
            let orders = odoo.read_all("sale.order", &domain, &["id", "amount_total"]);
            let order = orders
                .iter()
                .find(|order| order.get("id").and_then(serde_json::Value::as_i64) == Some(id));
            order.and_then(|order| minor_of(order.get("amount_total")?))
        };
        let orders = odoo.read_all("sale.order", &domain, &["id"]);
        let Some(id) = orders.first().and_then(|order| order.get("id")?.as_i64()) else { return };
        let before = total(odoo, id);
        if odoo.edit_order_total(id, EDIT_IN_BOOKS, now)
            && let (Some(before), Some(after)) = (before, total(odoo, id))
        {
            self.planted.open("edited_in_books", after - before, "USD");
        }
    }

    /// Somebody deletes the credit note of a refund in the books.
    fn delete_credit_note(&mut self, world: &mut World, now: Timestamp) {
        let Some(odoo) = &mut world.odoo else { return };
        let notes = odoo.read_all(
            "account.move",
            &serde_json::json!([
                ["move_type", "=", "out_refund"],
                ["state", "=", "posted"],
                ["company_id", "=", 1]
            ]),
            &["id", "amount_total"],
        );
        let Some(note) = notes.first() else { return };
        let id = note.get("id").and_then(serde_json::Value::as_i64);
        let (Some(id), Some(minor)) = (id, note.get("amount_total").and_then(minor_of)) else {
            return;
        };
        if odoo.delete_credit_note(id, now) {
            self.planted.open("gone_from_books", -minor, "USD");
        }
    }
}

/// Cents of an amount as Odoo writes it.
fn minor_of(amount: &serde_json::Value) -> Option<i64> {
    let cents = amount.to_string().parse::<Decimal>().ok()? * Decimal::from(100);
    i64::try_from(cents.normalize().mantissa()).ok().filter(|_| cents.normalize().scale() == 0)
}
