//! What the documents of one sale add to the measures.
//!
//! An order counts on the day it was placed, a refund on the day it was agreed, a gift card on the
//! day it paid; each row also bears the day of the order, for reports by cohort. What no sale was
//! (`is_billed` of DECIDE) adds nothing, and says why.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::figures::{Figures, Measure};
use super::tax::{self, TaxRow};
use crate::derive::Surroundings;
use crate::derive::billing::proportion;
use crate::derive::sale::refunds::{
    excess_back, remitted_of_adjustment, remitted_of_line, without, without_excess,
};
use crate::derive::sale::{Documents, is_billed, moved};
use crate::document::{
    Charge, ChargeKind, Discount, Document, Funder, Line, LineKind, Order, Payment,
    PaymentStanding, Refund, Remitter, TaxLine, Tender,
};
use crate::item::ItemKind;
use crate::money::{Money, MoneyError};

/// Everything that one sale adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contribution {
    /// The channel's own word for where inside it the order was made; empty if it says none.
    pub source: String,
    pub currency: crate::money::Currency,
    pub rows: Vec<SaleRow>,
    pub taxes: Vec<TaxRow>,
}

/// What one document adds for one SKU. What belongs to no SKU stands under the empty one: charges,
/// gift cards, tips, the count of orders, and goods without a SKU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaleRow {
    /// `order/<id>`, `refund/<id>` or `payment/<id>`.
    pub document: String,
    pub sku: String,
    /// The document's own business day.
    pub day: Date,
    pub order_day: Date,
    /// Why it counts nowhere; empty where it counts. Only its stated total is kept then.
    pub excluded: &'static str,
    pub figures: Figures,
}

/// The reasons for which an order counts nowhere, with its refunds.
pub mod excluded {
    pub const TEST: &str = "test";
    pub const BEFORE_START: &str = "before_start";
    pub const DELETED: &str = "deleted";
    pub const VOIDED: &str = "voided";
    pub const CANCELLED: &str = "cancelled";
    /// Its own amounts contradict each other; it counts once they add up.
    pub const HELD: &str = "held";
}

/// `None` while the order itself has not come in.
pub fn of(
    documents: &[Document],
    around: &Surroundings<'_>,
) -> Result<Option<Contribution>, MoneyError> {
    let sorted = Documents::of(documents);
    let Some(order) = sorted.order else { return Ok(None) };
    let order_day = around.day(order.placed_at);
    let mut rows =
        Rows { order_day, excluded: reason(order, &sorted, around)?, by_key: BTreeMap::new() };
    let mut taxes = Vec::new();
    let name = format!("order/{}", order.id);
    rows.add(&name, order_day, "", Measure::Stated, order.total.minor())?;
    if rows.excluded.is_empty() {
        rows.order(&name, order)?;
        taxes.extend(tax::of_order(order, &name, order_day, around.mapping)?);
    }
    let excess = excess_back(order, &sorted)?;
    for refund in &sorted.refunds {
        let (name, day) = (format!("refund/{}", refund.id), around.day(refund.created_at));
        let stated = refund.total.checked_neg()?.minor();
        rows.add(&name, day, "", Measure::Stated, stated)?;
        if rows.excluded.is_empty() {
            // What goes back beyond the sale is no return.
            let beyond = excess.get(&refund.id).copied().unwrap_or(Money::zero(order.currency));
            rows.add(&name, day, "", Measure::Excess, beyond.minor())?;
            let refund = &without_excess(refund, beyond)?;
            rows.refund(&name, day, order, refund)?;
            taxes.extend(tax::of_refund(order, refund, &name, (day, order_day), around.mapping)?);
        }
    }
    if rows.excluded.is_empty() {
        for payment in &sorted.payments {
            rows.payment(payment, around)?;
        }
    }
    Ok(Some(Contribution {
        source: order.source.clone().unwrap_or_default(),
        currency: order.currency,
        rows: rows.list(),
        taxes,
    }))
}

/// Why an order counts nowhere, by the same rules by which DECIDE bills it.
fn reason(
    order: &Order,
    sorted: &Documents<'_>,
    around: &Surroundings<'_>,
) -> Result<&'static str, MoneyError> {
    Ok(if order.test {
        excluded::TEST
    } else if order.placed_at < around.since {
        excluded::BEFORE_START
    } else if order.check().is_err() {
        excluded::HELD
    } else if is_billed(order, sorted)? {
        ""
    } else if sorted.deleted {
        excluded::DELETED
    } else if matches!(order.payment_standing, PaymentStanding::Voided | PaymentStanding::Expired) {
        excluded::VOIDED
    } else {
        excluded::CANCELLED
    })
}

struct Rows {
    order_day: Date,
    excluded: &'static str,
    by_key: BTreeMap<(String, String), (Date, Figures)>,
}

impl Rows {
    fn add(
        &mut self,
        document: &str,
        day: Date,
        sku: &str,
        measure: Measure,
        amount: i64,
    ) -> Result<(), MoneyError> {
        if amount == 0 {
            return Ok(());
        }
        let key = (document.to_owned(), sku.to_owned());
        self.by_key.entry(key).or_insert_with(|| (day, Figures::default())).1.add(measure, amount)
    }

    fn list(self) -> Vec<SaleRow> {
        let (order_day, excluded) = (self.order_day, self.excluded);
        self.by_key
            .into_iter()
            .filter(|(_, (_, figures))| !figures.is_empty())
            .map(|((document, sku), (day, figures))| SaleRow {
                document,
                sku,
                day,
                order_day,
                excluded,
                figures,
            })
            .collect()
    }

    fn order(&mut self, name: &str, order: &Order) -> Result<(), MoneyError> {
        let day = self.order_day;
        self.add(name, day, "", Measure::Orders, 1)?;
        for line in &order.lines {
            self.line(name, order, line)?;
        }
        for charge in &order.charges {
            self.charge(name, order, charge)?;
        }
        Ok(())
    }

    fn line(&mut self, name: &str, order: &Order, line: &Line) -> Result<(), MoneyError> {
        let day = self.order_day;
        let parts = Parts::of(order, line.gross, &line.discounts, &line.taxes)?;
        let sku = match line.kind {
            LineKind::Goods => line.sku.as_deref().unwrap_or_default(),
            LineKind::GiftCard | LineKind::Tip => "",
        };
        self.beside(name, sku, &parts)?;
        let measure = match line.kind {
            LineKind::Goods => {
                self.add(name, day, sku, Measure::Units, line.quantity)?;
                self.add(name, day, sku, Measure::Discounts, parts.by(Funder::Merchant)?)?;
                return self.add(name, day, sku, Measure::Gross, parts.gross.minor());
            }
            LineKind::GiftCard => Measure::GiftCardsSold,
            LineKind::Tip => Measure::Tips,
        };
        self.add(name, day, sku, measure, parts.after_own_discounts()?)
    }

    fn charge(&mut self, name: &str, order: &Order, charge: &Charge) -> Result<(), MoneyError> {
        let parts = Parts::of(order, charge.gross, &charge.discounts, &charge.taxes)?;
        self.beside(name, "", &parts)?;
        let amount = parts.after_own_discounts()?;
        self.add(name, self.order_day, "", measure_of(charge.kind), amount)
    }

    /// Taxes by who remits them, and discounts that others fund.
    fn beside(&mut self, name: &str, sku: &str, parts: &Parts) -> Result<(), MoneyError> {
        let day = self.order_day;
        self.add(name, day, sku, Measure::TaxOwn, parts.own.minor())?;
        self.add(name, day, sku, Measure::TaxMarketplace, parts.remitted.minor())?;
        let platform = parts.by(Funder::Marketplace)?;
        self.add(name, day, sku, Measure::DiscountsPlatform, platform)?;
        self.add(name, day, sku, Measure::DiscountsSupplier, parts.by(Funder::Supplier)?)
    }

    fn refund(
        &mut self,
        name: &str,
        day: Date,
        order: &Order,
        refund: &Refund,
    ) -> Result<(), MoneyError> {
        for line in &refund.lines {
            let sold = order.lines.iter().find(|sold| sold.id == line.line);
            let kind = sold.map_or(LineKind::Goods, |sold| sold.kind);
            let goods = kind == LineKind::Goods;
            let sku = sold.filter(|_| goods).and_then(|sold| sold.sku.as_deref());
            let sku = sku.unwrap_or_default();
            let remitted = remitted_of_line(order, line)?;
            self.taxes_back(name, day, sku, line.tax, remitted)?;
            let amount = without(order, line.amount, line.tax)?.minor();
            match kind {
                LineKind::Goods => {
                    self.add(name, day, sku, Measure::UnitsReturned, line.quantity)?;
                    self.add(name, day, sku, Measure::Returns, amount)?;
                }
                LineKind::GiftCard => self.add(name, day, sku, Measure::GiftCardsSold, -amount)?,
                LineKind::Tip => self.add(name, day, sku, Measure::Tips, -amount)?,
            }
        }
        for adjustment in &refund.adjustments {
            let remitted = remitted_of_adjustment(order, adjustment)?;
            self.taxes_back(name, day, "", adjustment.tax, remitted)?;
            let amount = without(order, adjustment.amount, adjustment.tax)?.minor();
            match adjustment.charge {
                Some(kind) => self.add(name, day, "", measure_of(kind), -amount)?,
                None => self.add(name, day, "", Measure::Adjustments, amount)?,
            }
        }
        Ok(())
    }

    fn taxes_back(
        &mut self,
        name: &str,
        day: Date,
        sku: &str,
        tax: Money,
        remitted: Money,
    ) -> Result<(), MoneyError> {
        let own = tax.checked_sub(remitted)?;
        self.add(name, day, sku, Measure::TaxOwn, -own.minor())?;
        self.add(name, day, sku, Measure::TaxMarketplace, -remitted.minor())
    }

    /// Gift cards that paid, or were paid back to.
    fn payment(&mut self, payment: &Payment, around: &Surroundings<'_>) -> Result<(), MoneyError> {
        let gateway = around.mapping.and_then(|it| it.gateway(&payment.gateway).ok());
        let tender = gateway.and_then(|gateway| gateway.tender).unwrap_or(payment.tender);
        let Some(kind) = moved(payment).filter(|_| tender == Tender::GiftCard) else {
            return Ok(());
        };
        let measure = match kind {
            ItemKind::Capture => Measure::GiftCardsUsed,
            _ => Measure::GiftCardsRefunded,
        };
        let (name, day) = (format!("payment/{}", payment.id), around.day(payment.processed_at));
        self.add(&name, day, "", measure, payment.amount.minor())
    }
}

const fn measure_of(charge: ChargeKind) -> Measure {
    match charge {
        ChargeKind::Shipping => Measure::Shipping,
        ChargeKind::Tip => Measure::Tips,
        ChargeKind::Duty => Measure::Duties,
        ChargeKind::GiftWrap => Measure::GiftWrap,
        ChargeKind::Fee => Measure::Fees,
        ChargeKind::CashRounding => Measure::Rounding,
    }
}

/// A line or charge without its taxes.
pub(crate) struct Parts {
    pub gross: Money,
    /// In the order of the documents' discounts.
    discounts: Vec<(Funder, Money)>,
    pub own: Money,
    pub remitted: Money,
}

impl Parts {
    /// The channel states the tax of the amount after discounts. Where prices contain it, the gross
    /// amount contains its proportional share, and the discounts what is over.
    pub fn of(
        order: &Order,
        gross: Money,
        discounts: &[Discount],
        taxes: &[TaxLine],
    ) -> Result<Self, MoneyError> {
        let by = |who: Remitter| {
            let theirs = taxes.iter().filter(|tax| tax.remitted_by == who);
            Money::sum(order.currency, theirs.map(|tax| tax.amount))
        };
        let (own, remitted) = (by(Remitter::Merchant)?, by(Remitter::Marketplace)?);
        let amounts = discounts.iter().map(|discount| discount.amount);
        if !order.taxes_included {
            let discounts = discounts.iter().map(|it| it.funder).zip(amounts).collect();
            return Ok(Self { gross, discounts, own, remitted });
        }
        let taken = Money::sum(order.currency, amounts)?;
        let net = gross.checked_sub(taken)?;
        let of_gross =
            proportion(own, gross, net)?.checked_add(proportion(remitted, gross, net)?)?;
        let of_discounts = of_gross.checked_sub(own)?.checked_sub(remitted)?;
        let weights: Vec<i64> = discounts.iter().map(|discount| discount.amount.minor()).collect();
        let mut without = Vec::new();
        for (discount, tax) in discounts.iter().zip(of_discounts.split(&weights)) {
            without.push((discount.funder, discount.amount.checked_sub(tax)?));
        }
        Ok(Self { gross: gross.checked_sub(of_gross)?, discounts: without, own, remitted })
    }

    /// The discounts of one funder, in minor units.
    fn by(&self, funder: Funder) -> Result<i64, MoneyError> {
        let own = self.discounts.iter().filter(|(by, _)| *by == funder);
        Ok(Money::sum(self.gross.currency(), own.map(|(_, amount)| *amount))?.minor())
    }

    fn after_own_discounts(&self) -> Result<i64, MoneyError> {
        let own = self.by(Funder::Merchant)?;
        self.gross.minor().checked_sub(own).ok_or(MoneyError::OutOfRange)
    }

    /// What is taxed: the amount after every discount.
    pub fn base(&self) -> Result<Money, MoneyError> {
        let all = self.discounts.iter().map(|(_, amount)| *amount);
        self.gross.checked_sub(Money::sum(self.gross.currency(), all)?)
    }
}
