//! What the signed channel would say of an order, as Shopify states it: the order whole, with all that
//! belongs to it, in the fields of our own query.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use trueup_domain::money::{Currency, Money};

/// A shop that has one order.
pub struct Shop {
    currency: Currency,
    /// Shopify's ids are numbers.
    ids: BTreeMap<String, usize>,
    order: Value,
    /// Payments, refunds, fulfilments and returns, by list and id.
    parts: BTreeMap<(String, String), Value>,
    stated: i64,
}

impl Shop {
    pub fn new(currency: Currency) -> Self {
        let (ids, parts) = (BTreeMap::new(), BTreeMap::new());
        Self { currency, ids, order: Value::Null, parts, stated: 0 }
    }

    /// The order as it stands after an object of this list was stated.
    pub fn states(&mut self, list: &str, object: &Value) -> Value {
        self.stated += 1;
        match list {
            "orders" => self.order = object.clone(),
            _ => {
                let name = (list.to_owned(), text(&object["id"]).to_owned());
                self.parts.insert(name, object.clone());
            }
        }
        self.node()
    }

    fn id(&mut self, kind: &str, own: &str) -> Value {
        let next = self.ids.len() + 101;
        let number = *self.ids.entry(format!("{kind}/{own}")).or_insert(next);
        json!(format!("gid://shopify/{kind}/{number}"))
    }

    fn bag(&self, amount: &str) -> Value {
        json!({ "shopMoney": { "amount": amount, "currencyCode": self.currency.code() } })
    }

    fn money(&self, amount: &Value) -> Money {
        Money::parse(text(amount), self.currency).expect("an amount")
    }

    fn list(&self, list: &str) -> Vec<Value> {
        let of = self.parts.iter().filter(|((one, _), _)| one == list);
        of.map(|(_, object)| object.clone()).collect()
    }

    fn node(&mut self) -> Value {
        let order = self.order.clone();
        assert!(order.is_object(), "Shopify states nothing without its order");
        let placed: jiff::Timestamp = text(&order["placed_at"]).parse().expect("a moment");
        // What a till sold while it was offline is known later.
        let updated = placed + jiff::SignedDuration::from_hours(6 * self.stated);
        let charges = of(&order, "charges");
        let rounding = charges.iter().find(|one| one["kind"] == "cash_rounding");
        let rounding = rounding.map_or(Money::zero(self.currency), |it| self.money(&it["gross"]));
        let total = self.money(&order["total"]).checked_sub(rounding).expect("in range");
        let mut tip = Money::zero(self.currency);
        let mut lines = Vec::new();
        for line in of(&order, "lines") {
            if line["kind"] == "tip" {
                tip = tip.checked_add(self.money(&line["gross"])).expect("in range");
            }
            lines.push(self.line(&line));
        }
        let mut total_set = self.bag(&total.amount_text());
        let mut presentment = order["currency"].clone();
        if let Some(presented) = order.get("presented") {
            presentment.clone_from(&presented["currencyCode"]);
            total_set["presentmentMoney"].clone_from(presented);
        }
        let shipping: Vec<Value> = charges
            .iter()
            .filter(|one| one["kind"] != "cash_rounding")
            .map(|charge| self.shipping(charge))
            .collect();
        let buyer = order["buyer"].clone();
        let customer = match buyer.get("id") {
            Some(own) => json!({ "id": self.id("Customer", text(own)),
                "firstName": buyer["name"], "lastName": null }),
            None => Value::Null,
        };
        let address = |at: &Value| {
            json!({ "name": buyer["name"], "company": buyer["company"], "address1": at["street"],
                "city": at["city"], "zip": at["postcode"], "provinceCode": at["region"],
                "countryCodeV2": at["country"] })
        };
        let transactions: Vec<Value> =
            self.list("payments").iter().map(|it| self.transaction(it, rounding)).collect();
        let refunds: Vec<Value> = self.list("refunds").iter().map(|it| self.refund(it)).collect();
        let fulfilments: Vec<Value> =
            self.list("fulfilments").iter().map(|it| self.fulfilment(it, &updated)).collect();
        let mut returns: Vec<Value> =
            self.list("returns").iter().map(|it| self.returned(it)).collect();
        for refund in self.list("refunds").iter().filter(|it| it.get("exchanged_for").is_some()) {
            returns.push(self.exchanged(refund));
        }
        json!({
            "id": "gid://shopify/Order/1",
            "name": order["number"],
            "poNumber": order["customer_reference"],
            "createdAt": updated.to_string(),
            "processedAt": order["placed_at"],
            "updatedAt": updated.to_string(),
            "cancelledAt": order["cancelled_at"],
            "currencyCode": order["currency"],
            "presentmentCurrencyCode": presentment,
            "totalPriceSet": total_set,
            "taxesIncluded": order["taxes_included"],
            "dutiesIncluded": false,
            "totalTipReceivedSet": self.bag(&tip.amount_text()),
            "totalCashRoundingAdjustment": { "paymentSet": self.bag(&rounding.amount_text()) },
            "displayFinancialStatus": text(&order["payment_standing"]).to_uppercase(),
            "sourceName": order.get("source").cloned().unwrap_or_else(|| json!("web")),
            "test": order.get("test").cloned().unwrap_or(Value::Bool(false)),
            "email": buyer["email"],
            "phone": buyer["phone"],
            "customer": customer,
            "billingAddress": null,
            "shippingAddress": address(&buyer["shipping"]),
            "lineItems": nodes(lines),
            "shippingLines": nodes(shipping),
            "transactions": transactions,
            "refunds": refunds,
            "fulfillments": fulfilments,
            "returns": nodes(returns),
        })
    }

    fn line(&mut self, line: &Value) -> Value {
        let product = line.get("sku").map(|sku| json!({ "id": self.id("Product", text(sku)) }));
        json!({
            "id": self.id("LineItem", text(&line["id"])),
            "sku": line["sku"],
            "name": line["title"],
            "quantity": line["quantity"],
            "isGiftCard": line["kind"] == "gift_card",
            "requiresShipping": product.is_some(),
            "product": product,
            "variant": null,
            "originalUnitPriceSet": self.bag(text(&line["unit_price"])),
            "taxLines": self.taxes(line),
            "discountAllocations": self.discounts(line),
            "duties": [],
        })
    }

    fn shipping(&mut self, charge: &Value) -> Value {
        assert_eq!(charge["kind"], "shipping", "Shopify has no such charge");
        json!({
            "id": self.id("ShippingLine", "1"),
            "title": "Standard",
            "isRemoved": false,
            "originalPriceSet": self.bag(text(&charge["gross"])),
            "taxLines": self.taxes(charge),
            "discountAllocations": self.discounts(charge),
        })
    }

    fn taxes(&self, of_what: &Value) -> Vec<Value> {
        let one = |tax: &Value| {
            json!({ "title": tax["title"], "rate": tax["rate"],
                "channelLiable": tax["remitted_by"] == "marketplace",
                "priceSet": self.bag(text(&tax["amount"])) })
        };
        of(of_what, "taxes").iter().map(one).collect()
    }

    fn discounts(&self, of_what: &Value) -> Vec<Value> {
        let one = |discount: &Value| {
            assert_eq!(discount["funder"], "merchant", "Shopify knows no other");
            json!({ "allocatedAmountSet": self.bag(text(&discount["amount"])),
                "discountApplication": { "code": discount["title"] } })
        };
        of(of_what, "discounts").iter().map(one).collect()
    }

    /// What the till rounded is kept apart from the amount.
    fn transaction(&mut self, payment: &Value, rounding: Money) -> Value {
        let rounded = payment["gateway"] == "cash" && !rounding.is_zero();
        let amount = self.money(&payment["amount"]);
        let amount = match rounded {
            true => amount.checked_sub(rounding).expect("in range"),
            false => amount,
        };
        let status = match text(&payment["status"]) {
            "succeeded" => "SUCCESS",
            "pending" => "PENDING",
            "failed" => "FAILURE",
            other => panic!("Shopify knows no payment that is {other}"),
        };
        let parent = payment.get("parent").map(|it| json!({ "id": self.transaction_id(it) }));
        json!({
            "id": self.transaction_id(&payment["id"]),
            "kind": text(&payment["kind"]).to_uppercase(),
            "status": status,
            "gateway": payment["gateway"],
            "manualPaymentGateway": payment["tender"] == "other",
            "amountSet": self.bag(&amount.amount_text()),
            "amountRoundingSet": rounded.then(|| self.bag(&rounding.amount_text())),
            "parentTransaction": parent,
            "authorizationCode": payment["provider_id"],
            "receiptJson": "{}",
            "createdAt": payment["processed_at"],
            "processedAt": payment["processed_at"],
            "test": payment.get("test").cloned().unwrap_or(Value::Bool(false)),
        })
    }

    fn transaction_id(&mut self, own: &Value) -> Value {
        self.id("OrderTransaction", text(own))
    }

    fn refund(&mut self, refund: &Value) -> Value {
        let own = text(&refund["id"]);
        let exchanged = refund.get("exchanged_for").is_some();
        let of_return = exchanged.then(|| json!({ "id": self.id("Return", own) }));
        let by = self.list("payments").into_iter().filter(|it| it["refund"] == refund["id"]);
        let by: Vec<Value> = by.map(|it| json!({ "id": self.transaction_id(&it["id"]) })).collect();
        let mut lines = Vec::new();
        for line in of(refund, "lines") {
            let restock = match text(&line["restock"]) {
                "none" => "NO_RESTOCK",
                "cancelled" => "CANCEL",
                "returned" => "RETURN",
                other => panic!("Shopify restocks nothing that is {other}"),
            };
            lines.push(json!({
                "id": self.id("RefundLineItem", text(&line["id"])),
                "lineItem": { "id": self.id("LineItem", text(&line["line"])) },
                "quantity": line["quantity"],
                "restockType": restock,
                "location": location(&line["location"]),
                "subtotalSet": self.bag(text(&line["amount"])),
                "totalTaxSet": self.bag(text(&line["tax"])),
            }));
        }
        let (mut shipping, mut adjustments) = (Vec::new(), Vec::new());
        for adjustment in of(refund, "adjustments") {
            let id = text(&adjustment["id"]);
            if adjustment["charge"] == "shipping" {
                shipping.push(json!({
                    "id": self.id("RefundShippingLine", id),
                    "subtotalAmountSet": self.bag(text(&adjustment["amount"])),
                    "taxAmountSet": self.bag(text(&adjustment["tax"])),
                    "shippingLine": null,
                }));
                continue;
            }
            assert!(adjustment.get("charge").is_none(), "Shopify gives no such charge back");
            let back = |amount: &Value| self.money(amount).checked_neg().expect("in range");
            let (amount, tax) = (back(&adjustment["amount"]), back(&adjustment["tax"]));
            adjustments.push(json!({
                "id": self.id("OrderAdjustment", id),
                "reason": "REFUND_DISCREPANCY",
                "amountSet": self.bag(&amount.amount_text()),
                "taxAmountSet": self.bag(&tax.amount_text()),
            }));
        }
        json!({
            "id": self.id("Refund", own),
            "createdAt": refund["created_at"],
            "note": refund["reason"],
            "return": of_return,
            "refundLineItems": nodes(lines),
            "refundShippingLines": nodes(shipping),
            "orderAdjustments": nodes(adjustments),
            "duties": [],
            "transactions": nodes(by),
        })
    }

    fn fulfilment(&mut self, fulfilment: &Value, updated: &jiff::Timestamp) -> Value {
        let status = match text(&fulfilment["status"]) {
            "succeeded" => "SUCCESS",
            "cancelled" => "CANCELLED",
            other => panic!("Shopify has no shipment that is {other}"),
        };
        let lines = of(fulfilment, "lines").into_iter().map(|line| {
            json!({ "quantity": line["quantity"],
                "lineItem": { "id": self.id("LineItem", text(&line["line"])) } })
        });
        let lines = nodes(lines.collect());
        json!({
            "id": self.id("Fulfillment", text(&fulfilment["id"])),
            "status": status,
            "createdAt": fulfilment["created_at"],
            "updatedAt": updated.to_string(),
            "location": location(&fulfilment["location"]),
            "trackingInfo": [],
            "fulfillmentLineItems": lines,
        })
    }

    fn returned(&mut self, returned: &Value) -> Value {
        let lines = of(returned, "lines").into_iter().map(|line| {
            let line_item = json!({ "id": self.id("LineItem", text(&line["line"])) });
            json!({ "quantity": line["quantity"], "returnReasonNote": null,
                "fulfillmentLineItem": { "lineItem": line_item } })
        });
        let lines = nodes(lines.collect());
        json!({
            "id": self.id("Return", text(&returned["id"])),
            "status": text(&returned["status"]).to_uppercase(),
            "returnLineItems": lines,
        })
    }

    /// The return by which a refund gave goods for goods.
    fn exchanged(&mut self, refund: &Value) -> Value {
        let back = of(refund, "lines").into_iter().map(|line| {
            let line_item = json!({ "id": self.id("LineItem", text(&line["line"])) });
            json!({ "quantity": line["quantity"], "returnReasonNote": null,
                "fulfillmentLineItem": { "lineItem": line_item } })
        });
        let back = nodes(back.collect());
        let out = of(refund, "exchanged_for")
            .into_iter()
            .map(|line| json!({ "lineItems": [{ "id": self.id("LineItem", text(&line)) }] }));
        let out = nodes(out.collect());
        json!({
            "id": self.id("Return", text(&refund["id"])),
            "status": "CLOSED",
            "returnLineItems": back,
            "exchangeLineItems": out,
        })
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a text, not {value}"))
}

fn of(object: &Value, list: &str) -> Vec<Value> {
    object[list].as_array().cloned().unwrap_or_default()
}

fn nodes(nodes: Vec<Value>) -> Value {
    json!({ "nodes": nodes, "pageInfo": { "hasNextPage": false } })
}

/// Places are told by Shopify's own numbers.
fn location(word: &Value) -> Value {
    match word.as_str() {
        Some(number) => json!({ "id": format!("gid://shopify/Location/{number}") }),
        None => Value::Null,
    }
}
