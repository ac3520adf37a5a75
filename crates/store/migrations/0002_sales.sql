-- What each document of a sale adds to the measures of the sales report, by SKU: a projection of the
-- documents, kept by DECIDE. Money is minor units of `currency`.
CREATE TABLE sale_rows (
    root TEXT NOT NULL,
    document TEXT NOT NULL,
    sku TEXT NOT NULL,
    -- The business day of the document, and of its order.
    day TEXT NOT NULL,
    order_day TEXT NOT NULL,
    entity TEXT NOT NULL,
    connection TEXT NOT NULL,
    currency TEXT NOT NULL,
    source TEXT NOT NULL,
    -- Why it counts nowhere; empty where it counts.
    excluded TEXT NOT NULL,
    gross BIGINT NOT NULL,
    discounts BIGINT NOT NULL,
    returns BIGINT NOT NULL,
    shipping BIGINT NOT NULL,
    duties BIGINT NOT NULL,
    tips BIGINT NOT NULL,
    tax_own BIGINT NOT NULL,
    tax_marketplace BIGINT NOT NULL,
    discounts_platform BIGINT NOT NULL,
    discounts_supplier BIGINT NOT NULL,
    gift_wrap BIGINT NOT NULL,
    rounding BIGINT NOT NULL,
    adjustments BIGINT NOT NULL,
    gift_cards_sold BIGINT NOT NULL,
    gift_cards_used BIGINT NOT NULL,
    gift_cards_refunded BIGINT NOT NULL,
    stated BIGINT NOT NULL,
    orders BIGINT NOT NULL,
    units BIGINT NOT NULL,
    units_returned BIGINT NOT NULL,
    PRIMARY KEY (root, document, sku)
);
CREATE INDEX sale_rows_day ON sale_rows (day, root, document);
CREATE INDEX sale_rows_order_day ON sale_rows (order_day, root, document);

-- What each document of a sale adds to each tax, kept likewise.
CREATE TABLE sale_taxes (
    root TEXT NOT NULL,
    document TEXT NOT NULL,
    regime TEXT NOT NULL,
    jurisdiction TEXT NOT NULL,
    rate TEXT NOT NULL,
    remitted_by TEXT NOT NULL,
    -- The tax of the books; empty where the mapping names none.
    target TEXT NOT NULL,
    day TEXT NOT NULL,
    order_day TEXT NOT NULL,
    entity TEXT NOT NULL,
    connection TEXT NOT NULL,
    currency TEXT NOT NULL,
    base BIGINT NOT NULL,
    tax BIGINT NOT NULL,
    PRIMARY KEY (root, document, regime, jurisdiction, rate, remitted_by, target)
);
CREATE INDEX sale_taxes_day ON sale_taxes (day, root, document);

-- Sales that were decided before these tables were there are decided again, which fills them.
UPDATE roots SET arrived = arrived + 1 WHERE kind = 'sale';
