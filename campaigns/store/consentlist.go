package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// A Word is one customer's word on a channel and topic.
type Word struct {
	No         int64
	CustomerID string
	campaigns.Consent
}

// A WordFilter narrows a list of words; zero fields do not. After is where the list goes on.
type WordFilter struct {
	Channel string
	Topic   string
	After   Word
	Limit   int
}

// Words lists what customers said, all of it, by customer, channel, topic and time.
func (tx *Tx) Words(ctx context.Context, f WordFilter) ([]Word, error) {
	after := f.After
	if after.At.IsZero() {
		after.At = time.Unix(0, 0)
	}
	return many(ctx, tx, "consents", `SELECT k.no, coalesce(c.id, ''), k.channel, k.topic, k.granted, k.at, k.source, coalesce(k.proof, '')
		FROM consents k LEFT JOIN customers c ON c.no = k.no WHERE (k.no, k.channel, k.topic, k.at) > ($1, $2, $3, $4)
			AND ($5 = '' OR k.channel = $5) AND ($6 = '' OR k.topic = $6) ORDER BY k.no, k.channel, k.topic, k.at LIMIT $7`,
		func(row pgx.CollectableRow) (Word, error) {
			var w Word
			err := row.Scan(&w.No, &w.CustomerID, &w.Channel, &w.Topic, &w.Granted, &w.At, &w.Source, &w.Proof)
			return w, err
		}, after.No, after.Channel, after.Topic, after.At, f.Channel, f.Topic, f.Limit)
}
