-- When it was said that something waits: what was said later than now, a wrong clock said (C7).
ALTER TABLE commands ADD COLUMN wait_from BIGINT NOT NULL DEFAULT 0;
ALTER TABLE conversations ADD COLUMN wait_from BIGINT NOT NULL DEFAULT 0;
ALTER TABLE streams ADD COLUMN wait_from BIGINT NOT NULL DEFAULT 0;
ALTER TABLE reads ADD COLUMN wait_from BIGINT NOT NULL DEFAULT 0;
ALTER TABLE breakers ADD COLUMN wait_from BIGINT NOT NULL DEFAULT 0;
CREATE INDEX commands_waits ON commands (next_at)
    WHERE state IN ('ready', 'unknown') AND next_at > 0;
