//! A sale: the order with its payments, refunds and fulfilments (`POSTING.md` P1, P10, P11).
//!
//! The sub-ledger is written from the channel: sale, capture and refund, each booked by the ERP
//! when the document of our command is posted, so each entry here is an expectation.
//!
//! | module        | what it derives                                                           |
//! |---------------|---------------------------------------------------------------------------|
//! | this one      | the channel's side, orders and invoices                                   |
//! | [`bills`]     | which invoices there are, and when                                        |
//! | [`customers`] | whom its documents name, and where its goods go                            |
//! | [`deferral`]  | what is invoiced by a day and has not left by then                        |
//! | [`relations`] | what the parts of a sale say about each other                             |
//! | [`tenders`]   | money taken and given back: payments, and the documents that they are for |
//! | [`refunds`]   | what was agreed to be given back: credit notes                            |
//! | [`exchanges`] | what came back and pays what went out for it                              |
//! | [`failures`]  | money given back that came back itself                                    |
//! | [`goods`]     | what left, what came back, and what will not leave                        |
//! | [`tickets`]   | a sale that a till inside the books has booked already                    |
//! | [`summed`]    | sales that go into the books within a sum, or are there by another hand   |

mod bills;
mod customers;
mod deferral;
mod exchanges;
mod failures;
mod goods;
pub(crate) mod refunds;
mod relations;
mod summed;
mod tenders;
mod tickets;

use std::collections::BTreeMap;

use jiff::civil::Date;

use self::bills::Plan;
use self::customers::Customer;
pub use self::customers::DELIVERY;
pub use self::deferral::deferred;
use self::refunds::{excess_back, remitted_back};
use self::summed::Road;
use self::tenders::tender_key;
use super::billing::{self, Billed};
use super::bundle;
use super::{Break, DeriveError, Derived, Surroundings, Waiting};
use crate::command::{Content, InvoiceContent, OrderContent};
use crate::document::{
    Document, Fulfilment, Funder, HeldAlready, InvoiceRequest, Order, Payment, PaymentKind,
    PaymentStanding, PaymentStatus, Refund, RefundFailure, Remitter, Tender, Ticket,
};
use crate::fact::{After, Command, Fact, FactContent, FactKey};
use crate::item::{Item, ItemKind, Side};
use crate::journal::{Entry, EntryBuilder, Role};
use crate::key;
use crate::mapping::{InvoicePolicy, Mapping, Missing};
use crate::money::{Money, MoneyError};
use crate::planted::planted;

/// Business days in which the books and the provider should state what the channel states.
const BOOKS_DUE_BUSINESS_DAYS: u32 = 1;
const SETTLEMENT_DUE_BUSINESS_DAYS: u32 = 2;
/// Business days in which what was sold has left or is paid, and so is invoiced.
const INVOICE_DUE_BUSINESS_DAYS: u32 = 20;
/// A marketplace settles every other week what has left and arrived by then.
const MARKETPLACE_DUE_BUSINESS_DAYS: u32 = 20;

/// The hint on items of sales whose documents are in the books by another hand.
pub const BEFORE_START: &str = "before start";

/// The hint on items of sales that go into the books within an entry: what is missing there is told
/// of the entry, once.
pub const SUMMED: &str = "within an entry";

/// The hint beside it where the entry is that of a payout: the books may hold it as late as the end of
/// its month.
pub const SUMMED_LATE: &str = "within the entry of a payout or month";

/// The hint on the item of a refund that failed and whose money went back in another way.
pub const PAID_AGAIN: &str = "paid again";

/// The hint on tenders whose provider states them row by row, as goods leave: until they are due, a
/// part is no difference.
pub const IN_PARTS: &str = "in parts";

/// The hint on what the channel states of a sale that is not invoiced yet.
pub const NOT_YET: &str = "not invoiced yet";

/// The documents of one sale, sorted by what they are.
#[derive(Debug, Default)]
pub(crate) struct Documents<'a> {
    pub order: Option<&'a Order>,
    /// By the time at which they were processed.
    pub payments: Vec<&'a Payment>,
    pub refunds: Vec<&'a Refund>,
    /// Of payments of kind `refund`, by their ids.
    failures: BTreeMap<&'a str, &'a RefundFailure>,
    fulfilments: Vec<&'a Fulfilment>,
    /// Of a till inside the books, which booked the sale itself.
    tickets: Vec<&'a Ticket>,
    held: Option<&'a HeldAlready>,
    asked: Option<&'a InvoiceRequest>,
    pub deleted: bool,
}

impl<'a> Documents<'a> {
    pub(crate) fn of(documents: &'a [Document]) -> Self {
        let mut sorted = Self::default();
        for document in documents {
            match document {
                Document::Order(order) => sorted.order = Some(order),
                Document::Payment(payment) if !payment.test => sorted.payments.push(payment),
                Document::Refund(refund) => sorted.refunds.push(refund),
                Document::RefundFailure(failure) => {
                    sorted.failures.insert(&failure.id, failure);
                }
                Document::Fulfilment(fulfilment) => sorted.fulfilments.push(fulfilment),
                Document::Ticket(ticket) => sorted.tickets.push(ticket),
                Document::HeldAlready(held) => sorted.held = Some(held),
                Document::InvoiceRequest(asked) => sorted.asked = Some(asked),
                Document::Deletion(gone) if gone.id.starts_with("order/") => sorted.deleted = true,
                _ => {}
            }
        }
        sorted.payments.sort_by_key(|payment| (payment.processed_at, &payment.id));
        sorted
    }

    fn is_called_off(&self, order: &Order) -> bool {
        order.cancelled_at.is_some() || self.deleted
    }
}

pub fn derive(documents: &[Document], around: &Surroundings<'_>) -> Result<Derived, DeriveError> {
    let sorted = Documents::of(documents);
    let mut sale = Sale {
        around,
        road: Road::of(around.posting, sorted.held),
        asked: sorted.asked,
        derived: Derived::default(),
        plan: Plan::default(),
        ordered: BTreeMap::new(),
        excess: BTreeMap::new(),
    };
    let Some(order) = sorted.order else {
        return Ok(sale.without_order(&sorted));
    };
    sale.standing(order, &sorted)?;
    if order.test {
        sale.derived.standing.state = "test".to_owned();
        return Ok(sale.derived);
    }
    if order.placed_at < around.since && sorted.tickets.is_empty() {
        sale.before_start(order, &sorted)?;
        return Ok(sale.derived);
    }
    if let Err(error) = order.check() {
        sale.derived.standing.state = "held".to_owned();
        sale.derived.breaks.push(Break {
            kind: "order_contradicts_itself",
            title: format!("The order {} contradicts itself", order.number),
            detail: error.to_string(),
            remedy: "look at the order at the channel; nothing is booked until a newer version \
                     adds up",
            amount: Some(order.total),
            owner: "operator",
        });
        return Ok(sale.derived);
    }
    if !sorted.tickets.is_empty() {
        sale.by_till(order, &sorted)?;
        return Ok(sale.derived);
    }
    sale.excess = excess_back(order, &sorted)?;
    if let Some(mapping) = around.mapping
        && is_billed(order, &sorted)?
    {
        let parts = sale.lines(order, mapping)?;
        // An entry that sums up many sales counts each on its own day.
        let policy = match sale.road {
            Road::Documents => mapping.invoices,
            Road::Summed | Road::Held => InvoicePolicy::Order,
        };
        sale.plan = bills::plan(order, &parts, &sorted, &sale.excess, (around, policy))?;
        if sale.road == Road::Documents && sorted.money_missing(order)?.is_some() {
            sale.notes_wait_for_money(order, &sorted)?;
        }
    }
    sale.channel_items(order, &sorted)?;
    sale.hint_items(order, &sorted)?;
    sale.relations(order, &sorted)?;
    match around.mapping {
        None => sale.derived.waiting = Some(Waiting::NoMapping),
        Some(mapping) => sale.book(order, &sorted, mapping)?,
    }
    Ok(sale.derived)
}

struct Sale<'a> {
    around: &'a Surroundings<'a>,
    road: Road,
    /// Somebody wants an invoice of their own.
    asked: Option<&'a InvoiceRequest>,
    derived: Derived,
    /// Its invoices, and what becomes of its refunds; nothing while there is no mapping.
    plan: Plan,
    /// The order of the books that has each line or charge.
    ordered: BTreeMap<String, Ordered>,
    /// What each refund gives back of money beyond the sale: that needs no credit note.
    excess: BTreeMap<String, Money>,
}

impl Sale<'_> {
    /// Parts of a sale whose order has not come in: it is asked for, and nothing is booked.
    fn without_order(mut self, sorted: &Documents<'_>) -> Derived {
        let order = sorted
            .payments
            .first()
            .map(|payment| &payment.order)
            .or_else(|| sorted.refunds.first().map(|refund| &refund.order));
        if let Some(order) = order {
            self.derived.standing.number = order.clone();
            self.derived.reads.push(("order".to_owned(), order.clone()));
            self.derived.waiting = Some(Waiting::Order);
        }
        let amounts = sorted.payments.iter().map(|payment| payment.amount);
        let first = amounts.chain(sorted.refunds.iter().map(|refund| refund.total)).next();
        self.derived.standing.amount = first;
        self.derived.standing.state = if sorted.deleted { "deleted" } else { "waiting" }.to_owned();
        self.derived
    }

    fn standing(&mut self, order: &Order, sorted: &Documents<'_>) -> Result<(), DeriveError> {
        let captured = captured(order, &sorted.payments)?;
        let refunded = sorted.refunded(order)?;
        // What goods paid is as good as money.
        let mut paid = captured;
        // What was taken off again before any money went back was never to be paid.
        let mut due = order.total;
        for refund in &sorted.refunds {
            paid = paid.checked_add(sorted.exchanged(order, refund)?)?;
            due = due.checked_sub(refund.total)?;
        }
        let state = if sorted.deleted {
            "deleted"
        } else if order.cancelled_at.is_some() {
            "cancelled"
        } else if !refunded.is_zero() {
            if refunded >= captured { "refunded" } else { "partially_refunded" }
        } else if !captured.is_zero() {
            if paid >= due { "paid" } else { "partially_paid" }
        } else if order.payment_standing == PaymentStanding::Authorized {
            "authorized"
        } else {
            "placed"
        };
        self.derived.standing = super::Standing {
            number: order.number.clone(),
            state: state.to_owned(),
            day: Some(self.around.day(order.placed_at)),
            amount: Some(order.total),
        };
        Ok(())
    }

    /// The channel's side of the four links: the order, each refund, each tender.
    fn channel_items(&mut self, order: &Order, sorted: &Documents<'_>) -> Result<(), DeriveError> {
        let connection = self.around.connection;
        let day = self.around.day(order.placed_at);
        let billed = is_billed(order, sorted)?;
        if billed {
            let remitted = remitted(order)?;
            let key = format!("order/{connection}/{}", order.id);
            let total = order.total.checked_sub(remitted)?;
            let tax = order.total_tax()?.checked_sub(remitted)?;
            let zero = Money::zero(order.currency);
            let (later, later_tax) = self.plan.later.unwrap_or((zero, zero));
            let due = self.plan.bills.last().map_or(day, |bill| bill.day.max(day));
            let days = (day, due);
            self.document_item(ItemKind::Document, &order.id, &key, (total, later), days)?;
            let key = format!("tax/{key}");
            self.document_item(ItemKind::DocumentTax, &order.id, &key, (tax, later_tax), days)?;
        }
        for refund in sorted.refunds.iter().filter(|_| billed) {
            let total = refund.total.checked_sub(self.excess_of(refund))?;
            let total = total.checked_sub(remitted_back(order, refund)?)?;
            if total.is_zero() {
                continue;
            }
            let key = format!("refund/{connection}/{}", refund.id);
            let day = self.around.day(refund.created_at);
            let kind = ItemKind::RefundDocument;
            let (mut later, mut due) = (Money::zero(order.currency), day);
            if let Some(credit) = self.plan.credits.get(&refund.id) {
                match &credit.note {
                    Some((noted, _)) => due = *noted,
                    None => later = total.checked_sub(credit.off)?,
                }
            }
            self.document_item(kind, &refund.id, &key, (total, later), (day, due))?;
        }
        self.off_items(order);
        for payment in &sorted.payments {
            self.tender_item(payment);
            if sorted.is_paid_again(order, payment)? {
                self.last_item_hints(PAID_AGAIN);
            }
        }
        Ok(())
    }

    /// What the channel states of a document. What is `later` is not due in the books yet.
    fn document_item(
        &mut self,
        kind: ItemKind,
        part: &str,
        key: &str,
        (total, later): (Money, Money),
        (day, due): (Date, Date),
    ) -> Result<(), DeriveError> {
        let now = total.checked_sub(later)?;
        if later.is_zero() || !now.is_zero() {
            self.item(kind, part, key, now, day, true);
            let due = self.around.calendar.add_business_days(due, BOOKS_DUE_BUSINESS_DAYS);
            if let Some(item) = self.last_item() {
                item.due = Some(due);
            }
        }
        if !later.is_zero() {
            self.item(kind, &format!("{part}/later"), key, later, day, true);
            let due = self.around.calendar.add_business_days(due, INVOICE_DUE_BUSINESS_DAYS);
            if let Some(item) = self.last_item() {
                item.due = Some(due);
                item.hints.push(NOT_YET.to_owned());
            }
        }
        Ok(())
    }

    /// What refunds took off before it was invoiced: a named line of the order and of the refund,
    /// because no document of the books states it.
    fn off_items(&mut self, order: &Order) {
        let connection = self.around.connection;
        let order_key = format!("order/{connection}/{}", order.id);
        let mut lines = Vec::new();
        for (id, credit) in &self.plan.credits {
            let day = self.around.day(credit.refund.created_at);
            let named = [
                (format!("{id}/order"), order_key.clone(), credit.off),
                (format!("{id}/tax"), format!("tax/{order_key}"), credit.off_tax),
                (id.clone(), format!("refund/{connection}/{id}"), credit.off),
            ];
            for (part, key, amount) in named.into_iter().filter(|(.., off)| !off.is_zero()) {
                let hints = vec!["refunded before it was invoiced".to_owned()];
                let (side, kind) = (Side::Books, ItemKind::NotInvoiced);
                let item = Item { side, kind, key, amount, date: day, due: None, hints };
                lines.push((format!("{}/{part}", kind.word()), item));
            }
        }
        for (part, item) in lines {
            self.fact("item", &part, FactContent::Item(item));
        }
    }

    /// What the channel states of money taken or given back.
    fn tender_item(&mut self, payment: &Payment) {
        let Some(kind) = moved(payment) else { return };
        let gateway = self.around.mapping.and_then(|it| it.gateway(&payment.gateway).ok());
        let key = tender_key(self.around.connection, payment, gateway);
        let day = self.around.day(payment.processed_at);
        self.item(kind, &payment.id, &key, payment.amount, day, true);
        let tender = gateway.and_then(|gateway| gateway.tender).unwrap_or(payment.tender);
        let due = self.around.calendar.add_business_days(day, MARKETPLACE_DUE_BUSINESS_DAYS);
        if tender == Tender::Marketplace
            && let Some(item) = self.last_item()
        {
            item.due = Some(due);
            item.hints.push(IN_PARTS.to_owned());
        }
    }

    fn last_item(&mut self) -> Option<&mut Item> {
        match self.derived.facts.last_mut() {
            Some(Fact { content: FactContent::Item(item), .. }) => Some(item),
            _ => None,
        }
    }

    fn last_item_hints(&mut self, hint: &str) {
        if let Some(item) = self.last_item() {
            item.hints.push(hint.to_owned());
        }
    }

    fn item(
        &mut self,
        kind: ItemKind,
        part: &str,
        key: &str,
        amount: Money,
        date: Date,
        expects: bool,
    ) {
        let days = match kind {
            ItemKind::Document | ItemKind::DocumentTax | ItemKind::RefundDocument => {
                BOOKS_DUE_BUSINESS_DAYS
            }
            _ => SETTLEMENT_DUE_BUSINESS_DAYS,
        };
        let due = expects.then(|| self.around.calendar.add_business_days(date, days));
        let hints = vec![self.derived.standing.number.clone()];
        let item =
            Item { side: Side::Channel, kind, key: key.to_owned(), amount, date, due, hints };
        let part = format!("{}/{part}", kind.word());
        self.derived.facts.push(Fact::new("item", part, FactContent::Item(item)));
    }

    /// A sale that somebody else booked before we began. What was taken or given back since then
    /// moved money at the provider, which the channel explains; whoever booked the sale must book
    /// it.
    fn before_start(&mut self, order: &Order, sorted: &Documents<'_>) -> Result<(), DeriveError> {
        self.derived.standing.state = "before_start".to_owned();
        let zero = Money::zero(order.currency);
        let (mut taken, mut given_back) = (zero, zero);
        for payment in sorted.payments.iter().filter(|one| one.processed_at >= self.around.since) {
            let Some(kind) = moved(payment) else { continue };
            let sum = if kind == ItemKind::Capture { &mut taken } else { &mut given_back };
            *sum = sum.checked_add(payment.amount)?;
            self.tender_item(payment);
            self.last_item_hints(BEFORE_START);
        }
        let sold_on = self.around.day(order.placed_at);
        let number = &order.number;
        if !given_back.is_zero() {
            self.derived.breaks.push(Break {
                kind: "refund_before_start",
                title: format!("{number} was refunded; it was sold before the start"),
                detail: format!(
                    "sold on {sold_on}, before we began to book; {given_back} went back since"
                ),
                remedy: "book the credit note where the sale was booked, then accept this case as done",
                amount: Some(given_back),
                owner: "finance",
            });
        }
        if !taken.is_zero() {
            self.derived.breaks.push(Break {
                kind: "capture_before_start",
                title: format!("{number} was paid; it was sold before the start"),
                detail: format!(
                    "sold on {sold_on}, before we began to book; {taken} was taken since"
                ),
                remedy: "book the payment where the sale was booked, then accept this case as done",
                amount: Some(taken),
                owner: "finance",
            });
        }
        Ok(())
    }

    /// The lines and charges. In a sum, a bundle is a line like any other: it names no product.
    fn lines(&self, order: &Order, mapping: &Mapping) -> Result<Vec<Billed>, MoneyError> {
        let mut lines = billing::billed(order, mapping)?;
        if self.road != Road::Documents {
            lines.iter_mut().for_each(|line| line.components.clear());
        }
        Ok(lines)
    }

    /// The commands and journal entries of a sale with a mapping.
    fn book(
        &mut self,
        order: &Order,
        sorted: &Documents<'_>,
        mapping: &Mapping,
    ) -> Result<(), DeriveError> {
        let parts: Vec<Billed> =
            self.lines(order, mapping)?.into_iter().flat_map(Billed::in_parts).collect();
        // No money waits for a product or a location.
        let (mut missing, mut unplaced) = (Vec::new(), Vec::new());
        if is_billed(order, sorted)? {
            self.sale_entries(order)?;
            match self.road {
                Road::Documents => {
                    missing.extend(self.sale_documents(order, &parts, mapping)?);
                    self.goods(order, &parts, sorted, mapping);
                }
                Road::Summed => {
                    missing.extend(parts.iter().filter_map(|part| part.taxes.clone().err()));
                    // A sum names no component of a bundle, but only components leave.
                    let lines = billing::billed(order, mapping)?;
                    let moved: Vec<Billed> = lines.into_iter().flat_map(Billed::in_parts).collect();
                    unplaced.extend(self.units(order, &moved, sorted, mapping));
                }
                Road::Held => {}
            }
        }
        for payment in &sorted.payments {
            if let Err(lack) = self.payment(order, payment, sorted, mapping)? {
                missing.push(lack);
            }
        }
        let few = if planted("the_second_refund_is_forgotten") { 1 } else { usize::MAX };
        for refund in sorted.refunds.iter().take(few) {
            let Some(credit) = self.plan.credits.get(&refund.id).cloned() else { continue };
            if credit.is_empty() {
                continue;
            }
            if let Err(lack) = self.refund(order, &credit, &parts, sorted, mapping)? {
                missing.push(lack);
            }
        }
        if !missing.is_empty() {
            missing.sort();
            missing.dedup();
            self.derived.waiting = Some(Waiting::Mapping(missing));
            // Half a chain in the books is worse than none: the journal knows, the books wait.
            self.derived.facts.retain(|fact| !matches!(fact.content, FactContent::Command(_)));
            self.derived.shared.clear();
            self.keep_out_of_sums();
        } else if !unplaced.is_empty() {
            unplaced.sort();
            unplaced.dedup();
            self.derived.waiting = Some(Waiting::Mapping(unplaced));
        }
        Ok(())
    }

    /// One entry for each line or charge of an invoice, so that an added line adds an entry and
    /// changes none.
    fn sale_entries(&mut self, order: &Order) -> Result<(), DeriveError> {
        for bill in self.plan.bills.clone() {
            for part in &bill.lines {
                // Of what leaves bit by bit, each bit is an entry.
                let fact = if self.plan.piecemeal {
                    format!("{}/{}", part.part, bill.part)
                } else {
                    part.part.clone()
                };
                if let Some(entry) = self.sale_entry(order, part, bill.day)? {
                    self.fact("sale", &fact, FactContent::Entry(entry));
                }
            }
        }
        Ok(())
    }

    fn sale_entry(
        &self,
        order: &Order,
        part: &Billed,
        day: Date,
    ) -> Result<Option<Entry>, DeriveError> {
        let amounts = part.amounts()?;
        let memo = format!("sale {} {}", order.number, part.name);
        let mut entry = EntryBuilder::new(day, self.road.booker(), order.currency, memo);
        let key = format!("order/{}/{}", self.around.connection, order.id);
        entry.summed(self.road.summed(ItemKind::Document, key, false));
        let taxes = self.road.taxes(part);
        let base = || taxes.iter().flat_map(|taxes| taxes.keys().cloned()).collect();
        entry.debit(Role::Receivable, None, amounts.owed);
        for (funder, discount) in part.discount_by_funder()? {
            let role = match funder {
                Funder::Marketplace => Role::MarketplaceReceivable,
                Funder::Merchant | Funder::Supplier => Role::Discounts,
            };
            entry.debit_base(role, None, discount, base());
        }
        entry.debit_base(part.role, None, amounts.gross.checked_neg()?, base());
        match &taxes {
            Some(taxes) => {
                for (tax, amount) in taxes {
                    entry.credit(Role::TaxPayable, Some(tax), *amount)?;
                }
            }
            None if planted("the_journal_forgets_the_tax") => {}
            None => {
                entry.credit(Role::TaxPayable, None, amounts.tax)?;
            }
        }
        Ok(entry.build()?)
    }

    fn excess_of(&self, refund: &Refund) -> Money {
        let zero = Money::zero(refund.total.currency());
        self.excess.get(&refund.id).copied().unwrap_or(zero)
    }

    fn fact(&mut self, kind: &str, part: &str, content: FactContent) {
        self.derived.facts.push(Fact::new(kind, part, content));
    }

    /// Orders of the books, and the invoices of each: lines that were ordered together stay together,
    /// lines that came later form a further order.
    fn sale_documents(
        &mut self,
        order: &Order,
        parts: &[Billed],
        mapping: &Mapping,
    ) -> Result<Vec<Missing>, DeriveError> {
        let customer = self.customer(order, mapping);
        let delivery = self.delivery(order, mapping, &customer);
        let mut missing = Vec::new();
        for (number, parts) in tranches(parts, self.around.billed) {
            let lines = match billing::document_lines(&parts, mapping)? {
                Ok(lines) => lines,
                Err(lacks) => {
                    missing.extend(lacks);
                    continue;
                }
            };
            let Some((total, tax)) = billing::totals(&lines)? else { continue };
            let part = number.to_string();
            let content = Content::Order(OrderContent {
                company: mapping.company.clone(),
                customer: customer.reference.clone(),
                reference: order.number.clone(),
                customer_reference: order.customer_reference.clone(),
                origin: format!("{} {}", self.around.connection, order.number),
                placed_at: order.placed_at,
                pricelist: mapping.pricelist_in(order.total.currency()).cloned(),
                warehouse: mapping.warehouse.clone(),
                lines,
                total,
                tax,
            });
            let content_hash = content_hash(&content);
            for one in &parts {
                let ordered = Ordered { number, content_hash: content_hash.clone() };
                self.ordered.insert(one.part.clone(), ordered);
            }
            let mut after = customer.after();
            after.extend(delivery.clone());
            self.command("order", &part, mapping, content, after, None);
            let invoiced = self.invoiced(order, mapping);
            self.invoices(order, number, mapping, &invoiced)?;
        }
        Ok(missing)
    }

    /// The invoices of one order of the books. What a line lacks was said of that order.
    fn invoices(
        &mut self,
        order: &Order,
        number: u32,
        mapping: &Mapping,
        customer: &Customer,
    ) -> Result<(), DeriveError> {
        for bill in self.plan.bills.clone() {
            if bill.tranche != number {
                continue;
            }
            let parts: Vec<&Billed> = bill.lines.iter().collect();
            let Ok(lines) = billing::document_lines(&parts, mapping)? else { continue };
            let Some((total, tax)) = billing::totals(&lines)? else { continue };
            let content = Content::Invoice(InvoiceContent {
                company: mapping.company.clone(),
                customer: customer.reference.clone(),
                journal: mapping.sales_journal.clone(),
                reference: order.number.clone(),
                customer_reference: order.customer_reference.clone(),
                date: bill.day,
                due_on: order.due_on,
                lines,
                total,
                tax,
            });
            let mut after = customer.after();
            after.push(needs("order", "order", &number.to_string()));
            let key = format!("order/{}/{}", self.around.connection, order.id);
            let states = Some((ItemKind::Document, key));
            self.command("invoice", &bill.part, mapping, content, after, states);
        }
        Ok(())
    }

    fn command(
        &mut self,
        kind: &str,
        part: &str,
        mapping: &Mapping,
        content: Content,
        after: Vec<After>,
        states: Option<(ItemKind, String)>,
    ) {
        let command = Command { target: mapping.target.clone(), content, after, states };
        self.fact(kind, part, FactContent::Command(Box::new(command)));
    }
}

/// An order of the books: its number within the sale, and the hash of its content.
#[derive(Clone)]
struct Ordered {
    number: u32,
    content_hash: String,
}

fn content_hash(content: &Content) -> String {
    let json = serde_json::to_vec(content)
        .unwrap_or_else(|error| unreachable!("contents always serialise: {error}"));
    key::body_hash(&json)
}

fn needs(role: &str, kind: &str, part: &str) -> After {
    After { role: role.to_owned(), fact: FactKey::new(kind, part), root: None }
}

/// Lines grouped by the order of the books that bills them. A discount line bears no id of its
/// own, so it follows its lines; a line stays where it is when it becomes a bundle or ceases to be one.
fn tranches<'a>(
    parts: &'a [Billed],
    billed: &BTreeMap<String, u32>,
) -> BTreeMap<u32, Vec<&'a Billed>> {
    let next = billed.values().max().map_or(1, |last| last + 1);
    let next = if planted("an_added_line_is_not_billed_apart") { 1 } else { next };
    let mut grouped: BTreeMap<u32, Vec<&Billed>> = BTreeMap::new();
    for part in parts {
        let known = billed.get(&part.line).or_else(|| billed.get(&bundle::part(&part.line, 1)));
        let number = known.copied().unwrap_or(next);
        grouped.entry(number).or_default().push(part);
    }
    grouped
}

/// An order that was cancelled, voided or expired before any money moved is not a sale.
pub(crate) fn is_billed(order: &Order, sorted: &Documents<'_>) -> Result<bool, MoneyError> {
    let dead = sorted.is_called_off(order)
        || matches!(order.payment_standing, PaymentStanding::Voided | PaymentStanding::Expired);
    Ok(!dead || !captured(order, &sorted.payments)?.is_zero())
}

fn is_capture(payment: &Payment) -> bool {
    moved(payment) == Some(ItemKind::Capture)
}

/// Which way a payment moved money, if its channel says that it did.
pub(crate) fn moved(payment: &Payment) -> Option<ItemKind> {
    match (payment.kind, payment.status) {
        (PaymentKind::Sale | PaymentKind::Capture, PaymentStatus::Succeeded) => {
            Some(ItemKind::Capture)
        }
        (PaymentKind::Sale, PaymentStatus::Pending) if planted("what_is_pending_is_taken") => {
            Some(ItemKind::Capture)
        }
        (PaymentKind::Refund, PaymentStatus::Succeeded) => Some(ItemKind::RefundPaid),
        _ => None,
    }
}

fn captured(order: &Order, payments: &[&Payment]) -> Result<Money, MoneyError> {
    let taken = payments.iter().filter(|payment| is_capture(payment));
    Money::sum(order.currency, taken.map(|payment| payment.amount))
}

fn remitted(order: &Order) -> Result<Money, MoneyError> {
    let theirs = order.taxes().filter(|tax| tax.remitted_by == Remitter::Marketplace);
    Money::sum(order.currency, theirs.map(|tax| tax.amount))
}
