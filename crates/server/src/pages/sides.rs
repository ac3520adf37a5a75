//! What each of the four sides states about the same keys, and where they differ.

use trueup_store::facts::SideTotal;
use trueup_store::scopes::Alike;

use crate::format;

/// One kind of thing, with the amount of each side.
pub struct Row {
    pub name: &'static str,
    /// Channel, books, provider, bank; a dash where the side has no say in it.
    pub cells: Vec<String>,
    pub difference: String,
    /// A status word: the shape and colour of the difference.
    pub class: &'static str,
    /// What the difference is made of; empty when every key is proven.
    pub note: String,
}

/// Whose money, in which currency.
pub struct Place<'a> {
    pub entity: &'a str,
    pub currency: &'a str,
}

const SIDES: [&str; 4] = ["channel", "books", "settlement", "bank"];

/// The first word of the keys, what they are about, and the sides that must state them.
const COMPARED: [(&str, &str, [bool; 4]); 9] = [
    ("order", "Sold", [true, true, false, false]),
    ("tax", "Tax in it", [true, true, false, false]),
    ("refund", "Refunds agreed", [true, true, false, false]),
    ("capture", "Taken via provider", [true, true, true, false]),
    ("capture_transfer", "Taken by transfer", [true, true, false, true]),
    ("capture_tender", "Taken otherwise", [true, true, false, false]),
    ("refund_paid", "Given back via provider", [true, true, true, false]),
    ("refund_paid_transfer", "Given back by transfer", [true, true, false, true]),
    ("refund_paid_tender", "Given back otherwise", [true, true, false, false]),
];

pub fn rows(place: &Place<'_>, totals: &[SideTotal], scopes: &[Alike]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (word, name, sides) in COMPARED {
        let judged = Judged::of(scopes, place, word);
        let stated = |side: &str| {
            let own = totals.iter().find(|total| {
                total.entity == place.entity
                    && total.currency == place.currency
                    && total.word == word
                    && total.side == side
            });
            own.map(|total| total.amount)
        };
        if stated("channel").is_none() {
            continue;
        }
        let mut amounts = [None; 4];
        for ((amount, side), required) in amounts.iter_mut().zip(SIDES).zip(sides) {
            if required {
                // A bank line carries a key of its own; the verdict says which was claimed.
                let claimed = || if side == "bank" { judged.observed } else { 0 };
                *amount = Some(stated(side).unwrap_or_else(claimed));
            }
        }
        rows.push(row(name, amounts, place.currency, &judged));
    }
    let paid_out = Judged::of(scopes, place, "bank");
    if paid_out.any {
        let amounts = [None, None, Some(paid_out.expected), Some(paid_out.observed)];
        rows.push(row("Paid out", amounts, place.currency, &paid_out));
    }
    rows
}

/// How the keys of one word stand.
#[derive(Default)]
struct Judged {
    any: bool,
    not_due: i64,
    broken: i64,
    /// Not to be compared, for a reason that has a case or a rule.
    explained: i64,
    expected: i64,
    observed: i64,
}

impl Judged {
    fn of(scopes: &[Alike], place: &Place<'_>, word: &str) -> Self {
        let mut judged = Self::default();
        let own = scopes.iter().filter(|scope| {
            scope.word == word && scope.entity == place.entity && scope.currency == place.currency
        });
        for scope in own {
            judged.any = true;
            judged.expected = judged.expected.saturating_add(scope.amount);
            let observed = match scope.status.as_str() {
                "proven" => scope.amount,
                "broken" => {
                    judged.broken += scope.count;
                    scope.amount.saturating_add(scope.difference)
                }
                "not_applicable" => {
                    judged.explained += scope.count;
                    0
                }
                _ => {
                    judged.not_due += scope.count;
                    0
                }
            };
            judged.observed = judged.observed.saturating_add(observed);
        }
        judged
    }
}

fn row(name: &'static str, amounts: [Option<i64>; 4], currency: &str, judged: &Judged) -> Row {
    let mut stated = amounts.into_iter().flatten();
    let first = stated.next().unwrap_or(0);
    let differences = stated.map(|amount| amount.saturating_sub(first));
    let difference = differences.max_by_key(|difference| difference.abs()).unwrap_or(0);
    let parts = [
        (judged.broken, "broken"),
        (judged.not_due, "not due"),
        (judged.explained, "not compared"),
    ];
    let mut note: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    // Keys that agree and totals that do not: the books of an older sale are not ours.
    let older = note.is_empty() && difference != 0;
    if older {
        note.push("sold earlier".to_owned());
    }
    Row {
        name,
        cells: amounts
            .iter()
            .map(|amount| amount.map_or("–".to_owned(), |it| format::amount(it, currency)))
            .collect(),
        difference: format::amount(difference, currency),
        class: match (judged.broken, judged.not_due, judged.explained) {
            (1.., _, _) => "broken",
            (_, 1.., _) => "not_due",
            (_, _, 1..) if difference != 0 => "not_applicable",
            _ if older => "not_applicable",
            _ => "proven",
        },
        note: note.join(", "),
    }
}
