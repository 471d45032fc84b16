-- Saved rules. Names are unique: rules name them.

-- +goose Up
CREATE TABLE segments (
    id uuid PRIMARY KEY,
    name text NOT NULL CONSTRAINT segments_name UNIQUE,
    rule text NOT NULL,
    revision bigint NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL
);

-- +goose Down
DROP TABLE segments;
