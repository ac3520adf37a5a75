//! What the demo's two entities want: a shop in the United States and one in Europe.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use trueup_domain::document::{Remitter, Tender};
use trueup_domain::mapping::{GoodsPolicy, InvoicePolicy};
use trueup_domain::money::Currency;

use super::{Clears, Customers, Wanted, WantedGateway, WantedProduct, WantedTax};

/// SKUs and names of the demo's catalogue, shared by both companies.
pub const PRODUCTS: &[(&str, &str)] = &[
    ("TEE-S", "Tee, small"),
    ("TEE-M", "Tee, medium"),
    ("TEE-L", "Tee, large"),
    ("HOODIE-M", "Hoodie, medium"),
    ("HOODIE-L", "Hoodie, large"),
    ("MUG-01", "Mug"),
    ("CAP-01", "Cap"),
    ("SOCKS-2", "Socks, two pairs"),
    ("BAG-CANVAS", "Canvas bag"),
    ("POSTER-A2", "Poster A2"),
];

/// States in which the demo's shop collects sales tax.
const STATES: &[&str] = &["CA", "FL", "IL", "NY", "TX", "WA"];

pub fn wanted() -> Vec<Wanted> {
    let (Ok(usd), Ok(eur)) = (Currency::parse("USD"), Currency::parse("EUR")) else {
        return Vec::new();
    };
    let us = Wanted {
        entity: "us".to_owned(),
        target: "odoo".to_owned(),
        database: None,
        company: "1".to_owned(),
        currency: usd,
        time_zone: "America/New_York".to_owned(),
        customers: Customers::PerBuyer,
        goods: GoodsPolicy::Channel,
        location: None,
        locations: BTreeMap::new(),
        invoices: InvoicePolicy::Order,
        gateways: gateways("stripe-us"),
        taxes: american(),
        products: products(),
        bundles: BTreeMap::new(),
    };
    let eu = Wanted {
        entity: "eu".to_owned(),
        company: "2".to_owned(),
        currency: eur,
        time_zone: "Europe/Berlin".to_owned(),
        gateways: gateways("stripe-eu"),
        taxes: european(),
        ..us.clone()
    };
    vec![us, eu]
}

fn products() -> Vec<WantedProduct> {
    let product = |(sku, name): &(&str, &str)| WantedProduct {
        sku: (*sku).to_owned(),
        name: (*name).to_owned(),
    };
    PRODUCTS.iter().map(product).collect()
}

fn gateways(provider: &str) -> Vec<WantedGateway> {
    let gateway = |word: &str, title: &str, tender, provider: Option<&str>, clears| WantedGateway {
        word: word.to_owned(),
        title: title.to_owned(),
        tender,
        provider: provider.map(str::to_owned),
        clears,
        currency: None,
    };
    vec![
        gateway("stripe", "Stripe", Some(Tender::Card), Some(provider), Clears::Clearing),
        gateway(
            "shopify_payments",
            "Shopify Payments",
            Some(Tender::Card),
            Some(provider),
            Clears::Clearing,
        ),
        gateway("paypal", "PayPal", None, None, Clears::Clearing),
        gateway("gift_card", "Gift cards", Some(Tender::GiftCard), None, Clears::GiftCards),
        gateway(
            "store_credit",
            "Store credit",
            Some(Tender::StoreCredit),
            None,
            Clears::StoreCredit,
        ),
        gateway(
            "Bank Deposit",
            "Bank transfers",
            Some(Tender::BankTransfer),
            None,
            Clears::Clearing,
        ),
        gateway("manual", "Manual payments", None, None, Clears::Clearing),
    ]
}

/// One tax for each state, at zero: the channel's amount is forced (V9); and one for the rest.
fn american() -> Vec<WantedTax> {
    let state = |code: &&str| {
        tax(
            &format!("us_{}", code.to_lowercase()),
            &format!("Sales tax {code}"),
            "0",
            false,
            Some(&format!("US-{code}")),
            None,
            Remitter::Merchant,
        )
    };
    let mut taxes: Vec<WantedTax> = STATES.iter().map(state).collect();
    taxes.push(tax(
        "us_other",
        "Sales tax, other states",
        "0",
        false,
        None,
        None,
        Remitter::Merchant,
    ));
    taxes.push(tax(
        "us_marketplace",
        "Sales tax remitted by a marketplace",
        "0",
        false,
        None,
        None,
        Remitter::Marketplace,
    ));
    taxes
}

fn european() -> Vec<WantedTax> {
    let rate = |text: &str| text.parse::<Decimal>().ok();
    vec![
        tax("de_19", "VAT 19 % DE", "19", true, Some("DE"), rate("0.19"), Remitter::Merchant),
        tax("de_7", "VAT 7 % DE", "7", true, Some("DE"), rate("0.07"), Remitter::Merchant),
        tax("eu_20", "VAT 20 %", "20", true, None, rate("0.20"), Remitter::Merchant),
        tax("eu_21", "VAT 21 %", "21", true, None, rate("0.21"), Remitter::Merchant),
        tax("eu_19", "VAT 19 %", "19", true, None, rate("0.19"), Remitter::Merchant),
        tax("eu_7", "VAT 7 %", "7", true, None, rate("0.07"), Remitter::Merchant),
        tax("eu_0", "VAT 0 %", "0", true, None, rate("0"), Remitter::Merchant),
        tax(
            "eu_marketplace",
            "VAT remitted by a marketplace",
            "0",
            true,
            None,
            None,
            Remitter::Marketplace,
        ),
    ]
}

fn tax(
    key: &str,
    name: &str,
    percent: &str,
    included: bool,
    jurisdiction: Option<&str>,
    rate: Option<Decimal>,
    remitted_by: Remitter,
) -> WantedTax {
    WantedTax {
        key: key.to_owned(),
        name: name.to_owned(),
        percent: percent.parse().unwrap_or_default(),
        included,
        title: None,
        jurisdiction: jurisdiction.map(str::to_owned),
        rate,
        remitted_by,
    }
}
