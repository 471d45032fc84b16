-- What queueing needs: keys on the arms that they drew, what a budget has left, codes that are out, where a pace stands.

-- +goose Up
ALTER TABLE arms ADD COLUMN key bytea;
UPDATE arms a SET key = decode(k.key, 'hex') FROM arm_keys k WHERE k.no = a.no AND (a.campaign_id, a.period) =
    (SELECT b.campaign_id, b.period FROM arms b WHERE b.no = a.no ORDER BY b.assigned_at, b.campaign_id, b.period LIMIT 1);
DROP TABLE arm_keys;
CREATE UNIQUE INDEX arms_key ON arms (no) INCLUDE (key) WHERE key IS NOT NULL;

CREATE TABLE campaign_budgets (
    campaign_id uuid PRIMARY KEY,
    version integer NOT NULL,
    messages bigint NOT NULL,
    cost_micros bigint NOT NULL,
    reached boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50);

CREATE TABLE offer_issues (offer_id uuid PRIMARY KEY, uses bigint NOT NULL) WITH (fillfactor = 50);
INSERT INTO offer_issues SELECT offer_id, sum(uses_max) FROM coupons GROUP BY offer_id;

ALTER TABLE runs ADD COLUMN paced_to timestamptz;

-- Fewer and shorter indexes: each costs as much as a tenth of queueing. What is being sent is few enough to look through.
DROP INDEX outbox_run;
DROP INDEX outbox_due;
CREATE INDEX outbox_due ON outbox (run_id, channel_id, lane, due_at) WHERE sending_at IS NULL;
DROP INDEX arms_campaign;
CREATE INDEX arms_campaign ON arms (campaign_id);

-- +goose Down
DROP INDEX arms_campaign;
CREATE INDEX arms_campaign ON arms (campaign_id, period, arm);
DROP INDEX outbox_due;
CREATE INDEX outbox_due ON outbox (channel_id, lane, run_id, due_at) WHERE sending_at IS NULL;
CREATE INDEX outbox_run ON outbox (run_id);
ALTER TABLE runs DROP COLUMN paced_to;
DROP TABLE offer_issues;
DROP TABLE campaign_budgets;
DROP INDEX arms_key;
CREATE TABLE arm_keys (no bigint PRIMARY KEY, key text NOT NULL);
INSERT INTO arm_keys SELECT no, encode(key, 'hex') FROM arms WHERE key IS NOT NULL;
ALTER TABLE arms DROP COLUMN key;
