-- An event is looked for by its job and nothing else, and of a job's counts there is one: it is written over with
-- each verdict, so it has to be found without going through all that happened.
CREATE TABLE happened (
    job    BLOB NOT NULL,
    id     BIGINT NOT NULL,
    counts BIGINT NOT NULL,             -- 1 for counts, of which only the newest is kept
    body   TEXT NOT NULL,
    PRIMARY KEY (job, id)
);
INSERT INTO happened (job, id, counts, body) SELECT job, id, counts, body FROM event ORDER BY job, id;
DROP TABLE event;
ALTER TABLE happened RENAME TO event;
CREATE UNIQUE INDEX event_counts ON event (job) WHERE counts = 1;

-- Only where it is sure that each account is in turn once are the jobs of the first one walked in their order:
-- otherwise all of them are read for each lease, and sorted.
CREATE TABLE place (
    owner BLOB NOT NULL PRIMARY KEY,
    due   BIGINT NOT NULL
);
INSERT INTO place (owner, due) SELECT owner, due FROM turn;
DROP TABLE turn;
ALTER TABLE place RENAME TO turn;
CREATE UNIQUE INDEX turn_by_due ON turn (due, owner);

-- In the order in which they are looked at: otherwise all that wait of a frame are read for the first few.
DROP INDEX result_unaudited_of_frame;
CREATE INDEX result_unaudited_of_frame ON result (job, frame, whole, at_ms) WHERE audit = 0;

-- No question uses it.
DROP INDEX job_with_tolerant_work;
