//! Deliveries that a person holds, and a database that was brought back.

use trueup_domain::document::{Document, PaymentKind};
use trueup_hub::Hub;
use trueup_hub::decisions::{self, Decision, Refusal, What};
use trueup_store::{Store, backup, holds};

use crate::books::Books;
use crate::talk::drain;
use crate::world::{
    ROOT, at, command_state, hub, line, mapped, mapping, open_cases, order, payment, read, states,
    write,
};

fn decide(hub: &Hub, what: What, reason: &str, seconds: i64) -> Result<&'static str, Refusal> {
    let decision = Decision { what, person: "ann".to_owned(), reason: reason.to_owned() };
    let own = hub.clone();
    write(hub, move |tx| decisions::take(tx, &own, &decision, at(seconds)))
}

fn hold(hub: &Hub, connection: &str, seconds: i64) -> Result<&'static str, Refusal> {
    decide(hub, What::Hold { connection: connection.to_owned() }, "Odoo is upgraded", seconds)
}

fn release(hub: &Hub, seconds: i64) -> Result<&'static str, Refusal> {
    decide(hub, What::Release { connection: "books".to_owned() }, "compared with Odoo", seconds)
}

fn sale() -> Vec<Document> {
    vec![
        order(1, vec![line("A1", "10.00")]).into(),
        payment("p1", 1, PaymentKind::Sale, "10.00").into(),
    ]
}

fn key(fact: &str) -> String {
    format!("test/{ROOT}/{fact}")
}

#[test]
fn what_is_held_waits_in_order_and_goes_out_once_when_it_is_released() {
    let hub = mapped();
    assert!(hold(&hub, "books", 1).is_ok());
    states(&hub, &sale(), 2);
    let mut books = Books::default();
    drain(&hub, &mut books, 10);
    assert!(books.asked.is_empty(), "nothing leaves");
    assert_eq!(command_state(&hub, "order/1/1"), "ready");
    assert_eq!(open_cases(&hub), ["connection_held"]);
    // Only a release ends it.
    let case = read(&hub, trueup_store::cases::open_cases).remove(0).id;
    for what in [What::Close { case: case.clone() }, What::Accept { case }] {
        assert!(decide(&hub, what, "why not", 11).is_err());
    }
    assert!(matches!(hold(&hub, "books", 12), Err(Refusal::NotApplicable(_))));
    assert!(
        matches!(hold(&hub, "shop", 12), Err(Refusal::NotApplicable(_))),
        "it delivers nothing"
    );
    assert!(matches!(hold(&hub, "nobody", 12), Err(Refusal::Unknown(_))));

    assert!(release(&hub, 20).is_ok());
    assert!(matches!(release(&hub, 21), Err(Refusal::NotApplicable(_))));
    drain(&hub, &mut books, 30);
    for fact in ["order/1/1", "invoice/1/1", "payment/p1/1"] {
        assert_eq!(books.times(&key(fact)), 1, "{fact}");
    }
    assert_eq!(open_cases(&hub), [""; 0]);
}

/// The backup knows nothing of what was delivered after it: the books do, by its key.
#[test]
fn c20_what_was_delivered_after_the_backup_is_found_and_not_made_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, copy) = (folder.path().join("first.sqlite"), folder.path().join("copy.sqlite"));
    let on = |path| Hub { store: Store::open_sqlite(path).expect("a store"), ..hub() };
    let hub = on(&first);
    crate::world::approve(&hub, mapping(), 0);
    states(&hub, &sale(), 1);
    backup::write(&first, &copy).expect("a backup");
    assert!(backup::write(&first, &copy).is_err(), "what exists is not written over");
    assert_eq!(backup::inspect(&copy).expect("sound").messages, 1);

    // Life goes on after it: the sale is delivered, and a second statement comes in.
    let mut books = Books::default();
    drain(&hub, &mut books, 10);
    let two = vec![line("A1", "10.00"), line("B1", "5.00")];
    states(&hub, &[order(2, two.clone()).into()], 20);
    drain(&hub, &mut books, 30);
    let made = books.records.len();
    assert!(made > 4, "the further line is invoiced, too: {made}");
    drop(hub);

    let back = on(&copy);
    let own = back.clone();
    let held = write(&back, move |tx| decisions::restored(tx, &own, "ann", "copy.sqlite", at(40)));
    assert_eq!(held, ["books"]);
    let asked = books.asked.len();
    drain(&back, &mut books, 50);
    assert_eq!(books.asked.len(), asked, "nothing leaves before a person says so");
    assert!(read(&back, |tx| holds::held(tx, "books")).is_some());

    // What came in since comes again, as a poll finds it.
    states(&back, &[order(2, two).into()], 60);
    assert!(release(&back, 70).is_ok());
    drain(&back, &mut books, 80);
    assert_eq!(books.records.len(), made, "each effect exists once");
    for fact in ["order/1/1", "invoice/1/1", "payment/p1/1", "reconciliation/p1/1"] {
        assert_eq!(command_state(&back, fact), "applied", "{fact}");
    }
    assert_eq!(open_cases(&back), [""; 0]);
}

#[test]
fn c10_a_file_that_is_no_sound_backup_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.sqlite");
    let copy = folder.path().join("copy.sqlite");
    drop(Store::open_sqlite(&path).expect("a store"));
    backup::write(&path, &copy).expect("a backup");
    let mut bytes = std::fs::read(&copy).expect("a file");
    let page = bytes.len() / 4096 / 2 * 4096;
    bytes[page..page + 4096].fill(0xA5);
    std::fs::write(&copy, &bytes).expect("written");
    assert!(backup::inspect(&copy).is_err(), "a damaged page");
    std::fs::write(&copy, b"not a database").expect("written");
    assert!(backup::inspect(&copy).is_err(), "no database");
    assert!(backup::inspect(&folder.path().join("none")).is_err(), "no file");
}

/// A copy that somebody made by hand runs beside the original, and nothing holds it: both deliver,
/// under the same keys, so each effect exists once.
#[test]
fn c21_two_copies_side_by_side_have_one_effect_together() {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, copy) = (folder.path().join("first.sqlite"), folder.path().join("copy.sqlite"));
    let on = |path| Hub { store: Store::open_sqlite(path).expect("a store"), ..hub() };
    let original = on(&first);
    crate::world::approve(&original, mapping(), 0);
    states(&original, &sale(), 1);
    backup::write(&first, &copy).expect("a backup");
    let clone = on(&copy);
    let mut books = Books::default();
    drain(&original, &mut books, 10);
    let made = books.records.clone();
    assert_eq!(made.len(), 4);
    drain(&clone, &mut books, 11);
    for seconds in [20, 21] {
        let two = vec![line("A1", "10.00"), line("B1", "5.00")];
        let hub = if seconds == 20 { &clone } else { &original };
        states(hub, &[order(2, two).into()], seconds);
        drain(hub, &mut books, seconds + 10);
    }
    for fact in ["order/1/1", "invoice/1/1", "payment/p1/1", "order/2/1", "invoice/2/1"] {
        for hub in [&original, &clone] {
            assert_eq!(command_state(hub, fact), "applied", "{fact}");
        }
    }
    let first_of = |key: &String| books.records.get(key);
    assert!(made.iter().all(|(key, record)| first_of(key) == Some(record)), "none was made anew");
    assert_eq!(books.records.len(), 6, "{:?}", books.records.keys());
}

/// Names are hashes of what they name: a store that was set back gives the same thing the same name,
/// and never a name that is taken to another.
#[test]
fn c26_names_do_not_begin_again_after_a_restore() {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, copy) = (folder.path().join("first.sqlite"), folder.path().join("copy.sqlite"));
    let on = |path| Hub { store: Store::open_sqlite(path).expect("a store"), ..hub() };
    let original = on(&first);
    crate::world::approve(&original, mapping(), 0);
    states(&original, &sale(), 1);
    backup::write(&first, &copy).expect("a backup");
    let names = |hub: &Hub| -> std::collections::BTreeSet<String> {
        let newest = read(hub, |tx| trueup_store::messages::newest(tx, "shop", 99));
        newest.into_iter().map(|one| one.id).collect()
    };
    let at_backup = names(&original);
    let say = |hub: &Hub, name: &str, lines, seconds| {
        let body = crate::world::stating(&[order(2, lines).into()]);
        crate::world::hears(hub, "shop", name, body, seconds);
    };
    let after = |hub: &Hub| names(hub).difference(&at_backup).cloned().collect::<Vec<_>>();
    say(&original, "w2", vec![line("A1", "11.00")], 2);
    let lost = after(&original);
    assert_eq!(lost.len(), 1);

    let back = on(&copy);
    say(&back, "w3", vec![line("A1", "12.00")], 3);
    let other = after(&back);
    assert_eq!(other.len(), 1);
    assert_ne!(other, lost, "the next name is not the one that was given before");
    say(&back, "w2", vec![line("A1", "11.00")], 4);
    assert!(after(&back).contains(&lost[0]), "what comes again has its name again");
}
