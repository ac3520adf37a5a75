//! `trueup demo`: the main job on the embedded default, with the built-in sandboxes.
//!
//! | module       | holds                                                                 |
//! |--------------|-----------------------------------------------------------------------|
//! | [`setup`]    | the demo's connections and mappings                                   |
//! | [`play`]     | plays the week through the front door, step by step                   |
//! | [`compare`]  | what was found against what was planted                               |

pub mod compare;
pub mod play;
pub mod setup;
