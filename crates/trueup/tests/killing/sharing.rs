//! Real processes that share the work of one database.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use trueup_store::Store;
use trueup_store::leases::{self, Process};

use crate::killing::{Hub, Stage, audit, come_to_rest};

/// Until then processes that start together have shared the work.
const SHARED: Duration = Duration::from_secs(60);

/// So long they are watched when all is done.
const IDLE_FOR: Duration = Duration::from_secs(10);

/// What the server has counted of a database so far.
fn counted(at: &str, what: &str) -> u64 {
    let mut client = postgres::Client::connect(at, postgres::NoTls).unwrap();
    // What a server counts is told about a second late.
    std::thread::sleep(Duration::from_millis(1500));
    let sql = format!("SELECT {what} FROM pg_stat_database WHERE datname = current_database()");
    u64::try_from(client.query_one(&sql, &[]).unwrap().get::<_, i64>(0)).unwrap()
}

/// Lets processes share the work of a store while a week's orders come in at once; returns how long
/// it took until all was done.
pub fn share(at: &str, open: &dyn Fn(&Path) -> Store, processes: usize, orders: u32) -> Duration {
    let mut stage = Stage::set(at, open, orders);
    let mut hubs: Vec<Hub> = (0..processes).map(|_| Hub::start(stage.folder.path(), at)).collect();
    hubs.iter_mut().for_each(Hub::wait);
    let store = stage.store.clone();
    let shares = || -> Vec<Process> {
        let alive = store.write(|tx| {
            let now = tx.clock(trueup::wiring::now())?;
            leases::alive(tx, now)
        });
        alive.unwrap()
    };
    let ranges = |one: &Process| one.parts.iter().filter_map(|it| leases::shards_of(it)).count();
    let until = Instant::now() + SHARED;
    let fair = usize::try_from(leases::RANGES).unwrap() / processes;
    while shares().len() < processes || shares().iter().any(|one| ranges(one) < fair) {
        assert!(Instant::now() < until, "the work is not shared: {:?}", shares());
        std::thread::sleep(Duration::from_millis(100));
    }
    let end = stage.week.end();
    // The newest comes first, which is the hard way round.
    let mut unsent = stage.play(end);
    let born = Instant::now();
    let mut acknowledged = BTreeSet::new();
    while let Some((connection, push)) = unsent.pop() {
        let hub = &mut hubs[unsent.len() % processes];
        assert!(hub.acknowledges(connection, &push), "{connection} {}", push.kind);
        acknowledged.insert((connection.to_owned(), push.source_id.clone()));
    }
    come_to_rest(&store);
    let took = born.elapsed();
    // At rest they ask for little; at work they hold what they raise in one order.
    let (before, began) = (counted(at, "xact_commit"), Instant::now());
    std::thread::sleep(IDLE_FOR);
    let asked = counted(at, "xact_commit") - before;
    let per_second = u128::from(asked) * 1_000 / began.elapsed().as_millis();
    let deadlocks = counted(at, "deadlocks");
    assert!(deadlocks <= 1, "{deadlocks} deadlocks");
    println!("{processes} processes at rest ask {per_second} times a second");
    let shared_out = shares();
    assert_eq!(shared_out.len(), processes, "{shared_out:?}");
    assert!(shared_out.iter().all(|one| ranges(one) >= fair), "{shared_out:?}");
    for mut hub in hubs {
        hub.hear();
        hub.kill();
    }
    audit(&store, &stage.shared, &acknowledged);
    took
}
