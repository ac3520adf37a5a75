//! Journeys through the console, each page loaded by a real browser.

use std::path::PathBuf;

use anyhow::{Context, Result};
use trueup_browser_tests::browser::{Browser, Look};
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
            ("journal", "/journal".to_owned(), vec!["balances"]),
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
        browser.draw(&format!("{url}{order}"), WIDE, &folder.join("order.png"))?;
        let message = link(&dom, "/messages/").context("a raw message")?.to_owned();
        browser.draw(&format!("{url}{message}"), WIDE, &folder.join("message.png"))?;
        let dark = Look { dark: true, ..WIDE };
        browser.draw(&format!("{url}/"), dark, &folder.join("overview-dark.png"))?;
        Ok(())
    })
}
