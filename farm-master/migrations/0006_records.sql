-- How much a worker's rejected comparisons speak against it, see the master's rules of records.
ALTER TABLE worker ADD COLUMN suspicion BIGINT NOT NULL DEFAULT 0;
-- Leases of a node that ended without a result since one was verified.
ALTER TABLE node ADD COLUMN abandoned BIGINT NOT NULL DEFAULT 0;
