//! The pure middle, held to the worked entries of the accounting rules and to its own promises.

mod bills;
mod bundles;
mod days;
mod deferral;
mod excess;
mod exchange;
mod failures;
mod goods;
mod month_end;
mod properties;
mod refunds;
mod relations;
mod sale;
mod sales;
mod summary;
mod tickets;
mod transfers;
mod vectors;
mod world;
