-- Sums of results that are small: the database writes them faster than a file of their own for each. By what grows
-- from lease to lease, so that new ones lie behind each other.
CREATE TABLE sums (
    job        BLOB NOT NULL,
    generation BIGINT NOT NULL,         -- of the lease that brought them
    body       BLOB NOT NULL,           -- as its node sent it
    PRIMARY KEY (job, generation)
);
-- 1 where a result's sums lie there, else they are a file.
ALTER TABLE result ADD COLUMN beside BIGINT NOT NULL DEFAULT 0;
