//! The stages one after the other, on a store in memory, with a till that states documents and
//! books that carry out commands, both played.

mod audit;
mod books;
mod clearing;
mod completeness;
mod conservation;
mod corrections;
mod decisions;
mod end;
mod failures;
mod identity;
mod invoices;
mod outage;
mod reconcile;
mod replay;
mod restored;
mod road;
mod schedules;
mod skips;
mod talk;
mod token;
mod wire;
mod world;
