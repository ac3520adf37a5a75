-- What a row states, so that the payout is found that its money is in; whether it takes that back; and
-- the day of the entry that took it, where that is not the row's own.
ALTER TABLE summary_rows ADD COLUMN states TEXT;
ALTER TABLE summary_rows ADD COLUMN back BIGINT;
ALTER TABLE summary_rows ADD COLUMN dated TEXT;
CREATE INDEX summary_rows_states ON summary_rows (states);
