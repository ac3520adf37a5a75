//! Whether what was done is still what was recorded of it.
//!
//! The chain itself is verified by whoever has its records ([`trueup_domain::audit`]), also from a
//! file and without a database. Beside the database each record is compared with what it rests on
//! too: the words of a decision, a mapping, what a command asked of its target.

use serde::{Deserialize, Serialize};
use trueup_domain::audit::{Broken, Record, Verifier};
use trueup_store::leases::Lease;
use trueup_store::{Store, StoreError, audit};

use crate::setup::check;

/// Records read in one go.
const RECORDS: i64 = 1_000;
/// Records sealed in one turn of the writer: a delivery waits at the front door meanwhile.
const SEALED_AT_ONCE: i64 = 100;

/// What verifying found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Records that hold, and the seal of the last one: whoever keeps both outside can prove later
    /// that nothing before was changed.
    pub records: i64,
    pub seal: String,
    /// What does not hold, a line each.
    pub findings: Vec<String>,
}

#[derive(Deserialize)]
struct Detail {
    basis: Option<String>,
}

/// Seals what waits, so that all that was done so far is in the chain. `leases` are those of who may
/// only do it in his turn.
pub fn seal_all(store: &Store, leases: &[Lease]) -> Result<(), StoreError> {
    while store.read(audit::any_unsealed)? {
        let leases = leases.to_vec();
        let sealed = store.redo(move |tx| {
            check(tx, &leases)?;
            audit::seal_next(tx, SEALED_AT_ONCE)
        });
        match sealed {
            // Whoever was faster has sealed them.
            Err(StoreError::Conflict(_)) => {}
            outcome => _ = outcome?,
        }
    }
    Ok(())
}

/// Verifies all that is sealed, and that nothing was done without being recorded. `kept` is the number
/// and the seal of a record that somebody kept outside.
pub fn verify(store: &Store, kept: Option<(i64, String)>) -> Result<Verified, StoreError> {
    let mut verifier = Verifier::expecting(kept);
    let mut found = Verified::default();
    let mut after = 0;
    loop {
        let (page, rests) = store.read(|tx| {
            let page = audit::sealed(tx, after, RECORDS)?;
            let mut rests = Vec::new();
            for record in &page {
                rests.push(audit::basis(tx, &record.kind, &record.subject)?);
            }
            Ok((page, rests))
        })?;
        let Some(last) = page.last() else { break };
        after = last.number;
        for (record, rests) in page.iter().zip(rests) {
            if let Err(broken) = verifier.next(record) {
                found.findings.push(broken.to_string());
                return Ok(found);
            }
            if let Some(finding) = compare(record, rests.as_deref()) {
                found.findings.push(finding);
            }
        }
    }
    found.findings.extend(store.read(audit::unrecorded)?);
    end(verifier, found)
}

/// Verifies records by themselves, as they were exported.
pub fn verify_records(
    records: impl Iterator<Item = Record>,
    kept: Option<(i64, String)>,
) -> Result<Verified, Broken> {
    let mut verifier = Verifier::expecting(kept);
    for record in records {
        verifier.next(&record)?;
    }
    let (records, seal) = verifier.end()?;
    Ok(Verified { records, seal, findings: Vec::new() })
}

fn end(verifier: Verifier, mut found: Verified) -> Result<Verified, StoreError> {
    match verifier.end() {
        Ok((records, seal)) => (found.records, found.seal) = (records, seal),
        Err(broken) => found.findings.push(broken.to_string()),
    }
    Ok(found)
}

/// Why a record is not true any more, if it is not.
fn compare(record: &Record, rests: Option<&str>) -> Option<String> {
    let detail: Detail = serde_json::from_str(&record.detail).ok()?;
    let basis = detail.basis?;
    let what = format!("record {} ({} {})", record.number, record.kind, record.subject);
    match rests {
        Some(now) if now == basis => None,
        Some(_) => Some(format!("{what}: what it rests on was changed since")),
        None => Some(format!("{what}: what it rests on is gone")),
    }
}
