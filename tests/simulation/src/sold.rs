//! The projection of what was sold, held to what its documents say when it is built anew.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use trueup_domain::derive::Surroundings;
use trueup_domain::document::Document;
use trueup_domain::sales::figures::Figures;
use trueup_domain::sales::sale;
use trueup_hub::Hub;
use trueup_store::sales::{self, Filter};
use trueup_store::{documents, mappings};

/// A document of the projection: its days, why it counts nowhere, its figures.
type Kept = BTreeMap<(String, String), (String, String, String, Figures)>;
/// Base and tax by root, tax of the books, rate and who remits.
type Taxes = BTreeMap<(String, String, String, String), (i64, i64)>;

/// The projection of every sale is what a rebuild from the documents in force gives. For worlds in
/// which no mapping changes.
pub fn sales_are_kept(hub: &Hub) -> Result<()> {
    let (kept, taxes) = hub.store.read(|tx| {
        let all = Filter { from: String::new(), to: "9999-12-31".to_owned(), ..Filter::default() };
        let mut kept = Kept::new();
        for excluded in [false, true] {
            for one in sales::documents(tx, &all, excluded, None, i64::MAX)? {
                let standing = (one.day, one.order_day, one.excluded, one.figures);
                kept.insert((one.root, one.document), standing);
            }
        }
        let mut taxes = Taxes::new();
        for sum in sales::taxes(tx, "", "9999-12-31")? {
            let key = (sum.connection, sum.target, sum.rate, sum.remitted_by);
            let sums = taxes.entry(key).or_default();
            *sums = (sums.0 + sum.base, sums.1 + sum.tax);
        }
        Ok((kept, taxes))
    })?;
    let (rebuilt, rebuilt_taxes) = rebuilt(hub)?;
    ensure!(kept == rebuilt, "what was sold is kept as {kept:#?}\nand rebuilt as {rebuilt:#?}");
    ensure!(taxes == rebuilt_taxes, "taxes are kept as {taxes:#?}\nnot {rebuilt_taxes:#?}");
    Ok(())
}

fn rebuilt(hub: &Hub) -> Result<(Kept, Taxes)> {
    let roots = hub.store.read(|tx| documents::search_sales(tx, "", i64::MAX))?;
    let (mut rows, mut taxes) = (Kept::new(), Taxes::new());
    for root in roots {
        let (stated, mapping) = hub.store.read(|tx| {
            let stated = documents::of_root(tx, &root.id)?;
            Ok((stated, mappings::get(tx, &root.connection, None)?))
        })?;
        let stated: Vec<Document> = stated.into_iter().map(|(document, _)| document).collect();
        let Some(connection) = hub.connection(&root.connection) else { continue };
        let zone = mapping.as_ref().map_or(&connection.time_zone, |mapping| &mapping.time_zone);
        let around = Surroundings {
            connection: &connection.name,
            entity: &connection.entity,
            time_zone: zone,
            calendar: &hub.setup.calendar,
            mapping: mapping.as_ref(),
            billed: &BTreeMap::new(),
            address: None,
            fees: None,
            posting: trueup_domain::posting::Posting::default(),
            customer: None,
            since: connection.since,
        };
        let Some(contribution) = sale::of(&stated, &around)? else { continue };
        for row in contribution.rows {
            let (_, _, _, figures) =
                rows.entry((root.id.clone(), row.document)).or_insert_with(|| {
                    let (day, order_day) = (row.day.to_string(), row.order_day.to_string());
                    (day, order_day, row.excluded.to_owned(), Figures::default())
                });
            figures.add_all(&row.figures)?;
        }
        for row in contribution.taxes {
            let who = sales::remitter_word(row.key.remitted_by).to_owned();
            let key = (root.connection.clone(), row.key.target, row.key.rate.to_string(), who);
            let sums = taxes.entry(key).or_default();
            *sums = (sums.0 + row.base, sums.1 + row.tax);
        }
    }
    Ok((rows, taxes))
}
