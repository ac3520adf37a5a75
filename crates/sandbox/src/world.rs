//! The vendors side by side, and what passes between them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use trueup_bank::BankSandbox;
use trueup_connect::sandbox::{Push, Sandbox};
use trueup_connect::{Reply, Request};
use trueup_domain::Currency;
use trueup_domain::document::{PaymentKind, PaymentStatus, Restock};
use trueup_domain::money::MoneyError;
use trueup_odoo::OdooSandbox;
use trueup_shopify::sandbox::{NewLine, NewOrder, NewRefund, NewTransaction, ShopifySandbox};
use trueup_stripe::StripeSandbox;

/// The names of the demo's connections.
pub const SHOP_US: &str = "shop-us";
pub const SHOP_EU: &str = "shop-eu";
pub const STRIPE: &str = "stripe-us";
pub const BANK_US: &str = "bank-us";
pub const BANK_EU: &str = "bank-eu";
pub const ODOO: &str = "odoo";

pub const IBAN_US: &str = "US64SVBKUS6S3300958879";
pub const IBAN_EU: &str = "NL91ABNA0417164300";

/// The EU shop's fee at Shopify Payments: 1.9 % and 0.25, in minor units, rounded half up.
pub fn shop_fee(amount: i64) -> i64 {
    (amount * 19 + 500) / 1000 + 25
}

/// How an order is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paid {
    Card,
    GiftCard,
    /// So much by gift card, the rest by card.
    Split {
        gift_card: i64,
    },
    /// The buyer transfers the money; it comes on a later day.
    Transfer,
}

/// One order as it really happened, for what follows it.
#[derive(Clone, Debug)]
pub struct Sold {
    pub shop: &'static str,
    pub id: String,
    pub total: i64,
    /// The card payment: the shop's transaction, and the provider's charge where it is Stripe.
    pub card: Option<(String, Option<String>)>,
    pub card_amount: i64,
    pub gift_card: Option<(String, i64)>,
}

/// What a merchant does to an order that was placed before.
pub enum Edit {
    AddLine(NewLine),
    /// Each unit of the first line costs so much more, and has no discount any more.
    RaisePrice(i64),
}

pub struct World {
    pub shops: BTreeMap<&'static str, ShopifySandbox>,
    pub stripe: StripeSandbox,
    pub banks: BTreeMap<&'static str, BankSandbox>,
    /// Absent where a real one is used.
    pub odoo: Option<OdooSandbox>,
}

impl World {
    pub fn new(with_odoo: bool) -> Result<Self, MoneyError> {
        let (usd, eur) = (Currency::parse("USD")?, Currency::parse("EUR")?);
        let us = ShopifySandbox::new("trueup-us.myshopify.com", usd, false).with_offset(-4);
        let eu = ShopifySandbox::new("trueup-eu.myshopify.com", eur, true).with_offset(2);
        Ok(Self {
            shops: BTreeMap::from([(SHOP_US, us), (SHOP_EU, eu)]),
            stripe: StripeSandbox::new("acct_trueupdemo", usd),
            banks: BTreeMap::from([
                (BANK_US, BankSandbox::new(IBAN_US, usd, 2_500_000)),
                (BANK_EU, BankSandbox::new(IBAN_EU, eur, 1_800_000)),
            ]),
            odoo: with_odoo.then(OdooSandbox::new_demo),
        })
    }

    /// Answers a request of a connection; an unknown connection is not found.
    pub fn handle(&mut self, connection: &str, request: &Request, now: Timestamp) -> Reply {
        if connection == STRIPE {
            return self.stripe.handle(request, now);
        }
        if connection == ODOO
            && let Some(odoo) = &mut self.odoo
        {
            return odoo.handle(request, now);
        }
        if let Some((_, shop)) = self.shops.iter_mut().find(|(name, _)| **name == connection) {
            return shop.handle(request, now);
        }
        Reply { status: 404, headers: Vec::new(), body: Vec::new() }
    }

    /// The webhooks that wait to be sent, with the connection each belongs to.
    pub fn take_pushes(&mut self) -> Vec<(&'static str, Push)> {
        let mut all = Vec::new();
        for (name, shop) in &mut self.shops {
            all.extend(shop.take_deliveries().into_iter().map(|push| (*name, push)));
        }
        all.extend(self.stripe.take_deliveries().into_iter().map(|push| (STRIPE, push)));
        all
    }

    fn shop(&mut self, name: &str) -> Option<&mut ShopifySandbox> {
        self.shops.iter_mut().find(|(own, _)| **own == name).map(|(_, shop)| shop)
    }

    fn total(&mut self, shop: &str, order: &str) -> Option<i64> {
        let shop = self.shop(shop)?;
        Some(shop.order(order)?.total(shop.taxes_included()))
    }

    /// A buyer orders and pays. `fee` overrides what the provider charges.
    pub fn sell(
        &mut self,
        shop: &'static str,
        order: NewOrder,
        paid: Paid,
        fee: Option<i64>,
        now: Timestamp,
    ) -> Option<Sold> {
        let id = self.shop(shop)?.place_order(order, now).ok()?;
        let total = self.total(shop, &id)?;
        // The buyer pays a moment after the order is there: two versions of it.
        let now = now.checked_add(jiff::SignedDuration::from_secs(2)).ok()?;
        let mut sold = Sold { shop, id, total, card: None, card_amount: 0, gift_card: None };
        let by_card = match paid {
            Paid::Card => total,
            Paid::GiftCard => {
                self.pay_by_gift_card(&mut sold, total, now)?;
                0
            }
            Paid::Split { gift_card } => {
                let gift_card = gift_card.min(total);
                self.pay_by_gift_card(&mut sold, gift_card, now)?;
                total - gift_card
            }
            Paid::Transfer => {
                let mut pending =
                    NewTransaction::succeeded(PaymentKind::Sale, "Bank Deposit", total);
                pending.status = PaymentStatus::Pending;
                let id = sold.id.clone();
                let transaction = self.shop(shop)?.add_transaction(&id, pending, now).ok()?;
                sold.card = Some((transaction, None));
                0
            }
        };
        if by_card > 0 {
            self.pay_by_card(&mut sold, by_card, fee, now)?;
        }
        Some(sold)
    }

    /// The merchant changes an order that was paid by card; the buyer pays what it costs more.
    pub fn edit(&mut self, sold: &mut Sold, edit: Edit, now: Timestamp) -> Option<()> {
        let id = sold.id.clone();
        let shop = self.shop(sold.shop)?;
        match edit {
            Edit::AddLine(line) => shop.add_line(&id, line, now).ok()?,
            Edit::RaisePrice(by) => shop.raise_price(&id, 0, by, now).ok()?,
        }
        let total = self.total(sold.shop, &id)?;
        let dearer = total - sold.total;
        sold.total = total;
        let now = now.checked_add(jiff::SignedDuration::from_secs(90)).ok()?;
        if dearer > 0 { self.pay_by_card(sold, dearer, None, now) } else { Some(()) }
    }

    fn pay_by_gift_card(&mut self, sold: &mut Sold, amount: i64, now: Timestamp) -> Option<()> {
        let sale = NewTransaction::succeeded(PaymentKind::Sale, "gift_card", amount);
        let transaction = self.shop(sold.shop)?.add_transaction(&sold.id, sale, now).ok()?;
        sold.gift_card = Some((transaction, amount));
        Some(())
    }

    fn pay_by_card(
        &mut self,
        sold: &mut Sold,
        amount: i64,
        fee: Option<i64>,
        now: Timestamp,
    ) -> Option<()> {
        sold.card_amount = amount;
        let id = sold.id.clone();
        if sold.shop == SHOP_US {
            let number = self.shop(sold.shop)?.order(&id)?.name();
            let charge = match fee {
                Some(fee) => self.stripe.charge_with_fee(amount, fee, &number, now),
                None => self.stripe.charge(amount, &number, now),
            };
            let mut sale = NewTransaction::succeeded(PaymentKind::Sale, "stripe", amount);
            sale.provider_id = Some(charge.clone());
            let transaction = self.shop(sold.shop)?.add_transaction(&id, sale, now).ok()?;
            sold.card = Some((transaction, Some(charge)));
        } else {
            let sale = NewTransaction::succeeded(PaymentKind::Sale, "shopify_payments", amount);
            let shop = self.shop(sold.shop)?;
            let transaction = shop.add_transaction(&id, sale, now).ok()?;
            let fee = fee.unwrap_or_else(|| shop_fee(amount));
            shop.book_transaction(&id, &transaction, fee, now).ok()?;
            sold.card = Some((transaction, None));
        }
        Some(())
    }

    /// The merchant gives back some lines and shipping, together `amount`, to the tenders they came
    /// from: the card first. Returns the refund's id.
    pub fn give_back(
        &mut self,
        sold: &Sold,
        lines: &[(usize, i64)],
        amount: i64,
        shipping: i64,
        now: Timestamp,
    ) -> Option<String> {
        let order = self.shop(sold.shop)?.order(&sold.id)?;
        // What has not left does not come back.
        let restock = |line: usize| match order.lines.get(line).is_some_and(|it| it.fulfilled > 0) {
            true => Restock::Returned,
            false => Restock::Cancelled,
        };
        let restocked = lines.iter().map(|(line, units)| (*line, *units, restock(*line)));
        let mut refund = NewRefund {
            lines: restocked.collect(),
            shipping,
            note: Some("returned".to_owned()),
            transactions: Vec::new(),
        };
        let by_card = amount.min(sold.card_amount);
        if let (Some((transaction, charge)), true) = (&sold.card, by_card > 0) {
            let gateway = if charge.is_some() { "stripe" } else { "shopify_payments" };
            let mut back = NewTransaction::succeeded(PaymentKind::Refund, gateway, by_card);
            back.parent = Some(transaction.clone());
            if let Some(charge) = charge {
                back.provider_id = Some(self.stripe.refund(charge, by_card, now)?);
            }
            refund.transactions.push(back);
        }
        if let (Some((transaction, _)), true) = (&sold.gift_card, amount > by_card) {
            let mut back =
                NewTransaction::succeeded(PaymentKind::Refund, "gift_card", amount - by_card);
            back.parent = Some(transaction.clone());
            refund.transactions.push(back);
        }
        let shop = self.shop(sold.shop)?;
        let id = shop.refund(&sold.id, refund, now).ok()?;
        if sold.shop == SHOP_EU && by_card > 0 {
            let order = shop.order(&sold.id)?;
            let of_refund = order.transactions.iter().filter(|one| {
                one.refund.is_some_and(|refund| refund.to_string() == id)
                    && one.gateway == "shopify_payments"
            });
            let by_card: Vec<String> = of_refund.map(|one| one.id.to_string()).collect();
            for transaction in by_card {
                shop.book_transaction(&sold.id, &transaction, 0, now).ok()?;
            }
        }
        Some(id)
    }

    /// One unit of the first line comes back, for what it cost. `None` where none is left, or the
    /// last payment does not cover it.
    pub fn give_back_unit(&mut self, sold: &Sold, now: Timestamp) -> Option<String> {
        let unit = [(0, 1)];
        let amount = self.shop(sold.shop)?.worth(&sold.id, &unit, 0)?;
        self.give_back(self.covered(sold, amount)?, &unit, amount, 0, now)
    }

    /// The merchant calls an order off before anything of it leaves, and gives all of it back.
    /// `None` where something has left or come back, or the last payment does not cover it.
    pub fn call_off(&mut self, sold: &Sold, now: Timestamp) -> Option<()> {
        self.give_all_back(sold, now)?;
        self.shop(sold.shop)?.cancel(&sold.id, now).ok()
    }

    /// The first stroke of [`Self::call_off`].
    pub fn give_all_back(&mut self, sold: &Sold, now: Timestamp) -> Option<()> {
        let shop = self.shop(sold.shop)?;
        let order = shop.order(&sold.id)?;
        if order.lines.iter().any(|line| line.fulfilled > 0 || line.gone > 0) {
            return None;
        }
        let lines: Vec<(usize, i64)> =
            order.lines.iter().enumerate().map(|(at, line)| (at, line.quantity)).collect();
        let shipping = order.shipping.as_ref().map_or(0, |it| it.price - it.discount);
        let amount = shop.worth(&sold.id, &lines, shipping)?;
        self.give_back(self.covered(sold, amount)?, &lines, amount, shipping, now).map(|_| ())
    }

    /// Of an order that was paid more than once only the last payment is at hand.
    fn covered<'a>(&self, sold: &'a Sold, amount: i64) -> Option<&'a Sold> {
        let shop = self.shops.iter().find(|(name, _)| **name == sold.shop)?.1;
        let (_, returned) = shop.order(&sold.id)?.paid();
        let paid = sold.card_amount + sold.gift_card.as_ref().map_or(0, |(_, amount)| *amount);
        (returned + amount <= paid).then_some(sold)
    }

    /// A payout on its way becomes a line of the bank, less what the bank keeps.
    pub fn bank_payout(&mut self, bank: &str, payout: &Arriving<'_>, booked_on: Date) {
        let found = self.banks.iter_mut().find(|(own, _)| **own == bank);
        let Some((_, bank)) = found else { return };
        let arriving = payout.amount - payout.kept;
        let (from, text, trace) = (payout.provider, payout.text, payout.trace);
        if arriving >= 0 {
            bank.credit(arriving, booked_on, from, text, trace);
        } else {
            bank.debit(-arriving, booked_on, from, text, trace);
        }
    }
}

/// A payout as the bank sees it; `kept` is the bank's own charge.
pub struct Arriving<'a> {
    pub amount: i64,
    pub kept: i64,
    pub provider: &'a str,
    pub text: &'a str,
    pub trace: Option<&'a str>,
}
