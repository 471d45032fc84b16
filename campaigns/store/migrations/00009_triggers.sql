-- What live triggered campaigns wait for, what happened that somebody waits for, and who waits for their time.

-- +goose Up
CREATE TABLE triggers (
    campaign_id uuid PRIMARY KEY,
    version integer NOT NULL,
    event text NOT NULL,
    attribute text,
    launched_at timestamptz NOT NULL,
    useful_seconds bigint NOT NULL,
    after_seconds bigint NOT NULL,
    paused boolean NOT NULL,
    looked_at timestamptz,
    looked_version integer
);
CREATE INDEX triggers_event ON triggers (event);

CREATE TABLE signals (
    no bigint NOT NULL,
    event text NOT NULL,
    key text NOT NULL,
    slice smallint NOT NULL,
    at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    changed text[],
    PRIMARY KEY (no, event, key)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);
CREATE INDEX signals_slice ON signals (slice, seen_at);

CREATE TABLE waits (
    no bigint NOT NULL,
    campaign_id uuid NOT NULL,
    place text NOT NULL,
    key text NOT NULL,
    at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    PRIMARY KEY (no, campaign_id, place)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);
CREATE INDEX waits_due ON waits (campaign_id, due_at);

CREATE TABLE trigger_members (
    campaign_id uuid NOT NULL,
    chunk integer NOT NULL,
    bitmap bytea NOT NULL,
    PRIMARY KEY (campaign_id, chunk)
);

-- +goose Down
DROP TABLE trigger_members;
DROP TABLE waits;
DROP TABLE signals;
DROP TABLE triggers;
