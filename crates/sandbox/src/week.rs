//! Seven virtual days of a retailer, across a month end, a weekend and a bank holiday.
//!
//! The week is planned from a seed, then played step by step; what goes wrong is planted on the
//! way and written down in [`Planted`], which only the comparison at the end reads.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use trueup_connect::sandbox::Push;
use trueup_domain::calendar::Calendar;
use trueup_domain::document::{Address, Buyer, PaymentStatus};
use trueup_shopify::sandbox::{NewLine, NewOrder, NewShipping, NewTax};

use crate::chance::Chance;
use crate::world::{Arriving, BANK_EU, BANK_US, Edit, Paid, SHOP_EU, SHOP_US, STRIPE, Sold, World};

pub const DAYS: i64 = 7;
/// What the bank keeps of the one short payout.
const BANK_CHARGE: i64 = 1500;
/// How much too much the provider charges once.
const FEE_EXCESS: i64 = 37;
const UNKNOWN_ROW: i64 = 1234;
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
    /// The merchant calls an order off and gives all of it back.
    CallOff(usize),
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
    pub planted: Planted,
}

struct Article {
    sku: &'static str,
    title: &'static str,
    price: i64,
    reduced_rate: bool,
}

/// The catalogue of both shops; the books know the same SKUs.
const CATALOGUE: &[Article] = &[
    Article { sku: "TEE-S", title: "Tee, small", price: 1990, reduced_rate: false },
    Article { sku: "TEE-M", title: "Tee, medium", price: 1990, reduced_rate: false },
    Article { sku: "TEE-L", title: "Tee, large", price: 2199, reduced_rate: false },
    Article { sku: "HOODIE-M", title: "Hoodie, medium", price: 5499, reduced_rate: false },
    Article { sku: "HOODIE-L", title: "Hoodie, large", price: 5999, reduced_rate: false },
    Article { sku: "MUG-01", title: "Mug", price: 1250, reduced_rate: false },
    Article { sku: "CAP-01", title: "Cap", price: 2475, reduced_rate: false },
    Article { sku: "SOCKS-2", title: "Socks, two pairs", price: 999, reduced_rate: false },
    Article { sku: "BAG-CANVAS", title: "Canvas bag", price: 3333, reduced_rate: false },
    Article { sku: "POSTER-A2", title: "Poster A2", price: 1795, reduced_rate: true },
];

/// A tax of a place by its title, in ten-thousandths.
type LocalTax = (&'static str, i64);

/// States with a city and the taxes that a buyer there pays.
const STATES: &[(&str, &str, &[LocalTax])] = &[
    ("NY", "New York", &[("New York State Tax", 400), ("New York City Tax", 450)]),
    ("CA", "Los Angeles", &[("California State Tax", 725), ("Los Angeles County Tax", 225)]),
    ("TX", "Austin", &[("Texas State Tax", 625), ("Austin City Tax", 200)]),
    ("WA", "Seattle", &[("Washington State Tax", 650), ("Seattle City Tax", 385)]),
    ("FL", "Miami", &[("Florida State Tax", 600)]),
];

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

    fn add(&mut self, at: Timestamp, happening: Happening) {
        let number = self.happenings.len() + self.orders.len() * 16;
        let mut key = (at, number);
        while self.happenings.contains_key(&key) {
            key.1 += 1;
        }
        self.happenings.insert(key, happening);
    }

    fn plan(&mut self) {
        let mut chance = Chance::new(self.settings.seed);
        let orders = usize::try_from(self.settings.orders).unwrap_or(0);
        // A rare thing happens at least once in a week of any size worth showing.
        let one_in = |share: usize| (orders / share).max(usize::from(orders >= 20));
        for index in 0..orders {
            let day = after(self.settings.start, chance.between(0, DAYS - 1));
            let (hour, minute) = (chance.between(0, 21), chance.between(0, 59));
            let hour = i8::try_from(hour).unwrap_or(0);
            let minute = i8::try_from(minute).unwrap_or(0);
            let placed = at(day, hour, minute);
            let shop = if chance.hits(550) { SHOP_US } else { SHOP_EU };
            let planned = self.order(&mut chance, shop);
            let transfer = planned.paid == Paid::Transfer;
            self.orders.push(planned);
            self.add(placed, Happening::Order(index));
            let hours = chance.between(5, 30);
            self.add(placed + SignedDuration::from_hours(hours), Happening::Fulfil(index));
            if transfer {
                let days = chance.between(1, 2);
                let arrives = self.calendar.add_business_days(after(day, days), 0);
                self.add(at(arrives, 9, 0), Happening::TransferArrives(index));
            }
        }
        // 9 % come back on later days.
        let mut returns = BTreeSet::new();
        while returns.len() < orders * 9 / 100 {
            returns.insert(usize::try_from(chance.below(orders as u64)).unwrap_or(0));
        }
        let kept: Vec<usize> = (0..orders).filter(|index| !returns.contains(index)).collect();
        let placed: BTreeMap<usize, Timestamp> = self
            .happenings
            .iter()
            .filter_map(|((at, _), what)| match what {
                Happening::Order(index) => Some((*index, *at)),
                _ => None,
            })
            .collect();
        for index in returns {
            let Some(placed) = placed.get(&index) else { continue };
            let hours = chance.between(31, 80);
            self.add(*placed + SignedDuration::from_hours(hours), Happening::Return(index));
        }
        self.plan_edits(&kept, &placed);
        self.plan_reversals(&kept, &placed);
        for day in 0..DAYS {
            let day = after(self.settings.start, day);
            self.add(at(day, 22, 30), Happening::Payouts);
            self.add(at(day, 20, 0), Happening::BankDay(day));
        }
        if self.settings.faults && orders >= 20 {
            self.plant(&mut chance, &placed, one_in(100));
        }
        // The hub's last polls find what happened in the last hours.
        self.add(self.end() - SignedDuration::from_mins(1), Happening::Nothing);
    }

    /// Some orders are edited minutes to two days after they were paid.
    fn plan_edits(&mut self, kept: &[usize], placed: &BTreeMap<usize, Timestamp>) {
        // A source of its own: a week without edits is otherwise the same.
        let mut chance = Chance::new(self.settings.seed ^ 0x45_44_49_54);
        for index in kept {
            let by_card = self.orders.get(*index).is_some_and(|it| it.paid == Paid::Card);
            let Some(placed) = placed.get(index).filter(|_| by_card) else { continue };
            let at = *placed + SignedDuration::from_mins(chance.between(5, 3_000));
            if chance.hits(self.settings.extended_per_mille) {
                self.add(at, Happening::Extend(*index));
            } else if chance.hits(self.settings.repriced_per_mille) {
                self.add(at, Happening::Reprice(*index));
            }
        }
    }

    /// Some orders are called off before they leave, of some a unit or two come back.
    fn plan_reversals(&mut self, kept: &[usize], placed: &BTreeMap<usize, Timestamp>) {
        let mut chance = Chance::new(self.settings.seed ^ 0x42_41_43_4B);
        for index in kept {
            let at_once = self.orders.get(*index).is_some_and(|it| it.paid != Paid::Transfer);
            let Some(placed) = placed.get(index).filter(|_| at_once) else { continue };
            if chance.hits(self.settings.cancelled_per_mille) {
                let at = *placed + SignedDuration::from_mins(chance.between(1, 240));
                self.add(at, Happening::CallOff(*index));
            } else if chance.hits(self.settings.returned_per_mille) {
                let at = *placed + SignedDuration::from_mins(chance.between(30, 4_000));
                self.add(at, Happening::ReturnUnit(*index));
                if chance.hits(500) {
                    let again = at + SignedDuration::from_mins(chance.between(1, 1_500));
                    self.add(again, Happening::ReturnUnit(*index));
                }
            }
        }
    }

    /// Chooses where things go wrong.
    fn plant(&mut self, chance: &mut Chance, placed: &BTreeMap<usize, Timestamp>, rare: usize) {
        let start = self.settings.start;
        let mut free: Vec<usize> = (0..self.orders.len())
            .filter(|index| {
                let early = placed.get(index).is_some_and(|it| *it < at(after(start, 5), 0, 0));
                early && self.orders.get(*index).is_some_and(|it| it.paid == Paid::Card)
            })
            .collect();
        // A poll that finds an order some minutes after it was placed is no proof that its webhook
        // was lost: the hub grants a webhook ten minutes. Polls come on the half hour.
        let long_before_a_poll = |placed: &Timestamp| {
            placed.duration_since(at(start, 0, 0)).as_mins().rem_euclid(30) < 19
        };
        let mut take = |chance: &mut Chance,
                        us_only: bool,
                        found_by_poll: bool,
                        orders: &[Planned]|
         -> Option<usize> {
            let fits: Vec<usize> = free
                .iter()
                .copied()
                .filter(|index| !us_only || orders.get(*index).is_some_and(|it| it.shop == SHOP_US))
                .filter(|index| !found_by_poll || placed.get(index).is_none_or(long_before_a_poll))
                .collect();
            let chosen = *chance.pick(&fits)?;
            free.retain(|index| *index != chosen);
            Some(chosen)
        };
        for (trouble, times, us_only) in [
            (Trouble::Duplicate, rare.min(3), false),
            (Trouble::Lost, rare.min(2), false),
            (Trouble::Stale, rare.min(2), false),
            (Trouble::WrongFee, 1, true),
        ] {
            for _ in 0..times {
                let lost = trouble == Trouble::Lost;
                let Some(index) = take(chance, us_only, lost, &self.orders) else { continue };
                if let Some(order) = self.orders.get_mut(index) {
                    order.trouble = Some(trouble);
                }
                if let (Trouble::Stale, Some(placed)) = (trouble, placed.get(&index)) {
                    let late = *placed + SignedDuration::from_hours(3);
                    self.add(late, Happening::Late(index));
                }
            }
        }
        // A wholesale order in Europe, given back whole on the Sunday: that day's payout is
        // negative.
        let big = self.orders.len();
        let units = i64::from(self.settings.orders) * 2;
        let line = NewLine {
            sku: Some("HOODIE-M".to_owned()),
            title: "Hoodie, medium".to_owned(),
            unit: 5499,
            quantity: units.max(20),
            taxes: vec![NewTax::by_rate("VAT", Decimal::new(19, 2))],
            ..NewLine::default()
        };
        let order = NewOrder { lines: vec![line], buyer: Some(buyer_eu(7)), ..NewOrder::default() };
        self.orders.push(Planned {
            shop: SHOP_EU,
            order,
            paid: Paid::Card,
            trouble: None,
            sold: None,
            returned: false,
            big: true,
            kept_back: None,
        });
        self.add(at(start, 8, 15), Happening::Order(big));
        self.add(at(after(start, 4), 11, 0), Happening::Return(big));
        self.add(at(after(start, 2), 10, 10), Happening::OldRefund);
        self.add(at(after(start, 3), 15, 45), Happening::Dispute);
        self.add(at(after(start, 1), 18, 5), Happening::UnknownRow);
        self.add(at(after(start, 1), 12, 1), Happening::LoseReply);
        self.add(at(after(start, 4), 16, 1), Happening::LoseReply);
        self.add(at(after(start, 5), 14, 0), Happening::EditInBooks);
        self.add(at(after(start, 5), 14, 5), Happening::DeleteCreditNote);
    }

    fn order(&self, chance: &mut Chance, shop: &'static str) -> Planned {
        let place = chance.pick(STATES).copied().unwrap_or(("NY", "New York", &[]));
        // 1.8 lines an order on average.
        let lines = match chance.below(100) {
            0..=44 => 1,
            45..=79 => 2,
            _ => 3,
        };
        let mut order = NewOrder { source: "web".to_owned(), ..NewOrder::default() };
        let mut skus = BTreeSet::new();
        while order.lines.len() < lines {
            let Some(article) = chance.pick(CATALOGUE) else { break };
            if !skus.insert(article.sku) {
                continue;
            }
            order.lines.push(NewLine {
                sku: Some(article.sku.to_owned()),
                title: article.title.to_owned(),
                unit: article.price,
                quantity: chance.between(1, 3),
                taxes: taxes(shop, place.2, article.reduced_rate),
                ..NewLine::default()
            });
        }
        // 28 % are discounted.
        if chance.hits(280) {
            let percent = chance.between(5, 25);
            order.discount_code = Some(format!("SPRING{percent}"));
            for line in &mut order.lines {
                line.discount = line.unit * line.quantity * percent / 100;
            }
        }
        if chance.hits(700) {
            order.shipping = Some(NewShipping {
                title: "Standard".to_owned(),
                price: if shop == SHOP_US { 595 } else { 490 },
                discount: 0,
                taxes: taxes(shop, place.2, false),
            });
        }
        if chance.hits(15) {
            order.lines.push(NewLine {
                title: "Gift card".to_owned(),
                unit: 5000,
                quantity: 1,
                gift_card: true,
                digital: true,
                ..NewLine::default()
            });
        }
        let number = chance.below(120) + 1;
        order.buyer = Some(if shop == SHOP_US {
            buyer_us(number, place.0, place.1)
        } else {
            buyer_eu(number)
        });
        // 4 % by gift card, 2 % split, 2 % by bank transfer.
        let paid = match chance.below(100) {
            0..=3 => Paid::GiftCard,
            4..=5 => Paid::Split { gift_card: 500 },
            6..=7 => Paid::Transfer,
            _ => Paid::Card,
        };
        Planned {
            shop,
            order,
            paid,
            trouble: None,
            sold: None,
            returned: false,
            big: false,
            kept_back: None,
        }
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
                self.edit(world, *index, |_| Edit::RaisePrice(100), now);
            }
            Happening::CallOff(index) => {
                if let Some(sold) = self.orders.get(*index).and_then(|it| it.sold.clone()) {
                    let _ = world.call_off(&sold, now);
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
            self.planted.open("missing_in_books", -minor, "USD");
        }
    }
}

/// Cents of an amount as Odoo writes it.
fn minor_of(amount: &serde_json::Value) -> Option<i64> {
    let cents = amount.to_string().parse::<Decimal>().ok()? * Decimal::from(100);
    i64::try_from(cents.normalize().mantissa()).ok().filter(|_| cents.normalize().scale() == 0)
}

fn taxes(shop: &str, local: &[LocalTax], reduced: bool) -> Vec<NewTax> {
    if shop == SHOP_US {
        return local
            .iter()
            .map(|(title, rate)| NewTax::by_rate(*title, Decimal::new(*rate, 4)))
            .collect();
    }
    let rate = if reduced { Decimal::new(7, 2) } else { Decimal::new(19, 2) };
    vec![NewTax::by_rate("VAT", rate)]
}

fn tax_of(net: i64, taxes: &[NewTax], included: bool) -> i64 {
    if included {
        return 0;
    }
    let one = |tax: &NewTax| {
        let exact = Decimal::from(net) * tax.rate;
        let rounded =
            exact.round_dp_with_strategy(0, rust_decimal::RoundingStrategy::MidpointAwayFromZero);
        i64::try_from(rounded.mantissa()).unwrap_or(0)
    };
    taxes.iter().map(one).sum()
}

fn line_total(line: &NewLine, included: bool) -> i64 {
    let net = line.unit * line.quantity - line.discount;
    net + tax_of(net, &line.taxes, included)
}

/// What a planned order costs the buyer; the shop computes the same.
/// What comes back when an order is given back whole: gift cards are kept.
fn order_total(order: &NewOrder, included: bool) -> i64 {
    let lines: i64 = order
        .lines
        .iter()
        .filter(|line| !line.gift_card)
        .map(|line| line_total(line, included))
        .sum();
    let shipping = order.shipping.as_ref().map_or(0, |shipping| {
        let net = shipping.price - shipping.discount;
        net + tax_of(net, &shipping.taxes, included)
    });
    lines + shipping
}

fn buyer_us(number: u64, state: &str, city: &str) -> Buyer {
    let address = Address {
        name: Some(format!("Casey Doe {number}")),
        street: Some(format!("{number} Example Street")),
        city: Some(city.to_owned()),
        postcode: Some("10001".to_owned()),
        region: Some(state.to_owned()),
        country: Some("US".to_owned()),
        ..Address::default()
    };
    Buyer {
        // One customer per place: the tax follows the address.
        id: Some(format!("{}{number:04}", state.bytes().map(u64::from).sum::<u64>())),
        name: Some(format!("Casey Doe {number}")),
        email: Some(format!("casey{number}.{}@example.com", state.to_lowercase())),
        billing: Some(address.clone()),
        shipping: Some(address),
        ..Buyer::default()
    }
}

fn buyer_eu(number: u64) -> Buyer {
    let address = Address {
        name: Some(format!("Robin Muster {number}")),
        street: Some(format!("Beispielstraße {number}")),
        city: Some("Berlin".to_owned()),
        postcode: Some("10115".to_owned()),
        country: Some("DE".to_owned()),
        ..Address::default()
    };
    Buyer {
        id: Some(format!("77{number:04}")),
        name: Some(format!("Robin Muster {number}")),
        email: Some(format!("robin{number}@example.com")),
        billing: Some(address.clone()),
        shipping: Some(address),
        ..Buyer::default()
    }
}
