//! The binary's parts: the connector list, settings, wiring and commands.
//!
//! | module         | holds                                                             |
//! |----------------|-------------------------------------------------------------------|
//! | [`cli`]        | the command line, and what each exit status means                 |
//! | [`commands`]   | one module for each command                                       |
//! | [`connectors`] | every connector in this build: the one place that names them      |
//! | [`settings`]   | the configuration file, checked before anything starts            |
//! | [`wiring`]     | from settings to a hub: store, secrets, streams                   |
//! | [`worker`]     | one process at a time works on a store                            |
//! | [`drops`]      | files dropped into a directory                                    |
//! | [`jobs`]       | what the jobs of the schedules do                                 |
//! | [`drain`]      | the stages in the thread of a command                             |
//! | [`print`]      | money, tables and the report as text                              |
//! | [`log`]        | one line for each event, whatever the texts in it hold            |
//! | [`failure`]    | how a command ends that could not do its work                     |
//! | [`demo`]       | seven virtual days with the built-in sandboxes                    |

/// Much here is small texts and trees of JSON: with the allocator of the C library decoding was a
/// quarter slower (`docs/performance.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub mod cli;
pub mod commands;
pub mod connectors;
pub mod demo;
pub mod disk;
pub mod drain;
pub mod drops;
pub mod failure;
pub mod jobs;
pub mod log;
pub mod print;
pub mod settings;
pub mod sheet;
pub mod wiring;
pub mod worker;
