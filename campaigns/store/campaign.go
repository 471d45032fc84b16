package store

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

const versionColumns = `v.version, v.created_by, v.author, v.review, v.submitted_by, v.submitter, v.submitted_at, v.reviewed_by, v.reviewed_at, v.review_note,
	v.audience, v.hash, v.definition, v.frozen`

const campaignColumns = `SELECT c.id, coalesce(c.live_version, 0), c.status, c.salt, c.next_run_at, c.created_at, c.changed_at, c.launched_at, ` + versionColumns + `
	FROM campaigns c JOIN campaign_versions v ON v.campaign_id = c.id`

func scanCampaign(row pgx.CollectableRow) (campaigns.Campaign, error) {
	var c campaigns.Campaign
	var frozen *campaigns.Frozen
	var name, author string
	r := &c.Review
	err := row.Scan(&c.ID, &c.LiveVersion, &c.Status, &c.Salt, &c.NextRunAt, &c.CreatedAt, &c.ChangedAt, &c.LaunchedAt, &c.Version, &name, &author,
		&r.State, &r.SubmittedBy, &r.Submitter, &r.SubmittedAt, &r.ReviewedBy, &r.ReviewedAt, &r.Note, &r.Audience, &r.Hash, &c.Definition, &frozen)
	c.CreatedBy, c.Author = name, author
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

// CampaignInEffect reads the version that runs are made from; the newest one where none is.
func (tx *Tx) CampaignInEffect(ctx context.Context, id campaigns.ID) (campaigns.Campaign, error) {
	return one(ctx, tx, "campaign", id.String(), campaignColumns+` AND v.version = coalesce(c.live_version, c.version) WHERE c.id = $1`, scanCampaign, id)
}

// LockCampaign reads the newest version for update.
func (tx *Tx) LockCampaign(ctx context.Context, id campaigns.ID) (campaigns.Campaign, error) {
	if err := tx.lockCampaign(ctx, id); err != nil {
		return campaigns.Campaign{}, err
	}
	return tx.Campaign(ctx, id)
}

// lockCampaign waits for whoever is changing a campaign. It is a statement of its own: one that joined the versions would,
// having waited for an edit, look for the version there was before it and find none.
func (tx *Tx) lockCampaign(ctx context.Context, id campaigns.ID) error {
	_, err := tx.exec(ctx, "locking a campaign", `SELECT 1 FROM campaigns WHERE id = $1 FOR UPDATE`, id)
	return err
}

// CampaignVersion reads what a campaign said in a version, with its present status: what a run works from. Version is that one.
func (tx *Tx) CampaignVersion(ctx context.Context, id campaigns.ID, version int) (campaigns.Campaign, error) {
	return one(ctx, tx, "campaign", id.String(), campaignColumns+` WHERE c.id = $1 AND v.version = $2`, scanCampaign, id, version)
}

// LockLive reads the launched version for update: what a tick works from.
func (tx *Tx) LockLive(ctx context.Context, id campaigns.ID) (campaigns.Campaign, error) {
	if err := tx.lockCampaign(ctx, id); err != nil {
		return campaigns.Campaign{}, err
	}
	return one(ctx, tx, "campaign", id.String(), campaignColumns+` AND v.version = c.live_version WHERE c.id = $1`, scanCampaign, id)
}

// A DueCampaign is one whose next run's time has come.
type DueCampaign struct {
	ID        campaigns.ID
	NextRunAt time.Time
	Status    campaigns.Status
}

// DueCampaigns lists those whose next run's time has come.
func (tx *Tx) DueCampaigns(ctx context.Context, limit int) ([]DueCampaign, error) {
	return many(ctx, tx, "due campaigns", `SELECT id, next_run_at, status FROM campaigns WHERE next_run_at <= $1 AND status IN ('scheduled', 'active')
		AND live_version IS NOT NULL ORDER BY next_run_at, id LIMIT $2`, pgx.RowToStructByPos[DueCampaign], tx.Now, limit)
}

// LockDue reads the launched version of a campaign for update, as DueCampaigns found it; nil when it has moved on since or
// somebody is at it.
func (tx *Tx) LockDue(ctx context.Context, due DueCampaign) (*campaigns.Campaign, error) {
	n, err := tx.exec(ctx, "locking a campaign", `SELECT 1 FROM campaigns WHERE id = $1 AND next_run_at = $2 AND status = $3 FOR UPDATE SKIP LOCKED`, due.ID, due.NextRunAt, due.Status)
	if err != nil || n == 0 {
		return nil, err
	}
	c, err := one(ctx, tx, "campaign", due.ID.String(), campaignColumns+` AND v.version = c.live_version WHERE c.id = $1`, scanCampaign, due.ID)
	return &c, err
}

// OpenCampaigns lists those that are not over and have a rule, by age: the newest version of each, and beside it the one in
// effect where that is another.
func (tx *Tx) OpenCampaigns(ctx context.Context) ([]campaigns.Campaign, error) {
	return many(ctx, tx, "open campaigns", campaignColumns+` AND v.version IN (c.version, c.live_version)
		WHERE c.kind <> 'imported' AND c.status NOT IN ('completed', 'cancelled', 'archived') ORDER BY c.id, v.version`, scanCampaign)
}

// CampaignVersions lists all versions from the newest.
func (tx *Tx) CampaignVersions(ctx context.Context, id campaigns.ID) ([]campaigns.Version, error) {
	return many(ctx, tx, "versions", versionsQuery+` ORDER BY v.version DESC`, scanVersion, id)
}

// Version reads one version of a campaign with what it froze.
func (tx *Tx) Version(ctx context.Context, id campaigns.ID, version int) (campaigns.Version, error) {
	return one(ctx, tx, "version", strconv.Itoa(version), versionsQuery+` AND v.version = $2`, scanVersion, id, version)
}

const versionsQuery = `SELECT c.live_version IS NOT DISTINCT FROM v.version, v.created_at, v.launched_at, ` + versionColumns + `
	FROM campaigns c JOIN campaign_versions v ON v.campaign_id = c.id WHERE c.id = $1`

func scanVersion(row pgx.CollectableRow) (campaigns.Version, error) {
	var v campaigns.Version
	var frozen *campaigns.Frozen
	var author string
	r := &v.Review
	err := row.Scan(&v.Live, &v.CreatedAt, &v.LaunchedAt, &v.Version, &v.CreatedBy, &author, &r.State, &r.SubmittedBy, &r.Submitter, &r.SubmittedAt,
		&r.ReviewedBy, &r.ReviewedAt, &r.Note, &r.Audience, &r.Hash, &v.Definition, &frozen)
	if frozen != nil {
		v.Frozen = *frozen
	}
	return v, err
}

// ApprovedVersion is the latest version of a campaign that was approved, 0 for none.
func (tx *Tx) ApprovedVersion(ctx context.Context, id campaigns.ID) (version int, err error) {
	err = tx.tx.QueryRow(ctx, `SELECT coalesce(max(version), 0) FROM campaign_versions WHERE campaign_id = $1 AND review = 'approved'`, id).Scan(&version)
	if err != nil {
		return 0, fmt.Errorf("reading approvals: %w", err)
	}
	return version, nil
}

// LastOccurrence is the latest time at which a campaign's schedule made a run, nil for none.
func (tx *Tx) LastOccurrence(ctx context.Context, id campaigns.ID) (last *time.Time, err error) {
	err = tx.tx.QueryRow(ctx, `SELECT max(occurrence) FROM runs WHERE campaign_id = $1 AND kind = 'tick'`, id).Scan(&last)
	if err != nil {
		return nil, fmt.Errorf("reading the last occurrence: %w", err)
	}
	return last, nil
}

// CreateCampaign keeps a new campaign as version 1, with a salt of its own.
func (tx *Tx) CreateCampaign(ctx context.Context, c *campaigns.Campaign) error {
	c.ID, c.Version, c.CreatedAt, c.ChangedAt = campaigns.NewID(tx.Now), 1, tx.Now, tx.Now
	c.Salt, c.Review = c.ID.String(), campaigns.Review{State: campaigns.ReviewDraft}
	_, err := tx.exec(ctx, "creating a campaign", `INSERT INTO campaigns (id, kind, status, version, salt, created_at, changed_at)
		VALUES ($1, $2, $3, 1, $4, $5, $5)`, c.ID, c.Kind, c.Status, c.Salt, tx.Now)
	if err != nil {
		return err
	}
	return tx.writeCampaignVersion(ctx, c)
}

// SaveCampaignVersion writes an edit as the next version, and the status that it leads to.
func (tx *Tx) SaveCampaignVersion(ctx context.Context, c *campaigns.Campaign) error {
	c.Version, c.ChangedAt = c.Version+1, tx.Now
	_, err := tx.exec(ctx, "saving a campaign", `UPDATE campaigns SET version = $2, kind = $3, status = $4, changed_at = $5 WHERE id = $1`,
		c.ID, c.Version, c.Kind, c.Status, tx.Now)
	if err != nil {
		return err
	}
	return tx.writeCampaignVersion(ctx, c)
}

func (tx *Tx) writeCampaignVersion(ctx context.Context, c *campaigns.Campaign) error {
	_, err := tx.exec(ctx, "writing a campaign's version", `INSERT INTO campaign_versions (campaign_id, version, definition, created_by, author, created_at)
		VALUES ($1, $2, $3, $4, $5, $6)`, c.ID, c.Version, c.Definition, c.CreatedBy, c.Author, tx.Now)
	return err
}

// SaveCampaignState writes status, next run and which version is in effect.
func (tx *Tx) SaveCampaignState(ctx context.Context, c *campaigns.Campaign) error {
	c.ChangedAt = tx.Now
	_, err := tx.exec(ctx, "saving a campaign's state", `UPDATE campaigns SET status = $2, next_run_at = $3, launched_at = $4, changed_at = $5, live_version = NULLIF($6, 0)
		WHERE id = $1`, c.ID, c.Status, c.NextRunAt, c.LaunchedAt, tx.Now, c.LiveVersion)
	if err != nil {
		return err
	}
	return tx.saveTrigger(ctx, c)
}

// SaveReview writes how the review of the campaign's version stands and what it froze.
func (tx *Tx) SaveReview(ctx context.Context, c *campaigns.Campaign) error {
	var frozen *campaigns.Frozen
	if c.Frozen.Is() {
		frozen = &c.Frozen
	}
	r := c.Review
	_, err := tx.exec(ctx, "saving a review", `UPDATE campaign_versions SET review = $3, submitted_by = $4, submitter = $5, submitted_at = $6, reviewed_by = $7,
		reviewed_at = $8, review_note = $9, audience = $10, hash = $11, frozen = $12 WHERE campaign_id = $1 AND version = $2`, c.ID, c.Version, r.State, r.SubmittedBy,
		r.Submitter, r.SubmittedAt, r.ReviewedBy, r.ReviewedAt, r.Note, r.Audience, r.Hash, frozen)
	return err
}

// LaunchVersion writes what the campaign's version froze and that it was put in effect.
func (tx *Tx) LaunchVersion(ctx context.Context, c *campaigns.Campaign) error {
	_, err := tx.exec(ctx, "launching a version", `UPDATE campaign_versions SET frozen = $3, hash = $4, launched_at = $5 WHERE campaign_id = $1 AND version = $2`,
		c.ID, c.Version, c.Frozen, c.Frozen.Hash, tx.Now)
	return err
}

// DeleteCampaign removes a campaign that never ran, with its versions.
func (tx *Tx) DeleteCampaign(ctx context.Context, id campaigns.ID) error {
	if _, err := tx.exec(ctx, "deleting a campaign's versions", `DELETE FROM campaign_versions WHERE campaign_id = $1`, id); err != nil {
		return err
	}
	_, err := tx.exec(ctx, "deleting a campaign", `DELETE FROM campaigns WHERE id = $1`, id)
	return err
}
