//! Bugs on purpose.
//!
//! A build with the feature `planted`, made by `cargo xtask reliability planted` and shipped to
//! nobody, holds some dozens of named bugs, one of which is switched on at a time: the simulation
//! must find each. In every other build [`planted`] is `false` for the compiler, and nothing of
//! them is left.

/// Whether this build holds bugs at all.
pub const BUILT_IN: bool = cfg!(feature = "planted");

#[cfg(not(feature = "planted"))]
#[inline(always)]
pub const fn planted(_bug: &str) -> bool {
    false
}

#[cfg(feature = "planted")]
pub use switch::{plant, planted, was_met};

#[cfg(feature = "planted")]
mod switch {
    use std::cell::Cell;

    thread_local! {
        static ON: Cell<Option<&'static str>> = const { Cell::new(None) };
        static MET: Cell<bool> = const { Cell::new(false) };
    }

    /// Switches one bug on in this thread, and every other one off.
    pub fn plant(bug: Option<&'static str>) {
        ON.set(bug);
        MET.set(false);
    }

    /// Whether the bug that is switched on was come across since it was.
    pub fn was_met() -> bool {
        MET.get()
    }

    /// Whether this bug is to be there.
    pub fn planted(bug: &str) -> bool {
        let on = ON.get() == Some(bug);
        if on {
            MET.set(true);
        }
        on
    }
}
