//! Tests that need a real Odoo, and the small harness they share.
//!
//! `cargo xtask test` provides the server. Without one these tests say so and pass.

pub mod server;
