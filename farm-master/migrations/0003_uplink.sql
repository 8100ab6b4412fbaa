-- What a worker's lease takes of its line. Leases from before count as if they took nothing of it.
ALTER TABLE stream_lease ADD COLUMN bits_per_s BIGINT NOT NULL DEFAULT 0;
