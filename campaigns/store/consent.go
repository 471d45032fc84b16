package store

import (
	"context"
	"fmt"

	"github.com/RoaringBitmap/roaring/v2/roaring64"
	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// AddConsent keeps somebody's word. The latest by time wins, whatever the order they come in; of two in the same second
// the refusal wins. A time ahead of the clock counts as now.
func (tx *Tx) AddConsent(ctx context.Context, no int64, consent campaigns.Consent) error {
	if err := consent.Check(); err != nil {
		return err
	}
	column, name, err := tx.consentColumn(ctx, consent.Channel)
	if err != nil {
		return err
	}
	before, err := tx.lockAddresses(ctx, no)
	if err != nil {
		return err
	}
	if consent.At.IsZero() || consent.At.After(tx.Now) {
		consent.At = tx.Now
	}
	if err := tx.writeConsent(ctx, no, consent, false); err != nil || consent.Topic != "" {
		return err
	}
	sql := fmt.Sprintf(`UPDATE customers c SET %[1]s = l.granted, revision = revision + 1, changed_at = $3
		FROM (SELECT granted FROM consents WHERE no = $1 AND channel = $2 AND topic = '' ORDER BY at DESC LIMIT 1) l
		WHERE c.no = $1 AND c.%[1]s IS DISTINCT FROM l.granted`, column)
	changed, err := tx.exec(ctx, "following a consent", sql, no, consent.Channel, wholeSecond(tx.Now))
	if err != nil || changed == 0 {
		return err
	}
	if err := tx.signalUpdate(ctx, no, before.revision+1, []string{name}); err != nil {
		return err
	}
	return tx.noteChanges(ctx, changedProfile, no)
}

// consentColumn is the column of customers that holds the latest word on a channel as a whole.
func consentColumn(channel string) string {
	if channel == campaigns.SMS {
		return "sms_consent"
	}
	return "email_consent"
}

// writeConsent keeps one line of history. Within a second the last one written stands when replace is set, else the
// stricter one.
func (tx *Tx) writeConsent(ctx context.Context, no int64, c campaigns.Consent, replace bool) error {
	written, err := tx.exec(ctx, "keeping a consent", `INSERT INTO consents AS c (no, channel, topic, at, granted, source, proof) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (no, channel, topic, at) DO UPDATE SET granted = excluded.granted, source = excluded.source, proof = excluded.proof
		WHERE $8 OR (c.granted AND NOT excluded.granted)`,
		no, c.Channel, c.Topic, wholeSecond(c.At), c.Granted, c.Source, textOrMissing(c.Proof), replace)
	if err != nil || written == 0 || !c.Granted {
		return err
	}
	at := wholeSecond(c.At)
	return tx.signal(ctx, campaigns.TriggerConsentGiven, Signal{No: no, Key: fmt.Sprintf("%d %s %d %s", no, c.Channel, at.Unix(), c.Topic), At: at})
}

// TopicWords are the customers who said something on a topic of a channel, the latest word of each: those who want it, and
// those who do not. A topic's word goes before the channel's, but that nobody who left the channel as a whole wants any of
// its topics; a topic wanted where nothing was said of the channel is wanted by itself. nos narrows it to some customers; nil for all.
func (tx *Tx) TopicWords(ctx context.Context, channel, topic string, nos []int64) (granted, refused *roaring64.Bitmap, err error) {
	granted, refused = roaring64.New(), roaring64.New()
	rows, err := tx.tx.Query(ctx, fmt.Sprintf(`SELECT c.no, w.granted AND c.%s IS NOT FALSE FROM (SELECT DISTINCT ON (no) no, granted FROM consents
			WHERE channel = $1 AND topic = $2 AND topic <> '' AND ($3::bigint[] IS NULL OR no = ANY($3)) ORDER BY no, at DESC) w JOIN customers c ON c.no = w.no`,
		consentColumn(channel)), channel, topic, nos)
	if err == nil {
		var no int64
		var wants bool
		_, err = pgx.ForEachRow(rows, []any{&no, &wants}, func() error {
			if wants {
				granted.Add(uint64(no))
			} else {
				refused.Add(uint64(no))
			}
			return nil
		})
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading the words on a topic: %w", err)
	}
	return granted, refused, nil
}

// Consents is the history of a customer's word on all channels and topics, the latest first.
func (tx *Tx) Consents(ctx context.Context, no int64) ([]campaigns.Consent, error) {
	return many(ctx, tx, "consents", `SELECT channel, topic, granted, at, source, COALESCE(proof, '') FROM consents WHERE no = $1
		ORDER BY at DESC, channel, topic`,
		func(row pgx.CollectableRow) (campaigns.Consent, error) {
			var c campaigns.Consent
			err := row.Scan(&c.Channel, &c.Topic, &c.Granted, &c.At, &c.Source, &c.Proof)
			return c, err
		}, no)
}
