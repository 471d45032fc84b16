package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/RoaringBitmap/roaring/v2/roaring64"
	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// PartSize is the most customers of one part.
const PartSize = 4096

// A Part is a batch of a run's eligible customers: numbers ascend, from part to part they need not.
type Part struct {
	Part int
	Nos  []int64
}

// SaveParts writes a run's eligible customers as parts in the order in which they are to be taken, each of at most PartSize
// different ones, and gives how many customers they are.
func (tx *Tx) SaveParts(ctx context.Context, run campaigns.ID, parts iter.Seq[[]int64]) (int64, error) {
	next, stop := iter.Pull(parts)
	defer stop()
	total, number := int64(0), int32(0)
	_, err := tx.tx.CopyFrom(ctx, pgx.Identifier{"run_parts"}, []string{"run_id", "part", "n", "nos"}, pgx.CopyFromFunc(func() ([]any, error) {
		nos, is := next()
		if !is {
			return nil, nil
		}
		bytes, err := packed(nos)
		row := []any{run, number, int32(len(nos)), bytes}
		total, number = total+int64(len(nos)), number+1
		return row, err
	}))
	if err != nil {
		return 0, fmt.Errorf("saving parts of the audience: %w", err)
	}
	return total, nil
}

// TakePart removes the first part that is left; the caller puts each of its customers at a gate in the same transaction
// (PutGates), so that a crash leaves them eligible. Who comes second waits for the first and takes the next: the order is
// exact whoever takes. No part is left when Nos is empty.
//
// It locks first and removes then: whoever waited for a part that is gone by then finds no row, which is not the end.
func (tx *Tx) TakePart(ctx context.Context, run campaigns.ID) (Part, error) {
	for {
		p, err := tx.takePart(ctx, run, "")
		if err != nil || len(p.Nos) > 0 {
			return p, err
		}
		if left, err := tx.PartsLeft(ctx, run); err != nil || !left {
			return p, err
		}
	}
}

// TakeFree is TakePart for runs whose order does not matter: parts that others are taking are passed over, and it may begin
// at the end, where two workers would else wait for each other's customers. No part is free when Nos is empty.
func (tx *Tx) TakeFree(ctx context.Context, run campaigns.ID, fromEnd bool) (Part, error) {
	if fromEnd {
		return tx.takePart(ctx, run, " DESC", " SKIP LOCKED")
	}
	return tx.takePart(ctx, run, "", " SKIP LOCKED")
}

func (tx *Tx) takePart(ctx context.Context, run campaigns.ID, direction string, how ...string) (Part, error) {
	var p Part
	var bytes []byte
	err := tx.tx.QueryRow(ctx, `SELECT part, nos FROM run_parts WHERE run_id = $1 ORDER BY part`+direction+` LIMIT 1 FOR UPDATE`+strings.Join(how, ""), run).Scan(&p.Part, &bytes)
	if errors.Is(err, pgx.ErrNoRows) {
		return p, nil
	}
	if err != nil {
		return p, fmt.Errorf("taking a part of the audience: %w", err)
	}
	if _, err := tx.exec(ctx, "taking a part of the audience", `DELETE FROM run_parts WHERE run_id = $1 AND part = $2`, run, p.Part); err != nil {
		return p, err
	}
	set, err := unpacked(bytes)
	if err == nil {
		p.Nos = numbersOf(set)
	}
	return p, err
}

// PartsLeft says whether some of a run's audience has still to be queued.
func (tx *Tx) PartsLeft(ctx context.Context, run campaigns.ID) (left bool, err error) {
	if err = tx.tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM run_parts WHERE run_id = $1)`, run).Scan(&left); err != nil {
		return false, fmt.Errorf("looking for what is left to queue: %w", err)
	}
	return left, nil
}

// PutGates appends what became of customers, one row a gate. A customer who is named twice counts twice: in the runs of a
// triggered campaign one who enters several times stands there as often.
func (tx *Tx) PutGates(ctx context.Context, run campaigns.ID, part int, gates map[campaigns.Gate][]int64) error {
	names, counts, sets := []string{}, []int32{}, [][]byte{}
	for gate, nos := range gates {
		if len(nos) == 0 {
			continue
		}
		bytes, err := packed(nos)
		if err != nil {
			return err
		}
		names, counts, sets = append(names, string(gate)), append(counts, int32(len(nos))), append(sets, bytes)
	}
	if len(names) == 0 {
		return nil
	}
	_, err := tx.exec(ctx, "writing gates", `INSERT INTO run_gates (run_id, gate, part, n, nos)
		SELECT $1, gate, $2, n, nos FROM unnest($3::text[], $4::int[], $5::bytea[]) AS g(gate, n, nos)`, run, part, names, counts, sets)
	return err
}

// MergeGates folds what PutGates appended into the chunks of the audience. It may be called at any time, and again.
func (tx *Tx) MergeGates(ctx context.Context, run campaigns.ID) error {
	if _, err := tx.exec(ctx, "folding gates", `SELECT 1 FROM runs WHERE id = $1 FOR UPDATE`, run); err != nil {
		return err
	}
	type appended struct {
		gate  campaigns.Gate
		n     int64
		bytes []byte
	}
	rows, err := many(ctx, tx, "gates", `DELETE FROM run_gates WHERE run_id = $1 RETURNING gate, n, nos`, func(row pgx.CollectableRow) (appended, error) {
		var a appended
		err := row.Scan(&a.gate, &a.n, &a.bytes)
		return a, err
	}, run)
	if err != nil {
		return err
	}
	folded := map[campaigns.Gate]map[int64]*foldedChunk{}
	for _, a := range rows {
		set, err := unpacked(a.bytes)
		if err != nil {
			return err
		}
		if folded[a.gate] == nil {
			folded[a.gate] = map[int64]*foldedChunk{}
		}
		fold(folded[a.gate], set, a.n)
	}
	for gate, chunks := range folded {
		if err := tx.foldInto(ctx, run, gate, chunks); err != nil {
			return err
		}
	}
	return nil
}

// a foldedChunk is what comes to a chunk of the audience: n is how often customers count there.
type foldedChunk struct {
	set *roaring.Bitmap
	n   int64
}

// fold adds a set to chunks; what n is more than its size counts where its first customer stands.
func fold(chunks map[int64]*foldedChunk, set *roaring64.Bitmap, n int64) {
	more := n - int64(set.GetCardinality())
	for it := set.Iterator(); it.HasNext(); {
		no := it.Next()
		at := int64(no / chunkSize)
		if chunks[at] == nil {
			chunks[at] = &foldedChunk{set: roaring.New()}
		}
		chunks[at].set.Add(uint32(no % chunkSize))
		chunks[at].n += 1 + more
		more = 0
	}
}

// foldInto joins chunks with what the audience has of them already.
func (tx *Tx) foldInto(ctx context.Context, run campaigns.ID, gate campaigns.Gate, chunks map[int64]*foldedChunk) error {
	_, err := many(ctx, tx, "an audience", `SELECT chunk, bitmap, n FROM audiences WHERE run_id = $1 AND gate = $2 AND part = 0`, func(row pgx.CollectableRow) (struct{}, error) {
		var at, n int64
		var bytes []byte
		if err := row.Scan(&at, &bytes, &n); err != nil || chunks[at] == nil {
			return struct{}{}, err
		}
		before := roaring.New()
		err := before.UnmarshalBinary(bytes)
		chunks[at].set.Or(before)
		chunks[at].n += n
		return struct{}{}, err
	}, run, gate)
	if err != nil {
		return err
	}
	numbers, counts, sets := []int32{}, []int32{}, [][]byte{}
	for at, chunk := range chunks {
		bytes, err := chunk.set.ToBytes()
		if err != nil {
			return err
		}
		numbers, counts, sets = append(numbers, int32(at)), append(counts, int32(chunk.n)), append(sets, bytes)
	}
	_, err = tx.exec(ctx, "folding gates", `INSERT INTO audiences (run_id, gate, chunk, part, n, bitmap)
		SELECT $1, $2, chunk, 0, n, bitmap FROM unnest($3::int[], $4::int[], $5::bytea[]) AS c(chunk, n, bitmap)
		ON CONFLICT (run_id, gate, chunk, part) DO UPDATE SET n = EXCLUDED.n, bitmap = EXCLUDED.bitmap`, run, gate, numbers, counts, sets)
	return err
}

// waiting are the customers of a run at a gate who are not in the audience's chunks yet: those of parts, and those whom
// PutGates appended.
func (tx *Tx) waiting(ctx context.Context, run campaigns.ID, gate campaigns.Gate) (*roaring64.Bitmap, error) {
	all := roaring64.New()
	sql, args := `SELECT nos FROM run_gates WHERE run_id = $1 AND gate = $2`, []any{run, gate}
	if gate == campaigns.GateEligible {
		sql, args = `SELECT nos FROM run_parts WHERE run_id = $1`, args[:1]
	}
	_, err := many(ctx, tx, "parts of an audience", sql, func(row pgx.CollectableRow) (struct{}, error) {
		var bytes []byte
		if err := row.Scan(&bytes); err != nil {
			return struct{}{}, err
		}
		set, err := unpacked(bytes)
		if err == nil {
			all.Or(set)
		}
		return struct{}{}, err
	}, args...)
	return all, err
}

func packed(nos []int64) ([]byte, error) {
	set := roaring64.New()
	for _, no := range nos {
		set.Add(uint64(no))
	}
	return set.ToBytes()
}

func unpacked(bytes []byte) (*roaring64.Bitmap, error) {
	set := roaring64.New()
	if err := set.UnmarshalBinary(bytes); err != nil {
		return nil, fmt.Errorf("reading a bitmap: %w", err)
	}
	return set, nil
}

func numbersOf(set *roaring64.Bitmap) []int64 {
	nos := make([]int64, 0, set.GetCardinality())
	for it := set.Iterator(); it.HasNext(); {
		nos = append(nos, int64(it.Next()))
	}
	return nos
}
