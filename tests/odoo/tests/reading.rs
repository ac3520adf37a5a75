//! B16, B30: what people do to our records in Odoo is seen, in the real one and in the sandbox.

mod common;

use common::{Books, Played, Real, applied, drive, drive_with, facts, scenarios, set_up};
use jiff::Timestamp;
use trueup_connect::Settings;
use trueup_connect::conversation::{Outcome, Record, Task};
use trueup_connect::message::{Decoded, Hint, Message};
use trueup_domain::document::{BooksRecord, Document};
use trueup_odoo::sandbox::OdooSandbox;
use trueup_odoo::settings;

fn poll(books: &mut dyn Books, stream: &str, cursor: Option<String>) -> Outcome {
    let task = Task::Poll { stream: stream.to_owned(), cursor, since: Timestamp::UNIX_EPOCH };
    drive(books, &task).unwrap_or_else(|error| panic!("{stream}: {error:?}"))
}

fn decode(record: &Record) -> Document {
    let message = Message { kind: &record.kind, body: &record.body };
    match (trueup_odoo::CONNECTOR.decode)(&message) {
        Ok(Decoded::Documents(mut documents)) if documents.len() == 1 => documents.remove(0),
        other => panic!("{}: {other:?}", String::from_utf8_lossy(&record.body)),
    }
}

fn books_records(outcome: &Outcome) -> Vec<BooksRecord> {
    let decoded = outcome.records.iter().map(|record| match decode(record) {
        Document::BooksRecord(record) => *record,
        other => panic!("{other:?}"),
    });
    decoded.collect()
}

/// What a record says, without ids and moments, which differ from Odoo to Odoo.
fn gist(record: &BooksRecord) -> String {
    let taxes: Vec<String> =
        record.taxes.iter().map(|tax| format!("{}+{}", tax.base, tax.amount)).collect();
    format!(
        "{} {:?} {} {:?} total {} tax {} open {:?} taxes {taxes:?} by {:?} gone {}",
        record.kind,
        record.name,
        record.state,
        record.date,
        record.total,
        record.tax,
        record.residual,
        record.changed_by.is_some(),
        record.gone,
    )
}

/// Runs one story and tells what the polls said of it.
fn story(books: &mut dyn Books) -> Vec<String> {
    let (us, _) = set_up(books);
    let mut told = Vec::new();
    let mut tell = |what: &str, records: &[BooksRecord]| {
        let mut lines: Vec<String> =
            records.iter().map(|it| format!("{what}: {}", gist(it))).collect();
        lines.sort();
        told.extend(lines);
    };
    scenarios::american(books, &us);
    let first = poll(books, "books", None);
    tell("first", &books_records(&first));
    let by_day = poll(books, "totals_by_day", None);
    tell("sum of a day", &books_records(&by_day));
    let taxes = poll(books, "tax_totals", None);
    let unnamed = |record: BooksRecord| BooksRecord { name: None, ..record };
    let of_taxes: Vec<_> = books_records(&taxes).into_iter().map(unnamed).collect();
    tell("sum of a tax", &of_taxes);
    let accounts = poll(books, "account_totals", None);
    let of_accounts: Vec<_> = books_records(&accounts).into_iter().map(unnamed).collect();
    tell("sum of an account", &of_accounts);
    let census = poll(books, "books_census", None);
    assert!(census.records.is_empty(), "the first census finds nothing gone");
    record_fixtures(books, &first.records);

    // Nothing is lost while nothing happens: the overlap reads the same again.
    let second = poll(books, "books", first.cursor.clone());
    assert!(second.records.len() <= first.records.len());

    let find = |kind: &str| -> i64 {
        let found = books_records(&first).into_iter().find(|it| it.kind == kind).expect("a record");
        found.id.rsplit('/').next().and_then(|id| id.parse().ok()).expect("an id")
    };
    let (order, note) = (find("order"), find("credit_note"));
    let spare = common::scenarios::NEW_YORK;
    let lines = facts::lines(&us, false, spare);
    let doomed = applied(books, &facts::invoice(&us, "doomed", facts::guests(&us), None, &lines));
    let before = poll(books, "books_census", census.cursor);
    books.edit_order(order);
    books.cancel_move(note);
    books.delete_move(doomed.parse().expect("an id"));
    let changed = books_records(&poll(books, "books", second.cursor));
    let meddled: Vec<BooksRecord> =
        changed.into_iter().filter(|it| it.changed_by.is_some()).collect();
    let only =
        |kind: &str| meddled.iter().filter(|it| it.kind == kind).cloned().collect::<Vec<_>>();
    tell("meddled", &only("order"));
    tell("meddled", &only("credit_note"));
    // The cancelled note was the only one of its day: its group has gone, and is stated as zero.
    let after = books_records(&poll(books, "totals_by_day", by_day.cursor));
    let notes: Vec<_> = after.into_iter().filter(|it| it.id.contains("credit_note")).collect();
    assert_eq!(notes.len(), 1, "{}: {notes:?}", books.name());
    tell("sum of a day with nothing left", &notes);
    let gone = poll(books, "books_census", before.cursor);
    let gone: Vec<BooksRecord> = books_records(&gone)
        .into_iter()
        .filter(|it| it.kind == "gone" && it.id == format!("account.move/{doomed}"))
        .collect();
    assert_eq!(gone.len(), 1, "{}", books.name());

    let hint = |id: String| Hint { kind: "books_record".to_owned(), external_id: id };
    let hints = vec![
        hint(format!("sale.order/{order}")),
        hint(format!("account.move/{doomed}")),
        hint(format!("account.move/{note}")),
    ];
    let read = drive(books, &Task::Read { hints }).expect("a read");
    tell("read", &books_records(&read));

    let bank = books.read(
        "account.journal",
        serde_json::json!([["code", "=", "BNK1"], ["company_id", "=", 1]]),
        &["name"],
    );
    let journal = bank[0]["id"].as_i64().expect("an id");
    books.enter_bank_line(journal, "537.61");
    assert!(poll(books, "bank_lines", None).records.is_empty(), "no journal is declared");
    let declared = (settings::BANK_JOURNALS.to_owned(), format!("{journal},999"));
    let task =
        Task::Poll { stream: "bank_lines".to_owned(), cursor: None, since: Timestamp::UNIX_EPOCH };
    let lines = drive_with(books, &task, &Settings([declared].into())).expect("bank lines");
    record_fixtures(books, &lines.records);
    for record in &lines.records {
        let Document::BankLine(line) = decode(record) else { panic!("{record:?}") };
        told.push(format!(
            "bank line {} on {} `{}` in {}",
            line.amount, line.booked_on, line.text, line.account
        ));
    }
    told
}

/// Keeps what the real Odoo sent as fixtures of the connector, when asked to.
fn record_fixtures(books: &dyn Books, records: &[Record]) {
    if books.name() != "real" || std::env::var_os("TRUEUP_RECORD").is_none() {
        return;
    }
    let dir = format!("{}/../../connectors/odoo/fixtures", env!("CARGO_MANIFEST_DIR"));
    for record in records {
        let case = record.external_id.replace(['.', '/'], "_");
        std::fs::write(format!("{dir}/{}__{case}.json", record.kind), &record.body)
            .expect("written");
    }
}

#[test]
fn b16_what_people_change_or_delete_is_seen() {
    let played = story(&mut Played(OdooSandbox::bare()));
    let Some(mut real) = Real::fresh("reading") else { return };
    let expected = story(&mut real);
    assert_eq!(played, expected);
}
