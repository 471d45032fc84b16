package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// A KeptReceipt is a receipt that waits to be dealt with.
type KeptReceipt struct {
	Key       int64
	ChannelID string
	SeenAt    time.Time
	campaigns.Receipt
}

// ClaimReceipts takes up to so many kept receipts that are to be looked at, in the order in which they came. Others skip
// them until the transaction ends.
func (tx *Tx) ClaimReceipts(ctx context.Context, limit int) ([]KeptReceipt, error) {
	return many(ctx, tx, "receipts", `SELECT id, channel_id, seen_at, receipt FROM receipts WHERE look_at <= $1 ORDER BY look_at, id LIMIT $2 FOR UPDATE SKIP LOCKED`,
		func(row pgx.CollectableRow) (KeptReceipt, error) {
			var k KeptReceipt
			err := row.Scan(&k.Key, &k.ChannelID, &k.SeenAt, &k.Receipt)
			return k, err
		}, tx.Now, limit)
}

// ForgetReceipts drops receipts that were dealt with.
func (tx *Tx) ForgetReceipts(ctx context.Context, keys []int64) error {
	if len(keys) == 0 {
		return nil
	}
	_, err := tx.exec(ctx, "forgetting receipts", `DELETE FROM receipts WHERE id = ANY($1)`, keys)
	return err
}

// PostponeReceipts looks at receipts again, each at its time.
func (tx *Tx) PostponeReceipts(ctx context.Context, keys []int64, at []time.Time) error {
	if len(keys) == 0 {
		return nil
	}
	_, err := tx.exec(ctx, "postponing receipts", `UPDATE receipts SET look_at = r.at FROM unnest($1::bigint[], $2::timestamptz[]) AS r(id, at) WHERE receipts.id = r.id`, keys, at)
	return err
}

// ProviderIDs finds which messages the providers' ids name; the answer is keyed by channel and id. Those not known are left out.
func (tx *Tx) ProviderIDs(ctx context.Context, channels, ids []string) (map[[2]string]ProviderID, error) {
	found := map[[2]string]ProviderID{}
	if len(ids) == 0 {
		return found, nil
	}
	rows, err := many(ctx, tx, "providers' ids", `SELECT p.channel_id, p.provider_id, p.no, p.message_id, p.segment, p.segments, p.attempt
		FROM unnest($1::text[], $2::text[]) AS r(channel_id, provider_id) JOIN provider_ids p USING (channel_id, provider_id)`, scanProviderID, channels, ids)
	for _, p := range rows {
		found[[2]string{p.ChannelID, p.ProviderID}] = p
	}
	return found, err
}

func scanProviderID(row pgx.CollectableRow) (ProviderID, error) {
	var p ProviderID
	err := row.Scan(&p.ChannelID, &p.ProviderID, &p.No, &p.MessageID, &p.Segment, &p.Segments, &p.Attempt)
	return p, err
}

// NamedByProvider finds the messages that any channel's provider calls by an id, up to ten.
func (tx *Tx) NamedByProvider(ctx context.Context, id string) ([]campaigns.ID, error) {
	return many(ctx, tx, "messages by a provider's id", `SELECT DISTINCT p.message_id FROM channels c JOIN provider_ids p ON p.channel_id = c.id AND p.provider_id = $1 LIMIT 10`, pgx.RowTo[campaigns.ID], kept(id))
}

// Receivers finds the customers of messages that are named by their own ids alone.
func (tx *Tx) Receivers(ctx context.Context, ids []campaigns.ID) (map[campaigns.ID]int64, error) {
	found := map[campaigns.ID]int64{}
	if len(ids) == 0 {
		return found, nil
	}
	months := make([]time.Time, len(ids))
	for i, id := range ids {
		months[i] = campaigns.TimeOf(id)
	}
	rows, err := many(ctx, tx, "messages by their ids", `SELECT m.id, m.no FROM unnest($1::uuid[], $2::timestamptz[]) AS r(id, queued_at)
		JOIN messages m ON m.id = r.id AND m.queued_at = r.queued_at`, func(row pgx.CollectableRow) (campaigns.Message, error) {
		var m campaigns.Message
		err := row.Scan(&m.ID, &m.No)
		return m, err
	}, ids, months)
	for _, m := range rows {
		found[m.ID] = m.No
	}
	return found, err
}

// MessagesStanding reads where messages stand, what they are of and whom they went to. Those not found are left out.
func (tx *Tx) MessagesStanding(ctx context.Context, nos []int64, ids []campaigns.ID) (map[campaigns.ID]*campaigns.Message, error) {
	found := map[campaigns.ID]*campaigns.Message{}
	if len(ids) == 0 {
		return found, nil
	}
	months := make([]time.Time, len(ids))
	for i, id := range ids {
		months[i] = campaigns.TimeOf(id)
	}
	rows, err := many(ctx, tx, "where messages stand", `SELECT m.no, m.id, m.queued_at, m.status, m.campaign_id, m.run_id, m.channel, coalesce(m.address, ''), m.finished_at, m.resent
		FROM unnest($1::bigint[], $2::timestamptz[], $3::uuid[]) AS r(no, queued_at, id) JOIN messages m ON m.no = r.no AND m.queued_at = r.queued_at AND m.id = r.id`,
		func(row pgx.CollectableRow) (campaigns.Message, error) {
			var m campaigns.Message
			err := row.Scan(&m.No, &m.ID, &m.QueuedAt, &m.Status, &m.CampaignID, &m.RunID, &m.Channel, &m.Address, &m.FinishedAt, &m.Resent)
			return m, err
		}, nos, months, ids)
	for i := range rows {
		found[rows[i].ID] = &rows[i]
	}
	return found, err
}

// A Settlement is where a message stands after its receipts, and what they add to its history.
type Settlement struct {
	Message campaigns.Message // its No, QueuedAt and ID
	From    campaigns.MessageStatus
	To      campaigns.MessageStatus
	Steps   []campaigns.Change
	Untaken bool // somebody knows that no provider took it: it cost nothing
}

// SettleMessages writes settlements, and gives the messages that stood where they were said to stand: the others were changed
// by somebody else meanwhile.
func (tx *Tx) SettleMessages(ctx context.Context, settlements []Settlement) (map[campaigns.ID]bool, error) {
	done := map[campaigns.ID]bool{}
	if len(settlements) == 0 {
		return done, nil
	}
	n := len(settlements)
	nos, ids, months, from, to, steps := make([]int64, n), make([]campaigns.ID, n), make([]time.Time, n), make([]string, n), make([]string, n), make([]string, n)
	untaken := make([]bool, n)
	for i := range settlements {
		s := &settlements[i]
		for k := range s.Steps {
			s.Steps[k].Detail = kept(s.Steps[k].Detail)
		}
		nos[i], ids[i], months[i], from[i], to[i], steps[i] = s.Message.No, s.Message.ID, s.Message.QueuedAt, string(s.From), string(s.To), *jsonText(s.Steps)
		untaken[i] = s.Untaken
	}
	found, err := many(ctx, tx, "settled messages", `WITH done AS (
			UPDATE messages m SET status = r.status, history = m.history || r.steps::jsonb, paid_micros = CASE WHEN NOT r.untaken THEN m.paid_micros END
			FROM unnest($1::bigint[], $2::timestamptz[], $3::uuid[], $4::text[], $5::text[], $6::text[], $8::boolean[]) AS r(no, queued_at, id, before, status, steps, untaken)
			WHERE m.no = r.no AND m.queued_at = r.queued_at AND m.id = r.id AND m.status = r.before RETURNING m.no, m.id, m.run_id, r.before, m.status AS after),
		moves AS (SELECT run_id, before, after FROM done)`+counting+`,
		noted AS (INSERT INTO changes (xid, no, kind, nos) SELECT pg_current_xact_id(), 0, $7, array_agg(no) FROM done HAVING count(*) > 0)
		SELECT id FROM done`, pgx.RowTo[campaigns.ID], nos, months, ids, from, to, steps, changedMessages, untaken)
	for _, id := range found {
		done[id] = true
	}
	if err != nil {
		return nil, err
	}
	return done, tx.settleCoupons(ctx, settlements)
}

// SettleSegment keeps what a receipt says of one segment of a message, and says where the message stands by all of them: it
// is delivered when all of one attempt are, and failed or bounced as soon as one of the last attempt is; empty while others are
// on their way. One that was sent again because its outcome was unknown has segments of several attempts.
func (tx *Tx) SettleSegment(ctx context.Context, p ProviderID, status campaigns.MessageStatus) (campaigns.MessageStatus, error) {
	if _, err := tx.exec(ctx, "keeping what became of a segment", `UPDATE provider_ids SET status = $3 WHERE channel_id = $1 AND provider_id = $2
		AND (status IS NULL OR status = 'failed')`, p.ChannelID, p.ProviderID, status); err != nil {
		return "", err
	}
	var all campaigns.MessageStatus
	err := tx.tx.QueryRow(ctx, `SELECT CASE WHEN bool_or(arrived) THEN 'delivered' ELSE (array_agg(bad ORDER BY attempt DESC))[1] END
		FROM (SELECT attempt, count(*) FILTER (WHERE status = 'delivered') >= max(segments) AS arrived,
				CASE WHEN bool_or(status = 'bounced') THEN 'bounced' WHEN bool_or(status = 'failed') THEN 'failed' ELSE '' END AS bad
			FROM provider_ids WHERE message_id = $1 AND segments > 1 GROUP BY attempt) attempts`, p.MessageID).Scan(&all)
	if err != nil {
		return "", fmt.Errorf("asking what became of all segments: %w", err)
	}
	return all, nil
}

// KeepComplaint keeps that somebody complained about a message; false when that was known.
func (tx *Tx) KeepComplaint(ctx context.Context, m *campaigns.Message, at time.Time) (bool, error) {
	n, err := tx.exec(ctx, "keeping a complaint", `INSERT INTO complaints (no, message_id, run_id, campaign_id, at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
		m.No, m.ID, m.RunID, m.CampaignID, at)
	return n == 1, err
}

// CountComplaints counts, of runs, the messages that somebody complained about; runs without are left out.
func (tx *Tx) CountComplaints(ctx context.Context, runs []campaigns.ID) (map[campaigns.ID]int64, error) {
	type complaints struct {
		run campaigns.ID
		n   int64
	}
	found, err := many(ctx, tx, "complaints", `SELECT run_id, count(*) FROM complaints WHERE run_id = ANY($1) GROUP BY run_id`,
		func(row pgx.CollectableRow) (c complaints, err error) { return c, row.Scan(&c.run, &c.n) }, runs)
	of := make(map[campaigns.ID]int64, len(found))
	for _, c := range found {
		of[c.run] = c.n
	}
	return of, err
}

// UnqueueMessage takes a message back out of the outbox that waits to be sent again because its outcome was unknown, so that
// it stands as unknown again; false when somebody is sending it already.
func (tx *Tx) UnqueueMessage(ctx context.Context, m *campaigns.Message) (bool, error) {
	n, err := tx.exec(ctx, "taking a message out of the outbox", `WITH gone AS (
			DELETE FROM outbox WHERE lane = $4 AND message_id = $3 AND sending_at IS NULL RETURNING message_id),
		back AS (UPDATE messages m SET status = 'unknown', finished_at = $5 FROM gone
			WHERE m.no = $1 AND m.queued_at = $2 AND m.id = gone.message_id AND m.status = 'queued' AND m.resent RETURNING m.run_id),
		moves AS (SELECT run_id, 'queued' AS before, 'unknown' AS after FROM back)`+counting+`
		SELECT FROM back`,
		m.No, m.QueuedAt, m.ID, campaigns.Lane(m.No), tx.Now)
	return n == 1, err
}

// RequeueMessage puts a message whose outcome was unknown back into the outbox, and opens its run again where that was over;
// false when it stands elsewhere, or its run was stopped.
func (tx *Tx) RequeueMessage(ctx context.Context, m *campaigns.Message, detail string) (bool, error) {
	run, err := tx.exec(ctx, "opening a run again", `UPDATE runs SET status = CASE status WHEN 'done' THEN 'sending' ELSE status END,
		finished_at = CASE status WHEN 'done' THEN NULL ELSE finished_at END WHERE id = $1 AND status <> 'stopped'`, m.RunID)
	if err != nil || run == 0 {
		return false, err
	}
	n, err := tx.exec(ctx, "queueing a message again", `WITH again AS (
			UPDATE messages SET status = 'queued', finished_at = NULL, resent = true, history = history || $4::jsonb
			WHERE no = $1 AND queued_at = $2 AND id = $3 AND status = 'unknown' RETURNING no, id, channel_id, run_id, attempts),
		moves AS (SELECT run_id, 'unknown' AS before, 'queued' AS after FROM again)`+counting+`
		INSERT INTO outbox (lane, message_id, channel_id, run_id, no, due_at, attempts) SELECT no & $5, id, channel_id, run_id, no, $6, attempts FROM again`,
		m.No, m.QueuedAt, m.ID, *jsonText([]campaigns.Change{{At: tx.Now.Truncate(time.Millisecond), Status: campaigns.MessageQueued, Detail: detail}}), campaigns.Lanes-1, tx.Now)
	return n == 1, err
}
