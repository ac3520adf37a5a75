//! An invoice that somebody asks for, of a sale that is summed up with others.

use trueup_domain::command::CommandKind;
use trueup_store::{Store, commands, documents};

use super::{Place, Sandboxes};

#[test]
fn p24_a_sale_that_is_summed_up_gets_an_invoice_when_somebody_asks_for_it() {
    let sandboxes = Sandboxes::after_days(2);
    let place = Place::empty();
    let by_day = "connector = \"shopify\"\nposting = \"day\"";
    let settings = sandboxes.configuration().replacen("connector = \"shopify\"", by_day, 1);
    sandboxes.set_up(&place, &settings);
    let run = |arguments: &[&str]| sandboxes.run(&place, arguments);
    run(&["poll"]).ended(0);

    let read = |sale: &str| {
        let store = Store::open_sqlite(&place.path("trueup.sqlite")).unwrap();
        let asked = store.read(|tx| commands::of_root(tx, sale)).unwrap();
        asked.into_iter().filter(|it| it.kind == CommandKind::Invoice).collect::<Vec<_>>()
    };
    let store = Store::open_sqlite(&place.path("trueup.sqlite")).unwrap();
    let sales = store.read(|tx| documents::search_sales(tx, "#", 50)).unwrap();
    drop(store);
    let sale = sales.iter().find(|it| it.state == "paid").unwrap();
    assert!(read(&sale.id).is_empty(), "it is summed up with its day");

    let ask = |order: &str, by: &str| {
        let to = ["--company", "Acme Tools LLC", "--by", by, "--reason", "he wrote on Monday"];
        run(&[&["invoice", order][..], &to].concat())
    };
    ask("#nothing", "ann").ended(1).complained("no sale is called");
    ask("#", "ann").ended(1).complained("several sales are called");
    ask(&sale.number, " ").ended(2).complained("--by");
    ask(&sale.number, "ann").ended(0).said("gets an invoice of its own next");
    run(&["poll", "books"]).ended(0);
    let [invoice] = &read(&sale.id)[..] else { panic!("{:#?}", read(&sale.id)) };
    assert_eq!(invoice.state, "applied");
    run(&["trace", &sale.number]).ended(0).said("invoice request").said("account.move/");
}
