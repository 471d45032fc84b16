package store

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/RoaringBitmap/roaring/v2/roaring64"
	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// ClaimLooks takes up to limit campaigns that wait for customers to enter a segment and were not looked at since a time,
// and notes that they are looked at now. Those whose version was never looked at come first.
func (tx *Tx) ClaimLooks(ctx context.Context, since time.Time, limit int) ([]Trigger, error) {
	return many(ctx, tx, "segments that are waited for", `UPDATE triggers SET looked_at = $2 WHERE campaign_id IN (
			SELECT campaign_id FROM triggers WHERE event = $1 AND (looked_at IS NULL OR looked_at <= $3 OR (looked_version IS DISTINCT FROM version AND looked_at <= $5))
			ORDER BY looked_version IS DISTINCT FROM version DESC, looked_at NULLS FIRST, campaign_id LIMIT $4 FOR UPDATE)
		RETURNING `+triggerFields,
		scanTrigger, campaigns.TriggerSegmentEntered, tx.Now, since, limit, tx.Now.Add(-looksAgain))
}

// looksAgain is how long after a look that failed a launched version that was never looked at is tried again.
const looksAgain = 5 * time.Second

// SaveMembers keeps who is in the segment that a campaign waits for, as of the look that began at lookedAt, and gives who
// was not in it before. The first look at a version gives nobody: it is what entering is measured from. false: another
// node looked meanwhile, or the campaign is over.
func (tx *Tx) SaveMembers(ctx context.Context, t *Trigger, lookedAt time.Time, members *roaring64.Bitmap) (entered []int64, saved bool, err error) {
	first, err := many(ctx, tx, "a look at a segment", `SELECT looked_version IS DISTINCT FROM version FROM triggers
		WHERE campaign_id = $1 AND version = $2 AND looked_at = $3 FOR UPDATE`, pgx.RowTo[bool], t.CampaignID, t.Version, lookedAt)
	if err != nil || len(first) == 0 {
		return nil, false, err
	}
	before := map[int32][]byte{}
	_, err = many(ctx, tx, "members of a segment", `SELECT chunk, bitmap FROM trigger_members WHERE campaign_id = $1`, func(row pgx.CollectableRow) (struct{}, error) {
		var chunk int32
		var bitmap []byte
		err := row.Scan(&chunk, &bitmap)
		before[chunk] = bitmap
		return struct{}{}, err
	}, t.CampaignID)
	if err != nil {
		return nil, false, err
	}
	entered, changed, err := entries(before, members)
	if err != nil {
		return nil, false, err
	}
	batch := &pgx.Batch{}
	for chunk, bitmap := range changed {
		batch.Queue(`INSERT INTO trigger_members (campaign_id, chunk, bitmap) VALUES ($1, $2, $3) ON CONFLICT (campaign_id, chunk) DO UPDATE SET bitmap = excluded.bitmap`,
			t.CampaignID, chunk, bitmap)
	}
	batch.Queue(`UPDATE triggers SET looked_version = version WHERE campaign_id = $1`, t.CampaignID)
	if first[0] {
		entered = nil
	}
	return entered, true, tx.sendBatch(ctx, "keeping the members of a segment", batch)
}

// entries compares members with those before, chunk by chunk: who is new, and the chunks that are not the same any more.
func entries(before map[int32][]byte, members *roaring64.Bitmap) (entered []int64, changed map[int32][]byte, err error) {
	now := map[int32]*roaring.Bitmap{}
	for it := members.Iterator(); it.HasNext(); {
		no := it.Next()
		chunk := int32(no / chunkSize)
		if now[chunk] == nil {
			now[chunk] = roaring.New()
		}
		now[chunk].Add(uint32(no % chunkSize))
	}
	for chunk := range before {
		if now[chunk] == nil {
			now[chunk] = roaring.New()
		}
	}
	changed = map[int32][]byte{}
	for chunk, present := range now {
		bitmap, err := present.ToBytes()
		if err != nil {
			return nil, nil, err
		}
		if bytes.Equal(bitmap, before[chunk]) {
			continue
		}
		changed[chunk] = bitmap
		was := roaring.New()
		if before[chunk] != nil {
			if err := was.UnmarshalBinary(before[chunk]); err != nil {
				return nil, nil, fmt.Errorf("reading a bitmap: %w", err)
			}
		}
		present.AndNot(was)
		for it := present.Iterator(); it.HasNext(); {
			entered = append(entered, int64(chunk)*chunkSize+int64(it.Next()))
		}
	}
	slices.Sort(entered)
	return entered, changed, nil
}
