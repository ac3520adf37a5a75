//! Money is conserved (`POSTING.md` P8, `DESIGN.md` §9.5): what was captured is somewhere, to the
//! minor unit, whatever became of it.

use std::fmt;

use serde::Serialize;
use trueup_domain::document::{LedgerRow, RowClass};
use trueup_domain::money::{Money, MoneyError};

/// Where the net of a ledger row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Held by the provider: in no payout, or in one that has not left.
    NotSettled,
    /// In a payout that has left and that no bank line shows.
    InTransit,
    Banked,
}

/// A row of a provider's ledger whose source chain ends at the capture.
#[derive(Clone, Copy, Debug)]
pub struct Movement<'a> {
    pub row: &'a LedgerRow,
    pub place: Place,
    /// Of a dispute: it was decided against the merchant.
    pub lost: bool,
}

/// What was captured, and where it is. Signed: a part that has left the merchant is positive, and so
/// is a part that he holds; a refund that the provider took from later money makes *not settled*
/// negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Conservation {
    pub captured: Money,
    pub not_settled: Money,
    pub in_transit: Money,
    pub banked: Money,
    pub fees: Money,
    pub refunded: Money,
    pub disputed: Money,
    pub lost: Money,
    /// Tax that the provider or the marketplace kept.
    pub withheld: Money,
    /// What the provider adjusted or reimbursed; negative where it gave.
    pub adjusted: Money,
    /// What no part explains; zero, or the capture is not conserved.
    pub unexplained: Money,
}

/// Adds the rows up: `captured = not settled + in transit + banked + fees + refunded + disputed +
/// lost + withheld + adjusted`, where the first three are the rows' nets, and all after the fees minus
/// their gross.
/// `captured` is what the channel states, so that a row which is missing or of a class that has no
/// part here stays unexplained. A row in another currency is an error.
pub fn of_capture(captured: Money, rows: &[Movement<'_>]) -> Result<Conservation, MoneyError> {
    let zero = Money::zero(captured.currency());
    let mut sum = Conservation {
        captured,
        not_settled: zero,
        in_transit: zero,
        banked: zero,
        fees: zero,
        refunded: zero,
        disputed: zero,
        lost: zero,
        withheld: zero,
        adjusted: zero,
        unexplained: captured,
    };
    for Movement { row, place, lost } in rows {
        let held = match place {
            Place::NotSettled => &mut sum.not_settled,
            Place::InTransit => &mut sum.in_transit,
            Place::Banked => &mut sum.banked,
        };
        *held = held.checked_add(row.net)?;
        sum.fees = sum.fees.checked_add(row.fee)?;
        let went = match row.class {
            RowClass::Refund | RowClass::RefundFailure => &mut sum.refunded,
            RowClass::Dispute | RowClass::DisputeReversal if *lost => &mut sum.lost,
            RowClass::Dispute | RowClass::DisputeReversal => &mut sum.disputed,
            RowClass::Fee => &mut sum.fees,
            RowClass::WithheldTax | RowClass::MarketplaceTax => &mut sum.withheld,
            RowClass::Adjustment | RowClass::Reimbursement => &mut sum.adjusted,
            // What was captured, and classes that say of no capture where it went.
            RowClass::Capture
            | RowClass::PartialCaptureReversal
            | RowClass::Reserve
            | RowClass::ReserveRelease
            | RowClass::Loan
            | RowClass::Transfer
            | RowClass::Conversion
            | RowClass::Payout
            | RowClass::PayoutReturn
            | RowClass::CarriedForward
            | RowClass::TopUp
            | RowClass::Unknown => continue,
        };
        *went = went.checked_sub(row.gross)?;
    }
    for (_, part) in sum.parts() {
        sum.unexplained = sum.unexplained.checked_sub(part)?;
    }
    Ok(sum)
}

impl Conservation {
    pub fn holds(&self) -> bool {
        self.unexplained.is_zero()
    }

    /// The parts that captured money can be in, by name.
    pub fn parts(&self) -> [(&'static str, Money); 9] {
        [
            ("not settled", self.not_settled),
            ("in transit", self.in_transit),
            ("banked", self.banked),
            ("fees", self.fees),
            ("refunded", self.refunded),
            ("disputed", self.disputed),
            ("lost", self.lost),
            ("withheld", self.withheld),
            ("adjusted", self.adjusted),
        ]
    }
}

/// One line that adds up: `captured 100.00 EUR = banked 97.00 + fees 3.00`.
impl fmt::Display for Conservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "captured {} =", self.captured)?;
        let unexplained = std::iter::once(("unexplained", self.unexplained));
        let shown = self.parts().into_iter().chain(unexplained).filter(|(_, it)| !it.is_zero());
        let mut any = false;
        for (name, part) in shown {
            let plus = if any { " +" } else { "" };
            write!(f, "{plus} {name} {}", part.amount_text())?;
            any = true;
        }
        if any { Ok(()) } else { f.write_str(" nothing") }
    }
}
