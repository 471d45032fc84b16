package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// Suppressed says which of the address hashes of a channel are never to be sent to.
func (tx *Tx) Suppressed(ctx context.Context, channel string, hashes [][]byte) (map[string]bool, error) {
	return tx.hashes(ctx, "suppressions", `SELECT hash FROM suppressions WHERE channel = $1 AND hash = ANY($2)`, channel, hashes)
}

// Shared says which of the address hashes of a channel belong to more than one customer.
func (tx *Tx) Shared(ctx context.Context, channel string, hashes [][]byte) (map[string]bool, error) {
	return tx.hashes(ctx, "shared addresses", `SELECT hash FROM addresses WHERE channel = $1 AND hash = ANY($2) GROUP BY hash HAVING count(*) > 1`, channel, hashes)
}

// Crowded says which of the address hashes of a channel belong to more than so many customers.
func (tx *Tx) Crowded(ctx context.Context, channel string, hashes [][]byte, most int) (map[string]bool, error) {
	return tx.hashes(ctx, "crowded addresses", fmt.Sprintf(`SELECT hash FROM addresses WHERE channel = $1 AND hash = ANY($2) GROUP BY hash HAVING count(*) > %d`, most), channel, hashes)
}

// WithoutConsent says which of the messages go to somebody who has not consented to their channel any more; those of
// transactional campaigns need no consent.
func (tx *Tx) WithoutConsent(ctx context.Context, messages []campaigns.Message) (map[campaigns.ID]bool, error) {
	ids, nos, of, versions, channels := []campaigns.ID{}, []int64{}, []campaigns.ID{}, []int32{}, []string{}
	for _, m := range messages {
		ids, nos, of, versions, channels = append(ids, m.ID), append(nos, m.No), append(of, m.CampaignID), append(versions, int32(m.Version)), append(channels, m.Channel)
	}
	found, err := many(ctx, tx, "consents", `SELECT m.id FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::int[], $5::text[]) AS m(id, no, campaign, version, channel)
		JOIN campaign_versions v ON v.campaign_id = m.campaign AND v.version = m.version LEFT JOIN customers c ON c.no = m.no
		WHERE v.definition->>'purpose' IS DISTINCT FROM 'transactional'
			AND (CASE m.channel WHEN 'sms' THEN c.sms_consent ELSE c.email_consent END) IS NOT TRUE`,
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
