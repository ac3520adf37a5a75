//! What happens when the Odoo behind the address is not the one that it was.

mod common;

use std::collections::BTreeMap;

use common::road::{Road, SHOP_US};
use common::till::Till;
use common::{Books, Played, Real, set_up};
use jiff::Timestamp;
use serde_json::json;
use trueup_connect::{Request, Settings};
use trueup_domain::document::Document;
use trueup_domain::money::Currency;
use trueup_hub::decisions::What;
use trueup_odoo::sandbox::OdooSandbox;
use trueup_odoo::setup;
use trueup_store::cases;

/// A sale to a buyer whom the shop knows.
fn sale_to(id: &str, buyer: &str, name: &str) -> Vec<Document> {
    let mut documents = sale(name);
    for document in &mut documents {
        if let Document::Order(order) = document
            && let Some(own) = &mut order.buyer
        {
            (own.id, own.name) = (Some(id.to_owned()), Some(buyer.to_owned()));
        }
    }
    documents
}

fn sale(name: &str) -> Vec<Document> {
    let currency = Currency::parse("USD").expect("a currency");
    let till =
        Till { order: name.to_owned(), currency, included: false, place: ("US", Some("NY")) };
    let goods = till.goods("TEE-S", 2, "25.00", &[till.tax("0.08875", "4.44")]);
    vec![till.order(vec![goods], Vec::new()).into(), till.paid("p1", "stripe", "54.44")]
}

fn fingerprint(books: &mut dyn Books) -> String {
    let mut call = |request: &Request| books.send(request, false);
    setup::identity(&mut call, &Settings::default(), 1).expect("it has a company")
}

fn pin(road: &mut Road, fingerprint: &str) {
    let pinned = (trueup_odoo::settings::FINGERPRINT.to_owned(), fingerprint.to_owned());
    road.set(Settings(BTreeMap::from([pinned])));
}

/// States of the commands of an order, with how many there are.
fn states(road: &Road, order: &str) -> BTreeMap<String, usize> {
    let mut states = BTreeMap::new();
    for command in road.commands(&format!("{SHOP_US}/sale/{order}")) {
        *states.entry(command.state).or_insert(0) += 1;
    }
    states
}

fn is_done(road: &Road, order: &str) -> bool {
    let states = states(road, order);
    states.contains_key("applied") && states.len() == 1
}

fn open(road: &Road) -> impl Iterator<Item = cases::Case> {
    road.hub.store.read(cases::open_cases).expect("readable").into_iter()
}

fn detail(road: &Road) -> String {
    open(road).filter(|case| case.subject == "odoo").map(|case| case.detail).collect()
}

fn orders(books: &dyn Books) -> usize {
    books.read("sale.order", json!([]), &["name"]).len()
}

/// Another database answers: it gets nothing, nothing is read from it, and nothing fails; when the
/// pinned one is back all goes on.
fn another_answers(books: &mut dyn Books, other: &mut dyn Books) {
    let (us, eu) = set_up(books);
    let mut road = Road::new(&us, &eu);
    let (own, its) = (fingerprint(books), fingerprint(other));
    assert_ne!(own, its);
    pin(&mut road, &own);
    road.poll();
    road.tell(SHOP_US, &sale("first"));
    road.deliver(books);
    assert!(is_done(&road, "first"), "{}: {:?}", books.name(), states(&road, "first"));

    let before = (orders(books), orders(other));
    road.wait(1);
    road.tell(SHOP_US, &sale("second"));
    road.rounds(other, 3);
    assert_eq!(orders(other), before.1, "{}: nothing is delivered", books.name());
    assert_eq!(road.cases("odoo"), ["another_target"]);
    let told = detail(&road);
    assert!(told.contains(&own) && told.contains(&its), "{told}");
    assert!(states(&road, "second").keys().all(|state| state == "ready" || state == "waiting"));
    // It cannot be taken for the right one: a person may only have it asked again.
    road.decide(What::Retry { about: "odoo".to_owned() }).expect("it can be asked");
    road.rounds(other, 1);
    assert_eq!(orders(other), before.1);
    assert_eq!(road.cases("odoo"), ["another_target"]);
    let case = open(&road).find(|case| case.kind == "another_target").expect("open").id;
    assert!(road.decide(What::Accept { case: case.clone() }).is_err());
    assert!(road.decide(What::Close { case }).is_err());

    road.rounds(books, 3);
    assert!(is_done(&road, "second"), "{}: {:?}", books.name(), states(&road, "second"));
    assert_eq!(orders(books), before.0 + 1);
    assert_eq!(road.cases("odoo"), [""; 0]);
}

fn another() -> Timestamp {
    "2026-02-03T04:05:06Z".parse().expect("a moment")
}

#[test]
fn b18_another_database_gets_nothing_while_we_run() {
    let mut other = OdooSandbox::new_demo();
    other.made_anew(another());
    another_answers(&mut Played(OdooSandbox::new_demo()), &mut Played(other));
    let Some(mut books) = Real::fresh("b18") else { return };
    let mut other = Real::fresh("b18_other").expect("announced");
    other.0.sql("UPDATE res_company SET create_date = '2026-02-03 04:05:06' WHERE id = 1");
    another_answers(&mut books, &mut other);
}

/// It was upgraded while we ran: a field is gone.
#[test]
fn b19_an_odoo_that_was_upgraded_and_lacks_a_field_gets_nothing_until_it_is_mended() {
    let mut books = Played(OdooSandbox::new_demo());
    let (us, eu) = set_up(&mut books);
    let mut road = Road::new(&us, &eu);
    road.poll();
    road.tell(SHOP_US, &sale("first"));
    road.deliver(&mut books);
    let before = orders(&books);

    // With no other version it would be noticed within the hour.
    books.0.upgrade("19.1", Some(("account.move", "invoice_date_due")));
    road.tell(SHOP_US, &sale("second"));
    road.rounds(&mut books, 2);
    assert_eq!(orders(&books), before, "nothing is delivered");
    assert_eq!(road.cases("odoo"), ["target_unfit"]);
    let told = detail(&road);
    assert!(told.contains("Odoo 19.1 has no account.move.invoice_date_due"), "{told}");
    assert!(states(&road, "second").keys().all(|state| state == "ready" || state == "waiting"));

    books.0.upgrade("20.0", None);
    road.rounds(&mut books, 2);
    assert_eq!(orders(&books), before, "nothing is delivered");
    assert!(detail(&road).contains("Odoo 20.0 does not speak JSON-2"), "{}", detail(&road));

    books.0.upgrade("19.2", None);
    road.rounds(&mut books, 2);
    assert!(is_done(&road, "second"), "{:?}", states(&road, "second"));
    assert_eq!(road.cases("odoo"), [""; 0]);

    // Without another version it is noticed within the hour.
    books.0.upgrade("19.2", Some(("sale.order", "client_order_ref")));
    road.wait(61);
    road.rounds(&mut books, 1);
    assert_eq!(road.cases("odoo"), ["target_unfit"]);
}

/// What we take for there is there.
#[test]
fn b19_an_odoo_as_it_is_lacks_nothing() {
    let mut all: Vec<Box<dyn Books>> = vec![Box::new(Played(OdooSandbox::new_demo()))];
    if let Some(real) = Real::fresh("b19") {
        all.push(Box::new(real));
    }
    for books in &mut all {
        let task = trueup_connect::Task::Identify { known: None, made: Vec::new() };
        let outcome = common::drive(&mut **books, &task);
        let found = outcome.unwrap_or_else(|error| panic!("{}: {error}", books.name())).identity;
        assert!(found.expect("a version").found.starts_with("19."), "{}", books.name());
    }
}

/// The drill of a restored Odoo: what was made after the backup is told as one thing to decide,
/// nothing is delivered before somebody did, and then each of it is made again, once.
fn brought_back<B: Books, C>(
    mut books: B,
    back_up: impl Fn(&mut B) -> C,
    bring_back: impl Fn(&mut B, C),
) {
    let name = books.name();
    let books = &mut books;
    let (us, eu) = set_up(books);
    let mut road = Road::new(&us, &eu);
    road.poll();
    road.tell(SHOP_US, &sale("before"));
    road.deliver(books);
    road.rounds(books, 2);
    let copy = back_up(books);
    let lost = ["lost1", "lost2", "lost3"];
    for order in lost {
        road.tell(SHOP_US, &sale(order));
    }
    road.deliver(books);
    assert!(lost.iter().all(|order| is_done(&road, order)), "{name}");
    let ends = |books: &B| (orders(books), common::trial_balance(books, 1));
    let whole = ends(books);
    let keys = |road: &Road| -> Vec<(String, String)> {
        let all = lost.iter().flat_map(|order| road.commands(&format!("{SHOP_US}/sale/{order}")));
        all.map(|command| (command.key, command.state)).collect()
    };
    let made = keys(&road);

    bring_back(books, copy);
    let set_back = ends(books);
    assert_ne!(set_back, whole, "{name}");
    road.tell(SHOP_US, &sale("after"));
    road.rounds(books, 3);
    assert_eq!(ends(books), set_back, "{name}: nothing is delivered before somebody decides");
    assert_eq!(road.cases("odoo"), ["connection_held"], "{name}");
    let gone: Vec<cases::Case> = open(&road).filter(|it| it.kind == "gone_from_books").collect();
    // An order, an invoice and a payment each.
    assert_eq!(gone.len(), 9, "{name}: {gone:?}");
    let one = &gone[0];
    assert!(!one.cause.is_empty() && gone.iter().all(|it| it.cause == one.cause), "{name}");
    let missing = open(&road).filter(|it| it.kind == "missing_in_books");
    let missing = missing.map(|it| it.subject).filter(|it| it.contains("lost"));
    let missing: Vec<String> = missing.collect();
    assert_eq!(missing, [""; 0], "{name}: it is told once");

    road.decide(What::Retry { about: one.cause.clone() }).expect("it can be made again");
    road.rounds(books, 2);
    assert_eq!(ends(books), set_back, "{name}: nothing is delivered before it is released");
    road.decide(What::Release { connection: "odoo".to_owned() }).expect("it is held");
    road.deliver(books);
    road.rounds(books, 3);
    assert_eq!(keys(&road), made, "{name}: under the same keys");
    assert!(is_done(&road, "after") && is_done(&road, "before"), "{name}");
    let left: Vec<String> =
        open(&road).map(|case| format!("{} {}", case.kind, case.subject)).collect();
    let ours = |it: &&String| it.contains("books") || it.contains("odoo");
    assert_eq!(left.iter().filter(ours).collect::<Vec<_>>(), Vec::<&String>::new(), "{name}");
    let (count, balance) = ends(books);
    assert_eq!(count, whole.0 + 1, "{name}: each once");
    // Four sales like the one that was there at the backup.
    let of_one = |at: &str| whole.1.get(at).copied().unwrap_or_default() / 4;
    for (account, sum) in &balance {
        assert_eq!(*sum, of_one(account) * 5, "{name}: {account}");
    }
    let links = road.document_links(&["before", "lost1", "lost2", "lost3", "after"]);
    assert!(links.iter().all(|link| link == "proven"), "{name}: {links:?}");
}

#[test]
fn b17_an_odoo_brought_back_from_a_backup_gets_what_is_gone_once_after_somebody_decided() {
    brought_back(
        Played(OdooSandbox::new_demo()),
        |books| books.0.clone(),
        |books, copy| books.0 = copy,
    );
    let Some(books) = Real::fresh("b17") else { return };
    brought_back(books, |books| books.0.back_up(), |books, ()| books.0.bring_back());
}

/// One right is taken away while we run: what needs it waits, the rest goes on, and when it is given
/// back all of it goes by itself.
fn a_right_is_missing<B: Books>(mut books: B, allow: impl Fn(&mut B, bool)) {
    let name = books.name();
    let books = &mut books;
    let (us, eu) = set_up(books);
    let mut road = Road::new(&us, &eu);
    road.poll();
    road.tell(SHOP_US, &sale("first"));
    road.deliver(books);
    allow(books, false);
    road.tell(SHOP_US, &sale("second"));
    road.rounds(books, 4);
    let mut standing: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for command in road.commands(&format!("{SHOP_US}/sale/second")) {
        standing.entry(command.state).or_default().push(command.kind.word().to_owned());
    }
    let of = |state: &str| standing.get(state).cloned().unwrap_or_default();
    assert_eq!(of("ready"), ["payment"], "{name}: {standing:?}");
    assert_eq!(of("waiting"), ["reconciliation"], "{name}");
    assert!(of("applied").contains(&"invoice".to_owned()), "{name}: the rest goes on");
    assert_eq!(road.cases("odoo"), [""; 0], "{name}: the connection is not suspended");
    let told: Vec<cases::Case> = open(&road).filter(|it| it.kind == "right_missing").collect();
    let [case] = told.as_slice() else { panic!("{name}: {told:?}") };
    assert_eq!(case.subject, "odoo/right/create account.payment", "{name}");
    assert!(road.decide(What::Accept { case: case.id.clone() }).is_err());
    // However long it lasts, nothing fails; what comes after it goes on as well.
    road.tell(SHOP_US, &sale("third"));
    road.rounds(books, 100);
    for order in ["second", "third"] {
        assert!(
            !states(&road, order).contains_key("refused"),
            "{name}: {:?}",
            states(&road, order)
        );
        assert_eq!(states(&road, order).get("ready"), Some(&1), "{name}");
    }

    allow(books, true);
    road.rounds(books, 7);
    assert!(is_done(&road, "second") && is_done(&road, "third"), "{name}");
    assert!(open(&road).all(|it| it.kind != "right_missing"), "{name}");
}

#[test]
fn b13_a_right_that_is_missing_stops_only_what_needs_it() {
    a_right_is_missing(Played(OdooSandbox::new_demo()), |books, allowed| {
        books.0.deny("account.payment", !allowed);
    });
    let Some(books) = Real::fresh("b13") else { return };
    a_right_is_missing(books, |books, allowed| {
        let of = json!([["model_id.model", "=", "account.payment"]]);
        let rights = books.0.admin().read("ir.model.access", of, &["perm_create"]);
        let ids: Vec<&serde_json::Value> = rights.iter().map(|right| &right["id"]).collect();
        let vals = json!({ "ids": ids, "vals": { "perm_create": allowed } });
        books.0.admin().call("ir.model.access", "write", vals).expect("an administrator may");
    });
}

/// What the books refuse in the end has no effect: the draft that was made before they did does not
/// stay, where somebody might post it beside what takes its place.
fn refused_in_the_end(mut books: Box<dyn Books>) {
    let name = books.name();
    let books = &mut *books;
    let (us, eu) = set_up(books);
    let mut road = Road::new(&us, &eu);
    road.poll();
    road.tell(SHOP_US, &sale("first"));
    road.deliver(books);
    assert!(is_done(&road, "first"), "{name}");
    let of = json!([["display_type", "=", "product"], ["move_id.move_type", "=", "out_invoice"]]);
    let lines = books.read("account.move.line", of, &["account_id"]);
    let account = lines[0]["account_id"][0].clone();
    let archive = |books: &mut dyn Books, archived: bool| {
        let body = json!({ "ids": [account], "vals": { "active": !archived } });
        let request = Request::post_json("/json/2/account.account/write", &body);
        let reply = books.send(&request, true).expect("answered");
        assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    };
    let invoices = |books: &dyn Books| -> Vec<String> {
        let of = json!([["move_type", "=", "out_invoice"]]);
        let found = books.read("account.move", of, &["state"]);
        found.iter().filter_map(|it| Some(it["state"].as_str()?.to_owned())).collect()
    };
    archive(books, true);
    road.tell(SHOP_US, &sale("second"));
    road.deliver(books);
    let told: Vec<cases::Case> = open(&road).filter(|case| case.kind == "refused").collect();
    let [case] = told.as_slice() else { panic!("{name}: {told:?}") };
    assert!(case.detail.contains("is archived"), "{name}: {}", case.detail);
    assert!(!case.detail.contains("is left"), "{name}: {}", case.detail);
    assert_eq!(invoices(books), ["posted"], "{name}: no draft is left");

    archive(books, false);
    road.decide(What::Retry { about: case.id.clone() }).expect("it can be tried again");
    road.deliver(books);
    assert!(is_done(&road, "second"), "{name}: {:?}", states(&road, "second"));
    assert_eq!(invoices(books), ["posted"; 2], "{name}");
}

#[test]
fn b8_what_is_refused_in_the_end_leaves_no_draft() {
    refused_in_the_end(Box::new(Played(OdooSandbox::new_demo())));
    let Some(books) = Real::fresh("b8") else { return };
    refused_in_the_end(Box::new(books));
}

/// Somebody merges the contact that we made into another one. What names it next is refused; the
/// customer is then found under what he is now, by itself.
fn a_contact_is_merged<B: Books>(mut books: B, merge: impl Fn(&mut B, i64, i64)) {
    let name = books.name();
    let books = &mut books;
    let (us, eu) = set_up(books);
    let mut road = Road::new(&us, &eu);
    road.poll();
    road.tell(SHOP_US, &sale_to("7", "Kim Doe", "first"));
    road.tell(SHOP_US, &sale_to("8", "K. Doe", "other"));
    road.deliver(books);
    assert!(is_done(&road, "first") && is_done(&road, "other"), "{name}");
    let contact = |books: &B, reference: &str| -> i64 {
        let of = json!([["ref", "=", format!("{SHOP_US}/{reference}")]]);
        let found = books.read("res.partner", of, &["name"]);
        found.first().and_then(|it| it["id"].as_i64()).unwrap_or_default()
    };
    let (from, into) = (contact(books, "7"), contact(books, "8"));
    merge(books, from, into);
    road.wait(5);
    road.tell(SHOP_US, &sale_to("7", "Kim Doe", "second"));
    road.rounds(books, 4);
    let told: Vec<String> =
        open(&road).filter(|it| it.kind == "refused").map(|it| it.detail).collect();
    assert!(told.is_empty(), "{name}: {told:?}");
    assert!(is_done(&road, "second"), "{name}: {:?}", states(&road, "second"));
    let partners: Vec<i64> = books
        .read("sale.order", json!([]), &["partner_id"])
        .iter()
        .filter_map(|it| it["partner_id"][0].as_i64())
        .collect();
    assert_eq!(partners, [into; 3], "{name}");
}

#[test]
fn d16_a_contact_that_was_merged_is_found_under_what_it_is_now() {
    a_contact_is_merged(Played(OdooSandbox::new_demo()), |books, from, into| {
        books.0.merge_contacts(from, into);
    });
    let Some(books) = Real::fresh("merged") else { return };
    a_contact_is_merged(books, |books, from, into| {
        let wizard = json!({ "vals_list": [{
            "state": "selection", "partner_ids": [[6, 0, [from, into]]], "dst_partner_id": into,
        }] });
        let model = "base.partner.merge.automatic.wizard";
        let made = books.0.admin().call(model, "create", wizard).expect("an administrator may");
        books.0.admin().call(model, "action_merge", json!({ "ids": made })).expect("merged");
    });
}
