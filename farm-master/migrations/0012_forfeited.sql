-- Pixels under a lease that nobody pays for, for their workers to read: those of a worker that was barred, or
-- that nothing proves any more; and those for which the stream's deposit had too little.
ALTER TABLE stream_lease ADD COLUMN rejected BIGINT NOT NULL DEFAULT 0;
ALTER TABLE stream_lease ADD COLUMN unpaid BIGINT NOT NULL DEFAULT 0;
CREATE INDEX stream_lease_forfeited ON stream_lease (node) WHERE rejected > 0 OR unpaid > 0;
