//! The sandbox is believed only as far as this passes: the same scenarios, run against it and a
//! real Odoo 19, leave equal records.

mod common;

use common::{Books, Played, Real, scenarios, set_up, trial_balance};
use trueup_odoo::sandbox::OdooSandbox;

fn run(books: &mut dyn Books) -> Vec<String> {
    let (us, eu) = set_up(books);
    scenarios::all(books, &us, &eu);
    scenarios::remains(books)
}

#[test]
fn the_sandbox_ends_as_the_real_odoo_does() {
    let played = run(&mut Played(OdooSandbox::bare()));
    let Some(mut real) = Real::fresh("same") else { return };
    let expected = run(&mut real);
    let lacking: Vec<&String> = expected.iter().filter(|row| !played.contains(row)).collect();
    let surplus: Vec<&String> = played.iter().filter(|row| !expected.contains(row)).collect();
    assert!(
        lacking.is_empty() && surplus.is_empty(),
        "only in the real Odoo:\n{lacking:#?}\nonly in the sandbox:\n{surplus:#?}"
    );
    assert_eq!(played.len(), expected.len());
}

/// V4, P1: each fact has one effect on each account, whoever books it.
#[test]
fn a_sale_has_one_effect_on_each_account() {
    let check = |books: &mut dyn Books| {
        let (us, _) = set_up(books);
        scenarios::american(books, &us);
        let balances = trial_balance(books, 1);
        let expected = [
            // 912.24 captured, 368.38 repaid.
            ("Clearing Stripe", 54_386),
            ("Discounts given", 9_287),
            // 928.73 sold, 329.84 came back with its product.
            ("Product Sales", -59_889),
            ("Returns", 1_000),
            ("Shipping income", -499),
            // 71.39 on the sale, 28.54 taken back.
            ("Tax Received", -4_285),
        ];
        let seen: Vec<(&str, i64)> =
            balances.iter().map(|(name, sum)| (name.as_str(), *sum)).collect();
        assert_eq!(seen, expected, "{}", books.name());
    };
    check(&mut Played(OdooSandbox::bare()));
    if let Some(mut real) = Real::fresh("one_effect") {
        check(&mut real);
    }
}
