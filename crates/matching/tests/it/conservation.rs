//! P8: what was captured is somewhere, to the cent.

use proptest::prelude::*;
use trueup_domain::document::{LedgerRow, RowClass};
use trueup_domain::money::{Currency, Money};
use trueup_matching::conservation::{Movement, Place, of_capture};

use crate::world::money;

fn row(class: RowClass, gross: i64, fee: i64) -> LedgerRow {
    let euro = |minor| Money::from_minor(minor, money("0").currency());
    LedgerRow {
        id: "r".to_owned(),
        class,
        kind: "row".to_owned(),
        gross: euro(gross),
        fee: euro(fee),
        net: euro(gross - fee),
        fees: Vec::new(),
        presentment: None,
        object: None,
        capture: Some("ch_1".to_owned()),
        order: None,
        payout: None,
        occurred_at: "2026-06-01T08:00:00Z".parse().expect("a time"),
        available_on: None,
        description: None,
    }
}

/// Class, gross, fee, where it is, and whether its dispute was lost.
type Said = (RowClass, i64, i64, Place, bool);

fn line(captured: &str, rows: &[Said]) -> String {
    let rows: Vec<(LedgerRow, Place, bool)> = rows
        .iter()
        .map(|(class, gross, fee, at, lost)| (row(*class, *gross, *fee), *at, *lost))
        .collect();
    let moved: Vec<Movement<'_>> = rows
        .iter()
        .map(|(row, place, lost)| Movement { row, place: *place, lost: *lost })
        .collect();
    of_capture(money(captured), &moved).expect("in range").to_string()
}

#[test]
fn p8_a_capture_is_where_its_rows_say() {
    use Place::{Banked, InTransit, NotSettled};
    use RowClass::{Capture, Dispute, DisputeReversal, Fee, PartialCaptureReversal, Refund};
    let taken = (Capture, 10_000, 300, Banked, false);
    let check = |rows: &[Said], expected: &str| assert_eq!(line("100.00", rows), expected);
    check(
        &[(Capture, 10_000, 300, NotSettled, false)],
        "captured 100.00 EUR = not settled 97.00 + fees 3.00",
    );
    check(
        &[(Capture, 10_000, 300, InTransit, false)],
        "captured 100.00 EUR = in transit 97.00 + fees 3.00",
    );
    check(&[taken], "captured 100.00 EUR = banked 97.00 + fees 3.00");
    // The worked line of the design: captured, paid out, then refunded.
    check(
        &[taken, (Refund, -10_000, 0, NotSettled, false)],
        "captured 100.00 EUR = not settled -100.00 + banked 97.00 + fees 3.00 + refunded 100.00",
    );
    // A refund that failed is none (E5).
    check(
        &[
            taken,
            (Refund, -10_000, 0, InTransit, false),
            (RowClass::RefundFailure, 10_000, 0, InTransit, false),
        ],
        "captured 100.00 EUR = banked 97.00 + fees 3.00",
    );
    let disputed = |lost| (Dispute, -10_000, 1_500, NotSettled, lost);
    check(
        &[taken, disputed(false)],
        "captured 100.00 EUR = not settled -115.00 + banked 97.00 + fees 18.00 + disputed 100.00",
    );
    check(
        &[taken, disputed(true)],
        "captured 100.00 EUR = not settled -115.00 + banked 97.00 + fees 18.00 + lost 100.00",
    );
    check(
        &[taken, disputed(false), (DisputeReversal, 10_000, 0, NotSettled, false)],
        "captured 100.00 EUR = not settled -15.00 + banked 97.00 + fees 18.00",
    );
    check(
        &[taken, (Fee, -25, 0, Banked, false), (RowClass::WithheldTax, -800, 0, Banked, false)],
        "captured 100.00 EUR = banked 88.75 + fees 3.25 + withheld 8.00",
    );
    // The rest of an authorization gives back what was never captured.
    check(
        &[
            (Capture, 15_000, 300, Banked, false),
            (PartialCaptureReversal, -5_000, 0, Banked, false),
        ],
        "captured 100.00 EUR = banked 97.00 + fees 3.00",
    );
    // Nothing is absorbed: a cent that no row shows, and a row that no part fits.
    check(
        &[(Capture, 9_999, 300, Banked, false)],
        "captured 100.00 EUR = banked 96.99 + fees 3.00 + unexplained 0.01",
    );
    check(
        &[taken, (RowClass::Unknown, -500, 0, NotSettled, false)],
        "captured 100.00 EUR = not settled -5.00 + banked 97.00 + fees 3.00 + unexplained 5.00",
    );
    let foreign = Money::parse("100.00", Currency::parse("USD").expect("known")).expect("known");
    let euro = row(Capture, 10_000, 0);
    assert!(of_capture(foreign, &[Movement { row: &euro, place: Banked, lost: false }]).is_err());
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![Just(Place::NotSettled), Just(Place::InTransit), Just(Place::Banked)]
}

/// Rows of classes that say where captured money went.
fn any_rows() -> impl Strategy<Value = Vec<Said>> {
    let class = prop_oneof![
        Just(RowClass::Refund),
        Just(RowClass::RefundFailure),
        Just(RowClass::Dispute),
        Just(RowClass::DisputeReversal),
        Just(RowClass::Fee),
        Just(RowClass::WithheldTax),
        Just(RowClass::MarketplaceTax),
        Just(RowClass::Adjustment),
        Just(RowClass::Reimbursement),
    ];
    let row = (class, -1_000_000_i64..1_000_000, -5_000_i64..5_000, place(), any::<bool>());
    prop::collection::vec(row, 0..8)
}

proptest! {
    /// Whatever becomes of it and wherever the rows are, all of it is explained; and what is planted
    /// is found, to the cent and with its sign.
    #[test]
    fn p8_every_capture_is_conserved_and_each_planted_cent_is_found(
        taken in prop::collection::vec((1_i64..1_000_000, 0_i64..5_000, place()), 1..3),
        others in any_rows(),
        cent in -500_i64..500,
        stray in -500_i64..500,
    ) {
        let captured: i64 = taken.iter().map(|(gross, ..)| gross).sum();
        let mut rows: Vec<(LedgerRow, Place, bool)> = Vec::new();
        for (gross, fee, place) in taken {
            rows.push((row(RowClass::Capture, gross, fee), place, false));
        }
        for (class, gross, fee, place, lost) in others {
            rows.push((row(class, gross, fee), place, lost));
        }
        let euro = |minor| Money::from_minor(minor, money("0").currency());
        let explain = |captured: i64, rows: &[(LedgerRow, Place, bool)]| {
            let moved: Vec<Movement<'_>> = rows
                .iter()
                .map(|(row, place, lost)| Movement { row, place: *place, lost: *lost })
                .collect();
            of_capture(euro(captured), &moved).expect("in range")
        };
        let whole = explain(captured, &rows);
        prop_assert!(whole.holds(), "{whole}");
        let parts = Money::sum(euro(0).currency(), whole.parts().map(|(_, part)| part));
        prop_assert_eq!(parts, Ok(euro(captured)));
        // The order of the rows says nothing.
        rows.reverse();
        prop_assert_eq!(explain(captured, &rows), whole);
        // The channel states another amount.
        prop_assert_eq!(explain(captured + cent, &rows).unexplained, euro(cent));
        // A row that does not add up in itself.
        let honest = rows[0].0.clone();
        rows[0].0.net = euro(honest.net.minor() + cent);
        prop_assert_eq!(explain(captured, &rows).unexplained, euro(-cent));
        rows[0].0 = honest;
        // A row of a class that has no part.
        for class in [RowClass::Unknown, RowClass::Transfer, RowClass::Reserve] {
            rows.push((row(class, stray, 0), Place::Banked, false));
            prop_assert_eq!(explain(captured, &rows).unexplained, euro(-stray));
            rows.pop();
        }
    }
}
