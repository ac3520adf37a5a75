-- Which rows of the sub-ledger go into the books within an entry of ours, and in which: a reversal
-- is a row of its own, as in `entry_lines`. Each row is in at most one entry, once for ever.
CREATE TABLE summary_rows (
    root TEXT NOT NULL,
    kind TEXT NOT NULL,
    part TEXT NOT NULL,
    generation BIGINT NOT NULL,
    reversal BIGINT NOT NULL,
    connection TEXT NOT NULL,
    day TEXT NOT NULL,
    currency TEXT NOT NULL,
    written_at BIGINT NOT NULL,
    -- The root of the day's entries, and the number of the entry; null while it is in none.
    summary TEXT,
    entry BIGINT,
    made_at BIGINT,
    PRIMARY KEY (root, kind, part, generation, reversal)
);
CREATE INDEX summary_rows_open ON summary_rows (connection, day, currency, root) WHERE entry IS NULL;
CREATE INDEX summary_rows_entry ON summary_rows (summary, entry, root) WHERE entry IS NOT NULL;
