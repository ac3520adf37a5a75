//! The connector as the hub sees it, against its own sandbox and its fixtures.

mod conservation;
mod drive;
mod fixtures;
mod polling;
mod sandbox;
mod webhooks;
