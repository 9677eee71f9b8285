-- +goose Up

-- One row a channel, settled ones too. state is the whole channel as JSON; the
-- columns beside it repeat what we search by. number counts channels as they came:
-- other tables name a channel by it, which takes 3 bytes in place of 32; every index
-- of SQLite ends with it unsaid. stands: nonce of the last of our updates that holds.
-- at_rest: settled.
CREATE TABLE channels (
    number  INTEGER PRIMARY KEY,
    id      BLOB    NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    epoch   INTEGER NOT NULL,
    stands  INTEGER NOT NULL,
    at_rest BOOLEAN NOT NULL,
    state   TEXT    NOT NULL
);
CREATE INDEX channels_by_rest ON channels (at_rest);

-- What we have said in a channel, one row an update, body as JSON. Rows of an
-- epoch that is over are deleted.
CREATE TABLE said (
    channel INTEGER NOT NULL,
    epoch   INTEGER NOT NULL,
    nonce   INTEGER NOT NULL,
    body    TEXT    NOT NULL,
    PRIMARY KEY (channel, epoch, nonce)
) WITHOUT ROWID;

-- One row a payment of ours or to us. state is the whole payment as JSON.
--
-- This is the table that grows by thousands of rows a second, so rows are put at the
-- end: number counts payments as they came, and pages are read by it. All indexes
-- but one are written at an end, too, of each side, asset or channel. The one of ids
-- is needed to write a payment again, and to find one. Where ids come in no order,
-- each costs a page of the log: with 1,000,000 rows, 100 payments in a save, that is
-- three times the time of ids that begin with the time (ledger.PaymentID), which
-- cost the same in a full table as in an empty one. Ids as the key of the table
-- itself would write the page of each whole row in place of its index entry.
--
-- status: pending, failed or done; done also of a payment that went out in an
-- update of ours, and then channel, epoch and nonce name that update, and it is
-- done once that stands. Of every other payment these three are 0.
CREATE TABLE payments (
    number  INTEGER PRIMARY KEY,
    id      BLOB    NOT NULL,
    ours    BOOLEAN NOT NULL,
    asset   TEXT    NOT NULL,
    status  TEXT    NOT NULL,
    channel INTEGER NOT NULL,
    epoch   INTEGER NOT NULL,
    nonce   INTEGER NOT NULL,
    state   TEXT    NOT NULL,
    UNIQUE (id, ours)
);
CREATE INDEX payments_by_asset ON payments (asset);
CREATE INDEX payments_by_side ON payments (ours);
CREATE INDEX payments_by_status ON payments (status) WHERE status <> 'done';
CREATE INDEX payments_by_update ON payments (channel, epoch, nonce) WHERE channel > 0;

-- One row a payment of others that we pass on, named by the lock that came in and
-- the channel it came in. state is the whole transfer as JSON.
CREATE TABLE transfers (
    number  INTEGER PRIMARY KEY,
    id      BLOB    NOT NULL,
    channel INTEGER NOT NULL,
    status  TEXT    NOT NULL,
    state   TEXT    NOT NULL,
    UNIQUE (id, channel)
);
CREATE INDEX transfers_by_status ON transfers (status);

-- One row an invoice of ours. state is the whole demand as JSON; id is the
-- invoice's hash. at_rest: nothing more is decided about it.
CREATE TABLE demands (
    number  INTEGER PRIMARY KEY,
    id      BLOB    NOT NULL UNIQUE,
    asset   TEXT    NOT NULL,
    status  TEXT    NOT NULL,
    at_rest BOOLEAN NOT NULL,
    state   TEXT    NOT NULL
);
CREATE INDEX demands_by_asset ON demands (asset);
CREATE INDEX demands_by_status ON demands (status);
CREATE INDEX demands_by_rest ON demands (at_rest);

-- The block of each chain through which all events are in the channels, and the
-- newest block that was told, as JSON.
CREATE TABLE positions (
    chain   TEXT    PRIMARY KEY,
    through INTEGER NOT NULL,
    head    TEXT    NOT NULL
);

-- Secrets that a chain has dated, by their hash: all there ever were.
CREATE TABLE dated (
    chain TEXT    NOT NULL,
    hash  BLOB    NOT NULL,
    block INTEGER NOT NULL,
    PRIMARY KEY (chain, hash)
);

-- What we ask in a channel for passing payments on, as JSON.
CREATE TABLE fees (
    channel BLOB PRIMARY KEY,
    state   TEXT NOT NULL
);

-- One row a signed transaction that calls a contract. call is the order that it
-- carries out; at_rest: that needs nothing more. state is the whole transaction as
-- JSON.
CREATE TABLE call_txs (
    number  INTEGER PRIMARY KEY,
    call    BLOB    NOT NULL,
    txid    BLOB    NOT NULL,
    at_rest BOOLEAN NOT NULL,
    state   TEXT    NOT NULL,
    UNIQUE (call, txid)
);
CREATE INDEX call_txs_by_rest ON call_txs (at_rest);
