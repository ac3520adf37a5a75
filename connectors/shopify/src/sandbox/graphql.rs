//! The shop's GraphQL nodes, with exactly the fields that our documents ask for.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use trueup_domain::document::Address;
use trueup_domain::money::Money;

use super::ShopifySandbox;
use super::rest::{LOCATION, kind, manual, names, number, restock, status};
use super::world::{BalanceRow, Dispute, Line, Order, Payout, Refund, Tax, Transaction};

pub struct GraphQl<'a> {
    pub shop: &'a ShopifySandbox,
    /// `$lines` of the query: longer lists are cut off.
    pub lines: usize,
    /// `$few` of the query.
    pub few: usize,
}

impl GraphQl<'_> {
    /// GraphQL trims zeros: `13.5`, `10.0`.
    pub fn money(&self, minor: i64) -> Value {
        let text = Money::from_minor(minor, self.shop.currency).amount_text();
        let text = match text.split_once('.') {
            Some((whole, cents)) => {
                let cents = cents.trim_end_matches('0');
                format!("{whole}.{}", if cents.is_empty() { "0" } else { cents })
            }
            None => format!("{text}.0"),
        };
        json!({ "amount": text, "currencyCode": self.shop.currency.code() })
    }

    fn bag(&self, minor: i64) -> Value {
        json!({ "shopMoney": self.money(minor) })
    }

    fn nodes(&self, mut nodes: Vec<Value>, max: usize) -> Value {
        let more = nodes.len() > max;
        nodes.truncate(max);
        json!({ "nodes": nodes, "pageInfo": { "hasNextPage": more } })
    }

    fn taxes(&self, taxes: &[Tax]) -> Value {
        let one = |tax: &Tax| {
            json!({
                "title": tax.title,
                "rate": number(&tax.rate.normalize().to_string()),
                "channelLiable": tax.channel_liable,
                "priceSet": self.bag(tax.amount),
            })
        };
        taxes.iter().map(one).collect()
    }

    fn allocations(&self, order: &Order, discount: i64) -> Value {
        if discount == 0 {
            return json!([]);
        }
        json!([{
            "allocatedAmountSet": self.bag(discount),
            "discountApplication": { "code": order.discount_title },
        }])
    }

    pub fn order(&self, order: &Order) -> Value {
        let included = self.shop.taxes_included;
        let total = self.money(order.total(included));
        let buyer = order.buyer.as_ref();
        let (first, last) = names(buyer.and_then(|buyer| buyer.name.as_ref()));
        let customer = buyer.and_then(|buyer| buyer.id.as_ref()).map(|id| {
            json!({
                "id": format!("gid://shopify/Customer/{id}"),
                "firstName": first,
                "lastName": last,
            })
        });
        // As recorded: an order that nobody has paid has no status.
        let standing = match order.financial_status(included) {
            "pending" => None,
            known => Some(known.to_ascii_uppercase()),
        };
        let lines = order.lines.iter().map(|line| self.line(order, line)).collect();
        let shipping = order.shipping.iter().map(|shipping| {
            json!({
                "id": gid("ShippingLine", shipping.id),
                "title": shipping.title,
                "isRemoved": false,
                "originalPriceSet": self.bag(shipping.price),
                "taxLines": self.taxes(&shipping.taxes),
                "discountAllocations": self.allocations(order, shipping.discount),
            })
        });
        let fulfilments = order.fulfilments.iter().map(|one| {
            let lines = one.lines.iter().filter_map(|&(index, quantity)| {
                let line = order.lines.get(index)?;
                Some(
                    json!({ "quantity": quantity, "lineItem": { "id": gid("LineItem", line.id) } }),
                )
            });
            json!({
                "id": gid("Fulfillment", one.id),
                "status": "SUCCESS",
                "createdAt": time(one.at),
                "updatedAt": time(one.at),
                "location": { "id": gid("Location", LOCATION) },
                "trackingInfo": [{ "number": one.tracking }],
                "fulfillmentLineItems": self.nodes(lines.collect(), self.lines),
            })
        });
        json!({
            "id": gid("Order", order.id),
            "name": order.name(),
            "poNumber": null,
            "createdAt": time(order.created_at),
            "processedAt": time(order.processed_at),
            "updatedAt": time(order.updated_at),
            "cancelledAt": order.cancelled_at.map(time),
            "currencyCode": self.shop.currency.code(),
            "presentmentCurrencyCode": self.shop.currency.code(),
            "totalPriceSet": { "shopMoney": total, "presentmentMoney": total },
            "taxesIncluded": included,
            "dutiesIncluded": false,
            "totalTipReceivedSet": self.bag(order.tip),
            "totalCashRoundingAdjustment": { "paymentSet": self.bag(0) },
            "displayFinancialStatus": standing,
            "sourceName": order.source,
            "test": order.test,
            "email": buyer.and_then(|buyer| buyer.email.clone()),
            "phone": buyer.and_then(|buyer| buyer.phone.clone()),
            "customer": customer,
            "billingAddress": address(buyer.and_then(|buyer| buyer.billing.as_ref())),
            "shippingAddress": address(buyer.and_then(|buyer| buyer.shipping.as_ref())),
            "lineItems": self.nodes(lines, self.lines),
            "shippingLines": self.nodes(shipping.collect(), self.few),
            "transactions": order
                .transactions
                .iter()
                .map(|one| self.transaction(order, one))
                .collect::<Vec<_>>(),
            "refunds": order.refunds.iter().map(|one| self.refund(order, one)).collect::<Vec<_>>(),
            "fulfillments": fulfilments.collect::<Vec<_>>(),
            "returns": self.nodes(Vec::new(), self.few),
        })
    }

    /// An order in a list: its id and what it comes to.
    pub fn listed(&self, order: &Order) -> Value {
        json!({
            "id": gid("Order", order.id),
            "updatedAt": time(order.updated_at),
            "currencyCode": self.shop.currency.code(),
            "totalPriceSet": self.bag(order.total(self.shop.taxes_included)),
            "totalCashRoundingAdjustment": { "paymentSet": self.bag(0) },
        })
    }

    fn line(&self, order: &Order, line: &Line) -> Value {
        let named = |kind, id: Option<u64>| id.map(|id| json!({ "id": gid(kind, id) }));
        json!({
            "id": gid("LineItem", line.id),
            "sku": line.sku,
            "name": line.title,
            "quantity": line.quantity,
            "isGiftCard": line.gift_card,
            "requiresShipping": line.requires_shipping,
            "product": named("Product", line.product),
            "variant": named("ProductVariant", line.variant),
            "originalUnitPriceSet": self.bag(line.unit),
            "taxLines": self.taxes(&line.taxes),
            "discountAllocations": self.allocations(order, line.discount),
            "duties": [],
        })
    }

    fn transaction(&self, order: &Order, one: &Transaction) -> Value {
        json!({
            "id": gid("OrderTransaction", one.id),
            "kind": kind(one.kind).to_ascii_uppercase(),
            "status": status(one.status).to_ascii_uppercase(),
            "gateway": one.gateway,
            "manualPaymentGateway": manual(&one.gateway),
            "amountSet": self.bag(one.amount),
            "amountRoundingSet": null,
            "parentTransaction": one.parent.map(|id| json!({ "id": gid("OrderTransaction", id) })),
            "authorizationCode": one.provider_id,
            "receiptJson": "{}",
            "createdAt": time(one.at),
            "processedAt": time(one.at),
            "test": order.test,
        })
    }

    fn refund(&self, order: &Order, refund: &Refund) -> Value {
        let lines = refund.lines.iter().filter_map(|line| {
            let sold = order.lines.get(line.line)?;
            Some(json!({
                "id": gid("RefundLineItem", line.id),
                "lineItem": { "id": gid("LineItem", sold.id) },
                "quantity": line.quantity,
                "restockType": restock(line.restock).to_ascii_uppercase(),
                "location": { "id": gid("Location", LOCATION) },
                "subtotalSet": self.bag(line.subtotal),
                "totalTaxSet": self.bag(line.tax),
            }))
        });
        let shipping = refund.shipping.iter().filter_map(|given| {
            let sold = order.shipping.as_ref()?;
            Some(json!({
                "id": gid("RefundShippingLine", given.id),
                "subtotalAmountSet": self.bag(given.amount),
                "taxAmountSet": self.bag(given.tax),
                "shippingLine": { "taxLines": self.taxes(&sold.taxes) },
            }))
        });
        let adjustments = refund.discrepancy.iter().map(|&(id, kept)| {
            json!({
                "id": gid("OrderAdjustment", id),
                "reason": "REFUND_DISCREPANCY",
                "amountSet": self.bag(kept),
                "taxAmountSet": self.bag(0),
            })
        });
        let paid = refund.transactions.iter();
        let paid = paid.map(|&id| json!({ "id": gid("OrderTransaction", id) }));
        json!({
            "id": gid("Refund", refund.id),
            "createdAt": time(refund.at),
            "note": refund.note,
            "refundLineItems": self.nodes(lines.collect(), self.lines),
            "refundShippingLines": self.nodes(shipping.collect(), self.few),
            "orderAdjustments": self.nodes(adjustments.collect(), self.few),
            "duties": [],
            "transactions": self.nodes(paid.collect(), self.few),
        })
    }

    pub fn payout(&self, payout: &Payout) -> Value {
        json!({
            "id": gid("ShopifyPaymentsPayout", payout.id),
            "status": payout.status.to_ascii_uppercase(),
            "issuedAt": time(payout.at),
            "net": self.money(payout.amount),
            "externalTraceId": null,
        })
    }

    pub fn row(&self, row: &BalanceRow) -> Value {
        json!({
            "id": gid("ShopifyPaymentsBalanceTransaction", row.id),
            "type": row.kind.to_ascii_uppercase(),
            "test": false,
            "amount": self.money(row.amount),
            "fee": self.money(row.fee),
            "net": self.money(row.amount - row.fee),
            "sourceId": row.source.map(|id| id.to_string()),
            "sourceType": null,
            "sourceOrderTransactionId": row.transaction.map(|id| id.to_string()),
            "adjustmentReason": null,
            "transactionDate": time(row.at),
            "associatedOrder": row.order.map(|id| json!({ "id": gid("Order", id) })),
            "associatedPayout": {
                "id": row.payout.map(|id| gid("ShopifyPaymentsPayout", id)),
            },
        })
    }

    pub fn dispute(&self, dispute: &Dispute) -> Value {
        json!({
            "id": gid("ShopifyPaymentsDispute", dispute.id),
            "status": dispute.status.to_ascii_uppercase(),
            "type": "CHARGEBACK",
            "amount": self.money(dispute.amount),
            "reasonDetails": { "reason": dispute.reason.to_ascii_uppercase() },
            "evidenceDueBy": null,
            "finalizedOn": null,
            "initiatedAt": time(dispute.at),
            "order": { "id": gid("Order", dispute.order) },
        })
    }
}

fn gid(kind: &str, id: u64) -> String {
    format!("gid://shopify/{kind}/{id}")
}

pub fn time(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn address(address: Option<&Address>) -> Value {
    let Some(address) = address else { return Value::Null };
    json!({
        "name": address.name,
        "company": address.company,
        "address1": address.street,
        "address2": address.street2,
        "city": address.city,
        "zip": address.postcode,
        "provinceCode": address.region,
        "countryCodeV2": address.country,
        "phone": address.phone,
    })
}
