//! An order as sold: lines, charges, discounts and taxes.
//!
//! Every amount of WooCommerce is without tax, also where the shop's prices contain it, so every
//! document is one whose taxes come on top.

use rust_decimal::Decimal;
use trueup_connect::{DecodeError, units};
use trueup_domain::document::{
    Address, Buyer, Charge, ChargeKind, Discount, Funder, Line, LineKind, Order, PaymentStanding,
    TaxLine, Version,
};
use trueup_domain::money::{Currency, Money};

use super::taxes::{self, OfRate};
use super::{currency, out_of_range};
use crate::wire::{self, filled};

/// Carts that were not ordered; the lists of the shop do not show them either.
pub fn is_draft(status: &str) -> bool {
    matches!(status, "auto-draft" | "checkout-draft")
}

pub fn order(wire: &wire::Order) -> Result<Order, DecodeError> {
    let currency = currency(&wire.currency)?;
    let created = wire.date_created_gmt.ok_or_else(|| DecodeError::field("date_created_gmt"))?;
    let modified = wire.date_modified_gmt.unwrap_or(created).0;
    let coupons: Vec<&str> = wire.coupon_lines.iter().map(|one| one.code.as_str()).collect();
    let mut lines = Vec::new();
    for item in &wire.line_items {
        lines.push(line(item, wire, &coupons, currency)?);
    }
    let mut charges = Vec::new();
    for shipping in &wire.shipping_lines {
        charges.push(Charge {
            id: shipping.id.0.clone(),
            kind: ChargeKind::Shipping,
            title: shipping.method_title.clone(),
            gross: shipping.total.money("shipping_lines.total", currency)?,
            discounts: Vec::new(),
            taxes: taxes::of_line(&shipping.taxes, wire, currency)?,
        });
    }
    for fee in &wire.fee_lines {
        charges.push(Charge {
            id: fee.id.0.clone(),
            kind: ChargeKind::Fee,
            title: fee.name.clone(),
            gross: fee.total.money("fee_lines.total", currency)?,
            discounts: Vec::new(),
            taxes: taxes::of_line(&fee.taxes, wire, currency)?,
        });
    }
    settle_taxes(wire, &mut lines, &mut charges, currency)?;
    let gone = matches!(wire.status.as_str(), "cancelled" | "trash");
    Ok(Order {
        id: wire.id.0.clone(),
        number: wire.number.as_str().to_owned(),
        customer_reference: None,
        version: Version::at(modified),
        placed_at: created.0,
        due_on: None,
        currency,
        presentment_total: None,
        taxes_included: false,
        lines,
        charges,
        total: wire.total.money("total", currency)?,
        payment_standing: standing(wire)?,
        source: wire.created_via.as_deref().and_then(filled),
        // WooCommerce does not say when.
        cancelled_at: gone.then_some(modified),
        buyer: buyer(wire),
        test: false,
    })
}

fn line(
    item: &wire::LineItem,
    order: &wire::Order,
    coupons: &[&str],
    currency: Currency,
) -> Result<Line, DecodeError> {
    let quantity = units("line_items.quantity", item.quantity.integer("line_items.quantity")?)?;
    let before = item.subtotal.money("line_items.subtotal", currency)?;
    let after = item.total.money("line_items.total", currency)?;
    let taken = before.checked_sub(after).map_err(out_of_range)?;
    // A merchant may also raise a price by hand; that is no discount below zero.
    let gross = if taken.is_negative() { after } else { before };
    let discounts = (!taken.is_zero() && !taken.is_negative()).then(|| Discount {
        title: if coupons.is_empty() { "price changed".to_owned() } else { coupons.join(", ") },
        funder: Funder::Merchant,
        amount: taken,
    });
    Ok(Line {
        id: item.id.0.clone(),
        kind: LineKind::Goods,
        sku: item.sku.as_deref().and_then(filled),
        title: item.name.clone(),
        quantity,
        unit_price: unit_price(gross, quantity),
        gross,
        discounts: discounts.into_iter().collect(),
        taxes: taxes::of_line(&item.taxes, order, currency)?,
        requires_shipping: true,
    })
}

/// Decimals of a unit price that informs; WooCommerce itself computes with as many.
const PRICE_DECIMALS: u32 = 6;

/// `price` is what a unit cost after discount, so it is not read.
fn unit_price(gross: Money, quantity: i64) -> Decimal {
    let each = gross.decimal().checked_div(Decimal::from(quantity)).unwrap_or_default();
    each.round_dp(PRICE_DECIMALS).normalize()
}

fn settle_taxes(
    wire: &wire::Order,
    lines: &mut [Line],
    charges: &mut [Charge],
    currency: Currency,
) -> Result<(), DecodeError> {
    let of_lines = wire.line_items.iter().map(|item| &item.taxes);
    let of_charges = wire
        .shipping_lines
        .iter()
        .map(|shipping| &shipping.taxes)
        .chain(wire.fee_lines.iter().map(|fee| &fee.taxes));
    let rates = of_lines.chain(of_charges).flatten().filter(|tax| !tax.total.is_empty());
    let taxes = lines.iter_mut().flat_map(|line| &mut line.taxes);
    let taxes = taxes.chain(charges.iter_mut().flat_map(|charge| &mut charge.taxes));
    let all = rates
        .zip(taxes)
        .map(|(rate, tax): (&wire::Tax, &mut TaxLine)| OfRate { rate: &rate.id, tax });
    taxes::settle(wire, all.collect(), currency)
}

/// `date_paid` says that it was paid, whatever became of the order since; the statuses of plugins
/// are refused.
fn standing(wire: &wire::Order) -> Result<PaymentStanding, DecodeError> {
    let paid = wire.date_paid_gmt.is_some();
    Ok(match wire.status.as_str() {
        "pending" | "on-hold" | "processing" | "completed" if !paid => PaymentStanding::Pending,
        // A failed one may still be paid; until then it is no sale.
        "cancelled" | "failed" | "trash" | "refunded" if !paid => PaymentStanding::Voided,
        "refunded" => PaymentStanding::Refunded,
        "pending" | "on-hold" | "processing" | "completed" | "cancelled" | "failed" | "trash" => {
            if wire.refunds.is_empty() {
                PaymentStanding::Paid
            } else {
                PaymentStanding::PartiallyRefunded
            }
        }
        other => return Err(DecodeError::unknown("status", other)),
    })
}

fn buyer(wire: &wire::Order) -> Option<Buyer> {
    let billing = address(&wire.billing);
    let shipping = address(&wire.shipping);
    let text = |pick: fn(&Address) -> &Option<String>| {
        billing.iter().chain(&shipping).find_map(|address| pick(address).clone())
    };
    let buyer = Buyer {
        // Guests have the customer 0.
        id: (wire.customer_id.0 != "0").then(|| wire.customer_id.0.clone()),
        name: text(|address| &address.name),
        email: wire.billing.email.as_deref().and_then(filled),
        phone: text(|address| &address.phone),
        company: text(|address| &address.company),
        vat_number: None,
        billing: billing.clone(),
        shipping: shipping.clone(),
    };
    (buyer != Buyer::default()).then_some(buyer)
}

fn address(wire: &wire::Address) -> Option<Address> {
    let country = filled(&wire.country);
    let prefix = country.as_deref().map(|country| format!("{country}-"));
    let region = filled(&wire.state).map(|state| {
        let short = prefix.and_then(|prefix| state.strip_prefix(&prefix).map(str::to_owned));
        short.unwrap_or(state)
    });
    let address = Address {
        name: filled(&format!("{} {}", wire.first_name, wire.last_name)),
        company: filled(&wire.company),
        street: filled(&wire.address_1),
        street2: filled(&wire.address_2),
        city: filled(&wire.city),
        postcode: filled(&wire.postcode),
        region,
        country,
        phone: wire.phone.as_deref().and_then(filled),
    };
    (address != Address::default()).then_some(address)
}
