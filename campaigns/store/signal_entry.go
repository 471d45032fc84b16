package store

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// gatePlace is a gate's customers in a chunk.
type gatePlace struct {
	run    campaigns.ID
	gate   string
	chunk  int32
	nos    []int64
	bitmap []byte // of those before
}

func compareGates(a, b gatePlace) int {
	return cmp.Or(bytes.Compare(a.run[:], b.run[:]), cmp.Compare(a.gate, b.gate), cmp.Compare(a.chunk, b.chunk))
}

func scanGate(row pgx.CollectableRow) (gatePlace, error) {
	var p gatePlace
	err := row.Scan(&p.run, &p.gate, &p.chunk, &p.bitmap)
	return p, err
}

// AddToGates counts entries at the gates of runs that stay open: a customer who enters twice is counted twice, and listed
// once. Two nodes wait for each other, in the order of runs, gates and chunks, until the transaction ends: it belongs at its end.
func (tx *Tx) AddToGates(ctx context.Context, byRun map[campaigns.ID]map[campaigns.Gate][]int64) error {
	var places []gatePlace
	for run, gates := range byRun {
		places = append(places, placesOf(run, gates)...)
	}
	if len(places) == 0 {
		return nil
	}
	slices.SortFunc(places, compareGates)
	runs, names, chunks := make([]campaigns.ID, len(places)), make([]string, len(places)), make([]int32, len(places))
	for i, p := range places {
		runs[i], names[i], chunks[i] = p.run, p.gate, p.chunk
	}
	none, err := roaring.New().ToBytes()
	if err != nil {
		return err
	}
	kept, err := many(ctx, tx, "gates", `INSERT INTO audiences AS a (run_id, gate, chunk, part, n, bitmap)
		SELECT run, gate, chunk, 0, 0, $4 FROM unnest($1::uuid[], $2::text[], $3::int[]) p(run, gate, chunk) ORDER BY run, gate COLLATE "C", chunk
		ON CONFLICT (run_id, gate, chunk, part) DO UPDATE SET n = a.n RETURNING run_id, gate, chunk, bitmap`, scanGate, runs, names, chunks, none)
	if err != nil {
		return err
	}
	slices.SortFunc(kept, compareGates)
	if len(kept) != len(places) {
		return fmt.Errorf("counting at gates: %d of %d are there", len(kept), len(places))
	}
	counts, bitmaps := make([]int32, len(places)), make([][]byte, len(places))
	for i, p := range places {
		counts[i] = int32(len(p.nos))
		if bitmaps[i], err = joined(kept[i].bitmap, p); err != nil {
			return err
		}
	}
	_, err = tx.exec(ctx, "counting at gates", `UPDATE audiences a SET n = a.n + p.n, bitmap = p.bitmap
		FROM unnest($1::uuid[], $2::text[], $3::int[], $4::int[], $5::bytea[]) p(run, gate, chunk, n, bitmap)
		WHERE a.run_id = p.run AND a.gate = p.gate AND a.chunk = p.chunk AND a.part = 0`, runs, names, chunks, counts, bitmaps)
	return err
}

func placesOf(run campaigns.ID, gates map[campaigns.Gate][]int64) []gatePlace {
	var places []gatePlace
	for gate, nos := range gates {
		byChunk := map[int32][]int64{}
		for _, no := range nos {
			byChunk[int32(no/chunkSize)] = append(byChunk[int32(no/chunkSize)], no)
		}
		for chunk, of := range byChunk {
			places = append(places, gatePlace{run: run, gate: string(gate), chunk: chunk, nos: of})
		}
	}
	return places
}

func joined(bitmap []byte, p gatePlace) ([]byte, error) {
	members := roaring.New()
	if err := members.UnmarshalBinary(bitmap); err != nil {
		return nil, fmt.Errorf("reading a bitmap: %w", err)
	}
	for _, no := range p.nos {
		members.Add(uint32(no % chunkSize))
	}
	return members.ToBytes()
}
