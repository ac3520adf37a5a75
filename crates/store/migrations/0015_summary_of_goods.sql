-- Goods that are moved by the day are rows of a sum as well: what is summed up is a currency, or the
-- goods of a location of the books, as `goods/8`.
ALTER TABLE summary_rows RENAME COLUMN currency TO what;
