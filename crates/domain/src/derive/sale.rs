//! A sale: the order with its payments, refunds and fulfilments (`POSTING.md` P1, P10, P11).
//!
//! The sub-ledger is written from the channel: sale, capture and refund, each booked by the ERP
//! when the document of our command is posted, so each entry here is an expectation.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::billing::{self, Billed};
use super::{Break, DeriveError, Derived, Shared, Surroundings, Waiting};
use crate::command::{
    Content, CreditNoteContent, CustomerRef, Direction, DocumentLine, DocumentTax, InvoiceContent,
    OrderContent, Partner, PaymentContent, ReconciliationContent,
};
use crate::document::{
    ChargeKind, Document, Funder, LineKind, Order, Payment, PaymentKind, PaymentStanding,
    PaymentStatus, Refund, RefundAdjustment, RefundLine, Remitter, Restock, TaxLine, Tender,
};
use crate::fact::{After, Command, Fact, FactContent, FactKey};
use crate::item::{Item, ItemKind, Side};
use crate::journal::{Booker, EntryBuilder, Role};
use crate::mapping::{CustomerPolicy, Gateway, Mapping, Missing};
use crate::money::{Money, MoneyError};

/// Business days in which the books and the provider should state what the channel states.
const BOOKS_DUE_BUSINESS_DAYS: u32 = 1;
const SETTLEMENT_DUE_BUSINESS_DAYS: u32 = 2;

/// The hint on items of sales whose documents are in the books by another hand.
pub const BEFORE_START: &str = "before start";

/// The documents of one sale, sorted by what they are.
#[derive(Debug, Default)]
struct Documents<'a> {
    order: Option<&'a Order>,
    payments: Vec<&'a Payment>,
    refunds: Vec<&'a Refund>,
    fulfilled: bool,
    deleted: bool,
}

pub fn derive(documents: &[Document], around: &Surroundings<'_>) -> Result<Derived, DeriveError> {
    let mut sorted = Documents::default();
    for document in documents {
        match document {
            Document::Order(order) => sorted.order = Some(order),
            Document::Payment(payment) if !payment.test => sorted.payments.push(payment),
            Document::Refund(refund) => sorted.refunds.push(refund),
            Document::Fulfilment(_) => sorted.fulfilled = true,
            Document::Deletion(gone) if gone.id.starts_with("order/") => sorted.deleted = true,
            _ => {}
        }
    }
    let mut sale = Sale { around, derived: Derived::default(), invoiced: BTreeMap::new() };
    let Some(order) = sorted.order else {
        return Ok(sale.without_order(&sorted));
    };
    sale.standing(order, &sorted)?;
    if order.test {
        sale.derived.standing.state = "test".to_owned();
        return Ok(sale.derived);
    }
    if order.placed_at < around.since {
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
    sale.channel_items(order, &sorted)?;
    sale.relations(order, &sorted)?;
    match around.mapping {
        None => sale.derived.waiting = Some(Waiting::NoMapping),
        Some(mapping) => sale.book(order, &sorted, mapping)?,
    }
    Ok(sale.derived)
}

struct Sale<'a> {
    around: &'a Surroundings<'a>,
    derived: Derived,
    /// What each invoice of the books bills.
    invoiced: BTreeMap<u32, Money>,
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
        let refunded = refunded(order, &sorted.payments)?;
        let state = if sorted.deleted {
            "deleted"
        } else if order.cancelled_at.is_some() {
            "cancelled"
        } else if !refunded.is_zero() {
            if refunded >= captured { "refunded" } else { "partially_refunded" }
        } else if !captured.is_zero() {
            if captured >= order.total { "paid" } else { "partially_paid" }
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
            self.item(ItemKind::Document, &order.id, &key, total, day, true);
            let key = format!("tax/{key}");
            self.item(ItemKind::DocumentTax, &order.id, &key, tax, day, true);
        }
        for refund in sorted.refunds.iter().filter(|_| billed) {
            let total = refund.total.checked_sub(remitted_back(order, refund)?)?;
            if !total.is_zero() {
                let key = format!("refund/{connection}/{}", refund.id);
                let day = self.around.day(refund.created_at);
                let kind = ItemKind::RefundDocument;
                self.item(kind, &refund.id, &key, total, day, true);
            }
        }
        for payment in &sorted.payments {
            let kind = match (payment.kind, payment.status) {
                (PaymentKind::Sale | PaymentKind::Capture, PaymentStatus::Succeeded) => {
                    ItemKind::Capture
                }
                (PaymentKind::Refund, PaymentStatus::Succeeded) => ItemKind::RefundPaid,
                _ => continue,
            };
            let gateway = self.around.mapping.and_then(|it| it.gateway(&payment.gateway).ok());
            let key = tender_key(connection, payment, gateway);
            let day = self.around.day(payment.processed_at);
            self.item(kind, &payment.id, &key, payment.amount, day, true);
        }
        Ok(())
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

    /// A sale that somebody else booked before we began. Its refunds since then move money at the
    /// provider, which the channel explains; whoever booked the sale must book them.
    fn before_start(&mut self, order: &Order, sorted: &Documents<'_>) -> Result<(), DeriveError> {
        self.derived.standing.state = "before_start".to_owned();
        let connection = self.around.connection;
        let mut total = Money::zero(order.currency);
        for payment in &sorted.payments {
            let refunded = payment.kind == PaymentKind::Refund
                && payment.status == PaymentStatus::Succeeded
                && payment.processed_at >= self.around.since;
            if !refunded {
                continue;
            }
            total = total.checked_add(payment.amount)?;
            let gateway = self.around.mapping.and_then(|it| it.gateway(&payment.gateway).ok());
            let key = tender_key(connection, payment, gateway);
            let day = self.around.day(payment.processed_at);
            self.item(ItemKind::RefundPaid, &payment.id, &key, payment.amount, day, true);
        }
        for fact in &mut self.derived.facts {
            if let FactContent::Item(item) = &mut fact.content {
                item.hints.push(BEFORE_START.to_owned());
            }
        }
        if !total.is_zero() {
            self.derived.breaks.push(Break {
                kind: "refund_before_start",
                title: format!("{} was refunded; it was sold before the start", order.number),
                detail: format!(
                    "sold on {}, before we began to book; {total} went back since",
                    self.around.day(order.placed_at)
                ),
                remedy: "book the credit note where the sale was booked, then close this case",
                amount: Some(total),
                owner: "finance",
            });
        }
        Ok(())
    }

    /// What the parts of a sale say about each other; a contradiction is a break, and the documents
    /// stay true and booked.
    fn relations(&mut self, order: &Order, sorted: &Documents<'_>) -> Result<(), DeriveError> {
        let captured = captured(order, &sorted.payments)?;
        let refunded = refunded(order, &sorted.payments)?;
        let number = &order.number;
        let says_paid = matches!(
            order.payment_standing,
            PaymentStanding::Paid | PaymentStanding::PartiallyRefunded | PaymentStanding::Refunded
        );
        // Where the channel says that it was paid, a capture is only late.
        if refunded > captured && !(captured.is_zero() && says_paid) {
            self.derived.breaks.push(Break {
                kind: "over_refund",
                title: format!("More was refunded on {number} than was captured"),
                detail: format!("captured {captured}, refunded {refunded}"),
                remedy: "ask who refunded it; claim the difference back or approve it",
                amount: Some(refunded.checked_sub(captured)?),
                owner: "finance",
            });
        }
        if captured > order.total {
            self.derived.breaks.push(Break {
                kind: "overpaid",
                title: format!("{number} was paid more than once"),
                detail: format!("sold for {}, captured {captured}", order.total),
                remedy: "refund the excess at the channel, or link it to the order it belongs to",
                amount: Some(captured.checked_sub(order.total)?),
                owner: "operator",
            });
        }
        let sold: BTreeMap<&str, i64> =
            order.lines.iter().map(|line| (line.id.as_str(), line.quantity)).collect();
        let mut back: BTreeMap<&str, i64> = BTreeMap::new();
        for line in sorted.refunds.iter().flat_map(|refund| &refund.lines) {
            *back.entry(line.line.as_str()).or_default() += line.quantity;
        }
        for (line, quantity) in back {
            if quantity > sold.get(line).copied().unwrap_or(0) {
                self.derived.breaks.push(Break {
                    kind: "over_returned",
                    title: format!("More units of {number} came back than were sold"),
                    detail: format!("line {line}: {quantity} back"),
                    remedy: "look at the refunds of this order at the channel",
                    amount: None,
                    owner: "operator",
                });
            }
        }
        let removed = unpaid_removals(order, &sorted.refunds)?;
        let owed = order.total.checked_sub(removed)?;
        if says_paid && captured < owed {
            let missing = owed.checked_sub(captured)?;
            self.derived.waiting = Some(Waiting::Payments { missing });
            self.derived.reads.push(("order".to_owned(), order.id.clone()));
        }
        Ok(())
    }

    /// The commands and journal entries of a sale with a mapping.
    fn book(
        &mut self,
        order: &Order,
        sorted: &Documents<'_>,
        mapping: &Mapping,
    ) -> Result<(), DeriveError> {
        let parts = billing::billed(order, mapping)?;
        let mut missing = Vec::new();
        if is_billed(order, sorted)? {
            self.sale_entries(order, &parts)?;
            missing.extend(self.sale_documents(order, &parts, mapping)?);
        }
        for payment in &sorted.payments {
            if let Err(lack) = self.payment(order, payment, sorted, mapping)? {
                missing.push(lack);
            }
        }
        for refund in &sorted.refunds {
            if refund.total.is_zero() && refund.lines.is_empty() {
                continue;
            }
            if let Err(lack) = self.refund(order, refund, &parts, sorted, mapping)? {
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
        }
        Ok(())
    }

    /// One entry for each line or charge, so that an added line adds an entry and changes none.
    fn sale_entries(&mut self, order: &Order, parts: &[Billed]) -> Result<(), DeriveError> {
        let day = self.around.day(order.placed_at);
        for part in parts {
            let amounts = part.amounts()?;
            let memo = format!("sale {} {}", order.number, part.name);
            let mut entry = EntryBuilder::new(day, Booker::Odoo, order.currency, memo);
            entry.debit(Role::Receivable, None, amounts.owed);
            for (funder, discount) in part.discount_by_funder()? {
                let role = match funder {
                    Funder::Marketplace => Role::MarketplaceReceivable,
                    Funder::Merchant | Funder::Supplier => Role::Discounts,
                };
                entry.debit(role, None, discount);
            }
            entry.credit(part.role, None, amounts.gross)?;
            entry.credit(Role::TaxPayable, None, amounts.tax)?;
            if let Some(entry) = entry.build()? {
                self.fact("sale", &part.part, FactContent::Entry(entry));
            }
            if !part.remitted.is_zero() {
                let memo = format!("marketplace tax {} {}", order.number, part.name);
                let mut entry = EntryBuilder::new(day, Booker::Memo, order.currency, memo);
                entry.debit(Role::Receivable, None, part.remitted).credit(
                    Role::MarketplaceTaxCollected,
                    None,
                    part.remitted,
                )?;
                if let Some(entry) = entry.build()? {
                    self.fact("marketplace_tax", &part.part, FactContent::Entry(entry));
                }
            }
        }
        Ok(())
    }

    fn fact(&mut self, kind: &str, part: &str, content: FactContent) {
        self.derived.facts.push(Fact::new(kind, part, content));
    }

    /// Orders and invoices of the books: lines that were billed together stay together, lines that
    /// came later form a further pair.
    fn sale_documents(
        &mut self,
        order: &Order,
        parts: &[Billed],
        mapping: &Mapping,
    ) -> Result<Vec<Missing>, DeriveError> {
        let customer = self.customer(order, mapping);
        let mut missing = Vec::new();
        let day = self.around.day(order.placed_at);
        for (number, parts) in tranches(parts, self.around.billed) {
            let lines = match billing::document_lines(&parts, mapping)? {
                Ok(lines) => lines,
                Err(lacks) => {
                    missing.extend(lacks);
                    continue;
                }
            };
            let Some((total, tax)) = billing::totals(&lines)? else { continue };
            self.invoiced.insert(number, total);
            let part = number.to_string();
            let content = Content::Order(OrderContent {
                company: mapping.company.clone(),
                customer: customer.reference.clone(),
                reference: order.number.clone(),
                origin: format!("{} {}", self.around.connection, order.number),
                placed_at: order.placed_at,
                pricelist: mapping.pricelist.clone(),
                warehouse: mapping.warehouse.clone(),
                lines: lines.clone(),
                total,
                tax,
            });
            self.command("order", &part, mapping, content, customer.after(), None);
            let content = Content::Invoice(InvoiceContent {
                company: mapping.company.clone(),
                customer: customer.reference.clone(),
                journal: mapping.sales_journal.clone(),
                reference: order.number.clone(),
                date: day,
                lines,
                total,
                tax,
            });
            let mut after = customer.after();
            after.push(needs("order", "order", &part));
            let key = format!("order/{}/{}", self.around.connection, order.id);
            let states = Some((ItemKind::Document, key));
            self.command("invoice", &part, mapping, content, after, states);
        }
        Ok(missing)
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

    fn customer(&mut self, order: &Order, mapping: &Mapping) -> Customer {
        let buyer = order.buyer.as_ref();
        let (id, guests) = match &mapping.customers {
            CustomerPolicy::One(fixed) => (None, fixed),
            CustomerPolicy::PerBuyer { guests } => {
                (buyer.and_then(|buyer| buyer.id.as_deref()), guests)
            }
        };
        let (Some(id), Some(buyer)) = (id, buyer) else {
            return Customer { reference: CustomerRef::Fixed(guests.clone()), root: None };
        };
        let root = format!("{}/customer/{id}", self.around.connection);
        let command = Command {
            target: mapping.target.clone(),
            content: Content::Partner(Partner {
                company: mapping.company.clone(),
                reference: format!("{}/{id}", self.around.connection),
                buyer: buyer.clone(),
            }),
            after: Vec::new(),
            states: None,
        };
        let key = FactKey::new("customer", "1");
        if !self.derived.shared.iter().any(|shared| shared.root == root) {
            self.derived.shared.push(Shared { root: root.clone(), key, command });
        }
        Customer { reference: CustomerRef::Bound, root: Some(root) }
    }

    /// A succeeded capture or refund payment: the money leg, and its tie to the document it pays.
    fn payment(
        &mut self,
        order: &Order,
        payment: &Payment,
        sorted: &Documents<'_>,
        mapping: &Mapping,
    ) -> Result<Result<(), Missing>, DeriveError> {
        if payment.status != PaymentStatus::Succeeded {
            return Ok(Ok(()));
        }
        let inbound = match payment.kind {
            PaymentKind::Sale | PaymentKind::Capture => true,
            PaymentKind::Refund => false,
            PaymentKind::Authorization | PaymentKind::Void => return Ok(Ok(())),
        };
        let gateway = match mapping.gateway(&payment.gateway) {
            Ok(gateway) => gateway,
            Err(missing) => return Ok(Err(missing)),
        };
        let tender = gateway.tender.unwrap_or(payment.tender);
        let role = match tender {
            Tender::GiftCard => Role::GiftCardLiability,
            Tender::StoreCredit => Role::StoreCreditLiability,
            Tender::Card | Tender::BankTransfer | Tender::Cash | Tender::Other => Role::Clearing,
        };
        let own = gateway.provider.as_deref().unwrap_or(&payment.gateway);
        let qualifier = (role == Role::Clearing).then_some(own);
        let day = self.around.day(payment.processed_at);
        let kind = if inbound { "capture" } else { "refund_paid" };
        let memo = format!("{kind} {} {}", order.number, payment.gateway);
        let mut entry = EntryBuilder::new(day, Booker::Odoo, order.currency, memo);
        if inbound {
            entry.debit(role, qualifier, payment.amount);
            entry.credit(Role::Receivable, None, payment.amount)?;
        } else {
            entry.debit(Role::Receivable, None, payment.amount);
            entry.credit(role, qualifier, payment.amount)?;
        }
        if let Some(entry) = entry.build()? {
            self.fact(kind, &payment.id, FactContent::Entry(entry));
        }

        let customer = self.customer(order, mapping);
        let reference = payment.provider_id.as_deref().unwrap_or(&payment.id);
        let content = Content::Payment(PaymentContent {
            company: mapping.company.clone(),
            customer: customer.reference.clone(),
            direction: if inbound { Direction::Inbound } else { Direction::Outbound },
            journal: gateway.journal.clone(),
            method_line: if inbound {
                gateway.inbound_line.clone()
            } else {
                gateway.outbound_line.clone()
            },
            date: day,
            amount: payment.amount,
            memo: format!("{} {reference}", order.number),
        });
        let states_kind = if inbound { ItemKind::Capture } else { ItemKind::RefundPaid };
        let key = tender_key(self.around.connection, payment, Some(gateway));
        let states = Some((states_kind, key));
        self.command("payment", &payment.id, mapping, content, customer.after(), states);
        self.reconciliation(order, payment, sorted, inbound, mapping)?;
        Ok(Ok(()))
    }

    fn reconciliation(
        &mut self,
        order: &Order,
        payment: &Payment,
        sorted: &Documents<'_>,
        inbound: bool,
        mapping: &Mapping,
    ) -> Result<(), DeriveError> {
        let document = if inbound {
            let invoice = self.invoice_of(payment, sorted)?;
            is_billed(order, sorted)?.then(|| needs("document", "invoice", &invoice.to_string()))
        } else {
            refund_of(payment, &sorted.refunds).map(|it| needs("document", "credit_note", &it.id))
        };
        let Some(document) = document else { return Ok(()) };
        let content = Content::Reconciliation(ReconciliationContent {
            company: mapping.company.clone(),
            amount: payment.amount,
        });
        let after = vec![needs("payment", "payment", &payment.id), document];
        self.command("reconciliation", &payment.id, mapping, content, after, None);
        Ok(())
    }

    /// The invoice that a capture pays: captures fill the invoices in the order of both.
    fn invoice_of(&self, payment: &Payment, sorted: &Documents<'_>) -> Result<u32, MoneyError> {
        let mut captures: Vec<&Payment> =
            sorted.payments.iter().copied().filter(|one| is_capture(one)).collect();
        captures.sort_by_key(|one| (one.processed_at, &one.id));
        let mut open = self.invoiced.clone();
        for refund in sorted.refunds.iter().filter(|refund| refund.transactions.is_empty()) {
            let line = refund.lines.first();
            let number = line.and_then(|line| self.around.billed.get(&line.line)).unwrap_or(&1);
            if let Some(left) = open.get_mut(number) {
                *left = left.checked_sub(refund.total)?;
            }
        }
        for capture in captures {
            let next = open.iter_mut().find(|(_, left)| !left.is_zero() && !left.is_negative());
            let Some((number, left)) = next else { break };
            if capture.id == payment.id {
                return Ok(*number);
            }
            *left = left.checked_sub(capture.amount)?;
        }
        Ok(1)
    }

    /// An agreed refund: the document. Its money moves in payments of their own (P11).
    fn refund(
        &mut self,
        order: &Order,
        refund: &Refund,
        parts: &[Billed],
        sorted: &Documents<'_>,
        mapping: &Mapping,
    ) -> Result<Result<(), Missing>, DeriveError> {
        if !is_billed(order, sorted)? {
            return Ok(Ok(()));
        }
        let day = self.around.day(refund.created_at);
        let memo = format!("refund {} {}", order.number, refund.id);
        let mut entry = EntryBuilder::new(day, Booker::Odoo, order.currency, memo);
        let mut lines = Vec::new();
        let mut credited = Vec::new();
        let mut lacks = None;
        for line in &refund.lines {
            let part = parts.iter().find(|part| part.part == line.line);
            credited.push(Credited::of_line(order, line, part)?);
        }
        for adjustment in &refund.adjustments {
            credited.push(Credited::of_adjustment(order, adjustment, parts)?);
        }
        for one in &credited {
            let net = one.net(order)?;
            entry.debit(one.role, None, net);
            entry.debit(Role::TaxPayable, None, one.tax);
            entry.credit(Role::Receivable, None, net.checked_add(one.tax)?)?;
            match one.line(order, mapping)? {
                Ok(line) => lines.push(line),
                Err(missing) => lacks = Some(missing),
            }
        }
        if let Some(entry) = entry.build()? {
            self.fact("refund", &refund.id, FactContent::Entry(entry));
        }
        let remitted = remitted_back(order, refund)?;
        let memo = format!("marketplace tax back {} {}", order.number, refund.id);
        let mut entry = EntryBuilder::new(day, Booker::Memo, order.currency, memo);
        entry.debit(Role::MarketplaceTaxCollected, None, remitted).credit(
            Role::Receivable,
            None,
            remitted,
        )?;
        if let Some(entry) = entry.build()? {
            self.fact("marketplace_tax_back", &refund.id, FactContent::Entry(entry));
        }
        if let Some(missing) = lacks {
            return Ok(Err(missing));
        }
        let Some((total, tax)) = billing::totals(&lines)? else { return Ok(Ok(())) };
        if total != refund.total.checked_sub(remitted)? {
            self.derived.breaks.push(Break {
                kind: "refund_contradicts_itself",
                title: format!("A refund of {} does not add up", order.number),
                detail: format!("its lines make {total}, it states {}", refund.total),
                remedy: "look at the refund at the channel",
                amount: Some(refund.total),
                owner: "operator",
            });
        }
        let customer = self.customer(order, mapping);
        let tranche = refund.lines.first().and_then(|line| self.around.billed.get(&line.line));
        let tranche = tranche.copied().unwrap_or(1).to_string();
        let mut after = customer.after();
        after.push(needs("invoice", "invoice", &tranche));
        // The capture is tied first, or Odoo ties the credit note to the unpaid invoice (V8).
        for payment in &sorted.payments {
            if is_capture(payment) && mapping.gateway(&payment.gateway).is_ok() {
                let role = format!("settled/{}", payment.id);
                after.push(needs(&role, "reconciliation", &payment.id));
            }
        }
        let content = Content::CreditNote(CreditNoteContent {
            company: mapping.company.clone(),
            customer: customer.reference,
            journal: mapping.sales_journal.clone(),
            reference: format!("{} refund {}", order.number, refund.id),
            reason: refund.reason.clone().unwrap_or_else(|| "refund".to_owned()),
            date: day,
            lines,
            total,
            tax,
        });
        let key = format!("refund/{}/{}", self.around.connection, refund.id);
        let states = Some((ItemKind::RefundDocument, key));
        self.command("credit_note", &refund.id, mapping, content, after, states);
        Ok(Ok(()))
    }
}

/// The customer of the books that a document names.
struct Customer {
    reference: CustomerRef,
    root: Option<String>,
}

impl Customer {
    fn after(&self) -> Vec<After> {
        let shared = self.root.clone().map(|root| After {
            role: "customer".to_owned(),
            fact: FactKey::new("customer", "1"),
            root: Some(root),
        });
        shared.into_iter().collect()
    }
}

fn needs(role: &str, kind: &str, part: &str) -> After {
    After { role: role.to_owned(), fact: FactKey::new(kind, part), root: None }
}

/// The refund document that a refund payment pays: the named one, else the only one.
fn refund_of<'a>(payment: &Payment, refunds: &[&'a Refund]) -> Option<&'a Refund> {
    let named = |refund: &&&Refund| {
        payment.refund.as_deref() == Some(refund.id.as_str())
            || refund.transactions.contains(&payment.id)
    };
    let found = refunds.iter().find(named).copied();
    found.or(if let [only] = refunds { Some(*only) } else { None })
}

/// Lines grouped by the order of the books that bills them. A discount line bears no id of its
/// own, so it follows its lines.
fn tranches<'a>(
    parts: &'a [Billed],
    billed: &BTreeMap<String, u32>,
) -> BTreeMap<u32, Vec<&'a Billed>> {
    let next = billed.values().max().map_or(1, |last| last + 1);
    let mut grouped: BTreeMap<u32, Vec<&Billed>> = BTreeMap::new();
    for part in parts {
        let number = billed.get(&part.part).copied().unwrap_or(next);
        grouped.entry(number).or_default().push(part);
    }
    grouped
}

/// An order that was cancelled, voided or expired before any money moved is not a sale.
fn is_billed(order: &Order, sorted: &Documents<'_>) -> Result<bool, DeriveError> {
    let dead = order.cancelled_at.is_some()
        || sorted.deleted
        || matches!(order.payment_standing, PaymentStanding::Voided | PaymentStanding::Expired);
    Ok(!dead || !captured(order, &sorted.payments)?.is_zero())
}

fn is_capture(payment: &Payment) -> bool {
    payment.status == PaymentStatus::Succeeded
        && matches!(payment.kind, PaymentKind::Sale | PaymentKind::Capture)
}

fn captured(order: &Order, payments: &[&Payment]) -> Result<Money, MoneyError> {
    let taken = payments.iter().filter(|payment| is_capture(payment));
    Money::sum(order.currency, taken.map(|payment| payment.amount))
}

fn refunded(order: &Order, payments: &[&Payment]) -> Result<Money, MoneyError> {
    let back = payments.iter().filter(|payment| {
        payment.status == PaymentStatus::Succeeded && payment.kind == PaymentKind::Refund
    });
    Money::sum(order.currency, back.map(|payment| payment.amount))
}

/// What edits took off before it was paid: refunds that move no money.
fn unpaid_removals(order: &Order, refunds: &[&Refund]) -> Result<Money, MoneyError> {
    let removals = refunds.iter().filter(|refund| refund.transactions.is_empty());
    Money::sum(order.currency, removals.map(|refund| refund.total))
}

fn remitted(order: &Order) -> Result<Money, MoneyError> {
    let theirs =
        order.taxes().filter(|tax| tax.remitted_by == crate::document::Remitter::Marketplace);
    Money::sum(order.currency, theirs.map(|tax| tax.amount))
}

/// The words that channel, books and provider can all form for one tender.
fn tender_key(connection: &str, payment: &Payment, gateway: Option<&Gateway>) -> String {
    let word = if payment.kind == PaymentKind::Refund { "refund_paid" } else { "capture" };
    let provider = gateway.and_then(|gateway| gateway.provider.as_deref());
    let tender = gateway.and_then(|gateway| gateway.tender).unwrap_or(payment.tender);
    match (provider, &payment.provider_id) {
        (Some(provider), Some(id)) => format!("{word}/{provider}/{id}"),
        (Some(provider), None) => {
            format!("{word}/{provider}/unnamed/{connection}/{}", payment.id)
        }
        (None, _) if tender == Tender::BankTransfer => {
            format!("{word}_transfer/{connection}/{}", payment.id)
        }
        (None, _) => format!("{word}_tender/{connection}/{}", payment.id),
    }
}

/// What the marketplace gives back of the tax that it remits.
fn remitted_back(order: &Order, refund: &Refund) -> Result<Money, MoneyError> {
    let mut parts = Vec::new();
    for line in &refund.lines {
        parts.push(remitted_of_line(order, line)?);
    }
    for adjustment in &refund.adjustments {
        parts.push(remitted_of_adjustment(order, adjustment)?);
    }
    Money::sum(order.currency, parts)
}

fn remitted_of_line(order: &Order, line: &RefundLine) -> Result<Money, MoneyError> {
    let sold = order.lines.iter().find(|sold| sold.id == line.line);
    remitted_share(line.tax, sold.map_or(&[], |sold| &sold.taxes))
}

fn remitted_of_adjustment(
    order: &Order,
    adjustment: &RefundAdjustment,
) -> Result<Money, MoneyError> {
    if !adjustment.taxes.is_empty() {
        return remitted_share(adjustment.tax, &adjustment.taxes);
    }
    let charge = order.charges.iter().find(|charge| Some(charge.kind) == adjustment.charge);
    remitted_share(adjustment.tax, charge.map_or(&[], |charge| &charge.taxes))
}

/// The part of `tax` that falls to the marketplace, as the taxes it gives back were shared.
fn remitted_share(tax: Money, taxes: &[TaxLine]) -> Result<Money, MoneyError> {
    let of = |who: Remitter| {
        let theirs = taxes.iter().filter(|tax| tax.remitted_by == who);
        Money::sum(tax.currency(), theirs.map(|tax| tax.amount))
    };
    let weights = [of(Remitter::Merchant)?.minor(), of(Remitter::Marketplace)?.minor()];
    let theirs = tax.split(&weights).get(1).copied();
    Ok(theirs.unwrap_or_else(|| Money::zero(tax.currency())))
}

/// `amount` without a tax that it contains.
fn without(order: &Order, amount: Money, tax: Money) -> Result<Money, MoneyError> {
    if order.taxes_included { amount.checked_sub(tax) } else { Ok(amount) }
}

/// One credited amount of a refund.
struct Credited<'a> {
    part: String,
    name: String,
    role: Role,
    /// Without what the marketplace remits.
    amount: Money,
    /// Ours to give back.
    tax: Money,
    /// The billed part whose taxes and product it takes back.
    of: Option<&'a Billed>,
    /// Goods are back or had not left: a product line; otherwise an account line, so that no cost
    /// is reversed for goods that stay away (`POSTING.md` P4).
    product_line: bool,
    quantity: i64,
}

impl<'a> Credited<'a> {
    fn of_line(
        order: &Order,
        line: &RefundLine,
        of: Option<&'a Billed>,
    ) -> Result<Self, MoneyError> {
        let sold = order.lines.iter().find(|one| one.id == line.line);
        let gift_card = sold.is_some_and(|line| line.kind == LineKind::GiftCard);
        let remitted = remitted_of_line(order, line)?;
        Ok(Self {
            part: line.id.clone(),
            name: sold.map_or_else(|| "refunded line".to_owned(), |sold| sold.title.clone()),
            role: if gift_card { Role::GiftCardLiability } else { Role::Returns },
            amount: without(order, line.amount, remitted)?,
            tax: line.tax.checked_sub(remitted)?,
            of,
            product_line: gift_card || line.restock != Restock::None,
            quantity: line.quantity,
        })
    }

    fn of_adjustment(
        order: &Order,
        adjustment: &RefundAdjustment,
        parts: &'a [Billed],
    ) -> Result<Self, MoneyError> {
        let remitted = remitted_of_adjustment(order, adjustment)?;
        let role = match adjustment.charge {
            Some(ChargeKind::Shipping) => Role::ShippingIncome,
            Some(ChargeKind::Tip) => Role::TipIncome,
            Some(ChargeKind::Duty) => Role::DutyIncome,
            Some(ChargeKind::GiftWrap) => Role::GiftWrapIncome,
            Some(ChargeKind::CashRounding) => Role::Rounding,
            None => Role::Returns,
        };
        let of = parts.iter().find(|part| part.role == role);
        let of = of.or_else(|| {
            if adjustment.tax.is_zero() {
                None
            } else {
                parts.iter().find(|part| !part.own_tax.is_zero())
            }
        });
        Ok(Self {
            part: format!("adjustment/{}", adjustment.id),
            name: adjustment.reason.clone(),
            role,
            amount: without(order, adjustment.amount, remitted)?,
            tax: adjustment.tax.checked_sub(remitted)?,
            of,
            product_line: adjustment.charge.is_some() && of.is_some(),
            quantity: 1,
        })
    }

    /// The amount without our tax.
    fn net(&self, order: &Order) -> Result<Money, MoneyError> {
        without(order, self.amount, self.tax)
    }

    fn line(
        &self,
        order: &Order,
        mapping: &Mapping,
    ) -> Result<Result<DocumentLine, Missing>, MoneyError> {
        let product = match self.of {
            Some(of) if self.product_line => match &of.product {
                Ok(product) => Some(product.clone()),
                Err(missing) => return Ok(Err(missing.clone())),
            },
            _ => None,
        };
        let account = if product.is_some() {
            None
        } else {
            match mapping.account(self.role, None) {
                Ok(account) => Some(account),
                Err(missing) => return Ok(Err(missing)),
            }
        };
        let quantity = if product.is_some() { self.quantity.max(1) } else { 1 };
        let (quantity, unit_price) = billing::even_price(quantity.into(), self.amount);
        let taxes = match self.taxes(order)? {
            Ok(taxes) => taxes,
            Err(missing) => return Ok(Err(missing)),
        };
        Ok(Ok(DocumentLine {
            part: self.part.clone(),
            product,
            account,
            name: self.name.clone(),
            quantity,
            unit_price,
            amount: self.amount,
            taxes_included: order.taxes_included,
            taxes,
            shipping: false,
        }))
    }

    /// The tax given back, spread over the taxes of what it takes back, at the original rates.
    fn taxes(&self, order: &Order) -> Result<Result<Vec<DocumentTax>, Missing>, MoneyError> {
        let Some(of) = self.of else { return Ok(Ok(Vec::new())) };
        let targets = match &of.taxes {
            Ok(targets) => targets,
            Err(missing) => return Ok(Err(missing.clone())),
        };
        let weights: Vec<i64> = targets.values().map(|tax| tax.minor()).collect();
        let shares = self.tax.split(&weights);
        let base = self.net(order)?;
        let pairs = targets.keys().zip(shares);
        Ok(Ok(pairs.map(|(tax, amount)| DocumentTax { tax: tax.clone(), base, amount }).collect()))
    }
}
