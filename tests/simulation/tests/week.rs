//! The demo's week without a network: both lists are what was planted, nothing else.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use trueup::demo::compare::compare;
use trueup::demo::play::{Clock, play};
use trueup::demo::setup;
use trueup_hub::report;
use trueup_sandbox::{Week, WeekSettings, World};
use trueup_simulation::rig::{Direct, FrontDoor, lossy};
use trueup_store::Store;

fn run(orders: u32, seed: u64, faults: bool) {
    let settings = WeekSettings { orders, seed, faults, ..WeekSettings::default() };
    let mut week = Week::new(settings);
    let mut world = World::new(true).expect("a world");
    week.prepare(&mut world);
    let odoo = world.odoo.as_ref().expect("an Odoo");
    let mappings: BTreeMap<_, _> = ["us", "eu"]
        .into_iter()
        .map(|entity| (entity.to_owned(), odoo.demo_mapping(entity).expect("a mapping")))
        .collect();
    let clock = Clock::at(week.start());
    let store = Store::in_memory().expect("a store");
    let hub = setup::hub(store, None, None, week.start(), "test").expect("a hub");
    setup::approve(&hub, &mappings, week.start()).expect("approved");
    let world = Rc::new(RefCell::new(world));
    let mut transport = lossy(Direct { world: Rc::clone(&world), clock: clock.clone() });
    let mut door = FrontDoor { hub: hub.clone(), clock: clock.clone() };
    let acting = Rc::clone(&world);
    let mut act = |f: &mut dyn FnMut(&mut World)| f(&mut acting.borrow_mut());
    play(&hub, &mut week, &clock, &mut act, &mut door, &mut transport, &mut |_| {})
        .expect("the week");
    let report = hub
        .store
        .read(|tx| {
            report::build(
                tx,
                settings.start,
                settings.start + jiff::Span::new().days(6),
                clock.now(),
            )
        })
        .expect("a report");
    for row in &report.days {
        println!("{:?} {} {} {:?}", row.day, row.currency, row.orders, row.overall);
    }
    for row in &report.totals {
        println!("{} {} {:#?}", row.currency, row.orders, row.links);
    }
    for case in &report.open {
        println!("OPEN {} {:?} {} | {}", case.kind, case.amount, case.title, case.detail);
    }
    for one in &report.absorbed {
        println!("ABSORBED {} {} ×{}", one.kind, one.detail, one.times);
    }
    println!("planted: {:#?}", week.planted);
    let bridges = hub.store.read(|tx| trueup_hub::bridges::build(tx, &hub)).expect("the bridges");
    assert_eq!(bridges.len(), 6, "each side states its totals: {bridges:#?}");
    for bridge in &bridges {
        assert!(bridge.unexplained.is_zero(), "{bridge:#?}");
    }
    let comparison = compare(&week.planted, &report);
    assert!(comparison.is_exact(), "{comparison:#?}");
    let unbalanced = hub.store.read(trueup_store::facts::unbalanced).expect("a check");
    assert!(unbalanced.is_empty(), "{unbalanced:?}");
}

#[test]
fn a_quiet_week_ends_without_any_difference() {
    run(12, 3, false);
}

#[test]
fn what_was_planted_is_found_and_nothing_else() {
    run(60, 1, true);
}
