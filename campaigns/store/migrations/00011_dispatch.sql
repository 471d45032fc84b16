-- What the nodes share about a provider: where its rate stands, whether it asked for a rest, whether its circuit is open.
-- Which message a provider's id names. Complaints. Messages whose unknown outcome was answered by sending them again.

-- +goose Up
CREATE TABLE providers (
    channel_id text PRIMARY KEY,
    paced_to timestamptz NOT NULL DEFAULT 'epoch',
    rests_until timestamptz NOT NULL DEFAULT 'epoch',
    throttles integer NOT NULL DEFAULT 0,
    faults integer NOT NULL DEFAULT 0,
    opens integer NOT NULL DEFAULT 0,
    open_until timestamptz,
    probe uuid,
    probe_until timestamptz,
    reason text
) WITH (fillfactor = 20, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);
INSERT INTO providers (channel_id) SELECT id FROM channels;

CREATE TABLE provider_ids (
    channel_id text NOT NULL,
    provider_id text NOT NULL,
    no bigint NOT NULL,
    message_id uuid NOT NULL,
    segment smallint NOT NULL,
    segments smallint NOT NULL,
    status text,
    PRIMARY KEY (channel_id, provider_id)
);
CREATE INDEX provider_ids_segments ON provider_ids (message_id) WHERE segments > 1;

CREATE TABLE complaints (
    no bigint NOT NULL,
    message_id uuid NOT NULL,
    run_id uuid NOT NULL,
    campaign_id uuid NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (no, message_id)
);
CREATE INDEX complaints_run ON complaints (run_id);

ALTER TABLE messages ADD COLUMN resent boolean NOT NULL DEFAULT false;

-- +goose Down
ALTER TABLE messages DROP COLUMN resent;
DROP TABLE complaints, provider_ids, providers;
