-- What a webhook hears of, by what whoever made it may do.
ALTER TABLE webhook ADD COLUMN streams BIGINT NOT NULL DEFAULT 1;
ALTER TABLE webhook ADD COLUMN jobs BIGINT NOT NULL DEFAULT 0;
