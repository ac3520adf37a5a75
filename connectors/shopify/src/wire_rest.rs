//! Shopify's REST words: the bodies of webhooks, and of the legacy REST API.
//!
//! Amounts are taken from `…_set.shop_money`; where a body has no set, the plain field is used,
//! which REST states in the shop's currency (`currency`), except in transactions.

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use trueup_connect::DecodeError;
use trueup_connect::json::NumberText;
use trueup_domain::document::{Address, Buyer};
use trueup_domain::money::Currency;

use crate::said;
use crate::wire::{Amount, Id, Set, currency, filled};

#[derive(Deserialize)]
pub struct Order {
    pub id: Id,
    name: String,
    po_number: Option<String>,
    created_at: Timestamp,
    processed_at: Option<Timestamp>,
    updated_at: Timestamp,
    cancelled_at: Option<Timestamp>,
    currency: String,
    presentment_currency: Option<String>,
    total_price: NumberText,
    total_price_set: Option<Set>,
    taxes_included: bool,
    #[serde(default)]
    duties_included: Option<bool>,
    total_tip_received: Option<NumberText>,
    total_cash_rounding_payment_adjustment_set: Option<Set>,
    financial_status: Option<String>,
    source_name: Option<String>,
    test: Option<bool>,
    email: Option<String>,
    phone: Option<String>,
    customer: Option<Customer>,
    billing_address: Option<PostalAddress>,
    shipping_address: Option<PostalAddress>,
    discount_applications: Option<Vec<Application>>,
    line_items: Vec<LineItem>,
    shipping_lines: Vec<ShippingLine>,
    refunds: Option<Vec<Refund>>,
    fulfillments: Option<Vec<Fulfillment>>,
}

#[derive(Deserialize)]
struct Customer {
    id: Id,
    first_name: Option<String>,
    last_name: Option<String>,
}

#[derive(Deserialize)]
struct PostalAddress {
    name: Option<String>,
    company: Option<String>,
    address1: Option<String>,
    address2: Option<String>,
    city: Option<String>,
    zip: Option<String>,
    province_code: Option<String>,
    country_code: Option<String>,
    phone: Option<String>,
}

#[derive(Deserialize)]
struct Application {
    code: Option<String>,
    title: Option<String>,
    description: Option<String>,
}

#[derive(Deserialize)]
struct LineItem {
    id: Id,
    sku: Option<String>,
    title: Option<String>,
    name: Option<String>,
    quantity: i64,
    price: NumberText,
    price_set: Option<Set>,
    gift_card: Option<bool>,
    product_id: Option<Id>,
    variant_id: Option<Id>,
    requires_shipping: Option<bool>,
    tax_lines: Vec<TaxLine>,
    discount_allocations: Option<Vec<Allocation>>,
    duties: Option<Vec<Duty>>,
}

#[derive(Deserialize)]
struct TaxLine {
    title: String,
    price: NumberText,
    price_set: Option<Set>,
    rate: Option<NumberText>,
    channel_liable: Option<bool>,
}

#[derive(Deserialize)]
struct Allocation {
    amount: NumberText,
    amount_set: Option<Set>,
    discount_application_index: Option<usize>,
}

#[derive(Deserialize)]
struct Duty {
    id: Id,
    shop_money: Amount,
    tax_lines: Option<Vec<TaxLine>>,
}

#[derive(Deserialize)]
struct ShippingLine {
    id: Id,
    title: Option<String>,
    price: NumberText,
    price_set: Option<Set>,
    is_removed: Option<bool>,
    tax_lines: Option<Vec<TaxLine>>,
    discount_allocations: Option<Vec<Allocation>>,
}

#[derive(Deserialize)]
pub struct Refund {
    pub id: Id,
    pub order_id: Id,
    created_at: Timestamp,
    processed_at: Option<Timestamp>,
    note: Option<String>,
    #[serde(rename = "return")]
    of_return: Option<IgnoredAny>,
    refund_line_items: Vec<RefundLineItem>,
    refund_shipping_lines: Option<Vec<RefundShippingLine>>,
    order_adjustments: Option<Vec<OrderAdjustment>>,
    duties: Option<Vec<RefundDuty>>,
    total_duties_set: Option<Set>,
    transactions: Option<Vec<Transaction>>,
}

#[derive(Deserialize)]
struct RefundLineItem {
    id: Id,
    line_item_id: Id,
    quantity: i64,
    restock_type: String,
    location_id: Option<Id>,
    subtotal: NumberText,
    subtotal_set: Option<Set>,
    total_tax: NumberText,
    total_tax_set: Option<Set>,
}

#[derive(Deserialize)]
struct RefundShippingLine {
    id: Id,
    subtotal_amount_set: Set,
    tax_amount_set: Option<Set>,
    shipping_line: Option<ShippingLine>,
}

#[derive(Deserialize)]
struct OrderAdjustment {
    id: Id,
    kind: Option<String>,
    reason: Option<String>,
    amount: NumberText,
    amount_set: Option<Set>,
    tax_amount: NumberText,
    tax_amount_set: Option<Set>,
}

#[derive(Deserialize)]
struct RefundDuty {
    #[serde(alias = "id")]
    duty_id: Id,
    amount_set: Set,
}

#[derive(Deserialize)]
pub struct Transaction {
    pub id: Id,
    pub order_id: Option<Id>,
    pub kind: String,
    status: String,
    gateway: Option<String>,
    amount: NumberText,
    currency: Option<String>,
    amount_rounding: Option<NumberText>,
    /// Not about this transaction: it is the only place that names the shop's currency.
    total_unsettled_set: Option<Set>,
    parent_id: Option<Id>,
    authorization: Option<String>,
    receipt: Option<Box<RawValue>>,
    created_at: Timestamp,
    processed_at: Option<Timestamp>,
    manual_payment_gateway: Option<bool>,
    test: Option<bool>,
}

#[derive(Deserialize)]
pub struct Fulfillment {
    id: Id,
    pub order_id: Id,
    status: String,
    created_at: Timestamp,
    updated_at: Timestamp,
    location_id: Option<Id>,
    line_items: Vec<FulfillmentLine>,
    tracking_numbers: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct FulfillmentLine {
    id: Id,
    quantity: i64,
}

/// `None`: the body cannot state its object whole, and the order must be read.
pub type Whole<T> = Result<Option<T>, DecodeError>;

impl Order {
    pub fn said(self) -> Whole<said::Order> {
        let shop = currency("currency", &self.currency)?;
        let plain = Plain { code: &self.currency };
        let titles: Vec<String> = self
            .discount_applications
            .unwrap_or_default()
            .into_iter()
            .map(Application::title)
            .collect();
        let (mut refunds, mut transactions) = (Vec::new(), Vec::new());
        for refund in self.refunds.unwrap_or_default() {
            let Some((refund, paid)) = refund.said(shop)? else { return Ok(None) };
            refunds.push(refund);
            transactions.extend(paid);
        }
        let presentment_total = match (&self.total_price_set, self.presentment_currency) {
            (Some(set), Some(code)) if code != self.currency => set.presentment_money.clone(),
            _ => None,
        };
        let buyer = buyer(
            self.customer,
            self.email,
            self.phone,
            self.billing_address,
            self.shipping_address,
        );
        let lines = self.line_items.into_iter().map(|line| line.said(&plain, &titles));
        let lines = lines.collect::<Result<Vec<_>, _>>()?;
        let shipping = self.shipping_lines.into_iter().filter(|line| line.is_removed != Some(true));
        let shipping = shipping.map(|line| line.said(&plain, &titles));
        Ok(Some(said::Order {
            id: self.id.0,
            name: self.name,
            po_number: filled(self.po_number),
            created_at: self.created_at,
            processed_at: self.processed_at,
            updated_at: self.updated_at,
            cancelled_at: self.cancelled_at,
            currency: shop,
            total: plain.shop(self.total_price_set, self.total_price),
            presentment_total,
            taxes_included: self.taxes_included,
            duties_included: self.duties_included.unwrap_or(false),
            tip: self.total_tip_received.map(|text| plain.shop(None, text)),
            cash_rounding: self
                .total_cash_rounding_payment_adjustment_set
                .map(|set| set.shop_money),
            standing: self.financial_status,
            source: filled(self.source_name),
            test: self.test.unwrap_or(false),
            buyer,
            lines,
            shipping: shipping.collect::<Result<_, _>>()?,
            refunds,
            transactions,
            fulfilments: self
                .fulfillments
                .unwrap_or_default()
                .into_iter()
                .map(Fulfillment::said)
                .collect(),
            returns: Vec::new(),
        }))
    }
}

/// The currency of plain fields.
struct Plain<'a> {
    code: &'a str,
}

impl Plain<'_> {
    fn shop(&self, set: Option<Set>, plain: NumberText) -> Amount {
        match set {
            Some(set) => set.shop_money,
            None => Amount { amount: plain, currency_code: self.code.to_owned() },
        }
    }

    fn taxes(&self, lines: Vec<TaxLine>) -> Vec<said::Tax> {
        let one = |tax: TaxLine| said::Tax {
            title: tax.title,
            rate: tax.rate,
            amount: self.shop(tax.price_set, tax.price),
            channel_liable: tax.channel_liable.unwrap_or(false),
        };
        lines.into_iter().map(one).collect()
    }

    fn discounts(
        &self,
        allocations: Option<Vec<Allocation>>,
        titles: &[String],
    ) -> Result<Vec<said::Discount>, DecodeError> {
        let one = |allocation: Allocation| {
            let title = match allocation.discount_application_index {
                // Inside a refund the applications are not listed.
                None => String::new(),
                Some(index) => titles
                    .get(index)
                    .cloned()
                    .ok_or_else(|| DecodeError::field("discount_application_index"))?,
            };
            let amount = self.shop(allocation.amount_set, allocation.amount);
            Ok(said::Discount { title, amount })
        };
        allocations.unwrap_or_default().into_iter().map(one).collect()
    }
}

impl Application {
    fn title(self) -> String {
        let named = filled(self.code).or_else(|| filled(self.title));
        named.or_else(|| filled(self.description)).unwrap_or_default()
    }
}

impl LineItem {
    fn said(self, plain: &Plain<'_>, titles: &[String]) -> Result<said::Line, DecodeError> {
        let duty = |duty: Duty| said::Duty {
            id: duty.id.0,
            amount: duty.shop_money,
            taxes: plain.taxes(duty.tax_lines.unwrap_or_default()),
        };
        Ok(said::Line {
            id: self.id.0,
            sku: filled(self.sku),
            title: filled(self.name).or_else(|| filled(self.title)).unwrap_or_default(),
            quantity: self.quantity,
            unit: plain.shop(self.price_set, self.price),
            gift_card: self.gift_card.unwrap_or(false),
            custom: self.product_id.is_none() && self.variant_id.is_none(),
            requires_shipping: self.requires_shipping.unwrap_or(false),
            discounts: plain.discounts(self.discount_allocations, titles)?,
            taxes: plain.taxes(self.tax_lines),
            duties: self.duties.unwrap_or_default().into_iter().map(duty).collect(),
        })
    }
}

impl ShippingLine {
    fn said(self, plain: &Plain<'_>, titles: &[String]) -> Result<said::Shipping, DecodeError> {
        Ok(said::Shipping {
            id: self.id.0,
            title: self.title.unwrap_or_default(),
            amount: plain.shop(self.price_set, self.price),
            discounts: plain.discounts(self.discount_allocations, titles)?,
            taxes: plain.taxes(self.tax_lines.unwrap_or_default()),
        })
    }
}

impl Refund {
    /// The shop's currency where the refund stands alone; `None` if nothing in it names it.
    pub fn shop_currency(&self) -> Result<Option<Currency>, DecodeError> {
        let of_lines = self.refund_line_items.iter().filter_map(|line| line.subtotal_set.as_ref());
        let of_transactions = self.transactions.iter().flatten();
        let of_transactions = of_transactions.filter_map(|paid| paid.total_unsettled_set.as_ref());
        let mut sets = self.total_duties_set.iter().chain(of_lines).chain(of_transactions);
        sets.next().map(|set| set.shop_money.currency("shop_money")).transpose()
    }

    pub fn said(self, shop: Currency) -> Whole<(said::Refund, Vec<said::Transaction>)> {
        // What went out in exchange for a return only the order says.
        if self.of_return.is_some() {
            return Ok(None);
        }
        let plain = Plain { code: shop.code() };
        let mut transactions = Vec::new();
        for transaction in self.transactions.unwrap_or_default() {
            let Some(paid) = transaction.said(shop, Some(&self.id.0))? else { return Ok(None) };
            transactions.push(paid);
        }
        let line = |line: RefundLineItem| said::RefundLine {
            id: line.id.0,
            line: line.line_item_id.0,
            quantity: line.quantity,
            restock: line.restock_type,
            location: line.location_id.map(|id| id.0),
            subtotal: plain.shop(line.subtotal_set, line.subtotal),
            tax: plain.shop(line.total_tax_set, line.total_tax),
        };
        let adjustment = |one: OrderAdjustment| said::Adjustment {
            id: one.id.0,
            shipping: one.kind.as_deref() == Some("shipping_refund"),
            reason: one.reason.or(one.kind).unwrap_or_default(),
            amount: plain.shop(one.amount_set, one.amount),
            tax: plain.shop(one.tax_amount_set, one.tax_amount),
        };
        let shipping = |one: RefundShippingLine| said::RefundShipping {
            id: one.id.0,
            amount: one.subtotal_amount_set.shop_money,
            tax: one.tax_amount_set.map(|set| set.shop_money),
            taxes: plain
                .taxes(one.shipping_line.and_then(|line| line.tax_lines).unwrap_or_default()),
        };
        let duty = |one: RefundDuty| said::RefundDuty {
            id: one.duty_id.0,
            amount: one.amount_set.shop_money,
        };
        let refund = said::Refund {
            id: self.id.0,
            created_at: self.created_at,
            processed_at: self.processed_at,
            note: filled(self.note),
            lines: self.refund_line_items.into_iter().map(line).collect(),
            shipping: self
                .refund_shipping_lines
                .unwrap_or_default()
                .into_iter()
                .map(shipping)
                .collect(),
            duties: self.duties.unwrap_or_default().into_iter().map(duty).collect(),
            adjustments: self
                .order_adjustments
                .unwrap_or_default()
                .into_iter()
                .map(adjustment)
                .collect(),
            transactions: transactions.iter().map(|paid| paid.id.clone()).collect(),
            exchanged_for: Vec::new(),
        };
        Ok(Some((refund, transactions)))
    }
}

impl Transaction {
    pub fn shop_currency(&self) -> Result<Option<Currency>, DecodeError> {
        let set = self.total_unsettled_set.as_ref();
        set.map(|set| set.shop_money.currency("total_unsettled_set")).transpose()
    }

    /// REST states a transaction in the currency it was made in. In another than the shop's it
    /// says nothing about shop money, so the order has to be read.
    pub fn said(self, shop: Currency, refund: Option<&str>) -> Whole<said::Transaction> {
        let code = self.currency.ok_or_else(|| DecodeError::field("currency"))?;
        if currency("currency", &code)? != shop {
            return Ok(None);
        }
        let amount = |text| Amount { amount: text, currency_code: code.clone() };
        Ok(Some(said::Transaction {
            id: self.id.0,
            kind: self.kind,
            status: self.status,
            gateway: self.gateway.unwrap_or_default(),
            manual: self.manual_payment_gateway.unwrap_or(false),
            amount: amount(self.amount),
            rounding: self.amount_rounding.map(amount),
            parent: self.parent_id.map(|id| id.0),
            refund: refund.map(str::to_owned),
            authorization: filled(self.authorization),
            receipt_id: self.receipt.and_then(|receipt| receipt_id(receipt.get())),
            processed_at: self.processed_at.unwrap_or(self.created_at),
            test: self.test.unwrap_or(false),
        }))
    }
}

/// Gateways write what they like into a receipt; those that name their object call it `id`.
pub fn receipt_id(json: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Receipt {
        id: Option<String>,
    }
    let receipt: Receipt = serde_json::from_str(json).ok()?;
    filled(receipt.id)
}

impl Fulfillment {
    pub fn said(self) -> said::Fulfilment {
        said::Fulfilment {
            id: self.id.0,
            status: self.status,
            created_at: self.created_at,
            updated_at: self.updated_at,
            location: self.location_id.map(|id| id.0),
            lines: self.line_items.into_iter().map(|line| (line.id.0, line.quantity)).collect(),
            tracking: self.tracking_numbers.unwrap_or_default(),
        }
    }
}

fn buyer(
    customer: Option<Customer>,
    email: Option<String>,
    phone: Option<String>,
    billing: Option<PostalAddress>,
    shipping: Option<PostalAddress>,
) -> Option<Buyer> {
    let (id, name) = match customer {
        Some(customer) => (Some(customer.id.0), said_name(customer.first_name, customer.last_name)),
        None => (None, None),
    };
    let address = |address: PostalAddress| Address {
        name: filled(address.name),
        company: filled(address.company),
        street: filled(address.address1),
        street2: filled(address.address2),
        city: filled(address.city),
        postcode: filled(address.zip),
        region: filled(address.province_code),
        country: filled(address.country_code),
        phone: filled(address.phone),
    };
    crate::decode::buyer(id, name, email, phone, billing.map(address), shipping.map(address))
}

/// A name as both shapes make it from its two parts.
pub fn said_name(first: Option<String>, last: Option<String>) -> Option<String> {
    let parts: Vec<String> = [filled(first), filled(last)].into_iter().flatten().collect();
    filled(Some(parts.join(" ")))
}
