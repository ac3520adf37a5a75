//! What left one location of the books in a day, and what came back to it (`POSTING.md` P4): the
//! stock moves of sales that have no order there.
//!
//! As with the entries of a day ([`super::summary`]), the rows are chosen once and stay: what is known
//! later is moved by a further transfer of the same day. Each is the sum of a list of rows, so all
//! transfers of a channel are all its units.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::{Date, time};
use jiff::tz::TimeZone;

use super::{Derived, Standing, Surroundings, Waiting};
use crate::command::{Content, TargetRef, TransferContent, TransferLine, Way};
use crate::fact::{Command, Fact, FactContent, Units};
use crate::mapping::Mapping;

/// Tells goods from money where both are summed up.
pub const GOODS: &str = "goods/";

/// What some transfers sum up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Of {
    pub day: Date,
    pub location: TargetRef,
}

impl Of {
    /// From the id of their root, `<day>/goods/<location>`.
    pub fn parse(root: &str) -> Option<Self> {
        let (day, of) = root.split_once('/')?;
        let location = of.strip_prefix(GOODS)?.to_owned();
        Some(Self { day: day.parse().ok()?, location })
    }
}

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{GOODS}{}", self.day, self.location)
    }
}

/// What is moved together: its number within the day, and its rows.
#[derive(Clone, Debug)]
pub struct Part {
    /// 1 for the first of a day; later ones move what was known later.
    pub number: u32,
    pub rows: Vec<MovedRow>,
}

/// Units as they are summed up.
#[derive(Clone, Debug)]
pub struct MovedRow {
    /// The channel's id and number of the order that they are of.
    pub order: String,
    pub number: String,
    /// It takes the units back where they came from.
    pub reversal: bool,
    pub units: Units,
}

pub fn derive(of: &Of, parts: &[Part], around: &Surroundings<'_>) -> Derived {
    let mut derived = Derived {
        standing: Standing {
            number: format!("{} goods of location {}", of.day, of.location),
            state: "summed".to_owned(),
            day: Some(of.day),
            amount: None,
        },
        ..Derived::default()
    };
    let Some(mapping) = around.mapping else {
        derived.waiting = Some(Waiting::NoMapping);
        return derived;
    };
    for part in parts {
        let content = content(of, part, mapping, around);
        // What its rows take back and move anew cancels out.
        if content.out.is_empty() && content.back.is_empty() {
            continue;
        }
        let command = Command {
            target: mapping.target.clone(),
            content: Content::Transfer(content),
            after: Vec::new(),
            states: None,
        };
        let content = FactContent::Command(Box::new(command));
        derived.facts.push(Fact::new("transfer", part.number.to_string(), content));
    }
    derived
}

fn content(of: &Of, part: &Part, mapping: &Mapping, around: &Surroundings<'_>) -> TransferContent {
    let further = if part.number == 1 {
        String::new()
    } else {
        format!(", further transfer {}", part.number)
    };
    let mut sums: BTreeMap<(&str, Way), i64> = BTreeMap::new();
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    for row in &part.rows {
        let Units { product, way, quantity, name, .. } = &row.units;
        names.entry(product).or_insert(name);
        let sum = sums.entry((product, *way)).or_default();
        let sign = if row.reversal { -1 } else { 1 };
        *sum = sum.saturating_add(quantity.saturating_mul(sign));
    }
    let (mut out, mut back) = (Vec::new(), Vec::new());
    for (product, name) in names {
        let of = |way| sums.get(&(product, way)).copied().unwrap_or_default();
        let (left, came_back) = (of(Way::Out), of(Way::Back));
        // What takes more back than is added goes the other way.
        let one = |moved: i64, taken_back: i64| moved.max(0).saturating_sub(taken_back.min(0));
        for (lines, quantity) in
            [(&mut out, one(left, came_back)), (&mut back, one(came_back, left))]
        {
            if quantity > 0 {
                let (product, name) = (product.to_owned(), name.to_owned());
                lines.push(TransferLine { product, name, quantity });
            }
        }
    }
    TransferContent {
        company: mapping.company.clone(),
        location: of.location.clone(),
        moved_at: noon(of.day, around.time_zone),
        reference: format!("{} {}{further}", around.connection, of.day),
        out,
        back,
    }
}

/// Noon is on the same day in nearly every other zone, whoever reads the date.
fn noon(day: Date, zone: &str) -> Timestamp {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    let noon = zone.to_zoned(day.to_datetime(time(12, 0, 0, 0)));
    noon.map_or(Timestamp::UNIX_EPOCH, |noon| noon.timestamp())
}
