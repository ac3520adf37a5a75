//! The API, and that its description names exactly its routes.

use std::collections::BTreeSet;

use axum::http::StatusCode;

use crate::fixture::{Server, command_key};

#[tokio::test]
async fn the_description_names_every_route_and_no_other() {
    let server = Server::with_orders();
    let description = server.get("/api/v1/openapi.json").await.json();
    let described: BTreeSet<String> =
        description["paths"].as_object().expect("paths").keys().cloned().collect();
    let routes: BTreeSet<String> =
        trueup_server::api::PATHS.iter().map(|path| (*path).to_owned()).collect();
    assert_eq!(described, routes);
    for (path, methods) in description["paths"].as_object().expect("paths") {
        for method in methods.as_object().expect("methods").keys() {
            let path = format!("/api/v1{}", path.replace(['{', '}'], ""));
            let answer = match method.as_str() {
                "post" => server.post(&path, &[], b"").await,
                _ => server.get(&path).await,
            };
            // A route that is not there would answer in the words of the fallback.
            assert_ne!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert!(!answer.text().contains("this page"), "{method} {path} is not routed");
        }
    }
    refs_lead_somewhere(&description, &description);
}

fn refs_lead_somewhere(part: &serde_json::Value, whole: &serde_json::Value) {
    match part {
        serde_json::Value::Object(fields) => {
            if let Some(target) = fields.get("$ref").and_then(|target| target.as_str()) {
                let pointer = target.strip_prefix('#').expect("a local reference");
                assert!(whole.pointer(pointer).is_some(), "{target} leads nowhere");
            }
            fields.values().for_each(|field| refs_lead_somewhere(field, whole));
        }
        serde_json::Value::Array(all) => {
            all.iter().for_each(|one| refs_lead_somewhere(one, whole));
        }
        _ => {}
    }
}

#[tokio::test]
async fn the_report_counts_the_four_sides() {
    let server = Server::with_orders();
    let report = server.get("/api/v1/report").await.json();
    let total = &report["totals"][0];
    assert_eq!((&total["orders"], &total["minor"]), (&3.into(), &129_156.into()));
    assert_eq!(total["links"]["document"]["proven"]["orders"], 2);
    assert_eq!(total["links"]["document"]["broken"]["minor"], 700);
    let empty = server.get("/api/v1/report?from=2026-01-01&to=2026-01-02").await.json();
    assert_eq!(empty["totals"], serde_json::json!([]));
    for wrong in ["from=yesterday", "from=2026-02-01&to=2026-01-01"] {
        let answer = server.get(&format!("/api/v1/report?{wrong}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(answer.code(), "TU404");
    }
}

#[tokio::test]
async fn orders_are_found_and_paged() {
    let server = Server::with_orders();
    let found = server.get("/api/v1/orders?search=1002").await.json();
    assert_eq!(found["orders"][0]["root"], "acme/sale/2");
    assert_eq!(found["orders"][0]["total"]["amount"], "50.00");
    assert_eq!(found["orders"][0]["proof"]["document"], "proven");
    assert_eq!(found["orders"].as_array().map(Vec::len), Some(1));
    let mut numbers = Vec::new();
    let mut path = "/api/v1/orders?limit=1".to_owned();
    loop {
        let page = server.get(&path).await.json();
        numbers.push(page["orders"][0]["number"].as_str().expect("a number").to_owned());
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/orders?limit=1&after={next}");
    }
    assert_eq!(numbers, ["#1003 <b>", "#1002", "#1001"]);
}

#[tokio::test]
async fn an_order_is_told_by_id_and_by_number() {
    let server = Server::with_orders();
    for name in ["acme/sale/1", "%231001", "1"] {
        let trace = server.get(&format!("/api/v1/orders/{name}")).await.json();
        assert_eq!(trace["root"], "acme/sale/1", "{name}");
        assert_eq!(trace["journal"].as_array().map(Vec::len), Some(2));
    }
    let missing = server.get("/api/v1/orders/nothing").await;
    assert_eq!((missing.status, missing.code().as_str()), (StatusCode::NOT_FOUND, "TU403"));
}

#[tokio::test]
async fn a_refused_command_is_sent_again_once() {
    let server = Server::with_orders();
    let open = server.get("/api/v1/cases").await.json();
    let refused = open.as_array().expect("cases").iter().find(|case| case["kind"] == "refused");
    let id = refused.expect("the refused command")["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/v1/cases/{id}/retry");
    assert_eq!(server.post(&path, &[], b"{}").await.code(), "TU404", "somebody must say so");
    let by = br#"{"person":"ann","reason":"the journal is open"}"#;
    assert_eq!(server.post(&path, &[], by).await.json()["done"], true);
    let key = command_key("3");
    let command = server.read(|tx| trueup_store::commands::find(tx, &key)).expect("a command");
    assert_eq!(command.state, "ready");
    let again = server.post(&path, &[], by).await;
    assert_eq!((again.status, again.code().as_str()), (StatusCode::CONFLICT, "TU407"));
    let other = server.cases().into_iter().find(|other| *other != id).expect("another case");
    let answer = server.post(&format!("/api/v1/cases/{other}/assign"), &[], b"x").await;
    assert_eq!(answer.code(), "TU404");
    assert_eq!(server.post("/api/v1/cases/none/retry", &[], by).await.code(), "TU403");
    let shown = server.get(&format!("/api/v1/cases/{id}")).await.json();
    assert_eq!(shown["decisions"][0]["person"], "ann");
    let message = shown["decisions"][0]["message"].as_str().expect("its message").to_owned();
    let body = server.get(&format!("/api/v1/messages/{message}/raw")).await.json();
    assert_eq!(body["reason"], "the journal is open");
    let command = format!(r#"{{"person":"ann","about":"{key}"}}"#);
    assert_eq!(server.post("/api/v1/retry", &[], command.as_bytes()).await.code(), "TU407");
}

#[tokio::test]
async fn a_suspended_connection_is_resumed() {
    let server = Server::with_orders();
    let suspend = |tx: &mut trueup_store::Tx<'_>| {
        trueup_store::streams::suspend(tx, "acme", "the key was revoked", crate::fixture::now())
    };
    let path = "/api/v1/connections/acme/resume";
    let by = br#"{"person":"ann"}"#;
    assert_eq!(server.post(path, &[], by).await.code(), "TU407");
    server.hub.store.write(suspend).expect("suspended");
    let shown = server.get("/api/v1/connections").await.json();
    assert_eq!(shown[0]["suspended"], "the key was revoked");
    assert_eq!(shown[0]["streams"][0]["complete_to"], "2026-03-20T10:00:00Z");
    assert_eq!(server.post(path, &[], by).await.status, StatusCode::OK);
    let shown = server.get("/api/v1/connections").await.json();
    assert_eq!(shown[0]["suspended"], serde_json::Value::Null);
}

#[tokio::test]
async fn a_message_is_shown_as_text_and_given_as_bytes() {
    let server = Server::with_orders();
    let newest = server.read(|tx| trueup_store::messages::newest(tx, "acme", 1));
    let id = &newest[0].id;
    let shown = server.get(&format!("/api/v1/messages/{id}")).await.json();
    assert_eq!(shown["headers"]["x-topic"], "orders/create");
    assert!(shown["body"].as_str().expect("text").contains("<script>"));
    let raw = server.get(&format!("/api/v1/messages/{id}/raw")).await;
    assert_eq!(raw.header("content-type"), "application/octet-stream");
    assert!(raw.header("content-disposition").starts_with("attachment"));
    assert_eq!(raw.text(), shown["body"].as_str().expect("text"));
    assert_eq!(server.get("/api/v1/messages/none").await.code(), "TU403");
}

#[tokio::test]
async fn the_metrics_name_what_waits() {
    let server = Server::with_orders();
    let text = server.get("/metrics").await.text();
    for line in [
        "trueup_messages{source=\"acme\",state=\"decoded\"} 3",
        "trueup_commands{target=\"acme\",kind=\"cancellation\",state=\"refused\"} 1",
        "trueup_cases_open{entity=\"Acme <EU>\",kind=\"refused\"} 1",
        "trueup_cases_amount_at_risk_minor{entity=\"Acme <EU>\",kind=\"refused\",currency=\"EUR\"} 700",
        "trueup_roots_waiting{source=\"acme\"} 1",
        "trueup_queue_oldest_age_seconds{stage=\"decode\"} 0",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert_eq!(server.get("/health").await.text(), "ok\n");
    assert_eq!(server.get("/ready").await.text(), "ready\n");
}

#[tokio::test]
async fn the_reports_are_figures_with_names() {
    let server = Server::with_orders();
    let report = server.get("/api/v1/reports/sales?by=channel,week").await.json();
    assert_eq!(report["rows"][0]["channel"], "acme");
    assert_eq!(report["rows"][0]["week"], "2026-W10");
    let figures = &report["totals"][0]["figures"];
    assert_eq!(figures["gross_sales"], serde_json::json!({"amount": "1241.56", "currency": "EUR"}));
    assert_eq!(figures["orders"], 2);
    assert_eq!(figures["discount_rate_percent"], "0.00");
    assert_eq!(report["excluded"][0]["reason"], "test");
    assert_eq!(report["bridges"][0]["unexplained"]["amount"], "0.00");
    let behind = server.get("/api/v1/reports/sales/documents").await.json();
    assert_eq!(behind["documents"].as_array().expect("documents").len(), 2);
    assert_eq!(behind["documents"][0]["sale"], "acme/sale/3");
    let tax = server.get("/api/v1/reports/tax").await.json();
    assert_eq!(tax["rows"][0]["regime"], "eu_oss");
    assert_eq!(tax["totals"][0]["tax"]["amount"], "258.31");
    assert_eq!(server.get("/api/v1/reports/tax?calendar=x").await.code(), "TU404");
    let clearing = server.get("/api/v1/reports/clearing?month=2026-03").await.json();
    assert_eq!(clearing["to"], "2026-03-31");
    assert_eq!(clearing["accounts"], serde_json::json!([]));
    assert_eq!(server.get("/api/v1/reports/clearing?month=x").await.code(), "TU404");
}
