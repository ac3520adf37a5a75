//! `cargo xtask bench`: figures that are ratios measured in one run, each against a limit of the
//! same machine in the same minute.
//!
//! | figure   | measured                                  | against                                |
//! |----------|-------------------------------------------|----------------------------------------|
//! | intake   | durable signed webhooks over HTTP         | raw commits of equal rows in one group |
//! | decide   | messages through decode and decide        | one core                               |
//! | views    | pages over 20,000 orders                  | the same pages over 300                |
//!
//! `bench views` measures only the pages.

mod intake;
mod stages;
mod views;

use anyhow::Result;

fn main() -> Result<()> {
    // Another crate may have installed it; either way one is there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if std::env::args().nth(1).as_deref() == Some("views") {
        return views::measure();
    }
    let bodies = stages::bodies(2_000)?;
    intake::measure(&bodies)?;
    stages::measure(&bodies)?;
    views::measure()
}
