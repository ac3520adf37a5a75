//! What the report of clearing ties, where the usual way of one provider on one account is left.

use trueup_domain::document::{BooksRecord, Payment, PaymentKind, Version};
use trueup_domain::mapping::Gateway;
use trueup_domain::money::{Currency, Money};
use trueup_hub::Hub;
use trueup_hub::clearing::{self, Account, Wanted};
use trueup_hub::decode::BOOKS_RECORD;
use trueup_store::messages;

use crate::books::{Books, Fault};
use crate::reconcile::{row, tell};
use crate::talk::drain;
use crate::world::{
    approve, at, hub, line, mapping, money, order, payment, read, settle, states, write,
};

/// The books sum up what an account moved in June.
fn say(hub: &Hub, account: &str, amount: &str) {
    let id = format!("account_totals/1/EUR/{account}/2026-06-01");
    let date = Some(jiff::civil::date(2026, 6, 1));
    let record = BooksRecord::stated("account_totals", id, money(amount), Version(1));
    let record = BooksRecord { company: "1".to_owned(), date, ..record };
    let source = "sum".to_owned();
    write(hub, move |tx| messages::state(tx, "books", source, BOOKS_RECORD, &record, at(20)));
    settle(hub, 20);
}

fn report(hub: &Hub) -> Vec<Account> {
    let wanted = Wanted { month: jiff::civil::date(2026, 6, 1), entity: None };
    read(hub, |tx| clearing::build(tx, hub, &wanted, at(0))).accounts
}

/// The ties to the books: `closing [steps] unexplained`.
fn ties(hub: &Hub) -> Vec<String> {
    let accounts = report(hub).into_iter();
    let told = accounts.map(|account| {
        let tie = account.tie.expect("the books have said it");
        let steps = tie.steps.iter().map(|it| format!("{} {}", it.name, it.amount));
        let steps: Vec<String> = steps.collect();
        format!("{} [{}] {}", tie.from_total, steps.join(", "), tie.unexplained)
    });
    told.collect()
}

#[test]
fn two_providers_on_one_account_are_tied_to_it_together() {
    let hub = hub();
    let mut mapping = mapping();
    // The other provider's ledger is what the connection `bank` tells here.
    let wallet = Gateway { provider: Some("bank".to_owned()), ..mapping.gateways["card"].clone() };
    mapping.gateways.insert("wallet".to_owned(), wallet);
    mapping.accounts.insert("clearing".to_owned(), "C1".to_owned());
    approve(&hub, mapping, 0);
    let paid = payment("p2", 1, PaymentKind::Sale, "4.00");
    let paid = Payment { gateway: "wallet".to_owned(), ..paid };
    let sold = vec![
        order(1, vec![line("A1", "10.00")]).into(),
        payment("p1", 1, PaymentKind::Sale, "6.00").into(),
        paid.into(),
    ];
    states(&hub, &sold, 1);
    assert!(report(&hub).iter().all(|it| it.tie.is_none()), "the books have said nothing");
    drain(&hub, &mut Books::default(), 10);
    say(&hub, "C1", "10.50");
    // 6.00 and 4.00 are 10.00: half a euro too much is in the books.
    assert_eq!(
        ties(&hub),
        [
            "4.00 EUR [clearing of stripe on the same account -6.00 EUR] -0.50 EUR",
            "6.00 EUR [clearing of bank on the same account -4.00 EUR] -0.50 EUR",
        ]
    );
}

/// What the books date in another month is there, and not yet at the end of this one.
#[test]
fn v13_what_the_books_date_later_is_a_step_of_the_month_before() {
    let hub = hub();
    let mut mapping = mapping();
    mapping.accounts.insert("clearing".to_owned(), "C1".to_owned());
    approve(&hub, mapping, 0);
    let sold = vec![
        order(1, vec![line("A1", "10.00")]).into(),
        payment("p1", 1, PaymentKind::Sale, "10.00").into(),
    ];
    states(&hub, &sold, 1);
    let mut books = Books::with(&[Fault::Moves; 4]);
    drain(&hub, &mut books, 10);
    say(&hub, "C1", "0.00");
    assert_eq!(ties(&hub), ["10.00 EUR [capture: dated otherwise 10.00 EUR] 0.00 EUR"]);
}

/// A key can hold two currencies; each account is of one.
#[test]
fn e3_what_a_provider_states_in_another_currency_is_no_step_of_this_one() {
    let hub = hub();
    approve(&hub, mapping(), 0);
    let sold = vec![
        order(1, vec![line("A1", "10.00")]).into(),
        payment("p1", 1, PaymentKind::Sale, "10.00").into(),
    ];
    states(&hub, &sold, 1);
    let usd =
        |text: &str| Money::parse(text, Currency::parse("USD").expect("known")).expect("an amount");
    let mut told = row("p1", "10.00", "po1");
    (told.gross, told.fee, told.net) = (usd("11.00"), usd("0"), usd("11.00"));
    tell(&hub, "stripe", &[told.into()], 2);
    let accounts = report(&hub);
    let euros = accounts.iter().find(|it| it.currency.code() == "EUR").expect("it moved");
    let steps: Vec<String> =
        euros.owed.steps.iter().map(|it| format!("{} {}", it.name, it.amount)).collect();
    assert_eq!(steps, ["capture: amount differs 10.00 EUR"]);
    assert!(euros.owed.unexplained.is_zero(), "{:?}", euros.owed);
}
