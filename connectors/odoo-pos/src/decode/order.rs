//! A receipt sells, takes back, or does both. What it sells is an order; what it takes back of
//! another receipt is a refund of that one's order.

use std::collections::BTreeMap;

use trueup_connect::{DecodeError, Decoded};
use trueup_domain::document::{
    Buyer, Charge, ChargeKind, Document, Line as OrderLine, LineKind, Order, Payment, PaymentKind,
    PaymentStanding, PaymentStatus, Refund, RefundAdjustment, RefundLine, Restock, Tender, Ticket,
    TicketTender, Version,
};
use trueup_domain::money::{Currency, Money, MoneyError};

use super::line::Line;
use crate::wire::{Moment, OrderRecord};

/// A receipt that was not paid yet, or never will be, sold nothing.
const NO_SALE: &[&str] = &["draft", "cancel"];
const SALE: &[&str] = &["paid", "done", "invoiced"];

pub fn decode(record: &OrderRecord) -> Result<Decoded, DecodeError> {
    let state = record.order.state.as_str();
    if NO_SALE.contains(&state) {
        return Ok(Decoded::Ignored(format!("pos_order/{state}")));
    }
    if !SALE.contains(&state) {
        return Err(DecodeError::unknown("state", state));
    }
    Receipt::of(record)?.documents().map(Decoded::Documents)
}

struct Receipt<'a> {
    record: &'a OrderRecord,
    currency: Currency,
    version: Version,
    id: String,
    number: String,
    sold: Vec<Line<'a>>,
    /// By the order whose goods come back; under its own where it names none.
    back: BTreeMap<String, Vec<Line<'a>>>,
    /// What was paid more or less than the lines make.
    rounding: Money,
}

impl<'a> Receipt<'a> {
    fn of(record: &'a OrderRecord) -> Result<Self, DecodeError> {
        let order = &record.order;
        let currency = order.currency_id.currency("currency_id")?;
        let id = order.id.to_string();
        let mut sold = Vec::new();
        let mut back: BTreeMap<String, Vec<Line<'a>>> = BTreeMap::new();
        let mut lines = Vec::new();
        for row in &record.lines {
            lines.push(Line::of(row, record, currency)?);
        }
        spread(record, &mut lines, currency)?;
        for line in lines {
            if !line.takes_back() {
                sold.push(line);
                continue;
            }
            let original = match &line.row.refunded_orderline_id.0 {
                None => id.clone(),
                Some(reference) => {
                    let found = record.refunded.iter().find(|one| one.id == reference.0);
                    let found = found.ok_or_else(|| DecodeError::field("refunded_orderline_id"))?;
                    found.order_id.0.to_string()
                }
            };
            back.entry(original).or_default().push(line);
        }
        let paid = order.amount_paid.money("amount_paid", currency)?;
        let total = order.amount_total.money("amount_total", currency)?;
        Ok(Self {
            record,
            currency,
            version: version(record),
            number: order.pos_reference.0.clone().unwrap_or_else(|| order.name.clone()),
            id,
            sold,
            back,
            rounding: paid.checked_sub(total).map_err(amount)?,
        })
    }

    /// A receipt may take goods of several others back.
    fn refund_id(&self, original: &str) -> String {
        if self.back.len() == 1 { self.id.clone() } else { format!("{}-{original}", self.id) }
    }

    fn zero(&self) -> Money {
        Money::zero(self.currency)
    }

    fn documents(&self) -> Result<Vec<Document>, DecodeError> {
        let paid = self.record.order.amount_paid.money("amount_paid", self.currency)?;
        // What is taken back without its receipt needs an order that it belongs to.
        let own = !self.sold.is_empty() || self.back.contains_key(&self.id) || self.back.is_empty();
        let receives = own && (!paid.is_negative() || self.back.is_empty());
        let first = self.back.keys().next().cloned();
        let mut documents = Vec::new();
        let mut stated = self.zero();
        let mut tickets = Vec::new();
        for original in self.back.keys() {
            let bears = !receives && Some(original) == first.as_ref();
            let refund = self.refund(original, bears)?;
            stated = stated.checked_add(refund.total).map_err(amount)?;
            let tax = refund.lines.iter().map(|line| line.tax);
            let tax = Money::sum(self.currency, tax).map_err(amount)?;
            tickets.push((original.clone(), refund.total, tax, bears));
            documents.push(Document::from(refund));
        }
        let mut order_tax = self.zero();
        let mut order_total = self.zero();
        if own {
            let order = self.order(receives, stated)?;
            order_tax = order.total_tax().map_err(amount)?;
            order_total = order.total;
            documents.insert(0, order.into());
        }
        let target = if receives { Some(self.id.clone()) } else { first };
        let payments = self.payments(target.as_deref().unwrap_or(&self.id))?;
        let tenders = |bears: bool| -> Result<Vec<TicketTender>, DecodeError> {
            let own = payments.iter().filter(|_| bears);
            own.map(|payment| {
                let amount_of = match payment.kind {
                    PaymentKind::Refund => payment.amount.checked_neg().map_err(amount)?,
                    _ => payment.amount,
                };
                Ok(TicketTender { method: payment.gateway.clone(), amount: amount_of })
            })
            .collect()
        };
        if own {
            let id = self.id.clone();
            let tenders = tenders(receives)?;
            documents.push(self.ticket(id, &self.id, (order_total, order_tax), tenders).into());
        }
        for (original, total, tax, bears) in tickets {
            let back = |money: Money| money.checked_neg().map_err(amount);
            let id = format!("{}-{original}", self.id);
            let sums = (back(total)?, back(tax)?);
            documents.push(self.ticket(id, &original, sums, tenders(bears)?).into());
        }
        documents.extend(payments.into_iter().map(Document::from));
        Ok(documents)
    }

    /// `refunded` is what the receipt takes back in all: what Odoo states as its total is the rest.
    fn order(&self, receives: bool, refunded: Money) -> Result<Order, DecodeError> {
        let order = &self.record.order;
        let mut lines = Vec::new();
        let mut charges = Vec::new();
        for line in &self.sold {
            if line.net.is_negative() {
                charges.push(taken_off(line)?);
            } else {
                lines.push(self.line(line, line.units(), (line.gross, true))?);
            }
        }
        // Taken back here and never sold here: the line is there to be named.
        for line in self.back.get(&self.id).into_iter().flatten() {
            lines.push(self.line(line, 0, (self.zero(), false))?);
        }
        if receives && !self.rounding.is_zero() {
            charges.push(Charge {
                id: "rounding".to_owned(),
                kind: ChargeKind::CashRounding,
                title: "cash rounding".to_owned(),
                gross: self.rounding,
                discounts: Vec::new(),
                taxes: Vec::new(),
            });
        }
        let stated = if receives { &order.amount_paid } else { &order.amount_total };
        let total = stated.money("amount_total", self.currency)?;
        // The cash rounding of a refund stands in the refund.
        let refunded = if receives {
            refunded
        } else {
            refunded.checked_add(self.rounding).map_err(amount)?
        };
        Ok(Order {
            id: self.id.clone(),
            number: self.number.clone(),
            customer_reference: None,
            version: self.version,
            placed_at: order.date_order.0,
            due_on: None,
            currency: self.currency,
            presentment_total: None,
            taxes_included: false,
            lines,
            charges,
            total: total.checked_add(refunded).map_err(amount)?,
            payment_standing: PaymentStanding::Paid,
            source: self.record.config.as_ref().map(|config| config.name.clone()),
            cancelled_at: None,
            buyer: order.partner_id.0.as_ref().map(|partner| Buyer {
                id: Some(partner.0.to_string()),
                name: Some(partner.1.clone()),
                ..Buyer::default()
            }),
            test: false,
        })
    }

    fn line(
        &self,
        line: &Line<'_>,
        quantity: i64,
        (gross, sold): (Money, bool),
    ) -> Result<OrderLine, DecodeError> {
        let tip = self.record.config.as_ref().and_then(|config| config.tip_product_id.0.as_ref());
        let is_tip = tip.is_some_and(|tip| tip.0 == line.row.product_id.0);
        let mut taxes = line.taxes()?;
        if !sold {
            for tax in &mut taxes {
                tax.amount = self.zero();
            }
        }
        Ok(OrderLine {
            id: line.id.clone(),
            kind: if is_tip { LineKind::Tip } else { LineKind::Goods },
            sku: line.sku.clone(),
            title: line.title.clone(),
            quantity,
            unit_price: line.unit_price,
            gross,
            discounts: if sold { line.discounts()? } else { Vec::new() },
            taxes,
            requires_shipping: false,
        })
    }

    fn refund(&self, original: &str, bears: bool) -> Result<Refund, DecodeError> {
        let mut lines = Vec::new();
        for line in self.back.get(original).into_iter().flatten() {
            let named = line.row.refunded_orderline_id.0.as_ref();
            lines.push(RefundLine {
                id: line.id.clone(),
                line: named.map_or_else(|| line.id.clone(), |reference| reference.0.to_string()),
                quantity: line.units(),
                amount: line.net.checked_neg().map_err(amount)?,
                tax: line.tax.checked_neg().map_err(amount)?,
                restock: Restock::Returned,
                location: None,
            });
        }
        let mut adjustments = Vec::new();
        if bears && !self.rounding.is_zero() {
            adjustments.push(RefundAdjustment {
                id: format!("{}-rounding", self.id),
                charge: Some(ChargeKind::CashRounding),
                reason: "cash rounding".to_owned(),
                amount: self.rounding.checked_neg().map_err(amount)?,
                tax: self.zero(),
                taxes: Vec::new(),
            });
        }
        let of_lines = lines.iter().flat_map(|line| [line.amount, line.tax]);
        let parts = of_lines.chain(adjustments.iter().map(|one| one.amount));
        let total = Money::sum(self.currency, parts).map_err(amount)?;
        Ok(Refund {
            id: self.refund_id(original),
            order: original.to_owned(),
            version: self.version,
            created_at: self.record.order.date_order.0,
            reason: None,
            lines,
            adjustments,
            total,
            transactions: Vec::new(),
            exchanged_for: Vec::new(),
        })
    }

    /// What was paid, by method: the change is Odoo's own negative payment of one of them. What is
    /// charged to a customer's account is no money yet.
    fn payments(&self, order: &str) -> Result<Vec<Payment>, DecodeError> {
        let mut by_method: BTreeMap<i64, Payment> = BTreeMap::new();
        for row in &self.record.payments {
            let method = self.record.methods.iter().find(|one| one.id == row.payment_method_id.0);
            let method = method.ok_or_else(|| DecodeError::field("payment_method_id"))?;
            let tender = match method.kind.as_str() {
                "cash" => Tender::Cash,
                "bank" => Tender::Card,
                "pay_later" => continue,
                other => return Err(DecodeError::unknown("type", other)),
            };
            let paid = row.amount.money("amount", self.currency)?;
            let refund = self.back.contains_key(order).then(|| self.refund_id(order));
            let own = by_method.entry(method.id).or_insert_with(|| Payment {
                id: format!("{}-{}", self.id, row.id),
                order: order.to_owned(),
                version: self.version,
                kind: PaymentKind::Sale,
                status: PaymentStatus::Succeeded,
                amount: self.zero(),
                gateway: method.name.clone(),
                tender,
                parent: None,
                refund,
                provider_id: None,
                processed_at: row.payment_date.0,
                test: false,
            });
            own.amount = own.amount.checked_add(paid).map_err(amount)?;
            if own.provider_id.is_none() {
                own.provider_id = row.transaction_id.0.clone();
            }
        }
        let mut payments = Vec::new();
        for mut payment in by_method.into_values().filter(|one| !one.amount.is_zero()) {
            if payment.amount.is_negative() {
                payment.kind = PaymentKind::Refund;
                payment.amount = payment.amount.checked_neg().map_err(amount)?;
            } else {
                payment.refund = None;
            }
            payments.push(payment);
        }
        Ok(payments)
    }

    fn ticket(
        &self,
        id: String,
        order: &str,
        (total, tax): (Money, Money),
        tenders: Vec<TicketTender>,
    ) -> Ticket {
        let started = self.record.session.as_ref().and_then(|session| session.start_at.0);
        Ticket {
            id,
            order: order.to_owned(),
            version: self.version,
            number: self.number.clone(),
            session: self.record.order.session_id.0.to_string(),
            session_opened_at: started.unwrap_or(self.record.order.date_order).0,
            at: self.record.order.date_order.0,
            total,
            tax,
            tenders,
        }
    }
}

/// Odoo may round the tax of a receipt and not of its lines; a cent of it is a line's that bears
/// tax. Only where all of the difference is tax: anything else contradicts itself, and is held.
fn spread(
    record: &OrderRecord,
    lines: &mut [Line<'_>],
    currency: Currency,
) -> Result<(), DecodeError> {
    let tax = record.order.amount_tax.money("amount_tax", currency)?;
    let total = record.order.amount_total.money("amount_total", currency)?;
    let of_lines = Money::sum(currency, lines.iter().map(|line| line.tax)).map_err(amount)?;
    let nets = Money::sum(currency, lines.iter().map(|line| line.net)).map_err(amount)?;
    let over = tax.checked_sub(of_lines).map_err(amount)?;
    let whole = nets.checked_add(tax).map_err(amount)? == total;
    let cents = i64::try_from(lines.len()).unwrap_or(i64::MAX);
    if over.is_zero() || !whole || over.minor().abs() > cents {
        return Ok(());
    }
    let taxed = lines.iter_mut().max_by_key(|line| line.tax.minor().unsigned_abs());
    if let Some(line) = taxed {
        line.tax = line.tax.checked_add(over).map_err(amount)?;
    }
    Ok(())
}

/// A discount of the whole order is a line of its own at Odoo, below zero.
fn taken_off(line: &Line<'_>) -> Result<Charge, DecodeError> {
    Ok(Charge {
        id: line.id.clone(),
        kind: ChargeKind::Fee,
        title: line.title.clone(),
        gross: line.net,
        discounts: Vec::new(),
        taxes: line.taxes()?,
    })
}

/// As new as its newest part.
fn version(record: &OrderRecord) -> Version {
    let lines = record.lines.iter().map(|line| line.write_date);
    let payments = record.payments.iter().map(|payment| payment.write_date);
    let newest: Option<Moment> = lines.chain(payments).max();
    Version::at(newest.map_or(record.order.write_date, |own| own.max(record.order.write_date)).0)
}

fn amount(source: MoneyError) -> DecodeError {
    DecodeError::amount("amount_total", source)
}
