-- Results are audited before they count. Leases and results from before have no secret: what such a
-- lease still brings is refused, and a result from before counts as it did.
ALTER TABLE lease ADD COLUMN secret BLOB NOT NULL DEFAULT x'0000000000000000000000000000000000000000000000000000000000000000';
ALTER TABLE result ADD COLUMN secret BLOB NOT NULL DEFAULT x'';
-- 0 while nobody has looked, 1 verified, 2 worthless: rejected, or lost by the farm.
ALTER TABLE result ADD COLUMN audit BIGINT NOT NULL DEFAULT 1;
-- Pixels that were looked at.
ALTER TABLE result ADD COLUMN looked BIGINT NOT NULL DEFAULT 0;
-- 1 when every pixel is to be looked at, since its node was caught after it counted.
ALTER TABLE result ADD COLUMN whole BIGINT NOT NULL DEFAULT 0;
-- 1 when it is in its node's record: once, however often it is looked at.
ALTER TABLE result ADD COLUMN recorded BIGINT NOT NULL DEFAULT 0;
-- An audit that could not be made is tried again from this time on, so often it was tried.
ALTER TABLE result ADD COLUMN retry_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE result ADD COLUMN tries BIGINT NOT NULL DEFAULT 0;
CREATE INDEX result_of_job ON result (job, generation);
CREATE INDEX result_unaudited ON result (whole, at_ms) WHERE audit = 0;
CREATE INDEX result_unaudited_of_frame ON result (job, frame) WHERE audit = 0;
CREATE INDEX result_of_node ON result (node, audit) WHERE stored = 1;

-- When a job ended, and 1 while sums of it are kept still.
ALTER TABLE job ADD COLUMN ended_ms BIGINT;
ALTER TABLE job ADD COLUMN keeps BIGINT NOT NULL DEFAULT 0;
UPDATE job SET ended_ms = created_ms, keeps = 1 WHERE state >= 2;
CREATE INDEX job_keeps ON job (ended_ms) WHERE keeps = 1;

-- A node's record, see tessera_verify::audit::record.
ALTER TABLE node ADD COLUMN verified_since BIGINT NOT NULL DEFAULT 0;
ALTER TABLE node ADD COLUMN proven BIGINT NOT NULL DEFAULT 0;
ALTER TABLE node ADD COLUMN rejections BIGINT NOT NULL DEFAULT 0;

-- Results that were rejected, with all that proves it: what the node signed, and what was wrong.
CREATE TABLE rejection (
    lease  BLOB PRIMARY KEY,
    job    BLOB NOT NULL,
    node   BLOB NOT NULL,
    signed TEXT NOT NULL,
    wrong  TEXT NOT NULL,
    at_ms  BIGINT NOT NULL
);
CREATE INDEX rejection_of_job ON rejection (job, at_ms);
CREATE INDEX rejection_of_node ON rejection (node, at_ms);

-- Second commits for one lease, with their nodes' signatures: beside the first, each is proof by itself.
CREATE TABLE equivocation (
    lease  BLOB PRIMARY KEY,
    node   BLOB NOT NULL,
    signed TEXT NOT NULL,
    at_ms  BIGINT NOT NULL
);
