//! Settlement files, from their bytes to what they do to the sub-ledger.

use std::collections::BTreeMap;

use jiff::Timestamp;
use trueup_amazon::CONNECTOR;
use trueup_connect::{Decoded, Message};
use trueup_domain::calendar::Calendar;
use trueup_domain::derive::{Surroundings, settlement};
use trueup_domain::document::{Document, LedgerRow, RowClass};
use trueup_domain::fact::FactContent;
use trueup_domain::item::{Item, Side};
use trueup_domain::journal::Role;

pub fn decode(file: &str) -> Vec<Document> {
    match (CONNECTOR.decode)(&Message { kind: "", body: file.as_bytes() }) {
        Ok(Decoded::Documents(documents)) => documents,
        other => panic!("{other:?}"),
    }
}

pub fn refusal(file: &str) -> String {
    match (CONNECTOR.decode)(&Message { kind: "", body: file.as_bytes() }) {
        Err(error) => format!("{} {error}", error.code()),
        Ok(other) => panic!("{other:?}"),
    }
}

fn rows(documents: &[Document]) -> Vec<&LedgerRow> {
    let rows = documents.iter().filter_map(|document| match document {
        Document::LedgerRow(row) => Some(row.as_ref()),
        _ => None,
    });
    rows.collect()
}

/// Net by role of everything a file writes by itself, and its items.
fn derived(documents: &[Document]) -> (BTreeMap<Role, i64>, Vec<Item>) {
    let (calendar, billed) = (Calendar::default(), BTreeMap::new());
    let around = Surroundings {
        connection: "amazon",
        entity: "us",
        time_zone: "UTC",
        calendar: &calendar,
        mapping: None,
        billed: &billed,
        address: None,
        fees: None,
        posting: trueup_domain::posting::Posting::default(),
        customer: None,
        since: Timestamp::MIN,
    };
    let (mut sums, mut items) = (BTreeMap::new(), Vec::new());
    for document in documents {
        let derived = match document {
            Document::LedgerRow(row) => settlement::derive_row(row, &around),
            Document::Payout(payout) => settlement::derive_payout(payout, &around),
            _ => continue,
        };
        for fact in derived.expect("amounts that fit").facts {
            match fact.content {
                FactContent::Entry(entry) => {
                    for line in entry.lines {
                        *sums.entry(line.role).or_insert(0) += line.amount.minor();
                    }
                }
                FactContent::Item(item) => items.push(item),
                FactContent::Units(_) | FactContent::Command(_) => {
                    panic!("a settlement asks nothing of the books")
                }
            }
        }
    }
    sums.retain(|_, sum| *sum != 0);
    (sums, items)
}

const D17: &str = include_str!("../../fixtures/__settlement_d17.tsv");

/// The sale of 1200.00 is the order's to write and the refund of 20.00 the refund's; what is left
/// of clearing is what they put there.
#[test]
fn d17_a_full_settlement_file_as_one_journal() {
    let (sums, _) = derived(&decode(D17));
    let expected = BTreeMap::from([
        (Role::OtherFees, 18000 + 320 - 60 + 110 + 2500 + 1240),
        (Role::ReserveHeld, 5500 - 5000),
        (Role::InTransit, 106_253),
        (Role::Reimbursements, -863),
        (Role::Unknown, -10000),
        (Role::Clearing, -(120_000 - 2000)),
    ]);
    assert_eq!(sums, expected);
}

#[test]
fn the_rows_of_a_file_sum_to_its_payout() {
    for file in [
        D17,
        include_str!("../../fixtures/__settlement_us.tsv"),
        include_str!("../../fixtures/__settlement_de_comma.tsv"),
        include_str!("../../fixtures/__settlement_carried_forward.tsv"),
        include_str!("../../fixtures/__settlement_after_carried_forward.tsv"),
    ] {
        let (_, items) = derived(&decode(file));
        let of_payout = |item: &&Item| item.key.starts_with("payout/");
        let header = items.iter().filter(of_payout).find(|item| item.kind.word() == "payout");
        let rows = items.iter().filter(of_payout).filter(|item| item.kind.word() == "payout_row");
        let sum: i64 = rows.map(|item| item.amount.minor()).sum();
        assert_eq!(Some(sum), header.map(|header| header.amount.minor()));
    }
}

/// Σ rows of an order in the classes of a sale is what its buyer paid: 50.00 + 5.99 − 5.99 of
/// goods and shipping, and 4.62 of tax, which Amazon withholds again in rows of their own.
#[test]
fn d3_the_rows_of_a_sale_sum_to_what_was_sold() {
    let documents = decode(include_str!("../../fixtures/__settlement_us.tsv"));
    let (sums, items) = derived(&documents);
    let of = |key: &str| -> i64 {
        let own = items.iter().filter(|item| item.key == key && item.side == Side::Settlement);
        own.map(|item| item.amount.minor()).sum()
    };
    assert_eq!(of("capture/amazon/111-0000001-0000001"), 5462);
    // 14.99 − 1.50 + 3.99 + 19.90, and tax of 1.52.
    assert_eq!(of("capture/amazon/111-0000002-0000002"), 3890);
    let refund = "refund_paid/amazon/20260914001/111-0000001-0000001/amzn1:crow:aaaa";
    assert_eq!(of(refund), 2706, "a part of what was sold, with its tax");
    let withheld: i64 = rows(&documents)
        .iter()
        .filter(|row| row.class == RowClass::MarketplaceTax)
        .map(|row| row.gross.minor())
        .sum();
    assert_eq!(withheld, -(462 + 152 - 206));
    assert_eq!(sums.get(&Role::MarketplaceTaxWithheld), Some(&(462 + 152 - 206)));
}

#[test]
fn p22_the_sign_decides_debit_and_credit() {
    // The same word charges in one file and gives back in the other.
    let taken = D17.replace("RefundCommission\t0.60", "RefundCommission\t-0.60");
    let taken = taken.replace("Something new\t100.00", "Something new\t101.20");
    let fees = |file: &str| derived(&decode(file)).0.get(&Role::OtherFees).copied();
    assert_eq!(fees(&taken), fees(D17).map(|fees| fees + 120));
}

#[test]
fn a_refund_that_nets_to_money_for_us_is_unknown() {
    let file = D17.replace("Principal\t-20.00", "Principal\t20.00");
    let file = file.replace("Something new\t100.00", "Something new\t60.00");
    let documents = decode(&file);
    let unknown = rows(&documents).into_iter().filter(|row| row.class == RowClass::Unknown);
    let kinds: Vec<&str> = unknown.map(|row| row.kind.as_str()).collect();
    assert_eq!(
        kinds,
        ["Refund/ItemPrice/Principal", "other-transaction/other-transaction/Something new"]
    );
    assert!(!documents.iter().any(|document| matches!(document, Document::Refund(_))));
}

#[test]
fn the_transfer_of_an_earlier_settlement_is_no_part_of_this_one() {
    let transfer = D17.lines().nth(2).expect("a row");
    let transfer = transfer
        .replace("Order\t000-0000000-0000001\t", "Transfer\t\t")
        .replace("ItemPrice\tPrincipal\t1200.00", "Transfer\t\t-77.00");
    let documents = decode(&format!("{D17}{transfer}\n"));
    let last = rows(&documents).into_iter().next_back().expect("rows");
    assert_eq!((last.class, last.gross.minor()), (RowClass::Payout, -7700));
    assert_eq!(derived(&documents), derived(&decode(D17)));
}

#[test]
fn the_same_file_again_states_the_same() {
    assert_eq!(decode(D17), decode(D17));
    // Rows are not unique by their content: two alike are two.
    let line = D17.lines().nth(9).expect("a row");
    let (twice, total) = (format!("{D17}{line}\n"), D17.lines().nth(1).expect("a head"));
    assert!(line.contains("Storage Fee\t-1.10"));
    let twice = twice.replace(total, &total.replace("1062.53", "1061.43"));
    let documents = decode(&twice);
    let ids: std::collections::BTreeSet<&str> =
        documents.iter().map(Document::external_id).collect();
    assert_eq!(rows(&documents).len(), 15);
    assert!(ids.contains("17/10") && ids.contains("17/16"));
}
