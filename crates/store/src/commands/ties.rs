//! Ties of documents and payments when one of the two ends is taken back.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use trueup_domain::command::{CommandKind, Content, Extent, ReconciliationContent, reversal_of};
use trueup_domain::fact::{Command, FactKey};

use super::{
    COMMANDS, Shown, effect_key, insert, is_there, newest_generation, reversal_key, shown,
};
use crate::database::Tx;
use crate::facts::Place;
use crate::{Result, values};

/// The tie of a reversal to what it takes back.
pub(super) fn undoing_key(own: &str) -> String {
    format!("{}/tie", reversal_key(own))
}

/// The roles under which a tie finds the two records that it ties.
pub(super) fn is_end(role: &str) -> bool {
    matches!(role, "payment" | "document")
}

/// The tie that takes the place of what was tied to the generation before: until it is done, what
/// the newest one is to be tied to may not be free.
pub(super) fn freed_by(
    tx: &mut Tx<'_>,
    place: Place<'_>,
    root: &str,
    fact: &FactKey,
) -> Result<Option<String>> {
    let newest = newest_generation(tx, place, root, fact)?;
    for older in (1..newest).rev() {
        let undoing = undoing_key(&effect_key(place, root, fact, older));
        if is_there(tx, &undoing)? {
            return Ok(Some(undoing));
        }
    }
    Ok(None)
}

/// Ties the reversal of a document or payment to what it takes back, in the place of whatever was
/// tied to that: it is open again, and free for the successor.
pub(super) fn take_its_place(
    tx: &mut Tx<'_>,
    place: Place<'_>,
    key: &FactKey,
    generation: u32,
    command: &Command,
) -> Result<()> {
    let (Content::Invoice(_) | Content::CreditNote(_) | Content::Payment(_), Some(amount)) =
        (&command.content, command.content.total())
    else {
        return Ok(());
    };
    let Some((back, _)) = reversal_of(&command.content) else { return Ok(()) };
    let tie = Command {
        target: command.target.clone(),
        content: Content::Reconciliation(ReconciliationContent {
            company: command.content.company().to_owned(),
            payment: back.kind(),
            document: command.content.kind(),
            amount,
            extent: Extent::Instead,
        }),
        after: Vec::new(),
        states: None,
    };
    let own = effect_key(place, place.root, key, generation);
    let needs = BTreeMap::from([
        ("payment".to_owned(), reversal_key(&own)),
        ("document".to_owned(), own.clone()),
    ]);
    insert(tx, place, &undoing_key(&own), key, generation, &tie, &needs)
}

/// What is to be tied to a record that a reversal will free waits until it is free. Reversals do not
/// wait for each other.
pub(super) fn wait_for_freed(tx: &mut Tx<'_>, own: &str, tied: &[Shown]) -> Result<()> {
    let undoing = undoing_key(own);
    if !is_there(tx, &undoing)? {
        return Ok(());
    }
    for tie in tied {
        for freed in ends_of(tx, &tie.key)?.into_values().filter(|end| end != own) {
            let rows = tx.query(
                "SELECT c.key FROM commands c JOIN command_after a ON a.command = c.key
                 WHERE a.needs = $1 AND a.role IN ('payment', 'document')
                     AND c.kind = 'reconciliation' AND c.state IN ('waiting', 'ready')
                     AND c.key NOT LIKE '%/rev/tie'
                 ORDER BY c.key",
                values![&freed],
            )?;
            for row in &rows {
                let waits = row.text(0)?;
                tx.write(
                    "INSERT INTO command_after (command, role, needs) VALUES ($1, $2, $3)
                     ON CONFLICT DO NOTHING",
                    values![&waits, format!("freed/{undoing}"), &undoing],
                )?;
                tx.write(
                    "UPDATE commands SET state = 'waiting' WHERE key = $1 AND state = 'ready'",
                    values![&waits],
                )?;
            }
        }
    }
    Ok(())
}

/// Ties what was tied to a record to its successor, as far as both are open: the money that paid
/// the first invoice pays the second.
pub(super) fn pass_on(
    tx: &mut Tx<'_>,
    place: Place<'_>,
    (key, generation): (&FactKey, u32),
    (own, next): (&str, &str),
    tied: &[Shown],
    notes: &[Shown],
) -> Result<()> {
    let undoing = undoing_key(own);
    let mut settled = BTreeMap::from([("settled".to_owned(), undoing.clone())]);
    for (number, tie) in tied.iter().enumerate() {
        let Content::Reconciliation(content) = &tie.content else { continue };
        let mut content = content.clone();
        if content.extent != Extent::Instead {
            content.extent = Extent::WhatIsOpen;
        }
        let mut needs = ends_of(tx, &tie.key)?;
        for needed in needs.values_mut().filter(|needed| *needed == own) {
            next.clone_into(needed);
        }
        needs.insert("settled".to_owned(), undoing.clone());
        let again = format!("{own}/tie/{number}");
        let command = tie_again(tie, content);
        insert(tx, place, &again, key, generation, &command, &needs)?;
        settled.insert(format!("settled/{number}"), again);
    }
    // Money first: a note is only what was left open.
    for (number, note) in notes.iter().enumerate() {
        let Some(amount) = note.content.total() else { continue };
        let content = ReconciliationContent {
            company: note.content.company().to_owned(),
            payment: CommandKind::CreditNote,
            document: CommandKind::Invoice,
            amount,
            extent: Extent::WhatIsOpen,
        };
        let mut needs = settled.clone();
        needs.insert("payment".to_owned(), note.key.clone());
        needs.insert("document".to_owned(), next.to_owned());
        let command = tie_again(note, content);
        insert(tx, place, &format!("{own}/note/{number}"), key, generation, &command, &needs)?;
    }
    Ok(())
}

fn tie_again(like: &Shown, content: ReconciliationContent) -> Command {
    Command {
        target: like.target.clone(),
        content: Content::Reconciliation(content),
        after: Vec::new(),
        states: None,
    }
}

/// The ties of a record that have left, from either end.
pub(super) fn ties_of(tx: &mut Tx<'_>, record: &str) -> Result<Vec<Shown>> {
    let rows = tx.query(
        &format!(
            "{COMMANDS} WHERE kind = 'reconciliation' AND state IN ('sent', 'unknown', 'applied')
                 AND key IN (SELECT command FROM command_after
                     WHERE needs = $1 AND role IN ('payment', 'document'))
             ORDER BY key"
        ),
        values![record],
    )?;
    rows.iter().map(shown).collect()
}

/// The credit notes that the target tied to an invoice by itself, because it was open when they
/// were posted: those that waited for no tie of money.
pub(super) fn notes_of(tx: &mut Tx<'_>, invoice: &str) -> Result<Vec<Shown>> {
    let rows = tx.query(
        &format!(
            "{COMMANDS} WHERE kind = 'credit_note' AND state IN ('sent', 'unknown', 'applied')
                 AND key IN (SELECT command FROM command_after
                     WHERE needs = $1 AND role = 'invoice')
                 AND NOT EXISTS (SELECT 1 FROM command_after s
                     WHERE s.command = commands.key AND s.role LIKE 'settled%')
             ORDER BY key"
        ),
        values![invoice],
    )?;
    rows.iter().map(shown).collect()
}

/// The ties of money to an invoice that are not settled. A credit note of it is posted after them, or
/// the target ties it to the invoice by itself.
pub(super) fn awaited(tx: &mut Tx<'_>, invoice: &str) -> Result<Vec<String>> {
    let ties = money_of(tx, invoice, "'waiting', 'ready', 'sent', 'unknown'")?;
    Ok(ties.into_iter().map(|(tie, _)| tie.key).collect())
}

/// Where the target tied a credit note to its invoice by itself, and the note is taken back, what it
/// took is open again: the money that came since is tied once more, as far as both are open.
pub(super) fn let_money_have(
    tx: &mut Tx<'_>,
    place: Place<'_>,
    (key, generation): (&FactKey, u32),
    note: &str,
) -> Result<()> {
    let invoice = tx.query_one(
        "SELECT needs FROM command_after WHERE command = $1 AND role = 'invoice'
             AND NOT EXISTS (SELECT 1 FROM command_after s
                 WHERE s.command = $1 AND s.role LIKE 'settled%')",
        values![note],
    )?;
    let Some(invoice) = invoice else { return Ok(()) };
    let all = "'waiting', 'ready', 'sent', 'unknown', 'applied'";
    for (number, (tie, content)) in money_of(tx, &invoice.text(0)?, all)?.into_iter().enumerate() {
        let content = ReconciliationContent { extent: Extent::WhatIsOpen, ..content };
        let mut needs = ends_of(tx, &tie.key)?;
        needs.insert("settled".to_owned(), undoing_key(note));
        needs.insert("first".to_owned(), tie.key.clone());
        let again = format!("{note}/money/{number}");
        insert(tx, place, &again, key, generation, &tie_again(&tie, content), &needs)?;
    }
    Ok(())
}

/// The ties of payments to an invoice that are in one of some states.
fn money_of(
    tx: &mut Tx<'_>,
    invoice: &str,
    states: &str,
) -> Result<Vec<(Shown, ReconciliationContent)>> {
    let rows = tx.query(
        &format!(
            "{COMMANDS} WHERE kind = 'reconciliation' AND state IN ({states})
                 AND key IN (SELECT command FROM command_after
                     WHERE needs = $1 AND role = 'document')
             ORDER BY key"
        ),
        values![invoice],
    )?;
    let mut ties = Vec::new();
    for row in &rows {
        let tie = shown(row)?;
        if let Content::Reconciliation(content) = &tie.content
            && content.payment == CommandKind::Payment
        {
            ties.push((tie.clone(), content.clone()));
        }
    }
    Ok(ties)
}

/// What a tie ties, by role.
fn ends_of(tx: &mut Tx<'_>, tie: &str) -> Result<BTreeMap<String, String>> {
    let rows = tx.query(
        "SELECT role, needs FROM command_after
         WHERE command = $1 AND role IN ('payment', 'document')",
        values![tie],
    )?;
    rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?))).collect()
}

/// The ties in whose place the reversal of one of their ends is tied.
pub(super) fn undone(tx: &mut Tx<'_>) -> Result<BTreeSet<String>> {
    let rows = tx.query(
        "SELECT t.key FROM commands u JOIN command_after e
                 ON u.key = e.needs || '/rev/tie' AND e.role IN ('payment', 'document')
             JOIN commands t ON t.key = e.command
         WHERE u.kind = 'reconciliation' AND u.state = 'applied' AND t.kind = 'reconciliation'
             AND t.key <> u.key",
        values![],
    )?;
    rows.iter().map(|row| row.text(0)).collect()
}

/// Lets the reversals that are not there yet wait for the ties that are to be made again, as they
/// would have for ties under way: the target would set them off against what is open without those.
pub(super) fn before_reversals(tx: &mut Tx<'_>, again: &[String]) -> Result<()> {
    for tie in again.iter().filter(|key| !key.ends_with("/rev/tie")) {
        tx.write(
            "INSERT INTO command_after (command, role, needs)
             SELECT r.key, $2, t.key FROM commands t
                 JOIN command_after e ON e.command = t.key AND e.role IN ('payment', 'document')
                 JOIN commands r ON r.key = e.needs || '/rev'
                     AND r.state IN ('waiting', 'ready', 'sent', 'unknown')
             WHERE t.key = $1 AND t.kind = 'reconciliation' AND t.state = 'waiting'
             ON CONFLICT DO NOTHING",
            values![tie, format!("settled/again/{tie}")],
        )?;
    }
    Ok(())
}

/// What would have set an older generation off against a record that will never be.
pub(super) fn withdraw_ties(tx: &mut Tx<'_>, record: &str, now: Timestamp) -> Result<()> {
    tx.write(
        "UPDATE commands SET state = 'withdrawn', done_at = $2
         WHERE state = 'waiting' AND kind = 'reconciliation'
             AND key IN (SELECT command FROM command_after WHERE needs = $1)",
        values![record, now.as_microsecond()],
    )?;
    Ok(())
}

/// Ties of a record that have left and whose outcome is open.
pub(super) fn ties_under_way(tx: &mut Tx<'_>, record: &str) -> Result<Vec<String>> {
    let rows = tx.query(
        "SELECT c.key FROM commands c JOIN command_after a ON a.command = c.key
         WHERE a.needs = $1 AND c.kind = 'reconciliation' AND c.state IN ('sent', 'unknown')
         ORDER BY c.key",
        values![record],
    )?;
    rows.iter().map(|row| row.text(0)).collect()
}
