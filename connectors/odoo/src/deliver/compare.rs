//! What Odoo stored against what was asked.

use trueup_connect::DecodeError;
use trueup_domain::command::Content;
use trueup_domain::document::BooksRecord;
use trueup_domain::money::Money;

use crate::wire::Row;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Still to be confirmed, posted or cancelled, and as asked.
    Ready,
    /// Done already, by us in an earlier attempt or by a person; or not as asked.
    Leave,
}

struct Asked<'a> {
    company: &'a str,
    total: Money,
    tax: Option<Money>,
    /// The states from which the action may be called.
    ready: &'static [&'static str],
    /// The states in which the effect exists.
    done: &'static [&'static str],
}

fn asked(content: &Content) -> Option<Asked<'_>> {
    let (drafts, posted): (&[&str], &[&str]) = (&["draft"], &["posted"]);
    Some(match content {
        Content::Order(it) => Asked {
            company: &it.company,
            total: it.total,
            tax: Some(it.tax),
            ready: &["draft", "sent"],
            done: &["sale"],
        },
        Content::Invoice(it) => Asked {
            company: &it.company,
            total: it.total,
            tax: Some(it.tax),
            ready: drafts,
            done: posted,
        },
        Content::CreditNote(it) => Asked {
            company: &it.company,
            total: it.total,
            tax: Some(it.tax),
            ready: drafts,
            done: posted,
        },
        Content::Payment(it) => Asked {
            company: &it.company,
            total: it.amount,
            tax: None,
            ready: drafts,
            done: &["in_process", "paid"],
        },
        Content::Entry(it) => Asked {
            company: &it.company,
            total: it.debits()?,
            tax: None,
            ready: drafts,
            done: posted,
        },
        Content::Partner(_)
        | Content::Reconciliation(_)
        | Content::Cancellation(_)
        | Content::Goods(_)
        | Content::Transfer(_) => return None,
    })
}

/// Compares a record with its content before it becomes final. One that differs is left as it is.
pub fn draft(
    content: &Content,
    row: &Row,
    differs: &mut Vec<String>,
) -> Result<Standing, DecodeError> {
    let state = row.word("state")?;
    if let Content::Cancellation(_) = content {
        return Ok(if state == "cancel" { Standing::Leave } else { Standing::Ready });
    }
    let Some(asked) = asked(content) else { return Ok(Standing::Leave) };
    if !asked.ready.contains(&state.as_str()) {
        return Ok(Standing::Leave);
    }
    let before = differs.len();
    let currency = row.currency("currency_id")?;
    let (total, tax) = match content {
        Content::Payment(_) => (row.money("amount", currency)?, None),
        _ => (row.money("amount_total", currency)?, Some(row.money("amount_tax", currency)?)),
    };
    amounts(&asked, total, tax, differs);
    company(&asked, &row.reference_id("company_id")?.to_string(), differs);
    if matches!(content, Content::Payment(_)) && row.is_nothing("outstanding_account_id") {
        differs.push("the method line has no account: Odoo would post no entry".to_owned());
    }
    Ok(if differs.len() == before { Standing::Ready } else { Standing::Leave })
}

/// Whether a record in this state is the effect.
pub fn is_done(content: &Content, state: &str) -> bool {
    match asked(content) {
        Some(asked) => asked.done.contains(&state),
        None => state == "cancel",
    }
}

/// An order that an earlier attempt confirmed, without coming to write its date back.
pub fn confirmed_late(content: &Content, row: &Row) -> Result<bool, DecodeError> {
    let Content::Order(order) = content else { return Ok(false) };
    let dated = row.moment("date_order")?.as_second() == order.placed_at.as_second();
    Ok(row.word("state")? == "sale" && !dated)
}

/// Compares the record as it ended. What was already told of the draft is not told twice.
pub fn end(content: &Content, record: &BooksRecord, differs: &mut Vec<String>) {
    let mut found = Vec::new();
    if matches!(content, Content::Cancellation(_)) && record.state != "cancel" {
        found.push(format!("the order is `{}`, not cancelled", record.state));
    }
    if let Some(asked) = asked(content) {
        let tax = asked.tax.map(|_| record.tax);
        amounts(&asked, record.total, tax, &mut found);
        company(&asked, &record.company, &mut found);
        if !asked.done.contains(&record.state.as_str()) {
            found.push(format!("the record is `{}`", record.state));
        }
    }
    for text in found {
        if !differs.contains(&text) {
            differs.push(text);
        }
    }
}

fn amounts(asked: &Asked<'_>, total: Money, tax: Option<Money>, differs: &mut Vec<String>) {
    if total != asked.total {
        differs.push(format!("the total is {total}, asked was {}", asked.total));
    }
    if let (Some(stored), Some(wanted)) = (tax, asked.tax)
        && stored != wanted
    {
        differs.push(format!("the tax is {stored}, asked was {wanted}"));
    }
}

fn company(asked: &Asked<'_>, stored: &str, differs: &mut Vec<String>) {
    if stored != asked.company {
        differs.push(format!("the company is {stored}, asked was {}", asked.company));
    }
}
