package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// A Result is what became of one attempt to send. RetryAt is set when it is to be tried again. Replanned says that this is
// because it was planned anew, for the Message's PlannedAt and until its ClosesAt. A message that was Handed has been with
// the provider; what comes back without having been there was no attempt.
type Result struct {
	Message   campaigns.Message
	Status    campaigns.MessageStatus
	Detail    string
	RetryAt   time.Time
	Replanned bool
	Handed    bool
	Paid      *int64   // what this attempt cost in micros; nil where no provider took it, nor may have
	Carrier   string   // the channel that carried it, where that is not its own
	Resend    bool     // its outcome is unknown, and it is sent again because the workspace says so
	MoreIDs   []string // the provider's names of its further segments
}

// FinishMessages records results: a final one ends the message and leaves the outbox, a temporary one waits for RetryAt. A
// message that was given up as unknown meanwhile takes its real outcome, and leaves the outbox also where it was put back
// since to be sent again.
func (tx *Tx) FinishMessages(ctx context.Context, owner campaigns.ID, results []Result) error {
	f := newFinish(tx.Now, results)
	batch := &pgx.Batch{}
	if len(f.final) > 0 {
		batch.Queue(`DELETE FROM outbox o USING unnest($1::smallint[], $2::uuid[]) AS r(lane, id) WHERE o.lane = r.lane AND o.message_id = r.id
			AND (o.owner = $3 OR o.sending_at IS NULL)`, f.finalLanes, f.final, owner)
	}
	if len(f.again) > 0 {
		batch.Queue(`UPDATE outbox o SET sending_at = NULL, owner = NULL, due_at = r.due, attempts = r.attempts, moved = o.moved OR r.moved,
				closes_at = CASE WHEN r.moved THEN r.closes ELSE o.closes_at END
			FROM unnest($1::smallint[], $2::uuid[], $3::timestamptz[], $5::smallint[], $6::boolean[], $7::timestamptz[]) AS r(lane, id, due, attempts, moved, closes)
			WHERE o.lane = r.lane AND o.message_id = r.id AND o.owner = $4`, f.againLanes, f.again, f.due, owner, f.tries, f.moved, f.closes)
	}
	found, err := tx.recordOutcomes(ctx, batch, campaigns.MessageQueued, f, results)
	if err != nil || len(found) == len(results) {
		return err
	}
	return tx.finishLate(ctx, results, found)
}

// alreadyTold says that a history has a result's first step, that it was being sent: it was given up as unknown since.
const alreadyTold = `(m.status = 'unknown' OR m.resent) AND r.step::jsonb->0->>'status' = 'sending'
				AND (r.step::jsonb->0->>'at')::timestamptz < (m.history->-1->>'at')::timestamptz`

// outcomesOf writes what became of messages that stand at one status, so that it is known what they stood at before, and gives
// those that it found. Of the steps of one that was given up as unknown since, the first is left out where its history has it.
const outcomesOf = `WITH done AS (
			UPDATE messages m SET status = r.status, attempts = r.attempts, provider_id = NULLIF(r.provider, ''), content_hash = r.hash, content = r.content::jsonb,
				finished_at = CASE WHEN r.status <> 'queued' THEN $1::timestamptz END, planned_at = coalesce(r.planned, m.planned_at),
				history = m.history || CASE WHEN ` + alreadyTold + ` THEN r.step::jsonb - 0 ELSE r.step::jsonb END,
				segments = NULLIF(r.segments, 0), channel_id = coalesce(NULLIF(r.carrier, ''), m.channel_id), resent = m.resent OR r.resent,
				paid_micros = CASE WHEN r.paid IS NULL THEN ` + paidBefore + ` ELSE coalesce(` + paidBefore + `, 0) + r.paid END
			FROM unnest($2::bigint[], $3::timestamptz[], $4::uuid[], $5::text[], $6::smallint[], $7::text[], $8::bytea[], $9::text[], $10::text[], $12::timestamptz[],
					$13::smallint[], $14::text[], $15::boolean[], $17::bigint[])
				AS r(no, queued_at, id, status, attempts, provider, hash, content, step, planned, segments, carrier, resent, paid)
			WHERE m.no = r.no AND m.queued_at = r.queued_at AND m.id = r.id AND m.status = $16 RETURNING m.no, m.id, m.run_id, m.status),
		moves AS (SELECT run_id, $16 AS before, status AS after FROM done)` + counting + `,
		noted AS (INSERT INTO changes (xid, no, kind, nos) SELECT pg_current_xact_id(), 0, $11, array_agg(no) FROM done HAVING count(*) > 0)
		SELECT array_agg(id) FROM done`

// recordOutcomes sends a batch of statements and with it what became of those of its messages that stand at a status; it gives them.
func (tx *Tx) recordOutcomes(ctx context.Context, batch *pgx.Batch, at campaigns.MessageStatus, f *finish, results []Result) (found []campaigns.ID, err error) {
	batch.Queue(outcomesOf, tx.Now, f.nos, f.queued, f.ids, f.statuses, f.attempts, f.providers, f.hashes, f.contents, f.steps, changedMessages, f.planned, f.segments,
		f.carriers, f.resent, at, f.paid).QueryRow(func(row pgx.Row) error { return row.Scan(&found) })
	queueProviderIDs(batch, f.names)
	queueLapses(batch, tx.Now, results)
	queueQuestions(batch, tx.Now, results)
	if err := tx.tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, fmt.Errorf("recording outcomes: %w", err)
	}
	return found, nil
}

// finishLate records results whose messages did not stand in the queue: one that was given up as unknown meanwhile takes its real
// outcome. They are held before it is looked where they stand, for they may be put back into the queue at any moment.
func (tx *Tx) finishLate(ctx context.Context, results []Result, found []campaigns.ID) error {
	late := slices.DeleteFunc(slices.Clone(results), func(r Result) bool { return slices.Contains(found, r.Message.ID) })
	f := newFinish(tx.Now, late)
	standing, err := many(ctx, tx, "messages with late outcomes", `SELECT m.id, m.status FROM unnest($1::bigint[], $2::timestamptz[], $3::uuid[]) AS r(no, queued_at, id)
		JOIN messages m ON m.no = r.no AND m.queued_at = r.queued_at AND m.id = r.id ORDER BY m.no, m.id FOR UPDATE OF m`, func(row pgx.CollectableRow) (m campaigns.Message, err error) {
		return m, row.Scan(&m.ID, &m.Status)
	}, f.nos, f.queued, f.ids)
	if err != nil {
		return err
	}
	at := make(map[campaigns.ID]campaigns.MessageStatus, len(standing))
	for _, m := range standing {
		at[m.ID] = m.Status
	}
	for _, status := range []campaigns.MessageStatus{campaigns.MessageUnknown, campaigns.MessageQueued} {
		some := slices.DeleteFunc(slices.Clone(late), func(r Result) bool {
			return at[r.Message.ID] != status || (status == campaigns.MessageUnknown && !r.RetryAt.IsZero())
		})
		if len(some) == 0 {
			continue
		}
		f, batch := newFinish(tx.Now, some), &pgx.Batch{}
		if status == campaigns.MessageQueued && len(f.final) > 0 { // put back after the outbox was looked at
			batch.Queue(`DELETE FROM outbox o USING unnest($1::smallint[], $2::uuid[]) AS r(lane, id) WHERE o.lane = r.lane AND o.message_id = r.id
				AND o.sending_at IS NULL`, f.finalLanes, f.final)
		}
		if _, err := tx.recordOutcomes(ctx, batch, status, f, some); err != nil {
			return err
		}
	}
	return nil
}

// finish is results by column, as unnest takes them.
type finish struct {
	final, again           []campaigns.ID
	finalLanes, againLanes []int16
	due, queued            []time.Time
	nos                    []int64
	ids                    []campaigns.ID
	attempts, tries        []int16 // of all; of those again
	statuses, providers    []string
	carriers               []string
	hashes                 [][]byte
	contents               []*string
	steps                  []string
	segments               []int16
	planned                []*time.Time // of those planned anew
	moved                  []bool       // of those again: planned anew
	closes                 []*time.Time // likewise
	resent                 []bool
	paid                   []*int64
	names                  []ProviderID
}

func newFinish(now time.Time, results []Result) *finish {
	f := &finish{}
	for i := range results {
		f.add(now, &results[i])
	}
	return f
}

func (f *finish) add(now time.Time, r *Result) {
	m := &r.Message
	status, planned := r.Status, (*time.Time)(nil)
	lane := campaigns.Lane(m.No)
	if r.RetryAt.IsZero() {
		f.final, f.finalLanes = append(f.final, m.ID), append(f.finalLanes, lane)
	} else {
		status = campaigns.MessageQueued
		f.again, f.againLanes, f.due, f.tries = append(f.again, m.ID), append(f.againLanes, lane), append(f.due, r.RetryAt), append(f.tries, int16(m.Attempts))
		f.moved, f.closes = append(f.moved, r.Replanned), append(f.closes, nullTime(m.ClosesAt))
	}
	if r.Replanned {
		planned = &m.PlannedAt
	}
	f.planned, f.segments = append(f.planned, planned), append(f.segments, int16(m.Segments))
	f.nos, f.queued, f.ids = append(f.nos, m.No), append(f.queued, m.QueuedAt), append(f.ids, m.ID)
	f.statuses, f.attempts, f.providers = append(f.statuses, string(status)), append(f.attempts, int16(m.Attempts)), append(f.providers, kept(m.ProviderID))
	f.hashes, f.contents, f.steps = append(f.hashes, m.ContentHash), append(f.contents, jsonText(m.Content)), append(f.steps, stepsOf(now, status, r))
	f.carriers, f.resent, f.paid = append(f.carriers, r.Carrier), append(f.resent, r.Resend), append(f.paid, r.Paid)
	f.name(r)
}

// name keeps the provider's names for a message. One that holds the message's own id is found without.
func (f *finish) name(r *Result) {
	m := &r.Message
	carrier := r.Carrier
	if carrier == "" {
		carrier = m.ChannelID
	}
	segments := 1 + len(r.MoreIDs)
	if r.Status != campaigns.MessageSent { // of one at least nobody has an id: all that are known do not make it delivered
		segments++
	}
	if m.ProviderID != "" && (segments > 1 || !strings.HasPrefix(m.ProviderID, m.ID.String())) {
		f.names = append(f.names, ProviderID{carrier, kept(m.ProviderID), m.No, m.ID, 1, segments, m.Attempts})
	}
	for i, id := range r.MoreIDs {
		f.names = append(f.names, ProviderID{carrier, kept(id), m.No, m.ID, 2 + i, segments, m.Attempts})
	}
}

// stepsOf are the lines that a result adds to its message's history, as JSON. What comes back for the same reason as the last
// time without having been with the provider adds none.
func stepsOf(now time.Time, status campaigns.MessageStatus, r *Result) string {
	m := &r.Message
	var steps []campaigns.Change
	if r.Handed && !m.SendingAt.IsZero() {
		steps = append(steps, campaigns.Change{At: m.SendingAt.Truncate(time.Millisecond), Status: campaigns.MessageSending})
	}
	detail := kept(r.Detail)
	if r.Resend {
		steps = append(steps, campaigns.Change{At: now.Truncate(time.Millisecond), Status: campaigns.MessageUnknown, Detail: detail})
		detail = "its outcome is unknown, and the workspace says to send it again"
	}
	switch again := r.RetryAt.UTC().Format(time.RFC3339); {
	case r.Replanned:
		detail = fmt.Sprintf("planned anew for %s: %s", again, detail)
	case !r.RetryAt.IsZero() && r.Handed:
		detail = fmt.Sprintf("attempt %d: %s; next at %s", m.Attempts, detail, again)
	case !r.RetryAt.IsZero() && len(m.History) > 0 && m.History[len(m.History)-1].Detail == detail:
		return "[]"
	}
	steps = append(steps, campaigns.Change{At: now.Truncate(time.Millisecond), Status: status, Detail: detail})
	return string(appendSteps(make([]byte, 0, 256), steps))
}

// jsonText is a value as JSON; nil for an absent map.
func jsonText(value any) *string {
	if parts, is := value.(map[string]string); is && parts == nil {
		return nil
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return nil // plain maps and structs of text always encode
	}
	text := string(encoded)
	return &text
}

// LoseMessages makes unknown what a dead node was sending: marked rows of lanes whose lease is over. With again, those whose
// outcome became unknown for the first time go back into the queue. It gives how many it found.
func (tx *Tx) LoseMessages(ctx context.Context, again bool) (int64, error) {
	lost, err := tx.loseAgain(ctx, again)
	if err != nil {
		return 0, err
	}
	n, err := tx.exec(ctx, "finding what a dead node was sending", `WITH lost AS (
			DELETE FROM outbox o USING lanes l WHERE o.sending_at IS NOT NULL AND l.channel_id = o.channel_id AND l.lane = o.lane
				AND (l.lease_until <= $1 OR l.owner IS DISTINCT FROM o.owner)
			RETURNING o.message_id, o.no, o.attempts, o.sending_at),
		unknown AS (UPDATE messages m SET status = 'unknown', finished_at = $1, attempts = lost.attempts, paid_micros = `+paidUnknown+`,
			history = history || jsonb_build_array(jsonb_build_object('at', lost.sending_at, 'status', 'sending'),
			jsonb_build_object('at', $1::timestamptz, 'status', 'unknown', 'detail', $3::text))
		FROM lost WHERE m.id = lost.message_id AND m.no = lost.no AND m.status = 'queued' RETURNING m.no, m.id, m.queued_at, m.channel_id, m.run_id),
		moves AS (SELECT run_id, 'queued' AS before, 'unknown' AS after FROM unknown)`+counting+`,
		asked AS (INSERT INTO questions (no, message_id, queued_at, channel_id, due_at) SELECT u.no, u.id, u.queued_at, u.channel_id, $4
			FROM unknown u JOIN channels c ON c.id = u.channel_id AND c.kind = 'gateway' ON CONFLICT DO NOTHING)
		INSERT INTO changes (xid, no, kind) SELECT pg_current_xact_id(), no, $2::smallint FROM unknown`, tx.Now, changedMessages, diedSending, tx.Now.Add(campaigns.Backoff(1)))
	return lost + n, err
}

const diedSending = "the node that was sending it died before it recorded an answer"

// loseAgain puts back what a dead node was sending and what was not sent again before.
func (tx *Tx) loseAgain(ctx context.Context, again bool) (int64, error) {
	if !again {
		return 0, nil
	}
	return tx.exec(ctx, "sending again what a dead node was sending", `WITH lost AS (
			SELECT o.lane, o.message_id, o.no, o.attempts, o.sending_at FROM outbox o JOIN lanes l ON l.channel_id = o.channel_id AND l.lane = o.lane
			WHERE o.sending_at IS NOT NULL AND (l.lease_until <= $1 OR l.owner IS DISTINCT FROM o.owner) FOR UPDATE OF o),
		noted AS (UPDATE messages m SET resent = true, attempts = lost.attempts, paid_micros = `+paidUnknown+`, history = history || jsonb_build_array(
			jsonb_build_object('at', lost.sending_at, 'status', 'sending'), jsonb_build_object('at', $1::timestamptz, 'status', 'unknown', 'detail', $2::text),
			jsonb_build_object('at', $1::timestamptz, 'status', 'queued', 'detail', 'its outcome is unknown, and the workspace says to send it again'))
		FROM lost WHERE m.id = lost.message_id AND m.no = lost.no AND m.status = 'queued' AND NOT m.resent AND m.not_after > $1 RETURNING lost.lane, m.id)
		UPDATE outbox o SET sending_at = NULL, owner = NULL, due_at = $1 FROM noted WHERE o.lane = noted.lane AND o.message_id = noted.id`, tx.Now, diedSending)
}
