-- How much may go out together in a lane whose target was too slow for whole batches. A lane without a
-- row is well.
CREATE TABLE paces (
    connection TEXT NOT NULL,
    lane TEXT NOT NULL,
    most BIGINT NOT NULL,
    PRIMARY KEY (connection, lane)
);
