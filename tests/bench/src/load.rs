//! A day in minutes: deliveries at an even rate, ten times as many for a while, and books that are not
//! there for a while. What the senders waited for, what lay behind, and how fast it was worked off.
//!
//! The hub is the real one on a SQLite file, the world behind it the sandboxes, on the same machine.
//! `TRUEUP_LOAD_LENGTH` makes the burst so many times longer; what a day has of usual hours and of an
//! outage is compressed.

mod door;
mod plot;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use tokio::net::TcpListener;
use trueup::demo::setup::{self, RealBooks};
use trueup_hub::Hub;
use trueup_sandbox::serve::{self, Shared};
use trueup_sandbox::week::Sent;
use trueup_sandbox::world::{ODOO, SHOP_US};
use trueup_sandbox::{Week, WeekSettings, World};
use trueup_server::ServerState;
use trueup_store::{Store, commands, messages};

use self::door::Door;
use crate::intake::{Sender, at, head_of};
use crate::stages::Body;

/// Deliveries a second on a usual day.
const RATE: u32 = 5;
const BURST: u32 = 10 * RATE;
const CONNECTIONS: usize = 16;
/// So long what lies behind may take to be worked off.
const WORKED_OFF: Duration = Duration::from_secs(900);
const PICTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/images/load.svg");
/// How far the world is played on at once.
const SLICE: SignedDuration = SignedDuration::from_mins(1);

/// A part of the day: what it is called, how long it lasts, deliveries a second, whether the books
/// are there.
#[derive(Clone, Copy)]
struct Part {
    name: &'static str,
    seconds: u32,
    rate: u32,
    books: bool,
}

/// With a burst that is so many times longer.
const fn day(longer: u32) -> [Part; 4] {
    [
        Part { name: "usual", seconds: 20, rate: RATE, books: true },
        Part { name: "ten times as many", seconds: 60 * longer, rate: BURST, books: true },
        Part { name: "usual", seconds: 60, rate: RATE, books: true },
        Part { name: "no books", seconds: 120, rate: RATE, books: false },
    ]
}

/// What was seen in one second.
#[derive(Clone, Copy, Debug, Default)]
struct Second {
    acknowledged: usize,
    /// Milliseconds that the slowest of a hundred waited.
    p99: u128,
    undecoded: i64,
    /// Commands that the books have not carried out.
    open: i64,
    applied: i64,
}

pub fn measure() -> Result<()> {
    let longer: u32 = std::env::var("TRUEUP_LOAD_LENGTH").map_or(Ok(1), |it| it.parse())?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let day = day(longer);
    let deliveries: u32 = day.iter().map(|part| part.seconds * part.rate).sum();
    let mut week =
        Week::new(WeekSettings { orders: deliveries, faults: false, ..WeekSettings::default() });
    let mut world = World::new(true)?;
    week.prepare(&mut world);
    let odoo = world.odoo.as_ref().context("an Odoo")?;
    let mut mappings = std::collections::BTreeMap::new();
    for entity in ["us", "eu"] {
        mappings.insert(entity.to_owned(), odoo.demo_mapping(entity).context("a mapping")?);
    }
    let virtual_now = Arc::new(Mutex::new(week.start()));
    let clock = Arc::clone(&virtual_now);
    let shared = Shared {
        world: Arc::new(Mutex::new(world)),
        clock: Arc::new(move || *clock.lock().unwrap_or_else(PoisonError::into_inner)),
    };
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let sandboxes = listener.local_addr()?;
    runtime.spawn(serve::listen(shared.clone(), listener));
    let door = Door::before(sandboxes, &runtime)?;
    let books = RealBooks {
        url: format!("http://{}/{ODOO}", door.address),
        database: None,
        api_key: trueup_odoo::sandbox::HUB_KEY.to_owned(),
    };

    let folder = tempfile::tempdir()?;
    let store = Store::open_sqlite(&folder.path().join("load.sqlite"))?;
    let behind = format!("http://{sandboxes}");
    let hub = setup::hub(store, Some(&behind), Some(&books), week.start(), "bench")?;
    setup::approve(&hub, &mappings, week.start())?;
    let state = ServerState::new(hub.clone(), Arc::new(trueup::wiring::now));
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    runtime.spawn(trueup_server::listen(state, listener, std::future::pending()));
    let http = trueup_hub::shell::Http::new(runtime.handle().clone())?;
    let running = trueup_hub::shell::serve(&hub, &http, trueup::wiring::now)?;

    let mut source = Source { week, shared, now: virtual_now, waiting: VecDeque::new(), sent: 0 };
    let mut senders = Vec::new();
    for _ in 0..CONNECTIONS {
        senders.push(runtime.block_on(Sender::connect(address))?);
    }
    let mut watched = Watched { seconds: Vec::new(), marks: Vec::new() };
    let mut waits: Vec<(&'static str, Vec<Duration>)> = Vec::new();
    for part in day {
        door.open(part.books);
        watched.mark(part.name);
        let mut of_part = Vec::new();
        for _ in 0..part.seconds {
            let due = source.next(&hub, part.rate)?;
            let (back, mut second) = send(&runtime, senders, due)?;
            senders = back;
            watched.see(&hub, &second)?;
            of_part.append(&mut second);
        }
        waits.push((part.name, of_part));
        println!("{}: {}", part.name, watched.last());
    }
    door.open(true);
    watched.mark("books again");
    let (began, before) = (Instant::now(), watched.last_second());
    loop {
        std::thread::sleep(Duration::from_secs(1));
        watched.see(&hub, &[])?;
        let now = watched.last_second();
        if now.undecoded == 0 && now.open == 0 {
            break;
        }
        ensure!(began.elapsed() < WORKED_OFF, "it is not worked off: {}", watched.last());
    }
    let took = began.elapsed();
    running.stop();
    for (name, mut waits) in waits {
        waits.sort();
        let (count, p50, p99) = (waits.len(), at(&waits, 50), at(&waits, 99));
        println!("{name}: {count} deliveries acknowledged, p50 {p50} ms, p99 {p99} ms");
    }
    let carried_out = watched.last_second().applied - before.applied;
    println!(
        "the books were back with {} commands open, and {carried_out} were carried out within {} s",
        before.open,
        took.as_secs()
    );
    let fastest = watched.fastest_after("books again");
    println!("at its fastest {fastest} commands a second");
    plot::draw(PICTURE, &watched)?;
    println!("the curves are in docs/images/load.svg");
    Ok(())
}

/// What the played world sends, in its order.
struct Source {
    week: Week,
    shared: Shared,
    now: Arc<Mutex<Timestamp>>,
    waiting: VecDeque<Body>,
    sent: usize,
}

impl Source {
    /// The next deliveries, as they are sent: the world is played on as far as they need.
    fn next(&mut self, hub: &Hub, count: u32) -> Result<Vec<(String, Vec<u8>)>> {
        let count = usize::try_from(count)?;
        while self.waiting.len() < count {
            let now = *self.now.lock().unwrap_or_else(PoisonError::into_inner);
            ensure!(now < self.week.end(), "the week is over");
            let until = now.checked_add(SLICE)?;
            *self.now.lock().unwrap_or_else(PoisonError::into_inner) = until;
            let week = &mut self.week;
            for (_, sent) in self.shared.with(|world| week.play(world, until)) {
                if let Sent::Webhook { connection, push } = sent
                    && connection == SHOP_US
                {
                    self.waiting.push_back(Body {
                        kind: push.kind,
                        source_id: push.source_id,
                        bytes: push.body,
                    });
                }
            }
        }
        let mut due = Vec::new();
        for body in self.waiting.drain(..count) {
            self.sent += 1;
            due.push((head_of(hub, &body, &body.source_id)?, body.bytes));
        }
        Ok(due)
    }
}

/// Sends a second's deliveries evenly, each on the next connection, and waits out the second. The
/// connections are taken in turn: the hub closes one on which nothing comes for long.
fn send(
    runtime: &tokio::runtime::Runtime,
    mut senders: Vec<Sender>,
    due: Vec<(String, Vec<u8>)>,
) -> Result<(Vec<Sender>, Vec<Duration>)> {
    let began = Instant::now();
    senders.rotate_left(due.len() % CONNECTIONS);
    let step = Duration::from_secs(1) / u32::try_from(due.len().max(1))?;
    let mut own: Vec<Vec<(Instant, String, Vec<u8>)>> = Vec::new();
    own.resize_with(CONNECTIONS, Vec::new);
    let mut moment = began;
    for (number, (head, body)) in due.into_iter().enumerate() {
        if let Some(own) = own.get_mut(number % CONNECTIONS) {
            own.push((moment, head, body));
        }
        moment += step;
    }
    let mut tasks = Vec::new();
    for (mut sender, own) in senders.into_iter().zip(own) {
        tasks.push(runtime.spawn(async move {
            let mut waits = Vec::new();
            for (due, head, body) in own {
                tokio::time::sleep_until(due.into()).await;
                sender.send(&head, &body).await?;
                // A sender that is late because the answer before was late counts that, too.
                waits.push(due.elapsed());
            }
            Ok::<_, anyhow::Error>((sender, waits))
        }));
    }
    let (mut senders, mut waits) = (Vec::new(), Vec::new());
    for task in tasks {
        let (sender, own) = runtime.block_on(task)??;
        senders.push(sender);
        waits.extend(own);
    }
    std::thread::sleep(Duration::from_secs(1).saturating_sub(began.elapsed()));
    Ok((senders, waits))
}

/// What was seen of the hub, second by second, and from which second each part of the day is.
struct Watched {
    seconds: Vec<Second>,
    marks: Vec<(usize, &'static str)>,
}

impl Watched {
    fn mark(&mut self, name: &'static str) {
        self.marks.push((self.seconds.len(), name));
    }

    fn see(&mut self, hub: &Hub, waits: &[Duration]) -> Result<()> {
        let (messages, commands) =
            hub.store.read(|tx| Ok((messages::counts(tx)?, commands::counts(tx)?)))?;
        let undecoded = messages.iter().filter(|(_, state, ..)| state == "received");
        let open = |state: &str| !matches!(state, "applied" | "withdrawn");
        let refused: i64 =
            commands.iter().filter(|it| it.2 == "refused").map(|(.., count)| count).sum();
        ensure!(refused == 0, "{refused} commands were refused");
        let mut sorted = waits.to_vec();
        sorted.sort();
        self.seconds.push(Second {
            acknowledged: waits.len(),
            p99: at(&sorted, 99),
            undecoded: undecoded.map(|(_, _, count, _)| count).sum(),
            open: commands.iter().filter(|it| open(&it.2)).map(|(.., count)| count).sum(),
            applied: commands.iter().filter(|it| it.2 == "applied").map(|(.., count)| count).sum(),
        });
        Ok(())
    }

    fn last_second(&self) -> Second {
        self.seconds.last().copied().unwrap_or_default()
    }

    fn last(&self) -> String {
        let Second { undecoded, open, applied, .. } = self.last_second();
        format!("{undecoded} messages to be decoded, {open} commands open, {applied} carried out")
    }

    /// The most commands of five seconds in a row, for each of them.
    fn fastest_after(&self, name: &str) -> i64 {
        let from = self.marks.iter().find(|(_, own)| *own == name).map_or(0, |(second, _)| *second);
        let applied: Vec<i64> = self.seconds.iter().skip(from).map(|it| it.applied).collect();
        applied
            .windows(6)
            .filter_map(|six| Some((six.last()? - six.first()?) / 5))
            .max()
            .unwrap_or_default()
    }
}
