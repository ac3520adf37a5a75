-- Connections whose deliveries wait until a person releases them.
CREATE TABLE holds (
    connection TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    since BIGINT NOT NULL
);
