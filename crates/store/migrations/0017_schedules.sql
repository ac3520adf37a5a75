-- Jobs that run at their time: one row for each, with how its last run ended.
CREATE TABLE schedules (
    name TEXT PRIMARY KEY,
    -- Every occurrence up to here is done or was passed over.
    done_to BIGINT NOT NULL,
    -- A person wants it run once, and who; null otherwise.
    asked_at BIGINT,
    asked_by TEXT,
    -- When the run began that has not ended; null between runs.
    started_at BIGINT,
    -- Runs that failed or were cut off in a row, and when the next may begin after them.
    attempts BIGINT NOT NULL,
    next_at BIGINT,
    -- When the last run ended; 1: done, 0: failed; what it made, or why it failed.
    ended_at BIGINT,
    done BIGINT,
    detail TEXT NOT NULL
);
