package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// lapsing lets the coupons of messages lapse that nobody will get: dead has the messages' numbers of customers and codes, $1
// is the time, $2 the kind of change. A coupon that was used is in its customer's hands. The uses that it promised can be
// given out again.
const lapsing = `, lapsed AS (UPDATE coupons c SET expires_at = $1 FROM dead WHERE c.no = dead.no AND c.code = dead.code AND c.uses = 0
			AND (c.expires_at IS NULL OR c.expires_at > $1) RETURNING c.no, c.offer_id, c.uses_max),
		lapses AS (INSERT INTO changes (xid, no, kind) SELECT pg_current_xact_id(), no, $2::smallint FROM lapsed),
		back AS (INSERT INTO offer_issues (offer_id, uses) SELECT offer_id, -sum(uses_max) FROM lapsed GROUP BY offer_id ORDER BY offer_id
			ON CONFLICT (offer_id) DO UPDATE SET uses = offer_issues.uses + EXCLUDED.uses)`

// lapseOf lets the coupons of messages lapse that ended without having arrived.
const lapseOf = `WITH dead AS (SELECT m.no, m.code FROM unnest($3::bigint[], $4::timestamptz[], $5::uuid[]) AS r(no, queued_at, id)
		JOIN messages m ON m.no = r.no AND m.queued_at = r.queued_at AND m.id = r.id
		WHERE m.status IN ('cancelled', 'expired', 'failed', 'bounced') AND m.code IS NOT NULL)` + lapsing + ` SELECT FROM lapsed`

// isDead says whether a message in this state never arrived: its coupon is nobody's.
func isDead(s campaigns.MessageStatus) bool {
	switch s {
	case campaigns.MessageCancelled, campaigns.MessageExpired, campaigns.MessageFailed, campaigns.MessageBounced:
		return true
	}
	return false
}

// queueLapses lets the coupons of those results lapse that are final and in vain.
func queueLapses(batch *pgx.Batch, now time.Time, results []Result) {
	var nos []int64
	var months []time.Time
	var ids []campaigns.ID
	for i := range results {
		if r := &results[i]; r.Message.Code != "" && r.RetryAt.IsZero() && isDead(r.Status) {
			nos, months, ids = append(nos, r.Message.No), append(months, r.Message.QueuedAt), append(ids, r.Message.ID)
		}
	}
	if len(ids) > 0 {
		batch.Queue(lapseOf, now, changedCoupons, nos, months, ids)
	}
}

// settleCoupons lets the coupons of messages lapse that a receipt says have failed or bounced, and opens those again whose messages
// arrived after all.
func (tx *Tx) settleCoupons(ctx context.Context, settlements []Settlement) error {
	var nos []int64
	var months []time.Time
	var ids, arrived []campaigns.ID
	var receivers []int64
	for i := range settlements {
		s := &settlements[i]
		switch {
		case isDead(s.To) && !isDead(s.From):
			nos, months, ids = append(nos, s.Message.No), append(months, s.Message.QueuedAt), append(ids, s.Message.ID)
		case isDead(s.From) && !isDead(s.To):
			receivers, arrived = append(receivers, s.Message.No), append(arrived, s.Message.ID)
		}
	}
	if len(ids) > 0 {
		if _, err := tx.exec(ctx, "letting coupons lapse", lapseOf, tx.Now, changedCoupons, nos, months, ids); err != nil {
			return err
		}
	}
	return tx.reopenCoupons(ctx, receivers, arrived)
}

// reopenCoupons gives coupons that lapsed with their messages the end that their offers' terms say.
func (tx *Tx) reopenCoupons(ctx context.Context, nos []int64, messages []campaigns.ID) error {
	if len(messages) == 0 {
		return nil
	}
	w, err := tx.Workspace(ctx)
	if err != nil {
		return err
	}
	found, err := many(ctx, tx, "coupons of late messages", `SELECT c.no, c.code, c.issued_at, r.definition FROM unnest($1::bigint[], $2::uuid[]) AS m(no, id)
		JOIN coupons c ON c.no = m.no AND c.message_id = m.id JOIN messages s ON s.id = m.id AND s.no = m.no AND s.status NOT IN ('cancelled', 'expired', 'failed', 'bounced')
		JOIN offer_revisions r ON r.offer_id = c.offer_id AND r.revision = c.offer_revision ORDER BY c.offer_id FOR UPDATE OF c`,
		func(row pgx.CollectableRow) (c IssuedCoupon, err error) {
			err = row.Scan(&c.No, &c.Code, &c.IssuedAt, &c.Offer.OfferDefinition)
			return c, err
		}, nos, messages)
	for i := range found {
		if err != nil {
			return err
		}
		c := &found[i]
		_, err = tx.exec(ctx, "opening a coupon again", `WITH opened AS (UPDATE coupons SET expires_at = $3 WHERE no = $1 AND code = $2
				AND expires_at IS DISTINCT FROM $3 RETURNING no, offer_id, uses_max),
			noted AS (INSERT INTO changes (xid, no, kind) SELECT pg_current_xact_id(), no, $4::smallint FROM opened)
			UPDATE offer_issues i SET uses = i.uses + o.uses_max FROM opened o WHERE i.offer_id = o.offer_id`,
			c.No, c.Code, c.Offer.ExpiresAt(c.IssuedAt, w.Location()), changedCoupons)
	}
	return err
}

// dropGhosts cancels the ghosts of runs just stopped whose turn had not come, so that they count for no cap: those that were planned
// later than anything that went. So the arms stay alike: what a ghost stands for would have been cancelled as well. $2 says which runs.
func (tx *Tx) dropGhosts(ctx context.Context, which string, id campaigns.ID) error {
	return tx.cancelGhosts(ctx, which+" = $2 AND r.status = 'stopped' AND r.finished_at = $1", "true", id, nil)
}

// dropDueGhosts does so for a run that goes on, with those that were due by now.
func (tx *Tx) dropDueGhosts(ctx context.Context, run campaigns.ID, reason string) error {
	return tx.cancelGhosts(ctx, "r.id = $2", "g.planned_at <= $1", run, &reason)
}

// cancelGhosts cancels, of the runs that a condition names, the ghosts whose turn had not come of those that another names. The
// reason is their run's where none is given.
func (tx *Tx) cancelGhosts(ctx context.Context, runs, ghosts string, id campaigns.ID, reason *string) error {
	_, err := tx.exec(ctx, "cancelling ghosts", `WITH over AS (SELECT r.id, coalesce($6::text, r.reason, '') AS reason, (SELECT max(m.planned_at) FROM messages m WHERE m.run_id = r.id AND NOT m.ghost
				AND (m.status NOT IN ('queued', 'cancelled') OR EXISTS (SELECT FROM outbox o WHERE o.lane = m.no & $5 AND o.message_id = m.id AND o.sending_at IS NOT NULL))) AS went
			FROM runs r WHERE `+runs+`),
		dropped AS (UPDATE messages g SET status = 'cancelled', finished_at = $1,
				history = g.history || jsonb_build_object('at', $3::text, 'status', 'cancelled', 'detail', over.reason)
			FROM over WHERE g.run_id = over.id AND g.status = 'ghost' AND `+ghosts+` AND (over.went IS NULL OR g.planned_at > over.went) RETURNING g.no)
		INSERT INTO changes (xid, no, kind) SELECT pg_current_xact_id(), no, $4::smallint FROM dropped`, tx.Now, id, stamp(tx.Now), changedMessages, campaigns.Lanes-1, reason)
	return err
}
