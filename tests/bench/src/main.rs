//! `cargo xtask bench`: figures that are ratios measured in one run, each against a limit of the
//! same machine in the same minute.
//!
//! | figure   | measured                                  | against                                |
//! |----------|-------------------------------------------|----------------------------------------|
//! | intake   | durable signed webhooks over HTTP         | raw commits of equal rows in one group |
//! | decide   | messages through decode and decide        | one core                               |
//! | processes | the same by several processes            | by one; measured alone                 |
//! | views    | pages over 20,000 orders                  | the same pages over 300                |
//! | load     | a day with a burst and an outage          | its own usual hours; measured alone    |
//! | orders   | orders into a real Odoo                   | a connector without batches; the same  |
//! |          |                                           | batch in Odoo's own shell              |
//!
//! An argument measures one figure alone.

mod intake;
mod load;
mod memory;
mod orders;
mod processes;
mod processors;
mod stages;
mod views;

use anyhow::Result;

fn main() -> Result<()> {
    // Another crate may have installed it; either way one is there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // `RUST_LOG=trueup_hub=debug` shows every call.
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let only = std::env::args().nth(1);
    let wanted = |part: &str| only.as_deref().is_none_or(|only| only == part);
    if wanted("intake") || wanted("stages") {
        let bodies = stages::bodies(2_000)?;
        if wanted("intake") {
            intake::measure(&bodies)?;
        }
        if wanted("stages") {
            stages::measure(&bodies)?;
        }
    }
    if only.as_deref() == Some("processes") {
        processes::measure("as they come", &stages::bodies(1_200)?)?;
        processes::measure("one of each order", &stages::placed(1_200)?)?;
    }
    if wanted("views") {
        views::measure()?;
    }
    if wanted("memory") {
        memory::measure()?;
    }
    // It takes minutes, and is kept as a picture.
    if only.as_deref() == Some("load") {
        load::measure()?;
    }
    if wanted("orders") {
        orders::measure()?;
    }
    Ok(())
}
