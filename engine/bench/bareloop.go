package bench

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/engine/rules"
)

// A bareCrowd has just the columns that the measured rules read, as somebody would lay them out who writes the loops for
// these rules by hand and for no others. Row i is the customer i+1. A missing text is code 0, a missing number the least
// of its type.
type bareCrowd struct {
	tier, city []uint8
	spend      []int32
	last       []int32 // Unix seconds

	start  []uint32 // purchases of i: start[i] … start[i+1]-1
	at     []int32  // Unix seconds
	amount []int32
	store  []uint16

	codes map[string]int
}

const bareMissing = -1 << 31

func (b *bareCrowd) code(text []byte) int {
	if text == nil {
		return 0
	}
	if b.codes[string(text)] == 0 {
		b.codes[string(text)] = len(b.codes) + 1
	}
	return b.codes[string(text)]
}

// first is the crowd's first n customers.
func (b *bareCrowd) first(n int) *bareCrowd {
	few := *b
	few.tier, few.city, few.spend, few.last, few.start = b.tier[:n], b.city[:n], b.spend[:n], b.last[:n], b.start[:n+1]
	return &few
}

// whole is a bigint as PostgreSQL sends it.
func whole(raw []byte) int64 { return int64(binary.BigEndian.Uint64(raw)) }

// unixSecond is a timestamptz as PostgreSQL sends it, in whole seconds of the Unix clock; bareMissing for NULL.
func unixSecond(raw []byte) int32 {
	if raw == nil {
		return bareMissing
	}
	return int32(whole(raw)/1_000_000 + 946_684_800)
}

// readBare reads n customers, from the flat table, and their purchases, which come in any order and are put beside their
// customers by counting.
func (g *ground) readBare(ctx context.Context, database string, n int) (*bareCrowd, error) {
	conn, err := pgx.Connect(ctx, g.server.URL(database))
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	b := &bareCrowd{tier: make([]uint8, n), city: make([]uint8, n), spend: make([]int32, n), last: make([]int32, n), start: make([]uint32, n+1), codes: map[string]int{}}
	err = eachRaw(ctx, conn, "SELECT no, tier, city, total_spend, last_purchase_at FROM flat", func(raw [][]byte) {
		i := whole(raw[0]) - 1
		b.tier[i], b.city[i], b.spend[i], b.last[i] = uint8(b.code(raw[1])), uint8(b.code(raw[2])), int32(whole(raw[3])), unixSecond(raw[4])
	})
	if err != nil {
		return nil, err
	}
	var owner []uint32
	var at, amount []int32
	var branch []uint16
	err = eachRaw(ctx, conn, "SELECT no, at, amount - refunded, store FROM purchases", func(raw [][]byte) {
		no := uint32(whole(raw[0]))
		b.start[no]++
		owner, at, amount, branch = append(owner, no-1), append(at, unixSecond(raw[1])), append(amount, int32(whole(raw[2]))), append(branch, uint16(b.code(raw[3])))
	})
	if err != nil {
		return nil, err
	}
	for i := 1; i <= n; i++ {
		b.start[i] += b.start[i-1]
	}
	b.at, b.amount, b.store = make([]int32, len(at)), make([]int32, len(at)), make([]uint16, len(at))
	free := slices.Clone(b.start)
	for k, i := range owner {
		to := free[i]
		free[i]++
		b.at[to], b.amount[to], b.store[to] = at[k], amount[k], branch[k]
	}
	return b, nil
}

// eachRaw gives the rows of a query in PostgreSQL's binary format; they are valid until each returns.
func eachRaw(ctx context.Context, conn *pgx.Conn, sql string, each func(raw [][]byte)) error {
	rows, err := conn.Query(ctx, sql, pgx.QueryResultFormats{pgx.BinaryFormatCode})
	if err != nil {
		return fmt.Errorf("reading the crowd: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		each(rows.RawValues())
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reading the crowd: %w", err)
	}
	return nil
}

// plainRule is the measured rule of four clauses, and plain its loop.
const plainRule = `tier in ["gold", "platinum"] && city == "Shanghai" && total_spend >= 200 && days_since(last_purchase_at) > 90`

func (b *bareCrowd) plain(at rules.Instant) (n int64) {
	gold, platinum, shanghai := uint8(b.codes["gold"]), uint8(b.codes["platinum"]), uint8(b.codes["Shanghai"])
	before := int32(dayStart(at, -90).Unix())
	spend, last, city := b.spend[:len(b.tier)], b.last[:len(b.tier)], b.city[:len(b.tier)]
	for i, tier := range b.tier {
		if (tier == gold || tier == platinum) && city[i] == shanghai && spend[i] >= 20000 && last[i] < before && last[i] != bareMissing {
			n++
		}
	}
	return n
}

// closureRule is the measured rule over a history, and closure its loop.
const closureRule = `count(purchases, days_since(.at) <= 365) >= 4`

func (b *bareCrowd) closure(at rules.Instant) (n int64) {
	from, now := int32(dayStart(at, -365).Unix()), int32(at.Now.Unix())
	for i := range len(b.start) - 1 {
		count := 0
		for _, when := range b.at[b.start[i]:b.start[i+1]] {
			if when >= from && when <= now {
				count++
			}
		}
		if count >= 4 {
			n++
		}
	}
	return n
}

// sumRule is the measured rule that adds up a part of a history, and sum its loop.
const sumRule = `sum(filter(purchases, .store == "S7" && days_since(.at) <= 365), .amount) >= 300`

func (b *bareCrowd) sum(at rules.Instant) (n int64) {
	from, now, branch := int32(dayStart(at, -365).Unix()), int32(at.Now.Unix()), uint16(b.codes["S7"])
	for i := range len(b.start) - 1 {
		total := int64(0)
		for k := b.start[i]; k < b.start[i+1]; k++ {
			if b.store[k] == branch && b.at[k] >= from && b.at[k] <= now {
				total += int64(b.amount[k])
			}
		}
		if total >= 30000 {
			n++
		}
	}
	return n
}

// dayStart is the midnight some days from the instant's day.
func dayStart(at rules.Instant, days int) time.Time {
	year, month, day := at.Now.In(at.Zone).Date()
	return time.Date(year, month, day+days, 0, 0, 0, 0, at.Zone)
}
