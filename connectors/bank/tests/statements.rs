//! What must hold between files: re-sent, overlapping, in both formats, and wrong.

use trueup_bank::CONNECTOR;
use trueup_connect::{DecodeError, Decoded, Message};
use trueup_domain::document::{BankLine, BankStatement, Document};

fn decode(body: &[u8]) -> Result<Decoded, DecodeError> {
    (CONNECTOR.decode)(&Message { kind: "", body })
}

fn read(body: &[u8]) -> (Vec<BankStatement>, Vec<BankLine>) {
    let Decoded::Documents(documents) = decode(body).expect("a statement") else {
        panic!("no documents")
    };
    let (mut statements, mut lines) = (Vec::new(), Vec::new());
    for document in documents {
        match document {
            Document::BankStatement(statement) => statements.push(*statement),
            Document::BankLine(line) => lines.push(*line),
            other => panic!("{other:?}"),
        }
    }
    (statements, lines)
}

fn ids(body: &[u8]) -> Vec<String> {
    read(body).1.into_iter().map(|line| line.id).collect()
}

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).expect(name)
}

/// A statement with these entries and no balances.
fn camt(id: &str, message: &str, entries: &str) -> Vec<u8> {
    format!(
        "<Document><BkToCstmrStmt><GrpHdr><MsgId>{message}</MsgId></GrpHdr><Stmt><Id>{id}</Id>\
         <CreDtTm>2026-01-31T00:00:00Z</CreDtTm><Acct><Id><IBAN>NL91ABNA0417164300</IBAN></Id>\
         </Acct>{entries}</Stmt></BkToCstmrStmt></Document>"
    )
    .into_bytes()
}

/// An entry with the rest of its elements.
fn ntry(amount: &str, day: &str, rest: &str) -> String {
    format!(
        "<Ntry><Amt Ccy=\"EUR\">{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts>\
         <BookgDt><Dt>{day}</Dt></BookgDt>{rest}</Ntry>"
    )
}

fn balances(opening: &str, closing: &str) -> String {
    [("OPBD", opening), ("CLBD", closing)]
        .map(|(kind, amount)| {
            format!(
                "<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp><Amt Ccy=\"EUR\">{amount}\
                 </Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-01-08</Dt></Dt></Bal>"
            )
        })
        .concat()
}

fn refused(body: &[u8], code: &str, says: &str) {
    let error = decode(body).expect_err(says);
    assert_eq!((error.code(), error.to_string().contains(says)), (code, true), "{error}");
}

#[test]
fn both_forms_of_a_statement_say_the_same() {
    let (camt_statement, camt) = read(&fixture("__scenario_eur_v8.xml"));
    let (mt_statement, mt) = read(&fixture("__scenario_eur.sta"));
    let money = |all: &[BankStatement]| -> Vec<_> {
        all.iter().map(|one| (one.account.clone(), one.opening, one.closing, one.date)).collect()
    };
    assert_eq!(money(&camt_statement), money(&mt_statement));
    let comparable = |lines: &[BankLine]| -> Vec<_> {
        lines
            .iter()
            .map(|line| {
                (
                    line.id.clone(),
                    line.amount,
                    line.booked_on,
                    line.value_on,
                    line.references.clone(),
                )
            })
            .collect()
    };
    assert_eq!(comparable(&camt), comparable(&mt));
    assert_eq!(camt.len(), 4);
}

#[test]
fn the_expected_parse_of_another_reader_agrees() {
    let (_, lines) = read(&fixture("camt.053__genkgo_v4_repaired.xml"));
    let theirs = include_str!("data/genkgo_camt053.v4.json");
    let theirs: serde_json::Value = serde_json::from_str(theirs).expect("their parse");
    let entry = &theirs["getEntries"][0];
    let line = lines.first().expect("a line");
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let minor = line.amount.minor().to_string();
    assert_eq!(text(&entry["getAmount"]["getAmount"]), Some(minor));
    let currency = &entry["getAmount"]["getCurrency"]["getCode"];
    assert_eq!(currency.as_str(), Some(line.amount.currency().code()));
    assert_eq!(text(&entry["getAccountServicerReference"]), line.references.servicer);
    let day = |value: &serde_json::Value| value["0"].as_str().map(|text| text[..10].to_owned());
    assert_eq!(day(&entry["getBookingDate"]), Some(line.booked_on.to_string()));
    assert_eq!(day(&entry["getValueDate"]), line.value_on.map(|day| day.to_string()));
    assert_eq!(entry["getReversalIndicator"].as_bool(), Some(line.reversal));
    let detail = &entry["getTransactionDetail"];
    let message = &detail["getRemittanceInformation"]["getMessage"];
    assert_eq!(message.as_str(), Some(line.text.as_str()));
    let debtor = &detail["getRelatedParties"][1]["getRelatedPartyType"]["getName"];
    assert_eq!(text(debtor), line.counterparty);
    let record = &entry["getRecord"];
    assert_eq!(record["getAccount"]["getIdentification"].as_str(), Some(line.account.as_str()));
    let (statements, _) = read(&fixture("camt.053__genkgo_v4_repaired.xml"));
    let sequence = statements.first().and_then(|statement| statement.sequence.clone());
    assert_eq!(text(&record["getElectronicSequenceNumber"]), sequence);
}

#[test]
fn e19_identical_payments_survive_and_a_resent_statement_adds_nothing() {
    let coffee = ntry("4.50", "2026-01-08", "<AddtlNtryInf>COFFEE</AddtlNtryInf>");
    let two = coffee.repeat(2);
    let first = ids(&camt("S1", "M1", &two));
    assert_eq!(first.len(), 2);
    assert_ne!(first[0], first[1]);
    assert_eq!(first, ids(&camt("S1", "M2", &two)));
    // Twice in one file is one statement, too.
    let file = String::from_utf8(camt("S1", "M1", &two)).expect("text");
    let start = file.find("<Stmt>").expect("a statement");
    let end = file.find("</BkToCstmrStmt>").expect("an end");
    let double = format!("{}{}{}", &file[..end], &file[start..end], &file[end..]);
    assert_eq!(ids(double.as_bytes()), first);
}

#[test]
fn e12_daily_and_weekly_statements_agree_on_every_id() {
    let with = |amount: &str, day: &str, reference: &str| {
        ntry(amount, day, &format!("<AcctSvcrRef>{reference}</AcctSvcrRef>"))
    };
    // A reversal on a later day carries the reference of what it reverses, and a bank repeats one
    // reference for all entries of a day.
    let monday = with("10.00", "2026-01-05", "R1") + &with("1.00", "2026-01-05", "DAY");
    let monday = monday + &with("2.00", "2026-01-05", "DAY");
    let tuesday = with("10.00", "2026-01-06", "R1");
    let mut daily = ids(&camt("MON", "M1", &monday));
    daily.extend(ids(&camt("TUE", "M2", &tuesday)));
    assert_eq!(daily, ids(&camt("WEEK", "M3", &(monday + &tuesday))));
    let distinct: std::collections::BTreeSet<&String> = daily.iter().collect();
    assert_eq!(distinct.len(), 4);
    assert_eq!(daily[0], "NL91ABNA0417164300/2026-01-05/R1");
}

#[test]
fn envelopes_and_prefixes_change_nothing() {
    let plain = camt("S", "M", &ntry("1.00", "2026-01-08", "<NtryRef>1</NtryRef>"));
    let text = String::from_utf8(plain.clone()).expect("text");
    let wrapped = format!("<Envelope><AppHdr><Id>X</Id></AppHdr>{text}</Envelope>");
    assert_eq!(decode(wrapped.as_bytes()), decode(&plain));
    let prefixed = text.replace("</", "\u{1}").replace('<', "<n:").replace('\u{1}', "</n:");
    assert_eq!(decode(prefixed.as_bytes()), decode(&plain));
    let latin = "<?xml version='1.0' encoding='ISO-8859-1'?>".to_owned() + &text;
    assert_eq!(decode(latin.as_bytes()), decode(&plain));
}

#[test]
fn statement_ids_of_another_year_are_others() {
    let of = |day: &str| read(&camt("1", "M", &ntry("1.00", day, ""))).0[0].id.clone();
    assert_eq!(of("2025-01-02"), "NL91ABNA0417164300/1/2025");
    assert_eq!(of("2026-01-02"), "NL91ABNA0417164300/1/2026");
}

#[test]
fn two_statements_of_one_name_that_differ_are_refused() {
    let one = String::from_utf8(camt("S", "M", &ntry("1.00", "2026-01-08", ""))).expect("text");
    let second = "<Stmt><Id>S</Id><Acct><Id><IBAN>NL91ABNA0417164300</IBAN></Id></Acct>";
    let second = format!("{second}{}</Stmt></BkToCstmrStmt>", ntry("2.00", "2026-01-08", ""));
    refused(one.replace("</BkToCstmrStmt>", &second).as_bytes(), "TU205", "both called");
}

#[test]
fn a_reversal_is_never_turned_round() {
    let entry = ntry("5.00", "2026-01-08", "<RvslInd>true</RvslInd>");
    let debit = entry.replace("CRDT", "DBIT");
    let amounts = |entry: &str| {
        let lines = read(&camt("S", "M", entry)).1;
        lines.iter().map(|line| (line.amount.minor(), line.reversal)).collect::<Vec<_>>()
    };
    assert_eq!(amounts(&entry), [(500, true)]);
    assert_eq!(amounts(&debit), [(-500, true)]);
}

#[test]
fn e21_pending_entries_are_no_lines() {
    let booked = ntry("5.00", "2026-01-08", "");
    let others = ["PDNG", "INFO", "FUTR"].map(|status| booked.replace("BOOK", status)).concat();
    let file = camt("S", "M", &(balances("1.00", "6.00") + &booked + &others));
    let (statements, lines) = read(&file);
    assert_eq!((statements[0].lines, lines.len()), (1, 1));
    refused(&camt("S", "M", &booked.replace("BOOK", "WHAT")), "TU203", "WHAT");
}

#[test]
fn batches_add_up_or_are_refused() {
    let part = |amount: &str| format!("<TxDtls><Amt Ccy=\"EUR\">{amount}</Amt></TxDtls>");
    let old_part = |amount: &str| {
        format!(
            "<TxDtls><AmtDtls><TxAmt><Amt Ccy=\"EUR\">{amount}</Amt></TxAmt></AmtDtls></TxDtls>"
        )
    };
    let batch = |parts: &str| {
        let rest = format!("<AcctSvcrRef>B</AcctSvcrRef><NtryDtls>{parts}</NtryDtls>");
        camt("S", "M", &ntry("10.00", "2026-01-08", &rest))
    };
    let check = |parts: &str, shown: &[(&str, i64, Option<&str>)]| {
        let lines = read(&batch(parts)).1;
        let seen: Vec<(&str, i64, Option<&str>)> = lines
            .iter()
            .map(|line| {
                let id = line.id.rsplit('/').next().unwrap_or("");
                (id, line.amount.minor(), line.batch.as_deref())
            })
            .collect();
        assert_eq!(seen, shown, "{parts}");
    };
    let of = Some("B 10.00 EUR");
    check(&(part("4.00") + &part("6.00")), &[("B#1", 400, of), ("B#2", 600, of)]);
    check(&(old_part("4.00") + &old_part("6.00")), &[("B#1", 400, of), ("B#2", 600, of)]);
    let debit = "<TxDtls><Amt Ccy=\"EUR\">2.00</Amt><CdtDbtInd>DBIT</CdtDbtInd></TxDtls>";
    check(&(part("12.00") + debit), &[("B#1", 1200, of), ("B#2", -200, of)]);
    // Without amounts, or in another currency only, the entry is one line and never repeated.
    check("<TxDtls/><TxDtls/>", &[("B", 1000, None)]);
    check("<Btch><NbOfTxs>3</NbOfTxs></Btch>", &[("B", 1000, None)]);
    check(&part("11.00").repeat(2).replace("EUR", "USD"), &[("B", 1000, None)]);
    check(&part("9.00"), &[("B", 1000, None)]);
    let endless = "<Ustrd>aaaaaaaaaaaaaaaaaaaa</Ustrd>".repeat(4_000);
    let endless = format!("<TxDtls><RmtInf>{endless}</RmtInf></TxDtls>");
    refused(&batch(&endless), "TU201", "bytes of text");
    refused(&batch(&(part("4.00") + &part("5.00"))), "TU205", "parts 9.00 EUR ≠ entry 10.00 EUR");
}

#[test]
fn e14_a_file_that_does_not_add_up_is_refused_whole() {
    let entry = ntry("5.00", "2026-01-08", "");
    let says = "opening 1.00 EUR + lines 5.00 EUR ≠ closing 7.00 EUR";
    refused(&camt("S", "M", &(balances("1.00", "7.00") + &entry)), "TU205", says);
    let summary = "<TxsSummry><TtlCdtNtries><Sum>6.00</Sum></TtlCdtNtries></TxsSummry>";
    refused(&camt("S", "M", &(summary.to_owned() + &entry)), "TU205", "credits 5.00 EUR");
    let dollars = entry.replace("EUR", "USD");
    refused(&camt("S", "M", &(entry.clone() + &dollars)), "TU205", "in EUR and in USD");
}

#[test]
fn e13_half_written_files_are_refused() {
    let whole = fixture("__scenario_eur_v8.xml");
    for end in [whole.len() - 20, whole.len() / 2, 300] {
        refused(&whole[..end], "TU201", "");
    }
    let whole = fixture("__scenario_eur.sta");
    let end = whole.windows(5).position(|five| five == b":62F:").expect("a closing balance");
    refused(&whole[..end], "TU202", ":62F:");
    refused(&whole[..end + 19], "TU204", ":62F:");
    refused(&whole[..end + 20], "TU205", "≠ closing 9538.00 EUR");
    let blocks = fixture("mt940__asn.sta");
    refused(&blocks[..blocks.len() - 12], "TU201", "cut off");
}

#[test]
fn e1_amounts_are_exact() {
    let check = |amount: &str, shown: Option<&str>| {
        let file = camt("S", "M", &ntry(amount, "2026-01-08", ""));
        match (decode(&file), shown) {
            (Ok(_), Some(shown)) => assert_eq!(read(&file).1[0].amount.amount_text(), shown),
            (Err(error), None) => assert_eq!(error.code(), "TU204", "{amount}"),
            (other, _) => panic!("{amount}: {other:?}"),
        }
    };
    check("8.850", Some("8.85"));
    check("8.85000", Some("8.85"));
    check(" 8 ", Some("8.00"));
    check("8.855", None);
    check("8.00001", None);
    check("-8.85", None);
    check("+8.85", None);
    check("8,85", None);
    check("1e2", None);
    check("8.", None);
}

#[test]
fn dates_are_days_of_the_calendar() {
    let check = |day: &str, shown: Option<&str>| {
        let read = decode(&camt("S", "M", &ntry("1.00", day, "")));
        let read = read.map(|_| self::read(&camt("S", "M", &ntry("1.00", day, ""))).1[0].booked_on);
        assert_eq!(read.ok().map(|day| day.to_string()).as_deref(), shown, "{day}");
    };
    check("2026-01-08", Some("2026-01-08"));
    check("2026-01-08+01:00", Some("2026-01-08"));
    check("2026-01-08T23:59:59-11:00", Some("2026-01-08"));
    check("2026-02-30", None);
    check("2026-1-8", None);
    check("20260108", None);
    check("2026-01-08x", None);
    refused(&camt("S", "M", &ntry("1.00", "2026-02-30", "")), "TU202", "no day of the calendar");
}

#[test]
fn pages_of_a_statement_have_their_own_balances_and_ids() {
    let page = |number: u8, last: bool, kinds: [&str; 2], amounts: [&str; 2]| {
        let head = format!(
            "<StmtPgntn><PgNb>{number}</PgNb><LastPgInd>{last}</LastPgInd></StmtPgntn>{}",
            balances(amounts[0], amounts[1]).replace("OPBD", kinds[0]).replace("CLBD", kinds[1])
        );
        camt("S", "M", &(head + &ntry("5.00", "2026-01-08", "")))
    };
    let first = read(&page(1, false, ["OPBD", "ITBD"], ["1.00", "6.00"])).0;
    let middle = read(&page(2, false, ["ITBD", "ITBD"], ["6.00", "11.00"])).0;
    let last = read(&page(3, true, ["ITBD", "CLBD"], ["11.00", "16.00"])).0;
    assert_eq!(first[0].id, "NL91ABNA0417164300/S/p1/2026");
    assert_eq!(middle[0].id, "NL91ABNA0417164300/S/p2/2026");
    assert_eq!(first[0].closing, middle[0].opening);
    assert_eq!(middle[0].closing, last[0].opening);
    refused(&page(3, true, ["ITBD", "CLBD"], ["11.00", "17.00"]), "TU205", "≠ closing 17.00");
}

#[test]
fn g9_other_encodings_and_heaps_of_attributes_are_refused_or_passed_over() {
    let good = camt("S1", "M1", &ntry("5.00", "2026-01-08", ""));
    let text = String::from_utf8(good.clone()).expect("a text");
    for (mark, sixteen) in [
        ([0xff, 0xfe], text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()),
        ([0xfe, 0xff], text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
    ] {
        refused(&[&mark[..], &sixteen].concat(), "TU201", "UTF-16");
        assert!(decode(&sixteen).is_err(), "and without its mark");
    }
    for encoding in ["UTF-7", "UTF-16", "EBCDIC-CP-US"] {
        let declared = format!("<?xml version='1.0' encoding='{encoding}'?>{text}");
        refused(declared.as_bytes(), "TU201", "is not read");
    }
    for outside in [
        "<!DOCTYPE Document SYSTEM \"file:///etc/passwd\">",
        "<!DOCTYPE d [<!ENTITY x SYSTEM \"http://127.0.0.1/\">]>",
    ] {
        refused(format!("{outside}{text}").as_bytes(), "TU201", "DOCTYPE");
    }
    // A hundred thousand attributes on one element say nothing.
    let attributes: String = (0..100_000).map(|number| format!(" a{number}=\"1\"")).collect();
    let heaped = text.replacen("<Document", &format!("<Document{attributes}"), 1);
    assert_eq!(ids(heaped.as_bytes()), ids(&good));
}
