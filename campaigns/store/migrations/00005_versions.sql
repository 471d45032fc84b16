-- Who wrote, submitted and reviewed a version; what it froze by content, and how many customers it was for.

-- +goose Up
ALTER TABLE campaign_versions ADD COLUMN author text NOT NULL DEFAULT '', ADD COLUMN review text NOT NULL DEFAULT 'draft',
    ADD COLUMN submitted_by text NOT NULL DEFAULT '', ADD COLUMN submitter text NOT NULL DEFAULT '', ADD COLUMN submitted_at timestamptz,
    ADD COLUMN reviewed_by text NOT NULL DEFAULT '', ADD COLUMN reviewed_at timestamptz, ADD COLUMN review_note text NOT NULL DEFAULT '',
    ADD COLUMN audience bigint, ADD COLUMN hash text NOT NULL DEFAULT '', ADD COLUMN launched_at timestamptz;
UPDATE campaign_versions v SET launched_at = c.launched_at FROM campaigns c WHERE c.id = v.campaign_id AND c.live_version = v.version;
UPDATE campaign_versions v SET frozen = NULL FROM campaigns c WHERE c.id = v.campaign_id AND c.live_version IS DISTINCT FROM v.version;

-- +goose Down
ALTER TABLE campaign_versions DROP COLUMN author, DROP COLUMN review, DROP COLUMN submitted_by, DROP COLUMN submitter, DROP COLUMN submitted_at,
    DROP COLUMN reviewed_by, DROP COLUMN reviewed_at, DROP COLUMN review_note, DROP COLUMN audience, DROP COLUMN hash, DROP COLUMN launched_at;
