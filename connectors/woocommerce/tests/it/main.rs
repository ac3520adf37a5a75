//! The connector as the hub sees it, against its own sandbox and its fixtures.

mod drive;
mod fixtures;
mod hostile;
mod polling;
mod sandbox;
