//! What is true: the canonical words of commerce and the rules that hold between them.
//!
//! | module           | holds                                                                   |
//! |------------------|-------------------------------------------------------------------------|
//! | [`money`]        | exact amounts, currencies, splitting                                    |
//! | [`key`]          | hashes that name things: effect keys, ids, content                      |
//! | [`completeness`] | what a source lists of itself, against what came here                   |
//! | [`document`]     | whole statements of how a source says a thing stands                    |
//! | [`mapping`]      | what the source's words mean in the books: accounts, taxes, products    |
//! | [`journal`]      | account roles, bookers, balanced entries                                |
//! | [`command`]      | what we ask of a target, in canonical words                             |
//! | [`item`]         | expectations and observations that reconciliation compares              |
//! | [`fact`]         | what must hold, its generations, and the difference to what was written |
//! | [`derive`]       | DECIDE: from the newest documents of a root to its facts                |
//! | [`audit`]        | the chain of what was done, and how it is verified                      |
//! | [`calendar`]     | business days, for "not due yet"                                        |
//! | [`posting`]      | in which form sales go into the books                                   |
//! | [`sales`]        | what was sold and taxed: the definitions of the reports                 |
//!
//! Deliberately absent: IO, clocks, randomness, floats, SQL, and the name of any vendor.

pub mod audit;
pub mod calendar;
pub mod command;
pub mod completeness;
pub mod derive;
pub mod document;
pub mod fact;
pub mod item;
pub mod journal;
pub mod key;
pub mod mapping;
pub mod money;
pub mod planted;
pub mod posting;
pub mod sales;

pub use document::{Document, Kind};
pub use money::{Currency, Money};
