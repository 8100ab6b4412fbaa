-- Money. Amounts and prices are base units of the settlement mint; a price of 0 says that nobody pays.
ALTER TABLE job ADD COLUMN max_price BIGINT NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN factor BIGINT NOT NULL DEFAULT 1000;
ALTER TABLE job ADD COLUMN tier BIGINT NOT NULL DEFAULT 1;
ALTER TABLE job ADD COLUMN ceiling BIGINT NOT NULL DEFAULT 0;
-- What the operator's reserve carries beyond the ceiling.
ALTER TABLE job ADD COLUMN carry BIGINT NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN carry_raises BIGINT NOT NULL DEFAULT 0;
-- What its verified work took of the ceiling and of the reserve, and the operator of the rest.
ALTER TABLE job ADD COLUMN charged BIGINT NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN carried BIGINT NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN fee BIGINT NOT NULL DEFAULT 0;
-- What was deposited, how often the ceiling was raised, and until when it cannot be taken back.
ALTER TABLE job ADD COLUMN deposited BIGINT NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN top_ups BIGINT NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN escrow_until_ms BIGINT NOT NULL DEFAULT 0;
-- 0 it has enough, 1 the next work would cost too much, 2 work that is verified does.
ALTER TABLE job ADD COLUMN short BIGINT NOT NULL DEFAULT 0;
-- 0 nobody paid, 1 its escrow stands, 2 the job is over and its rest is to be returned, 3 it is closed.
ALTER TABLE job ADD COLUMN escrow BIGINT NOT NULL DEFAULT 0;
CREATE INDEX job_escrow ON job (seq) WHERE escrow IN (1, 2);
-- A frame is paid once it is approved: by its owner, or by itself at the time that is set when it is assembled.
ALTER TABLE frame ADD COLUMN approved BIGINT NOT NULL DEFAULT 1;
ALTER TABLE frame ADD COLUMN approve_by_ms BIGINT NOT NULL DEFAULT 0;
CREATE INDEX frame_unapproved ON frame (approve_by_ms) WHERE approved = 0;
-- What owners said against frames, and what was answered.
CREATE TABLE dispute (
    job       BLOB NOT NULL,
    frame     BIGINT NOT NULL,
    case_no   BIGINT NOT NULL,          -- counted from 1
    reason    TEXT NOT NULL,
    seed      BLOB NOT NULL,            -- what the pixels are drawn with that are looked at again
    opened_ms BIGINT NOT NULL,
    answer    TEXT,
    PRIMARY KEY (job, frame, case_no)
);
CREATE INDEX dispute_open ON dispute (opened_ms) WHERE answer IS NULL;
-- The price that a lease promises, and what became of its result's pay: 0 it waits, 1 it is in the ledger or
-- nothing, 2 there is no money for it.
ALTER TABLE lease ADD COLUMN price BIGINT NOT NULL DEFAULT 0;
ALTER TABLE result ADD COLUMN price BIGINT NOT NULL DEFAULT 0;
ALTER TABLE result ADD COLUMN posted BIGINT NOT NULL DEFAULT 0;
CREATE INDEX result_unposted ON result (job, frame) WHERE posted = 0 AND audit = 1 AND price > 0;
-- How long the node had it, and how long it has worked for all that was verified: its speed.
ALTER TABLE result ADD COLUMN took_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE node ADD COLUMN worked_ms BIGINT NOT NULL DEFAULT 0;
-- What the farm suggests as a price, and when that changed; 0 before the first time.
INSERT INTO counter (name, value) VALUES ('suggested_price', 0), ('suggested_ms', 0);
-- What a node asks, and where it is paid.
ALTER TABLE node ADD COLUMN ask BIGINT;
ALTER TABLE node ADD COLUMN payout BLOB;

-- 0 while two commits of a lease may still be shown to the chain, 1 when that is done or useless; and what
-- the chain has against it.
ALTER TABLE equivocation ADD COLUMN shown BIGINT NOT NULL DEFAULT 0;
ALTER TABLE equivocation ADD COLUMN refused TEXT;
-- Quotes that were signed. A job that comes of one bears the first half of its id.
CREATE TABLE quote (
    id             BLOB PRIMARY KEY,
    owner          BLOB NOT NULL,
    spec           TEXT NOT NULL,
    tier           BIGINT NOT NULL,
    body           TEXT NOT NULL,
    warnings       TEXT NOT NULL,
    valid_until_ms BIGINT NOT NULL
);
CREATE INDEX quote_by_end ON quote (valid_until_ms);

-- The ledger: entries, each with its postings, whose sum is 0; and the balances that follow from them.
INSERT INTO counter (name, value) VALUES ('entry', 0);
CREATE TABLE entry (
    id    BIGINT PRIMARY KEY,
    cause TEXT NOT NULL,
    once  TEXT NOT NULL,                -- the cause in short: no cause is posted twice
    at_ms BIGINT NOT NULL
);
CREATE UNIQUE INDEX entry_once ON entry (once);
CREATE TABLE posting (
    entry   BIGINT NOT NULL,
    account TEXT NOT NULL,
    amount  BIGINT NOT NULL,            -- positive where it comes in, negative where it goes out
    PRIMARY KEY (entry, account)
);
CREATE INDEX posting_of_account ON posting (account, entry);
CREATE TABLE balance (
    account TEXT PRIMARY KEY,
    amount  BIGINT NOT NULL
);

-- Epochs, as they are settled on chain: what is drawn from where, and who is paid.
CREATE TABLE epoch (
    number  BIGINT PRIMARY KEY,
    plan    TEXT NOT NULL,
    state   BIGINT NOT NULL,            -- 0 on its way, 1 all is paid that can be
    made_ms BIGINT NOT NULL
);
-- What became of its leaves.
CREATE TABLE payout (
    epoch       BIGINT NOT NULL,
    leaf        BIGINT NOT NULL,
    node        BLOB NOT NULL,
    account     BLOB NOT NULL,          -- the token account
    amount      BIGINT NOT NULL,
    state       BIGINT NOT NULL,        -- 0 pending, 1 paid, 2 claimable
    PRIMARY KEY (epoch, leaf)
);
CREATE INDEX payout_of_node ON payout (node, epoch);
CREATE INDEX payout_claimable ON payout (epoch, leaf) WHERE state = 2;
-- Transactions that were signed and may be under way, by the step that they do.
CREATE TABLE attempt (
    step TEXT PRIMARY KEY,
    body TEXT NOT NULL
);
