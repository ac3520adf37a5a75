//! Who may ask, and what a browser may do with the answer.

use axum::body::Body;
use axum::http::{Request, StatusCode};

use crate::fixture::{SHOP, Server};

const PAGES: [&str; 8] = [
    "/",
    "/orders",
    "/orders/acme/sale/1",
    "/cases",
    "/connections",
    "/bridges",
    "/journal",
    "/errors/TU301",
];

#[tokio::test]
async fn no_page_loads_or_runs_anything_from_elsewhere() {
    let server = Server::with_orders();
    for path in PAGES {
        let page = server.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text());
        let policy = page.header("content-security-policy");
        for rule in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"] {
            assert!(policy.contains(rule), "{path} lacks {rule}");
        }
        assert!(!policy.contains("unsafe"));
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("referrer-policy"), "same-origin");
        assert_eq!(page.header("cache-control"), "no-store");
        let text = page.text();
        for forbidden in ["http://", "https://", " style=", "javascript:", " onclick", "<style"] {
            assert!(!text.contains(forbidden), "{path} contains `{forbidden}`");
        }
    }
}

#[tokio::test]
async fn h9_what_strangers_wrote_is_escaped_everywhere() {
    let server = Server::with_orders();
    let message = server.read(|tx| trueup_store::messages::newest(tx, SHOP, 1))[0].id.clone();
    let case = server.cases().remove(0);
    let search = "/orders?search=%22%3E%3Cscript%3Ealert(1)%3C/script%3E".to_owned();
    let order = "/orders/acme/sale/3".to_owned();
    let pages = [search, order, format!("/messages/{message}"), format!("/cases/{case}")];
    for path in pages.into_iter().chain(PAGES.map(str::to_owned)) {
        let text = server.get(&path).await.text();
        for raw in ["<script>alert", "<b>", "SKU <x>", "Acme <EU>"] {
            // The console's own markup uses <b>, so only the order's number is looked for.
            let raw = if raw == "<b>" { "#1003 <b>" } else { raw };
            assert!(!text.contains(raw), "{path} shows `{raw}` unescaped");
        }
    }
}

#[tokio::test]
async fn h8_another_site_cannot_press_our_buttons() {
    let server = Server::with_orders();
    let path = "/connections/acme/resume";
    let refused: [&[(&str, &str)]; 5] = [
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "https://evil.example"), ("host", "localhost:1")],
        &[("origin", "null"), ("host", "localhost:1")],
        &[("origin", "http://localhost:2"), ("host", "localhost:1")],
    ];
    for headers in refused {
        let answer = server.post(path, headers, b"").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{headers:?}");
        assert_eq!(answer.code(), "TU402");
    }
    let allowed: [&[(&str, &str)]; 3] = [
        &[("sec-fetch-site", "same-origin")],
        &[("origin", "http://localhost:1"), ("host", "localhost:1")],
        &[],
    ];
    for headers in allowed {
        let form = ("content-type", "application/x-www-form-urlencoded");
        let headers: Vec<(&str, &str)> = headers.iter().copied().chain([form]).collect();
        // It is not suspended: the request was understood.
        let answer = server.post(path, &headers, b"person=ann").await;
        assert_eq!(answer.status, StatusCode::CONFLICT);
    }
}

#[tokio::test]
async fn a_token_guards_everything_but_webhooks_and_health() {
    let server = Server::with_token(Some("s3cret"));
    for path in ["/", "/metrics", "/ready", "/api/v1/report", "/orders", "/nothing"] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(answer.code(), "TU401");
    }
    let upload = server.post("/files/acme", &[], b"x").await;
    assert_eq!(upload.code(), "TU401");
    assert_eq!(server.get("/health").await.status, StatusCode::OK);
    assert_eq!(server.get("/assets/console.css").await.status, StatusCode::OK);
    // Whoever builds a sender has no token.
    let schema = server.get("/schemas/acme/message.json").await;
    assert_eq!((schema.status, schema.text()), (StatusCode::OK, r#"{"type":"object"}"#.to_owned()));
    assert_eq!(schema.header("content-type"), "application/schema+json");
    for unknown in ["/schemas/acme/other.json", "/schemas/other/message.json"] {
        assert_eq!(server.get(unknown).await.code(), "TU403", "{unknown}");
    }
    // A webhook proves itself.
    assert_eq!(server.post("/webhooks/acme", &[], b"{}").await.code(), "TU301");
    let bearer = |token: &str| {
        let authorization = format!("Bearer {token}");
        let request = Request::get("/api/v1/report").header("authorization", authorization);
        request.body(Body::empty()).expect("a request")
    };
    assert_eq!(server.send(bearer("s3cret")).await.status, StatusCode::OK);
    for wrong in ["", "s3cre", "s3cret1", "S3CRET"] {
        assert_eq!(server.send(bearer(wrong)).await.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn a_person_signs_in_and_out() {
    let server = Server::with_token(Some("s3cret"));
    let page = |path: &str, cookie: &str| {
        let request = Request::get(path).header("accept", "text/html").header("cookie", cookie);
        request.body(Body::empty()).expect("a request")
    };
    let asked = server.send(page("/orders", "")).await;
    assert_eq!((asked.status, asked.header("location")), (StatusCode::SEE_OTHER, "/login"));
    assert_eq!(server.get("/login").await.status, StatusCode::OK);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let wrong = server.post("/login", &form, b"token=guess").await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert!(wrong.header("set-cookie").is_empty());
    let right = server.post("/login", &form, b"token=s3cret").await;
    assert_eq!(right.status, StatusCode::SEE_OTHER);
    let cookie = right.header("set-cookie").to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"));
    assert!(!cookie.contains("s3cret"));
    let pair = cookie.split(';').next().expect("a pair");
    assert_eq!(server.send(page("/orders", pair)).await.status, StatusCode::OK);
    let forged = pair.replace(|letter: char| letter.is_ascii_digit(), "0");
    assert_eq!(server.send(page("/orders", &forged)).await.status, StatusCode::SEE_OTHER);
    let out = server.post("/logout", &[("cookie", pair)], b"").await;
    assert!(out.header("set-cookie").contains("Max-Age=0"));
}
