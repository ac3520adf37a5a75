//! A1, A11, A14, A15, A16: what is acknowledged is stored, once, and nothing else is acknowledged.

use std::sync::Arc;

use axum::http::StatusCode;
use trueup_connect::Secret;
use trueup_connect::webhook::SignedDelivery;
use trueup_hub::room::Fill;
use trueup_store::messages;

use crate::fixture::{ACCOUNT, PORTAL, PORTAL_SECRET, SHOP, Server, now};

fn signed<'a>(secret: &'a Secret, source_id: &'a str, body: &'a [u8]) -> SignedDelivery<'a> {
    SignedDelivery { kind: "orders/create", source_id, account: ACCOUNT, body, secret, now: now() }
}

fn stored(server: &Server) -> Vec<messages::Head> {
    server.read(|tx| messages::newest(tx, SHOP, 1_000))
}

#[tokio::test]
async fn a1_a_delivery_is_stored_once_and_every_repeat_is_acknowledged() {
    let server = Server::empty();
    let secret = Secret::new("hush");
    for _ in 0..3 {
        let answer = server.deliver(&signed(&secret, "wh-1", b"{\"id\":1}")).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0), "{}", answer.text());
    }
    let kept = stored(&server);
    assert_eq!(kept.len(), 1);
    let message = server.read(|tx| messages::find(tx, &kept[0].id)).expect("kept");
    assert_eq!((message.body.as_slice(), message.repeats), (&b"{\"id\":1}"[..], 2));
    let text = server.get("/metrics").await.text();
    assert!(text.contains("trueup_ingest_requests_total{source=\"acme\",outcome=\"duplicate\"} 2"));
}

/// Fifty times what is usual, each delivery twice: all of it is acknowledged, and kept once.
#[tokio::test]
async fn a14_what_many_send_at_once_is_all_stored() {
    let server = Arc::new(Server::empty());
    let mut all = tokio::task::JoinSet::new();
    for number in 0..500 {
        let server = Arc::clone(&server);
        all.spawn(async move {
            let body = format!("{{\"id\":{}}}", number % 250);
            let id = format!("wh-{}", number % 250);
            server.deliver(&signed(&Secret::new("hush"), &id, body.as_bytes())).await.status
        });
    }
    while let Some(status) = all.join_next().await {
        assert_eq!(status.expect("no panic"), StatusCode::OK);
    }
    assert_eq!(stored(&server).len(), 250);
}

#[tokio::test]
async fn a11_a_wrong_signature_is_refused_and_nothing_is_kept() {
    let server = Server::empty();
    for secret in ["wrong", ""] {
        let answer = server.deliver(&signed(&Secret::new(secret), "wh-1", b"{}")).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.code(), "TU301");
    }
    let unsigned = server.post(&format!("/webhooks/{SHOP}"), &[], b"{}").await;
    assert_eq!((unsigned.status, unsigned.code().as_str()), (StatusCode::UNAUTHORIZED, "TU301"));
    assert!(stored(&server).is_empty());
}

#[tokio::test]
async fn a12_the_older_of_two_live_secrets_is_accepted() {
    let server = Server::empty();
    let answer = server.deliver(&signed(&Secret::new("old"), "wh-1", b"{}")).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn a22_a_delivery_about_another_account_is_refused() {
    let server = Server::empty();
    let secret = Secret::new("hush");
    let foreign = SignedDelivery { account: "other.example", ..signed(&secret, "wh-1", b"{}") };
    let answer = server.deliver(&foreign).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::FORBIDDEN, "TU302"));
    assert!(stored(&server).is_empty());
}

#[tokio::test]
async fn a20_an_unknown_topic_is_kept() {
    let server = Server::empty();
    let secret = Secret::new("hush");
    let odd = SignedDelivery { kind: "planets/align", ..signed(&secret, "wh-1", b"not JSON") };
    assert_eq!(server.deliver(&odd).await.status, StatusCode::OK);
    assert_eq!(stored(&server)[0].kind, "planets/align");
}

#[tokio::test]
async fn an_unknown_connection_is_not_found() {
    let server = Server::empty();
    let answer = server.post("/webhooks/nobody", &[], b"{}").await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::NOT_FOUND, "TU403"));
    let text = server.get("/metrics").await.text();
    assert!(!text.contains("nobody"), "a stranger's word became a label");
}

#[tokio::test]
async fn a15_a_body_over_the_limit_is_refused_whatever_it_announces() {
    let server = Server::empty();
    let path = format!("/webhooks/{SHOP}");
    let announced = server.post(&path, &[("content-length", "999999999")], b"{}").await;
    assert_eq!(announced.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(announced.code(), "TU303");
    let large = vec![b' '; 32 * 1024 * 1024 + 1];
    let sent = server.post(&path, &[], &large).await;
    assert_eq!((sent.status, sent.code().as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "TU303"));
}

#[tokio::test]
async fn a16_an_encoded_body_is_not_unpacked() {
    let server = Server::empty();
    let path = format!("/webhooks/{SHOP}");
    let answer = server.post(&path, &[("content-encoding", "gzip")], b"\x1f\x8b").await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(answer.code(), "TU405");
}

#[tokio::test]
async fn c8_nothing_is_taken_in_while_the_disk_is_nearly_full() {
    let server = Server::empty();
    let secret = Secret::new("hush");
    server.hub.room.note(Fill { used_per_mille: 951, left: 1 });
    let answer = server.deliver(&signed(&secret, "wh-1", b"{}")).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((answer.code().as_str(), answer.header("retry-after")), ("TU410", "5"));
    assert!(stored(&server).is_empty());
    server.hub.room.note(Fill { used_per_mille: 949, left: 1 });
    assert_eq!(server.deliver(&signed(&secret, "wh-1", b"{}")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_store_that_cannot_commit_is_never_acknowledged() {
    let server = Server::empty();
    server.hub.store.set_fate(|| trueup_store::CommitFate::CrashBefore);
    let secret = Secret::new("hush");
    let answer = server.deliver(&signed(&secret, "wh-1", b"{}")).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((answer.code().as_str(), answer.header("retry-after")), ("TU406", "5"));
    server.hub.store.set_fate(|| trueup_store::CommitFate::Commit);
    assert_eq!(server.deliver(&signed(&secret, "wh-1", b"{}")).await.status, StatusCode::OK);
    assert_eq!(stored(&server).len(), 1);
}

#[tokio::test]
async fn a_connection_without_files_takes_none() {
    let server = Server::empty();
    let answer = server.post(&format!("/files/{SHOP}?name=a.xml"), &[], b"<a/>").await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::NOT_FOUND, "TU304"));
}

/// A sender whose clock is seven minutes ahead proves nothing by its signature; that it is the clock
/// can be seen, apart from wrong signatures, and polling brings what it tells.
#[tokio::test]
async fn a13_a_clock_that_is_seven_minutes_ahead_is_refused_and_counted_apart() {
    let server = Server::with_portal();
    let secret = Secret::new(PORTAL_SECRET);
    let skewed = |minutes: i64| {
        let now = now() + jiff::SignedDuration::from_mins(minutes);
        SignedDelivery { kind: "", source_id: "m1", account: "", body: b"{}", secret: &secret, now }
    };
    for minutes in [7, -7] {
        let answer = server.deliver_to(PORTAL, &skewed(minutes)).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::UNAUTHORIZED, "TU301"));
    }
    assert_eq!(server.deliver_to(PORTAL, &skewed(4)).await.status, StatusCode::OK);
    let text = server.get("/metrics").await.text();
    let counted = |outcome: &str, count: u32| {
        let line = format!(
            "trueup_ingest_requests_total{{source=\"portal\",outcome=\"{outcome}\"}} {count}"
        );
        assert!(text.contains(&line), "{line} is not in {text}");
    };
    counted("stale", 2);
    counted("accepted", 1);
}
