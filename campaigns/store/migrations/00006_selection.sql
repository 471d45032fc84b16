-- What selecting leaves for queueing, in the order in which it is walked; what became of it, appended and folded once the
-- run has queued; and the customers whom no campaign reaches for a quarter.

-- +goose Up
CREATE TABLE run_parts (
    run_id uuid NOT NULL,
    part integer NOT NULL,
    n integer NOT NULL,
    nos bytea NOT NULL,
    PRIMARY KEY (run_id, part)
);
CREATE TABLE run_gates (
    run_id uuid NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    gate text NOT NULL,
    part integer NOT NULL,
    n integer NOT NULL,
    nos bytea NOT NULL,
    PRIMARY KEY (run_id, id)
);
CREATE INDEX campaign_entries_at ON campaign_entries (campaign_id, at);

CREATE TABLE global_holdouts (
    quarter text PRIMARY KEY,
    salt text NOT NULL,
    share double precision NOT NULL,
    begins_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    drawn_at timestamptz NOT NULL,
    population bigint NOT NULL,
    members bigint NOT NULL
);
CREATE TABLE global_holdout_chunks (
    quarter text NOT NULL,
    member boolean NOT NULL,
    chunk integer NOT NULL,
    n integer NOT NULL,
    bitmap bytea NOT NULL,
    PRIMARY KEY (quarter, member, chunk)
);
CREATE TABLE global_holdout_newcomers (
    no bigint NOT NULL,
    quarter text NOT NULL,
    member boolean NOT NULL,
    met_at timestamptz NOT NULL,
    PRIMARY KEY (no, quarter)
);
CREATE INDEX global_holdout_newcomers_quarter ON global_holdout_newcomers (quarter, no);

-- What was being queued lies in a form that is no longer read: those who had not been looked at stay listed as eligible.
UPDATE runs SET status = 'stopped', finished_at = selected_at,
    reason = 'the service was brought up to date while this run was being queued: those who are still eligible got nothing'
    WHERE status = 'queueing';

-- +goose Down
DROP TABLE global_holdout_newcomers, global_holdout_chunks, global_holdouts;
DROP INDEX campaign_entries_at;
DROP TABLE run_gates, run_parts;
