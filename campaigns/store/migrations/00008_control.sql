-- What stops all sending and says when a node lived last; which guards a run is no longer asked; what a run sends again.

-- +goose Up
CREATE TABLE control (
    id smallint PRIMARY KEY CHECK (id = 1),
    beat_at timestamptz,
    stopped_at timestamptz,
    stopped_by text,
    stopped_reason text
) WITH (fillfactor = 50);
INSERT INTO control (id) VALUES (1);

ALTER TABLE runs ADD COLUMN waived text[] NOT NULL DEFAULT '{}', ADD COLUMN remainder jsonb;
CREATE INDEX runs_resent ON runs (resend_of) WHERE resend_of IS NOT NULL;

-- +goose Down
DROP INDEX runs_resent;
ALTER TABLE runs DROP COLUMN waived, DROP COLUMN remainder;
DROP TABLE control;
