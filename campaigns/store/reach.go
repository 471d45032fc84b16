package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/RoaringBitmap/roaring/v2/roaring64"
	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// Suppressed says which of the address hashes of a channel are never to be sent to.
func (tx *Tx) Suppressed(ctx context.Context, channel string, hashes [][]byte) (map[string]bool, error) {
	if len(hashes) == 0 {
		return nil, nil
	}
	return tx.hashes(ctx, "suppressions", `SELECT hash FROM suppressions WHERE channel = $1 AND hash = ANY($2)`, channel, hashes)
}

// Crowded says which of the address hashes of a channel belong to more than so many customers.
func (tx *Tx) Crowded(ctx context.Context, channel string, hashes [][]byte, most int) (map[string]bool, error) {
	if len(hashes) == 0 {
		return nil, nil
	}
	return tx.hashes(ctx, "crowded addresses", fmt.Sprintf(`SELECT hash FROM addresses WHERE channel = $1 AND hash = ANY($2) GROUP BY hash HAVING count(*) > %d`, most), channel, hashes)
}

// SuppressedCustomers are all customers whose address of a channel is never to be sent to.
func (tx *Tx) SuppressedCustomers(ctx context.Context, channel string) (*roaring64.Bitmap, error) {
	return tx.customersOf(ctx, "suppressed customers", `SELECT a.no FROM suppressions s JOIN addresses a ON a.hash = s.hash AND a.channel = s.channel WHERE s.channel = $1`, channel)
}

// EachShared gives all customers who share an address of some channels with somebody, the customers of one address in a row.
// One pass over the look-up's key finds the addresses and two customers of each; only those of more are read again.
func (tx *Tx) EachShared(ctx context.Context, channels []string, each func(channel string, no int64, hash []byte) error) error {
	rows, err := tx.tx.Query(ctx, `SELECT channel, hash, count(*), min(no), max(no) FROM addresses WHERE channel = ANY($1) GROUP BY hash, channel HAVING count(*) > 1`, channels)
	if err != nil {
		return fmt.Errorf("reading shared addresses: %w", err)
	}
	var channel string
	var hash []byte
	var n, first, last int64
	var crowds [][]byte
	_, err = pgx.ForEachRow(rows, []any{&channel, &hash, &n, &first, &last}, func() error {
		if n > 2 {
			crowds = append(crowds, slices.Clone(hash))
			return nil
		}
		if err := each(channel, first, hash); err != nil {
			return err
		}
		return each(channel, last, hash)
	})
	if err == nil && len(crowds) > 0 {
		rows, err = tx.tx.Query(ctx, `SELECT channel, hash, no FROM addresses WHERE channel = ANY($1) AND hash = ANY($2) ORDER BY hash, channel`, channels, crowds)
	}
	if err == nil && len(crowds) > 0 {
		_, err = pgx.ForEachRow(rows, []any{&channel, &hash, &first}, func() error { return each(channel, first, hash) })
	}
	if err != nil {
		return fmt.Errorf("reading shared addresses: %w", err)
	}
	return nil
}

// Entered are the customers who entered a campaign from a time until before another, each of which may be zero for ever,
// among some customers; nil for among all.
func (tx *Tx) Entered(ctx context.Context, campaign campaigns.ID, from, to time.Time, of []int64) (*roaring64.Bitmap, error) {
	where, args := "", []any{campaign, nullTime(from), nullTime(to)}
	if of != nil {
		where, args = " AND no = ANY($4)", append(args, of)
	}
	return tx.customersOf(ctx, "who entered", `SELECT no FROM campaign_entries WHERE campaign_id = $1 AND ($2::timestamptz IS NULL OR at >= $2)
		AND ($3::timestamptz IS NULL OR at < $3)`+where, args...)
}

// customersOf collects the numbers that a statement gives.
func (tx *Tx) customersOf(ctx context.Context, what, sql string, args ...any) (*roaring64.Bitmap, error) {
	set := roaring64.New()
	rows, err := tx.tx.Query(ctx, sql, args...)
	if err == nil {
		var no int64
		_, err = pgx.ForEachRow(rows, []any{&no}, func() error { set.Add(uint64(no)); return nil })
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", what, err)
	}
	return set, nil
}

// AllCrowded are all address hashes that belong to more than so many customers, by channel.
func (tx *Tx) AllCrowded(ctx context.Context, most int) (map[string]map[string]bool, error) {
	crowded := map[string]map[string]bool{}
	err := tx.eachRow(ctx, "crowded addresses", `SELECT channel, hash FROM addresses GROUP BY hash, channel HAVING count(*) > $1`, func(values [][]byte) error {
		channel := string(values[0])
		if crowded[channel] == nil {
			crowded[channel] = map[string]bool{}
		}
		crowded[channel][string(values[1])] = true
		return nil
	}, most)
	return crowded, err
}

// WithoutConsent says which of the messages go to somebody who does not consent any more to their channel, or to the topic
// of their campaign (TopicWords says how both count together); those of transactional campaigns need no consent.
func (tx *Tx) WithoutConsent(ctx context.Context, messages []campaigns.Message) (map[campaigns.ID]bool, error) {
	ids, nos, of, versions, channels := []campaigns.ID{}, []int64{}, []campaigns.ID{}, []int32{}, []string{}
	for _, m := range messages {
		ids, nos, of, versions, channels = append(ids, m.ID), append(nos, m.No), append(of, m.CampaignID), append(versions, int32(m.Version)), append(channels, m.Channel)
	}
	found, err := many(ctx, tx, "consents", `SELECT m.id FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::int[], $5::text[]) AS m(id, no, campaign, version, channel)
		JOIN campaign_versions v ON v.campaign_id = m.campaign AND v.version = m.version LEFT JOIN customers c ON c.no = m.no
		CROSS JOIN LATERAL (SELECT CASE m.channel WHEN 'sms' THEN c.sms_consent ELSE c.email_consent END AS granted) word
		LEFT JOIN LATERAL (SELECT s.granted FROM consents s WHERE s.no = m.no AND s.channel = m.channel AND s.topic = NULLIF(v.definition->>'topic', '')
			ORDER BY s.at DESC LIMIT 1) topic ON true
		WHERE v.definition->>'purpose' IS DISTINCT FROM 'transactional'
			AND (word.granted IS FALSE OR coalesce(topic.granted, word.granted) IS NOT TRUE)`,
		pgx.RowTo[campaigns.ID], ids, nos, of, versions, channels)
	set := make(map[campaigns.ID]bool, len(found))
	for _, id := range found {
		set[id] = true
	}
	return set, err
}

func (tx *Tx) hashes(ctx context.Context, what, sql, channel string, hashes [][]byte) (map[string]bool, error) {
	if len(hashes) == 0 {
		return nil, nil
	}
	found, err := many(ctx, tx, what, sql, pgx.RowTo[[]byte], channel, hashes)
	set := make(map[string]bool, len(found))
	for _, hash := range found {
		set[string(hash)] = true
	}
	return set, err
}
