//! What was sold, in figures with one definition for every channel (`docs/reports.md`).
//!
//! | module       | what it says                                                             |
//! |--------------|--------------------------------------------------------------------------|
//! | [`figures`]  | the measures that add up, and the figures that are computed from them    |
//! | [`sale`]     | what the documents of one sale add to the measures                       |
//! | [`tax`]      | what they add to each tax: regime, jurisdiction, rate, who remits        |
//! | [`calendar`] | the periods of a report: months, ISO weeks, 4-4-5, 4-5-4                 |
//!
//! Like DECIDE it works on levels: the same documents give the same rows, whatever brought them.
//! All money is without tax unless its name says otherwise, in the channel's currency.

pub mod calendar;
pub mod figures;
pub mod sale;
pub mod tax;
