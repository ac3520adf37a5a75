//! What the hub found against what was planted. Only this comparison knows the planted list.

use std::collections::BTreeMap;

use serde::Serialize;
use trueup_hub::report::Report;
use trueup_sandbox::Planted;

/// The outcome of the demo: exactly what was planted, nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Planted, and not found.
    pub missed: Vec<String>,
    /// Found, and not planted.
    pub surplus: Vec<String>,
}

impl Comparison {
    pub fn is_exact(&self) -> bool {
        self.missed.is_empty() && self.surplus.is_empty()
    }
}

pub fn compare(planted: &Planted, report: &Report) -> Comparison {
    let mut comparison = Comparison::default();
    let mut expected: BTreeMap<(String, String), i64> = BTreeMap::new();
    for one in &planted.open {
        *expected.entry(open_name(one.kind, one.minor, one.currency)).or_default() += 1;
    }
    for case in &report.open {
        let (minor, currency) =
            case.amount.map_or((0, ""), |it| (it.minor(), it.currency().code()));
        *expected.entry(open_name(&case.kind, minor, currency)).or_default() -= 1;
    }
    for (kind, times) in &planted.absorbed {
        let times = i64::try_from(*times).unwrap_or(i64::MAX);
        *expected.entry(("absorbed".to_owned(), (*kind).to_owned())).or_default() += times;
    }
    for one in &report.absorbed {
        *expected.entry(("absorbed".to_owned(), one.kind.clone())).or_default() -= 1;
    }
    for ((list, name), left) in expected {
        let text = format!("{list}: {name} ×{}", left.abs());
        match left {
            1.. => comparison.missed.push(text),
            0 => {}
            _ => comparison.surplus.push(text),
        }
    }
    comparison
}

fn open_name(kind: &str, minor: i64, currency: &str) -> (String, String) {
    ("open".to_owned(), format!("{kind} {minor} {currency}"))
}
