//! An invoice that somebody asks for: on the page of the order and through the API.

use axum::http::StatusCode;

use crate::fixture::{Server, root_id};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn an_invoice_is_asked_for_on_the_page_of_its_order() {
    let server = Server::with_orders();
    let sale = root_id("1");
    let page = format!("/orders/{sale}");
    let shown = server.get(&page).await.text();
    assert!(shown.contains("Give it an invoice of its own"), "{shown}");

    let body = format!("sale={sale}&company=Acme+%26+Sons&vat_number=&person=ann&reason=asked");
    let answer = server.post("/invoices", &[FORM], body.as_bytes()).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    assert_eq!(answer.header("location"), page);
    server.settle();
    let shown = server.get(&page).await.text();
    assert!(shown.contains("Invoice request"), "{shown}");
    assert!(shown.contains("Acme &#38; Sons"), "{shown}");
    assert!(answer.header("set-cookie").starts_with("trueup_person=ann;"), "the name is kept");
}

#[tokio::test]
async fn an_invoice_is_asked_for_through_the_api() {
    let server = Server::with_orders();
    let ask = |sale: &str, reason: &str| {
        let body = serde_json::json!({ "sale": sale, "company": "Acme", "person": "ann",
            "reason": reason });
        body.to_string().into_bytes()
    };
    let path = "/api/v1/invoices";
    let good = ask(&root_id("1"), "asked");
    assert_eq!(server.post(path, &[JSON], &good).await.status, StatusCode::OK);
    let unknown = server.post(path, &[JSON], &ask("shop/sale/none", "asked")).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND, "{}", unknown.text());
    let nothing = server.post(path, &[JSON], &ask(&root_id("1"), " ")).await;
    assert_eq!(nothing.status, StatusCode::BAD_REQUEST, "{}", nothing.text());
    let torn = server.post(path, &[JSON], b"{\"sale\":").await;
    assert_eq!(torn.status, StatusCode::BAD_REQUEST, "{}", torn.text());
}
