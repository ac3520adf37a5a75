//! Documents of one sale as a till states them, in few words.

use jiff::Timestamp;
use trueup_domain::document::{
    Address, Buyer, Charge, ChargeKind, Discount, Document, Funder, LedgerRow, Line, LineKind,
    Order, Payment, PaymentKind, PaymentStanding, PaymentStatus, Refund, RefundAdjustment,
    RefundLine, Remitter, Restock, RowClass, TaxLine, Tender, Version,
};
use trueup_domain::money::{Currency, Money};

/// One order of one shop. Amounts are in the shop's currency.
pub struct Till {
    pub order: String,
    pub currency: Currency,
    /// Prices contain their tax.
    pub included: bool,
    /// Country, and region where it has one.
    pub place: (&'static str, Option<&'static str>),
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

impl Till {
    pub fn money(&self, text: &str) -> Money {
        Money::parse(text, self.currency).expect("an amount")
    }

    fn zero(&self) -> Money {
        Money::zero(self.currency)
    }

    pub fn tax(&self, rate: &str, amount: &str) -> TaxLine {
        TaxLine {
            title: format!("tax {rate}"),
            rate: rate.parse().expect("a rate"),
            amount: self.money(amount),
            remitted_by: Remitter::Merchant,
        }
    }

    pub fn remitted(&self, rate: &str, amount: &str) -> TaxLine {
        TaxLine { remitted_by: Remitter::Marketplace, ..self.tax(rate, amount) }
    }

    pub fn discount(&self, funder: Funder, amount: &str) -> Discount {
        Discount { title: format!("{funder:?} promotion"), funder, amount: self.money(amount) }
    }

    /// A line of goods, its id the SKU.
    pub fn goods(&self, sku: &str, quantity: i64, unit: &str, taxes: &[TaxLine]) -> Line {
        Line {
            id: format!("l-{sku}"),
            kind: LineKind::Goods,
            sku: Some(sku.to_owned()),
            title: format!("goods {sku}"),
            quantity,
            unit_price: self.money(unit).decimal(),
            gross: self.money(unit).checked_mul(quantity).expect("in range"),
            discounts: Vec::new(),
            taxes: taxes.to_vec(),
            requires_shipping: true,
        }
    }

    pub fn other(&self, kind: LineKind, amount: &str) -> Line {
        Line { kind, sku: None, ..self.goods(&format!("{kind:?}"), 1, amount, &[]) }
    }

    pub fn charge(&self, kind: ChargeKind, gross: &str, taxes: &[TaxLine]) -> Charge {
        Charge {
            id: format!("c-{kind:?}"),
            kind,
            title: format!("{kind:?}"),
            gross: self.money(gross),
            discounts: Vec::new(),
            taxes: taxes.to_vec(),
        }
    }

    /// Version 1 of the order, unpaid, with the total that its parts make.
    pub fn order(&self, lines: Vec<Line>, charges: Vec<Charge>) -> Order {
        let (country, region) = self.place;
        let shipping = Address {
            country: Some(country.to_owned()),
            region: region.map(str::to_owned),
            ..Address::default()
        };
        let mut order = Order {
            id: self.order.clone(),
            number: format!("#{}", self.order),
            customer_reference: None,
            version: Version(1),
            placed_at: at("2026-11-02T10:00:00Z"),
            due_on: None,
            currency: self.currency,
            presentment_total: None,
            taxes_included: self.included,
            lines,
            charges,
            total: self.zero(),
            payment_standing: PaymentStanding::Pending,
            source: None,
            cancelled_at: None,
            buyer: Some(Buyer { shipping: Some(shipping), ..Buyer::default() }),
            test: false,
        };
        order.total = self.total(&order);
        order
    }

    fn total(&self, order: &Order) -> Money {
        let parts = order.lines.iter().map(|line| (line.gross, &line.discounts));
        let charges = order.charges.iter().map(|charge| (charge.gross, &charge.discounts));
        let mut minor = 0;
        for (gross, discounts) in parts.chain(charges) {
            minor += gross.minor() - discounts.iter().map(|it| it.amount.minor()).sum::<i64>();
        }
        if !self.included {
            minor += order.taxes().map(|tax| tax.amount.minor()).sum::<i64>();
        }
        Money::from_minor(minor, self.currency)
    }

    /// The order after something was done to it.
    pub fn changed(&self, order: &Order, change: impl FnOnce(&mut Order)) -> Order {
        let mut order = order.clone();
        order.version = Version(order.version.0 + 1);
        change(&mut order);
        order.total = self.total(&order);
        order
    }

    pub fn payment(&self, id: &str, kind: PaymentKind, gateway: &str, amount: &str) -> Payment {
        let tender = match gateway {
            "gift_card" => Tender::GiftCard,
            "store_credit" => Tender::StoreCredit,
            "Bank Deposit" => Tender::BankTransfer,
            _ => Tender::Card,
        };
        Payment {
            id: format!("{}-{id}", self.order),
            order: self.order.clone(),
            version: Version(1),
            kind,
            status: PaymentStatus::Succeeded,
            amount: self.money(amount),
            gateway: gateway.to_owned(),
            tender,
            parent: None,
            refund: None,
            provider_id: Some(format!("ch_{}_{id}", self.order)),
            processed_at: at("2026-11-02T10:01:00Z"),
            test: false,
        }
    }

    /// Money of the buyer, taken.
    pub fn paid(&self, id: &str, gateway: &str, amount: &str) -> Document {
        self.payment(id, PaymentKind::Sale, gateway, amount).into()
    }

    /// Money sent back for the refund `r1`.
    pub fn back(&self, id: &str, gateway: &str, amount: &str) -> Payment {
        let back = self.payment(id, PaymentKind::Refund, gateway, amount);
        let refund = Some(format!("{}-r1", self.order));
        Payment { refund, processed_at: at("2026-11-05T09:00:00Z"), ..back }
    }

    /// The provider's rows of a refund that went and came back four days later.
    pub fn taken_back(&self, id: &str, amount: &str) -> Vec<Document> {
        let row = |name: &str, class, gross: Money, day: &str| {
            Document::from(LedgerRow {
                id: format!("{}-{id}-{name}", self.order),
                class,
                kind: name.to_owned(),
                gross,
                fee: self.zero(),
                net: gross,
                fees: Vec::new(),
                presentment: None,
                object: Some(format!("ch_{}_{id}", self.order)),
                capture: None,
                order: None,
                payout: None,
                occurred_at: at(day),
                available_on: None,
                description: None,
            })
        };
        let amount = self.money(amount);
        let gone = amount.checked_neg().expect("in range");
        vec![
            row("refund", RowClass::Refund, gone, "2026-11-05T09:00:00Z"),
            row("refund_failure", RowClass::RefundFailure, amount, "2026-11-09T09:00:00Z"),
        ]
    }

    pub fn given_back(
        &self,
        sku: &str,
        quantity: i64,
        amount: &str,
        tax: &str,
        restock: Restock,
    ) -> RefundLine {
        RefundLine {
            id: format!("{}-r1-{sku}", self.order),
            line: format!("l-{sku}"),
            quantity,
            amount: self.money(amount),
            tax: self.money(tax),
            restock,
            location: None,
        }
    }

    pub fn adjustment(
        &self,
        charge: Option<ChargeKind>,
        amount: &str,
        tax: &str,
    ) -> RefundAdjustment {
        RefundAdjustment {
            id: format!("{}-r1-{charge:?}", self.order),
            charge,
            reason: "adjusted".to_owned(),
            amount: self.money(amount),
            tax: self.money(tax),
            taxes: Vec::new(),
        }
    }

    /// The refund `r1`: what was agreed to go back, and the payments that carry it.
    pub fn refund(
        &self,
        lines: Vec<RefundLine>,
        adjustments: Vec<RefundAdjustment>,
        payments: &[&str],
    ) -> Document {
        let of_lines = lines.iter().map(|line| (line.amount, line.tax));
        let of_adjustments = adjustments.iter().map(|one| (one.amount, one.tax));
        let total: i64 = of_lines
            .chain(of_adjustments)
            .map(|(amount, tax)| amount.minor() + if self.included { 0 } else { tax.minor() })
            .sum();
        Refund {
            id: format!("{}-r1", self.order),
            order: self.order.clone(),
            version: Version(1),
            created_at: at("2026-11-04T09:00:00Z"),
            reason: None,
            lines,
            adjustments,
            total: Money::from_minor(total, self.currency),
            transactions: payments.iter().map(|id| format!("{}-{id}", self.order)).collect(),
            exchanged_for: Vec::new(),
        }
        .into()
    }
}
