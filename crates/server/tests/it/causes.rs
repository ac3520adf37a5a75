//! Cases of one cause in the console.

use axum::http::StatusCode;
use trueup_store::{Tx, cases};

use crate::fixture::{Server, now};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

async fn text(server: &Server, path: &str) -> String {
    let page = server.get(path).await;
    assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text());
    page.text()
}

fn has(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "`{word}` is not in\n{text}");
    }
}

#[tokio::test]
async fn h25_cases_of_one_cause_are_one_line_and_decided_together() {
    let server = Server::with_orders();
    let open = |tx: &mut Tx<'_>| {
        for subject in ["m1", "m2"] {
            let case = cases::NewCase {
                kind: "undecodable",
                subject,
                entity: "Acme",
                title: &format!("The message {subject} cannot be read"),
                detail: "a new kind of payment",
                remedy: "read it with another version",
                amount: None,
                owner: "integrator",
            };
            cases::open_of_cause(tx, &case, "a new kind", now())?;
        }
        Ok(())
    };
    server.hub.store.write(open).expect("opened");
    let all = server.read(cases::open_cases);
    let both: Vec<_> = all.into_iter().filter(|case| case.kind == "undecodable").collect();
    let path = format!("/cases?cause={}", both[0].cause);
    let list = text(&server, "/cases?kind=undecodable").await;
    has(&list, &[&path, "title=\"cases of one cause\">2</span>"]);
    assert_eq!(list.matches("cannot be read</a>").count(), 1, "{list}");
    let page = text(&server, &path).await;
    has(&page, &["2 open of one cause", "Decode it again: all of them", "The message m2 cannot"]);
    has(&text(&server, &format!("/cases/{}", both[0].id)).await, &["2 open cases have this cause"]);

    let given = b"person=ann&reason=&assignee=ben";
    let pressed = server.post(&format!("/cases/{}/assign", both[0].cause), &[FORM], given).await;
    assert_eq!((pressed.status, pressed.header("location")), (StatusCode::SEE_OTHER, &*path));
    has(&text(&server, &path).await, &["integrator</a>, ben", "<b>ann</b> gave it to ben"]);
    let closed = b"person=ann&reason=not+ours";
    server.post(&format!("/cases/{}/close", both[0].cause), &[FORM], closed).await;
    let left = server.read(cases::open_cases);
    assert!(left.iter().all(|case| case.kind != "undecodable"));
    has(&text(&server, &path).await, &["Nothing is open of this cause"]);
}
