//! The demo against a real Odoo: what is there, what would be created, and the mappings.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use trueup_connect::{CallError, Reply, Request, Secret};
use trueup_domain::mapping::Mapping;
use trueup_hub::shell::{Http, Transport};
use trueup_odoo::setup;
use trueup_sandbox::world::ODOO;

use super::command::DemoArgs;
use super::setup::RealBooks;

/// Lists what the demo would create; creates it where an administrator's key is given.
pub fn mappings(
    args: &DemoArgs,
    books: &RealBooks,
    runtime: &tokio::runtime::Handle,
) -> Result<BTreeMap<String, Mapping>> {
    let admin = match &args.admin_key_env {
        Some(name) => Some(
            std::env::var(name)
                .with_context(|| format!("the environment variable {name} is not set"))?,
        ),
        None => None,
    };
    let key = admin.clone().unwrap_or_else(|| books.api_key.clone());
    let mut connection = super::setup::bare(ODOO, "odoo", "us", None)?;
    connection.base_url = Some(books.url.clone());
    connection.secret = Some(Secret::new(key));
    let mut http = Http::new(runtime.clone())?;
    let mut call =
        move |request: &Request| -> Result<Reply, CallError> { http.send(&connection, request) };
    let mut mappings = BTreeMap::new();
    for mut wanted in setup::demo::wanted() {
        wanted.database.clone_from(&books.database);
        let entity = wanted.entity.clone();
        let report = setup::inspect(&mut call, &wanted)
            .with_context(|| format!("could not look at the books of {entity}"))?;
        for finding in &report.findings {
            let word = if finding.blocks { "must be decided" } else { "worth knowing" };
            eprintln!("{entity}: {word}: {}", finding.text);
        }
        let plan = setup::plan(&report, &wanted)?;
        eprintln!("{entity}: the demo needs {} records in company {}:", plan.len(), wanted.company);
        for line in setup::plan::summary(&plan) {
            eprintln!("  {line}");
        }
        if admin.is_none() {
            bail!(
                "nothing was created; give --admin-key-env to let the demo create what is listed"
            );
        }
        let mapping = setup::run(&mut call, &wanted)
            .with_context(|| format!("could not set up the books of {entity}"))?;
        mappings.insert(entity, mapping);
    }
    Ok(mappings)
}
