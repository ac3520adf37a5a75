//! The variance bridges: two totals that their sides state themselves, and every step between.
//!
//! | bridge              | from                                  | to                                     |
//! |---------------------|---------------------------------------|----------------------------------------|
//! | channel to books    | the channel's orders less its refunds | a grouped sum asked of the books       |
//! | channel to provider | what the channel says was taken       | the provider's payouts and balance     |
//! | provider to bank    | the provider's payouts                | closing less opening of the statements |
//!
//! Neither total comes from our items; the steps do, each with its evidence (`DESIGN.md` §9.9).
//! What the steps do not explain is *unexplained*, and shown.

use std::collections::BTreeMap;

use trueup_domain::command::CommandKind;
use trueup_domain::document::{
    BankStatement, BooksRecord, Document, Kind, LedgerRow, Order, Payment, PaymentKind,
    PaymentStatus, Payout, PayoutStatus, Refund, RowClass,
};
use trueup_domain::item::{ItemKind, Side};
use trueup_domain::mapping::Mapping;
use trueup_domain::money::{Currency, Money};
use trueup_matching::bridge::{Bridge, Step, bridge};
use trueup_store::facts::LiveItem;
use trueup_store::{StoreError, Tx, cases, documents, facts, mappings, scopes};

use crate::setup::{Connection, Hub};

pub type Shown = Bridge;

/// The kind of record in which the books state a grouped sum, and a provider its balance.
const TOTALS: &str = "totals";
const BALANCE: &str = "balance";

/// Builds every bridge whose two totals have been stated.
pub fn build(tx: &mut Tx<'_>, hub: &Hub) -> Result<Vec<Shown>, StoreError> {
    let mut bridges = Vec::new();
    for connection in hub.setup.connections.values() {
        let Some(mapping) = mappings::get(tx, &connection.name, None)? else { continue };
        let sales = Sales::load(tx, connection)?;
        bridges.extend(channel_to_books(tx, connection, &mapping, &sales)?);
        bridges.extend(channel_to_provider(tx, hub, connection, &mapping, &sales)?);
    }
    for connection in hub.setup.connections.values() {
        bridges.extend(provider_to_bank(tx, hub, connection)?);
    }
    Ok(bridges)
}

/// What a channel states, by sale.
struct Sales {
    orders: Vec<Order>,
    refunds: Vec<Refund>,
    payments: Vec<Payment>,
    /// Sales whose order was placed before the start.
    before: Vec<String>,
}

impl Sales {
    fn load(tx: &mut Tx<'_>, connection: &Connection) -> Result<Self, StoreError> {
        let name = &connection.name;
        let mut sales = Self {
            orders: Vec::new(),
            refunds: Vec::new(),
            payments: Vec::new(),
            before: Vec::new(),
        };
        for document in documents::of_kind(tx, name, Kind::Order)? {
            let Document::Order(order) = document else { continue };
            if order.placed_at < connection.since {
                sales.before.push(order.id.clone());
            } else if !order.test {
                sales.orders.push(*order);
            }
        }
        for document in documents::of_kind(tx, name, Kind::Refund)? {
            if let Document::Refund(refund) = document {
                sales.refunds.push(*refund);
            }
        }
        for document in documents::of_kind(tx, name, Kind::Payment)? {
            if let Document::Payment(payment) = document {
                sales.payments.push(*payment);
            }
        }
        Ok(sales)
    }

    fn is_before(&self, order: &str) -> bool {
        self.before.iter().any(|before| before == order)
    }
}

/// Collects steps by name, with their evidence.
struct Steps {
    currency: Currency,
    by_name: BTreeMap<String, (Money, Vec<String>)>,
}

impl Steps {
    fn new(currency: Currency) -> Self {
        Self { currency, by_name: BTreeMap::new() }
    }

    fn add(
        &mut self,
        name: impl Into<String>,
        amount: Money,
        evidence: &str,
    ) -> Result<(), StoreError> {
        if amount.is_zero() || amount.currency() != self.currency {
            return Ok(());
        }
        let zero = Money::zero(self.currency);
        let (sum, list) = self.by_name.entry(name.into()).or_insert_with(|| (zero, Vec::new()));
        *sum = sum.checked_add(amount).map_err(StoreError::corrupt)?;
        list.push(evidence.to_owned());
        Ok(())
    }

    fn list(self) -> Vec<Step> {
        self.by_name
            .into_iter()
            .map(|(name, (amount, evidence))| Step {
                name,
                amount,
                count: evidence.len(),
                evidence,
            })
            .collect()
    }
}

fn sum(currency: Currency, amounts: impl IntoIterator<Item = Money>) -> Result<Money, StoreError> {
    let own = amounts.into_iter().filter(|amount| amount.currency() == currency);
    Money::sum(currency, own).map_err(StoreError::corrupt)
}

fn minus(left: Money, right: Money) -> Result<Money, StoreError> {
    left.checked_sub(right).map_err(StoreError::corrupt)
}

fn negative(amount: Money) -> Result<Money, StoreError> {
    amount.checked_neg().map_err(StoreError::corrupt)
}

/// How a key stands, in words for a step. What a person accepted is a step of its own.
fn standing(tx: &mut Tx<'_>, key: &str) -> Result<String, StoreError> {
    let scope = scopes::find(tx, key)?;
    let words = scope.map_or_else(
        || "not judged yet".to_owned(),
        |scope| match scope.verdict.break_kind {
            Some(kind) => kind.replace('_', " "),
            None => scope.verdict.status.replace('_', " "),
        },
    );
    let accepted = cases::accepted_of(tx, key)?.and_then(|case| case.ending());
    Ok(accepted.map_or_else(|| words.clone(), |how| format!("{words}, {how}")))
}

fn channel_to_books(
    tx: &mut Tx<'_>,
    connection: &Connection,
    mapping: &Mapping,
    sales: &Sales,
) -> Result<Option<Shown>, StoreError> {
    let currency = mapping.currency;
    let Some(stated) = books_total(tx, mapping)? else { return Ok(None) };
    let sold = sum(currency, sales.orders.iter().map(|order| order.total))?;
    let own = |refund: &&Refund| !sales.is_before(&refund.order);
    let given_back = sum(currency, sales.refunds.iter().filter(own).map(|refund| refund.total))?;
    let channel = minus(sold, given_back)?;

    let mut steps = Steps::new(currency);
    let mut known: BTreeMap<String, Money> = BTreeMap::new();
    for order in &sales.orders {
        let key = format!("order/{}/{}", connection.name, order.id);
        known.insert(key, order.total);
    }
    for refund in sales.refunds.iter().filter(own) {
        let key = format!("refund/{}/{}", connection.name, refund.id);
        known.insert(key, negative(refund.total)?);
    }
    for (key, stated_by_channel) in &known {
        let sign = if key.starts_with("refund/") { -1 } else { 1 };
        let items = facts::items_of_key(tx, key)?;
        let zero = Money::zero(currency);
        let of_side = |side: Side| -> Result<Money, StoreError> {
            let amounts = items.iter().filter(|item| item.item.side == side);
            let total = sum(currency, amounts.map(|item| item.item.amount))?;
            total.checked_mul(sign).map_err(StoreError::corrupt)
        };
        let expected = of_side(Side::Channel)?;
        let booked = of_side(Side::Books)?;
        if expected != *stated_by_channel {
            let name = if expected == zero { "not a sale" } else { "remitted by the channel" };
            steps.add(name, minus(*stated_by_channel, expected)?, key)?;
        }
        if expected != booked {
            let name = standing(tx, key)?;
            steps.add(name, minus(expected, booked)?, key)?;
        }
    }
    let shown = bridge(
        format!("{} → books of {}", connection.name, mapping.entity),
        (format!("{} orders less refunds", connection.name), channel),
        ("invoices less credit notes, asked of the books", stated),
        steps.list(),
    );
    shown.map(Some).map_err(StoreError::corrupt)
}

/// Invoices less credit notes of a company, as the books sum them up themselves.
fn books_total(tx: &mut Tx<'_>, mapping: &Mapping) -> Result<Option<Money>, StoreError> {
    let mut total = None;
    for record in books_records(tx, &mapping.target)? {
        let own = record.kind == TOTALS
            && record.company == mapping.company
            && record.total.currency() == mapping.currency;
        if !own {
            continue;
        }
        let credit = record.id.ends_with(CommandKind::CreditNote.word());
        let amount = if credit { negative(record.total)? } else { record.total };
        let so_far = total.unwrap_or(Money::zero(mapping.currency));
        total = Some(so_far.checked_add(amount).map_err(StoreError::corrupt)?);
    }
    Ok(total)
}

fn books_records(tx: &mut Tx<'_>, connection: &str) -> Result<Vec<BooksRecord>, StoreError> {
    let stated = documents::of_kind(tx, connection, Kind::BooksRecord)?;
    Ok(stated
        .into_iter()
        .filter_map(|document| match document {
            Document::BooksRecord(record) => Some(*record),
            _ => None,
        })
        .collect())
}

fn rows_of(tx: &mut Tx<'_>, provider: &str) -> Result<Vec<LedgerRow>, StoreError> {
    let stated = documents::of_kind(tx, provider, Kind::LedgerRow)?;
    Ok(stated
        .into_iter()
        .filter_map(|document| match document {
            Document::LedgerRow(row) => Some(*row),
            _ => None,
        })
        .collect())
}

fn payouts_of(tx: &mut Tx<'_>, provider: &str) -> Result<Vec<Payout>, StoreError> {
    let stated = documents::of_kind(tx, provider, Kind::Payout)?;
    Ok(stated
        .into_iter()
        .filter_map(|document| match document {
            Document::Payout(payout) => Some(*payout),
            _ => None,
        })
        .collect())
}

fn channel_to_provider(
    tx: &mut Tx<'_>,
    hub: &Hub,
    connection: &Connection,
    mapping: &Mapping,
    sales: &Sales,
) -> Result<Option<Shown>, StoreError> {
    let mut gateways = mapping.gateways.iter().filter_map(|(word, gateway)| {
        let provider = gateway.provider.as_deref()?;
        let used = sales.payments.iter().any(|payment| payment.gateway == *word);
        used.then(|| (word.clone(), provider.to_owned()))
    });
    let Some((gateway, provider)) = gateways.next() else { return Ok(None) };
    let currency = mapping.currency;
    let balance = books_records(tx, &provider)?
        .into_iter()
        .find(|record| record.kind == BALANCE && record.total.currency() == currency);
    let (Some(balance), true) = (balance, hub.connection(&provider).is_some()) else {
        return Ok(None);
    };
    let stated = |payment: &&Payment| {
        payment.gateway == gateway && payment.status == PaymentStatus::Succeeded && !payment.test
    };
    let mut channel = Money::zero(currency);
    for payment in sales.payments.iter().filter(stated) {
        let amount = match payment.kind {
            PaymentKind::Sale | PaymentKind::Capture if !sales.is_before(&payment.order) => {
                payment.amount
            }
            PaymentKind::Refund if payment.processed_at >= connection.since => {
                negative(payment.amount)?
            }
            _ => continue,
        };
        channel = channel.checked_add(amount).map_err(StoreError::corrupt)?;
    }
    // Every payout left the balance; the row of one that came back is a step of its own.
    let paid_out = sum(currency, payouts_of(tx, &provider)?.iter().map(|it| it.amount))?;
    let held = paid_out.checked_add(balance.total).map_err(StoreError::corrupt)?;

    let mut steps = Steps::new(currency);
    for row in rows_of(tx, &provider)? {
        let evidence = row.id.as_str();
        if !row.fee.is_zero() && row.class != RowClass::Payout {
            steps.add("fees", row.fee, evidence)?;
        }
        let name = match row.class {
            // Compared with the channel under its key, below.
            RowClass::Capture
            | RowClass::Refund
            | RowClass::RefundFailure
            | RowClass::PartialCaptureReversal
            | RowClass::Payout => continue,
            RowClass::Unknown => format!("unknown row `{}`", row.kind),
            other => format!("{other:?}").to_lowercase(),
        };
        steps.add(name, negative(row.gross)?, evidence)?;
    }
    tender_steps(tx, &mut steps, &provider, currency)?;
    let shown = bridge(
        format!("{} → {provider}", connection.name),
        (format!("taken less given back through {gateway}, says {}", connection.name), channel),
        (format!("paid out and held, says {provider}"), held),
        steps.list(),
    );
    shown.map(Some).map_err(StoreError::corrupt)
}

/// Captures and refunds that one of the two sides states otherwise than the other.
fn tender_steps(
    tx: &mut Tx<'_>,
    steps: &mut Steps,
    provider: &str,
    currency: Currency,
) -> Result<(), StoreError> {
    for (kind, word, sign) in
        [(ItemKind::Capture, "capture", 1), (ItemKind::RefundPaid, "refund_paid", -1)]
    {
        let prefix = format!("{word}/{provider}/");
        let mut by_key: BTreeMap<String, (Money, Money)> = BTreeMap::new();
        for LiveItem { item, .. } in facts::items_of_kind(tx, kind)? {
            if !item.key.starts_with(&prefix) || item.amount.currency() != currency {
                continue;
            }
            let zero = Money::zero(currency);
            let (channel, provider) = by_key.entry(item.key.clone()).or_insert((zero, zero));
            let side = match item.side {
                Side::Channel => channel,
                Side::Settlement => provider,
                Side::Books | Side::Bank => continue,
            };
            *side = side.checked_add(item.amount).map_err(StoreError::corrupt)?;
        }
        for (key, (channel, provider)) in by_key {
            if channel != provider {
                let name = format!("{word}: {}", standing(tx, &key)?);
                let difference = minus(channel, provider)?;
                let difference = difference.checked_mul(sign).map_err(StoreError::corrupt)?;
                steps.add(name, difference, &key)?;
            }
        }
    }
    Ok(())
}

fn provider_to_bank(
    tx: &mut Tx<'_>,
    hub: &Hub,
    bank: &Connection,
) -> Result<Option<Shown>, StoreError> {
    let mut statements: Vec<BankStatement> = Vec::new();
    for document in documents::of_kind(tx, &bank.name, Kind::BankStatement)? {
        if let Document::BankStatement(statement) = document {
            statements.push(*statement);
        }
    }
    statements.sort_by_key(|statement| statement.date);
    let opening = statements.first().and_then(|statement| statement.opening);
    let closing = statements.last().and_then(|statement| statement.closing);
    let (Some(opening), Some(closing)) = (opening, closing) else { return Ok(None) };
    let currency = closing.currency();
    let banked = minus(closing, opening)?;

    let mut steps = Steps::new(currency);
    let mut paid = Vec::new();
    for provider in hub.setup.connections.values() {
        if provider.entity != bank.entity {
            continue;
        }
        for payout in payouts_of(tx, &provider.name)? {
            let counts = matches!(payout.status, PayoutStatus::InTransit | PayoutStatus::Paid);
            if !counts || payout.amount.currency() != currency {
                continue;
            }
            paid.push(payout.amount);
            let key = format!("bank/{}/{}", provider.name, payout.id);
            let mut on_bank = Money::zero(currency);
            for (_, _, item) in scopes::matches_of(tx, &key)? {
                let line = facts::find_item(tx, &item)?;
                if let Some(line) = line.filter(|line| line.item.side == Side::Bank) {
                    on_bank = on_bank.checked_add(line.item.amount).map_err(StoreError::corrupt)?;
                }
            }
            if on_bank != payout.amount {
                let name = format!("payout: {}", standing(tx, &key)?);
                steps.add(name, minus(payout.amount, on_bank)?, &key)?;
            }
        }
    }
    for line in facts::items_of_kind(tx, ItemKind::BankLine)? {
        let own = hub_account(tx, bank, &line)?;
        if !own {
            continue;
        }
        let payout = match &line.claimed_by {
            Some(claim) => scopes::key_of_match(tx, claim)?,
            None => None,
        };
        let name = match payout {
            Some(key) if key.starts_with("bank/") => continue,
            Some(_) => "bank transfers for orders",
            None => "lines that are no payout",
        };
        steps.add(name, negative(line.item.amount)?, &line.item.key)?;
    }
    let shown = bridge(
        format!("payouts → {}", bank.name),
        ("payouts, say the providers", sum(currency, paid)?),
        (format!("closing less opening of {}", bank.name), banked),
        steps.list(),
    );
    shown.map(Some).map_err(StoreError::corrupt)
}

/// Whether a bank line came from this bank connection.
fn hub_account(tx: &mut Tx<'_>, bank: &Connection, line: &LiveItem) -> Result<bool, StoreError> {
    let root = documents::find_root(tx, &line.root)?;
    Ok(root.is_some_and(|root| root.connection == bank.name))
}
