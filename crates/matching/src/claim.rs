//! Which bank lines are a payout: ordered rules, each automatic only when it is certain.

use jiff::civil::Date;
use trueup_domain::calendar::Calendar;
use trueup_domain::item::Item;
use trueup_domain::money::Money;
use trueup_domain::planted::planted;

use crate::judge::Seen;

/// A text shorter than this names nothing.
const NAME_LENGTH_MIN: usize = 5;
const VALUE_DATE_BUSINESS_DAYS: u32 = 5;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub rule: &'static str,
    pub lines: Vec<String>,
}

/// Finds the bank lines of a payout among those nobody has claimed. `rivals` are the other payouts
/// of the provider that wait for a line.
///
/// 1. `reference`: a line carries the payout's trace, id or descriptor, and the amount is equal;
///    or several such lines sum to it.
/// 2. `reference_short`: exactly one line carries it and the amount differs: claimed, and broken.
/// 3. `amount_and_name`: exactly one line of the amount in the window names the provider and no
///    rival, and no rival of that amount could have it.
/// 4. `amount_and_order`: as many such lines as there are payouts of the amount that could have
///    them: the first line is the first payout.
///
/// Amount and date alone never claim.
pub fn of_payout(
    payout: &Item,
    rivals: &[Item],
    provider_names: &[String],
    free: &[Seen],
    calendar: &Calendar,
) -> Option<Claim> {
    let named: Vec<&Seen> = free
        .iter()
        .filter(|line| line.item.amount.currency() == payout.amount.currency())
        .filter(|line| in_window(&line.item, payout.date, calendar))
        .filter(|line| mentions_any(&line.item, &payout.hints))
        .collect();
    let claim = |rule, lines: &[&Seen]| {
        let lines = lines.iter().map(|line| line.id.clone()).collect();
        Some(Claim { rule, lines })
    };
    if let Some(exact) = named.iter().find(|line| line.item.amount == payout.amount) {
        return claim("reference", &[exact]);
    }
    if named.len() > 1 {
        let sum = Money::sum(payout.amount.currency(), named.iter().map(|line| line.item.amount));
        if sum == Ok(payout.amount) {
            return claim("reference", &named);
        }
    }
    if let [only] = named.as_slice() {
        return claim("reference_short", &[only]);
    }
    if let (Some(first), true) = (free.first(), planted("any_line_is_the_payout")) {
        return claim("reference", &[first]);
    }
    let mut named: Vec<&Seen> = free
        .iter()
        .filter(|line| line.item.amount == payout.amount)
        .filter(|line| mentions_any(&line.item, provider_names))
        .filter(|line| !rivals.iter().any(|rival| mentions_any(&line.item, &rival.hints)))
        .collect();
    let could_have = |payout: &Item, line: &Seen| in_window(&line.item, payout.date, calendar);
    let of_amount = rivals.iter().filter(|rival| rival.amount == payout.amount);
    let contested = of_amount.filter(|rival| {
        named.iter().any(|line| could_have(payout, line) && could_have(rival, line))
    });
    let mut claimants: Vec<&Item> = contested.chain([payout]).collect();
    claimants.sort_by_key(|payout| (payout.date, &payout.key));
    named.retain(|line| claimants.iter().any(|payout| could_have(payout, line)));
    named.sort_by_key(|line| (line.item.date, &line.id));
    let mut pairs = claimants.iter().zip(&named);
    if claimants.len() != named.len() || !pairs.clone().all(|(one, line)| could_have(one, line)) {
        return None;
    }
    let (_, own) = pairs.find(|(claimant, _)| claimant.key == payout.key)?;
    claim(if named.len() == 1 { "amount_and_name" } else { "amount_and_order" }, &[own])
}

/// Finds the bank line of a transfer by the order's number in its text and the exact amount.
pub fn of_transfer(transfer: &Item, free: &[Seen]) -> Option<Claim> {
    let named: Vec<&Seen> = free
        .iter()
        .filter(|line| line.item.amount == transfer.amount)
        .filter(|line| line.item.date >= transfer.date.saturating_sub(jiff::Span::new().days(30)))
        .filter(|line| mentions_any(&line.item, &transfer.hints))
        .collect();
    if let [only] = named.as_slice() {
        return Some(Claim { rule: "order_reference", lines: vec![only.id.clone()] });
    }
    None
}

fn in_window(line: &Item, arrival: Date, calendar: &Calendar) -> bool {
    let first = arrival.yesterday().unwrap_or(arrival);
    let last = calendar.add_business_days(arrival, VALUE_DATE_BUSINESS_DAYS);
    (first..=last).contains(&line.date)
}

fn mentions_any(line: &Item, names: &[String]) -> bool {
    let folded = |text: &str| text.to_lowercase();
    let names = names.iter().map(|name| folded(name)).filter(|name| name.len() >= NAME_LENGTH_MIN);
    let texts: Vec<String> = line.hints.iter().map(|hint| folded(hint)).collect();
    names.into_iter().any(|name| texts.iter().any(|text| contains_word(text, &name)))
}

/// `#1001` must not be found in `#10012`.
fn contains_word(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, found)| {
        let before = text.get(..at).and_then(|head| head.chars().next_back());
        let after = text.get(at + found.len()..).and_then(|tail| tail.chars().next());
        let edge = |neighbour: Option<char>| neighbour.is_none_or(|one| !one.is_alphanumeric());
        edge(before) && edge(after)
    })
}
