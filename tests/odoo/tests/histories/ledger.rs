//! What came of the ledger of a scenario's own provider: its rows and payouts, their entries in the
//! books, what the bank shows, and what the books still have on clearing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use trueup_domain::money::Currency;
use trueup_store::{facts, summaries, values};

use crate::provider;
use crate::seen::{Account, in_words, is_settled, roles, tell_lines, text, word};

/// By role and currency.
type Sums = BTreeMap<(String, String), i64>;

fn code(text: &str) -> Currency {
    Currency::parse(text).expect("a currency")
}

fn told_by_currency(sums: &Sums) -> String {
    let mut by_currency: BTreeMap<&str, BTreeMap<String, i64>> = BTreeMap::new();
    for ((role, currency), minor) in sums {
        by_currency.entry(currency).or_default().insert(role.clone(), *minor);
    }
    let told: Vec<String> = by_currency
        .into_iter()
        .map(|(currency, sums)| format!("{currency} {}", in_words(&sums, code(currency))))
        .collect();
    if told.is_empty() { "nothing".to_owned() } else { told.join("; ") }
}

impl Account<'_> {
    pub fn ledger(&mut self, told: &mut String) {
        let provider = provider::connection_of(self.scenario);
        let bank = provider::bank_of(self.scenario);
        let roots = self.roots_of(&provider, &["ledger_row", "payout", "dispute"]);
        told.push_str("ledger\n");
        let mut expected = Sums::new();
        for root in &roots {
            self.rows(root, told, &mut expected);
        }
        told.push_str("ledger in odoo\n");
        let (held, mut all_settled) = self.entries_of_ledger(&roots, told);
        for root in &roots {
            let own = root.clone();
            all_settled &= !self.read(move |tx| summaries::is_open(tx, &own));
        }
        expected.retain(|_, minor| *minor != 0);
        if all_settled && expected != held {
            self.wrong.push(format!(
                "the ledger expects of Odoo {}; it holds {}",
                told_by_currency(&expected),
                told_by_currency(&held)
            ));
        }
        for ((role, currency), minor) in held {
            if role.starts_with("clearing/") {
                *self.clearing.entry(currency).or_default() += minor;
            }
        }
        let holds = self.clearing.iter().filter(|(_, minor)| **minor != 0);
        let holds: Vec<String> = holds
            .map(|(currency, minor)| format!("{} {currency}", text(*minor, code(currency))))
            .collect();
        let holds = if holds.is_empty() { "nothing".to_owned() } else { holds.join(", ") };
        writeln!(told, "  clearing holds {holds}").expect("written");
        told.push_str("payouts\n");
        for like in [format!("payout/{provider}/%"), format!("bank/{provider}/%")] {
            let rows = self.read(move |tx| {
                let sql = "SELECT key, status, detail FROM scopes WHERE key LIKE $1 ORDER BY key";
                tx.query(sql, values![like])
            });
            for row in rows {
                let (key, status) = (row.text(0).expect("a key"), row.text(1).expect("a status"));
                let detail = row.opt_text(2).expect("text").unwrap_or_default();
                let why = if detail.is_empty() { detail } else { format!(": {detail}") };
                writeln!(told, "  {key} {status}{why}").expect("written");
            }
        }
        let mut lines = self.roots_of(&bank, &["bank_line"]);
        lines.extend(self.roots_of(&provider, &["match"]));
        if !lines.is_empty() {
            told.push_str("bank\n");
        }
        for line in &lines {
            self.rows(line, told, &mut Sums::new());
        }
    }

    /// The roots of some kinds, but of those that say nothing.
    fn roots_of(&self, connection: &str, kinds: &'static [&'static str]) -> Vec<String> {
        let connection = connection.to_owned();
        let rows = self.read(move |tx| {
            tx.query(
                "SELECT id, kind FROM roots WHERE connection = $1 ORDER BY id",
                values![connection],
            )
        });
        let of = rows.iter().filter(|row| kinds.contains(&row.text(1).expect("a kind").as_str()));
        of.map(|row| row.text(0).expect("an id")).collect()
    }

    /// Writes the entries of a root, and adds what Odoo is to hold for them.
    fn rows(&self, root: &str, told: &mut String, expected: &mut Sums) {
        let own = root.to_owned();
        let lines = self.read(move |tx| facts::lines_of_root(tx, &own));
        let own = root.to_owned();
        let is_in_entry = self.read(move |tx| summaries::holds(tx, &own));
        let id = root.splitn(3, '/').nth(2).unwrap_or(root);
        let id = id.replace(&format!("_{}_", self.scenario.name), "_");
        let mut entries: Vec<(String, Sums)> = Vec::new();
        for line in &lines {
            let back = if line.reversal { " taken back" } else { "" };
            let again = match line.generation {
                1 => String::new(),
                generation => format!(", generation {generation}"),
            };
            let by =
                if line.booker == "trueup" { String::new() } else { format!(" [{}]", line.booker) };
            let head = format!("{} {}{again}{back}{by}", line.day, line.kind);
            let role = match line.role.as_str() {
                "clearing" => format!("clearing/{}", line.qualifier),
                role => role.to_owned(),
            };
            if is_in_entry {
                *expected.entry((role.clone(), line.currency.clone())).or_default() += line.amount;
            }
            let at = entries.iter().position(|(known, _)| *known == head).unwrap_or_else(|| {
                entries.push((head, Sums::new()));
                entries.len() - 1
            });
            *entries[at].1.entry((role, line.currency.clone())).or_default() += line.amount;
        }
        for (head, sums) in entries {
            writeln!(told, "  {id} {head}: {}", told_by_currency(&sums)).expect("written");
        }
    }

    /// Writes the entries that the rows are in, and returns what they come to; and whether Odoo has
    /// each of them.
    fn entries_of_ledger(&self, roots: &[String], told: &mut String) -> (Sums, bool) {
        let roles = roles(&self.stage.mappings[&self.scenario.name]);
        let (mut sums, mut all_settled, mut seen) = (Sums::new(), true, BTreeSet::new());
        let mut lines = Vec::new();
        let commands = roots.iter().flat_map(|root| self.entries(root));
        for command in commands.filter(|command| command.state != "withdrawn") {
            if !seen.insert(command.key.clone()) {
                continue;
            }
            let (_, of) = command.root.split_once("/summary/").expect("a summary");
            let currency = of.rsplit('/').next().expect("a currency");
            let of = of.replace(&format!("_{}_", self.scenario.name), "_");
            let number = command.key.rsplit('/').nth(1).unwrap_or_default();
            all_settled &= is_settled(&command.state);
            let record = command.binding.as_deref().and_then(|id| id.parse::<i64>().ok());
            let Some(record) = record.filter(|_| command.state == "applied") else {
                let why = command.error.as_deref().unwrap_or_default();
                lines.push(format!("{of} {number}: {} {why}", command.state));
                continue;
            };
            let (of_move, _) = self.effect(record, code(currency), &roles);
            let row = &self.held.moves[&record];
            lines.push(format!(
                "{of} {number}: {} of {}: {}",
                word(&row["state"]),
                word(&row["date"]),
                in_words(&of_move, code(currency))
            ));
            for (role, minor) in of_move {
                *sums.entry((role, currency.to_owned())).or_default() += minor;
            }
        }
        tell_lines(lines, told);
        sums.retain(|_, minor| *minor != 0);
        (sums, all_settled)
    }
}
