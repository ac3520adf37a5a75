-- What cases have in common: those with the same cause are worked together. Empty where one stands
-- alone.
ALTER TABLE cases ADD COLUMN cause TEXT NOT NULL DEFAULT '';
CREATE INDEX cases_cause ON cases (cause, opened_at) WHERE closed_at IS NULL AND cause <> '';
