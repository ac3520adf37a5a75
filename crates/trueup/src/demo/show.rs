//! How the demo shows its bridges.

use std::fmt::Write;

use trueup_hub::bridges::Shown;

use crate::print;

/// Each bridge as a column of amounts that ends in what is unexplained.
pub fn bridges(bridges: &[Shown]) -> String {
    let mut text = String::from("Bridges\n");
    if bridges.is_empty() {
        text.push_str("  no two totals have been stated yet\n");
    }
    for bridge in bridges {
        let currency = bridge.from_total.currency();
        let mut line = |what: &str, minor: i64| {
            let _ = writeln!(text, "  {:>16}  {}", print::money(minor, currency.code()), what);
        };
        line(&bridge.from, bridge.from_total.minor());
        for step in &bridge.steps {
            let what = format!("less {} ({})", step.name, step.count);
            line(&what, step.amount.minor().saturating_neg());
        }
        line(&format!("= {}", bridge.to), bridge.to_total.minor());
        line("unexplained", bridge.unexplained.minor());
        text.push('\n');
    }
    text
}
