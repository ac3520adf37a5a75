//! What should agree: the items that carry one key, judged; and the four links of an order.
//!
//! Everything is pure: items in, verdict out. Each difference has a type, an amount and a date, and
//! a lack is *not due* until its day has passed; nothing is ever absorbed by a tolerance.
//!
//! | module      | holds                                                                        |
//! |-------------|------------------------------------------------------------------------------|
//! | [`judge`]   | one key: do its sides agree?                                                 |
//! | [`claim`]   | which bank lines are a payout or a transfer                                  |
//! | [`links`]   | document, tender, payout, bank: the proof of one order                       |
//! | [`bridge`]  | two totals obtained apart, and every step between them                       |
//! | [`conservation`] | where the money of one capture is                                       |

pub mod bridge;
pub mod claim;
pub mod conservation;
pub mod judge;
pub mod links;

pub use judge::{BreakKind, Seen, Status, Verdict, judge};
