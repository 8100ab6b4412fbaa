-- A job that failed is not over: it waits for its owner to requeue it, for so long from this time on. Those that
-- failed before have lost their chunks and cannot go on.
UPDATE job SET state = 3 WHERE state = 4;
ALTER TABLE job ADD COLUMN failed_ms BIGINT;
CREATE INDEX job_failed ON job (failed_ms) WHERE state = 4;
-- What is over is completed or cancelled.
DROP INDEX job_open;
CREATE INDEX job_open ON job (seq) WHERE state NOT IN (2, 3);
