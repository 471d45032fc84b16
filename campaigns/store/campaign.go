package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

const campaignColumns = `SELECT c.id, v.version, coalesce(c.live_version, 0), c.status, c.salt, c.next_run_at, c.created_at, c.changed_at, c.launched_at, v.definition, v.frozen, v.created_by
	FROM campaigns c JOIN campaign_versions v ON v.campaign_id = c.id`

func scanCampaign(row pgx.CollectableRow) (campaigns.Campaign, error) {
	var c campaigns.Campaign
	var frozen *campaigns.Frozen
	err := row.Scan(&c.ID, &c.Version, &c.LiveVersion, &c.Status, &c.Salt, &c.NextRunAt, &c.CreatedAt, &c.ChangedAt, &c.LaunchedAt, &c.Definition, &frozen, &c.CreatedBy)
	if frozen != nil {
		c.Frozen = *frozen
	}
	return c, err
}

// Campaigns lists campaigns from the newest, beginning below the id before (the zero id: from the top).
func (tx *Tx) Campaigns(ctx context.Context, before campaigns.ID, limit int) ([]campaigns.Campaign, error) {
	return many(ctx, tx, "campaigns", campaignColumns+` AND v.version = c.version WHERE $1 OR c.id < $2 ORDER BY c.id DESC LIMIT $3`,
		scanCampaign, before == campaigns.ID{}, before, limit)
}

// Campaign reads the newest version.
func (tx *Tx) Campaign(ctx context.Context, id campaigns.ID) (campaigns.Campaign, error) {
	return one(ctx, tx, "campaign", id.String(), campaignColumns+` AND v.version = c.version WHERE c.id = $1`, scanCampaign, id)
}

// LockCampaign reads the newest version for update.
func (tx *Tx) LockCampaign(ctx context.Context, id campaigns.ID) (campaigns.Campaign, error) {
	return one(ctx, tx, "campaign", id.String(), campaignColumns+` AND v.version = c.version WHERE c.id = $1 FOR UPDATE OF c`, scanCampaign, id)
}

// CampaignVersion reads what a campaign said in a version, with its present status: what a run works from.
func (tx *Tx) CampaignVersion(ctx context.Context, id campaigns.ID, version int) (campaigns.Campaign, error) {
	return one(ctx, tx, "campaign", id.String(), campaignColumns+` WHERE c.id = $1 AND v.version = $2`, scanCampaign, id, version)
}

// LockLive reads the launched version for update: what a tick works from.
func (tx *Tx) LockLive(ctx context.Context, id campaigns.ID) (campaigns.Campaign, error) {
	return one(ctx, tx, "campaign", id.String(), campaignColumns+` AND v.version = c.live_version WHERE c.id = $1 FOR UPDATE OF c`, scanCampaign, id)
}

// DueCampaigns lists those whose next run's time has come.
func (tx *Tx) DueCampaigns(ctx context.Context, limit int) ([]campaigns.Campaign, error) {
	return many(ctx, tx, "due campaigns", campaignColumns+` AND v.version = c.live_version
		WHERE c.next_run_at <= $1 AND c.status IN ('scheduled', 'active') ORDER BY c.next_run_at, c.id LIMIT $2`, scanCampaign, tx.Now, limit)
}

// OpenCampaigns lists those that are not over and have a rule, by age.
func (tx *Tx) OpenCampaigns(ctx context.Context) ([]campaigns.Campaign, error) {
	return many(ctx, tx, "open campaigns", campaignColumns+` AND v.version = c.version
		WHERE c.kind <> 'imported' AND c.status IN ('draft', 'scheduled', 'active', 'paused') ORDER BY c.id`, scanCampaign)
}

// CreateCampaign keeps a new campaign as version 1, with a salt of its own.
func (tx *Tx) CreateCampaign(ctx context.Context, c *campaigns.Campaign) error {
	c.ID, c.Version, c.CreatedAt, c.ChangedAt = campaigns.NewID(tx.Now), 1, tx.Now, tx.Now
	c.Salt = c.ID.String()
	_, err := tx.exec(ctx, "creating a campaign", `INSERT INTO campaigns (id, kind, status, version, salt, created_at, changed_at)
		VALUES ($1, $2, $3, 1, $4, $5, $5)`, c.ID, c.Kind, c.Status, c.Salt, tx.Now)
	if err != nil {
		return err
	}
	return tx.writeCampaignVersion(ctx, c)
}

// SaveCampaignVersion writes an edit as the next version.
func (tx *Tx) SaveCampaignVersion(ctx context.Context, c *campaigns.Campaign) error {
	c.Version, c.ChangedAt = c.Version+1, tx.Now
	_, err := tx.exec(ctx, "saving a campaign", `UPDATE campaigns SET version = $2, kind = $3, changed_at = $4 WHERE id = $1`, c.ID, c.Version, c.Kind, tx.Now)
	if err != nil {
		return err
	}
	return tx.writeCampaignVersion(ctx, c)
}

func (tx *Tx) writeCampaignVersion(ctx context.Context, c *campaigns.Campaign) error {
	_, err := tx.exec(ctx, "writing a campaign's version", `INSERT INTO campaign_versions (campaign_id, version, definition, created_by, created_at)
		VALUES ($1, $2, $3, $4, $5)`, c.ID, c.Version, c.Definition, c.CreatedBy, tx.Now)
	return err
}

// SaveCampaignState writes status, next run and what the version froze.
func (tx *Tx) SaveCampaignState(ctx context.Context, c *campaigns.Campaign) error {
	c.ChangedAt = tx.Now
	_, err := tx.exec(ctx, "saving a campaign's state", `UPDATE campaigns SET status = $2, next_run_at = $3, launched_at = $4, changed_at = $5, live_version = NULLIF($6, 0)
		WHERE id = $1`, c.ID, c.Status, c.NextRunAt, c.LaunchedAt, tx.Now, c.LiveVersion)
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, "freezing a version", `UPDATE campaign_versions SET frozen = $3 WHERE campaign_id = $1 AND version = $2`, c.ID, c.Version, c.Frozen)
	if err != nil {
		return err
	}
	return tx.saveTrigger(ctx, c)
}

// AdvanceCampaign moves the next run on from the time that the caller saw; false when another node was first.
func (tx *Tx) AdvanceCampaign(ctx context.Context, id campaigns.ID, seen time.Time, next *time.Time) (bool, error) {
	n, err := tx.exec(ctx, "advancing a campaign", `UPDATE campaigns SET next_run_at = $3 WHERE id = $1 AND next_run_at = $2`, id, seen, next)
	return n == 1, err
}
