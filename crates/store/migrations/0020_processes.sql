-- The processes that share the work of this database, each with the time until which it counts as
-- alive. Of what is leased since this version, `leases` holds one row for each part of the work; the
-- one lease of all of it that earlier versions had is nobody's for ever, so that a process of such a
-- version writes nothing more.
CREATE TABLE processes (
    owner TEXT PRIMARY KEY,
    since BIGINT NOT NULL,
    until BIGINT NOT NULL
);
INSERT INTO leases (shard, owner, epoch, until) VALUES ('all', '', 1, 9223372036854775807)
ON CONFLICT (shard) DO UPDATE SET
    owner = excluded.owner, epoch = leases.epoch + 1, until = excluded.until;
