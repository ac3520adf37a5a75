-- What was done and by whom, written with what it records. Rows are sealed afterwards, in an order
-- that stays: `number` and `seal` are those of the chain, NULL until then.
CREATE TABLE audit (
    id TEXT PRIMARY KEY,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    person TEXT NOT NULL,
    detail TEXT NOT NULL,
    number BIGINT,
    seal TEXT
);
CREATE INDEX audit_unsealed ON audit (at, id) WHERE number IS NULL;
CREATE UNIQUE INDEX audit_number ON audit (number) WHERE number IS NOT NULL;
CREATE INDEX audit_subject ON audit (subject);
