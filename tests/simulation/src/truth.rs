//! What the world itself holds when its story ends: asked of the vendors' own state, of nothing that
//! the hub has read or written.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use jiff::Timestamp;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::{Value, json};
use trueup_domain::document::{PaymentKind, PaymentStatus, Restock};
use trueup_odoo::OdooSandbox;
use trueup_sandbox::World;
use trueup_sandbox::world::{SHOP_EU, SHOP_US, STRIPE};

/// One order of a shop as it stands, in minor units.
#[derive(Clone, Debug)]
pub struct Stands {
    pub shop: String,
    pub company: i64,
    pub id: String,
    pub number: String,
    pub placed_at: Timestamp,
    /// Everything ever sold, what was agreed to go back, what was paid and paid back.
    pub sold: i64,
    pub agreed: i64,
    pub taken: i64,
    pub returned: i64,
    pub cancelled: bool,
    pub lines: usize,
    pub transactions: usize,
    pub refunds: usize,
    /// Gift cards sold less gift cards used, both less what went back.
    pub gift_cards: i64,
    /// Units of goods that left and did not come back.
    pub units_out: i64,
}

impl Stands {
    /// A shop bills what was paid, and what is still to be paid unless it was called off.
    pub fn is_billed(&self) -> bool {
        !self.cancelled || self.taken > 0
    }
    pub fn due(&self) -> i64 {
        self.sold - self.agreed - (self.taken - self.returned)
    }
}

pub fn company_of(shop: &str) -> i64 {
    if shop == SHOP_US { 1 } else { 2 }
}

/// Every order that was placed since the start.
pub fn orders(world: &World, since: Timestamp) -> Result<Vec<Stands>> {
    let mut all = Vec::new();
    for (name, shop) in &world.shops {
        for id in shop.order_ids() {
            let order = shop.order(&id).context("an order")?;
            if order.processed_at < since {
                continue;
            }
            let (taken, returned) = order.paid();
            let moved = |kinds: &[PaymentKind]| -> i64 {
                let by_card = order.transactions.iter().filter(|one| {
                    one.gateway == "gift_card"
                        && one.status == PaymentStatus::Succeeded
                        && kinds.contains(&one.kind)
                });
                by_card.map(|one| one.amount).sum()
            };
            let cards = order.lines.iter().filter(|line| line.gift_card);
            let used = moved(&[PaymentKind::Sale, PaymentKind::Capture]);
            let given_back = order.refunds.iter().flat_map(|refund| &refund.lines);
            let cards_back: i64 = given_back
                .clone()
                .filter(|line| order.lines.get(line.line).is_some_and(|it| it.gift_card))
                .map(|line| line.subtotal)
                .sum();
            let is_goods = |at: usize| order.lines.get(at).is_some_and(|it| !it.gift_card);
            let left: i64 = order
                .fulfilments
                .iter()
                .flat_map(|it| &it.lines)
                .filter(|(at, _)| is_goods(*at))
                .map(|(_, units)| units)
                .sum();
            let back: i64 = given_back
                .filter(|line| line.restock == Restock::Returned && is_goods(line.line))
                .map(|line| line.quantity)
                .sum();
            all.push(Stands {
                shop: (*name).to_owned(),
                company: company_of(name),
                number: order.name(),
                placed_at: order.processed_at,
                sold: order.total(shop.taxes_included()),
                agreed: order.given_back(shop.taxes_included()),
                taken,
                returned,
                cancelled: order.cancelled_at.is_some(),
                lines: order.lines.len(),
                transactions: order.transactions.len(),
                refunds: order.refunds.len(),
                gift_cards: cards.map(|line| line.net()).sum::<i64>() - cards_back - used
                    + moved(&[PaymentKind::Refund]),
                units_out: left - back,
                id,
            });
        }
    }
    Ok(all)
}

/// What each provider says it holds, by the connection that reads its ledger.
pub fn held_by_providers(world: &World) -> BTreeMap<&'static str, i64> {
    let mut held = BTreeMap::from([(STRIPE, world.stripe.balance())]);
    if let Some(shop) = world.shops.get(SHOP_EU) {
        held.insert(SHOP_EU, shop.balance());
    }
    held
}

/// What the books hold, in cents by what it is and whose: net totals, and what is open on either
/// side of the receivables. How many documents it took depends on when the news came
/// (`DESIGN.md` §9.3).
pub fn books(odoo: &OdooSandbox) -> Result<BTreeMap<String, i64>> {
    let mut totals: BTreeMap<String, i64> = BTreeMap::new();
    let mut add = |what: &str, company: &Value, amount: i64| {
        *totals.entry(format!("{what} of {company}")).or_default() += amount;
    };
    let confirmed = json!([["state", "=", "sale"]]);
    for order in odoo.read_all("sale.order", &confirmed, &["amount_total", "company_id"]) {
        add("confirmed", &order["company_id"][0], cents(&order["amount_total"])?);
    }
    let fields = ["amount_total", "amount_tax", "move_type", "company_id"];
    for document in odoo.read_all("account.move", &json!([["state", "=", "posted"]]), &fields) {
        let sign = match document["move_type"].as_str() {
            Some("out_invoice") => 1,
            Some("out_refund") => -1,
            _ => continue,
        };
        add("billed", &document["company_id"][0], sign * cents(&document["amount_total"])?);
        add("taxed", &document["company_id"][0], sign * cents(&document["amount_tax"])?);
    }
    let fields = ["amount", "payment_type", "company_id", "state"];
    for payment in odoo.read_all("account.payment", &json!([]), &fields) {
        if matches!(payment["state"].as_str(), Some("in_process" | "paid")) {
            let sign = if payment["payment_type"] == "inbound" { 1 } else { -1 };
            add("paid", &payment["company_id"][0], sign * cents(&payment["amount"])?);
        }
    }
    let receivable = json!([["account_type", "=", "asset_receivable"]]);
    for line in odoo.read_all("account.move.line", &receivable, &["amount_residual", "company_id"])
    {
        let open = cents(&line["amount_residual"])?;
        let what = if open < 0 { "open credit" } else { "open debit" };
        add(what, &line["company_id"][0], open);
    }
    Ok(totals)
}

/// Units that the books delivered on the orders of one sale.
pub fn delivered(odoo: &OdooSandbox, shop: &str, number: &str) -> Result<Decimal> {
    let origin = json!([["origin", "=", format!("{shop} {number}")]]);
    let lines = odoo.read_all("sale.order", &origin, &["order_line"]);
    let lines: Vec<i64> = lines
        .iter()
        .flat_map(|order| order["order_line"].as_array().cloned().unwrap_or_default())
        .filter_map(|id| id.as_i64())
        .collect();
    let lines = odoo.read_all("sale.order.line", &json!([["id", "in", lines]]), &["qty_delivered"]);
    let units =
        |line: &Value| -> Result<Decimal> { Ok(line["qty_delivered"].to_string().parse()?) };
    lines.iter().map(units).sum()
}

/// Cents of an amount as Odoo writes it.
pub fn cents(amount: &Value) -> Result<i64> {
    let amount: Decimal = amount.to_string().parse()?;
    (amount * Decimal::ONE_HUNDRED).to_i64().context("cents")
}
