//! The connector as its senders see it: the schema against the reader, and the pull against the
//! sandbox.

mod contract;
mod pull;
mod schema;
