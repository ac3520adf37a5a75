//! The binary's parts: the connector list, settings, wiring and commands.
//!
//! | module         | holds                                                             |
//! |----------------|-------------------------------------------------------------------|
//! | [`connectors`] | every connector in this build: the one place that names them      |
//! | [`demo`]       | seven virtual days with the built-in sandboxes                    |

pub mod connectors;
pub mod demo;
pub mod print;
