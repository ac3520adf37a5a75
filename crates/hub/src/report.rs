//! The four-sided report: per day and in all, how many orders and how much money are proven, not
//! due, broken or not applicable on each link; what is open, and what was absorbed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use trueup_domain::item::{Item, ItemKind, Side};
use trueup_domain::money::{Currency, Money};
use trueup_matching::Status;
use trueup_matching::links::{Link, Proof, TenderStanding, worst};
use trueup_store::documents::ShownRoot;
use trueup_store::facts::LiveItem;
use trueup_store::{StoreError, Tx, cases, documents, facts, scopes};

/// Orders and their money in one status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    pub orders: i64,
    /// Minor units of the row's currency.
    pub minor: i64,
}

/// One entity, currency and day (or all days).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Row {
    pub day: Option<String>,
    pub entity: String,
    pub currency: String,
    pub orders: i64,
    pub minor: i64,
    /// By link, then by status.
    pub links: BTreeMap<&'static str, BTreeMap<&'static str, Tally>>,
    pub overall: BTreeMap<&'static str, Tally>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OpenCase {
    pub id: String,
    pub kind: String,
    pub entity: String,
    pub subject: String,
    pub title: String,
    pub detail: String,
    pub remedy: String,
    pub amount: Option<Money>,
    /// The person who works on it; empty while nobody does.
    pub assignee: String,
    pub age_days: i64,
}

/// A case whose cause stands and that a person took as it is. What it is about stays unproven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Accepted {
    pub id: String,
    pub kind: String,
    pub entity: String,
    pub subject: String,
    pub title: String,
    pub amount: Option<Money>,
    pub person: String,
    pub reason: String,
    pub at: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Absorbed {
    pub kind: String,
    pub subject: String,
    pub detail: String,
    pub times: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    pub from: String,
    pub to: String,
    pub as_of: String,
    pub days: Vec<Row>,
    pub totals: Vec<Row>,
    pub open: Vec<OpenCase>,
    pub accepted: Vec<Accepted>,
    pub absorbed: Vec<Absorbed>,
}

/// Everything that proofs are read from, loaded once.
pub struct Evidence {
    scopes: BTreeMap<String, Status>,
    /// The settlement row behind a tender key, by its root.
    rows_of_key: BTreeMap<String, Vec<String>>,
    /// The payout (or the open row) of a ledger row's root.
    payout_of_row: BTreeMap<String, String>,
    channel_of_root: BTreeMap<String, Vec<Item>>,
}

impl Evidence {
    pub fn load(tx: &mut Tx<'_>) -> Result<Self, StoreError> {
        let scopes = scopes::all(tx)?
            .into_iter()
            .map(|scope| (scope.key, status_of(&scope.verdict.status)))
            .collect();
        let mut all = Self {
            scopes,
            rows_of_key: BTreeMap::new(),
            payout_of_row: BTreeMap::new(),
            channel_of_root: BTreeMap::new(),
        };
        for kind in [
            ItemKind::Document,
            ItemKind::DocumentTax,
            ItemKind::RefundDocument,
            ItemKind::Capture,
            ItemKind::RefundPaid,
            ItemKind::PayoutRow,
        ] {
            for found in facts::items_of_kind(tx, kind)? {
                all.sort_in(found);
            }
        }
        Ok(all)
    }

    fn sort_in(&mut self, found: LiveItem) {
        let LiveItem { root, item, .. } = found;
        match (item.side, item.kind) {
            (Side::Channel, _) => self.channel_of_root.entry(root).or_default().push(item),
            (Side::Settlement, ItemKind::PayoutRow) => {
                self.payout_of_row.insert(root, item.key);
            }
            (Side::Settlement, _) => self.rows_of_key.entry(item.key).or_default().push(root),
            _ => {}
        }
    }

    fn status(&self, key: &str) -> Status {
        self.scopes.get(key).copied().unwrap_or(Status::NotDue)
    }

    /// The four links of one sale.
    pub fn proof(&self, root: &str) -> Proof {
        let mut statuses = Vec::new();
        let mut tenders = Vec::new();
        for item in self.channel_of_root.get(root).into_iter().flatten() {
            match item.kind {
                ItemKind::Capture | ItemKind::RefundPaid => tenders.push(self.tender(&item.key)),
                _ => statuses.push(self.status(&item.key)),
            }
        }
        Proof::of(&statuses, &tenders)
    }

    /// How one tender stands on the three money links.
    pub fn tender(&self, key: &str) -> TenderStanding {
        let tender = self.status(key);
        if key.contains("_transfer/") {
            // The bank line is the settlement (`POSTING.md` table B).
            return TenderStanding { tender, payout: Status::NotApplicable, bank: tender };
        }
        if key.contains("_tender/") {
            let none = Status::NotApplicable;
            return TenderStanding { tender, payout: none, bank: none };
        }
        let rows = self.rows_of_key.get(key).map_or(&[][..], Vec::as_slice);
        if rows.is_empty() {
            return TenderStanding { tender, payout: Status::NotDue, bank: Status::NotDue };
        }
        let mut payouts = Vec::new();
        let mut banks = Vec::new();
        for row in rows {
            let Some(payout) = self.payout_of_row.get(row) else { continue };
            payouts.push(self.status(payout));
            banks.push(match payout.strip_prefix("payout/") {
                Some(id) => {
                    // A payout that nets to nothing has no bank line and no key.
                    let bank = self.scopes.get(&format!("bank/{id}")).copied();
                    bank.unwrap_or(Status::NotApplicable)
                }
                None => Status::NotDue,
            });
        }
        TenderStanding { tender, payout: worst(&payouts), bank: worst(&banks) }
    }

    /// The payout key of a tender, where its row is in one.
    pub fn payout_of(&self, tender_key: &str) -> Option<&str> {
        let rows = self.rows_of_key.get(tender_key)?;
        rows.iter().find_map(|row| self.payout_of_row.get(row)).map(String::as_str)
    }
}

pub fn status_of(word: &str) -> Status {
    Status::parse(word).unwrap_or(Status::NotDue)
}

/// Builds the report of the days `from..=to`.
pub fn build(tx: &mut Tx<'_>, from: Date, to: Date, now: Timestamp) -> Result<Report, StoreError> {
    let evidence = Evidence::load(tx)?;
    let sales = documents::sales_between(tx, &from.to_string(), &to.to_string())?;
    let mut days: BTreeMap<(String, String, String), Row> = BTreeMap::new();
    let mut totals: BTreeMap<(String, String), Row> = BTreeMap::new();
    for sale in sales.iter().filter(|sale| sale.state != "test") {
        let proof = evidence.proof(&sale.id);
        let entity = sale.entity.clone().unwrap_or_default();
        let currency = sale.currency.clone().unwrap_or_default();
        let day = sale.day.clone().unwrap_or_default();
        let row = days
            .entry((day.clone(), entity.clone(), currency.clone()))
            .or_insert_with(|| Row { day: Some(day), ..new_row(&entity, &currency) });
        count(row, sale, &proof);
        let total = totals
            .entry((entity.clone(), currency.clone()))
            .or_insert_with(|| new_row(&entity, &currency));
        count(total, sale, &proof);
    }
    Ok(Report {
        from: from.to_string(),
        to: to.to_string(),
        as_of: now.to_string(),
        days: days.into_values().collect(),
        totals: totals.into_values().collect(),
        open: open(tx, now)?,
        accepted: accepted(tx)?,
        absorbed: cases::absorbed(tx)?
            .into_iter()
            .map(|one| Absorbed {
                kind: one.kind,
                subject: one.subject,
                detail: one.detail,
                times: one.times,
            })
            .collect(),
    })
}

fn new_row(entity: &str, currency: &str) -> Row {
    Row { entity: entity.to_owned(), currency: currency.to_owned(), ..Row::default() }
}

fn count(row: &mut Row, sale: &ShownRoot, proof: &Proof) {
    let minor = sale.amount.unwrap_or(0);
    let add = |tally: &mut Tally| {
        tally.orders += 1;
        tally.minor += minor;
    };
    row.orders += 1;
    row.minor += minor;
    for link in Link::ALL {
        let by_status = row.links.entry(link.word()).or_default();
        add(by_status.entry(proof.link(link).word()).or_default());
    }
    add(row.overall.entry(proof.overall().word()).or_default());
}

/// The open cases, oldest first.
pub fn open(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<OpenCase>, StoreError> {
    let cases = cases::open_cases(tx)?;
    Ok(cases
        .into_iter()
        .map(|case| {
            let age = now.duration_since(case.opened_at).as_hours() / 24;
            let currency = Currency::parse(&case.currency).ok();
            OpenCase {
                amount: currency.map(|currency| Money::from_minor(case.amount, currency)),
                id: case.id,
                kind: case.kind,
                entity: case.entity,
                subject: case.subject,
                title: case.title,
                detail: case.detail,
                remedy: case.remedy,
                assignee: case.assignee,
                age_days: age,
            }
        })
        .collect())
}

/// What people took as it is, newest first.
pub fn accepted(tx: &mut Tx<'_>) -> Result<Vec<Accepted>, StoreError> {
    let cases = cases::accepted(tx)?;
    Ok(cases
        .into_iter()
        .map(|case| Accepted {
            amount: Currency::parse(&case.currency)
                .ok()
                .map(|currency| Money::from_minor(case.amount, currency)),
            id: case.id,
            kind: case.kind,
            entity: case.entity,
            subject: case.subject,
            title: case.title,
            person: case.closed_by.unwrap_or_default(),
            reason: case.closed_why.unwrap_or_default(),
            at: case.closed_at.map(|at| at.to_string()).unwrap_or_default(),
        })
        .collect())
}
