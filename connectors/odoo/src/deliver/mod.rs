//! Commands to records of Odoo, step by step, all steps safe to repeat.
//!
//! look up ids → `load()` once → read the draft back → act (confirm, post) → read again.
//!
//! | module        | holds                                                              |
//! |---------------|--------------------------------------------------------------------|
//! | [`chain`]     | the steps, and what each reply means for the commands still open   |
//! | [`lookups`]   | ids that the content names in other words: currencies, countries   |
//! | [`customers`] | which customer of Odoo a buyer is                                  |
//! | [`tables`]    | content to rows of `load()`                                        |
//! | [`locks`]     | lock dates, and the first open day                                 |
//! | [`entries`]   | entries that sum up sales: what is asked before, and their lines   |
//! | [`compare`]   | what Odoo stored against what was asked                            |
//! | [`pairs`]     | tying payments to documents, which has no record of its own        |
//! | [`goods`]     | carrying out what Odoo's warehouse has planned                     |
//!
//! `load()` is safe by its key, every later step by the state that was read before it. A batch that
//! Odoo refuses is taken apart until the record that it refuses stands alone (B10).

pub mod chain;
mod compare;
mod customers;
mod entries;
mod goods;
mod locks;
mod lookups;
mod pairs;
mod tables;

use trueup_connect::conversation::{Context, Dispatch, Outcome, Reply, Step};
use trueup_connect::{CallError, Receipt, ReceiptOutcome};
use trueup_domain::command::CommandKind;
use trueup_domain::planted::planted;

pub use chain::Chain;
pub use goods::Goods;
pub use pairs::Pairs;
pub(crate) use tables::columns;

/// The most commands in one delivery: beyond it a call takes longer without being cheaper.
pub const BATCH_MAX: usize = 100;

/// `unknown`: what became of the commands in an earlier conversation is not known.
pub fn start(context: &Context<'_>, commands: &[Dispatch], unknown: bool) -> Step {
    let Some(first) = commands.first() else {
        return Step::Done(Outcome::default());
    };
    let kind = first.content.kind();
    let company = first.content.company();
    let same = |it: &Dispatch| it.content.kind() == kind && it.content.company() == company;
    if commands.len() > BATCH_MAX || !commands.iter().all(same) {
        let reason = "a delivery is at most 100 commands of one kind and company".to_owned();
        return Step::Failed(CallError::Refused { reason_code: "mixed_batch".to_owned(), reason });
    }
    match kind {
        CommandKind::Reconciliation => pairs::start(context, commands, unknown),
        CommandKind::Goods => goods::start(context, commands),
        CommandKind::Partner
        | CommandKind::Order
        | CommandKind::Invoice
        | CommandKind::Payment
        | CommandKind::CreditNote
        | CommandKind::Cancellation
        | CommandKind::Entry => Chain::start(context, kind, commands, unknown),
    }
}

pub fn resume(context: &Context<'_>, chain: Chain, reply: Result<&Reply, CallError>) -> Step {
    chain.resume(context, reply)
}

pub fn resume_pairs(context: &Context<'_>, pairs: Pairs, reply: Result<&Reply, CallError>) -> Step {
    pairs.resume(context, reply)
}

pub fn resume_goods(context: &Context<'_>, goods: Goods, reply: Result<&Reply, CallError>) -> Step {
    goods.resume(context, reply)
}

/// How often a conflict is waited out within one conversation, and how long: 0.4, 0.8, 1.6 s.
const BUSY_TRIES: u32 = 3;

const fn pause_ms(tries: u32) -> u64 {
    200 << tries
}

/// A reference made by an earlier command: `12`, or `account.move/12`.
fn bound<'a>(dispatch: &'a Dispatch, role: &str) -> Result<&'a str, CallError> {
    dispatch.bindings.get(role).map(String::as_str).ok_or_else(|| CallError::Refused {
        reason_code: "unbound".to_owned(),
        reason: format!("nothing is bound as `{role}`"),
    })
}

fn bound_id(dispatch: &Dispatch, role: &str) -> Result<i64, CallError> {
    let text = bound(dispatch, role)?;
    crate::request::id(text.rsplit('/').next().unwrap_or(text))
}

fn receipt(key: &str, outcome: ReceiptOutcome) -> Receipt {
    Receipt { key: key.to_owned(), outcome }
}

/// Odoo refused the batch that is next, and rolled it back whole: it is halved, until the guilty
/// stand alone. Returns the one that does.
fn halve(batches: &mut Vec<Vec<usize>>, batch: &[usize]) -> Option<usize> {
    batches.pop();
    if let [only] = batch {
        return Some(*only);
    }
    let (left, right) = batch.split_at(batch.len() / 2);
    batches.push(right.to_vec());
    batches.push(left.to_vec());
    None
}

/// What is certain of a command when its conversation ends early: whatever a call may have done is
/// unknown, this conversation's or an earlier one's. That it was not asked for now, because another
/// batch failed first, says nothing of what was made then.
fn cut_short(may_be_there: bool, error: CallError) -> ReceiptOutcome {
    if planted("a_timeout_is_a_failure") {
        return ReceiptOutcome::Refused { error };
    }
    if may_be_there {
        ReceiptOutcome::Unknown { error }
    } else {
        ReceiptOutcome::NotApplied { error: sure(error) }
    }
}

/// A command that was never sent is not lost, whatever was lost before it.
fn sure(error: CallError) -> CallError {
    match error {
        CallError::ReplyLost { why } => CallError::Unreachable { why },
        other => other,
    }
}
