//! What a connection to Amazon must be told.

use trueup_connect::Setting;

pub const SETTINGS: &[Setting] = &[];
