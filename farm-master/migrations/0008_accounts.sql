-- Accounts: people who sign in. An account's id owns jobs, streams and nodes as a token's does.
CREATE TABLE account (
    id         BLOB PRIMARY KEY,        -- 8 random bytes
    name       TEXT,
    password   TEXT,                    -- hashed, as a PHC string
    wallet     BLOB,                    -- an Ed25519 public key
    created_ms BIGINT NOT NULL
);
CREATE UNIQUE INDEX account_by_name ON account (name);
CREATE UNIQUE INDEX account_by_wallet ON account (wallet);

-- A key is a token that an account made: what is made with it is the account's.
ALTER TABLE token ADD COLUMN account BLOB;
ALTER TABLE token ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE token ADD COLUMN used_ms BIGINT;
CREATE INDEX token_of_account ON token (account, created_ms) WHERE account IS NOT NULL;

-- Browsers that are signed in: as an account, or as a token. One of the two is there.
CREATE TABLE sign_in (
    hash       BLOB PRIMARY KEY,        -- of the cookie's secret
    account    BLOB,
    token      BLOB,
    renewed_ms BIGINT NOT NULL,
    ends_ms    BIGINT NOT NULL
);
CREATE INDEX sign_in_of_account ON sign_in (account) WHERE account IS NOT NULL;
CREATE INDEX sign_in_of_token ON sign_in (token) WHERE token IS NOT NULL;
CREATE INDEX sign_in_by_end ON sign_in (ends_ms);

-- What its owner wants of a node: 0 that it works, 1 that it gets nothing new, 2 that it stops.
ALTER TABLE node ADD COLUMN wish BIGINT NOT NULL DEFAULT 0;
CREATE INDEX node_of_owner ON node (owner, id);
