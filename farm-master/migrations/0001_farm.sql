-- The farm's state. One text for SQLite and PostgreSQL: plain types, no engine's own functions.
-- Times are milliseconds since 1970, passed in by the program. Hashes and ids are raw bytes.

-- Numbers that are given out once and never again.
CREATE TABLE counter (
    name  TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counter (name, value) VALUES ('job', 0), ('event', 0);

CREATE TABLE token (
    id         BLOB PRIMARY KEY,        -- the first 8 bytes of the hash
    hash       BLOB NOT NULL,
    scope      BIGINT NOT NULL,
    node       BLOB,                    -- whose it is, where the scope is a node's
    created_ms BIGINT NOT NULL
);
CREATE INDEX token_of_node ON token (node) WHERE node IS NOT NULL;

CREATE TABLE blob (
    hash       BLOB PRIMARY KEY,
    bytes      BIGINT NOT NULL,
    created_ms BIGINT NOT NULL
);

CREATE TABLE job (
    id              BLOB PRIMARY KEY,
    seq             BIGINT NOT NULL,    -- the order of acceptance
    owner           BLOB NOT NULL,      -- the token that submitted it
    spec            TEXT NOT NULL,
    scene           BLOB NOT NULL,      -- of the spec, so that leases can be matched to blobs
    environment     BLOB,
    kernel          BLOB NOT NULL,
    warnings        TEXT NOT NULL,
    state           BIGINT NOT NULL,
    reason          TEXT,
    created_ms      BIGINT NOT NULL,
    units           BIGINT NOT NULL,
    units_per_frame BIGINT NOT NULL,
    frames          BIGINT NOT NULL,
    leased          BIGINT NOT NULL DEFAULT 0,
    submitted       BIGINT NOT NULL DEFAULT 0,
    verified        BIGINT NOT NULL DEFAULT 0,
    rays            BIGINT NOT NULL DEFAULT 0,
    frames_done     BIGINT NOT NULL DEFAULT 0,
    movie           BIGINT NOT NULL DEFAULT 0,
    generation      BIGINT NOT NULL DEFAULT 0,  -- the last one given out
    next_chunk      BIGINT NOT NULL DEFAULT 0   -- chunks from here on are all free and have no row
);
CREATE UNIQUE INDEX job_by_seq ON job (seq);
CREATE INDEX job_with_work ON job (kernel, seq)
    WHERE state = 0 AND leased + submitted + verified < units;
CREATE INDEX job_open ON job (seq) WHERE state < 2;

-- 1,024 units each; a row appears with a chunk's first lease and goes with its job's end.
CREATE TABLE chunk (
    job  BLOB NOT NULL,
    no   BIGINT NOT NULL,
    free BIGINT NOT NULL,
    held BLOB NOT NULL,
    here BLOB NOT NULL,
    PRIMARY KEY (job, no)
);
CREATE INDEX chunk_with_work ON chunk (job, no) WHERE free > 0;

-- Leases that stand. An ended one has no row here.
CREATE TABLE lease (
    id         BLOB PRIMARY KEY,
    job        BLOB NOT NULL,
    generation BIGINT NOT NULL,
    node       BLOB NOT NULL,
    first      BIGINT NOT NULL,
    n          BIGINT NOT NULL,
    granted_ms BIGINT NOT NULL
);
CREATE INDEX lease_of_job ON lease (job);
CREATE INDEX lease_of_node ON lease (node);

-- What a lease brought: the answer to the same submit sent again, and where the sums lie.
CREATE TABLE result (
    lease      BLOB PRIMARY KEY,
    job        BLOB NOT NULL,
    frame      BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    node       BLOB NOT NULL,
    first      BIGINT NOT NULL,
    n          BIGINT NOT NULL,
    commit_id  BLOB NOT NULL,
    rays       BIGINT NOT NULL,
    accepted   BIGINT NOT NULL,
    stored     BIGINT NOT NULL,         -- 1 while the sums are still needed
    at_ms      BIGINT NOT NULL
);
CREATE INDEX result_stored ON result (job, frame) WHERE stored = 1;

-- Leases that ended without a result, while their units are not done.
CREATE TABLE failure (
    lease  BLOB PRIMARY KEY,
    job    BLOB NOT NULL,
    node   BLOB NOT NULL,
    first  BIGINT NOT NULL,
    n      BIGINT NOT NULL,
    reason TEXT NOT NULL,
    at_ms  BIGINT NOT NULL
);
CREATE INDEX failure_of_job ON failure (job, first);

-- Frames that have a verified unit.
CREATE TABLE frame (
    job      BLOB NOT NULL,
    frame    BIGINT NOT NULL,
    verified BIGINT NOT NULL,
    hash     BLOB,                      -- of the sums, once the pictures are durable
    PRIMARY KEY (job, frame)
);
CREATE INDEX frame_open ON frame (job, frame) WHERE hash IS NULL;

CREATE TABLE node (
    id             BLOB PRIMARY KEY,
    name           TEXT NOT NULL,
    device         TEXT NOT NULL,
    class          BIGINT NOT NULL,
    last_seen_ms   BIGINT NOT NULL,
    units_verified BIGINT NOT NULL DEFAULT 0,
    rays_verified  BIGINT NOT NULL DEFAULT 0
);

-- The outbox: what happened, in the order of its commits.
CREATE TABLE event (
    id      BIGINT PRIMARY KEY,
    job     BLOB NOT NULL,
    counts  BIGINT NOT NULL,            -- 1 for counts, of which only the newest is kept
    body    TEXT NOT NULL
);
CREATE INDEX event_of_job ON event (job, id);

CREATE TABLE idempotency (
    owner      BLOB NOT NULL,
    key        TEXT NOT NULL,
    body       BLOB NOT NULL,
    job        BLOB NOT NULL,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (owner, key)
);
