-- What a channel charges beside the goods, as a measure of its own. Sales that were kept before had none.
ALTER TABLE sale_rows ADD COLUMN fees BIGINT NOT NULL DEFAULT 0;
