//! The shop's objects as its REST API writes them; webhook bodies are the same.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use trueup_domain::document::{Address, Buyer};
use trueup_domain::money::Money;

use super::WooSandbox;
use super::world::{Charge, Line, Order, Refund, Taxes, Webhook, tax_of};

/// Site time and UTC alike: the shop's clock is set to UTC.
fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

fn meta(id: u64, key: &str, value: &str) -> Value {
    json!({ "id": id, "key": key, "value": value })
}

impl WooSandbox {
    fn text(&self, minor: i64) -> String {
        Money::from_minor(minor, self.currency).amount_text()
    }

    fn taxes(&self, taxes: &Taxes, sign: i64) -> Vec<Value> {
        let of = |(rate, amount): &(u64, i64)| {
            let amount = self.text(amount * sign);
            json!({ "id": rate, "total": amount, "subtotal": amount })
        };
        taxes.iter().map(of).collect()
    }

    fn tax_lines(&self, order: &Order) -> Vec<Value> {
        let lines = self.rates.iter().filter_map(|(&id, rate)| {
            let sum = |taxes: &mut dyn Iterator<Item = &(u64, i64)>| -> Option<i64> {
                let own: Vec<i64> =
                    taxes.filter(|(rate, _)| *rate == id).map(|(_, amount)| *amount).collect();
                (!own.is_empty()).then(|| own.iter().sum())
            };
            let all = sum(&mut order.taxes())?;
            let of_shipping = order.shipping.as_ref().and_then(|it| sum(&mut it.taxes.iter()));
            let percent: Value =
                serde_json::from_str(&rate.percent.normalize().to_string()).ok()?;
            Some(json!({
                "id": order.id * 100 + id,
                "rate_code": format!("{}-{id}", rate.label.to_uppercase()),
                "rate_id": id,
                "label": rate.label,
                "compound": false,
                "tax_total": self.text(all - of_shipping.unwrap_or(0)),
                "shipping_tax_total": self.text(of_shipping.unwrap_or(0)),
                "rate_percent": percent,
                "meta_data": [],
            }))
        });
        lines.collect()
    }

    fn line(&self, line: &Line) -> Value {
        let mut notes = Vec::new();
        if line.restocked > 0 {
            notes.push(meta(line.id, "_restock_refunded_items", &line.restocked.to_string()));
        }
        let each = Decimal::from(line.total) / Decimal::from(line.quantity.max(1));
        let price = each / Decimal::from(10_i64.pow(self.currency.exponent()));
        let price = price.round_dp(6).normalize().to_string();
        json!({
            "id": line.id,
            "name": line.title,
            "product_id": 1,
            "variation_id": 0,
            "quantity": line.quantity,
            "tax_class": "",
            "subtotal": self.text(line.subtotal),
            "subtotal_tax": self.text(tax_of(&line.taxes)),
            "total": self.text(line.total),
            "total_tax": self.text(tax_of(&line.taxes)),
            "taxes": self.taxes(&line.taxes, 1),
            "meta_data": notes,
            "sku": line.sku,
            "price": serde_json::from_str::<Value>(&price).unwrap_or_default(),
        })
    }

    fn shipping(&self, charge: &Charge, sign: i64) -> Value {
        json!({
            "id": charge.id,
            "method_title": charge.title,
            "method_id": "flat_rate",
            "instance_id": "",
            "total": self.text(charge.total * sign),
            "total_tax": self.text(tax_of(&charge.taxes) * sign),
            "taxes": self.taxes(&charge.taxes, sign),
            "tax_status": "taxable",
            "meta_data": [],
        })
    }

    fn fee(&self, charge: &Charge) -> Value {
        json!({
            "id": charge.id,
            "name": charge.title,
            "tax_class": "",
            "tax_status": "taxable",
            "amount": "",
            "total": self.text(charge.total),
            "total_tax": self.text(tax_of(&charge.taxes)),
            "taxes": self.taxes(&charge.taxes, 1),
            "meta_data": [],
        })
    }

    pub(super) fn order_json(&self, order: &Order) -> Value {
        let taken: i64 = order.lines.iter().map(|line| line.subtotal - line.total).sum();
        let coupons = order.coupon.iter().map(|code| {
            json!({
                "id": order.id * 100,
                "code": code,
                "discount": self.text(taken),
                "discount_tax": self.text(0),
                "meta_data": [],
            })
        });
        let refunds = order.refunds.iter().map(|refund| {
            json!({
                "id": refund.id,
                "reason": refund.reason,
                "total": self.text(-refund.amount),
                "total_tax": self.text(0),
            })
        });
        let notes = order.refund_noted.iter().map(|name| meta(order.id, "_stripe_refund_id", name));
        let buyer = order.buyer.as_ref();
        let customer = buyer.and_then(|buyer| buyer.id.as_deref()?.parse::<u64>().ok());
        let shipping_total = order.shipping.as_ref().map_or(0, |it| it.total);
        let shipping_tax = order.shipping.as_ref().map_or(0, |it| tax_of(&it.taxes));
        json!({
            "id": order.id,
            "parent_id": 0,
            "status": order.status,
            "currency": self.currency.code(),
            "version": "11.0.1",
            "prices_include_tax": self.prices_include_tax,
            "date_created": moment(order.created),
            "date_modified": moment(order.modified),
            "discount_total": self.text(taken),
            "discount_tax": self.text(0),
            "shipping_total": self.text(shipping_total),
            "shipping_tax": self.text(shipping_tax),
            "cart_tax": self.text(order.tax() - shipping_tax),
            "total": self.text(order.total()),
            "total_tax": self.text(order.tax()),
            "customer_id": customer.unwrap_or(0),
            "order_key": format!("wc_order_{}", order.id),
            "billing": address(buyer, |buyer| buyer.billing.as_ref()),
            "shipping": address(buyer, |buyer| buyer.shipping.as_ref()),
            "payment_method": order.method,
            "payment_method_title": order.method,
            "transaction_id": order.transaction,
            "created_via": "checkout",
            "customer_note": "",
            "date_completed": order.completed.map(moment),
            "date_paid": order.paid.map(moment),
            "number": order.id.to_string(),
            "meta_data": notes.collect::<Vec<_>>(),
            "line_items": order.lines.iter().map(|line| self.line(line)).collect::<Vec<_>>(),
            "tax_lines": self.tax_lines(order),
            "shipping_lines":
                order.shipping.iter().map(|one| self.shipping(one, 1)).collect::<Vec<_>>(),
            "fee_lines": order.fees.iter().map(|fee| self.fee(fee)).collect::<Vec<_>>(),
            "coupon_lines": coupons.collect::<Vec<_>>(),
            "refunds": refunds.collect::<Vec<_>>(),
            "needs_payment": order.paid.is_none(),
            "date_created_gmt": moment(order.created),
            "date_modified_gmt": moment(order.modified),
            "date_completed_gmt": order.completed.map(moment),
            "date_paid_gmt": order.paid.map(moment),
        })
    }

    pub(super) fn refund_json(&self, refund: &Refund) -> Value {
        let lines = refund.lines.iter().map(|line| {
            json!({
                "id": line.id,
                "quantity": -line.quantity,
                "subtotal": self.text(-line.total),
                "subtotal_tax": self.text(-tax_of(&line.taxes)),
                "total": self.text(-line.total),
                "total_tax": self.text(-tax_of(&line.taxes)),
                "taxes": self.taxes(&line.taxes, -1),
                "meta_data": [meta(line.id, "_refunded_item_id", &line.of.to_string())],
            })
        });
        json!({
            "id": refund.id,
            "date_created": moment(refund.at),
            "date_created_gmt": moment(refund.at),
            "amount": self.text(refund.amount),
            "reason": refund.reason,
            "refunded_by": 1,
            "refunded_payment": refund.by_gateway,
            "meta_data": [],
            "line_items": lines.collect::<Vec<_>>(),
            "shipping_lines":
                refund.shipping.iter().map(|one| self.shipping(one, -1)).collect::<Vec<_>>(),
            "tax_lines": [],
            "fee_lines": [],
        })
    }

    pub(super) fn webhook_json(&self, id: u64, webhook: &Webhook) -> Value {
        let (resource, event) = webhook.topic.split_once('.').unwrap_or((webhook.topic, ""));
        json!({
            "id": id,
            "name": format!("Trueup {event}"),
            "status": if webhook.active { "active" } else { "disabled" },
            "topic": webhook.topic,
            "resource": resource,
            "event": event,
            "delivery_url": "https://hub.example.com/webhooks/woocommerce",
            "date_modified_gmt": moment(webhook.changed),
        })
    }
}

fn address(buyer: Option<&Buyer>, pick: impl Fn(&Buyer) -> Option<&Address>) -> Value {
    let name = buyer.and_then(|buyer| buyer.name.clone()).unwrap_or_default();
    let (first, last) = name.split_once(' ').unwrap_or((&name, ""));
    let found = buyer.and_then(pick).cloned().unwrap_or_default();
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    json!({
        "first_name": first,
        "last_name": last,
        "company": text(&found.company),
        "address_1": text(&found.street),
        "address_2": text(&found.street2),
        "city": text(&found.city),
        "state": text(&found.region),
        "postcode": text(&found.postcode),
        "country": text(&found.country),
        "email": buyer.and_then(|buyer| buyer.email.clone()).unwrap_or_default(),
        "phone": text(&found.phone),
    })
}
