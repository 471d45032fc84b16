-- Who reads the mailbox where a channel's bounces arrive, when it is due again, and what was found there.

-- +goose Up
CREATE TABLE inboxes (
    channel_id text PRIMARY KEY,
    owner uuid,
    lease_until timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    looked_at timestamptz,
    reports bigint NOT NULL DEFAULT 0,
    others bigint NOT NULL DEFAULT 0,
    error text
);

-- +goose Down
DROP TABLE inboxes;
