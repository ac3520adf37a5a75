-- When a ledger is gathered once more after its day was named: what was decided in that moment by a
-- process that knew another day is written by then.
ALTER TABLE ledgers ADD COLUMN again_at BIGINT;
