//! What reconciliation judges, claims, links and bridges: as tables, and as promises about any
//! items at all.

mod bridge;
mod claim;
mod conservation;
mod judge;
mod world;
