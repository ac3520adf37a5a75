//! Kill -9 of a process that has its store in a file.

#![expect(clippy::unwrap_used, reason = "a step that fails is a failed test")]

mod killing;

use trueup_store::Store;

#[test]
fn c1_kill_9_at_any_moment_loses_nothing_and_doubles_nothing() {
    killing::run(&killing::Loop {
        store: "sqlite:trueup.sqlite",
        open: &|folder| Store::open_sqlite(&folder.join("trueup.sqlite")).unwrap(),
        processes: 1,
        kills: killing::kills(200),
    });
}
