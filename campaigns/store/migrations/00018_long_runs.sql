-- +goose Up
-- Caps look for runs that began long before a time and were open at it: those that took a day or more, and those of the day
-- before. All runs of a year would be looked through for every part of a run and every batch that is sent.
CREATE INDEX runs_created ON runs (created_at);
CREATE INDEX runs_long ON runs (created_at) WHERE finished_at IS NULL OR finished_at - created_at >= interval '24 hours';

-- +goose Down
DROP INDEX runs_long;
DROP INDEX runs_created;
