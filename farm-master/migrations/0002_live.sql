-- Live streams: streams and their sessions, who holds them, what was published, who is told.

INSERT INTO counter (name, value) VALUES ('stream', 0), ('session', 0), ('stream_lease', 0), ('delivery', 0);

-- One key may be a render node's and a worker's: each has a token of its own.
ALTER TABLE token ADD COLUMN worker BIGINT NOT NULL DEFAULT 0;

CREATE TABLE stream (
    id               BLOB PRIMARY KEY,
    seq              BIGINT NOT NULL,   -- the order of making
    owner            BLOB NOT NULL,     -- the token that made it
    spec             TEXT NOT NULL,
    key              BLOB NOT NULL,     -- blake3 of the text that sources bring
    playback         BLOB NOT NULL,
    ended            BIGINT NOT NULL DEFAULT 0,
    session          BLOB,              -- the last one
    created_ms       BIGINT NOT NULL,
    idempotency      TEXT,              -- the caller's key and the hash of what came under it
    idempotency_body BLOB
);
CREATE UNIQUE INDEX stream_by_seq ON stream (seq);
CREATE UNIQUE INDEX stream_by_key ON stream (key);
CREATE UNIQUE INDEX stream_by_idempotency ON stream (owner, idempotency) WHERE idempotency IS NOT NULL;

CREATE TABLE gateway (
    id           BLOB PRIMARY KEY,
    name         TEXT NOT NULL,
    doors        TEXT NOT NULL,
    last_seen_ms BIGINT NOT NULL
);

CREATE TABLE session (
    id            BLOB PRIMARY KEY,
    no            BIGINT NOT NULL,      -- the order of beginning; names it in rows of other tables
    stream        BLOB NOT NULL,
    started_ms    BIGINT NOT NULL,
    ended_ms      BIGINT,
    ended_because TEXT,
    gateway       BLOB NOT NULL,        -- of the last grant, as are generation and protocol
    generation    BIGINT NOT NULL,
    protocol      TEXT NOT NULL,
    held          BIGINT NOT NULL,      -- 1 while that gateway may still publish, also past the end
    source        TEXT,
    health        TEXT NOT NULL,        -- as it was last told
    pixels_per_s  BIGINT NOT NULL DEFAULT 0,
    next_segment  BIGINT NOT NULL DEFAULT 0,  -- above all numbers that are known or were given out
    segments      BIGINT NOT NULL DEFAULT 0,
    from_source   BIGINT NOT NULL DEFAULT 0,
    pixels        BIGINT NOT NULL DEFAULT 0,
    recording     TEXT
);
CREATE UNIQUE INDEX session_by_no ON session (no);
CREATE INDEX session_of_stream ON session (stream, no);
CREATE INDEX session_live ON session (no) WHERE ended_ms IS NULL;
CREATE INDEX session_held ON session (no) WHERE held = 1;

-- Every grant of a session: who may report which segments.
CREATE TABLE session_grant (
    session    BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    gateway    BLOB NOT NULL,
    first      BIGINT NOT NULL,         -- the lowest number of a segment
    granted_ms BIGINT NOT NULL,
    PRIMARY KEY (session, generation)
);

-- One row a segment, and in it one claim of all its renditions: so a (session, segment, rendition)
-- is counted once.
CREATE TABLE segment (
    session     BIGINT NOT NULL,
    number      BIGINT NOT NULL,
    start_ms    BIGINT NOT NULL,
    duration_ms BIGINT NOT NULL,
    reported    BIGINT NOT NULL,        -- 1 when its gateway said so, 0 when only its worker did
    from_source BIGINT NOT NULL,
    claim       BLOB,                   -- the hash of the claim's message
    receipt     BLOB,                   -- packed
    PRIMARY KEY (session, number)
);

-- Receipts of segments for which another claim counts already: each is proof against somebody.
CREATE TABLE segment_conflict (
    session BIGINT NOT NULL,
    number  BIGINT NOT NULL,
    claim   BLOB NOT NULL,
    receipt BLOB NOT NULL,
    at_ms   BIGINT NOT NULL,
    PRIMARY KEY (session, number, claim)
);

CREATE TABLE segment_audit (
    session   BIGINT NOT NULL,
    number    BIGINT NOT NULL,
    rendition TEXT NOT NULL,
    rejected  TEXT,
    at_ms     BIGINT NOT NULL,
    PRIMARY KEY (session, number, rendition)
);

CREATE TABLE worker (
    id                     BLOB PRIMARY KEY,
    name                   TEXT NOT NULL,
    able                   TEXT NOT NULL,
    last_seen_ms           BIGINT NOT NULL,
    segments               BIGINT NOT NULL DEFAULT 0,
    pixels                 BIGINT NOT NULL DEFAULT 0,
    failures               BIGINT NOT NULL DEFAULT 0,
    audits_passed          BIGINT NOT NULL DEFAULT 0,
    audits_rejected        BIGINT NOT NULL DEFAULT 0,
    passed_since_rejection BIGINT NOT NULL DEFAULT 0
);

-- Workers' leases on sessions. Ended ones stay: claims that were signed under them still come.
CREATE TABLE stream_lease (
    id            BLOB PRIMARY KEY,
    seq           BIGINT NOT NULL,      -- the order of granting: the first that stands is the primary
    session       BIGINT NOT NULL,
    node          BLOB NOT NULL,
    price         BIGINT NOT NULL,
    pixels_per_s  BIGINT NOT NULL,      -- what it takes of its worker
    granted_ms    BIGINT NOT NULL,
    failures      BIGINT NOT NULL DEFAULT 0,
    replaced      BIGINT NOT NULL DEFAULT 0,  -- 1 when its gateway asked for another
    ended_ms      BIGINT,
    ended_because TEXT
);
CREATE INDEX stream_lease_of_session ON stream_lease (session, seq);
CREATE INDEX stream_lease_standing ON stream_lease (seq) WHERE ended_ms IS NULL;
CREATE INDEX stream_lease_of_node ON stream_lease (node) WHERE ended_ms IS NULL;
CREATE UNIQUE INDEX stream_lease_once ON stream_lease (session, node) WHERE ended_ms IS NULL;

CREATE TABLE webhook (
    id         BLOB PRIMARY KEY,
    owner      BLOB NOT NULL,
    everybody  BIGINT NOT NULL,         -- 1 for an operator's: it hears of all streams
    url        TEXT NOT NULL,
    secret     TEXT NOT NULL,           -- in the clear: signatures are made with it
    created_ms BIGINT NOT NULL
);
CREATE INDEX webhook_of_owner ON webhook (owner);

-- The outbox: a message for each webhook, in the transaction of what it tells of.
CREATE TABLE delivery (
    id          BLOB PRIMARY KEY,
    seq         BIGINT NOT NULL,
    webhook     BLOB NOT NULL,
    body        TEXT NOT NULL,
    state       BIGINT NOT NULL,
    attempts    BIGINT NOT NULL DEFAULT 0,
    last_answer TEXT,
    next_ms     BIGINT,
    created_ms  BIGINT NOT NULL
);
CREATE INDEX delivery_of_webhook ON delivery (webhook, seq);
CREATE INDEX delivery_due ON delivery (webhook, next_ms) WHERE state = 0;
