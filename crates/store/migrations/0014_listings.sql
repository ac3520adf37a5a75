-- The completeness ledger: windows of time of which a source was asked to list what it made.
CREATE TABLE listings (
    connection TEXT NOT NULL,
    kind TEXT NOT NULL,
    -- What was made at or after the one and before the other.
    from_at BIGINT NOT NULL,
    until_at BIGINT NOT NULL,
    -- asked, gap or whole
    state TEXT NOT NULL,
    -- When the question left that was answered last; null before the first answer.
    asked_at BIGINT,
    -- Since when something that the source lists is not here.
    gap_since BIGINT,
    next_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    error_code TEXT,
    error TEXT,
    -- What the source listed: how many, the sums (JSON of money) and the hash of the ids.
    listed BIGINT NOT NULL,
    sums TEXT NOT NULL,
    hash TEXT NOT NULL,
    -- How many it lists that are not here as listed, and how many are here that it does not list.
    lacking BIGINT NOT NULL,
    unlisted BIGINT NOT NULL,
    PRIMARY KEY (connection, kind, from_at)
);
CREATE INDEX listings_due ON listings (connection, next_at);
CREATE INDEX listings_open ON listings (connection, kind, from_at) WHERE state <> 'whole';
CREATE INDEX documents_occurred ON documents (connection, at) WHERE kind = 'ledger_row';
