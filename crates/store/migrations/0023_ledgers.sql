-- From which day on the rows of a connection's ledger are to be summed up into the books, as they
-- were gathered for that.
CREATE TABLE ledgers (
    connection TEXT PRIMARY KEY,
    since TEXT NOT NULL
);
