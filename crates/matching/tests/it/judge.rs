//! One key, its sides, and the verdict.

use proptest::prelude::*;
use trueup_domain::Money;
use trueup_domain::derive::sale::{BEFORE_START, IN_PARTS, NOT_YET, PAID_AGAIN, SUMMED_LATE};
use trueup_domain::item::{Item, ItemKind, Side};
use trueup_domain::money::Currency;
use trueup_matching::links::{Link, Proof, TenderStanding, worst};
use trueup_matching::{BreakKind, Seen, Status, Verdict, judge};

use crate::world::{bank_line, calendar, item, june, money, payout, seen};

fn verdict(key: &str, items: &[Seen], claimed: &[Seen], day: i8) -> Verdict {
    judge(key, items, claimed, june(day), &calendar()).expect("one currency").expect("items")
}

/// Status, break and difference in words.
fn check(key: &str, items: &[Seen], claimed: &[Seen], day: i8, expected: &str) {
    let verdict = verdict(key, items, claimed, day);
    let mut words = verdict.status.word().to_owned();
    if let Some(kind) = verdict.break_kind {
        words = format!("{} {}", kind.word(), verdict.difference.amount_text());
        assert!(!verdict.detail.is_empty(), "{key}: a break says what is wrong");
        assert_eq!(verdict.status, Status::Broken);
        assert!(!kind.remedy().is_empty());
    } else {
        assert!(verdict.difference.is_zero(), "{key}: no break, no difference");
    }
    assert_eq!(words, expected, "{key} on the {day}th");
    // What is claimed together is what was given, each once, and only when it is certain.
    let mut ids: Vec<&String> = verdict.matched.iter().collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), verdict.matched.len());
    if verdict.status == Status::Proven {
        assert_eq!(verdict.matched.len(), items.len() + claimed.len());
    }
}

/// One item for each of the sides; the channel's is of the 1st and due on the 3rd.
fn sides(kind: ItemKind, key: &str, stated: &[(Side, &str)]) -> Vec<Seen> {
    let items = stated.iter().enumerate().map(|(index, (side, amount))| {
        let due = (*side == Side::Channel).then_some(3);
        seen(&index.to_string(), item(*side, kind, key, amount, 1, due))
    });
    items.collect()
}

/// What the sides state, one item each.
type Stated<'a> = &'a [(Side, &'a str)];

#[test]
fn each_key_needs_its_sides() {
    use Side::{Books, Channel, Settlement};
    let table: &[(&str, Stated<'_>, &str)] = &[
        ("order/s/1", &[(Channel, "10.00"), (Books, "10.00")], "proven"),
        ("order/s/1", &[(Channel, "10.00")], "missing_in_books -10.00"),
        ("order/s/1", &[(Channel, "10.00"), (Books, "9.99")], "amount_differs -0.01"),
        ("order/s/1", &[(Channel, "10.00"), (Books, "10.00"), (Books, "10.00")], "duplicate 10.00"),
        ("order/s/1", &[(Channel, "10.00"), (Books, "-10.00")], "amount_differs -20.00"),
        // An invoice of two parts, and one that was reversed and posted again.
        ("order/s/1", &[(Channel, "10.00"), (Books, "7.00"), (Books, "3.00")], "proven"),
        (
            "order/s/1",
            &[(Channel, "9.00"), (Books, "10.00"), (Books, "-10.00"), (Books, "9.00")],
            "proven",
        ),
        ("order/s/1", &[(Channel, "0.00")], "proven"),
        ("tax/order/s/1", &[(Channel, "1.90"), (Books, "1.91")], "tax_differs 0.01"),
        ("refund/s/1", &[(Channel, "5.00"), (Books, "5.00")], "proven"),
        ("refund/s/1", &[(Books, "5.00")], "missing_at_channel 5.00"),
        ("refund/s/1", &[(Books, "5.00"), (Books, "-5.00")], "not_applicable"),
        ("capture/p/1", &[(Channel, "10.00"), (Books, "10.00"), (Settlement, "10.00")], "proven"),
        ("capture/p/1", &[(Channel, "10.00"), (Books, "10.00")], "missing_in_settlement -10.00"),
        ("capture/p/1", &[(Channel, "10.00"), (Settlement, "10.00")], "missing_in_books -10.00"),
        (
            "capture/p/1",
            &[(Channel, "10.00"), (Books, "10.00"), (Settlement, "8.00")],
            "amount_differs -2.00",
        ),
        // Only a part was captured: the provider books the whole and gives back the rest.
        (
            "capture/p/1",
            &[(Channel, "8.00"), (Books, "8.00"), (Settlement, "10.00"), (Settlement, "-2.00")],
            "proven",
        ),
        ("capture/p/1", &[(Settlement, "10.00")], "missing_at_channel 10.00"),
        ("refund_paid/p/1", &[(Channel, "5.00"), (Books, "5.00")], "missing_in_settlement -5.00"),
        ("capture_tender/s/1", &[(Channel, "10.00"), (Books, "10.00")], "proven"),
        // A till's session: tickets against its entry and the invoices of some of them.
        (
            "till/s/7",
            &[(Channel, "10.00"), (Channel, "-3.00"), (Books, "5.00"), (Books, "2.00")],
            "proven",
        ),
        ("till/s/7", &[(Channel, "10.00"), (Channel, "-3.00")], "missing_in_books -7.00"),
        ("till/s/7", &[(Channel, "10.00"), (Channel, "-10.00")], "not_applicable"),
        // Revenue twice: an invoiced order that stands in the session's entry, too.
        (
            "till/s/7",
            &[(Channel, "10.00"), (Books, "10.00"), (Books, "10.00")],
            "amount_differs 10.00",
        ),
        ("till_tax/s/7", &[(Channel, "1.90"), (Books, "1.91")], "tax_differs 0.01"),
        ("till_tender/s/7/Cash", &[(Books, "5.00")], "missing_at_channel 5.00"),
    ];
    for (key, stated, expected) in table {
        let kind = if key.starts_with("capture") { ItemKind::Capture } else { ItemKind::Document };
        check(key, &sides(kind, key, stated), &[], 30, expected);
    }
}

/// Tickets are uploaded late, and sessions are read less often than they: no difference before its
/// day.
#[test]
fn a_session_is_judged_once_it_is_due() {
    let key = "till/s/7";
    let both = sides(ItemKind::Document, key, &[(Side::Channel, "10.00"), (Side::Books, "17.00")]);
    check(key, &both, &[], 3, "not_due");
    check(key, &both, &[], 5, "amount_differs 7.00");
    check(key, &both[..1], &[], 3, "not_due");
}

/// What the marketplace remits is taken at the channel and the provider, and not in the books.
#[test]
fn a_named_line_explains_what_the_books_do_not_hold() {
    let key = "capture/stripe/ch_1";
    let channel = item(Side::Channel, ItemKind::Capture, key, "108.50", 1, Some(3));
    let row = item(Side::Settlement, ItemKind::Capture, key, "108.50", 1, None);
    let named = item(Side::Books, ItemKind::RemittedTax, key, "8.50", 1, None);
    let books = item(Side::Books, ItemKind::Capture, key, "100.00", 1, None);
    let mut all = vec![seen("c", channel), seen("s", row), seen("n", named)];
    check(key, &all, &[], 2, "not_due");
    check(key, &all, &[], 5, "missing_in_books -108.50");
    all.push(seen("b", books.clone()));
    check(key, &all, &[], 5, "proven");
    let short = Item { amount: money("99.00"), ..books };
    all.pop();
    all.push(seen("b", short));
    check(key, &all, &[], 5, "amount_differs -1.00");
}

/// The provider's second row takes the first back: the refund is not proven any more.
#[test]
fn e5_a_refund_that_failed_is_no_refund() {
    let key = "refund_paid/stripe/re_1";
    let stated = [(Side::Channel, "50.00"), (Side::Books, "50.00"), (Side::Settlement, "50.00")];
    let mut all = sides(ItemKind::RefundPaid, key, &stated);
    check(key, &all, &[], 2, "proven");
    let back = item(Side::Settlement, ItemKind::RefundPaid, key, "-50.00", 2, None);
    all.push(seen("back", back));
    check(key, &all, &[], 2, "refund_failed -50.00");
    assert!(verdict(key, &all, &[], 2).detail.contains("still hold 50.00 EUR as paid"));
    // Its credit note was paid by another transaction, and the books have to follow.
    all[0].item.hints.push(PAID_AGAIN.to_owned());
    check(key, &all, &[], 2, "refund_failed -50.00");
    let booked = item(Side::Books, ItemKind::RefundPaid, key, "-50.00", 2, None);
    all.push(seen("booked", booked));
    check(key, &all, &[], 2, "not_applicable");
    all[0].item.hints.clear();
    check(key, &all, &[], 2, "refund_failed -50.00");
    // The channel itself says so: nothing is stated any more.
    all.remove(0);
    check(key, &all, &[], 2, "not_applicable");
}

#[test]
fn a_lack_is_not_due_until_its_day_has_passed() {
    let order = sides(ItemKind::Document, "order/s/1", &[(Side::Channel, "10.00")]);
    for (day, expected) in [(1, "not_due"), (3, "not_due"), (4, "missing_in_books -10.00")] {
        check("order/s/1", &order, &[], day, expected);
    }
    assert_eq!(verdict("order/s/1", &order, &[], 3).due, Some(june(3)));
    // A difference is a break at once.
    let stated = [(Side::Channel, "10.00"), (Side::Books, "9.00")];
    let order = sides(ItemKind::Document, "order/s/1", &stated);
    check("order/s/1", &order, &[], 1, "amount_differs -1.00");

    // What only the provider states is unexpected two business days later: Thursday the 4th,
    // over the weekend and the holiday on Monday the 8th, is Tuesday the 9th plus nothing.
    let key = "capture/p/1";
    let row = [seen("r", item(Side::Settlement, ItemKind::Capture, key, "10.00", 4, None))];
    for (day, expected) in [(4, "not_due"), (9, "not_due"), (10, "missing_at_channel 10.00")] {
        check(key, &row, &[], day, expected);
    }
    // A row in no payout has its own day.
    let key = "unpaid/p/r1";
    let row = [seen("r", item(Side::Settlement, ItemKind::PayoutRow, key, "10.00", 1, Some(9)))];
    for (day, expected) in [(9, "not_due"), (10, "not_paid_out 10.00")] {
        check(key, &row, &[], day, expected);
    }
}

#[test]
fn a_payout_is_the_sum_of_its_rows() {
    let key = "payout/p/po1";
    let row = |id: &str, amount: &str| {
        seen(id, item(Side::Settlement, ItemKind::PayoutRow, key, amount, 4, None))
    };
    let header =
        |amount: &str| seen("h", item(Side::Settlement, ItemKind::Payout, key, amount, 4, None));
    check(key, &[row("a", "6.00"), row("b", "4.00"), header("10.00")], &[], 30, "proven");
    check(key, &[row("a", "6.00"), row("b", "-6.00"), header("0.00")], &[], 30, "proven");
    check(key, &[header("10.00")], &[], 30, "rows_differ -10.00");
    check(key, &[row("a", "6.00"), header("10.00")], &[], 30, "rows_differ -4.00");
    // Rows may still be on their way the next business day: Friday the 5th.
    check(key, &[row("a", "6.00"), header("10.00")], &[], 5, "not_due");
    check(key, &[row("a", "6.00"), header("10.00")], &[], 6, "rows_differ -4.00");
    // Rows before their header: two business days.
    check(key, &[row("a", "6.00")], &[], 9, "not_due");
    check(key, &[row("a", "6.00")], &[], 10, "rows_differ 6.00");
}

#[test]
fn a_payout_is_its_bank_lines() {
    let key = "bank/stripe/po1";
    let payout = [payout("po1", "10.00", 4, &[])];
    check(key, &payout, &[bank_line("l", "10.00", 5, "")], 30, "proven");
    let two = [bank_line("l1", "7.00", 5, ""), bank_line("l2", "3.00", 5, "")];
    check(key, &payout, &two, 30, "proven");
    check(key, &payout, &[bank_line("l", "9.75", 5, "")], 5, "short_payout -0.25");
    check(key, &payout, &[bank_line("l", "10.01", 5, "")], 5, "short_payout 0.01");
    check(key, &payout, &[], 6, "not_due");
    check(key, &payout, &[], 7, "missing_at_bank -10.00");
}

#[test]
fn a_transfer_is_settled_by_the_bank_itself() {
    let key = "capture_transfer/s/1";
    let stated = [(Side::Channel, "10.00"), (Side::Books, "10.00")];
    let transfer = sides(ItemKind::Capture, key, &stated);
    check(key, &transfer, &[], 3, "not_due");
    check(key, &transfer, &[], 4, "missing_at_bank -10.00");
    check(key, &transfer, &[bank_line("l", "10.00", 2, "")], 4, "proven");
}

#[test]
fn what_stands_alone_is_not_compared() {
    for (key, kind) in [
        ("fee/p/1", ItemKind::Fee),
        ("dispute/p/1", ItemKind::Dispute),
        ("reserve/p/1", ItemKind::Reserve),
        ("unknown/p/1", ItemKind::Unknown),
        ("line/acc/1", ItemKind::BankLine),
    ] {
        let items = [seen("x", item(Side::Settlement, kind, key, "10.00", 1, None))];
        check(key, &items, &[], 30, "not_applicable");
    }
    assert_eq!(judge("order/s/1", &[], &[], june(1), &calendar()), Ok(None));
}

#[test]
fn before_the_start_only_the_money_is_compared() {
    let key = "refund_paid/p/1";
    let stated = [(Side::Channel, "5.00"), (Side::Settlement, "5.00")];
    let mut items = sides(ItemKind::RefundPaid, key, &stated);
    check(key, &items, &[], 30, "missing_in_books -5.00");
    items[0].item.hints.push(BEFORE_START.to_owned());
    check(key, &items, &[], 30, "proven");
    items.truncate(1);
    check(key, &items, &[], 30, "missing_in_settlement -5.00");
}

#[test]
fn e3_two_currencies_are_a_difference_not_an_error() {
    let key = "capture/p/1";
    let stated = [(Side::Channel, "10.00"), (Side::Books, "10.00"), (Side::Settlement, "10.00")];
    let mut items = sides(ItemKind::Capture, key, &stated);
    let usd = Currency::parse("USD").expect("a currency");
    items[2].item.amount = Money::from_minor(1000, usd);
    let verdict = verdict(key, &items, &[], 1);
    assert_eq!(verdict.break_kind, Some(BreakKind::AmountDiffers));
    assert!(verdict.detail.contains("USD") && verdict.detail.contains("EUR"));
}

#[test]
fn words_read_back() {
    for status in [Status::Proven, Status::NotDue, Status::Broken, Status::NotApplicable] {
        assert_eq!(Status::parse(status.word()), Some(status));
    }
    assert_eq!(Status::parse("fine"), None);
}

#[test]
fn a_link_is_as_good_as_its_worst_part() {
    use Status::{Broken, NotApplicable, NotDue, Proven};
    for (parts, expected) in [
        (&[][..], NotApplicable),
        (&[NotApplicable, NotApplicable], NotApplicable),
        (&[NotApplicable, Proven], Proven),
        (&[Proven, NotDue, Proven], NotDue),
        (&[NotDue, Broken, Proven, NotApplicable], Broken),
    ] {
        assert_eq!(worst(parts), expected, "{parts:?}");
    }
    // A card in flight and a gift card: the order is not due, whatever its document says.
    let card = TenderStanding { tender: Proven, payout: NotDue, bank: NotDue };
    let gift_card = TenderStanding { tender: Proven, payout: NotApplicable, bank: NotApplicable };
    let proof = Proof::of(&[Proven, Proven], &[card, gift_card]);
    let links = Link::ALL.map(|link| proof.link(link));
    assert_eq!(links, [Proven, Proven, NotDue, NotDue]);
    assert_eq!(proof.overall(), NotDue);
    assert_eq!(Proof::of(&[Proven], &[gift_card]).overall(), Proven);
    assert_eq!(Proof::of(&[], &[]).overall(), NotApplicable);
    assert_eq!(Proof::of(&[Broken], &[card]).overall(), Broken);
}

fn any_side() -> impl Strategy<Value = Side> {
    prop::sample::select(Side::ALL.to_vec())
}

proptest! {
    /// Nothing is proven while two sides say different sums, and nothing is lost or claimed twice.
    #[test]
    fn no_item_is_lost_or_counted_twice(
        stated in prop::collection::vec((any_side(), -300_i64..300), 1..8),
        word in prop::sample::select(vec!["order", "capture", "refund", "capture_transfer"]),
        day in 1_i8..28,
    ) {
        let key = format!("{word}/p/1");
        let items: Vec<Seen> = stated
            .iter()
            .enumerate()
            .map(|(index, (side, minor))| {
                let mut item = item(*side, ItemKind::Capture, &key, "0", 1, Some(3));
                item.amount = Money::from_minor(*minor, money("0").currency());
                seen(&index.to_string(), item)
            })
            .collect();
        let verdict = verdict(&key, &items, &[], day);
        let sum = |side: Side| -> i64 {
            let own = stated.iter().filter(|(own, _)| *own == side);
            own.map(|(_, minor)| *minor).sum()
        };
        match verdict.status {
            Status::Proven => {
                let mut matched = verdict.matched.clone();
                matched.sort();
                let mut all: Vec<String> = items.iter().map(|seen| seen.id.clone()).collect();
                all.sort();
                prop_assert_eq!(matched, all);
                let expected = sum(Side::Channel);
                for (side, _) in stated.iter().filter(|(side, _)| {
                    *side != Side::Bank || word == "capture_transfer"
                }) {
                    let counts = *side != Side::Settlement || word == "capture";
                    if counts {
                        prop_assert_eq!(sum(*side), expected, "{:?}", side);
                    }
                }
            }
            Status::Broken => prop_assert!(verdict.break_kind.is_some()),
            Status::NotDue => prop_assert!(verdict.due.is_some_and(|due| june(day) <= due)),
            Status::NotApplicable => prop_assert!(stated.iter().all(|(side, _)| *side != Side::Channel)),
        }
    }
}

/// An order of the 1st: invoiced so far, due on the 3rd; to be invoiced later, due on the 20th; and
/// what others state.
fn invoiced(now: &str, later: &str, stated: Stated<'_>) -> Vec<Seen> {
    let of_channel = [(now, 3), (later, 20)].into_iter().filter(|(amount, _)| *amount != "0");
    let kind = ItemKind::Document;
    let mut items: Vec<Seen> = of_channel
        .map(|(amount, due)| {
            let mut item = item(Side::Channel, kind, "order/s/1", amount, 1, Some(due));
            if due == 20 {
                item.hints.push(NOT_YET.to_owned());
            }
            seen(&format!("channel {due}"), item)
        })
        .collect();
    items.extend(sides(kind, "order/s/1", stated));
    items
}

#[test]
fn what_has_not_left_is_not_due_and_what_has_must_be_invoiced() {
    use Side::Books;
    let key = "order/s/1";
    let told = |items: &[Seen], day, expected| check(key, items, &[], day, expected);
    let none = invoiced("0", "10.00", &[]);
    told(&none, 20, "not_due");
    told(&none, 21, "not_invoiced -10.00");
    let part = invoiced("4.00", "6.00", &[(Books, "4.00")]);
    told(&part, 20, "not_due");
    told(&part, 21, "not_invoiced -6.00");
    // What has left is due long before the rest.
    let lacking = invoiced("4.00", "6.00", &[]);
    told(&lacking, 3, "not_due");
    told(&lacking, 4, "missing_in_books -4.00");
    let less = invoiced("4.00", "6.00", &[(Books, "1.00")]);
    told(&less, 3, "not_due");
    told(&less, 4, "amount_differs -3.00");
    // Nothing is invoiced ahead of what has left.
    told(&invoiced("4.00", "6.00", &[(Books, "10.00")]), 2, "amount_differs 6.00");
    told(&invoiced("0", "10.00", &[(Books, "10.00")]), 2, "amount_differs 10.00");
    told(&invoiced("10.00", "0", &[(Books, "4.00"), (Books, "6.00")]), 2, "proven");
    let named = |mut items: Vec<Seen>, amount| {
        let off = item(Books, ItemKind::NotInvoiced, key, amount, 2, None);
        items.push(seen("off", off));
        items
    };
    // What was refunded before it was invoiced is a named line of the books' side.
    told(&named(invoiced("10.00", "0", &[(Books, "4.00")]), "6.00"), 2, "proven");
    told(&named(invoiced("10.00", "0", &[]), "10.00"), 9, "proven");
    told(&named(invoiced("6.00", "4.00", &[]), "6.00"), 9, "not_due");
}

/// A capture of the 1st whose provider settles it in parts until the 20th.
fn in_parts(stated: Stated<'_>) -> Vec<Seen> {
    let mut items = sides(ItemKind::Capture, "capture/m/1", stated);
    for seen in items.iter_mut().filter(|seen| seen.item.side == Side::Channel) {
        seen.item.due = Some(june(20));
        seen.item.hints.push(IN_PARTS.to_owned());
    }
    items
}

#[test]
fn what_is_settled_in_parts_is_no_difference_before_it_is_due() {
    use Side::{Books, Channel, Settlement};
    let key = "capture/m/1";
    let part = [(Channel, "10.00"), (Books, "10.00"), (Settlement, "4.00")];
    check(key, &in_parts(&part), &[], 15, "not_due");
    check(key, &in_parts(&part), &[], 21, "amount_differs -6.00");
    let rest = (Settlement, "6.00");
    check(key, &in_parts(&[part[0], part[1], part[2], rest]), &[], 15, "proven");
    // More than was sold is never a part of it.
    let more = (Settlement, "6.01");
    check(key, &in_parts(&[part[0], part[1], part[2], more]), &[], 15, "amount_differs 0.01");
    // The books have no such reason to wait.
    check(key, &in_parts(&[part[0], rest]), &[], 3, "not_due");
    check(key, &in_parts(&[part[0], rest]), &[], 4, "missing_in_books -10.00");
    // Whoever states everything at once is not waited for.
    let at_once = sides(ItemKind::Capture, key, &part);
    check(key, &at_once, &[], 2, "amount_differs -6.00");
}

#[test]
fn the_books_may_hold_what_goes_into_a_payouts_entry_until_its_month_is_over() {
    use Side::{Books, Channel, Settlement};
    let key = "capture/m/1";
    let late = |stated: Stated<'_>| {
        let mut items = sides(ItemKind::Capture, key, stated);
        items[0].item.hints.push(SUMMED_LATE.to_owned());
        items
    };
    let both = [(Channel, "10.00"), (Settlement, "10.00")];
    check(key, &late(&both), &[], 30, "not_due");
    // The provider has no such reason to wait.
    check(key, &late(&both[..1]), &[], 3, "not_due");
    check(key, &late(&both[..1]), &[], 4, "missing_in_settlement -10.00");
    check(key, &late(&[both[0], (Settlement, "9.99")]), &[], 4, "amount_differs -0.01");
    let after = |day: i8| {
        let july = jiff::civil::date(2026, 7, day);
        let verdict = judge(key, &late(&both), &[], july, &calendar()).expect("one currency");
        verdict.expect("items").break_kind
    };
    assert_eq!((after(2), after(3)), (None, Some(BreakKind::MissingInBooks)));
    // What is there and wrong is no matter of time.
    check(key, &late(&[both[0], both[1], (Books, "9.00")]), &[], 4, "amount_differs -1.00");
}
