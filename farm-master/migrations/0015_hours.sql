-- In which hours a node's owner wants it to work, as people write them, and when that was said: what the node
-- knows to be newer, it keeps.
ALTER TABLE node ADD COLUMN hours TEXT;
ALTER TABLE node ADD COLUMN hours_set_ms BIGINT NOT NULL DEFAULT 0;
