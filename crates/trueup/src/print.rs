//! How commands print money, tables and the report. The demo and `trueup reconcile` share it.
//!
//! Everything returns text; only commands write to the terminal.

use std::collections::BTreeMap;

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};
use trueup_domain::money::Currency;
use trueup_hub::report::{Absorbed, Accepted, OpenCase, Report, Row, Tally};
use trueup_matching::Status;
use trueup_matching::links::Link;

const STATUSES: [Status; 4] =
    [Status::Proven, Status::NotDue, Status::Broken, Status::NotApplicable];
/// Longer texts in a table are cut; `--json` and the console have them whole.
const CELL_MAX: usize = 56;
/// The last column pushes nothing away.
const LAST_CELL_MAX: usize = 90;

/// A line under the head is enough.
const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A table without frames, whose columns are as wide as what they hold.
pub fn table<const N: usize>(head: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(head);
    table
}

/// Numbers stand on the right.
pub fn right(table: &mut Table, columns: impl IntoIterator<Item = usize>) {
    for column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// A table as text, without the blanks at the ends of its lines.
pub fn lines(table: &Table) -> String {
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// `1234.50`, for machines.
pub fn plain_amount(minor: i64, code: &str) -> String {
    match Currency::parse(code) {
        Ok(currency) => trueup_domain::Money::from_minor(minor, currency).amount_text(),
        // Without a currency nobody knows where the point is.
        Err(_) => minor.to_string(),
    }
}

/// `1,234.50`: the number alone, where the currency stands elsewhere.
pub fn amount(minor: i64, code: &str) -> String {
    grouped(&plain_amount(minor, code))
}

/// `1,234.50 EUR`
pub fn money(minor: i64, code: &str) -> String {
    if code.is_empty() { String::new() } else { format!("{} {code}", amount(minor, code)) }
}

fn grouped(text: &str) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, fraction) =
        digits.split_once('.').map_or((digits, ""), |(whole, rest)| (whole, rest));
    let mut out = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// What came from outside may hold anything; a terminal gets it without characters that steer it or
/// turn the direction of what follows.
pub fn plain(text: &str) -> String {
    text.chars().map(|it| if is_hostile(it) { ' ' } else { it }).collect()
}

/// Control characters, separators of lines, and those that turn the direction of text.
pub fn is_hostile(one: char) -> bool {
    one.is_control()
        || matches!(
            one,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// A text cut to what a table's cell takes.
pub fn short(text: &str) -> String {
    cut(text, CELL_MAX)
}

pub fn cut(text: &str, max: usize) -> String {
    let text = plain(text);
    if text.chars().count() <= max {
        return text;
    }
    let mut cut: String = text.chars().take(max.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// `2026-05-29T10:00:00Z`, without fractions of a second.
pub fn moment(text: &str) -> String {
    match text.parse::<jiff::Timestamp>() {
        Ok(moment) => moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Err(_) => plain(text),
    }
}

/// `not due` for `not_due`.
pub fn word(status: &str) -> String {
    status.replace('_', " ")
}

/// The four-sided report: per day, in all, what is open, what was absorbed.
pub fn report(report: &Report) -> String {
    let mut text =
        format!("Orders of {} to {}, as of {}\n", report.from, report.to, plain(&report.as_of));
    if report.totals.is_empty() {
        text.push_str("\nNo order has been decided in this period.\n");
    }
    for total in &report.totals {
        let whose = format!("{} · {}", total.entity, total.currency);
        text.push_str(&format!(
            "\n{whose}: {} of {}\n",
            orders(total.orders),
            money(total.minor, &total.currency)
        ));
        let days = report
            .days
            .iter()
            .filter(|it| it.entity == total.entity && it.currency == total.currency);
        text.push_str(&days_table(days, total));
    }
    text.push_str(&open(&report.open));
    text.push_str(&accepted(&report.accepted));
    text.push_str(&absorbed(&report.absorbed));
    text
}

fn orders(count: i64) -> String {
    if count == 1 { "1 order".to_owned() } else { format!("{count} orders") }
}

/// One block of lines for each day and one for all: a line for each status that occurs.
fn days_table<'a>(days: impl Iterator<Item = &'a Row>, total: &Row) -> String {
    let mut table = table(["Day", "Status", "Document", "Tender", "Payout", "Bank", "Order"]);
    right(&mut table, 2..7);
    for day in days {
        let name = day.day.clone().unwrap_or_default();
        rows(&mut table, &name, day);
    }
    rows(&mut table, "all days", total);
    lines(&table)
}

fn rows(table: &mut Table, name: &str, row: &Row) {
    let mut name = name.to_owned();
    for status in STATUSES {
        let on = |tallies: Option<&BTreeMap<&'static str, Tally>>| {
            tallies.and_then(|by| by.get(status.word()).copied()).unwrap_or_default()
        };
        let mut tallies: Vec<Tally> =
            Link::ALL.iter().map(|link| on(row.links.get(link.word()))).collect();
        tallies.push(on(Some(&row.overall)));
        if tallies.iter().all(|tally| tally.orders == 0) {
            continue;
        }
        let mut cells = vec![std::mem::take(&mut name), word(status.word())];
        cells.extend(tallies.iter().map(|tally| cell(*tally, &row.currency)));
        table.add_row(cells);
    }
}

fn cell(tally: Tally, currency: &str) -> String {
    if tally.orders == 0 {
        return "–".to_owned();
    }
    format!("{} × {}", tally.orders, amount(tally.minor, currency))
}

/// The list of open cases, oldest first, each with what to do next.
pub fn open(cases: &[OpenCase]) -> String {
    if cases.is_empty() {
        return "\nOpen: nothing.\n".to_owned();
    }
    let mut table = table(["Case", "Type", "Entity", "Amount", "Age", "About"]);
    right(&mut table, [3, 4]);
    for case in cases {
        let sum = case.amount.map(|it| money(it.minor(), it.currency().code()));
        table.add_row([
            id(&case.id),
            word(&case.kind),
            short(&case.entity),
            sum.unwrap_or_default(),
            age(case.age_days),
            cut(&case.title, LAST_CELL_MAX),
        ]);
    }
    format!(
        "\nOpen: {}. `trueup cases show CASE` says more of each.\n{}",
        cases.len(),
        lines(&table)
    )
}

/// What people took as it is or skipped; it is not proven.
pub fn accepted(cases: &[Accepted]) -> String {
    if cases.is_empty() {
        return String::new();
    }
    let mut table = table(["Case", "Type", "Entity", "Amount", "How", "By", "Why"]);
    right(&mut table, [3]);
    for case in cases {
        let sum = case.amount.map(|it| money(it.minor(), it.currency().code()));
        table.add_row([
            id(&case.id),
            word(&case.kind),
            short(&case.entity),
            sum.unwrap_or_default(),
            plain(&case.how),
            short(&case.person),
            cut(&case.reason, LAST_CELL_MAX),
        ]);
    }
    format!(
        "\nAccepted as they are or skipped, and not proven: {}.\n{}",
        cases.len(),
        lines(&table)
    )
}

/// What was healed without a difference.
pub fn absorbed(absorbed: &[Absorbed]) -> String {
    if absorbed.is_empty() {
        return "\nAbsorbed: nothing.\n".to_owned();
    }
    let mut table = table(["What happened", "Times", "Evidence"]);
    right(&mut table, [1]);
    for one in absorbed {
        table.add_row([word(&one.kind), one.times.to_string(), cut(&one.detail, LAST_CELL_MAX)]);
    }
    format!("\nAbsorbed without a difference: {}.\n{}", absorbed.len(), lines(&table))
}

/// The beginning of an id: enough for a person, and commands take it.
pub fn id(id: &str) -> String {
    id.chars().take(10).collect()
}

pub fn age(days: i64) -> String {
    match days {
        0 => "today".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g13_a_terminal_is_not_steered_by_a_name() {
        let name = "Ann\u{1b}[2J\r\n\u{202e}gpj.exe\u{2028}é";
        assert_eq!(plain(name), "Ann [2J   gpj.exe é");
    }

    #[test]
    fn amounts_have_the_decimals_of_their_currency() {
        assert_eq!(money(123_456_789, "EUR"), "1,234,567.89 EUR");
        assert_eq!(money(-50, "USD"), "-0.50 USD");
        assert_eq!(money(1_234, "JPY"), "1,234 JPY");
        assert_eq!(money(100_000, "KWD"), "100.000 KWD");
        assert_eq!(money(i64::MIN, "EUR"), "-92,233,720,368,547,758.08 EUR");
        assert_eq!(money(0, ""), "");
    }

    #[test]
    fn a_report_shows_each_day_each_status_and_both_lists() {
        let tally = |orders, minor| Tally { orders, minor };
        let mut row = Row {
            day: Some("2026-05-29".to_owned()),
            entity: "eu".to_owned(),
            currency: "EUR".to_owned(),
            orders: 3,
            minor: 123_450,
            ..Row::default()
        };
        for link in Link::ALL {
            row.links.insert(link.word(), BTreeMap::from([("proven", tally(3, 123_450))]));
        }
        row.links.insert("bank", BTreeMap::from([("not_due", tally(3, 123_450))]));
        row.overall = BTreeMap::from([("not_due", tally(3, 123_450))]);
        let shown = Report {
            from: "2026-05-29".to_owned(),
            to: "2026-06-04".to_owned(),
            as_of: "2026-06-05T00:00:00Z".to_owned(),
            days: vec![row.clone()],
            totals: vec![Row { day: None, ..row }],
            open: vec![OpenCase {
                id: "abcdef0123456789".to_owned(),
                kind: "short_payout".to_owned(),
                entity: "eu".to_owned(),
                subject: "bank/x".to_owned(),
                title: "a payout\u{1b}[31m is short".to_owned(),
                detail: String::new(),
                remedy: String::new(),
                amount: Some(trueup_domain::Money::from_minor(
                    -250,
                    Currency::parse("EUR").unwrap(),
                )),
                assignee: String::new(),
                age_days: 2,
            }],
            accepted: vec![Accepted {
                id: "0123456789abcdef".to_owned(),
                kind: "refund_failed".to_owned(),
                entity: "eu".to_owned(),
                subject: "stripe/row/1".to_owned(),
                title: String::new(),
                amount: None,
                how: "accepted".to_owned(),
                person: "ann".to_owned(),
                reason: "paid by\u{7} transfer".to_owned(),
                at: String::new(),
            }],
            absorbed: Vec::new(),
        };
        let text = report(&shown);
        assert!(text.contains("eu · EUR: 3 orders of 1,234.50 EUR"), "{text}");
        assert!(text.contains("2026-05-29"), "{text}");
        assert!(text.contains("3 × 1,234.50"), "{text}");
        assert!(text.contains("not due"), "{text}");
        assert!(!text.contains("broken"), "a status that does not occur has no line: {text}");
        assert!(text.contains("-2.50 EUR"), "{text}");
        assert!(text.contains("abcdef0123"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
        assert!(text.contains("not proven: 1") && text.contains("ann"), "{text}");
        assert!(!text.contains('\u{7}'), "{text:?}");
        assert!(text.contains("Absorbed: nothing"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 130), "{text}");
    }
}
