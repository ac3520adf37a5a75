//! What a message should have said, by one person, approved by another.

use trueup_domain::document::{Document, PaymentKind};
use trueup_hub::decisions::{self, Decision, Refusal, What};
use trueup_hub::replay::{self, Selection};
use trueup_hub::{Hub, corrections};
use trueup_store::corrections::{self as kept, Correction};
use trueup_store::{cases, doctor, documents, messages, values};

use crate::world::{
    ROOT, absorbed, answers, at, balances, hears, hinting, line, mapped, open_cases, order,
    payment, read, settle, states, stating, write,
};

fn decide(hub: &Hub, person: &str, what: What, seconds: i64) -> Result<&'static str, Refusal> {
    let decision = Decision { what, person: person.to_owned(), reason: "by phone".to_owned() };
    let own = hub.clone();
    let done = write(hub, move |tx| decisions::take(tx, &own, &decision, at(seconds)));
    settle(hub, seconds);
    done
}

fn propose(hub: &Hub, message: &str, body: Vec<u8>, seconds: i64) -> Result<&'static str, Refusal> {
    let text = String::from_utf8(body).expect("text");
    decide(hub, "Ann", What::Correct { message: message.to_owned(), text }, seconds)
}

/// What waits for who approves it.
fn proposed(hub: &Hub, message: &str) -> Correction {
    let all = read(hub, |tx| kept::of_message(tx, message));
    all.into_iter().rfind(|it| it.state == "proposed").expect("one that waits")
}

fn approve(
    hub: &Hub,
    person: &str,
    it: &Correction,
    seconds: i64,
) -> Result<&'static str, Refusal> {
    let what = What::Approve { correction: it.id.clone(), hash: it.body_hash.clone() };
    decide(hub, person, what, seconds)
}

fn newest(hub: &Hub) -> String {
    read(hub, |tx| messages::newest(tx, "shop", 1)).remove(0).id
}

fn state_of(hub: &Hub, message: &str) -> String {
    read(hub, |tx| messages::find(tx, message)).expect("kept").state
}

fn sold(version: i64, amount: &str) -> Vec<Document> {
    vec![order(version, vec![line("A1", amount)]).into()]
}

fn sales(hub: &Hub) -> i64 {
    balances(hub).iter().filter(|(role, _)| role == "sales").map(|(_, minor)| minor).sum()
}

fn is_refused(outcome: Result<&'static str, Refusal>, word: &str) {
    match outcome {
        Err(Refusal::NotApplicable(why)) => assert!(why.contains(word), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_cannot_be_read_is_read_as_two_people_say() {
    let hub = mapped();
    hears(&hub, "shop", "bad", b"{\"documents\": [".to_vec(), 1);
    settle(&hub, 2);
    assert_eq!(open_cases(&hub), ["undecodable"]);
    let message = newest(&hub);

    is_refused(propose(&hub, &message, b"still nothing".to_vec(), 3), "cannot be read");
    is_refused(propose(&hub, &message, hinting("order", "o1"), 3), "states nothing");
    propose(&hub, &message, stating(&sold(1, "10.00")), 4).expect("proposed");
    is_refused(propose(&hub, &message, stating(&sold(1, "10.00")), 5), "already");
    assert_eq!(open_cases(&hub), ["correction_proposed", "undecodable"]);
    assert_eq!((state_of(&hub, &message).as_str(), sales(&hub)), ("failed", 0), "nothing is read");

    let it = proposed(&hub, &message);
    is_refused(approve(&hub, " ann", &it, 6), "who proposed it");
    let other = Correction { body_hash: "of another".to_owned(), ..it.clone() };
    is_refused(approve(&hub, "ben", &other, 6), "what was seen");
    let case = read(&hub, cases::open_cases).remove(1);
    assert_eq!(case.subject, it.id);
    is_refused(
        decide(&hub, "ben", What::Accept { case: case.id.clone() }, 6),
        "approved or rejected",
    );
    is_refused(decide(&hub, "ben", What::Close { case: case.id }, 6), "waits");
    approve(&hub, "ben", &it, 7).expect("approved");
    assert_eq!((state_of(&hub, &message).as_str(), sales(&hub)), ("corrected", -1_000));
    assert_eq!(open_cases(&hub), [""; 0]);
    is_refused(approve(&hub, "ben", &it, 8), "approved by ben already");
    // What came in is as it came in, and what was said instead names both people.
    let raw = read(&hub, |tx| messages::find(tx, &message)).expect("kept");
    assert_eq!(raw.body, b"{\"documents\": [");
    let newest = newest(&hub);
    let made = read(&hub, |tx| kept::that_made(tx, &newest)).expect("the correction");
    assert_eq!((made.message, made.person, made.settled_by), (message, "Ann".into(), "ben".into()));
    assert_eq!(read(&hub, doctor::unsettled_messages), [""; 0]);
}

/// However he writes his name. Until there are accounts, a name is what a person says it is.
#[test]
fn h3_who_proposed_it_does_not_approve_it() {
    let hub = mapped();
    states(&hub, &sold(1, "10.00"), 1);
    let message = newest(&hub);
    propose(&hub, &message, stating(&sold(1, "12.00")), 2).expect("proposed");
    let it = proposed(&hub, &message);
    for name in ["Ann", "ann", " ANN "] {
        is_refused(approve(&hub, name, &it, 3), "who proposed it");
    }
    assert_eq!(sales(&hub), -1_000);
    approve(&hub, "ben", &it, 4).expect("approved");
    assert_eq!(sales(&hub), -1_200);
}

/// An approval is one of a text, by its hash: whatever became another text meanwhile, in the hands of
/// the approver or in the database, is not approved.
#[test]
fn h4_what_was_changed_since_it_was_seen_is_not_approved() {
    let hub = mapped();
    states(&hub, &sold(1, "10.00"), 1);
    let message = newest(&hub);
    propose(&hub, &message, stating(&sold(1, "12.00")), 2).expect("proposed");
    let it = proposed(&hub, &message);
    let another = Correction { body_hash: "0".repeat(64), ..it.clone() };
    is_refused(approve(&hub, "ben", &another, 3), "what was seen");

    propose(&hub, &message, stating(&sold(1, "99.00")), 3).expect("another");
    let other = proposed(&hub, &message);
    let put = |columns: &'static str| {
        let (it, other) = (it.id.clone(), other.id.clone());
        write(&hub, move |tx| {
            let sql = format!(
                "UPDATE corrections SET ({columns}) =
                     (SELECT {columns} FROM corrections WHERE id = $2) WHERE id = $1"
            );
            tx.execute(&sql, values![it, other])
        });
    };
    put("body");
    is_refused(approve(&hub, "ben", &it, 4), "what was seen");
    put("body, body_hash");
    is_refused(approve(&hub, "ben", &it, 5), "what was seen");
    assert_eq!((sales(&hub), state_of(&hub, &message).as_str()), (-1_000, "decoded"));
}

#[test]
fn what_a_source_states_wrongly_is_corrected_until_it_states_something_newer() {
    let hub = mapped();
    states(&hub, &sold(1, "10.00"), 1);
    let message = newest(&hub);
    let before = read(&hub, doctor::sizes);
    let body = stating(&sold(1, "12.00"));
    let plan = replay::if_it_said(&hub, &message, &body, at(2)).expect("planned").expect("known");
    assert_eq!((plan.volume()["EUR"], plan.documents.len()), (200, 1));
    assert_eq!(read(&hub, doctor::sizes), before, "a look writes nothing");

    propose(&hub, &message, body.clone(), 3).expect("proposed");
    approve(&hub, "ben", &proposed(&hub, &message), 4).expect("approved");
    assert_eq!(sales(&hub), -1_200);
    // The same once more, pushed or read: it was known when it was corrected.
    hears(&hub, "shop", "m5", stating(&sold(1, "10.00")), 5);
    settle(&hub, 5);
    answers(&hub, "order/o1", stating(&sold(1, "10.00")), 6, 7);
    settle(&hub, 7);
    assert_eq!(sales(&hub), -1_200);
    assert!(absorbed(&hub).contains(&("corrected".to_owned(), 2)), "{:?}", absorbed(&hub));
    // A replay of all of it leaves it in force.
    let all = replay::plan(&hub, &Selection::default(), at(8)).expect("planned").expect("known");
    assert!(all.is_empty(), "{all:?}");
    write(&hub, doctor::take_up_again);
    settle(&hub, 9);
    assert_eq!(sales(&hub), -1_200);
    is_refused(propose(&hub, &message, body.clone(), 10), "corrected already");
    // A correction can be wrong as well.
    let made = read(&hub, |tx| kept::of_message(tx, &message)).remove(0).made.expect("made");
    propose(&hub, &made, stating(&sold(1, "11.00")), 11).expect("proposed");
    approve(&hub, "ben", &proposed(&hub, &made), 12).expect("approved");
    assert_eq!((sales(&hub), state_of(&hub, &made).as_str()), (-1_100, "corrected"));

    states(&hub, &sold(2, "9.00"), 13);
    assert_eq!(sales(&hub), -900);
    assert_eq!(open_cases(&hub), [""; 0]);
}

#[test]
fn what_a_correction_must_not_do_is_refused() {
    let hub = mapped();
    let paid = Document::from(payment("p1", 1, PaymentKind::Sale, "10.00"));
    let both = [sold(1, "10.00").remove(0), paid];
    hears(&hub, "shop", "both", stating(&both), 1);
    settle(&hub, 1);
    let message = newest(&hub);
    is_refused(propose(&hub, &message, stating(&both), 2), "nothing else");
    is_refused(propose(&hub, &message, stating(&sold(1, "12.00")), 2), "not speak of payment p1");
    // What is decided by people, or only names an object, is not corrected.
    let decision = read(&hub, |tx| messages::newest(tx, decisions::CONNECTION, 9));
    assert_eq!(decision.len(), 0, "what is refused leaves nothing");
    hears(&hub, "shop", "hint", hinting("order", "o9"), 3);
    settle(&hub, 3);
    is_refused(propose(&hub, &newest(&hub), stating(&sold(1, "1.00")), 3), "states nothing");
    let unknown = propose(&hub, "nobody", stating(&both), 3);
    assert!(matches!(unknown, Err(Refusal::Unknown(_))), "{unknown:?}");

    // The source has been faster.
    let better = [sold(1, "12.00").remove(0), both[1].clone()];
    propose(&hub, &message, stating(&better), 4).expect("proposed");
    let it = proposed(&hub, &message);
    states(&hub, &sold(2, "13.00"), 5);
    is_refused(approve(&hub, "ben", &it, 6), "something newer");
    decide(&hub, "ben", What::Reject { correction: it.id.clone() }, 7).expect("rejected");
    assert_eq!((sales(&hub), open_cases(&hub)), (-1_300, Vec::new()));
    let it = read(&hub, |tx| kept::find(tx, &it.id)).expect("kept");
    assert_eq!((it.state.as_str(), it.settled_why.as_str()), ("rejected", "by phone"));
    assert_eq!(state_of(&hub, &message), "decoded");
    let stands = read(&hub, |tx| documents::of_root(tx, ROOT)).len();
    assert_eq!(stands, 2);
    assert!(corrections::is_same_person("Ann ", "ann"));
}

#[test]
fn of_two_corrections_one_is_approved() {
    let hub = mapped();
    states(&hub, &sold(1, "10.00"), 1);
    let message = newest(&hub);
    for (amount, seconds) in [("11.00", 2), ("12.00", 3)] {
        propose(&hub, &message, stating(&sold(1, amount)), seconds).expect("proposed");
    }
    assert_eq!(open_cases(&hub), ["correction_proposed"; 2]);
    approve(&hub, "ben", &proposed(&hub, &message), 4).expect("approved");
    assert_eq!((sales(&hub), open_cases(&hub)), (-1_200, Vec::new()));
    let states: Vec<String> =
        read(&hub, |tx| kept::of_message(tx, &message)).into_iter().map(|it| it.state).collect();
    assert_eq!(states, ["rejected", "approved"]);
}
