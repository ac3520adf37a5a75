-- Types: BIGINT, TEXT and {{blob}} only, so that one set of queries runs on both engines.
-- Times are microseconds since 1970 (UTC); days are ISO dates as text; amounts are minor units.

CREATE TABLE messages (
    id TEXT PRIMARY KEY,
    connection TEXT NOT NULL,
    source_id TEXT NOT NULL,
    body_hash TEXT NOT NULL,
    -- 0 for what is pushed to us; for what we read, how often the object had changed before.
    occurrence BIGINT NOT NULL,
    kind TEXT NOT NULL,
    origin TEXT NOT NULL,
    headers TEXT NOT NULL,
    body {{blob}} NOT NULL,
    body_bytes BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    -- When the read that brought it left; decides ties of equal versions.
    asked_at BIGINT,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    repeats BIGINT NOT NULL,
    error_code TEXT,
    error TEXT,
    shard BIGINT NOT NULL,
    UNIQUE (connection, source_id, body_hash, occurrence)
);
CREATE INDEX messages_due ON messages (shard, received_at, id) WHERE state = 'received';
CREATE INDEX messages_newest ON messages (connection, received_at);
CREATE INDEX messages_counts ON messages (connection, state, received_at);
CREATE INDEX messages_unread ON messages (received_at) WHERE state IN ('failed', 'ignored');

-- The newest body of each object that we read ourselves.
CREATE TABLE records (
    connection TEXT NOT NULL,
    source_id TEXT NOT NULL,
    body_hash TEXT NOT NULL,
    changes BIGINT NOT NULL,
    PRIMARY KEY (connection, source_id)
);

CREATE TABLE documents (
    connection TEXT NOT NULL,
    kind TEXT NOT NULL,
    external_id TEXT NOT NULL,
    version BIGINT,
    content_hash TEXT NOT NULL,
    body TEXT NOT NULL,
    message TEXT NOT NULL,
    root TEXT NOT NULL,
    decoded_at BIGINT NOT NULL,
    -- What the sums of the bridges are made of: what the document counts as, its amount, fee and
    -- time. A word that is empty counts nowhere.
    word TEXT NOT NULL,
    currency TEXT NOT NULL,
    amount BIGINT NOT NULL,
    fee BIGINT NOT NULL,
    at BIGINT NOT NULL,
    -- What DECIDE expects of an order or a refund; null until it is decided.
    expected BIGINT,
    PRIMARY KEY (connection, kind, external_id)
);
CREATE INDEX documents_root ON documents (root);
CREATE INDEX documents_sums ON documents (connection, kind, word, currency, at, amount, fee);
CREATE INDEX documents_placed ON documents (connection, at) WHERE kind = 'order';
CREATE INDEX documents_unlike ON documents (connection, kind)
    WHERE kind IN ('order', 'refund') AND COALESCE(expected, 0) <> amount;

CREATE TABLE roots (
    id TEXT PRIMARY KEY,
    connection TEXT NOT NULL,
    kind TEXT NOT NULL,
    external_id TEXT NOT NULL,
    shard BIGINT NOT NULL,
    arrived BIGINT NOT NULL,
    decided BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    -- What people search for, and what lists show.
    number TEXT NOT NULL,
    state TEXT NOT NULL,
    day TEXT,
    amount BIGINT,
    currency TEXT,
    entity TEXT,
    waiting TEXT,
    waiting_since BIGINT,
    mapping_version BIGINT
);
CREATE INDEX roots_due ON roots (shard, id) WHERE decided < arrived;
CREATE INDEX roots_waiting ON roots (waiting_since) WHERE waiting IS NOT NULL;
CREATE INDEX roots_day ON roots (kind, (COALESCE(day, '')), id);
CREATE INDEX roots_number ON roots (number);
CREATE INDEX roots_external ON roots (external_id);

-- How each sale stands on the four links: a projection of its items and of their scopes, kept in
-- the transactions that change them. Sales without a day, and tests, have none.
CREATE TABLE proofs (
    root TEXT PRIMARY KEY,
    entity TEXT NOT NULL,
    currency TEXT NOT NULL,
    day TEXT NOT NULL,
    amount BIGINT NOT NULL,
    document TEXT NOT NULL,
    tender TEXT NOT NULL,
    payout TEXT NOT NULL,
    bank TEXT NOT NULL,
    overall TEXT NOT NULL
);
CREATE INDEX proofs_day ON proofs (day, entity, currency, document, tender, payout, bank, overall, amount);
CREATE INDEX proofs_unproven ON proofs (day, root) WHERE overall IN ('broken', 'not_due');

CREATE TABLE facts (
    root TEXT NOT NULL,
    kind TEXT NOT NULL,
    part TEXT NOT NULL,
    generation BIGINT NOT NULL,
    content TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    mapping_version BIGINT NOT NULL,
    live BIGINT NOT NULL,
    written_at BIGINT NOT NULL,
    PRIMARY KEY (root, kind, part, generation)
);

CREATE TABLE entry_lines (
    root TEXT NOT NULL,
    kind TEXT NOT NULL,
    part TEXT NOT NULL,
    generation BIGINT NOT NULL,
    -- 1 for the mirror that takes the generation back.
    reversal BIGINT NOT NULL,
    position BIGINT NOT NULL,
    entity TEXT NOT NULL,
    day TEXT NOT NULL,
    booker TEXT NOT NULL,
    role TEXT NOT NULL,
    qualifier TEXT NOT NULL,
    amount BIGINT NOT NULL,
    currency TEXT NOT NULL,
    memo TEXT NOT NULL,
    PRIMARY KEY (root, kind, part, generation, reversal, position)
);
CREATE INDEX entry_lines_role ON entry_lines (entity, role, qualifier, currency, amount);

CREATE TABLE items (
    id TEXT PRIMARY KEY,
    root TEXT NOT NULL,
    fact_kind TEXT NOT NULL,
    part TEXT NOT NULL,
    generation BIGINT NOT NULL,
    side TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    entity TEXT NOT NULL,
    currency TEXT NOT NULL,
    amount BIGINT NOT NULL,
    day TEXT NOT NULL,
    due TEXT,
    hints TEXT NOT NULL,
    live BIGINT NOT NULL
);
CREATE INDEX items_key ON items (key) WHERE live = 1;
CREATE INDEX items_root ON items (root);
CREATE INDEX items_day ON items (side, day, key) WHERE live = 1;
CREATE INDEX items_open ON items (kind, side) WHERE live = 1;

CREATE TABLE scopes (
    key TEXT PRIMARY KEY,
    -- The first word of the key.
    word TEXT NOT NULL,
    shard BIGINT NOT NULL,
    arrived BIGINT NOT NULL,
    judged BIGINT NOT NULL,
    entity TEXT NOT NULL,
    -- open, proven, not_due, broken
    status TEXT NOT NULL,
    break TEXT,
    amount BIGINT NOT NULL,
    difference BIGINT NOT NULL,
    currency TEXT NOT NULL,
    day TEXT NOT NULL,
    due TEXT,
    detail TEXT NOT NULL,
    -- Judgements that were begun and not finished.
    attempts BIGINT NOT NULL
);
CREATE INDEX scopes_due ON scopes (shard, key) WHERE judged < arrived;
CREATE INDEX scopes_day ON scopes (day, entity, currency, word, status, amount, difference);
CREATE INDEX scopes_unproven ON scopes (key) WHERE status IN ('open', 'not_due', 'broken');
CREATE INDEX scopes_status ON scopes (status, due);

CREATE TABLE matches (
    id TEXT PRIMARY KEY,
    key TEXT NOT NULL,
    rule TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    dissolved_at BIGINT
);
CREATE INDEX matches_key ON matches (key);
CREATE TABLE match_items (
    match TEXT NOT NULL,
    item TEXT NOT NULL,
    live BIGINT NOT NULL,
    PRIMARY KEY (match, item)
);
-- Each item is claimed once: the promise of `POSTING.md` P7, held by the database.
CREATE UNIQUE INDEX match_items_once ON match_items (item) WHERE live = 1;

CREATE TABLE commands (
    key TEXT PRIMARY KEY,
    root TEXT NOT NULL,
    fact_kind TEXT NOT NULL,
    part TEXT NOT NULL,
    generation BIGINT NOT NULL,
    target TEXT NOT NULL,
    lane TEXT NOT NULL,
    kind TEXT NOT NULL,
    content TEXT NOT NULL,
    states_kind TEXT,
    states_key TEXT,
    -- waiting, ready, sent, applied, refused, unknown, withdrawn
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    conversation TEXT,
    binding TEXT,
    -- The target's record that the command made, as its read-back names it.
    record TEXT,
    created_at BIGINT NOT NULL,
    done_at BIGINT,
    error_code TEXT,
    error TEXT
);
CREATE INDEX commands_waiting ON commands (key) WHERE state = 'waiting';
CREATE INDEX commands_ready ON commands (target, lane, created_at, key) WHERE state = 'ready';
CREATE INDEX commands_unknown ON commands (target, lane, created_at, key) WHERE state = 'unknown';
CREATE INDEX commands_conversation ON commands (conversation) WHERE conversation IS NOT NULL;
CREATE INDEX commands_counts ON commands (target, kind, state);
CREATE INDEX commands_root ON commands (root);
CREATE INDEX commands_record ON commands (target, record);

CREATE TABLE command_after (
    command TEXT NOT NULL,
    role TEXT NOT NULL,
    needs TEXT NOT NULL,
    PRIMARY KEY (command, role)
);
CREATE INDEX command_after_needs ON command_after (needs);

CREATE TABLE conversations (
    id TEXT PRIMARY KEY,
    connection TEXT NOT NULL,
    lane TEXT NOT NULL,
    task TEXT NOT NULL,
    state TEXT NOT NULL,
    -- sending (a writing request may be under way) or waiting
    step TEXT NOT NULL,
    wait_until BIGINT NOT NULL,
    started_at BIGINT NOT NULL
);
CREATE INDEX conversations_lane ON conversations (connection, lane);

CREATE TABLE streams (
    connection TEXT NOT NULL,
    stream TEXT NOT NULL,
    cursor TEXT,
    next_at BIGINT NOT NULL,
    polled_at BIGINT,
    -- Everything the source had changed up to here has been stored.
    complete_to BIGINT,
    failures BIGINT NOT NULL,
    error_code TEXT,
    error TEXT,
    PRIMARY KEY (connection, stream)
);

-- Objects that a hint or a decision asks to be read.
CREATE TABLE reads (
    connection TEXT NOT NULL,
    kind TEXT NOT NULL,
    external_id TEXT NOT NULL,
    due_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    PRIMARY KEY (connection, kind, external_id)
);
CREATE INDEX reads_due ON reads (due_at);

CREATE TABLE connections (
    name TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    reason TEXT,
    since BIGINT NOT NULL
);

CREATE TABLE mappings (
    connection TEXT NOT NULL,
    version BIGINT NOT NULL,
    body TEXT NOT NULL,
    author TEXT NOT NULL,
    reason TEXT NOT NULL,
    effective_from TEXT NOT NULL,
    approved_at BIGINT NOT NULL,
    PRIMARY KEY (connection, version)
);

CREATE TABLE cases (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    entity TEXT NOT NULL,
    title TEXT NOT NULL,
    detail TEXT NOT NULL,
    remedy TEXT NOT NULL,
    amount BIGINT NOT NULL,
    currency TEXT NOT NULL,
    owner TEXT NOT NULL,
    -- The person who works on it; empty while nobody does.
    assignee TEXT NOT NULL,
    opened_at BIGINT NOT NULL,
    closed_at BIGINT,
    -- gone (its cause is), closed (by a person, who says that it is), accepted (as it is)
    closed_as TEXT,
    -- What ended it, or the person.
    closed_by TEXT,
    closed_why TEXT
);
CREATE INDEX cases_open ON cases (opened_at) WHERE closed_at IS NULL;
CREATE INDEX cases_accepted ON cases (closed_at) WHERE closed_as = 'accepted';
CREATE INDEX cases_subject ON cases (subject);

-- What people decided; each is a message of the connection `trueup`, and this is its index.
CREATE TABLE decisions (
    message TEXT PRIMARY KEY,
    -- The case, root, message, command or connection that it is about.
    about TEXT NOT NULL,
    kind TEXT NOT NULL,
    person TEXT NOT NULL,
    reason TEXT NOT NULL,
    -- Whom a case was given to.
    assignee TEXT NOT NULL,
    made_at BIGINT NOT NULL
);
CREATE INDEX decisions_about ON decisions (about, made_at);

-- What was healed without a difference, with its evidence.
CREATE TABLE absorbed (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    times BIGINT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL
);
CREATE INDEX absorbed_kind ON absorbed (kind, times);
CREATE INDEX absorbed_last ON absorbed (last_at);

CREATE TABLE leases (
    shard TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    until BIGINT NOT NULL
);
