-- Connections whose other side failed to answer: how often in a row, and when it is asked again.
CREATE TABLE breakers (
    connection TEXT PRIMARY KEY,
    failures BIGINT NOT NULL,
    since BIGINT NOT NULL,
    until BIGINT NOT NULL,
    batch BIGINT NOT NULL,
    code TEXT NOT NULL,
    error TEXT NOT NULL
);
