-- What a job's scene takes of a node's main memory and of its device's, in bytes; 0 where nobody has measured it.
ALTER TABLE job ADD COLUMN host_bytes BIGINT NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN device_bytes BIGINT NOT NULL DEFAULT 0;
ALTER TABLE quote ADD COLUMN host_bytes BIGINT NOT NULL DEFAULT 0;
ALTER TABLE quote ADD COLUMN device_bytes BIGINT NOT NULL DEFAULT 0;
