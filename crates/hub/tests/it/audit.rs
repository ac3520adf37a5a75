//! What was done is recorded with it, and every later change of either shows.

use trueup_domain::audit::Broken;
use trueup_domain::document::PaymentKind;
use trueup_hub::decisions::{self, Decision, What};
use trueup_hub::{Hub, audit, timers};
use trueup_store::{audit as kept, values};

use crate::books::Books;
use crate::talk::drain;
use crate::world::{at, line, mapped, order, payment, read, settle, states, write};

/// A mapping that was approved, a sale in the books, and a decision of a person.
fn done() -> Hub {
    let hub = mapped();
    let sold = order(1, vec![line("A1", "10.00")]);
    states(&hub, &[sold.into(), payment("p1", 1, PaymentKind::Sale, "10.00").into()], 1);
    drain(&hub, &mut Books::with(&[]), 10);
    settle(&hub, 20);
    let what = What::Hold { connection: "books".to_owned() };
    let decision = Decision { what, person: "ann".to_owned(), reason: "a look".to_owned() };
    let own = hub.clone();
    write(&hub, move |tx| decisions::take(tx, &own, &decision, at(30))).expect("held");
    hub
}

fn findings(hub: &Hub) -> Vec<String> {
    audit::verify(&hub.store, None).expect("verified").findings
}

fn spoil(hub: &Hub, sql: &'static str) {
    write(hub, move |tx| tx.execute(sql, values![]));
}

#[test]
fn i9_what_people_and_the_hub_did_is_recorded_and_sealed() {
    let hub = done();
    // Nothing waits for the seal: that is the work of the timers.
    assert!(read(&hub, kept::any_unsealed));
    timers::step(&hub, at(31)).expect("a step");
    assert!(!read(&hub, kept::any_unsealed));
    let all = read(&hub, |tx| kept::sealed(tx, 0, 99));
    let kinds: Vec<(&str, String)> =
        all.iter().map(|it| (it.kind.as_str(), it.in_a_word())).collect();
    assert_eq!(kinds[0], ("mapping", "mapping".to_owned()));
    assert_eq!(kinds.last(), Some(&("decision", "hold".to_owned())));
    let effects = kinds.iter().filter(|(kind, _)| *kind == "effect").count();
    assert!(effects >= 3, "an order, an invoice and a payment at least: {kinds:?}");
    assert_eq!((all[0].person.as_str(), all[1].person.as_str()), ("ada", ""));
    assert_eq!(
        (all.last().expect("some").about(), &*all.last().expect("some").person),
        ("books".to_owned(), "ann")
    );
    let found = audit::verify(&hub.store, None).expect("verified");
    assert_eq!((found.records, &found.findings), (all.len() as i64, &Vec::new()));
    // By themselves, and up to a seal that was kept outside.
    let anew = audit::verify_records(all.clone().into_iter(), Some((found.records, found.seal)));
    assert_eq!(anew.expect("whole").records, all.len() as i64);
    let fewer = audit::verify_records(all.clone().into_iter().skip(1), None);
    assert_eq!(fewer, Err(Broken::Missing(1)));
}

#[test]
fn i9_whoever_changes_what_was_recorded_or_what_it_rests_on_is_found() {
    for (sql, finding) in [
        ("UPDATE audit SET person = 'ben' WHERE kind = 'decision'", "is not what was sealed"),
        ("UPDATE audit SET at = at + 1 WHERE number = 2", "record 2 is not what was sealed"),
        ("DELETE FROM audit WHERE number = 2", "record 2 is missing"),
        (
            "UPDATE commands SET content = content || ' ' WHERE kind = 'invoice'",
            "was changed since",
        ),
        (
            "UPDATE mappings SET body = body || ' '",
            "(mapping shop/1): what it rests on was changed",
        ),
        ("DELETE FROM mappings", "(mapping shop/1): what it rests on is gone"),
        (
            "UPDATE messages SET body = (SELECT m.body FROM messages m WHERE m.connection = 'shop')
             WHERE kind = 'trueup/decision'",
            "was changed since",
        ),
        (
            "INSERT INTO decisions (message, about, kind, person, reason, assignee, made_at)
             SELECT 'another', about, kind, 'ben', reason, assignee, made_at FROM decisions",
            "decision another is not recorded",
        ),
        (
            "INSERT INTO mappings (connection, version, body, author, reason, effective_from,
                 approved_at)
             SELECT connection, 2, body, 'ben', reason, '', approved_at FROM mappings",
            "mapping shop/2 is not recorded",
        ),
    ] {
        let hub = done();
        audit::seal_all(&hub.store, &[]).expect("sealed");
        assert_eq!(findings(&hub), [""; 0]);
        spoil(&hub, sql);
        let found = findings(&hub);
        assert!(found.iter().any(|one| one.contains(finding)), "{sql}: {found:?}");
    }
}

#[test]
fn sealing_goes_on_where_it_ended() {
    let hub = done();
    while write(&hub, |tx| kept::seal_next(tx, 2)) > 0 {}
    let before = audit::verify(&hub.store, None).expect("verified");
    let what = What::Release { connection: "books".to_owned() };
    let decision = Decision { what, person: "ben".to_owned(), reason: "seen".to_owned() };
    let own = hub.clone();
    write(&hub, move |tx| decisions::take(tx, &own, &decision, at(40))).expect("released");
    audit::seal_all(&hub.store, &[]).expect("sealed");
    let kept_outside = Some((before.records, before.seal));
    let found = audit::verify(&hub.store, kept_outside).expect("verified");
    assert_eq!((found.records, found.findings), (before.records + 1, Vec::new()));
    let another = Some((before.records, "0".repeat(64)));
    let found = audit::verify(&hub.store, another).expect("verified");
    assert!(found.findings[0].contains("not the one that was kept outside"), "{found:?}");
}

/// Who can write to the database can write to the audit. What he leaves names the first record that
/// does not hold; what he cuts off at the end shows against a seal that was kept outside.
#[test]
fn h13_the_first_record_that_was_edited_cut_or_moved_is_named() {
    for (spoilt, finding) in [
        (vec!["UPDATE audit SET detail = '{}' WHERE number = 2"], "record 2 is not what"),
        (vec!["UPDATE audit SET subject = 'other' WHERE number = 1"], "record 1 is not what"),
        (vec!["DELETE FROM audit WHERE number = 1"], "record 1 is missing"),
        (
            vec![
                "UPDATE audit SET number = 99 WHERE number = 2",
                "UPDATE audit SET number = 2 WHERE number = 3",
                "UPDATE audit SET number = 3 WHERE number = 99",
            ],
            "record 2 is not what",
        ),
        (
            vec![
                "UPDATE audit SET number = -number WHERE number >= 2",
                "UPDATE audit SET number = 1 - number WHERE number < 0",
                "INSERT INTO audit (id, at, kind, subject, person, detail, number, seal)
                 SELECT 'new', at, kind, subject, 'ben', detail, 2, seal FROM audit
                 WHERE number = 1",
            ],
            "record 2 is not what",
        ),
    ] {
        let hub = done();
        audit::seal_all(&hub.store, &[]).expect("sealed");
        for sql in &spoilt {
            spoil(&hub, sql);
        }
        let found = findings(&hub);
        assert!(found.iter().any(|one| one.contains(finding)), "{spoilt:?}: {found:?}");
    }

    let hub = done();
    audit::seal_all(&hub.store, &[]).expect("sealed");
    let whole = audit::verify(&hub.store, None).expect("verified");
    spoil(&hub, "DELETE FROM audit WHERE number = (SELECT MAX(number) FROM audit)");
    let found = audit::verify(&hub.store, Some((whole.records, whole.seal))).expect("verified");
    let missing = format!("record {} is missing", whole.records);
    assert!(found.findings.iter().any(|one| one.contains(&missing)), "{found:?}");
}

/// The database of yesterday is whole in itself, and so is one that went another way since; neither
/// fits the seal of today that was kept outside.
#[test]
fn h14_a_database_of_yesterday_does_not_fit_the_seal_that_was_kept() {
    let hub = done();
    audit::seal_all(&hub.store, &[]).expect("sealed");
    let yesterday = audit::verify(&hub.store, None).expect("verified");
    let release = |hub: &Hub, person: &str| {
        let what = What::Release { connection: "books".to_owned() };
        let decision = Decision { what, person: person.to_owned(), reason: "seen".to_owned() };
        let own = hub.clone();
        write(hub, move |tx| decisions::take(tx, &own, &decision, at(40))).expect("released");
        audit::seal_all(&hub.store, &[]).expect("sealed");
        audit::verify(&hub.store, None).expect("verified")
    };
    let today = release(&hub, "ben");
    assert_eq!((today.records, today.findings.len()), (yesterday.records + 1, 0));

    let restored = done();
    audit::seal_all(&restored.store, &[]).expect("sealed");
    let kept = Some((today.records, today.seal));
    let of_yesterday = audit::verify(&restored.store, kept.clone()).expect("verified");
    let by_itself = audit::verify(&restored.store, None).expect("verified");
    assert_eq!((by_itself.seal, by_itself.findings.len()), (yesterday.seal, 0));
    let missing = format!("record {} is missing", today.records);
    assert!(of_yesterday.findings[0].contains(&missing), "{of_yesterday:?}");
    release(&restored, "eve");
    let otherwise = audit::verify(&restored.store, kept).expect("verified");
    assert!(otherwise.findings[0].contains("not the one that was kept outside"), "{otherwise:?}");
}
