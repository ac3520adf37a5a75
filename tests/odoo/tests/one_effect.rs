//! P1: each fact has exactly one effect on each account role, whoever books it.
//!
//! Each case tells the hub what a channel states, lets it run its own road into the books, and
//! then adds up Odoo's journal items of that order, account by account. They must be what the
//! sub-ledger's entries with the booker `odoo` say, to the cent and role by role, one move for each
//! command, and nothing on an account that has no role, unless the case names it as Odoo's own.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::road::{ENVIRONMENT, Road, SHOP_EU, SHOP_US};
use common::till::Till;
use common::{Books, Played, Real, cents, set_up};
use serde_json::{Value, json};
use trueup_domain::command::CommandKind;
use trueup_domain::document::{
    Buyer, ChargeKind, Document, Funder, LineKind, PaymentKind, PaymentStanding, PaymentStatus,
    Restock, Version,
};
use trueup_domain::journal::Role;
use trueup_domain::mapping::Mapping;
use trueup_domain::money::Currency;
use trueup_odoo::sandbox::OdooSandbox;

/// What the channel states, message by message; the books come to rest between two messages.
type Story = fn(&Till) -> Vec<Vec<Document>>;

struct Case {
    /// The order's number at the channel, too.
    name: &'static str,
    shop: &'static str,
    story: Story,
    /// For each kind of fact: how many moves Odoo holds for it, and their net on each role.
    effects: &'static [&'static str],
    /// What Odoo books by itself on accounts that have no role: account and minor units.
    apart: &'static [(&'static str, i64)],
}

const fn us(name: &'static str, story: Story, effects: &'static [&'static str]) -> Case {
    Case { name, shop: SHOP_US, story, effects, apart: &[] }
}

const fn eu(name: &'static str, story: Story, effects: &'static [&'static str]) -> Case {
    Case { name, shop: SHOP_EU, story, effects, apart: &[] }
}

/// Two units at 25.00 in New York.
fn two_tees(till: &Till) -> trueup_domain::document::Order {
    till.order(vec![till.goods("TEE-S", 2, "25.00", &[till.tax("0.08875", "4.44")])], Vec::new())
}

const SOLD: &str = "sale in 1 move: receivable 54.44, sales -50.00, tax_payable -4.44";
const TAKEN: &str = "capture in 1 move: clearing/stripe-us 54.44, receivable -54.44";

/// The order above, paid by card, then what is told of its refund.
fn refunded(till: &Till, refund: Vec<Document>) -> Vec<Vec<Document>> {
    let sale = vec![two_tees(till).into(), till.paid("p1", "stripe", "54.44")];
    vec![sale, refund]
}

/// A sale of one thing that is no goods.
fn only(till: &Till, kind: ChargeKind, gross: &str) -> Vec<Vec<Document>> {
    let goods = till.goods("MUG-01", 1, "10.00", &[]);
    vec![vec![till.order(vec![goods], vec![till.charge(kind, gross, &[])]).into()]]
}

const CASES: &[Case] = &[
    // ---- what is sold ------------------------------------------------------------------------
    us("goods with tax on top", |till| vec![vec![two_tees(till).into()]], &[SOLD]),
    us(
        "goods of a buyer with an id",
        |till| {
            let order = till.changed(&two_tees(till), |order| {
                let buyer = order.buyer.take().unwrap_or_default();
                let (id, name) = (Some("c-1".to_owned()), Some("Ann Example".to_owned()));
                order.buyer = Some(Buyer { id, name, ..buyer });
            });
            vec![vec![order.into()]]
        },
        &[SOLD],
    ),
    us(
        "two taxes on one line",
        |till| {
            let taxes = [till.tax("0.04", "4.00"), till.tax("0.04875", "4.88")];
            vec![vec![till.order(vec![till.goods("CAP-01", 1, "100.00", &taxes)], vec![]).into()]]
        },
        &["sale in 1 move: receivable 108.88, sales -100.00, tax_payable -8.88"],
    ),
    eu(
        "goods with contained taxes of two rates",
        |till| {
            let lines = vec![
                till.goods("TEE-S", 1, "69.99", &[till.tax("0.19", "11.17")]),
                till.goods("MUG-01", 3, "9.99", &[till.tax("0.07", "1.96")]),
            ];
            vec![vec![till.order(lines, Vec::new()).into()]]
        },
        &["sale in 1 move: receivable 99.96, sales -86.83, tax_payable -13.13"],
    ),
    us(
        "a discount of our own",
        |till| {
            let mut goods = till.goods("TEE-S", 1, "100.00", &[till.tax("0.08", "7.20")]);
            goods.discounts = vec![till.discount(Funder::Merchant, "10.00")];
            vec![vec![till.order(vec![goods], Vec::new()).into()]]
        },
        &["sale in 1 move: discounts 10.00, receivable 97.20, sales -100.00, tax_payable -7.20"],
    ),
    eu(
        "discounts of three funders, tax contained",
        |till| {
            let mut goods = till.goods("TEE-S", 1, "119.00", &[till.tax("0.19", "12.35")]);
            goods.discounts = vec![
                till.discount(Funder::Merchant, "11.90"),
                till.discount(Funder::Marketplace, "23.80"),
                till.discount(Funder::Supplier, "5.95"),
            ];
            vec![vec![till.order(vec![goods], Vec::new()).into()]]
        },
        &["sale in 1 move: discounts 15.00, marketplace_receivable 20.00, receivable 77.35, \
           sales -100.00, tax_payable -12.35"],
    ),
    us(
        "given away",
        |till| {
            let mut goods = till.goods("MUG-01", 1, "10.00", &[till.tax("0.08", "0.00")]);
            goods.discounts = vec![till.discount(Funder::Merchant, "10.00")];
            vec![vec![till.order(vec![goods], Vec::new()).into()]]
        },
        &["sale in 1 move: discounts 10.00, sales -10.00"],
    ),
    us(
        "shipping with its tax",
        |till| {
            let goods = till.goods("MUG-01", 1, "10.00", &[till.tax("0.08", "0.80")]);
            let shipping = till.charge(ChargeKind::Shipping, "4.99", &[till.tax("0.08", "0.40")]);
            vec![vec![till.order(vec![goods], vec![shipping]).into()]]
        },
        &["sale in 1 move: receivable 16.19, sales -10.00, shipping_income -4.99, \
           tax_payable -1.20"],
    ),
    us(
        "tax that the marketplace remits",
        |till| {
            let goods = till.goods("MUG-01", 1, "10.00", &[till.remitted("0.08", "0.80")]);
            vec![vec![till.order(vec![goods], Vec::new()).into()]]
        },
        &["sale in 1 move: receivable 10.00, sales -10.00"],
    ),
    eu(
        "contained tax that the marketplace remits",
        |till| {
            let goods = till.goods("MUG-01", 1, "11.90", &[till.remitted("0.19", "1.90")]);
            vec![vec![till.order(vec![goods], Vec::new()).into()]]
        },
        &["sale in 1 move: receivable 10.00, sales -10.00"],
    ),
    us(
        "a tip",
        |till| only(till, ChargeKind::Tip, "3.00"),
        &["sale in 1 move: receivable 13.00, sales -10.00, tip_income -3.00"],
    ),
    us(
        "a tip as a line",
        |till| vec![vec![till.order(vec![till.other(LineKind::Tip, "5.00")], vec![]).into()]],
        &["sale in 1 move: receivable 5.00, tip_income -5.00"],
    ),
    us(
        "a gift card sold",
        |till| vec![vec![till.order(vec![till.other(LineKind::GiftCard, "25.00")], vec![]).into()]],
        &["sale in 1 move: gift_card_liability -25.00, receivable 25.00"],
    ),
    us(
        "duties",
        |till| only(till, ChargeKind::Duty, "2.00"),
        &["sale in 1 move: duty_income -2.00, receivable 12.00, sales -10.00"],
    ),
    us(
        "gift wrapping",
        |till| only(till, ChargeKind::GiftWrap, "1.50"),
        &["sale in 1 move: gift_wrap_income -1.50, receivable 11.50, sales -10.00"],
    ),
    us(
        "a fee with its tax",
        |till| {
            let goods = till.goods("MUG-01", 1, "10.00", &[till.tax("0.08", "0.80")]);
            let fee = till.charge(ChargeKind::Fee, "4.00", &[till.tax("0.08", "0.32")]);
            vec![vec![till.order(vec![goods], vec![fee]).into()]]
        },
        &["sale in 1 move: fee_income -4.00, receivable 15.12, sales -10.00, tax_payable -1.12"],
    ),
    us(
        "a fee below zero",
        |till| {
            let goods = till.goods("MUG-01", 1, "10.00", &[till.tax("0.08", "0.80")]);
            let fee = till.charge(ChargeKind::Fee, "-2.50", &[till.tax("0.08", "-0.20")]);
            vec![vec![till.order(vec![goods], vec![fee]).into()]]
        },
        &["sale in 1 move: discounts 2.50, receivable 8.10, sales -10.00, tax_payable -0.60"],
    ),
    us(
        "cash rounded down",
        |till| only(till, ChargeKind::CashRounding, "-0.02"),
        &["sale in 1 move: receivable 9.98, rounding 0.02, sales -10.00"],
    ),
    // ---- money in ----------------------------------------------------------------------------
    us(
        "captured by card",
        |till| vec![vec![two_tees(till).into(), till.paid("p1", "stripe", "54.44")]],
        &[TAKEN, SOLD],
    ),
    us(
        "captured before the order is known",
        |till| vec![vec![till.paid("p1", "stripe", "54.44")], vec![two_tees(till).into()]],
        &[TAKEN, SOLD],
    ),
    us(
        "captured with tax that the marketplace remits",
        |till| {
            let goods = till.goods("MUG-01", 1, "10.00", &[till.remitted("0.08", "0.80")]);
            let order = till.order(vec![goods], Vec::new());
            vec![vec![order.into(), till.paid("p1", "stripe", "10.80")]]
        },
        &[
            "capture in 1 move: clearing/stripe-us 10.00, receivable -10.00",
            "sale in 1 move: receivable 10.00, sales -10.00",
        ],
    ),
    us(
        "captured more than was sold",
        |till| vec![vec![two_tees(till).into(), till.paid("p1", "stripe", "60.00")]],
        &["capture in 1 move: clearing/stripe-us 60.00, receivable -60.00", SOLD],
    ),
    us(
        "captured twice",
        |till| {
            let capture = |id, amount| till.payment(id, PaymentKind::Capture, "stripe", amount);
            vec![vec![
                two_tees(till).into(),
                till.payment("p0", PaymentKind::Authorization, "stripe", "54.44").into(),
                capture("p1", "20.00").into(),
                capture("p2", "34.44").into(),
            ]]
        },
        &["capture in 2 moves: clearing/stripe-us 54.44, receivable -54.44", SOLD],
    ),
    us(
        "a gift card used",
        |till| vec![vec![two_tees(till).into(), till.paid("p1", "gift_card", "54.44")]],
        &["capture in 1 move: gift_card_liability 54.44, receivable -54.44", SOLD],
    ),
    us(
        "store credit used",
        |till| vec![vec![two_tees(till).into(), till.paid("p1", "store_credit", "54.44")]],
        &["capture in 1 move: receivable -54.44, store_credit_liability 54.44", SOLD],
    ),
    us(
        "a bank transfer",
        |till| vec![vec![two_tees(till).into(), till.paid("p1", "Bank Deposit", "54.44")]],
        &["capture in 1 move: clearing/Bank Deposit 54.44, receivable -54.44", SOLD],
    ),
    us(
        "a split tender",
        |till| {
            vec![vec![
                two_tees(till).into(),
                till.paid("p1", "gift_card", "20.00"),
                till.paid("p2", "paypal", "14.44"),
                till.paid("p3", "stripe", "20.00"),
            ]]
        },
        &[
            "capture in 3 moves: clearing/paypal 14.44, clearing/stripe-us 20.00, \
             gift_card_liability 20.00, receivable -54.44",
            SOLD,
        ],
    ),
    // ---- given back --------------------------------------------------------------------------
    us(
        "a refund agreed, goods back",
        |till| {
            let back = till.given_back("TEE-S", 1, "25.00", "2.22", Restock::Returned);
            refunded(till, vec![till.refund(vec![back], Vec::new(), &["b1"])])
        },
        &[TAKEN, "refund in 1 move: receivable -27.22, returns 25.00, tax_payable 2.22", SOLD],
    ),
    us(
        "a refund agreed, goods not sent",
        |till| {
            let back = till.given_back("TEE-S", 1, "25.00", "2.22", Restock::Cancelled);
            refunded(till, vec![till.refund(vec![back], Vec::new(), &["b1"])])
        },
        &[TAKEN, "refund in 1 move: receivable -27.22, returns 25.00, tax_payable 2.22", SOLD],
    ),
    us(
        "a refund agreed, goods stay",
        |till| {
            let back = till.given_back("TEE-S", 2, "50.00", "4.44", Restock::None);
            refunded(till, vec![till.refund(vec![back], Vec::new(), &["b1"])])
        },
        &[TAKEN, "refund in 1 move: receivable -54.44, returns 50.00, tax_payable 4.44", SOLD],
    ),
    us(
        "a refund of an amount",
        |till| {
            let goodwill = till.adjustment(None, "10.00", "0.00");
            refunded(till, vec![till.refund(Vec::new(), vec![goodwill], &["b1"])])
        },
        &[TAKEN, "refund in 1 move: receivable -10.00, returns 10.00", SOLD],
    ),
    us(
        "a refund of shipping",
        |till| {
            let shipping = till.charge(ChargeKind::Shipping, "4.99", &[till.tax("0.08", "0.40")]);
            let goods = till.goods("MUG-01", 1, "10.00", &[]);
            let order = till.order(vec![goods], vec![shipping]);
            let back = till.adjustment(Some(ChargeKind::Shipping), "4.99", "0.40");
            let sale = vec![order.into(), till.paid("p1", "stripe", "15.39")];
            vec![sale, vec![till.refund(Vec::new(), vec![back], &["b1"])]]
        },
        &[
            "capture in 1 move: clearing/stripe-us 15.39, receivable -15.39",
            "refund in 1 move: receivable -5.39, shipping_income 4.99, tax_payable 0.40",
            "sale in 1 move: receivable 15.39, sales -10.00, shipping_income -4.99, \
             tax_payable -0.40",
        ],
    ),
    us(
        "a gift card taken back",
        |till| {
            let order = till.order(vec![till.other(LineKind::GiftCard, "25.00")], Vec::new());
            let back = till.given_back("GiftCard", 1, "25.00", "0.00", Restock::None);
            let sale = vec![order.into(), till.paid("p1", "stripe", "25.00")];
            vec![sale, vec![till.refund(vec![back], Vec::new(), &["b1"])]]
        },
        &[
            "capture in 1 move: clearing/stripe-us 25.00, receivable -25.00",
            "refund in 1 move: gift_card_liability 25.00, receivable -25.00",
            "sale in 1 move: gift_card_liability -25.00, receivable 25.00",
        ],
    ),
    us(
        "a refund of discounted goods",
        |till| {
            let mut goods = till.goods("TEE-S", 2, "50.00", &[till.tax("0.08", "7.20")]);
            goods.discounts = vec![till.discount(Funder::Merchant, "10.00")];
            let order = till.order(vec![goods], Vec::new());
            let back = till.given_back("TEE-S", 1, "45.00", "3.60", Restock::Returned);
            let sale = vec![order.into(), till.paid("p1", "stripe", "97.20")];
            vec![sale, vec![till.refund(vec![back], Vec::new(), &["b1"])]]
        },
        &[
            "capture in 1 move: clearing/stripe-us 97.20, receivable -97.20",
            "refund in 1 move: receivable -48.60, returns 45.00, tax_payable 3.60",
            "sale in 1 move: discounts 10.00, receivable 97.20, sales -100.00, \
             tax_payable -7.20",
        ],
    ),
    eu(
        "a refund with contained tax",
        |till| {
            let goods = till.goods("TEE-S", 2, "59.50", &[till.tax("0.19", "19.00")]);
            let order = till.order(vec![goods], Vec::new());
            let back = till.given_back("TEE-S", 1, "59.50", "9.50", Restock::Returned);
            let sale = vec![order.into(), till.paid("p1", "stripe", "119.00")];
            vec![sale, vec![till.refund(vec![back], Vec::new(), &["b1"])]]
        },
        &[
            "capture in 1 move: clearing/stripe-eu 119.00, receivable -119.00",
            "refund in 1 move: receivable -59.50, returns 50.00, tax_payable 9.50",
            "sale in 1 move: receivable 119.00, sales -100.00, tax_payable -19.00",
        ],
    ),
    us(
        "a refund paid",
        |till| {
            let back = till.given_back("TEE-S", 1, "25.00", "2.22", Restock::Returned);
            let refund = till.refund(vec![back], Vec::new(), &["b1"]);
            refunded(till, vec![refund, till.back("b1", "stripe", "27.22").into()])
        },
        &[
            TAKEN,
            "refund in 1 move: receivable -27.22, returns 25.00, tax_payable 2.22",
            "refund_paid in 1 move: clearing/stripe-us -27.22, receivable 27.22",
            SOLD,
        ],
    ),
    us(
        "a refund paid as store credit",
        |till| {
            let back = till.given_back("TEE-S", 1, "25.00", "2.22", Restock::Returned);
            let refund = till.refund(vec![back], Vec::new(), &["b1"]);
            refunded(till, vec![refund, till.back("b1", "store_credit", "27.22").into()])
        },
        &[
            TAKEN,
            "refund in 1 move: receivable -27.22, returns 25.00, tax_payable 2.22",
            "refund_paid in 1 move: receivable 27.22, store_credit_liability -27.22",
            SOLD,
        ],
    ),
    us(
        "a refund pending",
        |till| {
            let back = till.given_back("TEE-S", 1, "25.00", "2.22", Restock::Returned);
            let mut money = till.back("b1", "stripe", "27.22");
            money.status = PaymentStatus::Pending;
            refunded(till, vec![till.refund(vec![back], Vec::new(), &["b1"]), money.into()])
        },
        &[TAKEN, "refund in 1 move: receivable -27.22, returns 25.00, tax_payable 2.22", SOLD],
    ),
    us(
        "a refund failed after it was paid",
        |till| {
            let back = till.given_back("TEE-S", 1, "25.00", "2.22", Restock::Returned);
            let refund = till.refund(vec![back], Vec::new(), &["b1"]);
            let money = till.back("b1", "stripe", "27.22");
            let mut failed = money.clone();
            failed.version = Version(2);
            failed.status = PaymentStatus::Failed;
            let mut story = refunded(till, vec![refund, money.into()]);
            story.push(vec![failed.into()]);
            story
        },
        &[
            TAKEN,
            "refund in 1 move: receivable -27.22, returns 25.00, tax_payable 2.22",
            "refund_failed in 1 move: clearing/stripe-us 27.22, receivable -27.22",
            "refund_paid in 1 move: clearing/stripe-us -27.22, receivable 27.22",
            SOLD,
        ],
    ),
    us(
        "e5 a refund that the provider's ledger took back",
        |till| {
            let back = till.given_back("TEE-S", 1, "25.00", "2.22", Restock::Returned);
            let refund = till.refund(vec![back], Vec::new(), &["b1"]);
            let mut story = refunded(till, vec![refund, till.back("b1", "stripe", "27.22").into()]);
            story.push(till.taken_back("b1", "27.22"));
            story
        },
        &[
            TAKEN,
            "refund in 1 move: receivable -27.22, returns 25.00, tax_payable 2.22",
            "refund_failed in 1 move: clearing/stripe-us 27.22, receivable -27.22",
            "refund_paid in 1 move: clearing/stripe-us -27.22, receivable 27.22",
            SOLD,
        ],
    ),
    us(
        "e5 a refund that failed and was made again",
        |till| {
            let back = till.given_back("TEE-S", 1, "25.00", "2.22", Restock::Returned);
            let refund = till.refund(vec![back], Vec::new(), &["b1"]);
            let mut story = refunded(till, vec![refund, till.back("b1", "stripe", "27.22").into()]);
            story.push(till.taken_back("b1", "27.22"));
            story.push(vec![till.back("b2", "stripe", "27.22").into()]);
            story
        },
        &[
            TAKEN,
            "refund in 1 move: receivable -27.22, returns 25.00, tax_payable 2.22",
            "refund_failed in 1 move: clearing/stripe-us 27.22, receivable -27.22",
            "refund_paid in 2 moves: clearing/stripe-us -54.44, receivable 54.44",
            SOLD,
        ],
    ),
    // ---- changes -----------------------------------------------------------------------------
    us(
        "cancelled before any money",
        |till| {
            let order = two_tees(till);
            let gone = till.changed(&order, |order| {
                order.payment_standing = PaymentStanding::Voided;
                order.cancelled_at = Some("2026-11-03T08:00:00Z".parse().expect("a time"));
            });
            let back = till.given_back("TEE-S", 2, "50.00", "4.44", Restock::Cancelled);
            let back = till.refund(vec![back], Vec::new(), &[]);
            vec![vec![order.into()], vec![gone.into(), back]]
        },
        &["sale in 2 moves: nothing"],
    ),
    us(
        "cancelled after it was paid",
        |till| {
            let gone = till.changed(&two_tees(till), |order| {
                order.payment_standing = PaymentStanding::Refunded;
                order.cancelled_at = Some("2026-11-03T08:00:00Z".parse().expect("a time"));
            });
            let back = till.given_back("TEE-S", 2, "50.00", "4.44", Restock::Cancelled);
            let refund = till.refund(vec![back], Vec::new(), &["b1"]);
            let money = till.back("b1", "stripe", "54.44").into();
            refunded(till, vec![gone.into(), refund, money])
        },
        &[
            TAKEN,
            "refund in 1 move: receivable -54.44, returns 50.00, tax_payable 4.44",
            "refund_paid in 1 move: clearing/stripe-us -54.44, receivable 54.44",
            SOLD,
        ],
    ),
    us(
        "a line added after the invoice",
        |till| {
            let order = two_tees(till);
            let more = till.changed(&order, |order| {
                order.lines.push(till.goods("CAP-01", 1, "12.00", &[till.tax("0.08", "0.96")]));
            });
            vec![vec![order.into()], vec![more.into()]]
        },
        &["sale in 2 moves: receivable 67.40, sales -62.00, tax_payable -5.40"],
    ),
    us(
        "a price changed after the invoice",
        |till| {
            let order = two_tees(till);
            let cheaper = till.changed(&order, |order| {
                order.lines = vec![till.goods("TEE-S", 2, "20.00", &[till.tax("0.08", "3.20")])];
            });
            vec![vec![order.into()], vec![cheaper.into()]]
        },
        &["sale in 3 moves: receivable 43.20, sales -40.00, tax_payable -3.20"],
    ),
    us(
        "a price changed after the money",
        |till| {
            let order = two_tees(till);
            let cheaper = till.changed(&order, |order| {
                order.lines = vec![till.goods("TEE-S", 2, "20.00", &[till.tax("0.08", "3.20")])];
            });
            vec![vec![order.into(), till.paid("p1", "stripe", "54.44")], vec![cheaper.into()]]
        },
        &[TAKEN, "sale in 3 moves: receivable 43.20, sales -40.00, tax_payable -3.20"],
    ),
    us(
        "a price lowered after the money and the difference refunded",
        |till| {
            let order = two_tees(till);
            let cheaper = till.changed(&order, |order| {
                order.lines = vec![till.goods("TEE-S", 2, "20.00", &[till.tax("0.08", "3.20")])];
            });
            let difference = till.adjustment(None, "11.24", "0.00");
            vec![
                vec![order.into(), till.paid("p1", "stripe", "54.44")],
                vec![cheaper.into()],
                vec![
                    till.refund(Vec::new(), vec![difference], &["b1"]),
                    till.back("b1", "stripe", "11.24").into(),
                ],
            ]
        },
        &[
            TAKEN,
            "refund_paid in 1 move: clearing/stripe-us -11.24, receivable 11.24",
            "sale in 3 moves: receivable 43.20, sales -40.00, tax_payable -3.20",
        ],
    ),
    us(
        "a unit taken off before any money",
        |till| {
            let back = till.given_back("TEE-S", 1, "25.00", "2.22", Restock::Cancelled);
            let back = till.refund(vec![back], Vec::new(), &[]);
            vec![vec![two_tees(till).into()], vec![back]]
        },
        &["refund in 1 move: receivable -27.22, returns 25.00, tax_payable 2.22", SOLD],
    ),
];

/// Goods that cost 8.00 and are valued perpetually: the invoice books their cost (V1), a credit
/// note takes it back only on a product line (V2, P4).
const COST: &[Case] = &[
    Case {
        name: "goods with a cost",
        shop: SHOP_US,
        story: |till| vec![vec![costly(till).into()]],
        effects: &["sale in 1 move: receivable 50.00, sales -50.00"],
        apart: &[("Expenses", 1600), ("Stock Valuation", -1600)],
    },
    Case {
        name: "one of them back",
        shop: SHOP_US,
        story: |till| costly_back(till, Restock::Returned),
        effects: &[
            "capture in 1 move: clearing/stripe-us 50.00, receivable -50.00",
            "refund in 1 move: receivable -25.00, returns 25.00",
            "sale in 1 move: receivable 50.00, sales -50.00",
        ],
        apart: &[("Expenses", 800), ("Stock Valuation", -800)],
    },
    Case {
        name: "one of them paid back and kept",
        shop: SHOP_US,
        story: |till| costly_back(till, Restock::None),
        effects: &[
            "capture in 1 move: clearing/stripe-us 50.00, receivable -50.00",
            "refund in 1 move: receivable -25.00, returns 25.00",
            "sale in 1 move: receivable 50.00, sales -50.00",
        ],
        apart: &[("Expenses", 1600), ("Stock Valuation", -1600)],
    },
];

const COSTLY: &str = "COSTLY-1";

fn costly(till: &Till) -> trueup_domain::document::Order {
    till.order(vec![till.goods(COSTLY, 2, "25.00", &[])], Vec::new())
}

fn costly_back(till: &Till, restock: Restock) -> Vec<Vec<Document>> {
    let back = till.given_back(COSTLY, 1, "25.00", "0.00", restock);
    let sale = vec![costly(till).into(), till.paid("p1", "stripe", "50.00")];
    vec![sale, vec![till.refund(vec![back], Vec::new(), &["b1"])]]
}

fn till(shop: &str, name: &str) -> Till {
    let currency = |code| Currency::parse(code).expect("a currency");
    let order = name.to_owned();
    if shop == SHOP_EU {
        Till { order, currency: currency("EUR"), included: true, place: ("DE", None) }
    } else {
        Till { order, currency: currency("USD"), included: false, place: ("US", Some("NY")) }
    }
}

fn root(case: &Case) -> String {
    format!("{}/sale/{}", case.shop, case.name)
}

/// Net by role of one kind of fact, and the moves that carry it.
#[derive(Default)]
struct Effect {
    moves: BTreeSet<i64>,
    net: BTreeMap<String, i64>,
}

type Effects = BTreeMap<String, Effect>;

fn in_words(effects: &Effects) -> Vec<String> {
    let amount = |(role, minor): (&String, &i64)| {
        let sign = if *minor < 0 { "-" } else { "" };
        format!("{role} {sign}{}.{:02}", minor.abs() / 100, minor.abs() % 100)
    };
    let words = |(kind, effect): (&String, &Effect)| {
        let amounts: Vec<String> =
            effect.net.iter().filter(|(_, minor)| **minor != 0).map(amount).collect();
        let amounts = if amounts.is_empty() { "nothing".to_owned() } else { amounts.join(", ") };
        let count = effect.moves.len();
        let noun = if count == 1 { "move" } else { "moves" };
        format!("{kind} in {count} {noun}: {amounts}")
    };
    effects.iter().map(words).collect()
}

/// The role of each account of an entity, with the provider or gateway of a clearing account.
fn roles(mapping: &Mapping) -> BTreeMap<i64, String> {
    let mut roles = BTreeMap::new();
    for (word, account) in &mapping.accounts {
        let role = match word.split_once('/') {
            Some((role, gateway)) => {
                let provider = mapping.gateways[gateway].provider.as_deref();
                format!("{role}/{}", provider.unwrap_or(gateway))
            }
            None => word.clone(),
        };
        let account = account.parse().expect("an id");
        let clash = roles.insert(account, role.clone());
        // Two gateways of one provider may share its account, two roles may not.
        assert!(clash.is_none_or(|other| other == role), "account {account} has two roles");
    }
    roles
}

fn id(value: &Value) -> i64 {
    value.as_i64().or_else(|| value[0].as_i64()).expect("an id")
}

/// Which kind of fact a command's move carries: `…/<root>/<kind>/<part>/<generation>[/rev]`.
fn fact_of(key: &str, root: &str, captures: &BTreeSet<String>) -> String {
    let rest = key.strip_prefix(&format!("{ENVIRONMENT}/{root}/")).expect("a key of the root");
    let mut words = rest.split('/');
    let (kind, part) = (words.next().expect("a kind"), words.next().expect("a part"));
    match kind {
        "invoice" => "sale",
        "credit_note" => "refund",
        "payment" if words.next() == Some("failed") => "refund_failed",
        "payment" if captures.contains(part) => "capture",
        "payment" => "refund_paid",
        other => panic!("a move of {other}"),
    }
    .to_owned()
}

/// What Odoo holds for one order: effects by kind of fact, and what stands on accounts without a
/// role, by account name.
fn in_odoo(
    books: &dyn Books,
    road: &Road,
    root: &str,
    roles: &BTreeMap<i64, String>,
) -> (Effects, BTreeMap<String, i64>) {
    let captures: BTreeSet<String> = road
        .lines(root)
        .into_iter()
        .filter(|line| line.kind == "capture")
        .map(|line| line.part)
        .collect();
    let mut fact_of_move = BTreeMap::new();
    for command in road.commands(root) {
        let settled = ["applied", "withdrawn"].contains(&command.state.as_str());
        assert!(settled, "{root}: {} is {}: {:?}", command.key, command.state, command.error);
        if command.state == "withdrawn" {
            continue;
        }
        let binding: i64 =
            command.binding.as_deref().and_then(|id| id.parse().ok()).unwrap_or_default();
        let own = match command.kind {
            CommandKind::Invoice | CommandKind::CreditNote => binding,
            CommandKind::Payment => {
                let domain = json!([["id", "=", binding]]);
                id(&books.read("account.payment", domain, &["move_id"])[0]["move_id"])
            }
            CommandKind::Partner
            | CommandKind::Order
            | CommandKind::Reconciliation
            | CommandKind::Cancellation
            | CommandKind::Goods => continue,
            CommandKind::Entry => panic!("{root}: no entry of ours belongs to a sale"),
        };
        let fact = fact_of(&command.key, root, &captures);
        assert_eq!(fact_of_move.insert(own, fact), None, "{root}: two commands, one move");
    }
    let ids: Vec<i64> = fact_of_move.keys().copied().collect();
    let fields = ["move_id", "account_id", "amount_currency", "parent_state"];
    let (mut effects, mut apart) = (Effects::new(), BTreeMap::new());
    for line in books.read("account.move.line", json!([["move_id", "in", ids]]), &fields) {
        assert_eq!(line["parent_state"], "posted", "{root}");
        let own = id(&line["move_id"]);
        let effect = effects.entry(fact_of_move[&own].clone()).or_default();
        effect.moves.insert(own);
        let amount = cents(&line["amount_currency"]);
        match roles.get(&id(&line["account_id"])) {
            Some(role) => *effect.net.entry(role.clone()).or_default() += amount,
            None => {
                let name = line["account_id"][1].as_str().expect("a name").to_owned();
                *apart.entry(name).or_default() += amount;
            }
        }
    }
    let held: BTreeSet<i64> = effects.values().flat_map(|it| it.moves.clone()).collect();
    assert_eq!(held, fact_of_move.keys().copied().collect(), "{root}: a move without lines");
    (effects, apart)
}

/// What the sub-ledger expects of Odoo, in the shape of [`in_odoo`] without the moves.
fn expected_of_odoo(road: &Road, root: &str) -> Effects {
    let mut effects = Effects::new();
    for line in road.lines(root) {
        match line.booker.as_str() {
            "odoo" => {}
            "memo" => continue,
            other => panic!("{root}: a sale's fact is booked by {other}"),
        }
        let clearing = line.role == Role::Clearing.word();
        let role =
            if clearing { format!("{}/{}", line.role, line.qualifier) } else { line.role.clone() };
        let effect = effects.entry(line.kind).or_default();
        *effect.net.entry(role).or_default() += line.amount;
    }
    effects
}

fn all_moves(books: &dyn Books) -> BTreeSet<i64> {
    books.read("account.move", json!([]), &["state"]).iter().map(|it| id(&it["id"])).collect()
}

/// Tells all cases, round by round so that the books get batches, and returns the road.
fn tell(books: &mut dyn Books, us: &Mapping, eu: &Mapping, cases: &[Case]) -> Road {
    let mut road = Road::new(us, eu);
    let stories: Vec<Vec<Vec<Document>>> =
        cases.iter().map(|case| (case.story)(&till(case.shop, case.name))).collect();
    let rounds = stories.iter().map(Vec::len).max().unwrap_or(0);
    for round in 0..rounds {
        for (case, story) in cases.iter().zip(&stories) {
            if let Some(documents) = story.get(round) {
                road.tell(case.shop, documents);
            }
        }
        road.deliver(books);
    }
    road
}

/// What is wrong with one case, or nothing.
fn judge(
    books: &dyn Books,
    road: &Road,
    case: &Case,
    roles: &BTreeMap<i64, String>,
    claimed: &mut BTreeSet<i64>,
) -> Vec<String> {
    let (name, root) = (case.name, root(case));
    let (held, apart) = in_odoo(books, road, &root, roles);
    for own in held.values().flat_map(|effect| &effect.moves) {
        assert!(claimed.insert(*own), "{name}: another order has its move");
    }
    let mut wrong = Vec::new();
    let seen = in_words(&held);
    let mut compare = |whom: &str, wanted: &[String]| {
        let only = |some: &[String], others: &[String]| -> Vec<String> {
            some.iter().filter(|it| !others.contains(it)).cloned().collect()
        };
        let (surplus, lacking) = (only(&seen, wanted), only(wanted, &seen));
        if !surplus.is_empty() || !lacking.is_empty() {
            wrong.push(format!("{name}: Odoo holds {surplus:#?}, {whom} {lacking:#?}"));
        }
    };
    let effects: Vec<String> = case.effects.iter().map(|it| (*it).to_owned()).collect();
    compare("the case wants", &effects);
    let mut ledger = expected_of_odoo(road, &root);
    for (fact, effect) in &mut ledger {
        effect.moves = held.get(fact).map(|it| it.moves.clone()).unwrap_or_default();
    }
    compare("the sub-ledger says", &in_words(&ledger));
    let wanted: BTreeMap<String, i64> =
        case.apart.iter().map(|(account, minor)| ((*account).to_owned(), *minor)).collect();
    if apart != wanted {
        wrong.push(format!("{name}: on accounts without a role {apart:?}, wanted {wanted:?}"));
    }
    wrong
}

fn check(books: &mut dyn Books, cases: &[Case]) {
    let (us, eu) = set_up(books);
    let before = all_moves(books);
    let road = tell(books, &us, &eu, cases);
    let (roles_us, roles_eu) = (roles(&us), roles(&eu));
    let mut claimed = BTreeSet::new();
    let mut wrong = Vec::new();
    for case in cases {
        let roles = if case.shop == SHOP_EU { &roles_eu } else { &roles_us };
        wrong.extend(judge(books, &road, case, roles, &mut claimed));
    }
    assert!(wrong.is_empty(), "{}: {} wrong\n{}", books.name(), wrong.len(), wrong.join("\n"));
    // Nothing else was posted, drafted or left behind: one move for each command.
    let made: BTreeSet<i64> = all_moves(books).difference(&before).copied().collect();
    assert_eq!(made, claimed, "{}: moves that no command made", books.name());
    println!("{}: {} cases, {} moves", books.name(), cases.len(), made.len());
}

#[test]
fn each_fact_has_one_effect_on_each_role_of_the_sandbox() {
    check(&mut Played(OdooSandbox::bare()), CASES);
}

#[test]
fn each_fact_has_one_effect_on_each_role_of_the_real_odoo() {
    let Some(mut real) = Real::fresh("facts") else { return };
    check(&mut real, CASES);
}

/// The sandbox knows no cost.
#[test]
fn cost_of_goods_is_booked_by_the_real_odoo_alone() {
    let Some(mut real) = Real::fresh("cost") else { return };
    let make = |model: &str, values: Value| -> Value {
        let arguments = json!({ "vals_list": [values] });
        real.0.admin().call(model, "create", arguments).expect("an administrator may")[0].clone()
    };
    let category =
        make("product.category", json!({ "name": "Perpetual", "property_valuation": "real_time" }));
    make(
        "product.product",
        json!({ "name": "Costly", "default_code": COSTLY, "type": "consu", "is_storable": true,
            "standard_price": 8, "categ_id": category, "invoice_policy": "order" }),
    );
    check(&mut real, COST);
}
