//! An order as sold: every line ever sold, charges, discounts and taxes.

use rust_decimal::Decimal;
use trueup_connect::{DecodeError, units};
use trueup_domain::document::{
    Address, Buyer, Charge, ChargeKind, Discount, Funder, Line, LineKind, Order, PaymentStanding,
    Remitter, TaxLine, Version,
};
use trueup_domain::money::{Currency, Money};
use trueup_domain::planted::planted;

use crate::said;
use crate::wire::filled;

pub fn order(said: &said::Order) -> Result<Order, DecodeError> {
    let shop = said.currency;
    let mut lines = Vec::new();
    let mut duties = Vec::new();
    for line in &said.lines {
        lines.push(self::line(line, shop)?);
        // Duties that the prices contain are no charge of their own.
        if !said.duties_included {
            for duty in &line.duties {
                duties.push(charge_of_duty(duty, shop)?);
            }
        }
    }
    let mut charges = Vec::new();
    for shipping in &said.shipping {
        charges.push(Charge {
            id: shipping.id.clone(),
            kind: ChargeKind::Shipping,
            title: shipping.title.clone(),
            gross: shipping.amount.money("shipping_lines.price", shop)?,
            discounts: discounts(&shipping.discounts, shop)?,
            taxes: taxes(&shipping.taxes, shop)?,
        });
    }
    charges.extend(duties);
    let optional = |amount: &Option<crate::wire::Amount>, field| match amount {
        Some(amount) => amount.money(field, shop),
        None => Ok(Money::zero(shop)),
    };
    let tip = optional(&said.tip, "total_tip_received")?;
    if !tip.is_zero() && !mark_tips(&mut lines, &said.lines, tip) {
        charges.push(plain_charge("tip", ChargeKind::Tip, tip));
    }
    let rounding = optional(&said.cash_rounding, "total_cash_rounding_payment_adjustment_set")?;
    if !rounding.is_zero() {
        charges.push(plain_charge("cash-rounding", ChargeKind::CashRounding, rounding));
    }
    // Shopify's total is before the till rounded it; what was sold is what the buyer had to pay.
    let total = said.total.money("total_price", shop)?;
    let total = total.checked_add(rounding).map_err(|error| DecodeError::amount("total", error))?;
    let presentment_total = match &said.presentment_total {
        Some(amount) => Some(amount.money("presentment_money", amount.currency("currency_code")?)?),
        None => None,
    };
    Ok(Order {
        id: said.id.clone(),
        number: said.name.clone(),
        customer_reference: said.po_number.clone(),
        version: Version::at(said.updated_at),
        placed_at: if planted("an_order_is_placed_when_it_changes") {
            said.updated_at
        } else {
            said.processed_at.unwrap_or(said.created_at)
        },
        due_on: None,
        currency: shop,
        presentment_total,
        taxes_included: said.taxes_included,
        lines,
        charges,
        total,
        payment_standing: standing(said.standing.as_deref())?,
        source: said.source.clone(),
        cancelled_at: said.cancelled_at.filter(|_| !planted("a_cancellation_is_not_read")),
        buyer: said.buyer.clone(),
        test: said.test,
    })
}

fn line(said: &said::Line, shop: Currency) -> Result<Line, DecodeError> {
    let quantity = units("line_items.quantity", said.quantity)?;
    let unit = said.unit.money("line_items.price", shop)?;
    let gross = unit
        .checked_mul(quantity)
        .map_err(|error| DecodeError::amount("line_items.quantity", error))?;
    Ok(Line {
        id: said.id.clone(),
        kind: if said.gift_card { LineKind::GiftCard } else { LineKind::Goods },
        sku: said.sku.clone(),
        title: said.title.clone(),
        quantity,
        unit_price: unit.decimal().normalize(),
        gross,
        discounts: discounts(&said.discounts, shop)?,
        taxes: taxes(&said.taxes, shop)?,
        requires_shipping: said.requires_shipping,
    })
}

/// The online checkout writes a tip as a line without a product, and nothing in GraphQL marks it.
/// Lines without product, SKU, shipping, tax and discount that together are the tip received are
/// the tip. `false`: the tip is in no line.
fn mark_tips(lines: &mut [Line], said: &[said::Line], tip: Money) -> bool {
    let could_be = |line: &Line, said: &said::Line| {
        said.custom
            && line.kind == LineKind::Goods
            && line.sku.is_none()
            && !line.requires_shipping
            && line.taxes.is_empty()
            && line.discounts.is_empty()
    };
    let found: Vec<usize> = lines
        .iter()
        .zip(said)
        .enumerate()
        .filter(|(_, (line, said))| could_be(line, said))
        .map(|(index, _)| index)
        .collect();
    let all = found.iter().filter_map(|&index| lines.get(index)).map(|line| line.gross);
    let tips = if Money::sum(tip.currency(), all) == Ok(tip) {
        found
    } else {
        let one = found.into_iter().find(|&index| lines.get(index).is_some_and(|l| l.gross == tip));
        one.into_iter().collect()
    };
    for &index in &tips {
        if let Some(line) = lines.get_mut(index) {
            line.kind = LineKind::Tip;
        }
    }
    !tips.is_empty()
}

fn plain_charge(id: &str, kind: ChargeKind, gross: Money) -> Charge {
    Charge {
        id: id.to_owned(),
        kind,
        title: String::new(),
        gross,
        discounts: Vec::new(),
        taxes: Vec::new(),
    }
}

fn charge_of_duty(duty: &said::Duty, shop: Currency) -> Result<Charge, DecodeError> {
    Ok(Charge {
        // Ids of duties and of shipping lines are counted apart.
        id: format!("duty-{}", duty.id),
        kind: ChargeKind::Duty,
        title: String::new(),
        gross: duty.amount.money("duties.price", shop)?,
        discounts: Vec::new(),
        taxes: taxes(&duty.taxes, shop)?,
    })
}

/// Merchant-funded, all of them: Shopify has no discounts of others. Shares of nothing are left
/// out, because only one of the shapes lists them.
fn discounts(said: &[said::Discount], shop: Currency) -> Result<Vec<Discount>, DecodeError> {
    let mut discounts = Vec::new();
    for one in said {
        let amount = one.amount.money("discount_allocations.amount", shop)?;
        if !amount.is_zero() {
            discounts.push(Discount { title: one.title.clone(), funder: Funder::Merchant, amount });
        }
    }
    Ok(discounts)
}

pub fn taxes(said: &[said::Tax], shop: Currency) -> Result<Vec<TaxLine>, DecodeError> {
    let one = |tax: &said::Tax| {
        let rate = match &tax.rate {
            Some(rate) => rate.decimal("tax_lines.rate")?.normalize(),
            None => Decimal::ZERO,
        };
        Ok(TaxLine {
            title: tax.title.clone(),
            rate,
            amount: tax.amount.money("tax_lines.price", shop)?,
            remitted_by: if tax.channel_liable {
                Remitter::Marketplace
            } else {
                Remitter::Merchant
            },
        })
    };
    said.iter().map(one).collect()
}

/// An order that nobody has paid yet has no status at all in GraphQL.
fn standing(status: Option<&str>) -> Result<PaymentStanding, DecodeError> {
    let Some(status) = status else { return Ok(PaymentStanding::Pending) };
    Ok(match status.to_ascii_lowercase().as_str() {
        "pending" => PaymentStanding::Pending,
        "authorized" => PaymentStanding::Authorized,
        "partially_paid" => PaymentStanding::PartiallyPaid,
        "paid" => PaymentStanding::Paid,
        "partially_refunded" => PaymentStanding::PartiallyRefunded,
        "refunded" => PaymentStanding::Refunded,
        "voided" => PaymentStanding::Voided,
        "expired" => PaymentStanding::Expired,
        _ => return Err(DecodeError::unknown("financial_status", status)),
    })
}

/// The buyer, or none where the order names nobody.
pub fn buyer(
    id: Option<String>,
    name: Option<String>,
    email: Option<String>,
    phone: Option<String>,
    billing: Option<Address>,
    shipping: Option<Address>,
) -> Option<Buyer> {
    let addresses = || billing.iter().chain(&shipping);
    let buyer = Buyer {
        id,
        name: name.or_else(|| addresses().find_map(|address| address.name.clone())),
        email: filled(email),
        phone: filled(phone),
        company: addresses().find_map(|address| address.company.clone()),
        vat_number: None,
        billing: billing.clone(),
        shipping: shipping.clone(),
    };
    (buyer != Buyer::default()).then_some(buyer)
}
