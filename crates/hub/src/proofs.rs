//! The proofs of sales: read from the items and scopes of just these sales, and kept as a projection
//! for lists and sums.
//!
//! The projection is written in the transactions that change a proof: DECIDE refreshes the sales it
//! decided and those whose ledger rows it decided, RECONCILE those of the keys whose status changed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use trueup_domain::item::ItemKind;
use trueup_domain::money::Money;
use trueup_matching::Status;
use trueup_matching::conservation::Place;
use trueup_matching::links::{Proof, TenderStanding, worst};
use trueup_store::proofs::{self, Proved};
use trueup_store::{StoreError, Tx, documents, facts, scopes};

use crate::conservation;

/// How the keys of captures begin, and those of rows that are about one.
pub(crate) const CAPTURE: &str = "capture/";
pub(crate) const OF_CAPTURE: &str = "of_capture/";

/// Everything that the proofs of some sales are read from.
#[derive(Default)]
pub struct Evidence {
    scopes: BTreeMap<String, Status>,
    /// The settlement rows behind a tender key, by root.
    rows_of_key: BTreeMap<String, Vec<String>>,
    /// The payout (or the open row) of a ledger row's root.
    payout_of_row: BTreeMap<String, String>,
    channel_of_root: BTreeMap<String, Vec<(ItemKind, String)>>,
    /// What the channel says was captured under each key.
    captured: BTreeMap<String, Money>,
}

impl Evidence {
    /// Reads what the proofs of these sales need, and nothing of other sales.
    pub fn of(tx: &mut Tx<'_>, sales: &[String]) -> Result<Self, StoreError> {
        let mut all = Self::default();
        let mut keys = BTreeSet::new();
        let mut tenders = BTreeSet::new();
        for facts::Stated { root, kind, key, amount } in facts::stated_by_channel(tx, sales)? {
            if matches!(kind, ItemKind::Capture | ItemKind::RefundPaid) {
                tenders.insert(key.clone());
            }
            if let Some(capture) = key.strip_prefix(CAPTURE) {
                tenders.insert(format!("{OF_CAPTURE}{capture}"));
                all.captured.insert(key.clone(), amount);
            }
            keys.insert(key.clone());
            all.channel_of_root.entry(root).or_default().push((kind, key));
        }
        let tenders: Vec<String> = tenders.into_iter().collect();
        let mut rows = BTreeSet::new();
        for (key, row) in facts::rows_of_keys(tx, &tenders)? {
            rows.insert(row.clone());
            all.rows_of_key.entry(key).or_default().push(row);
        }
        let rows: Vec<String> = rows.into_iter().collect();
        for (row, payout) in facts::payouts_of_rows(tx, &rows)? {
            keys.extend(bank_key(&payout));
            keys.insert(payout.clone());
            all.payout_of_row.insert(row, payout);
        }
        let keys: Vec<String> = keys.into_iter().collect();
        for (key, status) in scopes::statuses(tx, &keys)? {
            all.scopes.insert(key, status_of(&status));
        }
        Ok(all)
    }

    /// The keys of one sale's tenders that a provider states, with what was captured under those
    /// of captures.
    pub(crate) fn tenders(&self, root: &str) -> impl Iterator<Item = (&str, Option<Money>)> {
        let own = self.channel_of_root.get(root).into_iter().flatten();
        own.filter(|(kind, _)| matches!(kind, ItemKind::Capture | ItemKind::RefundPaid))
            .map(|(_, key)| (key.as_str(), self.captured.get(key).copied()))
    }

    /// The roots of the ledger rows behind a key.
    pub(crate) fn rows(&self, key: &str) -> &[String] {
        self.rows_of_key.get(key).map_or(&[][..], Vec::as_slice)
    }

    /// Where the net of a ledger row is, by its root.
    pub(crate) fn place(&self, row: &str) -> Place {
        let bank = self.payout_of_row.get(row).and_then(|payout| bank_key(payout));
        match bank.and_then(|bank| self.scopes.get(&bank).copied()) {
            Some(Status::Proven) => Place::Banked,
            Some(Status::NotDue | Status::Broken) => Place::InTransit,
            Some(Status::NotApplicable) | None => Place::NotSettled,
        }
    }

    fn status(&self, key: &str) -> Status {
        self.scopes.get(key).copied().unwrap_or(Status::NotDue)
    }

    /// The four links of one sale.
    pub fn proof(&self, root: &str) -> Proof {
        let mut statuses = Vec::new();
        let mut tenders = Vec::new();
        for (kind, key) in self.channel_of_root.get(root).into_iter().flatten() {
            match kind {
                ItemKind::Capture | ItemKind::RefundPaid => tenders.push(self.tender(key)),
                ItemKind::Document | ItemKind::DocumentTax | ItemKind::RefundDocument => {
                    statuses.push(self.status(key));
                }
                _ => {}
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
            banks.push(match bank_key(payout) {
                // A payout that nets to nothing has no bank line and no key.
                Some(bank) => self.scopes.get(&bank).copied().unwrap_or(Status::NotApplicable),
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

fn bank_key(payout: &str) -> Option<String> {
    payout.strip_prefix("payout/").map(|id| format!("bank/{id}"))
}

fn status_of(word: &str) -> Status {
    Status::parse(word).unwrap_or(Status::NotDue)
}

/// Writes how these sales stand now, and whether the money of their captures is conserved.
pub fn refresh(
    tx: &mut Tx<'_>,
    sales: &BTreeSet<String>,
    now: Timestamp,
) -> Result<(), StoreError> {
    if sales.is_empty() {
        return Ok(());
    }
    let sales: Vec<String> = sales.iter().cloned().collect();
    proofs::hold(tx, &sales)?;
    let evidence = Evidence::of(tx, &sales)?;
    for sale in documents::find_roots(tx, &sales)? {
        if sale.kind != "sale" {
            continue;
        }
        let Some(day) = sale.day.clone().filter(|_| sale.state != "test") else {
            proofs::remove(tx, &sale.id)?;
            continue;
        };
        conservation::check(tx, &evidence, &sale, now)?;
        let proof = evidence.proof(&sale.id);
        let proved = Proved {
            root: sale.id,
            entity: sale.entity.unwrap_or_default(),
            currency: sale.currency.unwrap_or_default(),
            day,
            amount: sale.amount.unwrap_or(0),
            document: proof.document.word(),
            tender: proof.tender.word(),
            payout: proof.payout.word(),
            bank: proof.bank.word(),
            overall: proof.overall().word(),
        };
        proofs::put(tx, &proved)?;
    }
    Ok(())
}

/// The sales whose proofs are read from one of these keys.
pub fn sales_of(tx: &mut Tx<'_>, keys: &[String]) -> Result<BTreeSet<String>, StoreError> {
    let mut payouts = Vec::new();
    let mut stated = Vec::new();
    for key in keys {
        match key.split_once('/') {
            Some(("payout" | "unpaid", _)) => payouts.push(key.clone()),
            Some(("bank", id)) => payouts.push(format!("payout/{id}")),
            Some(("of_capture", capture)) => stated.push(format!("{CAPTURE}{capture}")),
            _ => stated.push(key.clone()),
        }
    }
    for key in facts::tenders_of_payouts(tx, &payouts)? {
        stated.push(match key.strip_prefix(OF_CAPTURE) {
            Some(capture) => format!("{CAPTURE}{capture}"),
            None => key,
        });
    }
    Ok(facts::sales_of_keys(tx, &stated)?.into_iter().collect())
}
