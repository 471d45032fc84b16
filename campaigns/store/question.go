package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// A Question is a message whose outcome is unknown, to ask its provider about.
type Question struct {
	No          int64
	MessageID   campaigns.ID
	QueuedAt    time.Time
	Address     string
	ProviderIDs []string // of the message, or of its segments; none where no answer came
	SentAt      time.Time

	asked    int
	notAfter time.Time
}

// queueQuestions keeps, with the batch's other statements, that a provider is to be asked about messages whose outcome became
// unknown: an HTTP service that may know them by our ids, and an SMSC about those that it gave a name.
func queueQuestions(batch *pgx.Batch, now time.Time, results []Result) {
	var nos []int64
	var ids []campaigns.ID
	var months []time.Time
	var channels []string
	var named []bool
	for i := range results {
		r := &results[i]
		if r.Status != campaigns.MessageUnknown || !r.RetryAt.IsZero() {
			continue
		}
		carrier := r.Carrier
		if carrier == "" {
			carrier = r.Message.ChannelID
		}
		nos, ids, months = append(nos, r.Message.No), append(ids, r.Message.ID), append(months, r.Message.QueuedAt)
		channels, named = append(channels, carrier), append(named, r.Message.ProviderID != "")
	}
	if len(nos) == 0 {
		return
	}
	batch.Queue(`INSERT INTO questions (no, message_id, queued_at, channel_id, due_at)
		SELECT r.no, r.id, r.queued_at, r.channel, $6 FROM unnest($1::bigint[], $2::uuid[], $3::timestamptz[], $4::text[], $5::boolean[]) AS r(no, id, queued_at, channel, named)
			JOIN channels c ON c.id = r.channel AND (c.kind = 'gateway' OR c.kind = 'smpp' AND r.named)
		ON CONFLICT DO NOTHING`, nos, ids, months, channels, named, now.Add(campaigns.Backoff(1)))
}

// QuestionsDue are the channels whose providers are to be asked about messages now. One whose circuit is open is not asked.
func (tx *Tx) QuestionsDue(ctx context.Context) ([]string, error) {
	return many(ctx, tx, "channels with questions", `SELECT DISTINCT q.channel_id FROM questions q JOIN providers p ON p.channel_id = q.channel_id AND p.open_until IS NULL
		WHERE q.due_at <= $1 ORDER BY q.channel_id`, pgx.RowTo[string], tx.Now)
}

// ClaimQuestions gives up to limit messages of a channel to ask about now; others skip them. Each is due again after a pause
// that doubles up to an hour, a last time when its useful time is over; what is known meanwhile is asked about no more.
func (tx *Tx) ClaimQuestions(ctx context.Context, channel string, limit int) ([]Question, error) {
	due, err := many(ctx, tx, "questions", `SELECT no, message_id, queued_at, asked FROM questions WHERE channel_id = $1 AND due_at <= $2
		ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED`, func(row pgx.CollectableRow) (Question, error) {
		var q Question
		err := row.Scan(&q.No, &q.MessageID, &q.QueuedAt, &q.asked)
		return q, err
	}, channel, tx.Now, limit)
	if err != nil || len(due) == 0 {
		return nil, err
	}
	open, err := tx.openQuestions(ctx, due)
	if err != nil {
		return nil, err
	}
	var found []Question
	var over, again []int64
	var overIDs, againIDs []campaigns.ID
	var dues []time.Time
	for _, q := range due {
		is, unknown := open[q.MessageID]
		if unknown {
			is.No, is.MessageID, is.QueuedAt = q.No, q.MessageID, q.QueuedAt
			found = append(found, is)
		}
		if !unknown || !tx.Now.Before(is.notAfter) {
			over, overIDs = append(over, q.No), append(overIDs, q.MessageID)
			continue
		}
		next := tx.Now.Add(campaigns.Backoff(q.asked + 2))
		if next.After(is.notAfter) {
			next = is.notAfter
		}
		again, againIDs, dues = append(again, q.No), append(againIDs, q.MessageID), append(dues, next)
	}
	if _, err := tx.exec(ctx, "dropping questions", `DELETE FROM questions q USING unnest($1::bigint[], $2::uuid[]) AS r(no, id) WHERE q.no = r.no AND q.message_id = r.id`, over, overIDs); err != nil {
		return nil, err
	}
	_, err = tx.exec(ctx, "putting questions off", `UPDATE questions q SET asked = asked + 1, due_at = r.due FROM unnest($1::bigint[], $2::uuid[], $3::timestamptz[]) AS r(no, id, due)
		WHERE q.no = r.no AND q.message_id = r.id`, again, againIDs, dues)
	return found, err
}

// openQuestions reads what is asked about those of the messages that are still unknown.
func (tx *Tx) openQuestions(ctx context.Context, due []Question) (map[campaigns.ID]Question, error) {
	nos, ids, months := make([]int64, len(due)), make([]campaigns.ID, len(due)), make([]time.Time, len(due))
	for i, q := range due {
		nos[i], ids[i], months[i] = q.No, q.MessageID, q.QueuedAt
	}
	open := map[campaigns.ID]Question{}
	rows, err := many(ctx, tx, "messages to ask about", `SELECT m.id, coalesce(m.address, ''), coalesce(m.provider_id, ''), m.not_after, m.history
		FROM unnest($1::bigint[], $2::timestamptz[], $3::uuid[]) AS r(no, queued_at, id)
		JOIN messages m ON m.no = r.no AND m.queued_at = r.queued_at AND m.id = r.id AND m.status = 'unknown'`,
		func(row pgx.CollectableRow) (Question, error) {
			var q Question
			var name string
			var history []campaigns.Change
			err := row.Scan(&q.MessageID, &q.Address, &name, &q.notAfter, &history)
			if name != "" {
				q.ProviderIDs = []string{name}
			}
			for _, step := range history {
				if q.SentAt.IsZero() || step.Status == campaigns.MessageSending {
					q.SentAt = step.At
				}
			}
			return q, err
		}, nos, months, ids)
	if err != nil {
		return nil, err
	}
	for _, q := range rows {
		open[q.MessageID] = q
	}
	segments, err := many(ctx, tx, "names of segments", `SELECT message_id, provider_id, no, channel_id, segment, segments FROM provider_ids
		WHERE message_id = ANY($1) AND segments > 1 AND segment > 1 ORDER BY message_id, segment`, func(row pgx.CollectableRow) (ProviderID, error) {
		var p ProviderID
		err := row.Scan(&p.MessageID, &p.ProviderID, &p.No, &p.ChannelID, &p.Segment, &p.Segments)
		return p, err
	}, ids)
	for _, p := range segments {
		if q, is := open[p.MessageID]; is {
			q.ProviderIDs = append(q.ProviderIDs, p.ProviderID)
			open[p.MessageID] = q
		}
	}
	return open, err
}
