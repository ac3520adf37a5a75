//! A provider's ledger rows, payouts and disputes (`POSTING.md` table A, `accounting.md` D7, D8).
//!
//! Each class of row has one pair of roles; the amount's sign decides debit and credit (P22).

use jiff::Timestamp;

use super::{Break, DeriveError, Derived, Surroundings};
use crate::document::{Dispute, DisputeStatus, FeeKind, LedgerRow, Payout, PayoutStatus, RowClass};
use crate::fact::{Fact, FactContent};
use crate::item::{Item, ItemKind, Side};
use crate::journal::{Booker, EntryBuilder, Role};
use crate::money::Money;
use crate::planted::planted;

/// The facts of a provider's ledger that we post ourselves.
pub const FACTS: [&str; 4] = ["ledger_row", "conversion", "payout", "dispute_lost"];

/// Business days in which a provider should have paid out a row.
const PAYOUT_DUE_BUSINESS_DAYS: u32 = 7;
/// Business days in which the bank should show a payout after its arrival date.
const BANK_DUE_BUSINESS_DAYS: u32 = 2;

pub fn derive_row(row: &LedgerRow, around: &Surroundings<'_>) -> Result<Derived, DeriveError> {
    let date = around.day(row.occurred_at);
    let mut derived = Derived::default();
    derived.standing.number = row.object.clone().unwrap_or_else(|| row.id.clone());
    derived.standing.state = row.kind.clone();
    derived.standing.day = Some(date);
    derived.standing.amount = Some(row.net);

    // The tax that the marketplace keeps was never ours: its other half is the memo of the capture.
    let booker = if row.class == RowClass::MarketplaceTax { Booker::Memo } else { Booker::Trueup };
    let memo = format!("{} {}", row.kind, row.id);
    let mut entry = EntryBuilder::new(date, booker, row.net.currency(), memo);
    // What the row does to the clearing account, against the role of its class. Captures, refunds
    // and the way back of one that failed are written by the sale; the row only adds their fee.
    match (row.presentment, role_of(row.class)) {
        (Some(presentment), role) => {
            let role = role.unwrap_or(Role::Clearing);
            convert(&mut derived, &mut entry, row, presentment, role, around)?;
        }
        (None, Some(role)) => {
            entry.debit(Role::Clearing, Some(around.connection), row.gross);
            entry.credit(role, qualifier_of(role, around), row.gross)?;
        }
        (None, None) => {}
    }
    let fee_role = if row.class == RowClass::Dispute || row.class == RowClass::DisputeReversal {
        Role::ChargebackCost
    } else {
        Role::ProcessingFees
    };
    let free = planted("the_fee_is_forgotten");
    if !free
        && !row.fee.is_zero()
        && row.class != RowClass::Payout
        && row.class != RowClass::PayoutReturn
    {
        entry.debit(fee_role, None, row.fee);
        entry.credit(Role::Clearing, Some(around.connection), row.fee)?;
    }
    if let Some(entry) = entry.build()? {
        derived.facts.push(Fact::new("ledger_row", "1", FactContent::Entry(entry)));
    }

    add_items(&mut derived, row, around, date)?;
    match row.class {
        RowClass::Unknown => derived.breaks.push(Break {
            kind: "unknown_row",
            title: format!("A ledger row of the unknown type `{}`", row.kind),
            detail: format!(
                "{} moves {} ({}); nothing of its payout is posted until its type is mapped",
                row.id,
                row.net,
                row.description.as_deref().unwrap_or("no description")
            ),
            remedy: "ask the provider what it is, and report its type so that it can be booked",
            amount: Some(row.net),
            owner: "finance",
        }),
        RowClass::Capture => {
            let agreed = around.fees.and_then(|schedule| schedule.fee(row.gross));
            if let Some(agreed) = agreed.filter(|agreed| *agreed != row.fee) {
                derived.breaks.push(Break {
                    kind: "fee_differs",
                    title: "The provider charged another fee than agreed".to_owned(),
                    detail: format!(
                        "{} on {}: agreed {agreed}, charged {}",
                        row.object.as_deref().unwrap_or(&row.id),
                        row.gross,
                        row.fee
                    ),
                    remedy: "compare the contract; claim the difference, or correct the fees and retry it",
                    amount: Some(row.fee.checked_sub(agreed)?),
                    owner: "finance",
                });
            }
        }
        _ => {}
    }
    Ok(derived)
}

/// Money that the provider converted left `role` in the currency that the customer paid in, and came
/// in another (D9). Each currency balances for itself against the conversion, which so holds one
/// against the other: what it comes to in the currency of the books is what the conversion won or
/// lost, and the books themselves value it at their own rate (P18).
fn convert(
    derived: &mut Derived,
    entry: &mut EntryBuilder,
    row: &LedgerRow,
    presentment: Money,
    role: Role,
    around: &Surroundings<'_>,
) -> Result<(), DeriveError> {
    entry.debit(Role::Clearing, Some(around.connection), row.gross);
    entry.credit(Role::Fx, None, row.gross)?;
    let memo = format!("{} {} converted", row.kind, row.id);
    let (date, currency) = (around.day(row.occurred_at), presentment.currency());
    let mut given = EntryBuilder::new(date, Booker::Trueup, currency, memo);
    given.debit(Role::Fx, None, presentment);
    let qualifier = match role {
        Role::Clearing => Some(around.connection),
        role => qualifier_of(role, around),
    };
    given.credit(role, qualifier, presentment)?;
    if let Some(given) = given.build()? {
        derived.facts.push(Fact::new("conversion", "1", FactContent::Entry(given)));
    }
    Ok(())
}

/// The role against which the clearing account moves; none where another source writes the fact.
fn role_of(class: RowClass) -> Option<Role> {
    match class {
        RowClass::Capture
        | RowClass::Refund
        | RowClass::RefundFailure
        | RowClass::Payout
        | RowClass::PayoutReturn => None,
        // The rows that made this balance moved it.
        RowClass::CarriedForward => None,
        // The capture that the channel states is what was really taken, so the reversal of the
        // rest of the authorization moves nothing against the customer.
        RowClass::PartialCaptureReversal => None,
        RowClass::Fee => Some(Role::OtherFees),
        RowClass::Dispute | RowClass::DisputeReversal => Some(Role::DisputesReceivable),
        RowClass::Reserve | RowClass::ReserveRelease => Some(Role::ReserveHeld),
        RowClass::WithheldTax => Some(Role::WithheldTax),
        RowClass::MarketplaceTax => Some(Role::MarketplaceTaxWithheld),
        RowClass::Reimbursement => Some(Role::Reimbursements),
        RowClass::Loan => Some(Role::Loans),
        RowClass::Transfer | RowClass::TopUp => Some(Role::Transfers),
        RowClass::Conversion => Some(Role::Fx),
        RowClass::Adjustment => Some(Role::Adjustments),
        RowClass::Unknown => Some(Role::Unknown),
    }
}

fn qualifier_of<'a>(role: Role, around: &Surroundings<'a>) -> Option<&'a str> {
    matches!(role, Role::ReserveHeld | Role::DisputesReceivable | Role::Unknown)
        .then_some(around.connection)
}

fn add_items(
    derived: &mut Derived,
    row: &LedgerRow,
    around: &Surroundings<'_>,
    date: jiff::civil::Date,
) -> Result<(), DeriveError> {
    let connection = around.connection;
    // What the other sides state too, in the currency that they know it in.
    let gross = row.presentment.unwrap_or(row.gross);
    let object = row.object.as_deref().unwrap_or(&row.id);
    let about = match row.class {
        RowClass::Capture => {
            Some((ItemKind::Capture, format!("capture/{connection}/{object}"), gross))
        }
        RowClass::PartialCaptureReversal => {
            let capture = row.capture.as_deref().unwrap_or(object);
            Some((ItemKind::Capture, format!("capture/{connection}/{capture}"), gross))
        }
        // A failed one takes back what the refund stated, under the same key.
        RowClass::Refund | RowClass::RefundFailure => Some((
            ItemKind::RefundPaid,
            format!("refund_paid/{connection}/{object}"),
            gross.checked_neg()?,
        )),
        RowClass::Payout
        | RowClass::PayoutReturn
        | RowClass::CarriedForward
        | RowClass::Transfer
        | RowClass::TopUp => None,
        RowClass::Dispute | RowClass::DisputeReversal => {
            Some((ItemKind::Dispute, format!("dispute/{connection}/{object}"), gross))
        }
        RowClass::Reserve | RowClass::ReserveRelease => {
            Some((ItemKind::Reserve, format!("reserve/{connection}/{}", row.id), gross))
        }
        RowClass::Unknown => {
            Some((ItemKind::Unknown, format!("unknown/{connection}/{}", row.id), gross))
        }
        RowClass::Fee
        | RowClass::WithheldTax
        | RowClass::MarketplaceTax
        | RowClass::Reimbursement
        | RowClass::Loan
        | RowClass::Conversion
        | RowClass::Adjustment => {
            Some((ItemKind::Fee, format!("fee/{connection}/{}", row.id), gross))
        }
    };
    let mut hints: Vec<String> = Vec::new();
    hints.extend(row.order.clone());
    hints.extend(row.description.clone());
    let mut push = |part: &str, kind: ItemKind, key: String, amount: Money, due| {
        let item = Item {
            side: Side::Settlement,
            kind,
            key,
            amount,
            date,
            due,
            hints: hints.iter().map(|hint| hint.replace('\n', " ")).collect(),
        };
        derived.facts.push(Fact::new("item", part, FactContent::Item(item)));
    };
    if let Some((kind, key, amount)) = about {
        push("about", kind, key, amount, None);
    }
    // Captures and refunds name theirs by their own keys.
    let by_key = matches!(
        row.class,
        RowClass::Capture
            | RowClass::PartialCaptureReversal
            | RowClass::Refund
            | RowClass::RefundFailure
    );
    if let Some(capture) = row.capture.as_ref().filter(|_| !by_key) {
        let key = format!("of_capture/{connection}/{capture}");
        push("capture", ItemKind::OfCapture, key, row.net, None);
    }
    if row.class == RowClass::Payout {
        return Ok(());
    }
    match &row.payout {
        Some(payout) => {
            let key = format!("payout/{connection}/{payout}");
            push("payout", ItemKind::PayoutRow, key, row.net, None);
        }
        None => {
            let from = row.available_on.unwrap_or(date);
            let due = around.calendar.add_business_days(from, PAYOUT_DUE_BUSINESS_DAYS);
            let key = format!("unpaid/{connection}/{}", row.id);
            push("payout", ItemKind::PayoutRow, key, row.net, Some(due));
        }
    }
    Ok(())
}

pub fn derive_payout(payout: &Payout, around: &Surroundings<'_>) -> Result<Derived, DeriveError> {
    let mut derived = Derived::default();
    let created = around.day(payout.created_at);
    derived.standing.number = payout.id.clone();
    derived.standing.state = match payout.status {
        PayoutStatus::Expected => "expected",
        PayoutStatus::InTransit => "in_transit",
        PayoutStatus::Paid => "paid",
        PayoutStatus::Failed => "failed",
        PayoutStatus::Cancelled => "cancelled",
        PayoutStatus::CarriedForward => "carried_forward",
    }
    .to_owned();
    derived.standing.day = Some(payout.arrival);
    derived.standing.amount = Some(payout.amount);

    let left = matches!(payout.status, PayoutStatus::InTransit | PayoutStatus::Paid);
    let left =
        left && !(planted("a_paid_payout_has_not_left") && payout.status == PayoutStatus::Paid);
    let left =
        left || (planted("a_failed_payout_has_left") && payout.status == PayoutStatus::Failed);
    if left {
        let mut entry = EntryBuilder::new(
            created,
            Booker::Trueup,
            payout.amount.currency(),
            format!("payout {}", payout.id),
        );
        entry.debit(Role::InTransit, Some(around.connection), payout.amount).credit(
            Role::Clearing,
            Some(around.connection),
            payout.amount,
        )?;
        if let Some(entry) = entry.build()? {
            derived.facts.push(Fact::new("payout", "1", FactContent::Entry(entry)));
        }
    }
    if payout.itemised {
        let item = Item {
            side: Side::Settlement,
            kind: ItemKind::Payout,
            key: format!("payout/{}/{}", around.connection, payout.id),
            amount: payout.amount,
            date: created,
            due: None,
            hints: Vec::new(),
        };
        derived.facts.push(Fact::new("item", "header", FactContent::Item(item)));
    }
    // A payout that nets to nothing has no bank line.
    if left && !payout.amount.is_zero() {
        let due = around.calendar.add_business_days(payout.arrival, BANK_DUE_BUSINESS_DAYS);
        // Only what names this one payout: the descriptor is the same on all of them.
        let hints = [payout.trace.clone(), Some(payout.id.clone())];
        let item = Item {
            side: Side::Settlement,
            kind: ItemKind::Payout,
            key: format!("bank/{}/{}", around.connection, payout.id),
            amount: payout.amount,
            date: payout.arrival,
            due: Some(due),
            hints: hints.into_iter().flatten().collect(),
        };
        derived.facts.push(Fact::new("item", "bank", FactContent::Item(item)));
    }
    if payout.status == PayoutStatus::Failed {
        derived.breaks.push(Break {
            kind: "payout_failed",
            title: format!("The payout {} failed", payout.id),
            detail: payout.failure.clone().unwrap_or_else(|| "no reason was given".to_owned()),
            remedy: "check the bank account at the provider; the money is in a later payout",
            amount: Some(payout.amount),
            owner: "finance",
        });
    }
    Ok(derived)
}

/// `stated_at` is when its newest statement came in: the day of an end that the provider does not
/// date.
pub fn derive_dispute(
    dispute: &Dispute,
    stated_at: Timestamp,
    around: &Surroundings<'_>,
) -> Result<Derived, DeriveError> {
    let mut derived = Derived::default();
    derived.standing.number = dispute.id.clone();
    derived.standing.day = Some(around.day(dispute.created_at));
    derived.standing.amount = Some(dispute.amount);
    let (state, open) = match dispute.status {
        DisputeStatus::NeedsResponse => ("needs_response", true),
        DisputeStatus::UnderReview => ("under_review", true),
        DisputeStatus::Accepted => ("accepted", false),
        DisputeStatus::Refunded => ("refunded", false),
        DisputeStatus::Prevented => ("prevented", false),
        DisputeStatus::Won => ("won", false),
        DisputeStatus::Lost => ("lost", false),
        DisputeStatus::Closed => ("closed", false),
    };
    derived.standing.state = state.to_owned();
    if open {
        let due = dispute.evidence_due.map(|due| around.day(due).to_string());
        derived.breaks.push(Break {
            kind: "dispute_open",
            title: format!("The buyer disputes {}", dispute.amount),
            detail: format!(
                "{}; reason {}; evidence due {}",
                dispute.capture.as_deref().unwrap_or("unnamed charge"),
                dispute.reason,
                due.as_deref().unwrap_or("unknown")
            ),
            remedy: "send the evidence to the provider before it is due, or accept the dispute",
            amount: Some(dispute.amount),
            owner: "finance",
        });
    }
    if matches!(dispute.status, DisputeStatus::Lost | DisputeStatus::Accepted) && !dispute.inquiry {
        // The money left when the dispute was opened; losing turns the receivable into cost.
        let lost_on = dispute.closed_on.unwrap_or_else(|| around.day(stated_at));
        let mut entry = EntryBuilder::new(
            lost_on,
            Booker::Trueup,
            dispute.amount.currency(),
            format!("dispute {} lost", dispute.id),
        );
        entry.debit(Role::ChargebackCost, None, dispute.amount).credit(
            Role::DisputesReceivable,
            Some(around.connection),
            dispute.amount,
        )?;
        if let Some(entry) = entry.build()? {
            derived.facts.push(Fact::new("dispute_lost", "1", FactContent::Entry(entry)));
        }
    }
    Ok(derived)
}

/// The fee of a row by kind; for reports. Kinds that the row does not itemise are `Other`.
pub fn fees_by_kind(row: &LedgerRow) -> Vec<(FeeKind, Money)> {
    if row.fees.is_empty() && !row.fee.is_zero() {
        return vec![(FeeKind::Other, row.fee)];
    }
    row.fees.iter().map(|part| (part.kind, part.amount)).collect()
}
