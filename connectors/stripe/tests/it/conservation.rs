//! Whatever happens in an account, no cent of it is lost: all that was ever earned was either
//! paid out for good or is still there.

use proptest::prelude::*;
use trueup_connect::sandbox::Sandbox;
use trueup_connect::webhook::SignedDelivery;
use trueup_connect::{Delivery, Secret};
use trueup_domain::document::{Document, RowClass};
use trueup_stripe::{CONNECTOR, StripeSandbox};

use crate::drive::{Talk, at, day, eur, rows_of};

#[derive(Clone, Debug)]
enum Happening {
    Charge(i64),
    PartlyCaptured(i64),
    Refund(usize, i64),
    FailRefund(usize),
    Dispute(usize, i64),
    DisputeEnds(usize, bool),
    Reserve(i64),
    Fee(i64),
    Unknown(i64),
    PayOut,
    PayoutFails(usize),
}

fn happening() -> impl Strategy<Value = Happening> {
    let amount = 1_i64..1_000_000;
    let which = 0_usize..8;
    prop_oneof![
        4 => amount.clone().prop_map(Happening::Charge),
        1 => amount.clone().prop_map(Happening::PartlyCaptured),
        2 => (which.clone(), amount.clone()).prop_map(|(n, amount)| Happening::Refund(n, amount)),
        1 => which.clone().prop_map(Happening::FailRefund),
        1 => (which.clone(), amount.clone()).prop_map(|(n, amount)| Happening::Dispute(n, amount)),
        1 => (which.clone(), any::<bool>()).prop_map(|(n, won)| Happening::DisputeEnds(n, won)),
        1 => amount.clone().prop_map(Happening::Reserve),
        1 => amount.clone().prop_map(Happening::Fee),
        1 => (-1_000_000_i64..1_000_000).prop_map(Happening::Unknown),
        2 => Just(Happening::PayOut),
        1 => which.prop_map(Happening::PayoutFails),
    ]
}

/// Plays the story and returns the payouts that left for good.
fn play(stripe: &mut StripeSandbox, story: &[Happening]) -> Vec<String> {
    let (mut charges, mut refunds, mut disputes, mut payouts) = (vec![], vec![], vec![], vec![]);
    let mut failed = Vec::new();
    for (step, happening) in (0_i64..).zip(story) {
        let now = at(step * 20_000);
        match happening {
            Happening::Charge(amount) => charges.push(stripe.charge(*amount, "Order", now)),
            Happening::PartlyCaptured(amount) => {
                charges.push(stripe.charge_partly_captured(*amount * 2, *amount, "Order", now));
            }
            Happening::Refund(n, amount) => {
                let charge = charges.get(*n);
                refunds.extend(charge.and_then(|charge| stripe.refund(charge, *amount, now)));
            }
            Happening::FailRefund(n) => {
                refunds.get(*n).and_then(|refund| stripe.fail_refund(refund, now));
            }
            Happening::Dispute(n, amount) => {
                let charge = charges.get(*n);
                disputes
                    .extend(charge.and_then(|charge| stripe.dispute(charge, *amount, 1_500, now)));
            }
            Happening::DisputeEnds(n, won) => {
                if let Some(dispute) = disputes.get(*n) {
                    if *won {
                        stripe.dispute_won(dispute, n % 2 == 0, now);
                    } else {
                        stripe.dispute_lost(dispute, now);
                    }
                }
            }
            Happening::Reserve(amount) => {
                stripe.reserve(*amount, now);
            }
            Happening::Fee(amount) => {
                stripe.monthly_fee(*amount, now);
            }
            Happening::Unknown(amount) => {
                stripe.unknown_row("flux_settlement", *amount, now);
            }
            Happening::PayOut => payouts.extend(stripe.pay_out(now, day(28))),
            Happening::PayoutFails(n) => {
                if let Some(payout) = payouts.get(*n)
                    && stripe.payout_failed(payout, now).is_some()
                {
                    failed.push(payout.clone());
                }
            }
        }
    }
    payouts.retain(|payout| !failed.contains(payout));
    payouts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_cent_is_lost(story in prop::collection::vec(happening(), 1..60)) {
        let mut stripe = StripeSandbox::new("acct_demo", eur());
        let left_for_good = play(&mut stripe, &story);
        let documents = Talk::new(&mut stripe).poll_all("balance_transactions");
        let rows = rows_of(&documents);
        let net = |payout_legs: bool| -> i64 {
            let leg = |class| matches!(class, RowClass::Payout | RowClass::PayoutReturn);
            let rows = rows.values().filter(|row| leg(row.class) == payout_legs);
            rows.map(|row| row.net.minor()).sum()
        };
        let paid_out: i64 =
            left_for_good.iter().filter_map(|payout| stripe.payout_amount(payout)).sum();
        prop_assert_eq!(net(false), paid_out + stripe.balance());
        prop_assert_eq!(net(true), -paid_out);
        // Stripe's own statement is what the rows say less what the payouts took.
        let stated = Talk::new(&mut stripe).stated_balance();
        prop_assert_eq!(stated.total.minor(), net(false) - paid_out);

        // Read back through its payouts, each row says which one contains it, and each adds up.
        let members = rows_of(&Talk::new(&mut stripe).poll_all("payouts"));
        for payout in &left_for_good {
            let sum: i64 = members
                .values()
                .filter(|row| row.payout.as_ref() == Some(payout) && row.class != RowClass::Payout)
                .map(|row| row.net.minor())
                .sum();
            prop_assert_eq!(Some(sum), stripe.payout_amount(payout));
        }
        // A row says the same either way, but for its payout.
        for (id, member) in &members {
            let mut alone = rows[id].clone();
            alone.payout.clone_from(&member.payout);
            prop_assert_eq!(&Document::from(alone), &Document::from(member.clone()));
        }
    }
}

#[test]
fn what_the_sandbox_pushes_is_authentic_once_signed() {
    let mut stripe = StripeSandbox::new("acct_demo", eur());
    stripe.charge(1_000, "Order 1", at(0));
    let webhooks = CONNECTOR.webhooks.expect("stripe pushes");
    let secret = Secret::new("whsec_sandbox");
    for push in stripe.take_deliveries() {
        let signed = SignedDelivery {
            kind: &push.kind,
            source_id: &push.source_id,
            account: stripe.account(),
            body: &push.body,
            secret: &secret,
            now: at(1),
        };
        let headers = (webhooks.sign)(&signed);
        let delivery = Delivery { headers: &headers, body: &push.body };
        let authentic = (webhooks.authenticate)(&delivery, std::slice::from_ref(&secret), at(2))
            .expect("it is ours");
        assert_eq!((authentic.source_id, authentic.kind), (push.source_id, push.kind));
    }
}
