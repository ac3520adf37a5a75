-- What people would have messages say instead, and what became of it. A message that was corrected is
-- in the state `corrected`: another one, with the origin `correction`, is read in its place.
CREATE TABLE corrections (
    id TEXT PRIMARY KEY,
    -- The message that it would take the place of.
    message TEXT NOT NULL,
    -- What it would say, and the hash by which that is approved.
    body {{blob}} NOT NULL,
    body_hash TEXT NOT NULL,
    person TEXT NOT NULL,
    reason TEXT NOT NULL,
    proposed_at BIGINT NOT NULL,
    -- proposed, approved, rejected
    state TEXT NOT NULL,
    settled_by TEXT NOT NULL,
    settled_why TEXT NOT NULL,
    settled_at BIGINT,
    -- The message that is read instead, once it is approved.
    made TEXT
);
CREATE INDEX corrections_waiting ON corrections (proposed_at) WHERE state = 'proposed';
CREATE INDEX corrections_message ON corrections (message);
CREATE UNIQUE INDEX corrections_made ON corrections (made) WHERE made IS NOT NULL;
