//! The hot queries go through the indexes made for them, whatever the size of the tables.

use trueup_store::{Store, Value, values};

/// The query must stand in the source of its module, so that this file cannot grow stale.
fn check(source: &str, sql: &str, index: &str) {
    let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat(source).contains(&flat(sql)), "no module asks this any more: {sql}");
    let store = Store::in_memory().expect("a store");
    // The plan depends on the text alone; any value will do.
    let values = vec![Value::Int(1); sql.matches('$').count()];
    let last = (1..=values.len()).rev().find(|number| sql.contains(&format!("${number}")));
    let values = &values[..last.unwrap_or(0)];
    let plan = store.read(|tx| tx.query(&format!("EXPLAIN QUERY PLAN {sql}"), values));
    let plan: Vec<String> =
        plan.expect("a plan").iter().map(|row| row.text(3).expect("a detail")).collect();
    assert!(plan.iter().any(|step| step.contains(index)), "{index} is not used: {plan:?}");
    let scans = plan.iter().filter(|step| step.starts_with("SCAN") && !step.contains("INDEX"));
    assert_eq!(scans.count(), 0, "{plan:?}");
}

#[test]
fn messages_that_are_due() {
    let source = include_str!("../../src/messages.rs");
    check(
        source,
        "SELECT id, connection, kind, origin, body, received_at, asked_at, attempts, occurrence,
             error_code FROM messages
         WHERE state = 'received' AND shard >= $1 AND shard < $2
         ORDER BY received_at, id LIMIT $3",
        "messages_due",
    );
    check(
        source,
        "SELECT id FROM messages WHERE state = 'received' AND shard >= $1 AND shard < $2 LIMIT 1",
        "messages_due",
    );
}

#[test]
fn roots_that_are_due() {
    let source = include_str!("../../src/documents.rs");
    check(
        source,
        "SELECT id, connection, kind, external_id, arrived, attempts, mapping_version FROM roots
         WHERE decided < arrived AND shard >= $1 AND shard < $2 ORDER BY shard, id LIMIT $3",
        "roots_due",
    );
    check(
        source,
        "SELECT id FROM roots WHERE decided < arrived AND shard >= $1 AND shard < $2 LIMIT 1",
        "roots_due",
    );
    check(
        source,
        "SELECT kind, body, message FROM documents WHERE root = $1 ORDER BY kind, external_id",
        "documents_root",
    );
}

#[test]
fn scopes_that_are_due() {
    let source = include_str!("../../src/scopes.rs");
    check(
        source,
        "SELECT key, arrived, attempts, status FROM scopes
         WHERE judged < arrived AND shard >= $1 AND shard < $2 ORDER BY shard, key LIMIT $3",
        "scopes_due",
    );
    check(
        source,
        "SELECT key FROM scopes WHERE judged < arrived AND shard >= $1 AND shard < $2 LIMIT 1",
        "scopes_due",
    );
    check(
        source,
        "SELECT m.id, m.key FROM matches m JOIN match_items i ON i.match = m.id
         WHERE i.item = $1 AND i.live = 1",
        "match_items_once",
    );
    check(
        source,
        "SELECT m.id, m.rule, i.item FROM matches m JOIN match_items i ON i.match = m.id
         WHERE m.key = $1 AND i.live = 1 ORDER BY m.id, i.item",
        "matches_key",
    );
}

#[test]
fn commands_that_can_go() {
    let source = include_str!("../../src/commands.rs");
    check(
        source,
        "SELECT lane, kind, COUNT(*), MIN(created_at) FROM commands c
         WHERE target = $1 AND state = 'ready' AND next_at <= $2 AND NOT EXISTS (
             SELECT 1 FROM conversations v WHERE v.connection = $1 AND v.lane = c.lane)
         GROUP BY lane, kind ORDER BY MIN(created_at), lane",
        "commands_ready",
    );
    check(
        source,
        "SELECT DISTINCT lane FROM commands c
         WHERE target = $1 AND state = 'unknown' AND next_at <= $2 AND NOT EXISTS (
             SELECT 1 FROM conversations v WHERE v.connection = $1 AND v.lane = c.lane)
             AND NOT EXISTS (
             SELECT 1 FROM command_after a JOIN commands n ON n.key = a.needs
             WHERE a.command = c.key AND n.state IN ('waiting', 'ready', 'sent', 'unknown'))
         ORDER BY lane",
        "commands_unknown",
    );
    check(
        source,
        "UPDATE commands SET state = 'unknown', next_at = $2, wait_from = $3,
             conversation = NULL, error_code = $4, error = $5
         WHERE conversation = $1 AND state IN ('sent', 'unknown')",
        "commands_conversation",
    );
    check(source, "SELECT command FROM command_after WHERE needs = $1", "command_after_needs");
    check(
        include_str!("../../src/commands/conversations.rs"),
        "SELECT id, lane, step, wait_until FROM conversations
         WHERE connection = $1 ORDER BY started_at, id",
        "COVERING INDEX conversations_kept",
    );
}

#[test]
fn commands_that_nobody_carries() {
    check(
        include_str!("../../src/commands.rs"),
        "SELECT DISTINCT lane FROM commands c WHERE target = $1 AND state = 'sent'
             AND NOT EXISTS (SELECT 1 FROM conversations v WHERE v.id = c.conversation)
         ORDER BY lane",
        "commands_sent",
    );
}

#[test]
fn commands_that_wait() {
    check(
        include_str!("../../src/waits.rs"),
        "UPDATE commands SET next_at = $1
             WHERE state IN ('ready', 'unknown') AND next_at > 0 AND next_at > $1
                 AND (next_at > $2 OR wait_from > $3)",
        "commands_waits",
    );
}

#[test]
fn items_of_a_key() {
    let source = include_str!("../../src/facts.rs");
    let items = "SELECT i.id, i.root, i.entity, i.side, i.kind, i.key, i.currency, i.amount,
     i.day, i.due, i.hints, m.match, i.part
     FROM items i LEFT JOIN match_items m ON m.item = i.id AND m.live = 1 WHERE i.live = 1";
    check(source, items, "match_items_once");
    let store = Store::in_memory().expect("a store");
    for (condition, index) in [("i.key = $1", "items_key"), ("i.root = $1", "items_root")] {
        let sql = format!("EXPLAIN QUERY PLAN {items} AND {condition}");
        let plan = store.read(|tx| tx.query(&sql, values!["x"])).expect("a plan");
        let uses = plan.iter().any(|step| step.text(3).is_ok_and(|step| step.contains(index)));
        assert!(uses, "{condition}: {plan:?}");
    }
}

#[test]
fn sums_of_days() {
    check(
        include_str!("../../src/proofs.rs"),
        "SELECT day, entity, currency, document, tender, payout, bank, overall, COUNT(*),
             CAST(SUM(amount) AS BIGINT)
         FROM proofs WHERE day >= $1 AND day <= $2
         GROUP BY day, entity, currency, document, tender, payout, bank, overall
         ORDER BY day, entity, currency",
        "COVERING INDEX proofs_day",
    );
    check(
        include_str!("../../src/scopes.rs"),
        "SELECT entity, currency, word, status, COUNT(*), CAST(SUM(amount) AS BIGINT),
             CAST(SUM(difference) AS BIGINT)
         FROM scopes WHERE day >= $1 AND day <= $2
         GROUP BY entity, currency, word, status ORDER BY entity, currency, word, status",
        "COVERING INDEX scopes_day",
    );
    check(
        include_str!("../../src/messages.rs"),
        "SELECT connection, state, COUNT(*), MAX(received_at) FROM messages
         GROUP BY connection, state ORDER BY connection, state",
        "COVERING INDEX messages_counts",
    );
    check(
        include_str!("../../src/commands.rs"),
        "SELECT target, kind, state, COUNT(*) FROM commands GROUP BY target, kind, state
         ORDER BY target, kind, state",
        "COVERING INDEX commands_counts",
    );
}
