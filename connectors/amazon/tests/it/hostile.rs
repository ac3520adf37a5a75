//! Files and orders that are wrong, each refused by name and never read halfway.

use trueup_amazon::CONNECTOR;
use trueup_connect::Message;

use crate::settlements::refusal;

const FILE: &str = include_str!("../../fixtures/__settlement_d17.tsv");

#[test]
fn e13_half_a_file_is_no_file() {
    for end in [FILE.len() - 30, FILE.len() / 2, 500] {
        let refused = refusal(&FILE[..end]);
        assert!(refused.starts_with("TU20"), "{refused}");
    }
    let heading = FILE.lines().next().expect("a heading");
    let lacks = "TU202 the field `total-amount` is missing or malformed";
    assert_eq!(refusal(heading), lacks);
}

#[test]
fn e14_a_file_that_does_not_add_up_is_refused_whole() {
    let refused = refusal(&FILE.replace("-180.00", "-180.01"));
    let says = "TU205 the settlement contradicts itself: its rows sum to 1062.52 USD, \
                total-amount is 1062.53 USD";
    assert_eq!(refused, says);
}

#[test]
fn two_settlements_in_one_file_are_refused() {
    let head = FILE.lines().nth(1).expect("a summary");
    assert_eq!(
        refusal(&format!("{FILE}{head}\n")),
        "TU205 the settlement contradicts itself: row 16 is a second summary"
    );
    let row = FILE.lines().nth(3).expect("a row");
    let foreign = row.replacen("17\t", "99\t", 1);
    assert_eq!(
        refusal(&FILE.replace(row, &foreign)),
        "TU205 the settlement contradicts itself: row 3 is of settlement `99`"
    );
}

#[test]
fn g1_what_matters_is_refused_by_name() {
    let check = |from: &str, to: &str, code: &str, says: &str| {
        assert!(FILE.contains(from), "{from}");
        let refused = refusal(&FILE.replace(from, to));
        assert!(refused.starts_with(code) && refused.contains(says), "{refused}");
    };
    check("\tUSD\t", "\tUSX\t", "TU204", "currency");
    check("2026-09-05 10:00:00 UTC", "2026-09-05 10:00:00 PDT", "TU202", "posted-date-time");
    check("2026-09-15 00:00:00 UTC", "the 15th", "TU202", "settlement-end-date");
    check("-180.00", "-180.005", "TU204", "amount");
    check("-180.00", "-1e2", "TU202", "amount `-1e2`");
    check("amount-type", "price-type", "TU201", "first version");
    check("settlement-id", "settlement id", "TU206", "not recognised");
    check("promotion-id", "sku", "TU201", "two columns are called `sku`");
}

#[test]
fn an_order_that_matters_is_refused_by_name() {
    let order = include_str!("../../fixtures/order__us_gift_wrap.json");
    let check = |from: &str, to: &str, code: &str, says: &str| {
        assert!(order.contains(from), "{from}");
        let body = order.replace(from, to);
        let decoded = (CONNECTOR.decode)(&Message { kind: "order", body: body.as_bytes() });
        let error = decoded.expect_err("refused");
        let text = error.to_string();
        assert!(error.code() == code && text.contains(says), "{}: {text}", error.code());
    };
    check("\"UNSHIPPED\"", "\"FROZEN\"", "TU203", "FROZEN");
    check("\"MERCHANT\"", "\"NOBODY\"", "TU203", "NOBODY");
    check("\"AMAZON\"", "\"ELSEWHERE\"", "TU203", "ELSEWHERE");
    check("\"GIFT_WRAP\"", "\"ENGRAVING\"", "TU203", "ENGRAVING");
    check("\"MARKETPLACE_FACILITATOR\"", "\"STATE\"", "TU203", "STATE");
    check("\"14.99\"", "\"14.995\"", "TU204", "ITEM");
    check("\"USD\"", "\"US1\"", "TU204", "currencyCode");
    check("\"2026-09-01T18:00:00Z\"", "\"yesterday\"", "TU202", "createdTime");
    check("\"1.20\"", "\"1.21\"", "TU205", "the parts of TAX do not make 1.52 USD");
}
