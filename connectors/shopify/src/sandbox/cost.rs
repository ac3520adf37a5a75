//! What Shopify takes a query to cost before it carries it out.
//!
//! Shopify documents that an object costs a point and a connection is "sized by its first and last
//! arguments" (<https://shopify.dev/docs/api/usage/limits#calculating-query-cost>). How it is sized is
//! read off what a live shop said of 83 queries of orders: 68 come out to the point, and the others ask
//! for counts and customers as well (`captured_costs.json` holds 14 of them, from
//! airhorns/shopify-draft-proxy at 1fba7c1, Apache-2.0). A connection of `n` nodes costs two points
//! and, for what one node costs, twice the natural logarithm of `n`, rounded down. Sums of money are
//! free, lists cost as one object, and so does `nodes(ids:)`, however many are asked for.

use std::collections::BTreeMap;

use serde_json::Value;

/// A single query that costs more is refused.
pub const MOST: u64 = 1_000;

/// The requested cost; 0 for what is no query of ours.
pub fn requested(query: &str, variables: &Value) -> u64 {
    let mut words = Words::of(query);
    let (mut operation, mut fragments) = (Vec::new(), BTreeMap::new());
    while let Some(word) = words.next() {
        match word.as_str() {
            "fragment" => {
                let name = words.next().unwrap_or_default();
                words.skip_to("{");
                fragments.insert(name, words.selections());
            }
            "query" | "mutation" => {
                words.skip_to("{");
                operation = words.selections();
            }
            _ => {}
        }
    }
    Costs { fragments: &fragments, variables }.of(&operation)
}

/// What is selected, with what is selected of it.
enum Selected {
    Field { name: String, size: Option<String>, of: Vec<Selected> },
    Spread(String),
    Inline(Vec<Selected>),
}

struct Costs<'a> {
    fragments: &'a BTreeMap<String, Vec<Selected>>,
    variables: &'a Value,
}

impl Costs<'_> {
    fn of(&self, selections: &[Selected]) -> u64 {
        let mut sum = 0;
        // Of several types only one can be there.
        let mut dearest = 0;
        for selected in selections {
            match selected {
                Selected::Spread(name) => {
                    sum += self.fragments.get(name).map_or(0, |of| self.of(of));
                }
                Selected::Inline(of) => dearest = dearest.max(self.of(of)),
                Selected::Field { of, .. } if of.is_empty() => {}
                Selected::Field { name, size, of } => {
                    let nodes = nodes_of(of);
                    sum += match (self.size(size.as_deref()), nodes) {
                        (Some(size), Some(nodes)) => 2 + times(size) * (1 + self.of(nodes)),
                        _ if is_money(name) => 0,
                        _ => 1 + self.of(of),
                    };
                }
            }
        }
        sum + dearest
    }

    fn size(&self, size: Option<&str>) -> Option<u64> {
        match size?.strip_prefix('$') {
            Some(variable) => self.variables[variable].as_u64(),
            None => size?.parse().ok(),
        }
    }
}

/// `nodes { … }`, or `edges { node { … } }`.
fn nodes_of(of: &[Selected]) -> Option<&[Selected]> {
    of.iter().find_map(|selected| match selected {
        Selected::Field { name, of, .. } if name == "nodes" || name == "node" => Some(&of[..]),
        Selected::Field { name, of, .. } if name == "edges" => nodes_of(of),
        _ => None,
    })
}

fn is_money(name: &str) -> bool {
    name.ends_with("Set") || matches!(name, "shopMoney" | "presentmentMoney" | "price")
}

/// Twice the natural logarithm, rounded down, and at least one: the powers of the root of e.
fn times(size: u64) -> u64 {
    const FROM: [u64; 11] = [3, 5, 8, 13, 21, 34, 55, 91, 149, 245, 404];
    match size {
        0 => 0,
        _ => 1 + FROM.iter().filter(|from| size >= **from).count() as u64,
    }
}

/// The words and signs of a document.
struct Words(std::vec::IntoIter<String>);

impl Words {
    fn of(query: &str) -> Self {
        let mut words = Vec::new();
        let mut quoted = false;
        let mut word = String::new();
        for sign in query.chars() {
            match sign {
                '"' => quoted = !quoted,
                _ if quoted => {}
                _ if sign.is_alphanumeric() || matches!(sign, '_' | '$' | '-') => word.push(sign),
                _ => {
                    if !word.is_empty() {
                        words.push(std::mem::take(&mut word));
                    }
                    if matches!(sign, '{' | '}' | '(' | ')' | ':' | '.') {
                        words.push(sign.to_string());
                    }
                }
            }
        }
        Self(words.into_iter())
    }

    fn next(&mut self) -> Option<String> {
        self.0.next()
    }

    fn peek(&self) -> &str {
        self.0.as_slice().first().map_or("", String::as_str)
    }

    fn skip_to(&mut self, sign: &str) {
        while self.next().is_some_and(|word| word != sign) {}
    }

    /// Behind the `{`, up to its `}`.
    fn selections(&mut self) -> Vec<Selected> {
        let mut selections = Vec::new();
        while let Some(word) = self.next() {
            match word.as_str() {
                "}" => break,
                "." => {
                    while self.peek() == "." {
                        self.next();
                    }
                    let name = self.next().unwrap_or_default();
                    selections.push(if name == "on" {
                        self.skip_to("{");
                        Selected::Inline(self.selections())
                    } else {
                        Selected::Spread(name)
                    });
                }
                _ => selections.push(self.field(word)),
            }
        }
        selections
    }

    fn field(&mut self, mut name: String) -> Selected {
        // `other: name`
        if self.peek() == ":" {
            self.next();
            name = self.next().unwrap_or_default();
        }
        let mut size = None;
        if self.peek() == "(" {
            self.next();
            while let Some(word) = self.next().filter(|word| word != ")") {
                if matches!(word.as_str(), "first" | "last") && self.peek() == ":" {
                    self.next();
                    size = self.next();
                }
            }
        }
        let of = if self.peek() == "{" {
            self.next();
            self.selections()
        } else {
            Vec::new()
        };
        Selected::Field { name, size, of }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::conversation::{self, queries};

    #[test]
    fn a_query_costs_what_a_live_shop_said() {
        let captured: Value =
            serde_json::from_str(include_str!("captured_costs.json")).expect("JSON");
        let captured = captured.as_array().expect("queries");
        assert!(captured.len() > 10);
        for one in captured {
            let query = one["query"].as_str().expect("a text");
            assert_eq!(
                requested(query, &one["variables"]),
                one["cost"].as_u64().unwrap_or(0),
                "{query}"
            );
        }
    }

    #[test]
    fn no_query_of_ours_costs_more_than_shopify_allows() {
        let polled = conversation::polled_sizes();
        let read = conversation::read_sizes();
        assert_eq!(requested(&queries::orders(), &polled), 678);
        assert_eq!(requested(&queries::orders_by_id(), &read), 516);
        let others = [
            queries::listed_orders(),
            queries::owners(),
            queries::payouts(),
            queries::payouts_by_id(),
            queries::disputes(),
            queries::disputes_by_id(),
            queries::account_balance(),
            queries::webhooks(),
            queries::balance_transactions(),
            queries::balance_transactions_by_id(),
        ];
        for query in others {
            let cost = requested(&query, &json!({ "first": 100 }));
            assert!((1..100).contains(&cost), "{cost}: {query}");
        }
    }
}
