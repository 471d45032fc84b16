package store

import (
	"context"

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
// that two runs cannot spend the same rest. A version that is met first, and a run that is new, counts anew: a message that
// waits at the price of its channel, one that was sent at what it cost with whom it went. What no provider took, because it
// was cancelled, expired or refused, costs nothing and gives its place back; what one may have taken does not.
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
	counted, err := many(ctx, tx, "a budget", countSpent+` GROUP BY campaign_id`, func(row pgx.CollectableRow) (s Spent, err error) {
		var id campaigns.ID
		err = row.Scan(&id, &s.Messages, &s.CostMicros, &s.Reached)
		return s, err
	}, []campaigns.ID{campaign})
	if err != nil || len(counted) == 0 {
		return Spent{}, err
	}
	return counted[0], nil
}

// countSpent counts what campaigns have queued and that was not taken back, and what it costs or did.
const countSpent = `SELECT campaign_id, count(*), coalesce(sum(coalesce(paid_micros, 0) + CASE WHEN status = 'queued' OR paid_micros IS NULL
		THEN coalesce(cost_micros, 0) ELSE 0 END), 0)::bigint, false FROM messages
	WHERE run_id IN (SELECT id FROM runs WHERE campaign_id = ANY($1)) AND NOT ghost AND (status NOT IN ('cancelled', 'expired', 'failed') OR paid_micros IS NOT NULL)`

// paidBefore is what the earlier attempts of a message cost, in an update of messages m by a result: NULL where no provider
// took it. What a result tells of an attempt that was given up as unknown was counted then, at the message's price.
const paidBefore = `CASE WHEN NOT (` + alreadyTold + `) THEN m.paid_micros
				WHEN m.resent AND m.status = 'unknown' THEN m.paid_micros - coalesce(m.cost_micros, 0) END`

// paidUnknown is what a message cost with an attempt that nobody knows the end of: its provider may have taken it.
const paidUnknown = `coalesce(m.paid_micros, 0) + coalesce(m.cost_micros, 0)`

// recount makes whoever spends of the campaigns' budgets next count anew.
func (tx *Tx) recount(ctx context.Context, of ...campaigns.ID) error {
	if len(of) == 0 {
		return nil
	}
	_, err := tx.exec(ctx, "counting a budget anew", `UPDATE campaign_budgets SET version = -1 WHERE campaign_id IN
		(SELECT campaign_id FROM campaign_budgets WHERE campaign_id = ANY($1) ORDER BY campaign_id FOR UPDATE)`, of)
	return err
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
	found, err := tx.Rooms(ctx, []campaigns.ID{offer}, lock)
	if err != nil {
		return 0, false, err
	}
	r := found[offer]
	return r.Left(), r.Limited, nil
}

// A Room is how many uses an offer has at most, those that were made, and those that the codes which are out promise.
type Room struct {
	Limited           bool
	Most, Used, Given int64
}

// Left is how many uses may still be promised.
func (r Room) Left() int64 { return max(0, r.Most-max(r.Used, r.Given)) }

// Rooms are those of several offers. With lock no other transaction issues codes of them until this one ends; they are
// locked in one order.
func (tx *Tx) Rooms(ctx context.Context, offers []campaigns.ID, lock bool) (map[campaigns.ID]Room, error) {
	if len(offers) == 0 {
		return nil, nil
	}
	if lock {
		_, err := tx.exec(ctx, "locking offers", `INSERT INTO offer_issues (offer_id, uses) SELECT id, 0 FROM unnest($1::uuid[]) id ORDER BY id
			ON CONFLICT (offer_id) DO UPDATE SET uses = offer_issues.uses`, offers)
		if err != nil {
			return nil, err
		}
	}
	rooms := make(map[campaigns.ID]Room, len(offers))
	_, err := many(ctx, tx, "what offers have left", `SELECT o.id, coalesce(c.most, -1)::bigint, coalesce(c.used, 0)::bigint, coalesce((SELECT uses FROM offer_issues i WHERE i.offer_id = o.id), 0)
		FROM unnest($1::uuid[]) o(id) CROSS JOIN LATERAL (SELECT sum(max) AS most, sum(used) AS used FROM counters c WHERE c.offer_id = o.id) c`,
		func(row pgx.CollectableRow) (struct{}, error) {
			var id campaigns.ID
			var r Room
			err := row.Scan(&id, &r.Most, &r.Used, &r.Given)
			r.Limited = r.Most >= 0
			rooms[id] = r
			return struct{}{}, err
		}, offers)
	return rooms, err
}
