-- +goose Up

-- One row a trade. state is the whole trade as JSON; the columns beside it
-- repeat what we search by, and nothing else. at_rest: completed, refunded or
-- cancelled.
CREATE TABLE trades (
    id      TEXT    PRIMARY KEY,
    version INTEGER NOT NULL,
    at_rest BOOLEAN NOT NULL,
    state   TEXT    NOT NULL
);
CREATE INDEX trades_by_rest ON trades (at_rest, id);

-- One row an effect that is still to be carried out. An id is never used twice.
CREATE TABLE effects (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    trade TEXT    NOT NULL,
    kind  TEXT    NOT NULL,
    body  TEXT    NOT NULL
);

-- One row a transaction that may be broadcast. seq counts them as they came.
-- made: Unix seconds.
CREATE TABLE txs (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    trade   TEXT    NOT NULL,
    txid    TEXT    NOT NULL,
    purpose TEXT    NOT NULL,
    made    INTEGER NOT NULL,
    state   TEXT    NOT NULL,
    UNIQUE (trade, txid)
);
CREATE INDEX txs_by_purpose ON txs (purpose, made);
