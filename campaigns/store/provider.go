package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

const providerColumns = `SELECT channel_id, paced_to, rests_until, throttles, faults, opens, open_until, probe, probe_until, coalesce(reason, '') FROM providers`

func scanProvider(row pgx.CollectableRow) (campaigns.Provider, error) {
	var p campaigns.Provider
	var open, until *time.Time
	var probe *campaigns.ID
	err := row.Scan(&p.ChannelID, &p.PacedTo, &p.RestsUntil, &p.Throttles, &p.Faults, &p.Opens, &open, &probe, &until, &p.Reason)
	if open != nil {
		p.OpenUntil = *open
	}
	if probe != nil && until != nil {
		p.Probe, p.ProbeUntil = *probe, *until
	}
	return p, err
}

// Provider reads what the nodes know about a channel's provider.
func (tx *Tx) Provider(ctx context.Context, channel string) (campaigns.Provider, error) {
	return one(ctx, tx, "provider", channel, providerColumns+` WHERE channel_id = $1`, scanProvider, channel)
}

// LockProvider reads it for update.
func (tx *Tx) LockProvider(ctx context.Context, channel string) (campaigns.Provider, error) {
	return one(ctx, tx, "provider", channel, providerColumns+` WHERE channel_id = $1 FOR UPDATE`, scanProvider, channel)
}

// Providers lists all.
func (tx *Tx) Providers(ctx context.Context) ([]campaigns.Provider, error) {
	return many(ctx, tx, "providers", providerColumns+` ORDER BY channel_id`, scanProvider)
}

// SaveProvider writes it.
func (tx *Tx) SaveProvider(ctx context.Context, p *campaigns.Provider) error {
	var probe *campaigns.ID
	if p.Probe != (campaigns.ID{}) {
		probe = &p.Probe
	}
	_, err := tx.exec(ctx, "writing a provider's state", `UPDATE providers SET paced_to = $2, rests_until = $3, throttles = $4, faults = $5, opens = $6,
		open_until = $7, probe = $8, probe_until = $9, reason = NULLIF($10, '') WHERE channel_id = $1`, p.ChannelID, p.PacedTo, p.RestsUntil, p.Throttles, p.Faults,
		p.Opens, nullTime(p.OpenUntil), probe, nullTime(p.ProbeUntil), kept(p.Reason))
	return err
}

// Failing are the channels whose circuit is open and that name another to take over.
func (tx *Tx) Failing(ctx context.Context, fallback string) ([]string, error) {
	return many(ctx, tx, "channels that fail", `SELECT c.id FROM channels c JOIN providers p ON p.channel_id = c.id
		WHERE c.settings->>'fallback' = $1 AND p.open_until IS NOT NULL ORDER BY c.id`, pgx.RowTo[string], fallback)
}

// A ProviderID is a provider's name for a message or for one of its segments.
type ProviderID struct {
	ChannelID  string
	ProviderID string
	No         int64
	MessageID  campaigns.ID
	Segment    int
	Segments   int
	Attempt    int // at sending the message
}

// queueProviderIDs writes which message the providers' ids name, with the batch's other statements. Of two messages that a
// provider calls the same, the later one keeps the name.
func queueProviderIDs(batch *pgx.Batch, ids []ProviderID) {
	if len(ids) == 0 {
		return
	}
	last := map[string]int{}
	for i, id := range ids {
		last[id.ChannelID+"\x00"+id.ProviderID] = i
	}
	var channels, names []string
	var nos []int64
	var messages []campaigns.ID
	var segment, segments, attempts []int16
	for i, id := range ids {
		if last[id.ChannelID+"\x00"+id.ProviderID] != i {
			continue
		}
		channels, names, nos, messages = append(channels, id.ChannelID), append(names, id.ProviderID), append(nos, id.No), append(messages, id.MessageID)
		segment, segments, attempts = append(segment, int16(id.Segment)), append(segments, int16(id.Segments)), append(attempts, int16(id.Attempt))
	}
	batch.Queue(`INSERT INTO provider_ids (channel_id, provider_id, no, message_id, segment, segments, attempt)
		SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::uuid[], $5::smallint[], $6::smallint[], $7::smallint[])
		ON CONFLICT (channel_id, provider_id) DO UPDATE SET no = EXCLUDED.no, message_id = EXCLUDED.message_id, segment = EXCLUDED.segment,
			segments = EXCLUDED.segments, attempt = EXCLUDED.attempt, status = NULL`, channels, names, nos, messages, segment, segments, attempts)
}

// Skew is by how much this node's clock is ahead of PostgreSQL's, and how wrong that may be: half of what asking took. What
// took long, because it opened a connection or waited for one, is asked again.
func (s *Store) Skew(ctx context.Context) (ahead, within time.Duration, err error) {
	return skew(ctx, s.clock, s.pool)
}

// Skew is what Store.Skew is, asked on the transaction's own connection.
func (tx *Tx) Skew(ctx context.Context) (ahead, within time.Duration, err error) {
	return skew(ctx, tx.store.clock, tx.tx)
}

func skew(ctx context.Context, clock func() time.Time, db interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}) (ahead, within time.Duration, err error) {
	var there time.Time
	for range 3 {
		before := clock()
		if err := db.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&there); err != nil {
			return 0, 0, fmt.Errorf("asking PostgreSQL for the time: %w", err)
		}
		took := clock().Sub(before)
		ahead, within = before.Add(took/2).Sub(there), took/2
		if took >= 0 && took < skewWithin {
			break
		}
	}
	return ahead, within, nil
}

// skewWithin is how long asking for the time may take and still say enough.
const skewWithin = 20 * time.Millisecond
