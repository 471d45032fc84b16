package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// Gates counts the customers of a run at each gate, ghosts' later gates under their own names.
func (tx *Tx) Gates(ctx context.Context, run campaigns.ID) (map[campaigns.Gate]int64, error) {
	found, err := many(ctx, tx, "gates", `SELECT gate, sum(n) FROM (
		SELECT gate, n FROM audiences WHERE run_id = $1 UNION ALL SELECT gate, n FROM run_gates WHERE run_id = $1
		UNION ALL SELECT 'eligible', n FROM run_parts WHERE run_id = $1) g GROUP BY gate`, scanCount, run)
	gates := make(map[campaigns.Gate]int64, len(found))
	for _, g := range found {
		gates[campaigns.Gate(g.name)] = g.n
	}
	return gates, err
}

// Earlier is a campaign's last finished run before another, with the size of its audience.
type Earlier struct {
	Occurrence time.Time
	Audience   int64
}

// EarlierRun is the last run of a campaign's schedule or by hand that ended before another began; nil when there is none. One that
// found nobody says nothing of how large an audience should be.
func (tx *Tx) EarlierRun(ctx context.Context, r *campaigns.Run) (*Earlier, error) {
	var found Earlier
	err := tx.tx.QueryRow(ctx, `SELECT r.occurrence, coalesce((SELECT sum(n) FROM audiences a WHERE a.run_id = r.id AND a.gate NOT LIKE 'ghost:%'), 0)
		FROM runs r WHERE r.campaign_id = $1 AND r.id <> $2 AND r.kind IN ('tick', 'manual') AND r.status = 'done' AND r.occurrence < $3
			AND EXISTS (SELECT FROM audiences a WHERE a.run_id = r.id AND a.n > 0)
		ORDER BY r.occurrence DESC LIMIT 1`, r.CampaignID, r.ID, r.Occurrence).Scan(&found.Occurrence, &found.Audience)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the run before: %w", err)
	}
	return &found, nil
}

// ApprovedAudience is how many customers matched when a campaign's version was approved; nil when nobody counted. The
// column is read by its name, so that versions from before it have none.
func (tx *Tx) ApprovedAudience(ctx context.Context, campaign campaigns.ID, version int) (*int64, error) {
	var n *int64
	err := tx.tx.QueryRow(ctx, `SELECT (to_jsonb(v)->>'audience')::bigint FROM campaign_versions v WHERE campaign_id = $1 AND version = $2`, campaign, version).Scan(&n)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("reading the count at approval: %w", err)
	}
	return n, nil
}
