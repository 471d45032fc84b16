package store

import (
	"context"
	"fmt"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/RoaringBitmap/roaring/v2/roaring64"
	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// Audiences are kept as bitmaps over customers.no: per run and gate one roaring bitmap for each 65,536 numbers (a chunk),
// in parts, so that a batch that is queued writes rows of its own and rewrites none. A row per person who was only
// looked at would be terabytes a year.

const chunkSize = 65536

// SaveAudience writes which customers stand at a gate after selecting, in parts of at most size customers (0: whole
// chunks).
func (tx *Tx) SaveAudience(ctx context.Context, run campaigns.ID, gate campaigns.Gate, members *roaring64.Bitmap, size int) error {
	if size == 0 {
		size = chunkSize
	}
	var rows [][]any
	part := roaring.New()
	chunk, parts := int64(-1), 0
	flush := func() error {
		if part.IsEmpty() {
			return nil
		}
		bytes, err := part.ToBytes()
		if err != nil {
			return err
		}
		rows = append(rows, []any{run, string(gate), int32(chunk), int32(parts), int32(part.GetCardinality()), bytes})
		parts++
		part.Clear()
		return nil
	}
	for it := members.Iterator(); it.HasNext(); {
		no := it.Next()
		if int64(no/chunkSize) != chunk || int(part.GetCardinality()) >= size {
			if err := flush(); err != nil {
				return err
			}
			if int64(no/chunkSize) != chunk {
				chunk, parts = int64(no/chunkSize), 0
			}
		}
		part.Add(uint32(no % chunkSize))
	}
	if err := flush(); err != nil {
		return err
	}
	_, err := tx.tx.CopyFrom(ctx, pgx.Identifier{"audiences"}, []string{"run_id", "gate", "chunk", "part", "n", "bitmap"}, pgx.CopyFromRows(rows))
	if err != nil {
		return fmt.Errorf("saving an audience: %w", err)
	}
	return nil
}

// ClearAudience forgets what an interrupted selection left.
func (tx *Tx) ClearAudience(ctx context.Context, run campaigns.ID) error {
	_, err := tx.exec(ctx, "clearing an audience", `DELETE FROM audiences WHERE run_id = $1`, run)
	return err
}

// A Part is a batch of a run's eligible customers.
type Part struct {
	Chunk, Part int32
	Nos         []int64
}

// TakePart removes the next batch of eligible customers; the caller puts each of them at a gate in the same transaction
// (PutPart), so that a crash leaves them eligible. No part is left when Nos is empty.
func (tx *Tx) TakePart(ctx context.Context, run campaigns.ID) (Part, error) {
	var p Part
	var bytes []byte
	err := tx.tx.QueryRow(ctx, `DELETE FROM audiences WHERE run_id = $1 AND gate = $2 AND (chunk, part) = (
			SELECT chunk, part FROM audiences WHERE run_id = $1 AND gate = $2 ORDER BY chunk, part LIMIT 1 FOR UPDATE)
		RETURNING chunk, part, bitmap`, run, campaigns.GateEligible).Scan(&p.Chunk, &p.Part, &bytes)
	if err == pgx.ErrNoRows {
		return p, nil
	}
	if err != nil {
		return p, fmt.Errorf("taking a part of the audience: %w", err)
	}
	p.Nos, err = numbers(p.Chunk, bytes)
	return p, err
}

// PutPart writes where the customers of a part ended.
func (tx *Tx) PutPart(ctx context.Context, run campaigns.ID, p Part, gates map[campaigns.Gate][]int64) error {
	for gate, nos := range gates {
		members := roaring.New()
		for _, no := range nos {
			members.Add(uint32(no - int64(p.Chunk)*chunkSize))
		}
		bytes, err := members.ToBytes()
		if err != nil {
			return err
		}
		_, err = tx.exec(ctx, "writing a gate", `INSERT INTO audiences (run_id, gate, chunk, part, n, bitmap) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (run_id, gate, chunk, part) DO UPDATE SET n = EXCLUDED.n, bitmap = EXCLUDED.bitmap`,
			run, gate, p.Chunk, p.Part+partsOfQueue, members.GetCardinality(), bytes)
		if err != nil {
			return err
		}
	}
	return nil
}

// partsOfQueue keeps the parts that queueing writes apart from those that selecting wrote.
const partsOfQueue = 1 << 20

// AtGate lists up to limit customers of a run who ended at a gate, ascending, beginning after a number.
func (tx *Tx) AtGate(ctx context.Context, run campaigns.ID, gate campaigns.Gate, after int64, limit int) ([]int64, error) {
	chunk := max(0, after/chunkSize)
	var nos []int64
	for len(nos) < limit {
		next, err := tx.chunkAtGate(ctx, run, gate, chunk)
		if err != nil || next == nil {
			return nos, err
		}
		for _, no := range next.nos {
			if no > after && len(nos) < limit {
				nos = append(nos, no)
			}
		}
		chunk = next.chunk + 1
	}
	return nos, nil
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

// GateOf is where one customer's way through a run ended: GateRule for somebody outside the audience. A ghost's answer is
// the holdout, and the later gate where it would have been stopped, else empty.
func (tx *Tx) GateOf(ctx context.Context, run campaigns.ID, no int64) (gate, ghost campaigns.Gate, err error) {
	gate = campaigns.GateRule
	_, err = many(ctx, tx, "a customer's gate", `SELECT gate, bitmap FROM audiences WHERE run_id = $1 AND chunk = $2`,
		func(row pgx.CollectableRow) (struct{}, error) {
			var at campaigns.Gate
			var bytes []byte
			if err := row.Scan(&at, &bytes); err != nil {
				return struct{}{}, err
			}
			part := roaring.New()
			if err := part.UnmarshalBinary(bytes); err != nil {
				return struct{}{}, err
			}
			if part.Contains(uint32(no % chunkSize)) {
				if at.IsGhost() {
					ghost = at
				} else {
					gate = at
				}
			}
			return struct{}{}, nil
		}, run, no/chunkSize)
	return gate, ghost, err
}

func numbers(chunk int32, bytes []byte) ([]int64, error) {
	members := roaring.New()
	if err := members.UnmarshalBinary(bytes); err != nil {
		return nil, fmt.Errorf("reading a bitmap: %w", err)
	}
	nos := make([]int64, 0, members.GetCardinality())
	for it := members.Iterator(); it.HasNext(); {
		nos = append(nos, int64(chunk)*chunkSize+int64(it.Next()))
	}
	return nos, nil
}
