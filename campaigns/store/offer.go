package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

const offerColumns = `SELECT o.id, o.revision, o.status, o.created_at, o.changed_at, r.definition
	FROM offers o JOIN offer_revisions r ON r.offer_id = o.id`

func scanOffer(row pgx.CollectableRow) (campaigns.Offer, error) {
	var o campaigns.Offer
	err := row.Scan(&o.ID, &o.Revision, &o.Status, &o.CreatedAt, &o.ChangedAt, &o.OfferDefinition)
	return o, err
}

// Offers lists offers from the newest, beginning below the id before (the zero id: from the top).
func (tx *Tx) Offers(ctx context.Context, before campaigns.ID, limit int) ([]campaigns.Offer, error) {
	return many(ctx, tx, "offers", offerColumns+` AND r.revision = o.revision WHERE $1 OR o.id < $2 ORDER BY o.id DESC LIMIT $3`,
		scanOffer, before == campaigns.ID{}, before, limit)
}

// Offer reads the newest revision.
func (tx *Tx) Offer(ctx context.Context, id campaigns.ID) (campaigns.Offer, error) {
	return one(ctx, tx, "offer", id.String(), offerColumns+` AND r.revision = o.revision WHERE o.id = $1`, scanOffer, id)
}

// LockOffer reads the newest revision for update. It locks by itself first, as lockCampaign does.
func (tx *Tx) LockOffer(ctx context.Context, id campaigns.ID) (campaigns.Offer, error) {
	if _, err := tx.exec(ctx, "locking an offer", `SELECT 1 FROM offers WHERE id = $1 FOR UPDATE`, id); err != nil {
		return campaigns.Offer{}, err
	}
	return tx.Offer(ctx, id)
}

// OfferRevision reads the terms of a revision with the offer's present status.
func (tx *Tx) OfferRevision(ctx context.Context, id campaigns.ID, revision int) (campaigns.Offer, error) {
	return one(ctx, tx, "offer", id.String(), offerColumns+` WHERE o.id = $1 AND r.revision = $2`, scanOffer, id, revision)
}

// CreateOffer keeps a new offer as revision 1 and its counter of uses.
func (tx *Tx) CreateOffer(ctx context.Context, o *campaigns.Offer) error {
	o.ID, o.Revision, o.CreatedAt, o.ChangedAt = campaigns.NewID(tx.Now), 1, tx.Now, tx.Now
	if _, err := tx.exec(ctx, "creating an offer", `INSERT INTO offers (id, revision, status, created_at, changed_at) VALUES ($1, 1, $2, $3, $3)`,
		o.ID, o.Status, tx.Now); err != nil {
		return err
	}
	if err := tx.writeOfferRevision(ctx, o); err != nil {
		return err
	}
	return tx.saveCounter(ctx, o)
}

// SaveOffer writes status and terms as a new revision. Coupons that are out keep the revision they were issued under;
// the limit on all uses is the offer's and follows at once.
func (tx *Tx) SaveOffer(ctx context.Context, o *campaigns.Offer) error {
	o.Revision, o.ChangedAt = o.Revision+1, tx.Now
	if _, err := tx.exec(ctx, "saving an offer", `UPDATE offers SET revision = $2, status = $3, changed_at = $4 WHERE id = $1`,
		o.ID, o.Revision, o.Status, tx.Now); err != nil {
		return err
	}
	if err := tx.writeOfferRevision(ctx, o); err != nil {
		return err
	}
	return tx.saveCounter(ctx, o)
}

func (tx *Tx) writeOfferRevision(ctx context.Context, o *campaigns.Offer) error {
	_, err := tx.exec(ctx, "writing an offer's revision", `INSERT INTO offer_revisions (offer_id, revision, definition, created_at)
		VALUES ($1, $2, $3, $4)`, o.ID, o.Revision, o.OfferDefinition, tx.Now)
	return err
}

// saveCounter spreads the limit on all uses over the slots, keeping what is used: the rest of a changed limit falls to
// the first slot. An offer without a limit has no counter: when it gets one, what was redeemed until then counts.
func (tx *Tx) saveCounter(ctx context.Context, o *campaigns.Offer) error {
	used := make([]int64, campaigns.OfferSlots)
	rows, err := many(ctx, tx, "counters", `SELECT slot, used FROM counters WHERE offer_id = $1 ORDER BY slot FOR UPDATE`,
		func(row pgx.CollectableRow) (slot int64, err error) {
			var n int64
			err = row.Scan(&slot, &n)
			used[slot] = n
			return slot, err
		}, o.ID)
	if err != nil {
		return err
	}
	if o.Limits.Total == nil {
		_, err := tx.exec(ctx, "removing a counter", `DELETE FROM counters WHERE offer_id = $1`, o.ID)
		return err
	}
	if len(rows) == 0 && o.Revision > 1 {
		if used[0], err = tx.redeemedOf(ctx, o.ID); err != nil {
			return err
		}
	}
	total := int64(0)
	for _, n := range used {
		total += n
	}
	if *o.Limits.Total < total {
		return campaigns.Conflict("limits.total: %d uses are counted already", total)
	}
	left := campaigns.Slots(*o.Limits.Total - total)
	for slot := range used {
		_, err := tx.exec(ctx, "writing a counter", `INSERT INTO counters (offer_id, slot, used, max) VALUES ($1, $2, $3, $4)
			ON CONFLICT (offer_id, slot) DO UPDATE SET max = EXCLUDED.max`, o.ID, slot, used[slot], used[slot]+left[slot])
		if err != nil {
			return err
		}
	}
	return nil
}

// redeemedOf counts an offer's redemptions that stand.
func (tx *Tx) redeemedOf(ctx context.Context, id campaigns.ID) (n int64, err error) {
	err = tx.tx.QueryRow(ctx, `SELECT count(*) FROM redemption_offers WHERE offer_id = $1 AND reversed_at IS NULL`, id).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("counting an offer's redemptions: %w", err)
	}
	return n, nil
}

// UsesLeft is how often an offer can still be used; limited is false for one without a limit on all uses.
func (tx *Tx) UsesLeft(ctx context.Context, id campaigns.ID) (left int64, limited bool, err error) {
	err = tx.tx.QueryRow(ctx, `SELECT coalesce(sum(max - used), 0), count(*) > 0 FROM counters WHERE offer_id = $1`, id).Scan(&left, &limited)
	if err != nil {
		return 0, false, fmt.Errorf("counting an offer's uses: %w", err)
	}
	return left, limited, nil
}
