//! Revenue that is invoiced with the money, and of which the goods have not left by the end of a month
//! (`POSTING.md` P12).
//!
//! It is the difference of two plans of the same sale: what is invoiced with the money by then, and
//! what would be if each shipment were. So it is to the cent what the shipments of the next months
//! earn, whatever was given back meanwhile.

use jiff::civil::Date;

use super::bills::{self, Plan};
use super::refunds::excess_back;
use super::{Documents, Road, is_billed};
use crate::derive::{Surroundings, billing};
use crate::document::{Document, Funder, LineKind, Order};
use crate::journal::Role;
use crate::mapping::{InvoicePolicy, Mapping};
use crate::money::{Money, MoneyError};

/// The net revenue of goods that is invoiced by the end of a day and not earned by then, from what is
/// stated of a sale now; above zero. `None` where nothing is, or where invoices do not follow the
/// money.
pub fn deferred(
    stated: &[Document],
    around: &Surroundings<'_>,
    until: Date,
) -> Result<Option<Money>, MoneyError> {
    let by_capture = |mapping: &&Mapping| mapping.invoices == InvoicePolicy::Capture;
    let Some(mapping) = around.mapping.filter(by_capture) else { return Ok(None) };
    let by_then: Vec<Document> =
        stated.iter().filter(|one| happened(one, around) <= Some(until)).cloned().collect();
    let sorted = Documents::of(&by_then);
    let Some(order) = sorted.order else { return Ok(None) };
    let ours = !order.test && order.placed_at >= around.since && sorted.tickets.is_empty();
    let by_documents = Road::of(around.posting, sorted.held) == Road::Documents;
    if !ours || !by_documents || order.check().is_err() || !is_billed(order, &sorted)? {
        return Ok(None);
    }
    let parts = billing::billed(order, mapping)?;
    let excess = excess_back(order, &sorted)?;
    let net = |policy: InvoicePolicy| -> Result<Money, MoneyError> {
        net_of_goods(order, &bills::plan(order, &parts, &sorted, &excess, (around, policy))?)
    };
    let open = net(InvoicePolicy::Capture)?.checked_sub(net(InvoicePolicy::Shipment)?)?;
    Ok((open > Money::zero(order.currency)).then_some(open))
}

/// The day of what is stated; `None` is before all days: it holds whenever it is looked at.
fn happened(one: &Document, around: &Surroundings<'_>) -> Option<Date> {
    Some(around.day(match one {
        Document::Order(order) => order.placed_at,
        Document::Payment(payment) => payment.processed_at,
        Document::Refund(refund) => refund.created_at,
        Document::Fulfilment(fulfilment) => fulfilment.created_at,
        _ => return None,
    }))
}

/// What the invoices and credit notes of a plan come to on sales, without tax and after the discounts
/// that the merchant pays for.
fn net_of_goods(order: &Order, plan: &Plan) -> Result<Money, MoneyError> {
    let zero = Money::zero(order.currency);
    let mut net = zero;
    for line in plan.bills.iter().flat_map(|bill| &bill.lines) {
        if line.role == Role::Sales {
            let given = line.discount_by_funder()?.get(&Funder::Merchant).copied();
            net = net.checked_add(line.amounts()?.gross)?.checked_sub(given.unwrap_or(zero))?;
        }
    }
    let goods = |id: &str| {
        let line = order.lines.iter().find(|line| line.id == id);
        line.is_some_and(|line| line.kind == LineKind::Goods)
    };
    for credit in plan.credits.values().filter(|credit| credit.note.is_some()) {
        for line in credit.refund.lines.iter().filter(|line| goods(&line.line)) {
            let tax = if order.taxes_included { line.tax } else { zero };
            net = net.checked_sub(line.amount)?.checked_add(tax)?;
        }
    }
    Ok(net)
}
