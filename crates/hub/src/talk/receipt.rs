//! What became of one command: its receipt, and the case where a person must look.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use trueup_connect::conversation::MISSING_CUSTOMER;
use trueup_connect::{CallError, NextStep, Receipt, ReceiptOutcome};
use trueup_domain::document::{BooksRecord, Version};
use trueup_domain::planted::planted;
use trueup_store::commands::{self, Back, again};
use trueup_store::messages::{self, NewMessage, Origin};
use trueup_store::waits::Wait;
use trueup_store::{StoreError, Tx, cases};

use super::{delay, is_outage, patience_of};
use crate::allowances::Allowances;
use crate::decode::BOOKS_RECORD;
use crate::{common_cause, summary};

/// A customer that was made so lately is not made again: he is not what is missing.
const MADE_LATELY: SignedDuration = SignedDuration::from_mins(1);
/// So often a command has its customer made again before a person looks at it.
const CUSTOMER_ATTEMPTS_MAX: i64 = 3;
/// After so many certain failures a command becomes a case instead of trying for ever.
const DELIVERY_ATTEMPTS_MAX: i64 = 12;
/// The case of a command of which nobody can say whether its target made it.
const UNKNOWN: &str = "outcome_unknown";

/// Which commands of a delivery are tried again late: they wait as long as anything does.
pub(super) struct Late(BTreeSet<String>);

impl Late {
    /// All that failed but the first, as many as the budget of the connection has room for.
    pub(super) fn of(
        allowances: &Allowances,
        connection: &str,
        receipts: &[Receipt],
        now: Timestamp,
    ) -> Self {
        let well = receipts.iter().filter(|receipt| match receipt.outcome {
            ReceiptOutcome::Applied { .. } | ReceiptOutcome::HeldAlready { .. } => true,
            ReceiptOutcome::Refused { .. }
            | ReceiptOutcome::NotApplied { .. }
            | ReceiptOutcome::Unknown { .. } => false,
        });
        let well = well.count();
        let failed = receipts.iter().filter(|receipt| match &receipt.outcome {
            ReceiptOutcome::NotApplied { error } => !is_outage(error),
            ReceiptOutcome::Unknown { .. } => true,
            _ => false,
        });
        let failed: Vec<&str> = failed.map(|receipt| receipt.key.as_str()).collect();
        let soon = allowances.again(connection, well, failed.len(), now);
        Self(failed.into_iter().skip(soon).map(str::to_owned).collect())
    }

    fn delay(&self, attempts: i64, key: &str) -> SignedDuration {
        if self.0.contains(key) { delay(i64::MAX, key) } else { delay(attempts, key) }
    }
}

/// Writes what became of one command. What the target stored comes in at the front door. Returns
/// whether it was applied after its reply had been lost.
pub(super) fn take_receipt(
    tx: &mut Tx<'_>,
    connection: &str,
    receipt: &Receipt,
    late: &Late,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Some(command) = commands::find(tx, &receipt.key)? else {
        return Err(StoreError::corrupt(format!("a receipt for unknown command {}", receipt.key)));
    };
    let subject = format!("command/{}", command.key);
    let is_nowhere = match &receipt.outcome {
        ReceiptOutcome::Applied { .. } | ReceiptOutcome::Unknown { .. } => false,
        ReceiptOutcome::HeldAlready { .. }
        | ReceiptOutcome::Refused { .. }
        | ReceiptOutcome::NotApplied { .. } => true,
    };
    if is_nowhere {
        cases::resolve(tx, Some(UNKNOWN), &subject, "the target made nothing of it", now)?;
    }
    match &receipt.outcome {
        ReceiptOutcome::Applied { binding, record, differs, found_by } => {
            let was_lost =
                command.state == "unknown" || command.error_code.as_deref() == Some("TU103");
            let named = record.as_ref().map(|record| record.id.as_str());
            commands::applied(tx, &command.key, binding, named, now)?;
            if let Some(before) = command.record.as_deref().filter(|it| named != Some(it)) {
                again::replaced(tx, connection, before)?;
            }
            cases::resolve(tx, None, &subject, "the command was applied", now)?;
            if let Some(by) = found_by
                && !was_lost
            {
                let detail = format!("{binding} of the books is the buyer, by {by}");
                cases::absorb(tx, "known_customer", &command.key, &detail, now)?;
            }
            let moved = record.as_deref().and_then(|record| moved(&command, record));
            if let Some(record) = record.as_ref().filter(|_| !planted("what_is_read_back_is_lost"))
            {
                let mut record = record.as_ref().clone();
                record.effect_key = Some(command.key.clone());
                // It was made after its id was found to be nobody's, whatever the clocks say.
                if let Some(gone) = again::gone_at(tx, connection, &record.id)? {
                    record.version = record.version.max(Version(gone.saturating_add(1)));
                }
                let body = serde_json::to_vec(&record).map_err(StoreError::corrupt)?;
                let message = NewMessage {
                    connection: connection.to_owned(),
                    source_id: format!("receipt/{}", command.key),
                    kind: BOOKS_RECORD.to_owned(),
                    origin: Origin::Internal,
                    headers: String::new(),
                    body,
                    asked_at: Some(now),
                };
                messages::record(tx, &message, now)?;
            }
            if !differs.is_empty() {
                let case = case_of(&command, "posted_differs", differs.join("; "));
                open_case(tx, &case, &command, &subject, now)?;
            }
            if let Some(detail) = moved {
                let case = case_of(&command, "date_moved", detail);
                open_case(tx, &case, &command, &subject, now)?;
            }
            return Ok(was_lost);
        }
        ReceiptOutcome::HeldAlready { orders } => {
            let names: Vec<&str> = orders.iter().map(|one| one.record.as_str()).collect();
            let reason =
                format!("the books hold orders of it by another hand: {}", names.join(", "));
            let error = CallError::Refused { reason_code: "held_already".to_owned(), reason };
            refuse(tx, &command, &error, &subject, now)?;
            summary::held_already(tx, &command, orders, now)?;
        }
        ReceiptOutcome::Refused { error } => {
            let customer = matches!(error, CallError::Refused { reason_code, .. }
                if reason_code == MISSING_CUSTOMER);
            let before = now.checked_sub(MADE_LATELY).unwrap_or(now).as_microsecond();
            if customer
                && command.attempts <= CUSTOMER_ATTEMPTS_MAX
                && again::customers(tx, &command.key, before)?
            {
                let detail = format!("{error}; the customer is found or made again");
                cases::absorb(tx, "missing_customer", &command.key, &detail, now)?;
                return Ok(false);
            }
            refuse(tx, &command, error, &subject, now)?;
        }
        ReceiptOutcome::NotApplied { error } => {
            // An outage fails no work, however long it lasts (B3).
            if command.attempts >= DELIVERY_ATTEMPTS_MAX && !is_outage(error) {
                refuse(tx, &command, error, &subject, now)?;
                return Ok(false);
            }
            let wait = patience_of(error);
            let wait = wait.unwrap_or_else(|| late.delay(command.attempts, &command.key));
            let wait = Wait::of(wait, now);
            let text = error.to_string();
            commands::back(tx, &command.key, Back::Ready, wait, error.code(), &text)?;
        }
        ReceiptOutcome::Unknown { .. } if planted("unknown_is_taken_for_applied") => {
            commands::applied(tx, &command.key, "0", None, now)?;
        }
        ReceiptOutcome::Unknown { error } => {
            let wait = Wait::of(late.delay(command.attempts, &command.key), now);
            let text = error.to_string();
            commands::back(tx, &command.key, Back::Unknown, wait, error.code(), &text)?;
        }
    }
    Ok(false)
}

/// Whether a look-up that failed so often and so will not get its answer by waiting for it.
pub(super) fn will_not_answer(error: &CallError, attempts: i64) -> bool {
    let tired = attempts >= DELIVERY_ATTEMPTS_MAX && !is_outage(error);
    tired || error.next_step() == NextStep::DeadLetter
}

/// Tells a person that nobody knows whether the target made a command. It is asked again all the same,
/// and nothing is sent before.
pub(super) fn not_known(
    tx: &mut Tx<'_>,
    key: &str,
    error: &CallError,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(command) = commands::find(tx, key)? else { return Ok(()) };
    let said = error.to_string();
    let mut case = case_of(&command, UNKNOWN, format!("{said} ({})", error.code()));
    case.cause = cause_of(tx, &command, &said)?;
    open_case(tx, &case, &command, &format!("command/{key}"), now)
}

/// What the books dated on another day than was asked and than we sent (V13).
fn moved(command: &commands::Shown, record: &BooksRecord) -> Option<String> {
    let (asked, stored) = (command.content.date()?, record.date?);
    (stored != asked && record.opened != Some(stored))
        .then(|| format!("the books moved the date from {asked} to {stored}"))
}

struct CommandCase {
    kind: &'static str,
    title: String,
    detail: String,
    remedy: &'static str,
    /// What it has in common with others; empty where it stands alone.
    cause: String,
}

fn case_of(command: &commands::Shown, kind: &'static str, detail: String) -> CommandCase {
    let word = command.kind.word().replace('_', " ");
    let (title, remedy) = if kind == "customer_unclear" {
        (
            format!("Several customers of the books may be the buyer {}", command.root),
            "say in the books who it is, then retry the command; the buyer's documents wait",
        )
    } else if kind == "refused" {
        (
            format!("The books refused the {word} of {}", command.root),
            "mend what the books name, then retry the command; what depends on it waits",
        )
    } else if kind == UNKNOWN {
        (
            format!("Whether the books have the {word} of {} is not known", command.root),
            "mend what keeps the books from answering; they are asked again by themselves, and \
             nothing is sent before",
        )
    } else if kind == "date_moved" {
        (
            format!("The books moved the date of the {word} of {}", command.root),
            "look at the lock dates of the books, move the record where it belongs, then close this \
             case",
        )
    } else {
        (
            format!("The books hold the {word} of {} otherwise than asked", command.root),
            "compare the two, correct the mapping or the record, then close this case",
        )
    };
    CommandCase { kind, title, detail, remedy, cause: String::new() }
}

fn refuse(
    tx: &mut Tx<'_>,
    command: &commands::Shown,
    error: &CallError,
    subject: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let text = error.to_string();
    let state =
        commands::back(tx, &command.key, Back::Refused, Wait::none(now), error.code(), &text)?;
    if state == "withdrawn" {
        let by = "the command was replaced, and the books made nothing of it";
        return cases::resolve(tx, None, subject, by, now);
    }
    let kind = match error {
        CallError::Refused { reason_code, .. } if reason_code == "customer_unclear" => {
            "customer_unclear"
        }
        _ => "refused",
    };
    let mut case = case_of(command, kind, format!("{text} ({})", error.code()));
    if kind == "refused" {
        case.cause = cause_of(tx, command, &text)?;
    }
    open_case(tx, &case, command, subject, now)
}

/// What refusals of one target have in common.
fn cause_of(tx: &mut Tx<'_>, command: &commands::Shown, said: &str) -> Result<String, StoreError> {
    let number = trueup_store::documents::find_root(tx, &command.root)?.map(|root| root.number);
    let number = number.unwrap_or_default();
    let id = command.root.splitn(3, '/').nth(2).unwrap_or_default();
    Ok(common_cause::of(&[&command.target], said, &[&command.key, &command.root, id, &number]))
}

fn open_case(
    tx: &mut Tx<'_>,
    case: &CommandCase,
    command: &commands::Shown,
    subject: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let root = trueup_store::documents::find_root(tx, &command.root)?;
    let entity = root.as_ref().and_then(|root| root.entity.clone()).unwrap_or_default();
    let amount = root.and_then(|root| {
        let currency = trueup_domain::Currency::parse(root.currency.as_deref()?).ok()?;
        Some(trueup_domain::Money::from_minor(root.amount?, currency))
    });
    let new = cases::NewCase {
        kind: case.kind,
        subject,
        entity: &entity,
        title: &case.title,
        detail: &case.detail,
        remedy: case.remedy,
        amount,
        owner: "operator",
    };
    cases::open_of_cause(tx, &new, &case.cause, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(key: usize, error: &CallError) -> Receipt {
        let outcome = ReceiptOutcome::NotApplied { error: error.clone() };
        Receipt { key: key.to_string(), outcome }
    }

    #[test]
    fn b4_an_outage_earns_no_retries_and_takes_none() {
        let now = Timestamp::UNIX_EPOCH;
        let allowances = Allowances::default();
        let late = |error: &CallError, count: usize| {
            let receipts: Vec<Receipt> = (0..count).map(|key| failed(key, error)).collect();
            Late::of(&allowances, "books", &receipts, now).0.len()
        };
        let busy = CallError::Busy { why: "a lock".to_owned() };
        let away = CallError::Unreachable { why: "no route".to_owned() };
        assert_eq!(late(&busy, 100), 0);
        assert_eq!(late(&away, 500), 0, "it waits for the connection");
        assert_eq!(late(&busy, 10), 10, "what did not go well is no income");
    }
}
