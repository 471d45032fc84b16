-- What a message cost, once a provider took it; to which attempt a provider's name for a segment belongs.

-- +goose Up
ALTER TABLE messages ADD COLUMN paid_micros bigint;
ALTER TABLE provider_ids ADD COLUMN attempt smallint NOT NULL DEFAULT 1;

-- +goose Down
ALTER TABLE provider_ids DROP COLUMN attempt;
ALTER TABLE messages DROP COLUMN paid_micros;
