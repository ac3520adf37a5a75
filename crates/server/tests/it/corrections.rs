//! What a message should have said: on its page and through the API.

use axum::http::StatusCode;
use trueup_connect::Secret;
use trueup_connect::webhook::SignedDelivery;

use crate::fixture::{PORTAL, PORTAL_SECRET, Server, now};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
/// A portal sent a price as a number, not as a text.
const SENT: &str =
    include_str!("../../../../connectors/channel/fixtures/message__amount_as_a_number.json");

/// A portal that sent what cannot be read, and the message.
async fn refused() -> (Server, String) {
    let server = Server::with_portal();
    let secret = Secret::new(PORTAL_SECRET);
    let (kind, body, now) = ("", SENT.as_bytes(), now());
    let delivery =
        SignedDelivery { kind, source_id: "m1", account: "", body, secret: &secret, now };
    assert_eq!(server.deliver_to(PORTAL, &delivery).await.status, StatusCode::OK);
    server.settle();
    let message = server.read(|tx| trueup_store::messages::newest(tx, PORTAL, 1)).remove(0);
    assert_eq!(message.state, "failed");
    (server, message.id)
}

fn form(fields: &[(&str, &str)]) -> Vec<u8> {
    let encoded =
        |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
    let pairs: Vec<String> =
        fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    pairs.join("&").into_bytes()
}

#[tokio::test]
async fn a_message_is_corrected_on_its_page_by_two_people() {
    let (server, message) = refused().await;
    let page = format!("/messages/{message}");
    let shown = server.get(&page).await.text();
    assert!(shown.contains("Propose what it should have said"), "{shown}");
    assert!(shown.contains("PO-4711</textarea>") || shown.contains("&#34;PO-4711&#34;"), "{shown}");

    // As a browser sends it: every line ends with CR LF.
    let better = SENT.replace("8.125", "\"8.125\"").replace('\n', "\r\n");
    let fields = [("person", "ann"), ("reason", "the portal's <mistake>"), ("text", &better)];
    let answer = server.post(&format!("{page}/correct"), &[FORM], &form(&fields)).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    assert_eq!(answer.header("location"), format!("{page}#corrections"));

    let shown = server.get(&page).await.text();
    for wanted in [
        "the portal&#39;s &#60;mistake&#62;",
        "<span class=\"was\">-           &#34;unit_price&#34;: 8.125,",
        "<span class=\"is\">+           &#34;unit_price&#34;: &#34;8.125&#34;,",
        "portal/order/o-2001 is new",
        "Who proposed it cannot approve it.",
    ] {
        assert!(shown.contains(wanted), "`{wanted}` is not in\n{shown}");
    }
    let case = server.read(trueup_store::cases::open_cases);
    let case = case.iter().find(|it| it.kind == "correction_proposed").expect("a case");
    let link = format!("{page}#corrections");
    assert!(server.get(&format!("/cases/{}", case.id)).await.text().contains(&link));

    let one = server.read(trueup_store::corrections::waiting).remove(0);
    let approve = format!("/corrections/{}/approve", one.id);
    let by = |person: &str, hash: &str| form(&[("person", person), ("hash", hash)]);
    let answer = server.post(&approve, &[FORM], &by("Ann", &one.body_hash)).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    let answer = server.post(&approve, &[FORM], &by("ben", "of another text")).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    let answer = server.post(&approve, &[FORM], &by("ben", &one.body_hash)).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    server.settle();

    let shown = server.get(&page).await.text();
    for wanted in
        ["approved by ben", "What is read instead", "approved the correction", "corrected"]
    {
        assert!(shown.contains(wanted), "`{wanted}` is not in\n{shown}");
    }
    assert!(!shown.contains("Propose what it should have said"));
    let one = server.read(|tx| trueup_store::corrections::find(tx, &one.id)).expect("kept");
    let made = server.get(&format!("/messages/{}", one.made.expect("made"))).await.text();
    assert!(made.contains("decoded") && made.contains(&page), "{made}");
}

#[tokio::test]
async fn a_program_proposes_approves_and_rejects() {
    let (server, message) = refused().await;
    let propose = format!("/api/v1/messages/{message}/correct");
    let said = |person: &str, name: &str, value: &str| {
        serde_json::json!({ "person": person, "reason": "by phone", name: value })
            .to_string()
            .into_bytes()
    };
    let answer = server.post(&propose, &[], &said("ann", "text", SENT)).await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "it cannot be read as it is");
    let better = SENT.replace("8.125", "\"8.125\"");
    let answer = server.post(&propose, &[], &said("ann", "text", &better)).await;
    assert_eq!(answer.json()["done"], true);
    let waiting = server.get("/api/v1/corrections").await.json();
    let id = waiting[0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(waiting[0]["text"], better);
    let shown = server.get(&format!("/api/v1/corrections/{id}")).await.json();
    assert_eq!(shown["plan"]["documents"][0]["document"], "portal/order/o-2001");

    let decide = |word: &str| format!("/api/v1/corrections/{id}/{word}");
    assert_eq!(server.post(&decide("applaud"), &[], b"{}").await.status, StatusCode::NOT_FOUND);
    let answer = server.post(&decide("reject"), &[], &said("ben", "hash", "")).await;
    assert_eq!(answer.json()["done"], true, "{}", answer.text());
    let hash = shown["hash"].as_str().expect("a hash");
    let answer = server.post(&decide("approve"), &[], &said("ben", "hash", hash)).await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "it is rejected");
    let shown = server.get(&format!("/api/v1/corrections/{id}")).await.json();
    assert_eq!((&shown["state"], &shown["plan"]), (&"rejected".into(), &serde_json::Value::Null));
    assert_eq!(server.get("/api/v1/corrections/none").await.code(), "TU403");
    assert_eq!(server.get("/api/v1/corrections").await.json(), serde_json::json!([]));
}

#[tokio::test]
async fn i9_what_was_done_is_on_a_page_and_in_the_api() {
    let (server, message) = refused().await;
    assert!(server.get("/audit").await.text().contains("Nothing was done yet"));
    let better = SENT.replace("8.125", "\"8.125\"");
    let fields = [("person", "ann"), ("reason", "a <slip>"), ("text", better.as_str())];
    server.post(&format!("/messages/{message}/correct"), &[FORM], &form(&fields)).await;
    trueup_hub::audit::seal_all(&server.hub.store, &[]).expect("sealed");
    let page = server.get("/audit").await.text();
    let records = server.get("/api/v1/audit").await.json();
    let record = &records[0];
    let seal = record["seal"].as_str().expect("a seal");
    for wanted in ["1 record,", seal, "correct", "ann", "a &#60;slip&#62;", &message] {
        assert!(page.contains(wanted), "`{wanted}` is not in\n{page}");
    }
    let decision = record["subject"].as_str().expect("a message");
    assert!(page.contains(&format!("/messages/{decision}")));
    assert_eq!(server.get("/api/v1/audit?after=1").await.json(), serde_json::json!([]));
    assert!(server.get("/audit?before=1").await.text().contains("Nothing was done yet"));
}
