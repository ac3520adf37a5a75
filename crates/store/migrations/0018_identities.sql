-- What the target behind a connection said of itself, and when.
CREATE TABLE identities (
    connection TEXT PRIMARY KEY,
    -- What it said when all that we need of it was last looked at; NULL when that is to be looked at
    -- again.
    found TEXT,
    -- When that was, and when it was last the one that is meant. Microseconds since the epoch.
    probed_at BIGINT NOT NULL,
    checked_at BIGINT NOT NULL,
    -- When it was last asked and answered, whatever it said.
    asked_at BIGINT NOT NULL,
    -- The connection is suspended because of what it said.
    stopped BIGINT NOT NULL
);
-- What a target confirmed last.
CREATE INDEX commands_made ON commands (target, done_at)
    WHERE state = 'applied' AND record IS NOT NULL;
-- What of a connection stands still because a right is missing, and until when.
CREATE TABLE pauses (
    connection TEXT NOT NULL,
    -- A lane of commands, or `stream/` and the name of a stream.
    what TEXT NOT NULL,
    -- What we may not do.
    lacks TEXT NOT NULL,
    until BIGINT NOT NULL,
    wait_from BIGINT NOT NULL,
    PRIMARY KEY (connection, what)
);
