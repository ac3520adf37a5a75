//! The shop's REST-shaped bodies, with the fields of the recorded ones.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use trueup_domain::document::{Address, Buyer, PaymentKind, PaymentStatus, Restock};
use trueup_domain::money::Money;

use super::ShopifySandbox;
use super::world::{
    BalanceRow, Dispute, Fulfilment, Line, Order, Payout, Refund, Shipping, Tax, Transaction,
};

/// Where all goods are.
pub const LOCATION: u64 = 487_838_322;

pub struct Rest<'a> {
    pub shop: &'a ShopifySandbox,
}

impl Rest<'_> {
    fn text(&self, minor: i64) -> String {
        Money::from_minor(minor, self.shop.currency).amount_text()
    }

    fn set(&self, minor: i64) -> Value {
        let money = json!({
            "amount": self.text(minor),
            "currency_code": self.shop.currency.code(),
        });
        json!({ "shop_money": money, "presentment_money": money })
    }

    fn time(&self, at: Timestamp) -> String {
        let zoned = at.to_zoned(TimeZone::fixed(self.shop.offset));
        zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }

    fn taxes(&self, taxes: &[Tax]) -> Value {
        let one = |tax: &Tax| {
            json!({
                "channel_liable": tax.channel_liable,
                "price": self.text(tax.amount),
                "price_set": self.set(tax.amount),
                "rate": number(&tax.rate.normalize().to_string()),
                "title": tax.title,
            })
        };
        taxes.iter().map(one).collect()
    }

    fn allocations(&self, discount: i64) -> Value {
        if discount == 0 {
            return json!([]);
        }
        json!([{
            "amount": self.text(discount),
            "amount_set": self.set(discount),
            "discount_application_index": 0,
        }])
    }

    pub fn order(&self, order: &Order) -> Value {
        let included = self.shop.taxes_included;
        let (taken, returned) = order.paid();
        let total = order.total(included);
        let given_back = order.given_back(included);
        let current = total - given_back;
        let outstanding = current - (taken - returned);
        let shipping = order.shipping.as_ref().map_or(0, |shipping| shipping.price);
        let discounts = order.discounts();
        let applications = if discounts == 0 {
            json!([])
        } else {
            json!([{
                "target_type": "line_item",
                "type": "discount_code",
                "value": self.text(discounts),
                "value_type": "fixed_amount",
                "allocation_method": "across",
                "target_selection": "all",
                "code": order.discount_title,
            }])
        };
        let mut gateways: Vec<&str> =
            order.transactions.iter().map(|one| one.gateway.as_str()).collect();
        gateways.dedup();
        let buyer = order.buyer.as_ref();
        let mut body = json!({
            "id": order.id,
            "admin_graphql_api_id": format!("gid://shopify/Order/{}", order.id),
            "app_id": null,
            "browser_ip": null,
            "buyer_accepts_marketing": false,
            "cancel_reason": order.cancelled_at.map(|_| "other"),
            "cancelled_at": order.cancelled_at.map(|at| self.time(at)),
            "checkout_id": null,
            "closed_at": null,
            "confirmed": true,
            "contact_email": buyer.and_then(|buyer| buyer.email.clone()),
            "created_at": self.time(order.created_at),
            "currency": self.shop.currency.code(),
            "current_total_price": self.text(current),
            "current_total_price_set": self.set(current),
            "discount_codes": [],
            "duties_included": false,
            "email": buyer.and_then(|buyer| buyer.email.clone()).unwrap_or_default(),
            "estimated_taxes": false,
            "financial_status": order.financial_status(included),
            "fulfillment_status": order.fulfilment_status(),
            "location_id": null,
            "name": order.name(),
            "note": null,
            "number": order.number - 1000,
            "order_number": order.number,
            "original_total_duties_set": null,
            "payment_gateway_names": gateways,
            "phone": buyer.and_then(|buyer| buyer.phone.clone()),
            "po_number": null,
            "presentment_currency": self.shop.currency.code(),
            "processed_at": self.time(order.processed_at),
            "source_name": order.source,
            "subtotal_price": self.text(order.subtotal()),
            "subtotal_price_set": self.set(order.subtotal()),
            "tags": "",
            "tax_exempt": false,
            "taxes_included": included,
            "test": order.test,
        });
        let more = json!({
            "total_cash_rounding_payment_adjustment_set": self.set(0),
            "total_cash_rounding_refund_adjustment_set": self.set(0),
            "total_discounts": self.text(discounts),
            "total_discounts_set": self.set(discounts),
            "total_outstanding": self.text(outstanding.max(0)),
            "total_price": self.text(total),
            "total_price_set": self.set(total),
            "total_shipping_price_set": self.set(shipping),
            "total_tax": self.text(order.tax()),
            "total_tax_set": self.set(order.tax()),
            "total_tip_received": self.text(order.tip),
            "total_weight": 0,
            "updated_at": self.time(order.updated_at),
            "user_id": null,
            "billing_address": address(buyer.and_then(|buyer| buyer.billing.as_ref())),
            "customer": customer(buyer),
            "discount_applications": applications,
            "fulfillments": order
                .fulfilments
                .iter()
                .map(|one| self.fulfilment(order, one))
                .collect::<Vec<_>>(),
            "line_items": order.lines.iter().map(|line| self.line(line)).collect::<Vec<_>>(),
            "payment_terms": null,
            "refunds": order.refunds.iter().map(|one| self.refund(order, one)).collect::<Vec<_>>(),
            "shipping_address": address(buyer.and_then(|buyer| buyer.shipping.as_ref())),
            "shipping_lines": order
                .shipping
                .iter()
                .map(|shipping| self.shipping(shipping))
                .collect::<Vec<_>>(),
        });
        merge(&mut body, more);
        body
    }

    fn line(&self, line: &Line) -> Value {
        json!({
            "id": line.id,
            "admin_graphql_api_id": format!("gid://shopify/LineItem/{}", line.id),
            "attributed_staffs": [],
            "current_quantity": line.quantity - line.gone,
            "fulfillable_quantity": line.quantity - line.gone - line.fulfilled,
            "fulfillment_service": "manual",
            "fulfillment_status": (line.fulfilled > 0).then_some("fulfilled"),
            "gift_card": line.gift_card,
            "grams": 200,
            "name": line.title,
            "price": self.text(line.unit),
            "price_set": self.set(line.unit),
            "product_exists": line.product.is_some(),
            "product_id": line.product,
            "properties": [],
            "quantity": line.quantity,
            "requires_shipping": line.requires_shipping,
            "sku": line.sku,
            "taxable": !line.taxes.is_empty(),
            "title": line.title,
            "total_discount": "0.00",
            "total_discount_set": self.set(0),
            "variant_id": line.variant,
            "variant_inventory_management": "shopify",
            "variant_title": null,
            "vendor": null,
            "tax_lines": self.taxes(&line.taxes),
            "duties": [],
            "discount_allocations": self.allocations(line.discount),
        })
    }

    fn shipping(&self, shipping: &Shipping) -> Value {
        json!({
            "id": shipping.id,
            "carrier_identifier": null,
            "code": shipping.title,
            "discounted_price": self.text(shipping.net()),
            "discounted_price_set": self.set(shipping.net()),
            "is_removed": false,
            "phone": null,
            "price": self.text(shipping.price),
            "price_set": self.set(shipping.price),
            "requested_fulfillment_service_id": null,
            "source": "shopify",
            "title": shipping.title,
            "tax_lines": self.taxes(&shipping.taxes),
            "discount_allocations": self.allocations(shipping.discount),
        })
    }

    pub fn refund(&self, order: &Order, refund: &Refund) -> Value {
        let lines: Vec<Value> = refund
            .lines
            .iter()
            .filter_map(|line| {
                let sold = order.lines.get(line.line)?;
                Some(json!({
                    "id": line.id,
                    "line_item_id": sold.id,
                    "location_id": LOCATION,
                    "quantity": line.quantity,
                    "restock_type": restock(line.restock),
                    "subtotal": number(&self.text(line.subtotal)),
                    "subtotal_set": self.set(line.subtotal),
                    "total_tax": number(&self.text(line.tax)),
                    "total_tax_set": self.set(line.tax),
                    "line_item": self.line(sold),
                }))
            })
            .collect();
        let shipping: Vec<Value> = refund
            .shipping
            .iter()
            .filter_map(|given| {
                let sold = order.shipping.as_ref()?;
                Some(json!({
                    "id": given.id,
                    "shipping_line_id": sold.id,
                    "subtotal_amount_set": self.set(given.amount),
                    "tax_amount_set": self.set(given.tax),
                    "shipping_line": self.shipping(sold),
                }))
            })
            .collect();
        let adjustments: Vec<Value> = refund
            .discrepancy
            .iter()
            .map(|&(id, kept)| {
                json!({
                    "id": id,
                    "order_id": order.id,
                    "refund_id": refund.id,
                    "amount": self.text(kept),
                    "tax_amount": self.text(0),
                    "kind": "refund_discrepancy",
                    "reason": "Refund discrepancy",
                    "amount_set": self.set(kept),
                    "tax_amount_set": self.set(0),
                })
            })
            .collect();
        let transactions: Vec<Value> = order
            .transactions
            .iter()
            .filter(|one| one.refund == Some(refund.id))
            .map(|one| self.transaction(order, one))
            .collect();
        json!({
            "id": refund.id,
            "admin_graphql_api_id": format!("gid://shopify/Refund/{}", refund.id),
            "order_id": order.id,
            "created_at": self.time(refund.at),
            "note": refund.note,
            "user_id": null,
            "processed_at": self.time(refund.at),
            "restock": refund.lines.iter().any(|line| line.restock != Restock::None),
            "duties": [],
            "total_duties_set": self.set(0),
            "return": null,
            "additional_fees": [],
            "total_additional_fees_set": self.set(0),
            "refund_shipping_lines": shipping,
            "order_adjustments": adjustments,
            "refund_line_items": lines,
            "transactions": transactions,
        })
    }

    pub fn transaction(&self, order: &Order, one: &Transaction) -> Value {
        let money = json!({ "amount": self.text(0), "currency": self.shop.currency.code() });
        json!({
            "id": one.id,
            "admin_graphql_api_id": format!("gid://shopify/OrderTransaction/{}", one.id),
            "order_id": order.id,
            "kind": kind(one.kind),
            "gateway": one.gateway,
            "status": status(one.status),
            "message": null,
            "created_at": self.time(one.at),
            "test": order.test,
            "authorization": one.provider_id,
            "location_id": null,
            "user_id": null,
            "parent_id": one.parent,
            "processed_at": self.time(one.at),
            "device_id": null,
            "error_code": null,
            "source_name": order.source,
            "receipt": {},
            "currency_exchange_adjustment": null,
            "amount": self.text(one.amount),
            "currency": self.shop.currency.code(),
            "payment_id": format!("{}.{}", order.name(), one.id),
            "total_unsettled_set": { "presentment_money": money, "shop_money": money },
            "manual_payment_gateway": manual(&one.gateway),
            "amount_rounding": null,
        })
    }

    pub fn fulfilment(&self, order: &Order, one: &Fulfilment) -> Value {
        let lines: Vec<Value> = one
            .lines
            .iter()
            .filter_map(|&(index, quantity)| {
                let mut line = self.line(order.lines.get(index)?);
                merge(&mut line, json!({ "quantity": quantity }));
                Some(line)
            })
            .collect();
        json!({
            "id": one.id,
            "admin_graphql_api_id": format!("gid://shopify/Fulfillment/{}", one.id),
            "created_at": self.time(one.at),
            "location_id": LOCATION,
            "name": format!("{}.1", order.name()),
            "order_id": order.id,
            "origin_address": {},
            "receipt": {},
            "service": "manual",
            "shipment_status": null,
            "status": "success",
            "tracking_company": "UPS",
            "tracking_number": one.tracking,
            "tracking_numbers": [one.tracking],
            "tracking_url": null,
            "tracking_urls": [],
            "updated_at": self.time(one.at),
            "line_items": lines,
        })
    }

    pub fn edit(
        &self,
        order: &Order,
        edit: u64,
        added: Option<(u64, i64)>,
        removed: Option<(u64, i64)>,
    ) -> Value {
        let change = |change: Option<(u64, i64)>| -> Vec<Value> {
            change.iter().map(|&(id, delta)| json!({ "id": id, "delta": delta })).collect()
        };
        json!({
            "order_edit": {
                "id": edit,
                "app_id": null,
                "created_at": self.time(order.updated_at),
                "notify_customer": false,
                "order_id": order.id,
                "staff_note": "",
                "user_id": null,
                "line_items": { "additions": change(added), "removals": change(removed) },
                "discounts": { "line_item": { "additions": [], "removals": [] } },
                "shipping_lines": { "additions": [], "removals": [] },
            }
        })
    }

    pub fn payout(&self, payout: &Payout) -> Value {
        json!({
            "id": payout.id,
            "status": payout.status,
            "date": payout.at.to_zoned(TimeZone::UTC).date().to_string(),
            "currency": self.shop.currency.code(),
            "amount": self.text(payout.amount),
        })
    }

    pub fn row(&self, row: &BalanceRow) -> Value {
        json!({
            "id": row.id,
            "type": row.kind,
            "test": false,
            "payout_id": row.payout,
            "payout_status": row.payout.map(|_| "paid"),
            "currency": self.shop.currency.code(),
            "amount": self.text(row.amount),
            "fee": self.text(row.fee),
            "net": self.text(row.amount - row.fee),
            "source_id": row.source,
            "source_type": row.kind,
            "source_order_id": row.order,
            "source_order_transaction_id": row.transaction,
            "processed_at": self.time(row.at),
            "adjustment_order_transactions": null,
            "adjustment_reason": null,
        })
    }

    pub fn dispute(&self, dispute: &Dispute) -> Value {
        json!({
            "id": dispute.id,
            "order_id": dispute.order,
            "type": "chargeback",
            "amount": self.text(dispute.amount),
            "currency": self.shop.currency.code(),
            "reason": dispute.reason,
            "network_reason_code": "4827",
            "status": dispute.status,
            "evidence_due_by": null,
            "evidence_sent_on": null,
            "finalized_on": null,
            "initiated_at": self.time(dispute.at),
        })
    }
}

/// A JSON number with exactly these digits.
pub fn number(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}

fn merge(body: &mut Value, more: Value) {
    if let (Value::Object(body), Value::Object(more)) = (body, more) {
        body.extend(more);
    }
}

pub fn manual(gateway: &str) -> bool {
    matches!(gateway, "manual" | "Bank Deposit" | "Cash on Delivery (COD)" | "Money Order")
}

pub fn kind(kind: PaymentKind) -> &'static str {
    match kind {
        PaymentKind::Authorization => "authorization",
        PaymentKind::Capture => "capture",
        PaymentKind::Sale => "sale",
        PaymentKind::Void => "void",
        PaymentKind::Refund => "refund",
    }
}

pub fn status(status: PaymentStatus) -> &'static str {
    match status {
        PaymentStatus::Pending => "pending",
        PaymentStatus::Succeeded => "success",
        PaymentStatus::Failed => "failure",
        PaymentStatus::Cancelled => "error",
    }
}

pub fn restock(restock: Restock) -> &'static str {
    match restock {
        Restock::None => "no_restock",
        Restock::Cancelled => "cancel",
        Restock::Returned => "return",
    }
}

/// First and last name, split at the last blank, as the checkout asks for them.
pub fn names(name: Option<&String>) -> (Option<&str>, Option<&str>) {
    match name.map(|name| name.rsplit_once(' ')) {
        Some(Some((first, last))) => (Some(first), Some(last)),
        Some(None) => (None, name.map(String::as_str)),
        None => (None, None),
    }
}

fn customer(buyer: Option<&Buyer>) -> Value {
    let Some((buyer, id)) = buyer.and_then(|buyer| Some((buyer, buyer.id.as_ref()?))) else {
        return Value::Null;
    };
    let (first, last) = names(buyer.name.as_ref());
    json!({
        "id": number(id),
        "email": buyer.email,
        "first_name": first,
        "last_name": last,
        "state": "disabled",
        "note": null,
        "verified_email": true,
        "tax_exempt": false,
        "phone": buyer.phone,
        "tags": "",
        "admin_graphql_api_id": format!("gid://shopify/Customer/{id}"),
    })
}

fn address(address: Option<&Address>) -> Value {
    let Some(address) = address else { return Value::Null };
    let (first, last) = names(address.name.as_ref());
    json!({
        "first_name": first,
        "last_name": last,
        "name": address.name,
        "company": address.company,
        "address1": address.street,
        "address2": address.street2.clone().unwrap_or_default(),
        "city": address.city,
        "zip": address.postcode,
        "province_code": address.region,
        "country_code": address.country,
        "phone": address.phone,
    })
}
