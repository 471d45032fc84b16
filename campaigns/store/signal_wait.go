package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// A Wait is a customer's way into a campaign that is to be decided at DueAt, for what happened At under Key. Place is
// what there is one wait of: empty where a newer event takes the place of an older one, else the event.
type Wait struct {
	CampaignID campaigns.ID
	No         int64
	Place      string
	Key        string
	At         time.Time
	DueAt      time.Time
}

// SaveWaits keeps waits. One that is there already gives way to a newer event, whose time begins anew.
func (tx *Tx) SaveWaits(ctx context.Context, waits []Wait) error {
	type place struct {
		Visit
		place string
	}
	newest := map[place]Wait{}
	for _, w := range waits {
		at := place{Visit{w.CampaignID, w.No}, w.Place}
		if other, is := newest[at]; !is || !other.At.After(w.At) {
			newest[at] = w
		}
	}
	if len(newest) == 0 {
		return nil
	}
	var nos []int64
	var of []campaigns.ID
	var places, keys []string
	var times, due []time.Time
	for _, w := range newest {
		nos, of, places, keys, times, due = append(nos, w.No), append(of, w.CampaignID), append(places, w.Place), append(keys, w.Key), append(times, w.At), append(due, w.DueAt)
	}
	_, err := tx.exec(ctx, "keeping who waits", `INSERT INTO waits AS w (no, campaign_id, place, key, at, due_at)
		SELECT n.no, n.campaign_id, n.place, n.key, n.at, n.due
		FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[]) n(no, campaign_id, place, key, at, due)
		ORDER BY n.no, n.campaign_id, n.place ON CONFLICT (no, campaign_id, place) DO UPDATE SET key = excluded.key, at = excluded.at, due_at = excluded.due_at WHERE w.at <= excluded.at`,
		nos, of, places, keys, times, due)
	return err
}

// DueWaits reads waits of live campaigns that are not paused whose time has come, the earliest first; not those of customers
// to whom its event has happened again, which is decided first.
func (tx *Tx) DueWaits(ctx context.Context, limit int) ([]Wait, error) {
	return many(ctx, tx, "who waits", `SELECT w.* FROM triggers t CROSS JOIN LATERAL (SELECT w.campaign_id, w.no, w.place, w.key, w.at, w.due_at FROM waits w
			WHERE w.campaign_id = t.campaign_id AND w.due_at <= $1 AND NOT EXISTS (SELECT FROM signals s WHERE s.no = w.no AND s.event = t.event)
			ORDER BY w.due_at, w.no, w.place LIMIT $2) w
		WHERE NOT t.paused ORDER BY w.due_at, w.no, w.campaign_id, w.place LIMIT $2`, pgx.RowToStructByPos[Wait], tx.Now, limit)
}

// TakeWaits deletes waits as they were seen, and gives those that were: one that another node took, or that a newer
// event moved on meanwhile, is left out.
func (tx *Tx) TakeWaits(ctx context.Context, waits []Wait) ([]Wait, error) {
	nos, of, places, due := make([]int64, len(waits)), make([]campaigns.ID, len(waits)), make([]string, len(waits)), make([]time.Time, len(waits))
	for i, w := range waits {
		nos[i], of[i], places[i], due[i] = w.No, w.CampaignID, w.Place, w.DueAt
	}
	return many(ctx, tx, "who waits", `DELETE FROM waits w USING unnest($1::bigint[], $2::uuid[], $3::text[], $4::timestamptz[]) d(no, campaign_id, place, due)
		WHERE w.no = d.no AND w.campaign_id = d.campaign_id AND w.place = d.place AND w.due_at = d.due RETURNING w.campaign_id, w.no, w.place, w.key, w.at, w.due_at`,
		pgx.RowToStructByPos[Wait], nos, of, places, due)
}

// ForgetWaits deletes waits that a pause has held up for longer than they are of use. It gives how many.
func (tx *Tx) ForgetWaits(ctx context.Context) (int64, error) {
	return tx.exec(ctx, "forgetting who waits", `DELETE FROM waits w USING triggers t WHERE t.campaign_id = w.campaign_id AND t.paused
		AND w.due_at < $1::timestamptz - make_interval(secs => t.useful_seconds)`, tx.Now)
}

// A Since is a customer and the time after which something is looked for.
type Since struct {
	No int64
	At time.Time
}

// happened is where the times of an event are kept, by its name; others are ingested events.
func happened(event string) string {
	switch event {
	case campaigns.TriggerPurchase:
		return "SELECT FROM purchases h WHERE h.no = s.no AND h.at >= s.at AND h.at <= $3 AND $4 <> ''"
	case campaigns.TriggerRefund:
		return "SELECT FROM refunds h WHERE h.no = s.no AND h.at >= s.at AND h.at <= $3 AND $4 <> ''"
	case campaigns.TriggerCouponIssued:
		return "SELECT FROM coupons h WHERE h.no = s.no AND h.issued_at >= s.at AND h.issued_at <= $3 AND $4 <> ''"
	case campaigns.TriggerCouponRedeemed:
		return "SELECT FROM redemption_offers h WHERE h.no = s.no AND h.at >= s.at AND h.at <= $3 AND $4 <> ''"
	case campaigns.TriggerConsentGiven:
		return "SELECT FROM consents h WHERE h.no = s.no AND h.granted AND h.at >= s.at AND h.at <= $3 AND $4 <> ''"
	}
	return "SELECT FROM events h WHERE h.no = s.no AND h.name = $4 AND h.at >= s.at AND h.at <= $3"
}

// Happened says, for each of since in its order, whether an event of a name happened then or later, until now, by its own time.
func (tx *Tx) Happened(ctx context.Context, event string, since []Since) ([]bool, error) {
	nos, times := make([]int64, len(since)), make([]time.Time, len(since))
	for i, s := range since {
		nos[i], times[i] = s.No, s.At
	}
	found, err := many(ctx, tx, "what happened since", `SELECT s.i FROM unnest($1::bigint[], $2::timestamptz[]) WITH ORDINALITY s(no, at, i) WHERE EXISTS (`+happened(event)+`)`,
		pgx.RowTo[int64], nos, times, tx.Now, event)
	came := make([]bool, len(since))
	for _, i := range found {
		came[i-1] = true
	}
	return came, err
}
