package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/RoaringBitmap/roaring/v2/roaring64"
	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// Audiences are kept as bitmaps over customers.no: per run and gate one roaring bitmap for each 65,536 numbers (a chunk).
// While a run queues, what became of its parts is appended and folded into the chunks afterwards (parts.go). A row per
// person who was only looked at would be terabytes a year.

const chunkSize = 65536

// SaveAudience writes which customers of a run stand at which gate after selecting, in the place of what an interrupted
// selection left.
func (tx *Tx) SaveAudience(ctx context.Context, run campaigns.ID, gates map[campaigns.Gate]*roaring64.Bitmap) error {
	names, numbers, counts, sets := []string{}, []int32{}, []int32{}, [][]byte{}
	for gate, members := range gates {
		chunks, err := chunksOf(members)
		if err != nil {
			return err
		}
		for _, c := range chunks {
			names, numbers, counts, sets = append(names, string(gate)), append(numbers, c.chunk), append(counts, c.n), append(sets, c.bytes)
		}
	}
	batch := &pgx.Batch{}
	for _, table := range []string{"audiences", "run_parts", "run_gates"} {
		batch.Queue(`DELETE FROM `+table+` WHERE run_id = $1`, run)
	}
	if len(names) > 0 {
		batch.Queue(`INSERT INTO audiences (run_id, gate, chunk, part, n, bitmap)
			SELECT $1, gate, chunk, 0, n, bitmap FROM unnest($2::text[], $3::int[], $4::int[], $5::bytea[]) AS c(gate, chunk, n, bitmap)`, run, names, numbers, counts, sets)
	}
	return tx.sendBatch(ctx, "saving an audience", batch)
}

// a packedChunk is the part of a set that lies in one chunk, as it is kept.
type packedChunk struct {
	chunk, n int32
	bytes    []byte
}

// chunksOf cuts a set into chunks.
func chunksOf(members *roaring64.Bitmap) (chunks []packedChunk, err error) {
	var nos []uint32
	at := uint64(0)
	flush := func() error {
		if len(nos) == 0 {
			return nil
		}
		set := roaring.New()
		set.AddMany(nos)
		bytes, err := set.ToBytes()
		chunks, nos = append(chunks, packedChunk{int32(at), int32(len(nos)), bytes}), nos[:0]
		return err
	}
	some := make([]uint64, 4096)
	for it := members.ManyIterator(); err == nil; {
		n := it.NextMany(some)
		if n == 0 {
			return chunks, flush()
		}
		for _, no := range some[:n] {
			if no/chunkSize != at {
				err = errors.Join(err, flush())
				at = no / chunkSize
			}
			nos = append(nos, uint32(no%chunkSize))
		}
	}
	return nil, err
}

// AtGate lists up to limit customers of a run who ended at a gate, ascending, beginning after a number.
func (tx *Tx) AtGate(ctx context.Context, run campaigns.ID, gate campaigns.Gate, after int64, limit int) ([]int64, error) {
	chunk := max(0, after/chunkSize)
	var nos []int64
	for len(nos) < limit {
		next, err := tx.chunkAtGate(ctx, run, gate, chunk)
		if err != nil {
			return nil, err
		}
		if next == nil {
			break
		}
		for _, no := range next.nos {
			if no > after && len(nos) < limit {
				nos = append(nos, no)
			}
		}
		chunk = next.chunk + 1
	}
	waiting, err := tx.waiting(ctx, run, gate)
	if err != nil || waiting.IsEmpty() {
		return nos, err
	}
	it := waiting.Iterator()
	it.AdvanceIfNeeded(uint64(after + 1))
	for n := 0; it.HasNext() && n < limit; n++ {
		nos = append(nos, int64(it.Next()))
	}
	slices.Sort(nos)
	nos = slices.Compact(nos)
	return nos[:min(limit, len(nos))], nil
}

type chunkOfGate struct {
	chunk int64
	nos   []int64
}

// chunkAtGate is the first chunk from a number on with its parts joined; nil when there is none.
func (tx *Tx) chunkAtGate(ctx context.Context, run campaigns.ID, gate campaigns.Gate, from int64) (*chunkOfGate, error) {
	members := roaring.New()
	found := &chunkOfGate{chunk: -1}
	_, err := many(ctx, tx, "an audience", `SELECT chunk, bitmap FROM audiences WHERE run_id = $1 AND gate = $2 AND chunk =
			(SELECT min(chunk) FROM audiences WHERE run_id = $1 AND gate = $2 AND chunk >= $3)`,
		func(row pgx.CollectableRow) (struct{}, error) {
			var bytes []byte
			if err := row.Scan(&found.chunk, &bytes); err != nil {
				return struct{}{}, err
			}
			part := roaring.New()
			err := part.UnmarshalBinary(bytes)
			members.Or(part)
			return struct{}{}, err
		}, run, gate, from)
	if err != nil || found.chunk < 0 {
		return nil, err
	}
	for it := members.Iterator(); it.HasNext(); {
		found.nos = append(found.nos, found.chunk*chunkSize+int64(it.Next()))
	}
	return found, nil
}

// GateOf is where one customer's way through a run ended: GateRule for somebody outside the audience, the last of several.
// A ghost's answer is the holdout, and the later gate where it would have been stopped, else empty.
func (tx *Tx) GateOf(ctx context.Context, run campaigns.ID, no int64) (gate, ghost campaigns.Gate, err error) {
	gate = campaigns.GateRule
	order := append([]campaigns.Gate{campaigns.GateRule, campaigns.GateEligible}, campaigns.Gates()...)
	_, err = many(ctx, tx, "a customer's gate", `SELECT gate, bitmap, NULL::bytea FROM audiences WHERE run_id = $1 AND chunk = $2
		UNION ALL SELECT gate, NULL, nos FROM run_gates WHERE run_id = $1
		UNION ALL SELECT $3, NULL, nos FROM run_parts WHERE run_id = $1`,
		func(row pgx.CollectableRow) (struct{}, error) {
			var at campaigns.Gate
			var chunk, set []byte
			if err := row.Scan(&at, &chunk, &set); err != nil {
				return struct{}{}, err
			}
			holds, err := holds(chunk, set, no)
			switch {
			case !holds || err != nil:
			case at.IsGhost():
				ghost = at
			case slices.Index(order, at) > slices.Index(order, gate):
				gate = at
			}
			return struct{}{}, err
		}, run, no/chunkSize, campaigns.GateEligible)
	return gate, ghost, err
}

// holds says whether a customer is in a chunk's bitmap, or in a set of its own.
func holds(chunk, set []byte, no int64) (bool, error) {
	if chunk == nil {
		all, err := unpacked(set)
		return err == nil && all.Contains(uint64(no)), err
	}
	part := roaring.New()
	if err := part.UnmarshalBinary(chunk); err != nil {
		return false, fmt.Errorf("reading a bitmap: %w", err)
	}
	return part.Contains(uint32(no % chunkSize)), nil
}
