//! A real hub, a real PostgreSQL and a real Odoo, and a network between them that is cut, stands
//! still, is slow, or loses answers, while sales come in. In the end the books must tie.

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::road::{Road, SHOP_US};
use common::till::Till;
use common::{Books, Real, cents, set_up};
use jiff::Timestamp;
use serde_json::json;
use trueup_connect::{Secret, Settings};
use trueup_domain::document::Document;
use trueup_domain::money::Currency;
use trueup_domain::posting::Posting;
use trueup_hub::receive;
use trueup_hub::shell::{self, Http};
use trueup_store::{SHARDS, Store, cases, commands, doctor, documents, facts, messages, scopes};

/// A sale comes in so often.
const SALE_EVERY: Duration = Duration::from_millis(300);
/// So many seconds longer a fault goes on at most until somebody meets it.
const FAULT_MAX: u64 = 40;
/// Until then all is done after the last fault.
const CALM: Duration = Duration::from_secs(300);
/// What the network does looks at its mode this often.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What becomes of what passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Mode {
    Open,
    /// Nobody is there, and what was open is cut.
    Cut,
    /// Nothing moves, and nothing is cut.
    Still,
    /// Each piece takes its time.
    Slow,
    /// What is asked arrives, and the answer does not: it is cut instead.
    Deaf,
}

const MODES: [Mode; 5] = [Mode::Open, Mode::Cut, Mode::Still, Mode::Slow, Mode::Deaf];

/// The network before a server.
struct Network {
    address: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    mode: AtomicU8,
    /// Connections that were cut, answers that were lost, pieces that waited.
    cut: AtomicU64,
    lost: AtomicU64,
    waited: AtomicU64,
}

impl State {
    fn mode(&self) -> Mode {
        MODES[usize::from(self.mode.load(Ordering::Relaxed))]
    }

    /// How often a mode has made itself felt.
    fn met(&self, mode: Mode) -> u64 {
        let counted = match mode {
            Mode::Open => return 0,
            Mode::Cut => &self.cut,
            Mode::Still | Mode::Slow => &self.waited,
            Mode::Deaf => &self.lost,
        };
        counted.load(Ordering::Relaxed)
    }
}

impl Network {
    fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let state = Arc::new(State::default());
        let (server, shared) = (server.to_owned(), Arc::clone(&state));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if shared.mode() == Mode::Cut {
                    shared.cut.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                let Ok(behind) = TcpStream::connect(&server) else { continue };
                for (from, to, answers) in [(&client, &behind, false), (&behind, &client, true)] {
                    let from = from.try_clone().expect("a socket");
                    let to = to.try_clone().expect("a socket");
                    let state = Arc::clone(&shared);
                    std::thread::spawn(move || carry(from, to, answers, &state));
                }
            }
        });
        Self { address, state }
    }

    fn set(&self, mode: Mode) {
        self.state.mode.store(mode as u8, Ordering::Relaxed);
    }
}

/// Carries one direction of a connection until it ends, or is made to.
fn carry(mut from: TcpStream, mut to: TcpStream, answers: bool, state: &State) {
    from.set_read_timeout(Some(LOOK_EVERY)).expect("a timeout");
    let mut piece = [0_u8; 16 * 1024];
    loop {
        if state.mode() == Mode::Cut {
            state.cut.fetch_add(1, Ordering::Relaxed);
            break;
        }
        if state.mode() == Mode::Still {
            // What is there and is not carried waits, whether it was read before or not.
            if from.peek(&mut piece[..1]).is_ok_and(|count| count > 0) {
                state.waited.fetch_add(1, Ordering::Relaxed);
            }
            std::thread::sleep(LOOK_EVERY);
            continue;
        }
        let count = match from.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                continue;
            }
            Err(_) => break,
        };
        while state.mode() == Mode::Still {
            state.waited.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(LOOK_EVERY);
        }
        match state.mode() {
            Mode::Deaf if answers => {
                state.lost.fetch_add(1, Ordering::Relaxed);
                break;
            }
            Mode::Slow => {
                state.waited.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(150));
            }
            _ => {}
        }
        if to.write_all(&piece[..count]).is_err() {
            break;
        }
    }
    for end in [&from, &to] {
        // The other direction may have ended it already.
        let _ = end.shutdown(Shutdown::Both);
    }
}

/// A database of its own for the hub, gone when the test is.
struct OwnDatabase {
    admin: String,
    name: String,
}

impl OwnDatabase {
    fn new() -> Option<Self> {
        let admin = std::env::var("TRUEUP_TEST_PG").ok()?;
        let own = Self { admin, name: format!("trueup_chaos_{}", std::process::id()) };
        own.run(&format!("CREATE DATABASE {} TEMPLATE template0", own.name));
        Some(own)
    }

    /// User and place of the server, as `user@host:port`.
    fn server(&self) -> (&str, &str) {
        let rest = self.admin.trim_start_matches("postgres://");
        let (authority, _) = rest.rsplit_once('/').expect("a database");
        authority.rsplit_once('@').expect("a user")
    }

    fn run(&self, sql: &str) {
        let mut client = postgres::Client::connect(&self.admin, postgres::NoTls).expect("there");
        client.batch_execute(sql).unwrap_or_else(|error| panic!("`{sql}`: {error}"));
    }

    /// The server ends every connection of the hub, in the middle of what it does.
    fn terminate(&self) {
        self.run(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'",
            self.name
        ));
    }
}

impl Drop for OwnDatabase {
    fn drop(&mut self) {
        self.run(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

fn sale(number: usize) -> Vec<Document> {
    let currency = Currency::parse("USD").expect("a currency");
    let order = format!("chaos-{number}");
    let till = Till { order, currency, included: false, place: ("US", Some("NY")) };
    let goods = till.goods("TEE-S", 2, "25.00", &[till.tax("0.08875", "4.44")]);
    let paid = till.paid(&format!("p{number}"), "stripe", "54.44");
    vec![till.order(vec![goods], Vec::new()).into(), paid]
}

/// What one sale comes to, in cents.
const SALE: i64 = 54_44;

fn is_quiet(store: &Store) -> Result<bool, trueup_store::StoreError> {
    store.read(|tx| {
        let due = messages::any_due(tx, 0, SHARDS)?
            || documents::any_due(tx, 0, SHARDS)?
            || scopes::any_due(tx, 0, SHARDS)?;
        let counts = commands::counts(tx)?;
        Ok(!due && counts.iter().all(|(_, _, state, _)| state == "applied"))
    })
}

#[test]
fn b3_the_books_tie_after_everything_that_a_network_can_do() {
    let Some(mut books) = Real::fresh("chaos") else { return };
    // The client is built without one; another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let own = OwnDatabase::new().expect("announced with Odoo");
    let (us, eu) = set_up(&mut books);
    let to_odoo = Network::before(books.0.url.trim_start_matches("http://"));
    let (user, place) = own.server();
    let to_store = Network::before(place);
    let url = format!("postgres://{user}@{}/{}", to_store.address, own.name);
    let store = Store::open_postgres(&url).expect("a store");
    let mut road = Road::over(store.clone(), &us, &eu, Posting::Transaction);
    let (key, name) = (books.0.hub_key.clone(), books.0.name.clone());
    road.change_books(|books| {
        books.base_url = Some(format!("http://{}", to_odoo.address));
        books.secret = Some(Secret::new(key));
        let database = (trueup_odoo::settings::DATABASE.to_owned(), name);
        books.settings = Settings([database].into());
    });
    road.poll();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let http = Http::new(runtime.handle().clone()).expect("a client");
    let running = shell::serve(&road.hub, &http, Timestamp::now).expect("it runs");

    let mut sold = 0;
    let mut load = |road: &mut Road, seconds: u64| {
        let until = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < until {
            let said = sale(sold);
            let message = road.message(SHOP_US, &said.iter().collect::<Vec<_>>());
            // Who is not told that it is stored says it again.
            let said = || {
                let (message, now) = (message.clone(), Timestamp::now());
                store.write(move |tx| receive::record(tx, &message, now))
            };
            while said().is_err() {
                std::thread::sleep(Duration::from_millis(100));
                if Instant::now() > until {
                    to_store.set(Mode::Open);
                }
            }
            sold += 1;
            std::thread::sleep(SALE_EVERY);
        }
    };
    load(&mut road, 2);
    for (odoo, database) in [
        // What makes the hub leave Odoo alone for a while comes last.
        (Mode::Slow, Mode::Slow),
        (Mode::Still, Mode::Open),
        (Mode::Open, Mode::Still),
        (Mode::Open, Mode::Cut),
        // Who was not answered has no connection that could be cut.
        (Mode::Cut, Mode::Open),
        (Mode::Deaf, Mode::Open),
        (Mode::Deaf, Mode::Cut),
    ] {
        to_odoo.set(odoo);
        // A network that stands still keeps the sender waiting, too.
        let still = (database == Mode::Still).then(|| {
            let state = Arc::clone(&to_store.state);
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_secs(3));
                state.mode.store(Mode::Open as u8, Ordering::Relaxed);
            })
        });
        to_store.set(database);
        let before = to_odoo.state.met(odoo);
        load(&mut road, 4);
        // What nobody meets is no fault: while the hub leaves Odoo alone, it goes on.
        for _ in 0..FAULT_MAX {
            let met = to_odoo.state.met(odoo) > before;
            if met || odoo == Mode::Open || database != Mode::Open {
                break;
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        to_odoo.set(Mode::Open);
        to_store.set(Mode::Open);
        if let Some(still) = still {
            still.join().expect("it ends");
        }
        load(&mut road, 1);
    }
    // The servers themselves let go of everybody.
    for _ in 0..4 {
        own.terminate();
        load(&mut road, 1);
        books.0.cut_off();
        load(&mut road, 1);
    }

    let born = Instant::now();
    let mut quiet = 0;
    while quiet < 10 {
        quiet = if is_quiet(&store).unwrap_or(false) { quiet + 1 } else { 0 };
        let counts = store.read(commands::counts);
        assert!(born.elapsed() < CALM, "it does not come to rest: {counts:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
    running.stop();
    let count = |state: &AtomicU64| state.load(Ordering::Relaxed);
    let (odoo, database) = (&to_odoo.state, &to_store.state);
    println!(
        "{sold} sales; {} connections cut, {} answers lost, {} waits at Odoo; {} cut and {} waits \
         at the database; at rest {:?} after the last fault",
        count(&odoo.cut),
        count(&odoo.lost),
        count(&odoo.waited),
        count(&database.cut),
        count(&database.waited),
        born.elapsed()
    );
    assert!(count(&odoo.cut) > 0 && count(&odoo.lost) > 0 && count(&odoo.waited) > 0);
    assert!(count(&database.cut) > 0 && count(&database.waited) > 0);
    ties(&books, &store, i64::try_from(sold).expect("few"));
}

/// Each sale is in the books once, whole, posted and paid, and the hub says the same.
fn ties(books: &Real, store: &Store, sold: i64) {
    let names: Vec<String> = books
        .read("sale.order", json!([["state", "=", "sale"]]), &["client_order_ref"])
        .iter()
        .map(|order| order["client_order_ref"].to_string())
        .collect();
    let mut once = names.clone();
    once.sort();
    once.dedup();
    let sold_once = usize::try_from(sold).expect("few");
    assert_eq!((names.len(), once.len()), (sold_once, sold_once), "orders: {names:?}");
    let posted = json!([["state", "=", "posted"], ["move_type", "=", "out_invoice"]]);
    let fields = ["amount_total", "amount_residual"];
    let invoices = books.read("account.move", posted, &fields);
    let sum = |field: &str| invoices.iter().map(|one| cents(&one[field])).sum::<i64>();
    assert_eq!(
        (invoices.len(), sum("amount_total"), sum("amount_residual")),
        (sold_once, sold * SALE, 0)
    );
    let payments = books.read("account.payment", json!([]), &["amount"]);
    let paid: i64 = payments.iter().map(|one| cents(&one["amount"])).sum();
    assert_eq!((payments.len(), paid), (sold_once, sold * SALE));
    let others = books.read("account.move", json!([["state", "=", "draft"]]), &["name"]);
    assert!(others.is_empty(), "drafts are left: {others:?}");

    let (unbalanced, wrong, crowded, open) = store
        .read(|tx| {
            let wrong = doctor::wrong_claims(tx)?;
            let crowded = doctor::crowded_lanes(tx)?;
            Ok((facts::unbalanced(tx)?, wrong, crowded, cases::open_cases(tx)?))
        })
        .expect("readable");
    assert!(unbalanced.is_empty() && wrong.is_empty() && crowded.is_empty());
    // The provider of these sales states nothing.
    let open = open.into_iter().filter(|it| it.kind != "missing_in_settlement");
    let open: Vec<String> =
        open.map(|it| format!("{} {}: {}", it.kind, it.subject, it.detail)).collect();
    assert!(open.is_empty(), "{open:#?}");
}
