//! Plays the world: two shops, their providers, banks and an Odoo, for the demo, for a retailer's
//! own rehearsal, and for the simulation.
//!
//! | module      | holds                                                                        |
//! |-------------|------------------------------------------------------------------------------|
//! | [`chance`]  | seeded choice; the same seed always tells the same story                     |
//! | [`world`]   | the vendors' sandboxes side by side, and what passes between them            |
//! | [`week`]    | seven virtual days of a retailer: who buys what and when, what goes wrong    |
//! | [`serve`]   | the same world behind HTTP, one path for each connection                     |
//!
//! The vendors' own behaviour is in their connectors; here is only what links them: a card charged
//! at a provider for an order of a shop, a payout that becomes a bank line.

pub mod chance;
pub mod serve;
pub mod week;
pub mod world;

pub use week::{Planted, Week, WeekSettings};
pub use world::World;
