//! Setup on a real Odoo: looking changes nothing, applying twice makes everything once.

mod common;

use std::collections::BTreeSet;

use common::{Books, Played, Real};
use serde_json::json;
use trueup_connect::conversation::Request;
use trueup_odoo::sandbox::OdooSandbox;
use trueup_odoo::setup::{self, plan::summary};

fn story(books: &mut dyn Books) -> (Vec<String>, Vec<String>) {
    let mut plans = Vec::new();
    let mut findings = BTreeSet::new();
    for wanted in setup::demo::wanted() {
        let count = |books: &dyn Books| books.read("account.account", json!([]), &["code"]).len();
        let before = count(books);
        let granted = {
            let mut hub = |request: &Request| books.send(request, false);
            setup::rights(&mut hub, &wanted).expect("the hub's rights are told")
        };
        assert!(granted.is_empty(), "{}: {granted:?}", books.name());

        // Looking needs no administrator, and changes nothing.
        let report = {
            let mut hub = |request: &Request| books.send(request, false);
            setup::inspect(&mut hub, &wanted).expect("a report")
        };
        assert_eq!(report.version, "19.0");
        assert!(report.modules.contains_key("sale_management"));
        assert!(!report.findings.iter().any(|it| it.blocks), "{:?}", report.findings);
        let plan = setup::plan(&report, &wanted).expect("a plan");
        assert_eq!(count(books), before);
        plans.extend(summary(&plan).into_iter().map(|line| format!("{}: {line}", wanted.entity)));
        findings.extend(report.findings.iter().map(|it| it.code.to_owned()));

        // The hub's user may not make what the plan lists; an administrator may, and only once.
        let refused = {
            let mut hub = |request: &Request| books.send(request, false);
            setup::apply(&mut hub, &wanted, &plan)
        };
        assert!(refused.is_err(), "{}: a plain user made accounts", books.name());
        let mut admin = |request: &Request| books.send(request, true);
        let first = setup::run(&mut admin, &wanted).expect("a mapping");
        let again = setup::run(&mut admin, &wanted).expect("a mapping");
        assert_eq!(first, again);
        assert!(count(books) > before);
    }
    (plans, findings.into_iter().collect())
}

#[test]
fn applying_twice_makes_everything_once() {
    let played = story(&mut Played(OdooSandbox::bare()));
    let Some(mut real) = Real::fresh("setup") else { return };
    let expected = story(&mut real);
    assert_eq!(played.0, expected.0, "the plans are equal");
    println!("{} records for two entities; found: {:?}", expected.0.len(), expected.1);
}
