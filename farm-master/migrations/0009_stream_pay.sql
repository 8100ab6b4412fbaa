-- Streams whose owner pays: a deposit on the chain, out of which epochs pay workers.
ALTER TABLE stream ADD COLUMN escrow BIGINT NOT NULL DEFAULT 0;      -- 0 none, then as a job's
ALTER TABLE stream ADD COLUMN escrow_until_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE stream ADD COLUMN deposited BIGINT NOT NULL DEFAULT 0;   -- all that ever came
ALTER TABLE stream ADD COLUMN fundings BIGINT NOT NULL DEFAULT 0;    -- how often some was put aside
ALTER TABLE stream ADD COLUMN charged BIGINT NOT NULL DEFAULT 0;     -- what is booked to workers
ALTER TABLE stream ADD COLUMN fee BIGINT NOT NULL DEFAULT 0;
CREATE INDEX stream_of_money ON stream (seq) WHERE escrow IN (1, 2);

-- Pixels under a lease that are to be paid and are in the books, and how often some were booked; and
-- those that wait for it.
ALTER TABLE stream_lease ADD COLUMN booked BIGINT NOT NULL DEFAULT 0;
ALTER TABLE stream_lease ADD COLUMN parts BIGINT NOT NULL DEFAULT 0;
ALTER TABLE stream_lease ADD COLUMN unbooked BIGINT NOT NULL DEFAULT 0;
CREATE INDEX stream_lease_unbooked ON stream_lease (seq) WHERE unbooked > 0;

ALTER TABLE segment ADD COLUMN lease BLOB;                           -- of the claim that counts
ALTER TABLE segment ADD COLUMN pixels BIGINT NOT NULL DEFAULT 0;     -- of that claim
ALTER TABLE segment ADD COLUMN at_ms BIGINT NOT NULL DEFAULT 0;      -- when the master heard of it
ALTER TABLE segment ADD COLUMN pay BIGINT NOT NULL DEFAULT 0;        -- 0 none, 1 to come, 2 booked, 3 never
ALTER TABLE segment ADD COLUMN part BIGINT;                          -- of its lease, once booked
CREATE INDEX segment_to_book ON segment (lease, number) WHERE pay = 1;
CREATE INDEX segment_booked ON segment (lease, part) WHERE pay = 2;
