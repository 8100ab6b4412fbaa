-- Tolerant jobs: devices that are not exact render each unit twice, for two owners.
ALTER TABLE job ADD COLUMN class BIGINT NOT NULL DEFAULT 0;
-- Who let the node join: the token to enrol, or nothing where it was the operator.
ALTER TABLE node ADD COLUMN owner BLOB;
-- Of who joined before nobody knows whose they are: one owner's all together, until they join again.
UPDATE node SET owner = x'';
-- The lease whose units this one renders a second time.
ALTER TABLE lease ADD COLUMN second_of BLOB;
ALTER TABLE result ADD COLUMN second_of BLOB;
-- 1 while a second render is wanted before its audit, 2 while one is under way, else 0.
ALTER TABLE result ADD COLUMN second BIGINT NOT NULL DEFAULT 0;
-- What a verified result was found to be like, see tessera_protocol::verdict::Alike.
ALTER TABLE result ADD COLUMN like_lease BLOB;
ALTER TABLE result ADD COLUMN like_within_ppm BIGINT NOT NULL DEFAULT 0;
ALTER TABLE result ADD COLUMN like_distance BIGINT NOT NULL DEFAULT 0;
CREATE INDEX result_wants_second ON result (at_ms) WHERE second = 1;
CREATE INDEX result_wants_second_of_job ON result (job) WHERE second = 1;
CREATE INDEX result_like ON result (like_lease) WHERE like_lease IS NOT NULL;
DROP INDEX result_unaudited;
CREATE INDEX result_unaudited ON result (whole, at_ms) WHERE audit = 0 AND second = 0;
-- In the form in which the planner recognises it in a query.
DROP INDEX job_with_work;
CREATE INDEX job_with_work ON job (kernel, seq)
    WHERE state = 0 AND units > leased + submitted + verified;
CREATE INDEX job_with_tolerant_work ON job (kernel, seq)
    WHERE state = 0 AND class = 1 AND units > leased + submitted + verified;
