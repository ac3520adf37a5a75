//! What is paid and what is open in Odoo after each story, document by document: the receivable
//! says in one sum what a bookkeeper reads on each invoice, credit note and payment.

mod common;

use std::collections::BTreeMap;

use common::road::{ENVIRONMENT, Road, SHOP_US};
use common::till::Till;
use common::{Books, Played, Real, cents, set_up};
use serde_json::{Value, json};
use trueup_domain::command::CommandKind;
use trueup_domain::document::{Document, Order, Restock};
use trueup_domain::money::Currency;
use trueup_odoo::sandbox::OdooSandbox;

struct Case {
    /// The order's number at the channel, too.
    name: &'static str,
    story: fn(&Till) -> Vec<Vec<Document>>,
    /// Each document and payment: the command that made it, its total, what Odoo calls it, what is
    /// open on it; and of a payment its day.
    open: &'static [&'static str],
}

fn till(name: &str) -> Till {
    let currency = Currency::parse("USD").expect("a currency");
    Till { order: name.to_owned(), currency, included: false, place: ("US", Some("NY")) }
}

/// Two units at 25.00 in New York.
fn two_tees(till: &Till) -> Order {
    till.order(vec![till.goods("TEE-S", 2, "25.00", &[till.tax("0.08875", "4.44")])], Vec::new())
}

/// The order above, paid by card, and one unit of it refunded.
fn refunded(till: &Till) -> Vec<Vec<Document>> {
    let back = till.given_back("TEE-S", 1, "25.00", "2.22", Restock::Returned);
    let refund = till.refund(vec![back], Vec::new(), &["b1"]);
    vec![
        vec![two_tees(till).into(), till.paid("p1", "stripe", "54.44")],
        vec![refund, till.back("b1", "stripe", "27.22").into()],
    ]
}

const CASES: &[Case] = &[
    Case {
        name: "refunded",
        story: refunded,
        open: &[
            "credit_note r1/1: 27.22 paid, open 0.00",
            "invoice 1/1: 54.44 paid, open 0.00",
            "payment b1/1: 27.22 outbound on 2026-11-05, open 0.00",
            "payment p1/1: 54.44 inbound on 2026-11-02, open 0.00",
        ],
    },
    Case {
        name: "e5 failed",
        story: |till| {
            let mut story = refunded(till);
            story.push(till.taken_back("b1", "27.22"));
            story
        },
        open: &[
            "credit_note r1/1: 27.22 not_paid, open -27.22",
            "invoice 1/1: 54.44 paid, open 0.00",
            "payment b1/1: 27.22 outbound on 2026-11-05, open 0.00",
            "payment b1/failed/1: 27.22 inbound on 2026-11-09, open 0.00",
            "payment p1/1: 54.44 inbound on 2026-11-02, open 0.00",
        ],
    },
    Case {
        name: "e5 failed and made again",
        story: |till| {
            let mut story = refunded(till);
            story.push(till.taken_back("b1", "27.22"));
            story.push(vec![till.back("b2", "stripe", "27.22").into()]);
            story
        },
        open: &[
            "credit_note r1/1: 27.22 paid, open 0.00",
            "invoice 1/1: 54.44 paid, open 0.00",
            "payment b1/1: 27.22 outbound on 2026-11-05, open 0.00",
            "payment b1/failed/1: 27.22 inbound on 2026-11-09, open 0.00",
            "payment b2/1: 27.22 outbound on 2026-11-05, open 0.00",
            "payment p1/1: 54.44 inbound on 2026-11-02, open 0.00",
        ],
    },
    Case {
        name: "e5 made again before anybody told that it failed",
        story: |till| {
            let mut story = refunded(till);
            story.push(vec![till.back("b2", "stripe", "27.22").into()]);
            story.push(till.taken_back("b1", "27.22"));
            story
        },
        open: &[
            "credit_note r1/1: 27.22 paid, open 0.00",
            "invoice 1/1: 54.44 paid, open 0.00",
            "payment b1/1: 27.22 outbound on 2026-11-05, open 0.00",
            "payment b1/failed/1: 27.22 inbound on 2026-11-09, open 0.00",
            "payment b2/1: 27.22 outbound on 2026-11-05, open 0.00",
            "payment p1/1: 54.44 inbound on 2026-11-02, open 0.00",
        ],
    },
    Case {
        name: "a price raised after the money",
        story: |till| {
            let order = two_tees(till);
            let dearer = till.changed(&order, |order| {
                order.lines = vec![till.goods("TEE-S", 2, "30.00", &[till.tax("0.08", "4.80")])];
            });
            vec![vec![order.into(), till.paid("p1", "stripe", "54.44")], vec![dearer.into()]]
        },
        open: &[
            "invoice 1/1: 54.44 reversed, open 0.00",
            "invoice 1/1/rev: 54.44 paid, open 0.00",
            "invoice 1/2: 64.80 partial, open 10.36",
            "payment p1/1: 54.44 inbound on 2026-11-02, open 0.00",
        ],
    },
    Case {
        name: "a price lowered after the money and the difference refunded",
        story: lowered,
        open: &[
            "invoice 1/1: 54.44 reversed, open 0.00",
            "invoice 1/1/rev: 54.44 paid, open 0.00",
            "invoice 1/2: 43.20 paid, open 0.00",
            "payment b1/1: 11.24 outbound on 2026-11-05, open 0.00",
            "payment p1/1: 54.44 inbound on 2026-11-02, open 0.00",
        ],
    },
    Case {
        name: "the same told at once",
        story: |till| vec![lowered(till).concat()],
        open: &[
            "invoice 1/1: 43.20 paid, open 0.00",
            "payment b1/1: 11.24 outbound on 2026-11-05, open 0.00",
            "payment p1/1: 54.44 inbound on 2026-11-02, open 0.00",
        ],
    },
    Case {
        name: "the refund told before the lower price",
        story: |till| {
            let mut story = lowered(till);
            story.swap(1, 2);
            story
        },
        open: &[
            "credit_note r1/1: 11.24 paid, open 0.00",
            "credit_note r1/1/rev: 11.24 reversed, open 0.00",
            "invoice 1/1: 54.44 reversed, open 0.00",
            "invoice 1/1/rev: 54.44 paid, open 0.00",
            "invoice 1/2: 43.20 paid, open 0.00",
            "payment b1/1: 11.24 outbound on 2026-11-05, open 0.00",
            "payment p1/1: 54.44 inbound on 2026-11-02, open 0.00",
        ],
    },
    Case {
        name: "a unit taken off before any money and a price lowered after it",
        story: |till| {
            let order = two_tees(till);
            let back = till.given_back("TEE-S", 1, "25.00", "2.22", Restock::Cancelled);
            let cheaper = till.changed(&order, |order| {
                order.lines = vec![till.goods("TEE-S", 2, "20.00", &[till.tax("0.08", "3.20")])];
            });
            vec![
                vec![order.into()],
                vec![till.refund(vec![back], Vec::new(), &[])],
                vec![cheaper.into()],
            ]
        },
        open: &[
            "credit_note r1/1: 27.22 paid, open 0.00",
            "invoice 1/1: 54.44 reversed, open 0.00",
            "invoice 1/1/rev: 54.44 paid, open 0.00",
            "invoice 1/2: 43.20 partial, open 15.98",
        ],
    },
];

/// The order above, paid; then a unit costs 20.00, and the channel gives the difference back as a
/// refund without lines, as its discrepancy.
fn lowered(till: &Till) -> Vec<Vec<Document>> {
    let order = two_tees(till);
    let cheaper = till.changed(&order, |order| {
        order.lines = vec![till.goods("TEE-S", 2, "20.00", &[till.tax("0.08", "3.20")])];
    });
    let difference = till.adjustment(None, "11.24", "0.00");
    vec![
        vec![order.into(), till.paid("p1", "stripe", "54.44")],
        vec![cheaper.into()],
        vec![
            till.refund(Vec::new(), vec![difference], &["b1"]),
            till.back("b1", "stripe", "11.24").into(),
        ],
    ]
}

fn text(minor: i64) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", minor.abs() / 100, minor.abs() % 100)
}

fn id(value: &Value) -> i64 {
    value.as_i64().or_else(|| value[0].as_i64()).expect("an id")
}

/// What is open on the receivable lines of a move; debit is positive.
fn residual(books: &dyn Books, own: i64) -> i64 {
    let domain = json!([["move_id", "=", own], ["account_type", "=", "asset_receivable"]]);
    let lines = books.read("account.move.line", domain, &["amount_residual_currency"]);
    lines.iter().map(|line| cents(&line["amount_residual_currency"])).sum()
}

fn told(books: &dyn Books, road: &Road, case: &Case) -> Vec<String> {
    let root = format!("{SHOP_US}/sale/{}", case.name);
    let mut told = BTreeMap::new();
    for command in road.commands(&root) {
        let done = ["applied", "withdrawn"].contains(&command.state.as_str());
        assert!(done, "{root}: {} is {}: {:?}", command.key, command.state, command.error);
        let cases = road.cases(&format!("command/{}", command.key));
        assert_eq!(cases, [""; 0], "{}", command.key);
        let key = command.key.strip_prefix(&format!("{ENVIRONMENT}/{root}/")).expect("its root");
        // The words of the order's own number.
        let key = key.replace(&format!("{}-", case.name), "").replacen('/', " ", 1);
        let own = |of: &str| -> i64 {
            command.binding.as_deref().and_then(|it| it.parse().ok()).unwrap_or_else(|| {
                panic!("{of} {:?}", command.binding);
            })
        };
        let words = match command.kind {
            _ if command.state == "withdrawn" => continue,
            CommandKind::Invoice | CommandKind::CreditNote => {
                let domain = json!([["id", "=", own("a move")]]);
                let fields = ["amount_total", "payment_state"];
                let it = books.read("account.move", domain, &fields).remove(0);
                let state = it["payment_state"].as_str().expect("a word").to_owned();
                let open = text(residual(books, own("a move")));
                format!("{} {state}, open {open}", text(cents(&it["amount_total"])))
            }
            CommandKind::Payment => {
                let domain = json!([["id", "=", own("a payment")]]);
                let fields = ["amount", "payment_type", "move_id", "date"];
                let it = books.read("account.payment", domain, &fields).remove(0);
                let open = text(residual(books, id(&it["move_id"])));
                let (kind, day) = (it["payment_type"].as_str(), it["date"].as_str());
                let (kind, day) = (kind.expect("a word"), day.expect("a day"));
                format!("{} {kind} on {day}, open {open}", text(cents(&it["amount"])))
            }
            _ => continue,
        };
        told.insert(key.clone(), format!("{key}: {words}"));
    }
    told.into_values().collect()
}

fn check(books: &mut dyn Books) {
    let (us, eu) = set_up(books);
    let mut road = Road::new(&us, &eu);
    let stories: Vec<_> = CASES.iter().map(|case| (case.story)(&till(case.name))).collect();
    for round in 0..stories.iter().map(Vec::len).max().unwrap_or(0) {
        for story in &stories {
            if let Some(documents) = story.get(round) {
                road.tell(SHOP_US, documents);
            }
        }
        road.deliver(books);
    }
    let mut wrong = Vec::new();
    for case in CASES {
        let seen = told(books, &road, case);
        if seen != case.open {
            wrong.push(format!("{}: {seen:#?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}: {}", books.name(), wrong.join("\n"));
}

#[test]
fn what_is_open_in_the_sandbox() {
    check(&mut Played(OdooSandbox::bare()));
}

#[test]
fn what_is_open_in_the_real_odoo() {
    let Some(mut real) = Real::fresh("open") else { return };
    check(&mut real);
}
