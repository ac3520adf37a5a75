//! What was taken in is read and decided again, after a correction.

use trueup_domain::document::{Document, Order, PaymentKind};
use trueup_hub::Hub;
use trueup_hub::decisions::{self, Decision, Refusal};
use trueup_hub::replay::{self, Plan, Selection};
use trueup_store::{commands, decisions as kept, doctor, documents, messages};

use crate::books::{Books, Fault};
use crate::talk::drain;
use crate::world::{
    ROOT, approve, at, balances, before_the_correction, command_state, hears, line, mapped,
    mapping, open_cases, order, payment, read, settle, states, stating, write,
};

fn plan(hub: &Hub, selection: &Selection) -> Plan {
    replay::plan(hub, selection, at(900)).expect("planned").expect("something is known")
}

fn about(id: &str) -> Selection {
    Selection { about: Some(id.to_owned()), ..Selection::default() }
}

fn apply(hub: &Hub, plan: &Plan, reason: &str) -> Result<&'static str, Refusal> {
    let reason = reason.to_owned();
    let decision = Decision { what: plan.decision(), person: "ann".to_owned(), reason };
    let own = hub.clone();
    let done = write(hub, move |tx| decisions::take(tx, &own, &decision, at(1_000)));
    settle(hub, 1_001);
    done
}

fn sales() -> Vec<Document> {
    let other = Order { id: "o2".to_owned(), ..order(1, vec![line("B1", "5.00")]) };
    vec![
        order(1, vec![line("A1", "10.00")]).into(),
        payment("p1", 1, PaymentKind::Sale, "10.00").into(),
        other.into(),
    ]
}

/// A hub whose first order was read as 9.00, and delivered so.
fn misread() -> Hub {
    let hub = mapped();
    let before = before_the_correction(&hub);
    let sales = sales();
    states(&before, &sales[..2], 1);
    states(&before, &sales[2..], 2);
    drain(&before, &mut Books::with(&[]), 10);
    settle(&before, 20);
    assert_eq!(command_state(&hub, "order/1/1"), "applied");
    hub
}

#[test]
fn a_corrected_connector_changes_what_it_had_read_wrong_and_nothing_else() {
    let hub = misread();
    let all = Selection::default();
    let sizes = read(&hub, doctor::sizes);
    let planned = plan(&hub, &all);
    assert_eq!(read(&hub, doctor::sizes), sizes, "a plan writes nothing");
    assert_eq!(planned, plan(&hub, &all), "and is the same again");
    let changed: Vec<&str> = planned.documents.iter().map(|it| it.document.as_str()).collect();
    assert_eq!(changed, ["shop/order/o1"]);
    assert!(!planned.documents[0].new);
    let [change] = &planned.changes[..] else { panic!("{:?}", planned.changes) };
    assert_eq!(change.root, ROOT);
    let [entry] = &change.entries[..] else { panic!("{:?}", change.entries) };
    assert_eq!((entry.reverses, entry.books), (Some(1), Some(2)));
    let money: Vec<(&str, i64)> =
        planned.money.iter().map(|it| (it.role.as_str(), it.minor)).collect();
    assert_eq!(money, [("receivable", 100), ("sales", -100)]);
    assert_eq!(planned.volume()["EUR"], 100);
    // By its order it is the same plan, and by the other order none.
    assert_eq!(plan(&hub, &about(ROOT)).changes, planned.changes);
    assert!(plan(&hub, &about("shop/sale/o2")).is_empty());

    assert!(matches!(apply(&hub, &planned, " "), Err(Refusal::Incomplete(_))));
    let before = balances(&hub);
    apply(&hub, &planned, "the price was misread").expect("applied");
    let sales = |all: &[(String, i64)]| -> i64 {
        all.iter().filter(|(role, _)| role == "sales").map(|(_, minor)| minor).sum()
    };
    assert_eq!(sales(&balances(&hub)) - sales(&before), -100);
    // What was announced is what came of it, command by command.
    for announced in &change.commands {
        let found = read(&hub, |tx| commands::find(tx, &announced.key)).expect("announced");
        let comes = matches!(found.state.as_str(), "waiting" | "ready");
        assert!(announced.change == "send" && comes, "{announced:?} is {}", found.state);
    }
    let kept = read(&hub, |tx| kept::about(tx, &planned.id));
    assert_eq!((kept[0].kind.as_str(), kept[0].person.as_str()), ("replay", "ann"));
    let again = plan(&hub, &all);
    assert!(again.is_empty(), "{again:?}");
    assert!(matches!(apply(&hub, &again, "once more"), Err(Refusal::NotApplicable(_))));
}

#[test]
fn only_a_replay_that_says_so_moves_a_sale_to_another_mapping() {
    let hub = mapped();
    states(&hub, &sales(), 1);
    let mut other = mapping();
    for gateway in other.gateways.values_mut() {
        gateway.provider = Some("adyen".to_owned());
    }
    approve(&hub, other, 5);
    settle(&hub, 6);
    let shop = Selection { connection: Some("shop".to_owned()), ..Selection::default() };
    assert!(plan(&hub, &shop).is_empty(), "a sale keeps the mapping that it was booked by");
    let remap = plan(&hub, &Selection { remap: true, ..shop.clone() });
    assert_eq!(remap.documents, []);
    let roots: Vec<&str> = remap.changes.iter().map(|it| it.root.as_str()).collect();
    assert_eq!(roots, [ROOT], "the other sale has no payment");
    let moved: Vec<(&str, i64)> =
        remap.money.iter().map(|it| (it.qualifier.as_str(), it.minor)).collect();
    assert_eq!(moved, [("adyen", 1_000), ("stripe", -1_000)]);
    apply(&hub, &remap, "settled by another provider").expect("applied");
    let pinned = read(&hub, |tx| documents::find_root(tx, ROOT)).expect("the sale");
    assert_eq!(pinned.mapping_version, Some(2));
    assert!(plan(&hub, &Selection { remap: true, ..shop }).is_empty());
}

#[test]
fn what_could_not_be_read_is_listed_and_read() {
    let hub = mapped();
    let before = before_the_correction(&hub);
    let mut paid = payment("p1", 1, PaymentKind::Sale, "10.00");
    paid.parent = Some("new".to_owned());
    states(&before, &[order(1, vec![line("B1", "10.00")]).into()], 1);
    hears(&before, "shop", "m2", stating(&[paid.into()]), 2);
    settle(&before, 3);
    assert_eq!(open_cases(&hub), ["undecodable"]);
    assert_eq!(plan(&before, &Selection::default()).unreadable, [], "it could not be read before");
    let case = read(&hub, trueup_store::cases::open_cases).remove(0);
    let planned = plan(&hub, &about(&case.id));
    assert_eq!(planned.readable, std::slice::from_ref(&case.subject));
    assert!(planned.documents[0].new);
    assert_eq!(planned.changes.len(), 1);
    apply(&hub, &planned, "the new kind is known").expect("applied");
    assert_eq!(open_cases(&hub), [""; 0]);
    let message = read(&hub, |tx| messages::find(tx, &case.subject)).expect("the message");
    assert_eq!((message.state.as_str(), message.error_code), ("decoded", None));
}

/// H24, the other way: a version that cannot read what was read takes nothing out of force.
#[test]
fn h24_what_cannot_be_read_any_more_is_told_and_stays() {
    let hub = mapped();
    let mut paid = payment("p1", 1, PaymentKind::Sale, "10.00");
    paid.parent = Some("new".to_owned());
    states(&hub, &[order(1, vec![line("B1", "10.00")]).into(), paid.into()], 1);
    let worse = before_the_correction(&hub);
    let planned = plan(&worse, &Selection::default());
    assert_eq!(planned.unreadable.len(), 1);
    assert!(planned.is_empty(), "{planned:?}");
    assert_eq!(planned.size(), 0);
    assert!(replay::plan(&hub, &about("nothing"), at(900)).expect("planned").is_none());
}

/// B30: what the books hold, or held until a person deleted it, is not asked for again.
#[test]
fn b30_a_replay_sends_nothing_that_was_applied_before() {
    let hub = mapped();
    states(&hub, &sales(), 1);
    let mut books = Books::with(&[]);
    drain(&hub, &mut books, 10);
    settle(&hub, 20);
    let asked = books.asked.len();
    assert!(asked > 0);
    let planned = plan(&hub, &Selection::default());
    assert!(planned.messages > 1 && planned.roots > 2, "it is about all of it");
    assert!(planned.is_empty(), "{planned:?}");
    write(&hub, doctor::take_up_again);
    settle(&hub, 30);
    drain(&hub, &mut books, 40);
    assert_eq!(books.asked.len(), asked);
}

/// A file may name an object twice: read again, it says what it said.
#[test]
fn a_message_that_states_an_object_twice_is_replayed_in_silence() {
    let hub = mapped();
    let row = |version: i64, price: &str| Document::from(order(version, vec![line("B1", price)]));
    for (at, versions) in [(1, [1, 2]), (3, [4, 3]), (5, [5, 5])] {
        let stated = [row(versions[0], "10.00"), row(versions[1], "12.00")];
        hears(&hub, "shop", &format!("m{at}"), stating(&stated), at);
        settle(&hub, at + 1);
    }
    let stands = || {
        let all = read(&hub, |tx| documents::of_root(tx, ROOT));
        all.into_iter().map(|(document, _)| document).collect::<Vec<_>>()
    };
    let before = stands();
    assert_eq!(before, [row(5, "10.00")], "the first one of a tie");
    let planned = plan(&hub, &Selection::default());
    assert_eq!(planned.messages, 3);
    assert!(planned.is_empty(), "{planned:?}");
    let messages = read(&hub, |tx| {
        let wanted = messages::Wanted { connection: "shop", ..messages::Wanted::default() };
        messages::of_the_past(tx, &wanted, (i64::MIN, ""), 10)
    });
    let ids: Vec<String> = messages.into_iter().map(|past| past.message.id).collect();
    write(&hub, move |tx| messages::take_up_again(tx, &ids));
    settle(&hub, 10);
    assert_eq!(stands(), before);
}

/// A time, a kind and a connection narrow it.
#[test]
fn a_replay_is_about_what_was_selected() {
    let hub = misread();
    let narrow = |kind: &str, from: i64| Selection {
        connection: Some("shop".to_owned()),
        kind: Some(kind.to_owned()),
        from: Some(at(from)),
        before: Some(at(from + 1)),
        ..Selection::default()
    };
    assert_eq!(plan(&hub, &narrow("till", 1)).changes.len(), 1);
    assert_eq!(plan(&hub, &narrow("till/said", 1)).changes.len(), 1);
    assert_eq!(plan(&hub, &narrow("til", 1)).messages, 0);
    assert_eq!(plan(&hub, &narrow("till", 3)).messages, 0);
    let bank = Selection { connection: Some("bank".to_owned()), ..Selection::default() };
    assert_eq!(plan(&hub, &bank).messages, 0);
}

/// A quarter is replayed whose periods have been closed since: what would change is shown first, each
/// of its documents is made once, where the books put it is told, and the rest is left alone.
#[test]
fn f4_a_replay_over_closed_periods_makes_only_what_differs_and_tells_where() {
    let hub = misread();
    let quarter = Selection::default();
    let planned = plan(&hub, &quarter);
    let [change] = &planned.changes[..] else { panic!("{:?}", planned.changes) };
    let announced: Vec<&str> = change.commands.iter().map(|it| it.key.as_str()).collect();
    assert!(!announced.is_empty());
    apply(&hub, &planned, "the price was misread").expect("applied");
    let mut books = Books::with(&[Fault::Moves; 40]);
    for seconds in [1_100, 2_000, 3_000] {
        drain(&hub, &mut books, seconds);
    }
    let mut asked: Vec<&str> = books
        .asked
        .iter()
        .filter(|(path, _)| path == "/do")
        .flat_map(|(_, keys)| keys.iter().map(String::as_str))
        .collect();
    asked.sort_unstable();
    let mut expected = announced.clone();
    expected.sort_unstable();
    assert_eq!(asked, expected, "what was announced, each once, and nothing else");
    assert!(open_cases(&hub).contains(&"date_moved".to_owned()), "{:?}", open_cases(&hub));
    let again = plan(&hub, &quarter);
    assert!(again.is_empty(), "{again:?}");
    let before = books.asked.len();
    drain(&hub, &mut books, 9_000);
    assert_eq!(books.asked.len(), before);
}
