//! The sales report: sums of what the sales add to each measure (`docs/reports.md`), and the bridges
//! from them to what the channel and the books state themselves.

pub mod bridges;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use trueup_domain::money::{Currency, Money};
use trueup_domain::sales::calendar::Periods;
use trueup_domain::sales::figures::{Cell, Column, Figures, Measure};
use trueup_matching::bridge::Bridge;
use trueup_store::sales::{self, After, Basis, By, Filter};
use trueup_store::{StoreError, Tx, documents, mappings, streams};

use crate::setup::Hub;

macro_rules! dimensions {
    ($($dimension:ident = $word:literal;)*) => {
        /// What the rows of a report stand for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Dimension { $($dimension,)* }

        impl Dimension {
            pub const ALL: &[Self] = &[$(Self::$dimension,)*];

            pub const fn word(self) -> &'static str {
                match self { $(Self::$dimension => $word,)* }
            }
        }
    };
}

dimensions! {
    Channel = "channel";
    Entity = "entity";
    Currency = "currency";
    Source = "source";
    Sku = "sku";
    Day = "day";
    Week = "week";
    Month = "month";
    Period = "period";
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no dimension; there are channel, entity, currency, source, sku, day, week, month and period"
)]
pub struct UnknownDimension(pub String);

impl FromStr for Dimension {
    type Err = UnknownDimension;
    fn from_str(word: &str) -> Result<Self, UnknownDimension> {
        let found = Self::ALL.iter().copied().find(|one| one.word() == word);
        found.ok_or_else(|| UnknownDimension(word.to_owned()))
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What is asked of the sales report.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub from: Date,
    pub to: Date,
    pub by: Vec<Dimension>,
    /// What `period` means.
    pub periods: Periods,
    pub basis: Basis,
    pub channel: Option<String>,
    pub entity: Option<String>,
    pub currency: Option<String>,
    pub source: Option<String>,
    pub sku: Option<String>,
}

impl Wanted {
    pub fn new(from: Date, to: Date, by: Vec<Dimension>) -> Self {
        Self {
            from,
            to,
            by,
            periods: Periods::Month,
            basis: Basis::Refund,
            channel: None,
            entity: None,
            currency: None,
            source: None,
            sku: None,
        }
    }

    pub(crate) fn filter(&self) -> Filter {
        Filter {
            from: self.from.to_string(),
            to: self.to.to_string(),
            basis: self.basis,
            connection: self.channel.clone(),
            entity: self.entity.clone(),
            currency: self.currency.clone(),
            source: self.source.clone(),
            sku: self.sku.clone(),
        }
    }

    /// The figures that can be told: an order is not divided among its SKUs.
    pub fn columns(&self) -> Vec<Column> {
        let skus = self.by.contains(&Dimension::Sku) || self.sku.is_some();
        Column::ALL.iter().copied().filter(|column| !skus || column.is_of_skus()).collect()
    }
}

/// One row, or the total of one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// In the order of the report's `by`.
    pub words: Vec<String>,
    /// The first and the last day that it sums, where days tell rows apart.
    pub days: Option<(Date, Date)>,
    pub currency: Currency,
    pub figures: Figures,
}

/// What counts nowhere, by reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Excluded {
    pub reason: String,
    pub documents: i64,
    /// Orders less refunds, as the channel states them.
    pub stated: Money,
}

/// When the days of a channel end, and how far it is complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Channel {
    pub channel: String,
    pub entity: String,
    /// A day ends at midnight there.
    pub time_zone: String,
    /// Everything that the channel had changed up to here is in the figures.
    pub complete_to: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub struct Report {
    pub wanted: Wanted,
    pub as_of: Timestamp,
    pub channels: Vec<Channel>,
    pub rows: Vec<Line>,
    /// By currency.
    pub totals: Vec<Line>,
    pub excluded: Vec<Excluded>,
    /// Sales of which the order itself has not come in, so that its refunds cannot count yet.
    pub without_order: i64,
    pub bridges: Vec<Bridge>,
}

impl Report {
    /// What the days of this report are.
    pub const fn basis_text(&self) -> &'static str {
        match self.wanted.basis {
            Basis::Refund => {
                "orders on the day they were placed, refunds on the day they were agreed, gift \
                 cards on the day they paid"
            }
            Basis::Order => "everything on the day its order was placed",
        }
    }
}

/// Builds the report of the days `from..=to`.
pub fn build(
    tx: &mut Tx<'_>,
    hub: &Hub,
    wanted: &Wanted,
    now: Timestamp,
) -> Result<Report, StoreError> {
    let filter = wanted.filter();
    let mut by = Vec::new();
    for dimension in &wanted.by {
        let one = match dimension {
            Dimension::Channel => By::Connection,
            Dimension::Entity => By::Entity,
            // Always a part of the sums.
            Dimension::Currency => continue,
            Dimension::Source => By::Source,
            Dimension::Sku => By::Sku,
            Dimension::Day | Dimension::Week | Dimension::Month | Dimension::Period => By::Day,
        };
        if !by.contains(&one) {
            by.push(one);
        }
    }
    type Days = Option<(Date, Date)>;
    let mut rows: BTreeMap<(Vec<String>, Currency), (Days, Figures)> = BTreeMap::new();
    let mut totals: BTreeMap<Currency, Figures> = BTreeMap::new();
    for (code, words, figures) in sales::sums(tx, &filter, &by)? {
        let currency = Currency::parse(&code).map_err(StoreError::corrupt)?;
        let of = Words { by: &by, words: &words, currency: &code, periods: wanted.periods };
        let words = wanted.by.iter().map(|dimension| of.word(*dimension));
        let words = words.collect::<Result<Vec<_>, _>>()?;
        let (days, row) = rows.entry((words, currency)).or_default();
        row.add_all(&figures).map_err(StoreError::corrupt)?;
        if by.contains(&By::Day) {
            let day = of.day()?;
            *days = Some(days.map_or((day, day), |(first, last)| (first.min(day), last.max(day))));
        }
        let total = totals.entry(currency).or_default();
        total.add_all(&figures).map_err(StoreError::corrupt)?;
    }
    let excluded = sales::excluded(tx, &filter)?.into_iter().map(|one| {
        let currency = Currency::parse(&one.currency).map_err(StoreError::corrupt)?;
        let stated = Money::from_minor(one.stated, currency);
        Ok(Excluded { reason: one.reason, documents: one.documents, stated })
    });
    Ok(Report {
        wanted: wanted.clone(),
        as_of: now,
        channels: channels(tx, hub, wanted)?,
        rows: rows
            .into_iter()
            .map(|((words, currency), (days, figures))| Line { words, days, currency, figures })
            .collect(),
        totals: totals
            .into_iter()
            .map(|(currency, figures)| Line { words: Vec::new(), days: None, currency, figures })
            .collect(),
        excluded: excluded.collect::<Result<_, StoreError>>()?,
        without_order: documents::sales_without_order(tx)?,
        bridges: bridges::build(tx, hub, wanted)?,
    })
}

/// The words of one sum.
struct Words<'a> {
    by: &'a [By],
    words: &'a [String],
    currency: &'a str,
    periods: Periods,
}

impl Words<'_> {
    fn of(&self, one: By) -> &str {
        let place = self.by.iter().position(|by| *by == one);
        place.and_then(|place| self.words.get(place)).map(String::as_str).unwrap_or_default()
    }

    fn day(&self) -> Result<Date, StoreError> {
        self.of(By::Day).parse().map_err(StoreError::corrupt)
    }

    fn word(&self, dimension: Dimension) -> Result<String, StoreError> {
        Ok(match dimension {
            Dimension::Channel => self.of(By::Connection).to_owned(),
            Dimension::Entity => self.of(By::Entity).to_owned(),
            Dimension::Currency => self.currency.to_owned(),
            Dimension::Source => self.of(By::Source).to_owned(),
            Dimension::Sku => self.of(By::Sku).to_owned(),
            Dimension::Day => self.of(By::Day).to_owned(),
            Dimension::Week => Periods::IsoWeek.period_of(self.day()?),
            Dimension::Month => Periods::Month.period_of(self.day()?),
            Dimension::Period => self.periods.period_of(self.day()?),
        })
    }
}

/// The connections that sold something in the period.
fn channels(tx: &mut Tx<'_>, hub: &Hub, wanted: &Wanted) -> Result<Vec<Channel>, StoreError> {
    let selling: Vec<String> = sales::sums(tx, &wanted.filter(), &[By::Connection])?
        .into_iter()
        .flat_map(|(_, words, _)| words)
        .collect();
    let polled = streams::all(tx)?;
    let mut channels = Vec::new();
    for connection in hub.setup.connections.values() {
        let name = &connection.name;
        if !selling.contains(name) {
            continue;
        }
        let mapping = mappings::get(tx, name, None)?;
        let own = polled.iter().filter(|stream| stream.connection == *name);
        let complete: Option<Vec<i64>> = own.map(|stream| stream.complete_to).collect();
        let earliest = complete.and_then(|all| all.into_iter().min());
        channels.push(Channel {
            channel: name.clone(),
            entity: connection.entity.clone(),
            time_zone: mapping.map_or_else(|| connection.time_zone.clone(), |it| it.time_zone),
            complete_to: earliest.and_then(|at| Timestamp::from_microsecond(at).ok()),
        });
    }
    Ok(channels)
}

/// A document behind a figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    pub root: String,
    pub number: String,
    /// `order`, `refund` or `payment`.
    pub kind: String,
    /// The channel's own id of the document.
    pub id: String,
    pub day: String,
    pub order_day: String,
    pub currency: Currency,
    /// Empty where it counts.
    pub excluded: String,
    pub figures: Figures,
}

impl Behind {
    /// The document's total as the channel states it; of a refund, negative.
    pub fn stated(&self) -> Money {
        Money::from_minor(self.figures.get(Measure::Stated), self.currency)
    }
}

/// The documents behind a report, or what it leaves out; newest day first. The second value is where
/// the next page begins.
pub fn documents(
    tx: &mut Tx<'_>,
    wanted: &Wanted,
    excluded: bool,
    after: Option<&After>,
    limit: i64,
) -> Result<(Vec<Behind>, Option<After>), StoreError> {
    let mut found = sales::documents(tx, &wanted.filter(), excluded, after, limit + 1)?;
    let more = i64::try_from(found.len()).unwrap_or(i64::MAX) > limit;
    if more {
        found.pop();
    }
    let next = found.last().filter(|_| more).map(|last| {
        let day = match wanted.basis {
            Basis::Refund => &last.day,
            Basis::Order => &last.order_day,
        };
        (day.clone(), last.root.clone(), last.document.clone())
    });
    let behind = found.into_iter().map(|one| {
        let (kind, id) = one.document.split_once('/').unwrap_or(("", &one.document));
        Ok(Behind {
            kind: kind.to_owned(),
            id: id.to_owned(),
            currency: Currency::parse(&one.currency).map_err(StoreError::corrupt)?,
            root: one.root,
            number: one.number,
            day: one.day,
            order_day: one.order_day,
            excluded: one.excluded,
            figures: one.figures,
        })
    });
    Ok((behind.collect::<Result<_, StoreError>>()?, next))
}

/// A document as JSON.
#[derive(Serialize)]
pub struct Listed<'a> {
    number: &'a str,
    kind: &'a str,
    id: &'a str,
    sale: &'a str,
    day: &'a str,
    order_day: &'a str,
    excluded: &'a str,
    stated: Money,
    figures: Shown<'a>,
}

impl<'a> Listed<'a> {
    pub fn of(behind: &'a Behind, columns: &'a [Column]) -> Self {
        Self {
            number: &behind.number,
            kind: &behind.kind,
            id: &behind.id,
            sale: &behind.root,
            day: &behind.day,
            order_day: &behind.order_day,
            excluded: &behind.excluded,
            stated: behind.stated(),
            figures: Shown { columns, currency: behind.currency, figures: &behind.figures },
        }
    }
}

/// Some figures of a report as JSON, by their names.
pub struct Shown<'a> {
    pub columns: &'a [Column],
    pub currency: Currency,
    pub figures: &'a Figures,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.columns.len()))?;
        for column in self.columns {
            match column.of(self.figures, self.currency) {
                None => map.serialize_entry(column.word(), &None::<i64>)?,
                Some(Cell::Money(money)) => map.serialize_entry(column.word(), &money)?,
                Some(Cell::Count(count)) => map.serialize_entry(column.word(), &count)?,
                Some(Cell::Ratio(rate) | Cell::Percent(rate)) => {
                    map.serialize_entry(column.word(), &rate.to_string())?;
                }
            }
        }
        map.end()
    }
}

#[derive(Serialize)]
struct ShownLine<'a> {
    #[serde(flatten)]
    words: BTreeMap<&'static str, &'a str>,
    currency: Currency,
    figures: Shown<'a>,
}

#[derive(Serialize)]
struct ShownReport<'a> {
    from: String,
    to: String,
    as_of: Timestamp,
    by: Vec<&'static str>,
    calendar: &'static str,
    date_basis: &'static str,
    channels: &'a [Channel],
    rows: Vec<ShownLine<'a>>,
    totals: Vec<ShownLine<'a>>,
    excluded: &'a [Excluded],
    without_order: i64,
    bridges: &'a [Bridge],
}

impl Report {
    fn shown<'a>(&'a self, lines: &'a [Line], columns: &'a [Column]) -> Vec<ShownLine<'a>> {
        let shown = lines.iter().map(|line| ShownLine {
            words: self
                .wanted
                .by
                .iter()
                .zip(&line.words)
                .filter(|(by, _)| **by != Dimension::Currency)
                .map(|(by, word)| (by.word(), word.as_str()))
                .collect(),
            currency: line.currency,
            figures: Shown { columns, currency: line.currency, figures: &line.figures },
        });
        shown.collect()
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let columns = self.wanted.columns();
        ShownReport {
            from: self.wanted.from.to_string(),
            to: self.wanted.to.to_string(),
            as_of: self.as_of,
            by: self.wanted.by.iter().map(|by| by.word()).collect(),
            calendar: self.wanted.periods.word(),
            date_basis: self.basis_text(),
            channels: &self.channels,
            rows: self.shown(&self.rows, &columns),
            totals: self.shown(&self.totals, &columns),
            excluded: &self.excluded,
            without_order: self.without_order,
            bridges: &self.bridges,
        }
        .serialize(serializer)
    }
}
