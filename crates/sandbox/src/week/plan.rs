//! The week as it is planned from its seed, before anything happens.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use trueup_shopify::sandbox::{NewLine, NewOrder, NewShipping, NewTax};

use super::catalogue::{CATALOGUE, STATES, buyer_eu, buyer_us, taxes};
use super::{DAYS, HASTE, Happening, Planned, Trouble, Week, after, at};
use crate::chance::Chance;
use crate::world::{Paid, SHOP_EU, SHOP_US};

impl Week {
    pub(super) fn plan(&mut self) {
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
            let mut planned = self.order(&mut chance, shop);
            if let (true, Some(first)) = (self.settings.alike, self.orders.first()) {
                (planned.shop, planned.paid) = (first.shop, first.paid);
                planned.order = first.order.clone();
            }
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
        let mut haste = Chance::new(self.settings.seed ^ 0x48_41_53_54);
        for index in kept {
            let at_once = self.orders.get(*index).is_some_and(|it| it.paid != Paid::Transfer);
            let Some(placed) = placed.get(index).filter(|_| at_once) else { continue };
            if chance.hits(self.settings.cancelled_per_mille) {
                let at = *placed + SignedDuration::from_mins(chance.between(1, 240));
                let in_strokes = haste.hits(self.settings.hasty_per_mille);
                let whole = Happening::CallOff(*index);
                self.add(at, if in_strokes { Happening::GiveAllBack(*index) } else { whole });
            } else if chance.hits(self.settings.returned_per_mille) {
                let at = *placed + SignedDuration::from_mins(chance.between(30, 4_000));
                self.add(at, Happening::ReturnUnit(*index));
                if chance.hits(500) {
                    let later = SignedDuration::from_mins(chance.between(1, 1_500));
                    let hasty = haste.hits(self.settings.hasty_per_mille);
                    let again = at + if hasty { HASTE } else { later };
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
}
