//! A disk that loses power.
//!
//! | module       | holds                                                                    |
//! |--------------|--------------------------------------------------------------------------|
//! | [`record`]   | all that SQLite writes to its files, and when it has them synced         |
//! | [`outage`]   | what a disk may hold after the power went away at any moment of a record |

pub mod outage;
pub mod record;
