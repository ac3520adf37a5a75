//! What a bank writes is read back exactly, and nothing makes the reader panic.

use jiff::ToSpan;
use jiff::civil::{Date, date};
use proptest::prelude::*;
use trueup_bank::CONNECTOR;
use trueup_bank::sandbox::{BankSandbox, Booking, Fault, Format, Part};
use trueup_connect::{DecodeError, Decoded, Message};
use trueup_domain::document::{BankLine, BankStatement, Document};
use trueup_domain::money::Currency;

const IBAN: &str = "NL91ABNA0417164300";
const FIRST: Date = date(2025, 12, 29);

fn decode(body: &[u8]) -> Result<(BankStatement, Vec<BankLine>), DecodeError> {
    let decoded = (CONNECTOR.decode)(&Message { kind: "", body })?;
    let Decoded::Documents(documents) = decoded else { panic!("{decoded:?}") };
    let mut documents = documents.into_iter();
    let Some(Document::BankStatement(statement)) = documents.next() else { panic!("no statement") };
    let lines = documents.map(|document| match document {
        Document::BankLine(line) => *line,
        other => panic!("{other:?}"),
    });
    Ok((*statement, lines.collect()))
}

fn currency() -> impl Strategy<Value = Currency> {
    prop::sample::select(vec!["EUR", "JPY", "KWD"])
        .prop_map(|code| Currency::parse(code).expect("a currency"))
}

/// A booking on one of five days around New Year, with texts of the given letters.
fn booking(text: &'static str) -> impl Strategy<Value = Booking> {
    let words = (text, text, prop::option::of("[A-Z0-9]{1,16}"));
    let money = (-5_000_000_i64..5_000_000, any::<bool>(), 0_i64..5, -3_i64..4);
    (money, words).prop_map(|((amount, reversal, day, value), (name, text, end_to_end))| {
        let booked_on = FIRST + day.days();
        let mut booking = Booking::new(amount, booked_on, &name, &text);
        booking.value_on = booked_on + value.days();
        booking.reversal = reversal;
        booking.end_to_end = end_to_end.filter(|text| text != "NONE");
        booking
    })
}

/// What the books and the statement must agree on.
fn check(
    booked: &[(String, Booking)],
    lines: &[BankLine],
    closing: i64,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(booked.len(), lines.len());
    for ((servicer, booking), line) in booked.iter().zip(lines) {
        prop_assert_eq!(&line.references.servicer, &Some(servicer.clone()));
        prop_assert_eq!(line.amount.minor(), booking.amount_minor);
        prop_assert_eq!(line.booked_on, booking.booked_on);
        prop_assert_eq!(line.value_on, Some(booking.value_on));
        prop_assert_eq!(line.reversal, booking.reversal);
        prop_assert_eq!(&line.references.end_to_end, &booking.end_to_end);
        let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        prop_assert_eq!(
            line.counterparty.as_deref().unwrap_or(""),
            one_line(&booking.counterparty)
        );
        prop_assert_eq!(&line.text, &one_line(&booking.text));
    }
    let ids: std::collections::BTreeSet<&String> = lines.iter().map(|line| &line.id).collect();
    prop_assert_eq!(ids.len(), lines.len());
    let last: i64 = booked.iter().map(|(_, booking)| booking.amount_minor).sum();
    prop_assert_eq!(closing, last);
    Ok(())
}

fn round_trip(
    format: Format,
    currency: Currency,
    bookings: Vec<Booking>,
) -> Result<(), TestCaseError> {
    let opening = -1_234_567;
    let mut bank = BankSandbox::new(IBAN, currency, opening).writing(format);
    let mut booked: Vec<(String, Booking)> = Vec::new();
    for booking in bookings {
        booked.push((bank.book(booking.clone()), booking));
    }
    let (mut lines, mut closing) = (Vec::new(), opening);
    for day in 0..5 {
        let Some((_, file)) = bank.close_day(FIRST + day.days()) else { continue };
        let (statement, of_day) = decode(&file).map_err(|error| {
            TestCaseError::fail(format!("{error}\n{}", String::from_utf8_lossy(&file)))
        })?;
        prop_assert_eq!(statement.opening.map(|money| money.minor()), Some(closing));
        prop_assert_eq!(statement.date, Some(FIRST + day.days()));
        closing = statement.closing.map_or(0, |money| money.minor());
        let (_, again) = bank.resend(FIRST + day.days()).expect("the same statement");
        prop_assert_eq!(&decode(&again).expect("the same statement").1, &of_day);
        lines.extend(of_day);
    }
    prop_assert_eq!(closing, bank.balance_minor());
    booked.sort_by_key(|(_, booking)| booking.booked_on);
    check(&booked, &lines, closing - opening)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn camt_says_what_was_booked(
        currency in currency(),
        bookings in prop::collection::vec(booking("[ -~äß€&<>]{0,90}"), 0..12),
    ) {
        round_trip(Format::Camt053, currency, bookings)?;
    }

    #[test]
    fn mt940_says_what_was_booked(
        currency in currency(),
        bookings in prop::collection::vec(booking("([A-Za-z0-9.,'()+?-]{1,9} ){0,14}"), 0..12),
    ) {
        round_trip(Format::Mt940, currency, bookings)?;
    }

    #[test]
    fn batches_are_read_in_parts(amounts in prop::collection::vec(-9_999_i64..9_999, 2..9)) {
        let euro = Currency::parse("EUR").expect("the euro");
        let mut bank = BankSandbox::new(IBAN, euro, 0);
        let mut batch = Booking::new(amounts.iter().sum(), FIRST, "", "");
        batch.parts = amounts
            .iter()
            .map(|&amount_minor| Part {
                amount_minor,
                counterparty: "A".to_owned(),
                text: "B".to_owned(),
                end_to_end: None,
            })
            .collect();
        let name = bank.book(batch);
        let (_, file) = bank.close_day(FIRST).expect("a statement");
        let (_, lines) = decode(&file).expect("a batch");
        let read: Vec<i64> = lines.iter().map(|line| line.amount.minor()).collect();
        prop_assert_eq!(read, amounts);
        let in_batch = |line: &BankLine| line.batch.as_ref().is_some_and(|own| own.starts_with(&name));
        prop_assert!(lines.iter().all(in_batch));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        text in "[<>/&;:{}A-Za-z0-9 ,\n-]{0,400}",
        tags in "(:(20|25|28C|60F|61|62F|86):[A-Z0-9,/?+ä]{0,30}\n){0,20}",
    ) {
        for body in [bytes.as_slice(), text.as_bytes(), tags.as_bytes()] {
            for kind in ["", "camt.053", "mt940"] {
                let _ = (CONNECTOR.decode)(&Message { kind, body });
            }
        }
    }
}

#[test]
fn faults_are_refused_and_the_good_file_follows() {
    let euro = Currency::parse("EUR").expect("the euro");
    for format in [Format::Camt053, Format::Mt940] {
        for fault in [Fault::HalfWritten, Fault::WrongClosing, Fault::MissingEntry] {
            let mut bank = BankSandbox::new(IBAN, euro, 10_000).writing(format);
            bank.credit(63_992, FIRST, "Stripe", "STRIPE PAYOUT X4J2K9", Some("021000021234567"));
            bank.debit(120_000, FIRST, "Warehouse Rent BV", "rent January", None);
            let (_, file) = bank.close_day_with(FIRST, fault).expect("a file");
            assert!(decode(&file).is_err(), "{format:?} {fault:?}");
            let (name, file) = bank.resend(FIRST).expect("the good file");
            let (statement, lines) = decode(&file).expect("the good file");
            assert_eq!(lines.len(), 2, "{name}");
            assert_eq!(statement.closing.map(|money| money.minor()), Some(-46_008));
        }
    }
}

#[test]
fn what_is_announced_is_never_a_line() {
    let euro = Currency::parse("EUR").expect("the euro");
    let mut bank = BankSandbox::new(IBAN, euro, 0);
    bank.announce(Booking::new(500, FIRST, "Somebody", "perhaps"));
    assert_eq!(bank.close_day(FIRST), None);
    bank.credit(100, FIRST, "Somebody", "surely", None);
    let (name, file) = bank.close_day(FIRST).expect("a file");
    let (statement, lines) = decode(&file).expect("a statement");
    assert_eq!((lines.len(), statement.sequence.as_deref()), (1, Some("1")));
    assert_eq!(name, "NL91ABNA0417164300_2025-12-29_001.xml");
    assert_eq!(bank.close_day(FIRST), None);
}
