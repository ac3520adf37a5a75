-- Commands that a person skipped, with who and why: those that the target refused, and what cannot be
-- without them. A row stands as long as its command is `skipped`.
CREATE TABLE skips (
    command TEXT PRIMARY KEY,
    -- The command that was refused and that the person skipped: itself, or what it cannot be without.
    head TEXT NOT NULL,
    -- The key under which the books would state it; empty where it states nothing.
    states_key TEXT NOT NULL,
    person TEXT NOT NULL,
    reason TEXT NOT NULL,
    made_at BIGINT NOT NULL
);
CREATE INDEX skips_head ON skips (head);
CREATE INDEX skips_key ON skips (states_key) WHERE states_key <> '';
-- What stands and a person took as it is, or skipped.
DROP INDEX cases_accepted;
CREATE INDEX cases_taken ON cases (closed_at) WHERE closed_as IN ('accepted', 'skipped');
