-- Secrets of channels sealed under a key that is not in the database; what providers and people say by themselves, kept
-- until it is dealt with; the language of a message and the segments that it took.

-- +goose Up
ALTER TABLE channels ADD COLUMN sealed bytea;
ALTER TABLE messages ADD COLUMN language text, ADD COLUMN segments smallint;

CREATE TABLE receipts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel_id text NOT NULL,
    provider_id text,
    receipt jsonb NOT NULL,
    seen_at timestamptz NOT NULL,
    look_at timestamptz NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);
CREATE INDEX receipts_look ON receipts (look_at);

CREATE TABLE inbound (
    id uuid PRIMARY KEY,
    channel_id text NOT NULL,
    provider_id text,
    sender text NOT NULL,
    recipient text NOT NULL,
    text text NOT NULL,
    at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    handled_at timestamptz,
    word text,
    customers integer
);
CREATE UNIQUE INDEX inbound_once ON inbound (channel_id, provider_id) WHERE provider_id IS NOT NULL;
CREATE INDEX inbound_new ON inbound (seen_at) WHERE handled_at IS NULL;

-- +goose Down
DROP TABLE inbound, receipts;
ALTER TABLE messages DROP COLUMN language, DROP COLUMN segments;
ALTER TABLE channels DROP COLUMN sealed;
