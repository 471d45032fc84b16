-- Words of customers on topics; what they did with a message; short links; confirmations of words that people sent.

-- +goose Up
CREATE INDEX consents_topic ON consents (channel, topic, no, at DESC) WHERE topic <> '';

CREATE TABLE tracks (
    no bigint NOT NULL,
    message_id uuid NOT NULL,
    id uuid NOT NULL,
    run_id uuid NOT NULL,
    kind text NOT NULL,
    at timestamptz NOT NULL,
    agent text NOT NULL,
    first boolean NOT NULL,
    url text,
    PRIMARY KEY (no, message_id, id)
);
CREATE UNIQUE INDEX tracks_first ON tracks (no, message_id, kind) WHERE first;
CREATE INDEX tracks_run ON tracks (run_id, kind) WHERE first;

CREATE TABLE links (
    code text PRIMARY KEY,
    no bigint NOT NULL,
    message_id uuid NOT NULL,
    url text NOT NULL,
    expires_at timestamptz
);
CREATE INDEX links_expires ON links (expires_at) WHERE expires_at IS NOT NULL;

CREATE INDEX inbound_sender ON inbound (sender, at) WHERE word IS NOT NULL;

CREATE TABLE replies (
    id uuid PRIMARY KEY,
    inbound_id uuid NOT NULL,
    channel_id text NOT NULL,
    address text NOT NULL,
    word text NOT NULL,
    text text NOT NULL,
    status text NOT NULL,
    attempts smallint NOT NULL DEFAULT 0,
    queued_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    owner uuid,
    sending_at timestamptz,
    finished_at timestamptz,
    provider_id text,
    detail text
);
CREATE INDEX replies_open ON replies (due_at) WHERE status IN ('queued', 'sending');
CREATE INDEX replies_to ON replies (address, word, queued_at);
CREATE INDEX replies_inbound ON replies (inbound_id);

-- +goose Down
DROP TABLE replies, links, tracks;
DROP INDEX inbound_sender, consents_topic;
