//! The variance bridge: two totals obtained apart, every step between them, and what is left.

use serde::Serialize;
use trueup_domain::money::{Money, MoneyError};

/// One named step: a sum of items or breaks with evidence, which raises A against B.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    pub name: String,
    pub amount: Money,
    pub count: usize,
    /// Keys, rows or records that make the amount.
    pub evidence: Vec<String>,
}

/// `unexplained = A − B − Σ steps` (`DESIGN.md` §9.9). A and B come from their sides' own
/// statements, never from our items.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bridge {
    pub name: String,
    pub from: String,
    pub from_total: Money,
    pub to: String,
    pub to_total: Money,
    pub steps: Vec<Step>,
    pub unexplained: Money,
}

pub fn bridge(
    name: impl Into<String>,
    (from, from_total): (impl Into<String>, Money),
    (to, to_total): (impl Into<String>, Money),
    steps: Vec<Step>,
) -> Result<Bridge, MoneyError> {
    let explained = Money::sum(from_total.currency(), steps.iter().map(|step| step.amount))?;
    let unexplained = from_total.checked_sub(to_total)?.checked_sub(explained)?;
    let steps = steps.into_iter().filter(|step| !step.amount.is_zero()).collect();
    Ok(Bridge {
        name: name.into(),
        from: from.into(),
        from_total,
        to: to.into(),
        to_total,
        steps,
        unexplained,
    })
}
