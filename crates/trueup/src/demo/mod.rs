//! `trueup demo`: the main job on the embedded default, with the built-in sandboxes.
//!
//! | module       | holds                                                                 |
//! |--------------|-----------------------------------------------------------------------|
//! | [`setup`]    | the demo's connections and mappings                                   |
//! | [`play`]     | plays the week through the front door, step by step                   |
//! | [`compare`]  | what was found against what was planted                               |
//! | [`show`]     | the bridges as text                                                   |
//! | [`real`]     | the same week posted to a real Odoo                                   |
//! | [`command`]  | the command: hub, console and sandboxes together                      |

pub mod command;
pub mod compare;
pub mod play;
pub mod real;
pub mod setup;
pub mod show;
