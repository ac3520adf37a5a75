//! The read of single objects, one after the other; a payout brings all of its rows.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use trueup_connect::{CallError, Hint, Reply};
use trueup_domain::document::Kind;

use super::gather::Gathered;
use super::is_plain_id;
use super::walk::{cut_members, is_itemised, last_passed, members_path};
use crate::wire::{self, Expandable};
use crate::{decode, outcome};

#[derive(Serialize, Deserialize)]
pub struct Reading {
    asks: VecDeque<Ask>,
    /// The first refusal. One object that is gone does not keep the others from being read; when
    /// nothing at all could be read, it is the answer.
    refusal: Option<CallError>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ask {
    Charge(String),
    PaymentIntent(String),
    Refund(String),
    Dispute(String),
    Payout(String),
    Row(String),
    Members { payout: String, after: Option<String> },
}

impl Ask {
    /// The prefix of an id says what it is. Channels name a payment by charge or by intent, and
    /// not all say which.
    fn of(hint: &Hint) -> Option<Self> {
        let id = hint.external_id.clone();
        if !is_plain_id(&id) {
            return None;
        }
        let prefix = id.split_once('_').map_or("", |(prefix, _)| prefix);
        Some(match (prefix, hint.kind.as_str()) {
            ("ch" | "py", _) => Self::Charge(id),
            ("pi", _) => Self::PaymentIntent(id),
            ("re" | "pyr", _) => Self::Refund(id),
            ("dp" | "du", _) => Self::Dispute(id),
            ("po", _) => Self::Payout(id),
            ("txn", _) => Self::Row(id),
            (_, kind) if kind == Kind::Charge.word() => Self::Charge(id),
            (_, decode::PAYMENT_INTENT) => Self::PaymentIntent(id),
            (_, decode::REFUND) => Self::Refund(id),
            (_, kind) if kind == Kind::Dispute.word() => Self::Dispute(id),
            (_, kind) if kind == Kind::Payout.word() => Self::Payout(id),
            (_, kind) if kind == Kind::LedgerRow.word() => Self::Row(id),
            (_, decode::BALANCE_TRANSACTION) => Self::Row(id),
            _ => return None,
        })
    }

    fn path(&self) -> String {
        match self {
            Self::Charge(id) => format!("/v1/charges/{id}"),
            Self::PaymentIntent(id) => {
                format!("/v1/payment_intents/{id}?expand%5B%5D=latest_charge")
            }
            Self::Refund(id) => format!("/v1/refunds/{id}"),
            Self::Dispute(id) => format!("/v1/disputes/{id}"),
            Self::Payout(id) => format!("/v1/payouts/{id}"),
            Self::Row(id) => format!("/v1/balance_transactions/{id}?expand%5B%5D=source"),
            Self::Members { payout, after } => members_path(payout, after.as_deref()),
        }
    }
}

impl Reading {
    pub fn of(hints: &[Hint]) -> Self {
        let mut reading = Self { asks: VecDeque::new(), refusal: None };
        for hint in hints {
            match Ask::of(hint) {
                Some(ask) => reading.asks.push_back(ask),
                None => reading.refuse(CallError::Refused {
                    reason_code: "unknown_hint".to_owned(),
                    reason: format!("`{}` names nothing that Stripe has", shorten(hint)),
                }),
            }
        }
        reading
    }

    pub fn path(&self) -> Option<String> {
        self.asks.front().map(Ask::path)
    }

    pub fn into_refusal(self) -> Option<CallError> {
        self.refusal
    }

    pub fn advance(&mut self, reply: &Reply, gathered: &mut Gathered) -> Result<(), CallError> {
        let Some(ask) = self.asks.pop_front() else { return Ok(()) };
        match outcome::check(reply) {
            Ok(()) => self.take(ask, reply, gathered),
            Err(error @ CallError::Refused { .. }) => {
                self.refuse(error);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn take(&mut self, ask: Ask, reply: &Reply, gathered: &mut Gathered) -> Result<(), CallError> {
        match ask {
            Ask::Charge(_) => cut(decode::CHARGE, reply, gathered),
            Ask::Refund(_) => cut(decode::REFUND, reply, gathered),
            Ask::Dispute(_) => cut(decode::DISPUTE, reply, gathered),
            Ask::Row(_) => cut(decode::BALANCE_TRANSACTION, reply, gathered),
            Ask::Payout(payout) => {
                let object: &RawValue = outcome::read(reply)?;
                if is_itemised(object) {
                    self.asks.push_front(Ask::Members { payout, after: None });
                }
                cut(decode::PAYOUT, reply, gathered)
            }
            Ask::PaymentIntent(_) => {
                let intent: wire::PaymentIntent = outcome::read(reply)?;
                match intent.latest_charge {
                    Some(Expandable::Object { id, raw }) => {
                        gathered.cut(decode::CHARGE, &id, &raw);
                        Ok(())
                    }
                    Some(Expandable::Id(id)) if is_plain_id(&id) => {
                        self.asks.push_front(Ask::Charge(id));
                        Ok(())
                    }
                    _ => cut(decode::PAYMENT_INTENT, reply, gathered),
                }
            }
            Ask::Members { payout, after } => {
                let page: wire::Page = outcome::read(reply)?;
                cut_members(&page, &payout, gathered)?;
                gathered.count_page();
                let next = last_passed(&page, after.as_deref())?;
                // A payout too large for one conversation is finished by the `payouts` stream,
                // which can save where it stands.
                if next.is_some() && !gathered.is_full() {
                    self.asks.push_front(Ask::Members { payout, after: next });
                }
                Ok(())
            }
        }
    }

    fn refuse(&mut self, error: CallError) {
        self.refusal.get_or_insert(error);
    }
}

fn cut(kind: &str, reply: &Reply, gathered: &mut Gathered) -> Result<(), CallError> {
    #[derive(Deserialize)]
    struct Named {
        id: String,
    }
    let object: &RawValue = outcome::read(reply)?;
    let named: Named = outcome::read(reply)?;
    gathered.cut(kind, &named.id, object);
    Ok(())
}

fn shorten(hint: &Hint) -> String {
    format!("{}/{}", hint.kind, hint.external_id).chars().take(80).collect()
}
