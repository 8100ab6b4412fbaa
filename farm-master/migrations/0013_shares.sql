-- Whose turn it is: accounts that have a job which is not over, and where their last lease ended.
CREATE TABLE turn (
    owner BLOB PRIMARY KEY,
    due   BIGINT NOT NULL
);
CREATE INDEX turn_by_due ON turn (due, owner);
INSERT INTO turn (owner, due) SELECT DISTINCT owner, 0 FROM job WHERE state < 2;
INSERT INTO counter (name, value) VALUES ('turn', 0);

-- Written as SQLite itself writes a comparison, column first: written otherwise it is used for no question.
DROP INDEX job_with_work;
CREATE INDEX job_with_work ON job (owner, tier DESC, seq)
    WHERE state = 0 AND units > leased + submitted + verified;
CREATE INDEX job_open_of ON job (owner) WHERE state < 2;

-- Exact units that are leased twice, and whom to ask first.
CREATE INDEX lease_second ON lease (second_of) WHERE second_of IS NOT NULL;
CREATE INDEX lease_by_age ON lease (granted_ms) WHERE second_of IS NULL;

-- What failed is told in a job's log, also when its units have been done since: they are past then.
ALTER TABLE failure ADD COLUMN generation BIGINT NOT NULL DEFAULT 0;
ALTER TABLE failure ADD COLUMN past BIGINT NOT NULL DEFAULT 0;
DROP INDEX failure_of_job;
CREATE INDEX failure_of_job ON failure (job, first) WHERE past = 0;
CREATE INDEX failure_by_lease ON failure (job, generation);
