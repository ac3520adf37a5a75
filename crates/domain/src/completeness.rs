//! What a source lists of itself, held against what came here: the completeness ledger.
//!
//! A webhook is a hint and a poll is a cursor; both can lose an object without anybody noticing. A
//! list of what was made in a window, asked for on another road, cannot (`DESIGN.md` §1, RECEIVE).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::document::Version;
use crate::key;
use crate::money::{Currency, Money, MoneyError};

/// One object as a source names it in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    pub external_id: String,
    /// How new the source's object is, where the list tells.
    pub version: Option<Version>,
    /// What its document states as its amount, where the list tells.
    pub amount: Option<Money>,
}

/// One object as it is held here: the newest statement of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub external_id: String,
    pub version: Option<Version>,
    pub amount: Option<Money>,
    /// All that follows from it is done: decided, waiting for nothing, and what was asked of the
    /// books for it is proven.
    pub posted: bool,
}

/// Where a list and what is held do not agree. Each is sorted by external id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gap {
    /// Listed, and not here.
    pub missing: Vec<String>,
    /// Listed as newer than what is here.
    pub behind: Vec<String>,
    /// Listed with another amount than is here under the same version.
    pub unlike: Vec<String>,
    /// Here, and not listed.
    pub unlisted: Vec<String>,
}

impl Gap {
    /// What a read of the source would mend.
    pub fn to_read(&self) -> impl Iterator<Item = &str> {
        self.missing.iter().chain(&self.behind).chain(&self.unlike).map(String::as_str)
    }

    /// Everything that the source lists is here as it lists it.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.to_read().next().is_none()
    }
}

/// Holds a list against what is held of the same window.
#[must_use]
pub fn compare(listed: &[Listed], held: &[Held]) -> Gap {
    let here: BTreeMap<&str, &Held> = held.iter().map(|it| (it.external_id.as_str(), it)).collect();
    let there: BTreeMap<&str, &Listed> =
        listed.iter().map(|it| (it.external_id.as_str(), it)).collect();
    let mut gap = Gap::default();
    for (id, listed) in &there {
        let into = match here.get(id) {
            None => &mut gap.missing,
            Some(held) if is_behind(listed, held) => &mut gap.behind,
            Some(held) if is_unlike(listed, held) => &mut gap.unlike,
            Some(_) => continue,
        };
        into.push((*id).to_owned());
    }
    let unlisted = here.keys().filter(|id| !there.contains_key(*id));
    gap.unlisted = unlisted.map(|id| (*id).to_owned()).collect();
    gap
}

fn is_behind(listed: &Listed, held: &Held) -> bool {
    matches!((listed.version, held.version), (Some(there), Some(here)) if there > here)
}

/// A list that is older than what is here says nothing about its amount.
fn is_unlike(listed: &Listed, held: &Held) -> bool {
    let of_one_version = match (listed.version, held.version) {
        (Some(there), Some(here)) => there == here,
        _ => true,
    };
    of_one_version
        && matches!((listed.amount, held.amount), (Some(there), Some(here)) if there != here)
}

/// Count, sum and hash of some objects: equal totals of two sides are the same objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    pub count: u64,
    /// One sum for each currency.
    pub sums: Vec<Money>,
    /// Of the sorted external ids.
    pub hash: String,
}

impl Totals {
    /// # Errors
    /// A sum does not fit.
    pub fn of<'a>(
        objects: impl Iterator<Item = (&'a str, Option<Money>)>,
    ) -> Result<Self, MoneyError> {
        let mut ids = BTreeSet::new();
        let mut sums: BTreeMap<&'static str, Money> = BTreeMap::new();
        for (id, amount) in objects {
            if !ids.insert(id) {
                continue;
            }
            if let Some(amount) = amount {
                let currency: Currency = amount.currency();
                let sum = sums.entry(currency.code()).or_insert_with(|| Money::zero(currency));
                *sum = sum.checked_add(amount)?;
            }
        }
        let count = u64::try_from(ids.len()).unwrap_or(u64::MAX);
        let ids: Vec<&str> = ids.into_iter().collect();
        Ok(Self { count, sums: sums.into_values().collect(), hash: key::id(&ids) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EUR: &str = "EUR";

    fn eur(minor: i64) -> Option<Money> {
        Some(Money::from_minor(minor, Currency::parse(EUR).unwrap()))
    }

    fn listed(id: &str, version: i64, minor: i64) -> Listed {
        Listed { external_id: id.to_owned(), version: Some(Version(version)), amount: eur(minor) }
    }

    fn held(id: &str, version: i64, minor: i64) -> Held {
        Held {
            external_id: id.to_owned(),
            version: Some(Version(version)),
            amount: eur(minor),
            posted: true,
        }
    }

    #[test]
    fn what_is_listed_and_held_alike_is_whole() {
        let gap = compare(
            &[listed("a", 1, 10), listed("b", 2, 20)],
            &[held("b", 2, 20), held("a", 1, 10)],
        );
        assert_eq!(gap, Gap::default());
        assert!(gap.is_whole());
    }

    #[test]
    fn each_difference_has_its_place() {
        let there = [
            listed("alike", 1, 10),
            listed("behind", 3, 10),
            listed("missing", 1, 10),
            listed("newer-here", 1, 10),
            listed("unlike", 1, 10),
        ];
        let here = [
            held("alike", 1, 10),
            held("behind", 2, 10),
            held("newer-here", 2, 99),
            held("unlike", 1, 11),
            held("unlisted", 1, 10),
        ];
        let gap = compare(&there, &here);
        assert_eq!(gap.missing, ["missing"]);
        assert_eq!(gap.behind, ["behind"]);
        assert_eq!(gap.unlike, ["unlike"]);
        assert_eq!(gap.unlisted, ["unlisted"]);
        assert!(!gap.is_whole());
        let unlisted = Gap { unlisted: vec!["x".to_owned()], ..Gap::default() };
        assert!(unlisted.is_whole(), "a read of the source would not bring what it does not list");
    }

    #[test]
    fn what_the_list_does_not_tell_is_not_compared() {
        let bare = Listed { external_id: "a".to_owned(), version: None, amount: None };
        assert!(compare(&[bare], &[held("a", 1, 10)]).is_whole());
    }

    #[test]
    fn totals_count_each_object_once_and_each_currency_apart() {
        let jpy = Some(Money::from_minor(7, Currency::parse("JPY").unwrap()));
        let objects = [("b", eur(10)), ("a", jpy), ("b", eur(10)), ("c", eur(-3)), ("d", None)];
        let totals = Totals::of(objects.into_iter()).unwrap();
        assert_eq!(totals.count, 4);
        let sums: Vec<String> = totals.sums.iter().map(ToString::to_string).collect();
        assert_eq!(sums, ["0.07 EUR", "7 JPY"]);
        let turned = [("d", None), ("c", eur(-3)), ("a", jpy), ("b", eur(10))];
        assert_eq!(Totals::of(turned.into_iter()).unwrap(), totals);
        assert_ne!(Totals::of([("a", None)].into_iter()).unwrap().hash, totals.hash);
    }
}
