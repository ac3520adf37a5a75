//! Items in few words.

use jiff::civil::{Date, date};
use trueup_domain::Money;
use trueup_domain::calendar::Calendar;
use trueup_domain::item::{Item, ItemKind, Side};
use trueup_domain::money::Currency;
use trueup_matching::Seen;

pub fn money(text: &str) -> Money {
    Money::parse(text, Currency::parse("EUR").expect("a currency")).expect("an amount")
}

/// A day of June 2026; the first is a Monday.
pub fn june(day: i8) -> Date {
    date(2026, 6, day)
}

/// Whit Monday is a holiday of the bank in these tests, on the 8th.
pub fn calendar() -> Calendar {
    Calendar::new([june(8)])
}

pub fn item(side: Side, kind: ItemKind, key: &str, amount: &str, day: i8, due: Option<i8>) -> Item {
    Item {
        side,
        kind,
        key: key.to_owned(),
        amount: money(amount),
        date: june(day),
        due: due.map(june),
        hints: Vec::new(),
    }
}

pub fn seen(id: &str, item: Item) -> Seen {
    Seen { id: id.to_owned(), root: format!("root/{id}"), item }
}

pub fn bank_line(id: &str, amount: &str, day: i8, text: &str) -> Seen {
    let mut item =
        item(Side::Bank, ItemKind::BankLine, &format!("line/acc/{id}"), amount, day, None);
    item.hints = vec![text.to_owned()];
    seen(id, item)
}

pub fn payout(id: &str, amount: &str, day: i8, hints: &[&str]) -> Seen {
    let key = format!("bank/stripe/{id}");
    let mut item = item(Side::Settlement, ItemKind::Payout, &key, amount, day, Some(day + 2));
    item.hints = hints.iter().map(|hint| (*hint).to_owned()).collect();
    seen(id, item)
}
