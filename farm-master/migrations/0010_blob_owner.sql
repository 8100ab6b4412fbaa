-- Whose an upload is: a hash alone opens nothing, since receipts and pictures name the scene's.
CREATE TABLE blob_owner (
    hash       BLOB NOT NULL,
    owner      BLOB NOT NULL,      -- the account or token that uploaded it
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (hash, owner)
);
-- What jobs were made of before was uploaded by whoever made them.
INSERT INTO blob_owner (hash, owner, created_ms)
    SELECT scene, owner, MIN(created_ms) FROM job GROUP BY scene, owner;
INSERT INTO blob_owner (hash, owner, created_ms)
    SELECT environment, owner, MIN(created_ms) FROM job WHERE environment IS NOT NULL
    GROUP BY environment, owner
    ON CONFLICT DO NOTHING;
