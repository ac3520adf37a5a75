//! Records to documents: an order to a sale, to refunds of others, or to both; a session to what
//! Odoo booked for it.
//!
//! | module      | holds                                                                  |
//! |-------------|------------------------------------------------------------------------|
//! | [`order`]   | which part of a receipt sells, and which takes back                    |
//! | [`line`]    | amounts of one line: without tax, its discount, its taxes              |
//! | [`session`] | the entry of a closed session, invoices of single orders, the drawer   |

mod line;
mod order;
mod session;

use trueup_connect::{DecodeError, Decoded, Message, json};

pub const ORDER: &str = "pos_order";
pub const SESSION: &str = "pos_session";

pub fn decode(message: &Message<'_>) -> Result<Decoded, DecodeError> {
    match message.kind {
        ORDER => order::decode(&json::read(message.body)?),
        SESSION => session::decode(&json::read(message.body)?),
        "" => Err(DecodeError::UnknownKind),
        other => Ok(Decoded::Ignored(other.to_owned())),
    }
}
