//! A bank connection needs to be told nothing: files name their accounts and their format.

use trueup_connect::Setting;

pub const SETTINGS: &[Setting] = &[];
