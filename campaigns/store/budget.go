package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// Spent is what a campaign has used of its budget over all its runs. Reached is set when somebody was refused for it.
type Spent struct {
	Messages   int64
	CostMicros int64
	Reached    bool
}

// Spent reads what a campaign has spent as its version counts it; with lock it holds the row until the transaction ends, so
// that two runs cannot spend the same rest. A version that is met first, and a run that is new, counts what was queued before,
// without what was cancelled or expired: that never went.
func (tx *Tx) Spent(ctx context.Context, campaign campaigns.ID, version int, lock bool) (Spent, error) {
	sql := `SELECT messages, cost_micros, reached FROM campaign_budgets WHERE campaign_id = $1 AND version = $2`
	scan := func(row pgx.CollectableRow) (s Spent, err error) {
		err = row.Scan(&s.Messages, &s.CostMicros, &s.Reached)
		return s, err
	}
	if lock {
		sql += ` FOR UPDATE`
		_, err := tx.exec(ctx, "opening a budget", `INSERT INTO campaign_budgets (campaign_id, version, messages, cost_micros) VALUES ($1, -1, 0, 0) ON CONFLICT DO NOTHING`, campaign)
		if err == nil {
			_, err = tx.exec(ctx, "locking a budget", `SELECT FROM campaign_budgets WHERE campaign_id = $1 FOR UPDATE`, campaign)
		}
		if err != nil {
			return Spent{}, err
		}
	}
	found, err := many(ctx, tx, "a budget", sql, scan, campaign, version)
	if err != nil || len(found) == 1 {
		if len(found) == 1 {
			return found[0], err
		}
		return Spent{}, err
	}
	return one(ctx, tx, "budget", campaign.String(), `SELECT count(*), coalesce(sum(cost_micros), 0)::bigint, false FROM messages
		WHERE run_id IN (SELECT id FROM runs WHERE campaign_id = $1) AND NOT ghost AND status NOT IN ('cancelled', 'expired')`, scan, campaign)
}

// SaveSpent writes what Spent locked.
func (tx *Tx) SaveSpent(ctx context.Context, campaign campaigns.ID, version int, s Spent) error {
	_, err := tx.exec(ctx, "spending a budget", `UPDATE campaign_budgets SET version = $2, messages = $3, cost_micros = $4, reached = $5 WHERE campaign_id = $1`,
		campaign, version, s.Messages, s.CostMicros, s.Reached)
	return err
}

// Room is how many uses of a limited offer are neither counted nor promised by a code that is out; limited is false for an
// offer without a limit. With lock no other transaction issues codes of it until this one ends.
func (tx *Tx) Room(ctx context.Context, offer campaigns.ID, lock bool) (uses int64, limited bool, err error) {
	if lock {
		_, err := tx.exec(ctx, "locking an offer", `INSERT INTO offer_issues (offer_id, uses) VALUES ($1, 0) ON CONFLICT (offer_id) DO UPDATE SET uses = offer_issues.uses`, offer)
		if err != nil {
			return 0, false, err
		}
	}
	var most, used, issued int64
	err = tx.tx.QueryRow(ctx, `SELECT coalesce(sum(max), -1)::bigint, coalesce(sum(used), 0)::bigint,
		coalesce((SELECT uses FROM offer_issues WHERE offer_id = $1), 0) FROM counters WHERE offer_id = $1`, offer).Scan(&most, &used, &issued)
	if err != nil {
		return 0, false, fmt.Errorf("reading what an offer has left: %w", err)
	}
	return max(0, most-max(used, issued)), most >= 0, nil
}
