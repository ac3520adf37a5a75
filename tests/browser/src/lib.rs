//! The console in a real browser, over a retailer's week that the sandboxes played.
//!
//! | module      | holds                                                          |
//! |-------------|----------------------------------------------------------------|
//! | [`shop`]    | a hub whose week came in through the server's own front door   |
//! | [`keys`]    | presses keys on a page                                         |
//! | [`browser`] | a headless browser that loads a page and says what it became   |

pub mod browser;
pub mod keys;
pub mod shop;
