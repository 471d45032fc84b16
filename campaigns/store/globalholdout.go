package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/RoaringBitmap/roaring/v2/roaring64"
	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

const globalHoldoutColumns = `SELECT g.quarter, g.salt, g.share, g.begins_at, g.ends_at, g.drawn_at, g.population, g.members,
	(SELECT count(*) FROM global_holdout_newcomers n WHERE n.quarter = g.quarter),
	(SELECT count(*) FROM global_holdout_newcomers n WHERE n.quarter = g.quarter AND n.member) FROM global_holdouts g`

func scanGlobalHoldout(row pgx.CollectableRow) (campaigns.GlobalHoldout, error) {
	var g campaigns.GlobalHoldout
	err := row.Scan(&g.Quarter, &g.Salt, &g.Share, &g.BeginsAt, &g.EndsAt, &g.DrawnAt, &g.Population, &g.Members, &g.Newcomers, &g.NewcomerMembers)
	return g, err
}

// GlobalHoldouts lists the quarters that were drawn from the latest, beginning before one ("": from the top).
func (tx *Tx) GlobalHoldouts(ctx context.Context, before string, limit int) ([]campaigns.GlobalHoldout, error) {
	return many(ctx, tx, "global holdouts", globalHoldoutColumns+` WHERE $1 = '' OR g.quarter < $1 ORDER BY g.quarter DESC LIMIT $2`, scanGlobalHoldout, before, limit)
}

// GlobalHoldout reads a quarter's salt and share, without counts of newcomers; drawn is false when it was not drawn yet.
func (tx *Tx) GlobalHoldout(ctx context.Context, quarter string) (g campaigns.GlobalHoldout, drawn bool, err error) {
	found, err := many(ctx, tx, "the global holdout", `SELECT quarter, salt, share, begins_at, ends_at, drawn_at, population, members, 0::bigint, 0::bigint
		FROM global_holdouts WHERE quarter = $1`, scanGlobalHoldout, quarter)
	if err != nil || len(found) == 0 {
		return g, false, err
	}
	return found[0], true, nil
}

// HasGlobalHoldout says whether a quarter was ever drawn.
func (tx *Tx) HasGlobalHoldout(ctx context.Context) (bool, error) {
	var has bool
	if err := tx.tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM global_holdouts)`).Scan(&has); err != nil {
		return false, fmt.Errorf("looking for a global holdout: %w", err)
	}
	return has, nil
}

// CreateGlobalHoldout keeps a quarter as it was drawn, for ever: the members, and the others of its population. Whoever is
// first has drawn it; nothing is written, and won is false, where it was drawn before.
func (tx *Tx) CreateGlobalHoldout(ctx context.Context, g *campaigns.GlobalHoldout, members, others *roaring64.Bitmap) (won bool, err error) {
	n, err := tx.exec(ctx, "drawing a global holdout", `INSERT INTO global_holdouts (quarter, salt, share, begins_at, ends_at, drawn_at, population, members)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`, g.Quarter, g.Salt, g.Share, g.BeginsAt, g.EndsAt, tx.Now, g.Population, g.Members)
	if err != nil || n == 0 {
		return false, err
	}
	for member, set := range map[bool]*roaring64.Bitmap{true: members, false: others} {
		chunks, err := chunksOf(set)
		if err != nil {
			return false, err
		}
		_, err = tx.tx.CopyFrom(ctx, pgx.Identifier{"global_holdout_chunks"}, []string{"quarter", "member", "chunk", "n", "bitmap"},
			pgx.CopyFromSlice(len(chunks), func(i int) ([]any, error) {
				return []any{g.Quarter, member, chunks[i].chunk, chunks[i].n, chunks[i].bytes}, nil
			}))
		if err != nil {
			return false, fmt.Errorf("drawing a global holdout: %w", err)
		}
	}
	return true, nil
}

// GlobalMembers are the members of a quarter, and all of whom it is known whether they are: of the chunks that some
// customers lie in, and of them among the newcomers; of everybody where nos is nil.
func (tx *Tx) GlobalMembers(ctx context.Context, quarter string, nos []int64) (members, known *roaring64.Bitmap, err error) {
	members, known = roaring64.New(), roaring64.New()
	var at []int32
	for _, no := range nos {
		at = append(at, int32(no/chunkSize))
	}
	slices.Sort(at)
	_, err = many(ctx, tx, "the global holdout", `SELECT member, chunk, bitmap FROM global_holdout_chunks WHERE quarter = $1 AND ($2::int[] IS NULL OR chunk = ANY($2))`,
		func(row pgx.CollectableRow) (struct{}, error) {
			var member bool
			var chunk int32
			var bytes []byte
			if err := row.Scan(&member, &chunk, &bytes); err != nil {
				return struct{}{}, err
			}
			in, err := numbers(chunk, bytes)
			known.AddMany(in)
			if member {
				members.AddMany(in)
			}
			return struct{}{}, err
		}, quarter, slices.Compact(at))
	if err != nil {
		return nil, nil, err
	}
	rows, err := tx.tx.Query(ctx, `SELECT no, member FROM global_holdout_newcomers WHERE quarter = $1 AND ($2::bigint[] IS NULL OR no = ANY($2))`, quarter, nos)
	if err == nil {
		var no int64
		var member bool
		_, err = pgx.ForEachRow(rows, []any{&no, &member}, func() error {
			known.Add(uint64(no))
			if member {
				members.Add(uint64(no))
			}
			return nil
		})
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading newcomers of the global holdout: %w", err)
	}
	return members, known, nil
}

// numbers are the customers of a chunk.
func numbers(chunk int32, bytes []byte) ([]uint64, error) {
	set := roaring.New()
	if err := set.UnmarshalBinary(bytes); err != nil {
		return nil, fmt.Errorf("reading a bitmap: %w", err)
	}
	nos := make([]uint64, 0, set.GetCardinality())
	set.Iterate(func(n uint32) bool { nos = append(nos, uint64(chunk)*chunkSize+uint64(n)); return true })
	return nos, nil
}

// KeepNewcomers keeps for ever whether customers whom a quarter did not know are members of it; the first word stays. They
// are kept in the order of their numbers, members and others together: two transactions that meet the same customers would
// else wait for each other.
func (tx *Tx) KeepNewcomers(ctx context.Context, quarter string, members, others []int64) error {
	if len(members)+len(others) == 0 {
		return nil
	}
	_, err := tx.exec(ctx, "keeping newcomers", `INSERT INTO global_holdout_newcomers (no, quarter, member, met_at)
		SELECT no, $1, member, $2 FROM (SELECT no, true AS member FROM unnest($3::bigint[]) AS m(no)
			UNION ALL SELECT no, false FROM unnest($4::bigint[]) AS o(no)) n ORDER BY no ON CONFLICT DO NOTHING`, quarter, tx.Now, members, others)
	return err
}
