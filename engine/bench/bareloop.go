package bench

import (
	"context"
	"time"

	"beckon/campaigns/store"
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

func (b *bareCrowd) code(text any) int {
	name, known := text.(string)
	if !known {
		return 0
	}
	if b.codes[name] == 0 {
		b.codes[name] = len(b.codes) + 1
	}
	return b.codes[name]
}

// readBare reads n customers and their purchases.
func readBare(ctx context.Context, tx *store.Tx, n int) (*bareCrowd, error) {
	b := &bareCrowd{tier: make([]uint8, n), city: make([]uint8, n), spend: make([]int32, n), last: make([]int32, n),
		start: make([]uint32, n+1), codes: map[string]int{}}
	const span = 65536
	for from := int64(0); from <= int64(n); from += span {
		err := tx.EachCustomer(ctx, store.Span{From: from, To: from + span}, []string{"tier", "city", "total_spend", "last_purchase_at"}, func(no int64, values []any) error {
			i := no - 1
			b.tier[i], b.city[i], b.spend[i], b.last[i] = uint8(b.code(values[0])), uint8(b.code(values[1])), bareMissing, bareMissing
			if spend, ok := values[2].(int64); ok {
				b.spend[i] = int32(spend)
			}
			if last, ok := values[3].(time.Time); ok {
				b.last[i] = int32(last.Unix())
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		err = tx.EachRow(ctx, store.Span{From: from, To: from + span}, "purchases", crowdNow(), func(no int64, values []any) error {
			at, _ := values[0].(time.Time)
			amount, _ := values[3].(int64)
			b.at, b.amount, b.store = append(b.at, int32(at.Unix())), append(b.amount, int32(amount)), append(b.store, uint16(b.code(values[2])))
			b.start[no]++
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for i := 1; i <= n; i++ {
		b.start[i] += b.start[i-1]
	}
	return b, nil
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
