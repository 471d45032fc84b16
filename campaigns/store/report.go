package store

import (
	"context"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"beckon/campaigns"
)

// ArmSums are the exact sums of one metric over one arm, of customers whose window has ended. Money is minor units.
type ArmSums struct {
	Arm        string
	Assigned   int64
	Due        int64
	Immature   int64
	Sum        *big.Float
	SumSquares *big.Float
}

// outcome is what a metric adds up per customer: rows of the table that fall into the window, and their value.
func outcome(of string) (table, value, condition string, args []any, err error) {
	if event, is := strings.CutPrefix(of, "event:"); is {
		return "events", "1", "o.name = $5", []any{event}, nil
	}
	switch of {
	case "purchase":
		return "purchases", "1", "NOT o.void AND $5::text IS NULL", []any{nil}, nil
	case "revenue":
		return "purchases", "o.amount - o.refunded", "$5::text IS NULL", []any{nil}, nil
	case "redemption":
		return "redemption_offers", "1", "o.campaign_id = $1 AND o.reversed_at IS NULL AND $5::text IS NULL", []any{nil}, nil
	}
	return "", "", "", nil, fmt.Errorf("there is no metric of %q", of)
}

// LastDrawn is the newest version by which customers were drawn into arms; 0 when nobody was.
func (tx *Tx) LastDrawn(ctx context.Context, campaign campaigns.ID) (version int, err error) {
	err = tx.tx.QueryRow(ctx, `SELECT coalesce(max(version), 0) FROM arms WHERE campaign_id = $1`, campaign).Scan(&version)
	if err != nil {
		return 0, fmt.Errorf("looking who was drawn last: %w", err)
	}
	return version, nil
}

// ReportSums works out a metric for all arms of a campaign: customers whose window [due, due + window) has ended by now,
// everybody counted, zeros included (no join: a planner that takes the campaign for a small one would loop over all for each),
// of the periods that were drawn by the same shares (Frozen's Draw). A rate counts who has any.
func (tx *Tx) ReportSums(ctx context.Context, campaign campaigns.ID, draw int, metric campaigns.Metric, window time.Duration) ([]ArmSums, error) {
	table, value, condition, args, err := outcome(metric.Of)
	if err != nil {
		return nil, err
	}
	var mark *string // how a period ends once the shares were changed; LIKE, for the planner takes it that most rows are no exception
	if draw > 0 {
		mark = nullText("%#" + strconv.Itoa(draw+1))
	}
	of := "coalesce(a.total, 0)"
	if metric.Kind == "rate" {
		of = "(coalesce(a.total, 0) > 0)::int"
		if metric.Of != "revenue" {
			of = "(a.total IS NOT NULL)::int"
		}
	}
	sql := fmt.Sprintf(`WITH due AS MATERIALIZED (
			SELECT no, period, arm, due_at FROM arms WHERE campaign_id = $1
				AND (($6::text IS NULL AND period NOT LIKE '%%#%%') OR period LIKE $6)),
		y AS (
			SELECT a.no, a.period, sum(%s)::numeric AS total FROM due a JOIN %s o ON o.no = a.no AND o.at >= a.due_at AND o.at < a.due_at + $2::interval
			WHERE a.due_at + $2::interval <= $3 AND o.at <= $4 AND %s GROUP BY a.no, a.period),
		a AS (
			SELECT max(arm) AS arm, max(due_at) AS due_at, sum(total) AS total FROM (
				SELECT no, period, arm, due_at, NULL::numeric AS total FROM due UNION ALL SELECT no, period, NULL, NULL, total FROM y) u GROUP BY no, period)
		SELECT a.arm, count(*), count(a.due_at), count(*) FILTER (WHERE a.due_at + $2::interval > $3),
			coalesce(sum(%[4]s) FILTER (WHERE a.due_at + $2::interval <= $3), 0)::numeric,
			coalesce(sum(%[4]s * %[4]s) FILTER (WHERE a.due_at + $2::interval <= $3), 0)::numeric
		FROM a GROUP BY a.arm ORDER BY a.arm`, value, table, condition, of)
	return many(ctx, tx, "report sums", sql, func(row pgx.CollectableRow) (ArmSums, error) {
		var s ArmSums
		var sum, squares pgtype.Numeric
		err := row.Scan(&s.Arm, &s.Assigned, &s.Due, &s.Immature, &sum, &squares)
		s.Sum, s.SumSquares = exact(sum), exact(squares)
		return s, err
	}, append(append([]any{campaign, window, tx.Now, tx.Now}, args...), mark)...)
}

// exact reads a numeric with 200 bits, more than any sum of squares needs.
func exact(n pgtype.Numeric) *big.Float {
	if !n.Valid || n.Int == nil {
		return new(big.Float)
	}
	text := n.Int.String() + fmt.Sprintf("e%d", n.Exp)
	f, _, err := big.ParseFloat(text, 10, 200, big.ToNearestEven)
	if err != nil {
		return new(big.Float)
	}
	return f
}

// CampaignRedemptions counts a campaign's redemptions that stand, and the discounts that were given.
func (tx *Tx) CampaignRedemptions(ctx context.Context, campaign campaigns.ID) (n, discount int64, err error) {
	err = tx.tx.QueryRow(ctx, `SELECT count(*), coalesce(sum(discount), 0)::bigint FROM redemption_offers
		WHERE campaign_id = $1 AND reversed_at IS NULL`, campaign).Scan(&n, &discount)
	if err != nil {
		return 0, 0, fmt.Errorf("counting redemptions: %w", err)
	}
	return n, discount, nil
}

// CampaignDelivery counts a campaign's messages by status, ghosts apart.
func (tx *Tx) CampaignDelivery(ctx context.Context, campaign campaigns.ID) (map[string]int64, error) {
	found, err := many(ctx, tx, "delivery", `SELECT r.campaign_id, `+addedUp+` FROM runs r JOIN run_counts c ON c.run_id = r.id
		WHERE r.campaign_id = $1 GROUP BY r.campaign_id`, scanRunCounts, campaign)
	delivery := map[string]int64{}
	for _, c := range found {
		for status, n := range c.counts {
			delivery[string(status)] = n
		}
	}
	return delivery, err
}
