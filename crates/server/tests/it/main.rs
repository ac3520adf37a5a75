//! The router in-process, over a store in memory.

mod api;
mod causes;
mod console;
mod corrections;
mod engines;
mod fixture;
mod intake;
mod invoices;
mod security;
