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
	No    int64
	Place string
	Key   string
	At    time.Time
	DueAt time.Time
}

// SaveWaits keeps waits of a campaign. One that is there already gives way to a newer event, whose time begins anew.
func (tx *Tx) SaveWaits(ctx context.Context, campaign campaigns.ID, waits []Wait) error {
	newest := map[int64]map[string]Wait{}
	for _, w := range waits {
		if newest[w.No] == nil {
			newest[w.No] = map[string]Wait{}
		}
		if other, is := newest[w.No][w.Place]; !is || !other.At.After(w.At) {
			newest[w.No][w.Place] = w
		}
	}
	var nos []int64
	var places, keys []string
	var times, due []time.Time
	for _, own := range newest {
		for _, w := range own {
			nos, places, keys, times, due = append(nos, w.No), append(places, w.Place), append(keys, w.Key), append(times, w.At), append(due, w.DueAt)
		}
	}
	_, err := tx.exec(ctx, "keeping who waits", `INSERT INTO waits AS w (no, campaign_id, place, key, at, due_at)
		SELECT n.no, $1, n.place, n.key, n.at, n.due FROM unnest($2::bigint[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[]) n(no, place, key, at, due)
		ORDER BY n.no, n.place ON CONFLICT (no, campaign_id, place) DO UPDATE SET key = excluded.key, at = excluded.at, due_at = excluded.due_at WHERE w.at <= excluded.at`,
		campaign, nos, places, keys, times, due)
	return err
}

// WaitingCampaigns lists the live campaigns that are not paused and have waits whose time has come.
func (tx *Tx) WaitingCampaigns(ctx context.Context) ([]Trigger, error) {
	return many(ctx, tx, "campaigns that are waited for", triggerColumns+` t WHERE NOT paused
		AND EXISTS (SELECT FROM waits w WHERE w.campaign_id = t.campaign_id AND w.due_at <= $1) ORDER BY campaign_id`, scanTrigger, tx.Now)
}

// DueWaits reads waits of a campaign whose time has come, the earliest first; not those of customers to whom its event
// has happened again, which is decided first.
func (tx *Tx) DueWaits(ctx context.Context, t *Trigger, limit int) ([]Wait, error) {
	return many(ctx, tx, "who waits", `SELECT no, place, key, at, due_at FROM waits w WHERE campaign_id = $1 AND due_at <= $2
		AND NOT EXISTS (SELECT FROM signals s WHERE s.no = w.no AND s.event = $4) ORDER BY due_at, no, place LIMIT $3`,
		pgx.RowToStructByPos[Wait], t.CampaignID, tx.Now, limit, t.Event)
}

// TakeWaits deletes waits as they were seen, and gives those that were: one that another node took, or that a newer
// event moved on meanwhile, is left out.
func (tx *Tx) TakeWaits(ctx context.Context, campaign campaigns.ID, waits []Wait) ([]Wait, error) {
	nos, places, due := make([]int64, len(waits)), make([]string, len(waits)), make([]time.Time, len(waits))
	for i, w := range waits {
		nos[i], places[i], due[i] = w.No, w.Place, w.DueAt
	}
	return many(ctx, tx, "who waits", `DELETE FROM waits w USING unnest($2::bigint[], $3::text[], $4::timestamptz[]) d(no, place, due)
		WHERE w.no = d.no AND w.campaign_id = $1 AND w.place = d.place AND w.due_at = d.due RETURNING w.no, w.place, w.key, w.at, w.due_at`,
		pgx.RowToStructByPos[Wait], campaign, nos, places, due)
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

// Happened says to whom an event of a name happened since, until now, by its own time.
func (tx *Tx) Happened(ctx context.Context, event string, since []Since) (map[int64]bool, error) {
	nos, times := make([]int64, len(since)), make([]time.Time, len(since))
	for i, s := range since {
		nos[i], times[i] = s.No, s.At
	}
	found, err := many(ctx, tx, "what happened since", `SELECT s.no FROM unnest($1::bigint[], $2::timestamptz[]) s(no, at) WHERE EXISTS (`+happened(event)+`)`,
		pgx.RowTo[int64], nos, times, tx.Now, event)
	set := make(map[int64]bool, len(found))
	for _, no := range found {
		set[no] = true
	}
	return set, err
}
