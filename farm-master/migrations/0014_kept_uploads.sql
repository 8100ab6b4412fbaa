-- When an upload was last brought, or asked for by a job. What nobody needs is removed some time later.
ALTER TABLE blob ADD COLUMN used_ms BIGINT NOT NULL DEFAULT 0;
UPDATE blob SET used_ms = created_ms;
CREATE INDEX blob_by_use ON blob (used_ms);
CREATE INDEX job_of_scene ON job (scene);
CREATE INDEX job_of_environment ON job (environment) WHERE environment IS NOT NULL;
