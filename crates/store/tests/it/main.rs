//! Each function of the store on a fresh database of every engine: SQLite in memory, SQLite in a
//! file, and PostgreSQL where `TRUEUP_TEST_PG` names one.

mod again;
mod audit;
mod cases;
mod changes;
mod commands;
mod corrections;
mod documents;
mod engines;
mod facts;
mod leases;
mod messages;
mod month_ends;
mod plans;
mod proofs;
mod sales;
mod scopes;
mod skips;
mod streams;
mod summaries;
mod summary_ledgers;
mod summary_payouts;
mod ties;
mod transactions;
mod upgrades;
mod world;
mod writer;
