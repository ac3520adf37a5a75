//! What holds for every sale, whatever its lines, taxes, discounts and history.

use std::collections::BTreeMap;

use proptest::prelude::*;
use trueup_domain::command::Content;
use trueup_domain::derive::Derived;
use trueup_domain::document::{
    ChargeKind, Discount, Document, Funder, Kind, Order, OrderError, Payment, PaymentKind,
    PaymentStanding, PaymentStatus, Remitter, Restock, TaxLine, Version,
};
use trueup_domain::fact::{Change, Fact, FactContent, FactKey, Written, difference};
use trueup_domain::journal::Role;
use trueup_domain::key;
use trueup_domain::money::Money;

use crate::world::{
    Given, billed, charge, commands, entries, line, net, order, paid_back, payment, rate,
    refund_line, refund_of, total_up, usd,
};

fn cents(minor: i64) -> Money {
    Money::from_minor(minor, usd())
}

fn text(minor: i64) -> String {
    cents(minor).amount_text()
}

/// What a line or charge is made of; shares are thousandths of what is left.
#[derive(Clone, Debug)]
struct Part {
    quantity: i64,
    unit: i64,
    discounts: Vec<(usize, i64)>,
    taxes: Vec<(usize, i64)>,
}

fn part() -> impl Strategy<Value = Part> {
    let discounts = prop::collection::vec((0_usize..3, 0_i64..600), 0..3);
    let taxes = prop::collection::vec((0_usize..4, 0_i64..400), 0..3);
    (1_i64..6, 0_i64..50_000, discounts, taxes)
        .prop_map(|(quantity, unit, discounts, taxes)| Part { quantity, unit, discounts, taxes })
}

const RATES: [&str; 4] = ["0.08", "0.19", "0.07", "0.085"];

fn discounts_of(gross: i64, shares: &[(usize, i64)]) -> Vec<Discount> {
    let mut left = gross;
    let mut all = Vec::new();
    for (funder, share) in shares {
        let funder = [Funder::Merchant, Funder::Marketplace, Funder::Supplier][*funder];
        let amount = left * share / 1000;
        left -= amount;
        all.push(Discount { title: format!("{funder:?}"), funder, amount: cents(amount) });
    }
    all
}

fn taxes_of(net: i64, shares: &[(usize, i64)], remitter: Remitter) -> Vec<TaxLine> {
    let taxes = shares.iter().map(|(index, share)| TaxLine {
        title: format!("tax {index}"),
        rate: rate(RATES[*index]),
        amount: cents(net * share / 1000),
        remitted_by: remitter,
    });
    taxes.collect()
}

fn order_of(parts: &[Part], charges: &[Part], included: bool, remitters: u8) -> Order {
    let remitter = |index: usize| {
        if remitters >> (index % 8) & 1 == 1 { Remitter::Marketplace } else { Remitter::Merchant }
    };
    let lines = parts.iter().enumerate().map(|(index, part)| {
        let mut line = line(&format!("A{index}"), part.quantity, &text(part.unit));
        line.discounts = discounts_of(line.gross.minor(), &part.discounts);
        let net =
            line.gross.minor() - line.discounts.iter().map(|one| one.amount.minor()).sum::<i64>();
        line.taxes = taxes_of(net, &part.taxes, remitter(index));
        line
    });
    let kinds = [ChargeKind::Shipping, ChargeKind::Duty, ChargeKind::GiftWrap, ChargeKind::Fee];
    let charges = charges.iter().enumerate().map(|(index, part)| {
        let mut charge = charge(&index.to_string(), kinds[index % 4], &text(part.unit));
        charge.discounts = discounts_of(part.unit, &part.discounts);
        let net = part.unit - charge.discounts.iter().map(|one| one.amount.minor()).sum::<i64>();
        charge.taxes = taxes_of(net, &part.taxes, remitter(index + 3));
        charge
    });
    let mut order = order(lines.collect(), charges.collect());
    order.taxes_included = included;
    total_up(&mut order);
    order
}

pub fn any_order() -> impl Strategy<Value = Order> {
    let parts = prop::collection::vec(part(), 1..5);
    let charges = prop::collection::vec(part(), 0..3);
    // Most orders have no marketplace in them.
    let remitters = prop_oneof![3 => Just(0_u8), 1 => any::<u8>()];
    (parts, charges, any::<bool>(), remitters).prop_map(|(parts, charges, included, remitters)| {
        order_of(&parts, &charges, included, remitters)
    })
}

/// Gives everything back in `steps` refunds, with their money.
fn give_back(order: &Order, steps: i64) -> Vec<Document> {
    let mut documents = Vec::new();
    for step in 0..steps {
        let share = |whole: i64| whole * (step + 1) / steps - whole * step / steps;
        let mut lines = Vec::new();
        for line in &order.lines {
            let discount: i64 = line.discounts.iter().map(|one| one.amount.minor()).sum();
            let tax: i64 = line.taxes.iter().map(|one| one.amount.minor()).sum();
            let restock = if step % 2 == 0 { Restock::Returned } else { Restock::None };
            let amount = share(line.gross.minor() - discount);
            let mut back = refund_line(
                &line.id,
                share(line.quantity),
                &text(amount),
                &text(share(tax)),
                restock,
            );
            back.id = format!("{}-{step}", line.id);
            lines.push(back);
        }
        let mut adjustments = Vec::new();
        for charge in &order.charges {
            let discount: i64 = charge.discounts.iter().map(|one| one.amount.minor()).sum();
            let tax: i64 = charge.taxes.iter().map(|one| one.amount.minor()).sum();
            let mut back = crate::world::adjustment(
                Some(charge.kind),
                &text(share(charge.gross.minor() - discount)),
                &text(share(tax)),
            );
            back.id = format!("{}-{step}", charge.id);
            adjustments.push(back);
        }
        let id = format!("R{step}");
        let money = format!("b{step}");
        let refund = refund_of(&id, order.taxes_included, lines, adjustments, &[&money]);
        documents.push(paid_back(&money, &id, "card", &refund.total.amount_text()));
        documents.push(refund.into());
    }
    documents
}

fn full_payment(order: &Order) -> Document {
    payment("p1", PaymentKind::Sale, "card", &order.total.amount_text()).into()
}

fn assert_balanced(derived: &Derived) {
    for entry in entries(&derived.facts) {
        let sum: i64 = entry.lines.iter().map(|line| line.amount.minor()).sum();
        assert_eq!(sum, 0, "{}", entry.memo);
        assert!(entry.lines.iter().all(|line| !line.amount.is_zero()), "{}", entry.memo);
    }
}

/// What the documents of the books come to: invoices less credit notes, total and tax.
fn books(facts: &[Fact]) -> (i64, i64) {
    let (mut total, mut tax) = (0, 0);
    for (_, content) in commands(facts) {
        match content {
            Content::Invoice(it) => {
                total += it.total.minor();
                tax += it.tax.minor();
            }
            Content::CreditNote(it) => {
                total -= it.total.minor();
                tax -= it.tax.minor();
            }
            _ => {}
        }
    }
    (total, tax)
}

fn remitted(order: &Order) -> i64 {
    let theirs = order.taxes().filter(|tax| tax.remitted_by == Remitter::Marketplace);
    theirs.map(|tax| tax.amount.minor()).sum()
}

fn assert_keys_are_unique(facts: &[Fact]) {
    let mut keys: Vec<&FactKey> = facts.iter().map(|fact| &fact.key).collect();
    keys.sort();
    let count = keys.len();
    keys.dedup();
    assert_eq!(keys.len(), count, "two facts share a key");
}

proptest! {
    #[test]
    fn a_paid_sale_leaves_no_receivable(order in any_order()) {
        let sale = Given::default().sale(&[order.clone().into(), full_payment(&order)]);
        assert_balanced(&sale);
        assert_keys_are_unique(&sale.facts);
        let sums = net([&sale]);
        prop_assert_eq!(sums.get(&Role::Receivable), None);
        let tax = order.total_tax().expect("in range").minor();
        let theirs = remitted(&order);
        prop_assert_eq!(books(&sale.facts), (order.total.minor() - theirs, tax - theirs));
        prop_assert_eq!(-sums.get(&Role::TaxPayable).copied().unwrap_or(0), tax - theirs);
        prop_assert_eq!(-sums.get(&Role::MarketplaceTaxCollected).copied().unwrap_or(0), theirs);
        for (_, content) in commands(&sale.facts) {
            for line in crate::world::document_lines(content) {
                prop_assert_eq!(line.quantity * line.unit_price, line.amount.decimal());
            }
        }
    }

    #[test]
    fn what_was_sold_and_given_back_is_gone(order in any_order(), steps in 1_i64..5) {
        let mut documents = vec![order.clone().into(), full_payment(&order)];
        documents.extend(give_back(&order, steps));
        let sale = Given::default().sale(&documents);
        assert_balanced(&sale);
        assert_keys_are_unique(&sale.facts);
        prop_assert_eq!(&sale.breaks, &[]);
        prop_assert_eq!(books(&sale.facts), (0, 0));
        let mut sums = net([&sale]);
        for gone in [
            Role::Receivable,
            Role::Clearing,
            Role::TaxPayable,
            Role::MarketplaceTaxCollected,
        ] {
            prop_assert_eq!(sums.remove(&gone), None, "{:?}", gone);
        }
        prop_assert_eq!(sums.values().sum::<i64>(), 0);
    }

    #[test]
    fn invoices_less_notes_are_the_order_less_its_refunds(
        order in any_order(),
        steps in 1_i64..5,
        kept in 0_usize..5,
    ) {
        let mut documents = vec![order.clone().into(), full_payment(&order)];
        let back = give_back(&order, steps);
        let kept = (2 * kept).min(back.len());
        let mut expected = order.total.minor() - remitted(&order);
        for document in &back[..kept] {
            if let Document::Refund(refund) = document {
                expected -= refund.total.minor();
            }
        }
        documents.extend(back[..kept].iter().cloned());
        let sale = Given::default().sale(&documents);
        let with_memo = net([&sale]).get(&Role::MarketplaceTaxCollected).copied().unwrap_or(0);
        // The marketplace's share of the refunds is a memo, in no document of the books.
        let share_back = remitted(&order) + with_memo;
        prop_assert_eq!(books(&sale.facts).0, expected + share_back);
        let sums = net([&sale]);
        prop_assert_eq!(sums.get(&Role::Receivable), None);
    }

    #[test]
    fn a_planted_cent_is_noticed(order in any_order(), cent in prop_oneof![Just(-1), Just(1)]) {
        prop_assert_eq!(order.check(), Ok(()));
        let mut wrong = order;
        wrong.total = cents(wrong.total.minor() + cent);
        let noticed = matches!(wrong.check(), Err(OrderError::TotalDiffers { .. }));
        prop_assert!(noticed);
    }

    /// Tax inside the amounts or on top of them: what says the wrong one of the two does not add up,
    /// and nothing is booked from it.
    #[test]
    fn d3_a_flag_of_included_tax_that_is_flipped_is_noticed(order in any_order()) {
        let tax = order.total_tax().expect("in range");
        prop_assume!(!tax.is_zero());
        let mut flipped = order.clone();
        flipped.taxes_included = !order.taxes_included;
        let derived = Given::default().sale(&[flipped.into(), full_payment(&order)]);
        prop_assert_eq!(&derived.facts, &[]);
        let kinds: Vec<&str> = derived.breaks.iter().map(|one| one.kind).collect();
        prop_assert_eq!(kinds, ["order_contradicts_itself"]);
    }

    /// A decision depends on its documents alone: no clock, no chance, no order of a hash.
    #[test]
    fn g6_what_is_decided_twice_is_decided_alike(order in any_order(), steps in 1_i64..3) {
        let mut documents = vec![order.clone().into(), full_payment(&order)];
        documents.extend(give_back(&order, steps));
        let once = Given::default().sale(&documents);
        let read_back: Vec<Document> = documents
            .iter()
            .map(|it| Document::from_json(it.kind(), &it.to_json()).expect("readable"))
            .collect();
        prop_assert_eq!(&Given::default().sale(&documents), &once);
        prop_assert_eq!(&Given::default().sale(&read_back), &once);
    }

    #[test]
    fn documents_read_back_as_they_were(order in any_order(), steps in 1_i64..3) {
        let mut documents = vec![order.clone().into(), full_payment(&order)];
        documents.extend(give_back(&order, steps));
        for document in documents {
            let again = Document::from_json(document.kind(), &document.to_json());
            prop_assert_eq!(again.expect("readable"), document);
        }
    }

    #[test]
    fn the_difference_to_itself_is_nothing(order in any_order(), steps in 1_i64..3) {
        let mut documents = vec![order.clone().into(), full_payment(&order)];
        documents.extend(give_back(&order, steps));
        let mut ledger = Ledger::default();
        ledger.decide(&documents);
        let before = ledger.clone();
        ledger.decide(&documents);
        prop_assert_eq!(ledger, before);
    }

    /// §9.3: any order and any repetition of what a source says leads to the same end.
    #[test]
    fn a5_any_order_of_the_news_gives_the_same_end(
        order in any_order(),
        news in Just(()).prop_perturb(|(), mut random| {
            let order: Vec<u64> = (0..40).map(|_| random.random()).collect();
            order
        }),
    ) {
        let history = history(&order);
        let mut straight = Ledger::default();
        for index in 0..history.len() {
            straight.hear(&history[..=index]);
        }
        let mut shuffled: Vec<Document> = history.iter().chain(&history).cloned().collect();
        let mut keyed: Vec<(u64, Document)> =
            news.iter().copied().cycle().zip(shuffled.drain(..)).collect();
        keyed.sort_by_key(|(key, _)| *key);
        let shuffled: Vec<Document> = keyed.into_iter().map(|(_, document)| document).collect();
        let mut crooked = Ledger::default();
        for index in 0..shuffled.len() {
            crooked.hear(&shuffled[..=index]);
        }
        prop_assert_eq!(crooked.end(), straight.end());
    }
}

/// A sale with everything that happens: pending money that succeeds, an edit, a changed price, two
/// refunds.
fn history(order: &Order) -> Vec<Document> {
    let mut placed = order.clone();
    placed.payment_standing = PaymentStanding::Pending;
    let pending = Payment {
        status: PaymentStatus::Pending,
        ..payment("p1", PaymentKind::Sale, "card", &order.total.amount_text())
    };
    let paid = Payment { status: PaymentStatus::Succeeded, version: Version(2), ..pending.clone() };
    let mut edited = order.clone();
    edited.version = Version(2);
    edited.lines.push(line("B9", 2, "7.50"));
    total_up(&mut edited);
    let added = payment("p2", PaymentKind::Sale, "card", "15.00");
    let mut cheaper = edited.clone();
    cheaper.version = Version(3);
    cheaper.lines.last_mut().expect("a line").discounts = discounts_of(1500, &[(0, 100)]);
    total_up(&mut cheaper);
    let mut all: Vec<Document> = vec![
        placed.into(),
        pending.into(),
        paid.into(),
        edited.into(),
        added.into(),
        cheaper.into(),
    ];
    all.extend(give_back(order, 2));
    all
}

/// What the store remembers of one sale, in little.
#[derive(Clone, Debug, Default, PartialEq)]
struct Ledger {
    written: BTreeMap<FactKey, (Fact, u32, bool)>,
    balances: BTreeMap<(Role, Option<String>), i64>,
    standing: String,
}

/// The end of a history, as far as it must not depend on the way.
#[derive(Debug, PartialEq)]
struct End {
    balances: BTreeMap<(Role, Option<String>), i64>,
    items: Vec<String>,
    books: (i64, i64),
    standing: String,
}

impl Ledger {
    /// Decides on the newest of each object among what has been heard.
    fn hear(&mut self, heard: &[Document]) {
        let mut newest: BTreeMap<(Kind, String), Document> = BTreeMap::new();
        for document in heard {
            let key = (document.kind(), document.external_id().to_owned());
            let newer = newest.get(&key).is_none_or(|old| document.version() > old.version());
            if newer {
                newest.insert(key, document.clone());
            }
        }
        self.decide(&newest.into_values().collect::<Vec<_>>());
    }

    fn live(&self) -> Vec<Fact> {
        let live = self.written.values().filter(|(_, _, live)| *live);
        live.map(|(fact, _, _)| fact.clone()).collect()
    }

    fn decide(&mut self, documents: &[Document]) {
        let given = Given { billed: billed(&self.live()), ..Given::default() };
        let derived = given.sale(documents);
        let written: Vec<Written> = self
            .written
            .iter()
            .map(|(key, (fact, generation, live))| Written {
                key: key.clone(),
                generation: *generation,
                content_hash: key::body_hash(fact.content_json().as_bytes()),
                live: *live,
            })
            .collect();
        for change in difference(&written, derived.facts) {
            match change {
                Change::Add { fact, generation, replaces, .. } => {
                    if replaces.is_some() {
                        self.take_back(&fact.key);
                    }
                    self.book(&fact, 1);
                    self.written.insert(fact.key.clone(), (fact, generation, true));
                }
                Change::TakeBack { key, .. } => self.take_back(&key),
            }
        }
        self.balances.retain(|_, amount| *amount != 0);
        self.standing = derived.standing.state;
    }

    fn take_back(&mut self, key: &FactKey) {
        let (fact, generation, _) = self.written.remove(key).expect("written before");
        self.book(&fact, -1);
        self.written.insert(key.clone(), (fact, generation, false));
    }

    fn book(&mut self, fact: &Fact, sign: i64) {
        let FactContent::Entry(entry) = &fact.content else { return };
        for line in &entry.lines {
            let key = (line.role, line.qualifier.clone());
            *self.balances.entry(key).or_default() += sign * line.amount.minor();
        }
    }

    fn end(&self) -> End {
        let live = self.live();
        let items = live.iter().filter_map(|fact| match &fact.content {
            FactContent::Item(item) => Some(format!("{item:?}")),
            FactContent::Entry(_) | FactContent::Units(_) | FactContent::Command(_) => None,
        });
        End {
            balances: self.balances.clone(),
            items: items.collect(),
            books: books(&live),
            standing: self.standing.clone(),
        }
    }
}

#[test]
fn back_to_the_first_content_is_a_third_generation() {
    let first = order(vec![line("A1", 1, "10.00")], Vec::new());
    let mut second = first.clone();
    second.version = Version(2);
    second.lines[0].discounts = discounts_of(1000, &[(0, 100)]);
    total_up(&mut second);
    let third = Order { version: Version(3), ..first.clone() };
    let touched = Order { version: Version(4), ..first.clone() };
    let mut ledger = Ledger::default();
    let generation = |ledger: &Ledger, kind: &str, part: &str| {
        ledger.written.get(&FactKey::new(kind, part)).map(|(_, generation, _)| *generation)
    };
    for (order, expected) in [(first, 1), (second, 2), (third, 3), (touched, 3)] {
        ledger.hear(&[order.into()]);
        assert_eq!(generation(&ledger, "sale", "A1"), Some(expected));
        assert_eq!(generation(&ledger, "invoice", "1"), Some(expected));
    }
    let balance: i64 = ledger.balances.values().sum();
    assert_eq!(balance, 0);
    assert_eq!(ledger.balances.get(&(Role::Sales, None)), Some(&-1000));
}

#[test]
fn a_fact_that_is_gone_and_comes_back_goes_on_counting() {
    let payment: Document = payment("p1", PaymentKind::Sale, "card", "10.00").into();
    let order: Document = order(vec![line("A1", 1, "10.00")], Vec::new()).into();
    let mut ledger = Ledger::default();
    ledger.decide(&[order.clone(), payment.clone()]);
    ledger.decide(std::slice::from_ref(&order));
    let key = FactKey::new("capture", "p1");
    assert!(
        ledger.written.get(&key).is_some_and(|(_, generation, live)| *generation == 1 && !live)
    );
    ledger.decide(&[order, payment]);
    assert!(
        ledger.written.get(&key).is_some_and(|(_, generation, live)| *generation == 2 && *live)
    );
    assert_eq!(ledger.balances.get(&(Role::Receivable, None)), None);
}
