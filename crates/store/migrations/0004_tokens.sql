-- Tokens that live for a while, one for each connection whose vendor gives such.
CREATE TABLE tokens (
    connection TEXT PRIMARY KEY,
    token TEXT NOT NULL,
    -- Microseconds since 1970.
    until BIGINT NOT NULL
);
