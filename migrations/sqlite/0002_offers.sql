-- +goose Up

-- One row an offer, ours or another's. state is the whole offer as JSON; id is
-- its digest.
CREATE TABLE offers (
    id    TEXT PRIMARY KEY,
    state TEXT NOT NULL
);
