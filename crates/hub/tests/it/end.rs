//! §9.3 on the store itself: whatever the order and repetition of the messages of a sale, the end
//! is the same.

use proptest::prelude::*;
use trueup_domain::document::{Document, Payment, PaymentKind, PaymentStatus, Version};
use trueup_hub::Hub;
use trueup_store::{commands, documents, facts};

use crate::world::{
    ROOT, balances, hears, line, mapped, open_cases, order, payment, read, refund, settle, stating,
};

/// Placed, paid late, a line added, a price lowered, one line given back.
fn history() -> Vec<Document> {
    let pending =
        Payment { status: PaymentStatus::Pending, ..payment("p1", 1, PaymentKind::Sale, "10.00") };
    let back =
        Payment { refund: Some("r1".to_owned()), ..payment("b1", 1, PaymentKind::Refund, "5.00") };
    vec![
        order(1, vec![line("A1", "10.00")]).into(),
        pending.into(),
        payment("p1", 2, PaymentKind::Sale, "10.00").into(),
        order(2, vec![line("A1", "10.00"), line("B1", "5.00")]).into(),
        payment("p2", 1, PaymentKind::Sale, "5.00").into(),
        order(3, vec![line("A1", "9.00"), line("B1", "5.00")]).into(),
        refund("r1", "B1", "5.00", "b1").into(),
        back.into(),
    ]
}

#[derive(Debug, PartialEq)]
struct End {
    documents: Vec<Document>,
    standing: (String, String, Option<i64>, Option<String>),
    balances: Vec<(String, i64)>,
    items: Vec<String>,
    books: i64,
    cases: Vec<String>,
}

fn end(hub: &Hub) -> End {
    let root = read(hub, |tx| documents::find_root(tx, ROOT)).expect("a root");
    let stated = read(hub, |tx| documents::of_root(tx, ROOT));
    let items = read(hub, |tx| facts::items_of_root(tx, ROOT));
    assert!(read(hub, facts::unbalanced).is_empty());
    // Invoices less credit notes that are or will be in the books.
    let mut books = 0;
    for command in read(hub, |tx| commands::of_root(tx, ROOT)) {
        let total = command.content.total().map_or(0, |total| total.minor());
        match (command.kind.word(), command.state.as_str()) {
            (_, "withdrawn") => {}
            ("invoice", _) => books += total,
            ("credit_note", _) => books -= total,
            _ => {}
        }
    }
    End {
        documents: stated.into_iter().map(|(document, _)| document).collect(),
        standing: (root.number, root.state, root.amount, root.waiting),
        balances: balances(hub),
        items: items.iter().map(|one| format!("{:?}", one.item)).collect(),
        books,
        cases: open_cases(hub),
    }
}

/// Tells the messages one by one; `pauses` says after which of them the stages run.
fn tell(messages: &[Document], pauses: &[bool]) -> End {
    let hub = mapped();
    for (index, (document, pause)) in messages.iter().zip(pauses.iter().cycle()).enumerate() {
        let seconds = i64::try_from(index).expect("few") + 10;
        let name = format!("m{index}");
        hears(&hub, "shop", &name, stating(std::slice::from_ref(document)), seconds);
        if *pause {
            settle(&hub, seconds);
        }
    }
    settle(&hub, 100);
    end(&hub)
}

#[test]
fn the_straight_history_ends_as_it_should() {
    let end = tell(&history(), &[true]);
    assert_eq!(end.books, 900);
    let balances: Vec<(&str, i64)> =
        end.balances.iter().map(|(role, amount)| (role.as_str(), *amount)).collect();
    // Paid 15.00 for what is 14.00 now, 5.00 of it given back.
    let expected = [("clearing", 1000), ("receivable", -100), ("returns", 500), ("sales", -1400)];
    assert_eq!(balances, expected);
    assert_eq!(end.cases, ["overpaid"]);
    assert_eq!(end.documents.len(), 5);
    assert_eq!(end.documents[0].version(), Some(Version(3)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a5_any_order_and_repetition_ends_the_same(
        messages in Just([history(), history()].concat()).prop_shuffle(),
        pauses in prop::collection::vec(any::<bool>(), 1..9),
    ) {
        prop_assert_eq!(tell(&messages, &pauses), tell(&history(), &[true]));
    }
}
