//! Goods on their way out, and announced on their way back.

use trueup_connect::DecodeError;
use trueup_domain::document::{
    Fulfilment, FulfilmentLine, FulfilmentStatus, Return, ReturnLine, ReturnStatus, Version,
};

use crate::said;

pub fn fulfilment(said: &said::Fulfilment, order: &str) -> Result<Fulfilment, DecodeError> {
    let line = |(line, quantity): &(String, i64)| FulfilmentLine {
        line: line.clone(),
        quantity: *quantity,
    };
    Ok(Fulfilment {
        id: said.id.clone(),
        order: order.to_owned(),
        version: Version::at(said.updated_at),
        status: match said.status.to_ascii_lowercase().as_str() {
            "pending" | "open" => FulfilmentStatus::Pending,
            "success" => FulfilmentStatus::Succeeded,
            "cancelled" => FulfilmentStatus::Cancelled,
            "error" | "failure" => FulfilmentStatus::Failed,
            _ => return Err(DecodeError::unknown("fulfillments.status", &said.status)),
        },
        created_at: said.created_at,
        location: said.location.clone(),
        lines: said.lines.iter().map(line).collect(),
        tracking: said.tracking.clone(),
    })
}

/// A return has no update time of its own: it is as new as the order that carries it.
pub fn returned(said: &said::Return, order: &said::Order) -> Result<Return, DecodeError> {
    let line = |(line, quantity, reason): &(String, i64, Option<String>)| ReturnLine {
        line: line.clone(),
        quantity: *quantity,
        reason: reason.clone(),
    };
    Ok(Return {
        id: said.id.clone(),
        order: order.id.clone(),
        version: Version::at(order.updated_at),
        status: match said.status.to_ascii_lowercase().as_str() {
            "requested" => ReturnStatus::Requested,
            "open" => ReturnStatus::Open,
            "closed" => ReturnStatus::Closed,
            "declined" => ReturnStatus::Declined,
            "canceled" | "cancelled" => ReturnStatus::Cancelled,
            _ => return Err(DecodeError::unknown("returns.status", &said.status)),
        },
        lines: said.lines.iter().map(line).collect(),
    })
}
