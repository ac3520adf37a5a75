//! How fast a target lets itself be asked, in the words of its vendor.
//!
//! Vendors count calls, or points of calls, by an allowance that fills up again at a steady rate.
//! Who knows the rate waits before a call that would be refused, and leaves the rest of the
//! allowance to the other programs that share it.

use crate::conversation::{Reply, Request};

/// Allowances are counted in millionths of what the vendor counts, because Amazon gives as little as
/// `0.0056` calls a second.
pub const UNIT: u64 = 1_000_000;

/// How fast an allowance fills up and how much it holds, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Also what may be asked at once after a pause.
    pub most: u64,
    pub per_second: u64,
}

impl Rate {
    /// So many a second, and so many at once.
    pub const fn per_second(calls: u64, most: u64) -> Self {
        Self { most: most * UNIT, per_second: calls * UNIT }
    }

    /// As [`Rate::per_second`], of which vendors give fractions: in millionths of a call.
    pub const fn millionths_per_second(calls: u64, most: u64) -> Self {
        Self { most: most * UNIT, per_second: calls }
    }
}

/// What one request takes of an allowance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draw {
    /// Which of the vendor's allowances for this account.
    pub allowance: &'static str,
    /// What the vendor documents, until a reply says otherwise.
    pub rate: Rate,
    /// Requests of one kind cost alike: what the last one cost is what the next one is taken to.
    pub kind: String,
    /// What a request of a kind costs of which no reply told yet, in millionths.
    pub cost: u64,
    /// The vendor documents no rate, and this one is our care; a connection may say another.
    pub ours: bool,
}

impl Draw {
    /// One call of an allowance that counts calls.
    pub fn call(allowance: &'static str, rate: Rate) -> Self {
        Self { allowance, rate, kind: String::new(), cost: UNIT, ours: false }
    }
}

/// What a reply says of the allowance that its request drew on, in millionths; `None` where it says
/// nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    pub most: Option<u64>,
    pub per_second: Option<u64>,
    /// What is left of it now.
    pub left: Option<u64>,
    /// What the request was counted as.
    pub cost: Option<u64>,
    /// The request was refused because nothing is left.
    pub refused: bool,
}

/// How a connector's target counts.
pub struct Limits {
    /// What a request to this base URL draws on; `None` where nobody counts.
    pub draws: fn(base_url: &str, request: &Request) -> Option<Draw>,
    pub says: fn(reply: &Reply) -> Said,
}

/// Reads a decimal number that is not negative in millionths: `0.0056` is 5600.
pub fn millionths(text: &str) -> Option<u64> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let fraction: String = fraction.chars().chain("000000".chars()).take(6).collect();
    format!("{whole}{fraction}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_to_the_millionth() {
        assert_eq!(millionths("0.0056"), Some(5_600));
        assert_eq!(millionths("2"), Some(2 * UNIT));
        assert_eq!(millionths(" 2000.0 "), Some(2_000 * UNIT));
        assert_eq!(millionths("0.00000049"), Some(0), "what is less is nothing");
        assert_eq!(millionths(".5"), Some(UNIT / 2));
        for wrong in ["", ".", "soon", "-1", "1,5", "1e3", "99999999999999999999"] {
            assert_eq!(millionths(wrong), None, "{wrong}");
        }
    }
}
