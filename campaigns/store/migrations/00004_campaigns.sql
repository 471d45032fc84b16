-- Campaigns whose launched version stays while the next is written; runs that wait, are held or stay open; messages that
-- know when they are planned.

-- +goose Up
ALTER TABLE campaigns ADD COLUMN live_version integer;
UPDATE campaigns SET live_version = version WHERE launched_at IS NOT NULL;

ALTER TABLE runs ADD COLUMN kind text NOT NULL DEFAULT 'tick', ADD COLUMN priority integer NOT NULL DEFAULT 0, ADD COLUMN resend_of uuid,
    ADD COLUMN held text, ADD COLUMN open_until timestamptz, ADD COLUMN eligible bigint NOT NULL DEFAULT 0, ADD COLUMN walked bigint NOT NULL DEFAULT 0,
    ADD COLUMN turn_at timestamptz;

ALTER TABLE messages ADD COLUMN planned_at timestamptz, ADD COLUMN exempt boolean NOT NULL DEFAULT false, ADD COLUMN cost_micros bigint;
UPDATE messages SET planned_at = queued_at;
ALTER TABLE outbox ADD COLUMN closes_at timestamptz, ADD COLUMN moved boolean NOT NULL DEFAULT false;

-- Settings that came with campaigns: those of a fresh workspace where there is one already.
UPDATE workspace SET settings = '{"caps": [{"channel": "sms", "max": 1, "window": "1d"}, {"channel": "sms", "max": 4, "window": "30d"},
        {"channel": "email", "max": 1, "window": "1d"}, {"channel": "email", "max": 3, "window": "7d"}, {"channel": "any", "max": 2, "window": "1d"}],
    "quiet_hours": {"from": "21:00", "to": "09:00"}, "global_holdout": 0.02, "excluded": "", "approvals": false, "late": {"policy": "once", "grace": "2h"},
    "guards": {"growth": 3, "failures": 0.1, "bounces": 0.05, "complaints": 0.003, "template": 0.2, "codes": true}, "blackouts": []}'::jsonb || settings;

-- +goose Down
ALTER TABLE outbox DROP COLUMN closes_at, DROP COLUMN moved;
ALTER TABLE messages DROP COLUMN planned_at, DROP COLUMN exempt, DROP COLUMN cost_micros;
ALTER TABLE runs DROP COLUMN kind, DROP COLUMN priority, DROP COLUMN resend_of, DROP COLUMN held, DROP COLUMN open_until, DROP COLUMN eligible,
    DROP COLUMN walked, DROP COLUMN turn_at;
ALTER TABLE campaigns DROP COLUMN live_version;
