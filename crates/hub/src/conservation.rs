//! Whether the money of each capture is conserved (`POSTING.md` P8), read from the ledger rows whose
//! source chain ends at it. Checked where the proofs of a sale are kept, for just that sale.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use trueup_domain::document::{Document, LedgerRow, PaymentKind, RowClass};
use trueup_domain::money::{Money, MoneyError};
use trueup_matching::BreakKind;
use trueup_matching::conservation::{Conservation, Movement, of_capture};
use trueup_store::documents::ShownRoot;
use trueup_store::{StoreError, Tx, cases, documents};

use crate::proofs::{CAPTURE, Evidence, OF_CAPTURE};

/// How the subjects of cases about a capture begin.
const SUBJECT: &str = "conserved/";

/// One capture of a sale that is in its provider's ledger.
pub struct Kept {
    /// `<provider>/<id>`.
    pub capture: String,
    pub conservation: Conservation,
    /// What other cases say of the unexplained: that the sides of its key state different amounts,
    /// and the rows of unknown type.
    said: Money,
}

/// The subject of the case about a capture, `<provider>/<id>`.
pub fn subject(capture: &str) -> String {
    format!("{SUBJECT}{capture}")
}

/// Opens a case for each capture of a sale whose money is not conserved, and closes what holds. What
/// another case says is no second one.
pub(crate) fn check(
    tx: &mut Tx<'_>,
    evidence: &Evidence,
    sale: &ShownRoot,
    now: Timestamp,
) -> Result<(), StoreError> {
    for kept in of_sale(tx, evidence, &sale.id)? {
        let subject = subject(&kept.capture);
        let unexplained = kept.conservation.unexplained;
        let unsaid = unexplained.checked_sub(kept.said).map_err(StoreError::corrupt)?;
        if unsaid.is_zero() {
            cases::resolve(tx, None, &subject, "the money is where it should be", now)?;
            continue;
        }
        let kind = BreakKind::NotConserved;
        let case = cases::NewCase {
            kind: kind.word(),
            subject: &subject,
            entity: sale.entity.as_deref().unwrap_or_default(),
            title: &format!("{}: {}", sale.number, kind.word().replace('_', " ")),
            detail: &format!("{}: {}", kept.capture, kept.conservation),
            remedy: kind.remedy(),
            amount: Some(unsaid),
            owner: "finance",
        };
        cases::open(tx, &case, now)?;
    }
    Ok(())
}

/// The captures of a sale that are in a ledger, each with where its money is. Amounts that do not
/// compare are the case of their key, and stated here by nobody.
pub fn of_sale(tx: &mut Tx<'_>, evidence: &Evidence, sale: &str) -> Result<Vec<Kept>, StoreError> {
    let tenders: Vec<(&str, Option<Money>)> = evidence.tenders(sale).collect();
    let mut roots = BTreeSet::new();
    for (key, _) in &tenders {
        roots.extend(evidence.rows(key).iter().cloned());
        if let Some(capture) = key.strip_prefix(CAPTURE) {
            roots.extend(evidence.rows(&format!("{OF_CAPTURE}{capture}")).iter().cloned());
        }
    }
    if roots.is_empty() {
        return Ok(Vec::new());
    }
    let roots: Vec<String> = roots.into_iter().collect();
    let rows: BTreeMap<String, LedgerRow> =
        documents::ledger_rows(tx, &roots)?.into_iter().collect();
    let lost = lost(tx, &rows)?;
    let chain = Chain::of(tx, sale, &tenders, &rows)?;
    let mut kept = Vec::new();
    for (key, captured) in &tenders {
        let (Some(captured), Some(capture)) = (captured, key.strip_prefix(CAPTURE)) else {
            continue;
        };
        // Not in the ledger yet: its key says so.
        if evidence.rows(key).is_empty() {
            continue;
        }
        let own = rows.iter().filter(|(root, row)| chain.ends_at(root, row, capture));
        let own: Vec<Movement<'_>> = own
            .map(|(root, row)| Movement {
                row,
                place: evidence.place(root),
                lost: row.object.as_ref().is_some_and(|object| lost.contains(object)),
            })
            .collect();
        let found = of_capture(*captured, &own).and_then(|it| Ok((it, said(*captured, &own)?)));
        if let Ok((conservation, said)) = found {
            kept.push(Kept { capture: capture.to_owned(), conservation, said });
        }
    }
    Ok(kept)
}

/// What the channel states beyond the provider's rows of the capture, and what unknown rows took.
fn said(captured: Money, rows: &[Movement<'_>]) -> Result<Money, MoneyError> {
    let said = rows.iter().filter(|it| {
        let class = it.row.class;
        matches!(class, RowClass::Capture | RowClass::PartialCaptureReversal | RowClass::Unknown)
    });
    captured.checked_sub(Money::sum(captured.currency(), said.map(|it| it.row.gross))?)
}

/// The disputes of these rows that were decided against the merchant, by their ids.
fn lost(
    tx: &mut Tx<'_>,
    rows: &BTreeMap<String, LedgerRow>,
) -> Result<BTreeSet<String>, StoreError> {
    let disputes = rows.iter().filter_map(|(root, row)| {
        let dispute = matches!(row.class, RowClass::Dispute | RowClass::DisputeReversal);
        let (provider, id) = (root.split('/').next()?, row.object.as_ref()?);
        dispute.then(|| format!("{provider}/dispute/{id}"))
    });
    let disputes: Vec<String> = disputes.collect();
    let mut lost = BTreeSet::new();
    for dispute in documents::find_roots(tx, &disputes)? {
        if matches!(dispute.state.as_str(), "lost" | "accepted") {
            lost.insert(dispute.external_id);
        }
    }
    Ok(lost)
}

/// At which capture the source chains of rows end.
struct Chain {
    /// `<provider>/<id>` of each capture, where a provider has only one in this sale.
    only: BTreeMap<String, String>,
    /// By the refund that a row names: the capture that its channel says it gives back.
    given_back: BTreeMap<String, String>,
}

impl Chain {
    fn of(
        tx: &mut Tx<'_>,
        sale: &str,
        tenders: &[(&str, Option<Money>)],
        rows: &BTreeMap<String, LedgerRow>,
    ) -> Result<Self, StoreError> {
        let mut captures: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for capture in tenders.iter().filter_map(|(key, _)| key.strip_prefix(CAPTURE)) {
            let provider = capture.split('/').next().unwrap_or_default().to_owned();
            captures.entry(provider).or_default().push(capture.to_owned());
        }
        let several = captures.values().any(|own| own.len() > 1);
        let silent = rows.values().any(|row| row.capture.is_none());
        let given_back =
            if several && silent { stated_parents(tx, sale)? } else { BTreeMap::new() };
        let only = captures.into_iter().filter_map(|(provider, mut own)| {
            let first = own.pop().filter(|_| own.is_empty())?;
            Some((provider, first))
        });
        Ok(Self { only: only.collect(), given_back })
    }

    /// Whether a row, under the root of this name, is about a capture `<provider>/<id>`.
    fn ends_at(&self, root: &str, row: &LedgerRow, capture: &str) -> bool {
        let Some((provider, id)) = capture.split_once('/') else { return false };
        if root.split('/').next() != Some(provider) {
            return false;
        }
        if row.class == RowClass::Capture {
            return row.object.as_deref() == Some(id);
        }
        if let Some(named) = &row.capture {
            return named == id;
        }
        let only = self.only.get(provider).is_some_and(|only| only == capture);
        let object = row.object.as_ref();
        only || object.and_then(|it| self.given_back.get(it)).is_some_and(|it| it == id)
    }
}

/// Which capture each refund of a sale gives back, as its channel says: both by the provider's ids.
fn stated_parents(tx: &mut Tx<'_>, sale: &str) -> Result<BTreeMap<String, String>, StoreError> {
    let mut provider_ids = BTreeMap::new();
    let mut refunds = Vec::new();
    for (document, _) in documents::of_root(tx, sale)? {
        let Document::Payment(payment) = document else { continue };
        let Some(own) = payment.provider_id else { continue };
        if let (PaymentKind::Refund, Some(parent)) = (payment.kind, payment.parent) {
            refunds.push((own, parent));
        } else {
            provider_ids.insert(payment.id, own);
        }
    }
    let capture = |(own, parent): (String, String)| Some((own, provider_ids.get(&parent)?.clone()));
    Ok(refunds.into_iter().filter_map(capture).collect())
}
