//! Journeys through the console, each page loaded by a real browser.

use std::future::IntoFuture;
use std::path::PathBuf;

use anyhow::{Context, Result};
use trueup_browser_tests::browser::{Browser, Look};
use trueup_browser_tests::keys::{PARAMETER, with_keys};
use trueup_browser_tests::shop::Shop;

const WIDE: Look = Look { width: 1400, height: 1300, dark: false };

/// Where the pictures go: beside what cargo builds.
fn pictures() -> Result<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("console");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Serves a shop and hands its address to `journey`.
fn visit(shop: &Shop, journey: impl FnOnce(&str) -> Result<()>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    let url = format!("http://{}", listener.local_addr()?);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let state = shop.state();
    let server = runtime.spawn(trueup_server::listen(state, listener, async {
        let _ = stopped.await;
    }));
    let outcome = journey(&url);
    let _ = stop.send(());
    runtime.block_on(server)??;
    outcome
}

/// The same, with a script on each page that presses keys.
fn visit_with_keys(shop: &Shop, journey: impl FnOnce(&str) -> Result<()>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    let url = format!("http://{}", listener.local_addr()?);
    let router = with_keys(trueup_server::router(shop.state()));
    let server = runtime.spawn(axum::serve(listener, router).into_future());
    let outcome = journey(&url);
    server.abort();
    outcome
}

/// The first link of a page that begins so.
fn link<'a>(dom: &'a str, prefix: &str) -> Option<&'a str> {
    let start = dom.find(&format!("href=\"{prefix}"))? + "href=\"".len();
    let rest = dom.get(start..)?;
    rest.split('"').next()
}

#[test]
fn every_page_shows_a_week_in_which_things_went_wrong() -> Result<()> {
    let Some(browser) = Browser::find()? else { return Ok(()) };
    let shop = Shop::after_a_week(60)?;
    let folder = pictures()?;
    visit(&shop, |url| {
        let cases = browser.dom(&format!("{url}/cases"))?;
        let case = link(&cases, "/cases/").context("a case to open")?.to_owned();
        let pages = [
            ("overview", "/".to_owned(), vec!["Do the four sides agree?", "Day by day"]),
            ("orders", "/orders".to_owned(), vec!["Find an order", "proven"]),
            ("broken", "/orders?status=broken".to_owned(), vec!["broken"]),
            ("cases", "/cases".to_owned(), vec!["oldest first"]),
            ("case", case, vec!["What to do next"]),
            ("bridges", "/bridges".to_owned(), vec!["every cent explained"]),
            ("connections", "/connections".to_owned(), vec!["Complete through"]),
            ("schedules", "/schedules".to_owned(), vec!["No job is scheduled"]),
            ("journal", "/journal".to_owned(), vec!["balances"]),
            ("sales", "/reports/sales".to_owned(), vec!["Net sales", "In all", "unexplained"]),
            ("taxes", "/reports/tax".to_owned(), vec!["domestic", "own tax lines"]),
        ];
        for (name, path, words) in &pages {
            let dom = browser.dom(&format!("{url}{path}"))?;
            for word in words {
                assert!(dom.contains(word), "{name} lacks `{word}`");
            }
            browser.draw(&format!("{url}{path}"), WIDE, &folder.join(format!("{name}.png")))?;
        }
        let broken = browser.dom(&format!("{url}/orders?status=broken"))?;
        let order = link(&broken, "/orders/").context("a broken order")?.to_owned();
        let dom = browser.dom(&format!("{url}{order}"))?;
        for word in ["What the sides say", "Journal", "What was asked of the books"] {
            assert!(dom.contains(word), "the order lacks `{word}`");
        }
        let whole = Look { height: 2400, ..WIDE };
        browser.draw(&format!("{url}{order}"), whole, &folder.join("order.png"))?;
        let message = link(&dom, "/messages/").context("a raw message")?.to_owned();
        browser.draw(&format!("{url}{message}"), WIDE, &folder.join("message.png"))?;
        let tall = Look { height: 1900, ..WIDE };
        browser.draw(&format!("{url}/"), tall, &folder.join("overview-tall.png"))?;
        let narrow = Look { width: 500, ..WIDE };
        browser.draw(&format!("{url}/"), narrow, &folder.join("overview-narrow.png"))?;
        let dark = Look { dark: true, ..WIDE };
        browser.draw(&format!("{url}/"), dark, &folder.join("overview-dark.png"))?;
        Ok(())
    })
}

#[test]
fn the_keyboard_reaches_everything() -> Result<()> {
    let Some(browser) = Browser::find()? else { return Ok(()) };
    let shop = Shop::after_a_week(12)?;
    visit_with_keys(&shop, |url| {
        let press = |path: &str, keys: &str| -> Result<String> {
            browser.dom(&format!("{url}{path}?{PARAMETER}={keys}"))
        };
        assert!(press("/", "/")?.contains("data-focused=\"search\""));
        assert!(press("/", "?")?.contains("data-help=\"true\""));
        assert!(press("/", "?,?")?.contains("data-help=\"false\""));
        let second = press("/orders", "j,j,j,k")?;
        assert!(second.contains("data-rows=\"1\""));
        assert!(second.contains("data-focused=\"/orders/"), "the row's link has no focus");
        // What is typed into the search is text, not a shortcut.
        assert!(press("/orders", "/,j")?.contains("data-rows=\"0\""));
        assert!(press("/", "g,o")?.contains("<h1>Orders</h1>"));
        assert!(press("/orders", "g,c")?.contains("<h1>Cases</h1>"));
        assert!(press("/orders", "g,h")?.contains("Do the four sides agree?"));
        Ok(())
    })
}
