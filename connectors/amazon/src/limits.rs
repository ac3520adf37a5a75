//! How fast Amazon lets itself be asked: each operation has an allowance of its own, for each seller and
//! application, and replies name its rate in `x-amzn-RateLimit-Limit` (Usage Plans and Rate Limits;
//! the figures are those of the API models).

use trueup_connect::limits::{Draw, Limits, Rate, Said, millionths};
use trueup_connect::{Reply, Request};

pub static LIMITS: Limits = Limits { draws, says };

const HEADER: &str = "x-amzn-ratelimit-limit";

/// By the path of an operation, the longest first.
pub(crate) const RATES: [(&str, &str, Rate); 4] = [
    ("/orders/2026-01-01/orders/", "getOrder", Rate::millionths_per_second(500_000, 30)),
    ("/orders/2026-01-01/orders", "searchOrders", Rate::millionths_per_second(5_600, 20)),
    (
        "/reports/2021-06-30/documents/",
        "getReportDocument",
        Rate::millionths_per_second(16_700, 15),
    ),
    ("/reports/2021-06-30/reports", "getReports", Rate::millionths_per_second(22_200, 10)),
];

/// Documents themselves lie elsewhere, where nobody counts.
pub(crate) fn operation(path: &str) -> Option<(&'static str, Rate)> {
    let known = RATES.iter().find(|(start, ..)| path.starts_with(start));
    known.map(|(_, name, rate)| (*name, *rate))
}

fn draws(_: &str, request: &Request) -> Option<Draw> {
    operation(&request.path).map(|(name, rate)| Draw::call(name, rate))
}

fn says(reply: &Reply) -> Said {
    Said {
        per_second: reply.header(HEADER).and_then(millionths).filter(|rate| *rate > 0),
        refused: reply.status == 429,
        ..Said::default()
    }
}
