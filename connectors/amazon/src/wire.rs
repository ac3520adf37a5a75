//! Amazon's JSON, named as Amazon names it (orders of version 2026-01-01, reports of 2021-06-30).

use serde::Deserialize;
use serde_json::value::RawValue;
use trueup_connect::json::NumberText;

/// What tells one shape from another.
#[derive(Deserialize)]
pub struct Shape {
    #[serde(rename = "orderId")]
    pub order_id: Option<String>,
    #[serde(rename = "AmazonOrderId")]
    pub old_order_id: Option<String>,
    pub payload: Option<OldOrder>,
    #[serde(rename = "NotificationType")]
    pub notification: Option<String>,
}

/// An order, or the items of one, of the version that is going away.
#[derive(Deserialize)]
pub struct OldOrder {
    #[serde(rename = "AmazonOrderId")]
    pub id: Option<String>,
}

#[derive(Deserialize)]
pub struct Notification {
    #[serde(rename = "Payload")]
    pub payload: NotificationPayload,
}

#[derive(Deserialize)]
pub struct NotificationPayload {
    #[serde(rename = "OrderChangeNotification")]
    pub order_change: OrderChange,
}

#[derive(Deserialize)]
pub struct OrderChange {
    #[serde(rename = "AmazonOrderId")]
    pub order_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    pub order_id: String,
    pub created_time: String,
    pub last_updated_time: String,
    pub sales_channel: SalesChannel,
    pub buyer: Option<Buyer>,
    pub recipient: Option<Recipient>,
    pub proceeds: Option<OrderProceeds>,
    pub fulfillment: Option<Fulfillment>,
    pub order_items: Vec<Item>,
    #[serde(default)]
    pub packages: Vec<Package>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SalesChannel {
    pub channel_name: String,
    pub marketplace_id: Option<String>,
    pub marketplace_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Buyer {
    pub buyer_name: Option<String>,
    pub buyer_email: Option<String>,
    pub buyer_company_name: Option<String>,
    pub buyer_purchase_order_number: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recipient {
    pub delivery_address: Option<Address>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Address {
    pub name: Option<String>,
    pub company_name: Option<String>,
    pub address_line1: Option<String>,
    pub address_line2: Option<String>,
    pub city: Option<String>,
    pub state_or_region: Option<String>,
    pub postal_code: Option<String>,
    pub country_code: Option<String>,
    pub phone: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderProceeds {
    pub grand_total: Option<Money>,
    #[serde(default)]
    pub breakdowns: Vec<Breakdown>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Money {
    pub amount: NumberText,
    pub currency_code: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Breakdown {
    #[serde(rename = "type")]
    pub kind: String,
    pub subtotal: Money,
    #[serde(default)]
    pub detailed_breakdowns: Vec<Detail>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Detail {
    pub subtype: Option<String>,
    pub value: Option<Money>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fulfillment {
    pub fulfillment_status: String,
    pub fulfilled_by: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    pub order_item_id: String,
    pub quantity_ordered: i64,
    pub product: Product,
    pub proceeds: Option<ItemProceeds>,
    pub promotion: Option<Promotion>,
    pub tax: Option<Tax>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Product {
    pub asin: Option<String>,
    pub title: Option<String>,
    pub seller_sku: Option<String>,
    pub price: Option<Price>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Price {
    pub unit_price: Option<Money>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemProceeds {
    pub proceeds_total: Option<Money>,
    #[serde(default)]
    pub breakdowns: Vec<Breakdown>,
}

#[derive(Deserialize)]
pub struct Promotion {
    #[serde(default)]
    pub breakdowns: Vec<PromotionBreakdown>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PromotionBreakdown {
    pub promotion_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tax {
    #[serde(default)]
    pub tax_calculation_breakdowns: Vec<TaxCalculation>,
    #[serde(default)]
    pub tax_collections: Vec<TaxCollection>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaxCalculation {
    pub reporting_scheme: Option<String>,
}

#[derive(Deserialize)]
pub struct TaxCollection {
    pub model: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Package {
    pub package_reference_id: String,
    pub created_time: Option<String>,
    pub package_status: Option<PackageStatus>,
    pub tracking_number: Option<String>,
    #[serde(default)]
    pub package_items: Vec<PackageItem>,
}

#[derive(Deserialize)]
pub struct PackageStatus {
    pub status: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageItem {
    pub order_item_id: String,
    pub quantity: i64,
}

/// A page of orders, each as the bytes that came.
#[derive(Deserialize)]
pub struct OrdersPage {
    pub orders: Vec<Box<RawValue>>,
    pub pagination: Option<Pagination>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pagination {
    pub next_token: Option<String>,
}

#[derive(Deserialize)]
pub struct OneOrder {
    pub order: Box<RawValue>,
}

/// What a poll must know of an order.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderHead {
    pub order_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportsPage {
    pub reports: Vec<Report>,
    pub next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub report_id: String,
    pub report_type: String,
    pub processing_status: String,
    pub created_time: String,
    pub report_document_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportDocument {
    pub url: String,
    pub compression_algorithm: Option<String>,
}
