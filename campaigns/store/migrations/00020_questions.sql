-- Messages whose outcome is unknown and whose provider can be asked what became of them.

-- +goose Up
CREATE TABLE questions (
    no bigint NOT NULL,
    message_id uuid NOT NULL,
    queued_at timestamptz NOT NULL,
    channel_id text NOT NULL,
    asked smallint NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL,
    PRIMARY KEY (no, message_id)
);
CREATE INDEX questions_due ON questions (channel_id, due_at);

-- +goose Down
DROP TABLE questions;
