//! Shopify's GraphQL words, as our own queries ask for them (`queries/`).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use trueup_connect::DecodeError;
use trueup_connect::json::NumberText;
use trueup_domain::document::{Address, Buyer};

use crate::said;
use crate::wire::{Id, Ref, Set, currency, filled};
use crate::wire_rest::{Whole, receipt_id, said_name};

/// How many lines one read of an order asks for; more than a poll does, which reads many orders.
pub const LINES_READ_MAX: usize = 250;
/// The same of what an order rarely has any of: refunded shipping, adjustments, returns.
pub const FEW_READ_MAX: usize = 50;

/// What `queries/order_fields.graphql` asks of lists that have no pages. A list that is full may
/// have been cut.
const LIST_MAX: usize = 100;

/// A page of a connection.
#[derive(Deserialize)]
pub struct Nodes<T> {
    pub nodes: Vec<T>,
    #[serde(rename = "pageInfo")]
    page_info: PageInfo,
}

#[derive(Deserialize)]
struct PageInfo {
    #[serde(rename = "hasNextPage")]
    has_next_page: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    pub id: Id,
    name: String,
    po_number: Option<String>,
    created_at: Timestamp,
    processed_at: Option<Timestamp>,
    updated_at: Timestamp,
    cancelled_at: Option<Timestamp>,
    currency_code: String,
    presentment_currency_code: Option<String>,
    total_price_set: Set,
    taxes_included: bool,
    duties_included: bool,
    total_tip_received_set: Option<Set>,
    total_cash_rounding_adjustment: Option<CashRounding>,
    display_financial_status: Option<String>,
    source_name: Option<String>,
    test: bool,
    email: Option<String>,
    phone: Option<String>,
    customer: Option<Customer>,
    billing_address: Option<PostalAddress>,
    shipping_address: Option<PostalAddress>,
    line_items: Nodes<LineItem>,
    shipping_lines: Nodes<ShippingLine>,
    transactions: Vec<Transaction>,
    refunds: Vec<Refund>,
    fulfillments: Vec<Fulfillment>,
    returns: Option<Nodes<Return>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CashRounding {
    payment_set: Set,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Customer {
    id: Id,
    first_name: Option<String>,
    last_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostalAddress {
    name: Option<String>,
    company: Option<String>,
    address1: Option<String>,
    address2: Option<String>,
    city: Option<String>,
    zip: Option<String>,
    province_code: Option<String>,
    country_code_v2: Option<String>,
    phone: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LineItem {
    id: Id,
    sku: Option<String>,
    name: String,
    quantity: i64,
    is_gift_card: bool,
    requires_shipping: bool,
    product: Option<Ref>,
    variant: Option<Ref>,
    original_unit_price_set: Set,
    tax_lines: Vec<TaxLine>,
    discount_allocations: Vec<Allocation>,
    duties: Option<Vec<Duty>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TaxLine {
    title: String,
    rate: Option<NumberText>,
    channel_liable: Option<bool>,
    price_set: Set,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Allocation {
    allocated_amount_set: Set,
    discount_application: Application,
}

#[derive(Deserialize)]
struct Application {
    code: Option<String>,
    title: Option<String>,
    description: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Duty {
    id: Id,
    price: Set,
    tax_lines: Vec<TaxLine>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ShippingLine {
    id: Id,
    title: String,
    is_removed: bool,
    original_price_set: Set,
    tax_lines: Vec<TaxLine>,
    discount_allocations: Vec<Allocation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transaction {
    id: Id,
    kind: String,
    status: String,
    gateway: Option<String>,
    manual_payment_gateway: bool,
    amount_set: Set,
    amount_rounding_set: Option<Set>,
    parent_transaction: Option<Ref>,
    authorization_code: Option<String>,
    receipt_json: Option<Box<RawValue>>,
    created_at: Timestamp,
    processed_at: Option<Timestamp>,
    test: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Refund {
    id: Id,
    created_at: Timestamp,
    note: Option<String>,
    #[serde(rename = "return")]
    of_return: Option<Ref>,
    refund_line_items: Nodes<RefundLineItem>,
    refund_shipping_lines: Nodes<RefundShippingLine>,
    order_adjustments: Nodes<OrderAdjustment>,
    duties: Option<Vec<RefundDuty>>,
    transactions: Nodes<Ref>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RefundLineItem {
    id: Id,
    line_item: Ref,
    quantity: i64,
    restock_type: String,
    location: Option<Ref>,
    subtotal_set: Set,
    total_tax_set: Set,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RefundShippingLine {
    id: Id,
    subtotal_amount_set: Set,
    tax_amount_set: Set,
    shipping_line: Option<TaxedOnly>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TaxedOnly {
    tax_lines: Vec<TaxLine>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderAdjustment {
    id: Id,
    reason: Option<String>,
    amount_set: Set,
    tax_amount_set: Set,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RefundDuty {
    original_duty: Ref,
    amount_set: Set,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fulfillment {
    id: Id,
    status: String,
    created_at: Timestamp,
    updated_at: Timestamp,
    location: Option<Ref>,
    tracking_info: Vec<Tracking>,
    fulfillment_line_items: Nodes<FulfillmentLine>,
}

#[derive(Deserialize)]
struct Tracking {
    number: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FulfillmentLine {
    quantity: i64,
    line_item: Ref,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Return {
    id: Id,
    status: String,
    return_line_items: Nodes<ReturnLine>,
    exchange_line_items: Option<Nodes<ExchangeLine>>,
}

/// What went out for what came back: lines of the same order.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExchangeLine {
    line_items: Option<Vec<Ref>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReturnLine {
    quantity: i64,
    return_reason_note: Option<String>,
    /// Absent on lines that nobody has verified yet.
    fulfillment_line_item: Option<ReturnedFrom>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReturnedFrom {
    line_item: Ref,
}

/// Whether any list of the order was cut off.
struct Cut {
    /// A read asks for longer lists and will have it whole.
    cut: bool,
    /// No read of ours states it whole: it must not be asked for again and again.
    hopeless: bool,
}

impl Cut {
    fn see<T>(&mut self, list: &Nodes<T>, max: usize) {
        self.cut |= list.page_info.has_next_page;
        self.hopeless |= list.page_info.has_next_page && list.nodes.len() >= max;
    }
}

impl Order {
    /// `None` where a list was cut off: the order must be read with longer lists.
    pub fn said(self) -> Whole<said::Order> {
        let cut = self.cut();
        if cut.hopeless {
            return Err(DecodeError::Contradiction {
                what: "order",
                why: "it has more parts than one read can state".to_owned(),
            });
        }
        if cut.cut {
            return Ok(None);
        }
        let shop = currency("currencyCode", &self.currency_code)?;
        let presentment_total = match self.presentment_currency_code {
            Some(code) if code != self.currency_code => self.total_price_set.presentment_money,
            _ => None,
        };
        let buyer = buyer(
            self.customer,
            self.email,
            self.phone,
            self.billing_address,
            self.shipping_address,
        );
        let exchanged = exchanged(self.returns.as_ref());
        let refunds = self.refunds.into_iter().map(|refund| refund.said(&exchanged));
        let refunds: Vec<said::Refund> = refunds.collect();
        let refund_of = |transaction: &str| {
            let mut refunds = refunds.iter();
            let found =
                refunds.find(|refund| refund.transactions.iter().any(|id| id == transaction));
            found.map(|refund| refund.id.clone())
        };
        let transactions = self.transactions.into_iter().map(|transaction| {
            let refund = refund_of(&transaction.id.0);
            transaction.said(refund)
        });
        let transactions = transactions.collect();
        let shipping = self.shipping_lines.nodes.into_iter().filter(|line| !line.is_removed);
        let shipping = shipping.map(ShippingLine::said).collect();
        Ok(Some(said::Order {
            id: self.id.0,
            name: self.name,
            po_number: filled(self.po_number),
            created_at: self.created_at,
            processed_at: self.processed_at,
            updated_at: self.updated_at,
            cancelled_at: self.cancelled_at,
            currency: shop,
            total: self.total_price_set.shop_money,
            presentment_total,
            taxes_included: self.taxes_included,
            duties_included: self.duties_included,
            tip: self.total_tip_received_set.map(|set| set.shop_money),
            cash_rounding: self
                .total_cash_rounding_adjustment
                .map(|rounding| rounding.payment_set.shop_money),
            standing: self.display_financial_status,
            source: filled(self.source_name),
            test: self.test,
            buyer,
            lines: self.line_items.nodes.into_iter().map(LineItem::said).collect(),
            shipping,
            transactions,
            fulfilments: self.fulfillments.into_iter().map(Fulfillment::said).collect(),
            returns: returns(self.returns)?,
            refunds,
        }))
    }

    fn cut(&self) -> Cut {
        let full = [self.transactions.len(), self.refunds.len(), self.fulfillments.len()];
        let hopeless = full.iter().any(|&length| length >= LIST_MAX);
        let mut cut = Cut { cut: false, hopeless };
        cut.see(&self.line_items, LINES_READ_MAX);
        cut.see(&self.shipping_lines, FEW_READ_MAX);
        for refund in &self.refunds {
            cut.see(&refund.refund_line_items, LINES_READ_MAX);
            cut.see(&refund.refund_shipping_lines, FEW_READ_MAX);
            cut.see(&refund.order_adjustments, FEW_READ_MAX);
            cut.see(&refund.transactions, FEW_READ_MAX);
        }
        for fulfillment in &self.fulfillments {
            cut.see(&fulfillment.fulfillment_line_items, LINES_READ_MAX);
        }
        if let Some(returns) = &self.returns {
            cut.see(returns, FEW_READ_MAX);
            for one in &returns.nodes {
                cut.see(&one.return_line_items, FEW_READ_MAX);
                if let Some(exchanged) = &one.exchange_line_items {
                    cut.see(exchanged, FEW_READ_MAX);
                }
            }
        }
        cut
    }
}

fn taxes(lines: Vec<TaxLine>) -> Vec<said::Tax> {
    let one = |tax: TaxLine| said::Tax {
        title: tax.title,
        rate: tax.rate,
        amount: tax.price_set.shop_money,
        channel_liable: tax.channel_liable.unwrap_or(false),
    };
    lines.into_iter().map(one).collect()
}

fn discounts(allocations: Vec<Allocation>) -> Vec<said::Discount> {
    let one = |allocation: Allocation| {
        let by = allocation.discount_application;
        let title = filled(by.code).or_else(|| filled(by.title));
        said::Discount {
            title: title.or_else(|| filled(by.description)).unwrap_or_default(),
            amount: allocation.allocated_amount_set.shop_money,
        }
    };
    allocations.into_iter().map(one).collect()
}

impl LineItem {
    fn said(self) -> said::Line {
        let duty = |duty: Duty| said::Duty {
            id: duty.id.0,
            amount: duty.price.shop_money,
            taxes: taxes(duty.tax_lines),
        };
        said::Line {
            id: self.id.0,
            sku: filled(self.sku),
            title: self.name,
            quantity: self.quantity,
            unit: self.original_unit_price_set.shop_money,
            gift_card: self.is_gift_card,
            custom: self.product.is_none() && self.variant.is_none(),
            requires_shipping: self.requires_shipping,
            discounts: discounts(self.discount_allocations),
            taxes: taxes(self.tax_lines),
            duties: self.duties.unwrap_or_default().into_iter().map(duty).collect(),
        }
    }
}

impl ShippingLine {
    fn said(self) -> said::Shipping {
        said::Shipping {
            id: self.id.0,
            title: self.title,
            amount: self.original_price_set.shop_money,
            discounts: discounts(self.discount_allocations),
            taxes: taxes(self.tax_lines),
        }
    }
}

impl Transaction {
    fn said(self, refund: Option<String>) -> said::Transaction {
        let id_of = |receipt: Box<RawValue>| {
            // The receipt is a text that holds JSON, not JSON itself.
            match serde_json::from_str::<String>(receipt.get()) {
                Ok(inner) => receipt_id(&inner),
                Err(_) => receipt_id(receipt.get()),
            }
        };
        said::Transaction {
            id: self.id.0,
            kind: self.kind,
            status: self.status,
            gateway: self.gateway.unwrap_or_default(),
            manual: self.manual_payment_gateway,
            amount: self.amount_set.shop_money,
            rounding: self.amount_rounding_set.map(|set| set.shop_money),
            parent: self.parent_transaction.map(|parent| parent.id.0),
            refund,
            authorization: filled(self.authorization_code),
            receipt_id: self.receipt_json.and_then(id_of),
            processed_at: self.processed_at.unwrap_or(self.created_at),
            test: self.test,
        }
    }
}

impl Refund {
    /// `exchanged`: the lines that went out, by the return they were given for.
    fn said(self, exchanged: &BTreeMap<String, Vec<String>>) -> said::Refund {
        let line = |line: RefundLineItem| said::RefundLine {
            id: line.id.0,
            line: line.line_item.id.0,
            quantity: line.quantity,
            restock: line.restock_type,
            location: line.location.map(|it| it.id.0),
            subtotal: line.subtotal_set.shop_money,
            tax: line.total_tax_set.shop_money,
        };
        let shipping = |one: RefundShippingLine| said::RefundShipping {
            id: one.id.0,
            amount: one.subtotal_amount_set.shop_money,
            tax: Some(one.tax_amount_set.shop_money),
            taxes: taxes(one.shipping_line.map(|line| line.tax_lines).unwrap_or_default()),
        };
        let adjustment = |one: OrderAdjustment| said::Adjustment {
            id: one.id.0,
            shipping: false,
            reason: one.reason.unwrap_or_default(),
            amount: one.amount_set.shop_money,
            tax: one.tax_amount_set.shop_money,
        };
        let duty = |one: RefundDuty| said::RefundDuty {
            id: one.original_duty.id.0,
            amount: one.amount_set.shop_money,
        };
        said::Refund {
            id: self.id.0,
            created_at: self.created_at,
            processed_at: None,
            note: filled(self.note),
            lines: self.refund_line_items.nodes.into_iter().map(line).collect(),
            shipping: self.refund_shipping_lines.nodes.into_iter().map(shipping).collect(),
            duties: self.duties.unwrap_or_default().into_iter().map(duty).collect(),
            adjustments: self.order_adjustments.nodes.into_iter().map(adjustment).collect(),
            transactions: self.transactions.nodes.into_iter().map(|one| one.id.0).collect(),
            exchanged_for: self
                .of_return
                .and_then(|of_return| exchanged.get(&of_return.id.0).cloned())
                .unwrap_or_default(),
        }
    }
}

impl Fulfillment {
    fn said(self) -> said::Fulfilment {
        let lines = self.fulfillment_line_items.nodes.into_iter();
        said::Fulfilment {
            id: self.id.0,
            status: self.status,
            created_at: self.created_at,
            updated_at: self.updated_at,
            location: self.location.map(|it| it.id.0),
            lines: lines.map(|line| (line.line_item.id.0, line.quantity)).collect(),
            tracking: self.tracking_info.into_iter().filter_map(|one| filled(one.number)).collect(),
        }
    }
}

/// The lines that went out in exchange, by the return.
fn exchanged(list: Option<&Nodes<Return>>) -> BTreeMap<String, Vec<String>> {
    let lines = |one: &Return| {
        let lines = one.exchange_line_items.iter().flat_map(|lines| &lines.nodes);
        let lines = lines.flat_map(|line| line.line_items.iter().flatten());
        lines.map(|line| line.id.0.clone()).collect()
    };
    let returns = list.iter().flat_map(|list| &list.nodes);
    returns.map(|one| (one.id.0.clone(), lines(one))).collect()
}

fn returns(list: Option<Nodes<Return>>) -> Result<Vec<said::Return>, DecodeError> {
    let line = |line: ReturnLine| {
        let from = line.fulfillment_line_item;
        let from = from.ok_or_else(|| DecodeError::field("returnLineItems.fulfillmentLineItem"))?;
        Ok((from.line_item.id.0, line.quantity, filled(line.return_reason_note)))
    };
    let one = |one: Return| {
        Ok(said::Return {
            id: one.id.0,
            status: one.status,
            lines: one.return_line_items.nodes.into_iter().map(line).collect::<Result<_, _>>()?,
        })
    };
    list.map(|list| list.nodes).unwrap_or_default().into_iter().map(one).collect()
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
        country: filled(address.country_code_v2),
        phone: filled(address.phone),
    };
    crate::decode::buyer(id, name, email, phone, billing.map(address), shipping.map(address))
}
