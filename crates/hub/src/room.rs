//! How much room the disk of the store has left, and what is not done any more while it is short
//! (row C8 of the failure model).

use std::sync::{Arc, Mutex, PoisonError};

const GIB: u64 = 1 << 30;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Plenty,
    /// A person is told.
    Filling,
    /// Nothing is polled, and what no money waits for is not delivered.
    Scarce,
    /// Nothing more is taken in. What is here goes on, into the room that is left.
    Full,
}

/// From how full a disk on something is left undone: so many thousandths of it are used, *and* less
/// than so many bytes are left. Five hundredths of a large disk are room for years, and who turns
/// orders away for them does harm.
const MARKS: [(Level, u64, u64); 3] =
    [(Level::Full, 950, GIB), (Level::Scarce, 900, 4 * GIB), (Level::Filling, 800, 16 * GIB)];

/// How full a disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Thousandths of what this user may use.
    pub used_per_mille: u64,
    /// Bytes that this user may still use.
    pub left: u64,
}

impl Level {
    pub fn of(fill: Fill) -> Self {
        let reached =
            |(_, used, left): &&(Self, u64, u64)| fill.used_per_mille >= *used && fill.left < *left;
        MARKS.iter().find(reached).map_or(Self::Plenty, |(level, ..)| *level)
    }

    /// What the hub leaves undone, for people.
    pub const fn says(self) -> &'static str {
        match self {
            Self::Plenty => "nothing is left undone",
            Self::Filling => {
                "nothing is left undone yet; from 90 % and with less than 4 GiB nothing is polled"
            }
            Self::Scarce => {
                "nothing is polled, and goods and ties of payments are not delivered; from 95 % \
                 and with less than 1 GiB nothing is taken in"
            }
            Self::Full => {
                "nothing is taken in: senders are told to come again, and what they give up on is \
                 polled for when there is room"
            }
        }
    }
}

/// The room as it was seen last, shared by all who mind it.
#[derive(Clone, Debug, Default)]
pub struct Room(Arc<Mutex<Fill>>);

/// As nobody has looked yet, or the store is a database elsewhere.
impl Default for Fill {
    fn default() -> Self {
        Self { used_per_mille: 0, left: u64::MAX }
    }
}

impl Room {
    pub fn note(&self, fill: Fill) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = fill;
    }

    pub fn fill(&self) -> Fill {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn level(&self) -> Level {
        Level::of(self.fill())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c8_less_is_done_the_fuller_the_disk_is() {
        for (used_per_mille, left, level) in [
            (0, 0, Level::Plenty),
            (799, 0, Level::Plenty),
            (800, 16 * GIB - 1, Level::Filling),
            (800, 16 * GIB, Level::Plenty),
            (899, 0, Level::Filling),
            (900, 4 * GIB - 1, Level::Scarce),
            (900, 4 * GIB, Level::Filling),
            (949, 0, Level::Scarce),
            (950, GIB - 1, Level::Full),
            (950, GIB, Level::Scarce),
            (1000, 16 * GIB, Level::Plenty),
            (1000, 0, Level::Full),
        ] {
            assert_eq!(Level::of(Fill { used_per_mille, left }), level, "{used_per_mille}, {left}");
        }
    }
}
