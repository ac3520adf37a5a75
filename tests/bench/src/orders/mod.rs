//! Orders per second into a real Odoo: the hub, against a connector that makes one call for each
//! step, and against the same batch inside Odoo's own shell.
//!
//! | module    | holds                                                                        |
//! |-----------|------------------------------------------------------------------------------|
//! | [`books`] | a database of its own for each of the three, all from one template           |
//! | [`sales`] | what is sold: played orders, as the hub decides them                         |
//! | [`hub`]   | the hub as it runs: front door, stages, batches over HTTP                    |
//! | [`naive`] | eleven calls an order, as a connector makes them that knows no batches       |
//! | [`shell`] | the same batches by Odoo's own methods, without HTTP, keys or reading back   |
//!
//! Two figures: until the last invoice is posted, and until the last payment is tied to its invoice.
//! The three take turns in rounds, because other work on the machine comes and goes.

mod books;
mod hub;
mod naive;
mod sales;
mod shell;

use std::time::Duration;

use anyhow::{Result, ensure};
use trueup_odoo_tests::server::OdooServer;

use books::Books;
use sales::Sale;

const ROUNDS: usize = 2;
/// Two batches of the hub, so that one can be under way beside another.
const ORDERS: usize = 200;
/// The naive connector's orders do not depend on each other: fewer tell its rate as well.
const ORDERS_NAIVE: usize = 25;
/// Before the clock: caches of Odoo, the first poll of the hub.
const WARM_UP: usize = 5;

/// What one contestant took for its orders of one round.
#[derive(Clone, Copy, Debug)]
struct Took {
    orders: usize,
    /// Until all are confirmed, invoiced and posted.
    posted: Duration,
    /// Until all are paid and reconciled, too.
    paid: Duration,
}

impl Took {
    fn milliseconds_each(self) -> (u128, u128) {
        let each = |time: Duration| time.as_millis() / self.orders.max(1) as u128;
        (each(self.posted), each(self.paid))
    }
}

pub fn measure() -> Result<()> {
    let Some(server) = OdooServer::from_env() else {
        println!("orders: not measured, because no Odoo is announced");
        return Ok(());
    };
    let books: Vec<Books> = ["hub", "naive", "shell"]
        .iter()
        .map(|name| Books::fresh(&server, name))
        .collect::<Result<_>>()?;
    let [for_hub, for_naive, for_shell] = &books[..] else { return Ok(()) };
    ensure!(
        for_hub.mapping == for_naive.mapping && for_hub.mapping == for_shell.mapping,
        "the three databases are set up alike"
    );
    let sales = sales::place(for_hub, WARM_UP + ROUNDS * ORDERS)?;
    let lines: usize = sales.iter().map(|sale| sale.order.lines.len()).sum();
    println!("orders: {} orders of {} lines into Odoo", sales.len(), lines / sales.len().max(1));
    let (warm_up, rest) = sales.split_at(WARM_UP);
    let mut hub = hub::Running::start(for_hub)?;
    let mut shell = shell::Shell::start(for_shell)?;
    naive::post(for_naive, warm_up)?;
    hub.post(warm_up)?;
    shell.post(warm_up)?;
    let mut rounds = Vec::new();
    for part in rest.chunks(ORDERS) {
        let naive = naive::post(for_naive, part.get(..ORDERS_NAIVE).unwrap_or(part))?;
        let hub = hub.post(part)?;
        let shell = shell.post(part)?;
        show("naive connector", naive);
        show("hub", hub);
        show("Odoo's own shell", shell);
        rounds.push((naive, hub, shell));
    }
    hub.stop();
    shell.stop()?;
    for_hub.prove(&sales)?;
    for_shell.prove(&sales)?;
    let asked: Vec<&Sale> = rest
        .chunks(ORDERS)
        .flat_map(|part| part.iter().take(ORDERS_NAIVE))
        .chain(warm_up)
        .collect();
    for_naive.prove(asked)?;
    for (naive, hub, shell) in &rounds {
        let against = |other: &Took, figure: fn(Took) -> Duration| {
            let ours = figure(*hub).as_micros() * other.orders as u128;
            figure(*other).as_micros() * hub.orders as u128 * 100 / ours.max(1)
        };
        println!(
            "orders: posted {} of naive, {} of the shell; paid and reconciled {} and {}",
            times(against(naive, |it| it.posted)),
            times(against(shell, |it| it.posted)),
            times(against(naive, |it| it.paid)),
            times(against(shell, |it| it.paid)),
        );
    }
    Ok(())
}

fn show(who: &str, took: Took) {
    let (posted, paid) = took.milliseconds_each();
    println!("orders: {who}: {posted} ms an order until posted, {paid} ms until reconciled");
}

/// Hundredths as `5.73 x`.
fn times(hundredths: u128) -> String {
    format!("{}.{:02} x", hundredths / 100, hundredths % 100)
}
