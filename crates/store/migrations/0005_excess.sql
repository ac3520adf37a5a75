-- What refunds give back of money that was captured beyond the sale, as a measure of its own.
ALTER TABLE sale_rows ADD COLUMN excess BIGINT NOT NULL DEFAULT 0;

-- Sales that were decided before are decided again, which fills it.
UPDATE roots SET arrived = arrived + 1 WHERE kind = 'sale';
