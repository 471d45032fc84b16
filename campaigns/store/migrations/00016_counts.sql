-- No index of messages holds what an outcome changes, so that outcomes touch no index; how many messages of a run stand at
-- each status is counted beside them, in slots, so that those who write outcomes do not wait for each other.

-- +goose Up
CREATE TABLE run_counts (
    run_id uuid NOT NULL,
    slot smallint NOT NULL,
    queued bigint NOT NULL DEFAULT 0,
    sent bigint NOT NULL DEFAULT 0,
    delivered bigint NOT NULL DEFAULT 0,
    bounced bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    unknown bigint NOT NULL DEFAULT 0,
    cancelled bigint NOT NULL DEFAULT 0,
    expired bigint NOT NULL DEFAULT 0,
    ghosts bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (run_id, slot)
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.05);
INSERT INTO run_counts SELECT run_id, 0, count(*) FILTER (WHERE status = 'queued' AND NOT ghost), count(*) FILTER (WHERE status = 'sent' AND NOT ghost),
    count(*) FILTER (WHERE status = 'delivered' AND NOT ghost), count(*) FILTER (WHERE status = 'bounced' AND NOT ghost),
    count(*) FILTER (WHERE status = 'failed' AND NOT ghost), count(*) FILTER (WHERE status = 'unknown' AND NOT ghost),
    count(*) FILTER (WHERE status = 'cancelled' AND NOT ghost), count(*) FILTER (WHERE status = 'expired' AND NOT ghost), count(*) FILTER (WHERE ghost)
    FROM messages GROUP BY run_id;

-- A statement that changes many customers notes them in one row, whose no is 0.
ALTER TABLE changes ADD COLUMN nos bigint[];

DROP INDEX messages_run;
CREATE INDEX messages_run ON messages (run_id, no);
-- +goose StatementBegin
DO $$ DECLARE part regclass; BEGIN
    FOR part IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'messages'::regclass LOOP
        EXECUTE format('ALTER TABLE %s SET (fillfactor = 50)', part);
    END LOOP;
END $$;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
DO $$ DECLARE part regclass; BEGIN
    FOR part IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'messages'::regclass LOOP
        EXECUTE format('ALTER TABLE %s RESET (fillfactor)', part);
    END LOOP;
END $$;
-- +goose StatementEnd
DROP INDEX messages_run;
CREATE INDEX messages_run ON messages (run_id, status);
INSERT INTO changes SELECT xid, unnest(nos), kind FROM changes WHERE nos IS NOT NULL;
DELETE FROM changes WHERE nos IS NOT NULL;
ALTER TABLE changes DROP COLUMN nos;
DROP TABLE run_counts;
