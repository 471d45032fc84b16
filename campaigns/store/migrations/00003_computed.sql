-- Attributes that are worked out: they have an expression and no column.

-- +goose Up
ALTER TABLE attributes ADD COLUMN computed text;

-- +goose Down
DELETE FROM attributes WHERE computed IS NOT NULL;
ALTER TABLE attributes DROP COLUMN computed;
