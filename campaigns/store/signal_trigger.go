package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// A Trigger is what a live campaign's launched version waits for. Useful is how long after its time an event may still
// start it, After how long it waits first. A paused campaign waits on, but nothing enters it.
type Trigger struct {
	CampaignID campaigns.ID
	Version    int
	Event      string
	Attribute  string
	LaunchedAt time.Time
	Useful     time.Duration
	After      time.Duration
	Paused     bool
}

func scanTrigger(row pgx.CollectableRow) (Trigger, error) {
	var t Trigger
	err := row.Scan(&t.CampaignID, &t.Version, &t.Event, &t.Attribute, &t.LaunchedAt, &t.Useful, &t.After, &t.Paused)
	t.Useful, t.After = t.Useful*time.Second, t.After*time.Second
	return t, err
}

// saveTrigger writes what a campaign waits for, as its status and its launched version have it by now; times are read from the
// campaign as it is launched, and kept while its version stays. Of a campaign that is over it forgets everything.
func (tx *Tx) saveTrigger(ctx context.Context, c *campaigns.Campaign) error {
	if c.Kind != campaigns.Triggered {
		return nil
	}
	batch := &pgx.Batch{}
	batch.Queue(`INSERT INTO triggers AS t (campaign_id, version, event, attribute, launched_at, useful_seconds, after_seconds, paused)
		SELECT c.id, v.version, v.definition->'trigger'->>'event', v.definition->'trigger'->>'attribute', c.launched_at, $2, $3, c.status = 'paused'
		FROM campaigns c JOIN campaign_versions v ON v.campaign_id = c.id AND v.version = c.live_version
		WHERE c.id = $1 AND c.status IN ('scheduled', 'active', 'paused')
		ON CONFLICT (campaign_id) DO UPDATE SET version = excluded.version, event = excluded.event, attribute = excluded.attribute,
			useful_seconds = CASE WHEN t.version = excluded.version THEN t.useful_seconds ELSE excluded.useful_seconds END,
			after_seconds = CASE WHEN t.version = excluded.version THEN t.after_seconds ELSE excluded.after_seconds END, paused = excluded.paused`,
		c.ID, int64(c.UsefulTime()/time.Second), afterSeconds(c.Trigger))
	over := `AND NOT EXISTS (SELECT FROM campaigns c WHERE c.id = $1 AND c.status IN ('scheduled', 'active', 'paused'))`
	for _, table := range []string{"waits", "trigger_members", "triggers"} {
		batch.Queue(`DELETE FROM `+table+` WHERE campaign_id = $1 `+over, c.ID)
	}
	return tx.sendBatch(ctx, "keeping a trigger", batch)
}

func afterSeconds(t *campaigns.Trigger) int64 {
	if t == nil || t.After == nil {
		return 0
	}
	return int64(time.Duration(*t.After) / time.Second)
}

const (
	triggerFields  = `campaign_id, version, event, coalesce(attribute, ''), launched_at, useful_seconds, after_seconds, paused`
	triggerColumns = `SELECT ` + triggerFields + ` FROM triggers`
)

// Triggers lists what live campaigns wait for, by event; all of them for no events.
func (tx *Tx) Triggers(ctx context.Context, events []string) ([]Trigger, error) {
	return many(ctx, tx, "triggers", triggerColumns+` WHERE $1::text[] IS NULL OR event = ANY($1) ORDER BY campaign_id`, scanTrigger, events)
}

// TriggersOf are what some campaigns wait for, of those that are live.
func (tx *Tx) TriggersOf(ctx context.Context, of []campaigns.ID) ([]Trigger, error) {
	return many(ctx, tx, "triggers", triggerColumns+` WHERE campaign_id = ANY($1) ORDER BY campaign_id`, scanTrigger, of)
}

// DefinitionsMark is the same as long as nothing changed of what a plan of a launched campaign is made of besides its
// version: settings, attributes, segments, channels and offers.
func (tx *Tx) DefinitionsMark(ctx context.Context) (string, error) {
	var mark string
	err := tx.tx.QueryRow(ctx, `SELECT concat_ws(' ', (SELECT revision FROM workspace WHERE id = 1),
		(SELECT md5(string_agg(concat_ws(':', name, type, column_name, computed), ',' ORDER BY name)) FROM attributes),
		(SELECT md5(string_agg(concat_ws(':', id, revision), ',' ORDER BY id)) FROM segments), (SELECT concat(count(*), ':', sum(revision), ':', max(changed_at)) FROM channels),
		(SELECT concat(count(*), ':', sum(revision), ':', max(changed_at)) FROM offers))`).Scan(&mark)
	if err != nil {
		return "", fmt.Errorf("reading what definitions there are: %w", err)
	}
	return mark, nil
}
