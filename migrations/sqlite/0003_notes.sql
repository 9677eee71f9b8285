-- +goose Up

-- What an adapter must still know after a restart, under a name of its own.
CREATE TABLE notes (
    name TEXT PRIMARY KEY,
    body BLOB NOT NULL
);
