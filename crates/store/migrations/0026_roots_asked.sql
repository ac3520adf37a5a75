-- When what a root waits for was last asked for; first, since when it waits. A mapping is asked of nobody.
ALTER TABLE roots ADD COLUMN asked_at BIGINT;
UPDATE roots SET asked_at = waiting_since WHERE waiting IS NOT NULL;
CREATE INDEX roots_asked ON roots (asked_at) WHERE waiting IS NOT NULL AND waiting <> 'mapping';
