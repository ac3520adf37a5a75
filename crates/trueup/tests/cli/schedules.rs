//! Jobs at their times, as `trueup serve` and a person run them.

use std::fs;

use super::{Place, Server};

const JOBS: &str = r#"
[schedule.night]
job = "backup"
folder = "backups"
keep = 2
every = "744h"
[schedule.sales]
job = "report"
report = "sales"
by = ["day"]
folder = "reports"
cron = "0 6 * * *"
[schedule.morning]
job = "check"
every = "744h"
"#;

/// A place with jobs, none of which has its time while a test runs.
fn place() -> Place {
    let place = Place::configured();
    let configured = fs::read_to_string(place.path("trueup.toml")).unwrap();
    place.write("trueup.toml", &(configured + JOBS));
    place
}

fn backups(place: &Place) -> usize {
    fs::read_dir(place.path("backups")).unwrap().count()
}

#[test]
fn a_job_is_run_by_hand_where_no_server_works() {
    let place = place();
    let run = |name: &str| place.run(&["schedules", "run", name, "--by", "ann"]);
    place.run(&["schedules"]).ended(0).said("none yet").said("backup, the newest 2 are kept");
    run("weekly").ended(1).complained("no schedule `weekly`");
    for _ in 0..3 {
        run("night").ended(0).said("bytes");
        // Its name holds the second.
        std::thread::sleep(std::time::Duration::from_millis(1_100));
    }
    assert_eq!(backups(&place), 2, "the oldest went");
    // It is a backup: it can be brought back.
    let newest = fs::read_dir(place.path("backups")).unwrap().map(|it| it.unwrap().path()).max();
    let newest = newest.unwrap().to_string_lossy().into_owned();
    place.run(&["restore", &newest, "--by", "ann"]).ended(0).said("3 messages");

    run("sales").ended(0).said("sales-");
    let report = fs::read_dir(place.path("reports")).unwrap().next().unwrap().unwrap().path();
    assert!(fs::read_to_string(report).unwrap().starts_with("day,currency,gross_sales"));
}

#[test]
fn a_job_that_fails_is_a_case_and_an_exit_status() {
    let place = place();
    // Where its folder should be there is a file.
    place.write("backups", "in the way");
    let run = || place.run(&["schedules", "run", "night", "--by", "ann"]);
    run().ended(1).said("failed").said("backups");
    place.run(&["cases"]).ended(1).said("job failed").said("night");
    let listed = place.run(&["schedules", "--json"]).ended(1).json();
    let night = listed.as_array().unwrap().iter().find(|it| it["name"] == "night").unwrap().clone();
    assert_eq!(night["state"], "failed");
    fs::remove_file(place.path("backups")).unwrap();
    run().ended(0);
    place.run(&["cases"]).ended(0);
    // No secret is set for the shop's token here: the check says so.
    let mut check = place.command(&["schedules", "run", "morning", "--by", "ann"]);
    let checked = super::Answer::of(&check.env_remove("SHOP_TOKEN").output().unwrap());
    checked.ended(1).said("SHOP_TOKEN is not set");
}

#[test]
fn f6_a_server_runs_what_was_missed_while_it_slept_and_what_people_ask_for() {
    let place = place();
    place.run(&["schedules"]).ended(0);
    // Since it was known last, two months have passed.
    let store = trueup_store::Store::open_sqlite(&place.path("trueup.sqlite")).unwrap();
    let long_ago = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1_500);
    store.write(move |tx| trueup_store::schedules::pass_over(tx, "night", long_ago)).unwrap();
    drop(store);
    let mut server = Server::start(&place, &[]);
    server.hears("a job is done");
    assert_eq!(backups(&place), 1, "one run makes up for all");
    let asked = place.run(&["schedules", "run", "sales", "--by", "ann"]).ended(0);
    assert!(asked.out.contains("sales-"), "{}", asked.out);
    let answer = server.request("GET /api/v1/schedules", &[], b"");
    assert!(answer.contains(r#""state":"done""#), "{answer}");
    let metrics = server.request("GET /metrics", &[], b"");
    assert!(metrics.contains("trueup_schedule_failed{schedule=\"night\"} 0"), "{metrics}");
    let page = server.request("GET /schedules", &[], b"");
    assert!(page.contains("Run now") && page.contains("backup, the newest 2 are kept"), "{page}");
    assert_eq!(server.end(), 0);
    assert_eq!(backups(&place), 1);
}
