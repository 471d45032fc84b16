package audience

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"beckon/engine/rules"
)

// A crowd of made-up customers: columns for the executor and for a loop written by hand, records for the VM.
type benchCrowd struct {
	chunks []*chunk
	schema *rules.Schema
	at     rules.Instant
}

const benchChunks = 15 // about a million customers

func made(kind rules.Type, n int, of func(i int) int64) *column {
	raw := make([]int64, n)
	c := &column{kind: kind, low: maxInt, high: minInt}
	for i := range raw {
		raw[i] = of(i)
		c.low, c.high = min(c.low, raw[i]), max(c.high, raw[i])
	}
	c.pack(raw, c.low, c.high)
	return c
}

func madeTexts(n int, texts []string, of func(i int) int) *column {
	raw := make([]int64, n)
	c := &column{kind: rules.Text, texts: &dictionary{}}
	for _, t := range texts {
		c.texts.bytes = append(c.texts.bytes, t...)
		c.texts.ends = append(c.texts.ends, uint32(len(c.texts.bytes)))
	}
	for i := range raw {
		raw[i] = int64(of(i))
	}
	c.pack(raw, 0, int64(len(texts)))
	return c
}

// without makes one value in so many missing.
func (c *column) without(oneIn int, r *rand.Rand, n int) *column {
	c.valid = make([]uint64, wordsOf(n))
	for i := range n {
		c.valid[i/wordBits] |= bit(r.IntN(oneIn) > 0) << (i % wordBits)
	}
	return c
}

func newBenchCrowd(chunks int) *benchCrowd {
	b := &benchCrowd{schema: rules.NewSchema(2, nil), at: rules.Instant{Now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Zone: time.FixedZone("CST", 8*3600)}}
	r := rand.New(rand.NewPCG(1, 2))
	now := b.at.Now.Unix()
	past := func(days int64) int64 { return now - r.Int64N(days*86400) }
	for i := range chunks {
		c := &chunk{base: int64(i) * chunkRows, live: make([]uint64, chunkRows/wordBits), columns: map[string]*column{}, lists: map[string]*childTable{}}
		fill(c.live, ^uint64(0))
		tiers := []string{"basic", "silver", "gold", "platinum"}
		cities := []string{"Shanghai"}
		for i := range 299 {
			cities = append(cities, fmt.Sprintf("City %d", i))
		}
		c.columns["tier"] = madeTexts(chunkRows, tiers, func(int) int { return r.IntN(4) })
		c.columns["city"] = madeTexts(chunkRows, cities, func(int) int { return max(0, r.IntN(420)-120) }).without(20, r, chunkRows)
		c.columns["total_spend"] = made(rules.Money, chunkRows, func(int) int64 { return r.Int64N(100_000) })
		c.columns["last_purchase_at"] = made(rules.Time, chunkRows, func(int) int64 { return past(400) }).without(10, r, chunkRows)
		c.columns["birthday"] = made(rules.DateType, chunkRows, func(int) int64 { return -7000 + r.Int64N(20000) }).without(10, r, chunkRows)
		c.lists["purchases"] = newBenchTable(r, func(n int) map[string]*column {
			return map[string]*column{"at": made(rules.Time, n, func(int) int64 { return past(900) }), "amount": made(rules.Money, n, func(int) int64 { return r.Int64N(50_000) }),
				"store": madeTexts(n, []string{"Bund", "Xujiahui", "Jing'an", "Online"}, func(int) int { return r.IntN(4) })}
		})
		c.lists["items"] = newBenchTable(r, func(n int) map[string]*column {
			return map[string]*column{"at": made(rules.Time, n, func(int) int64 { return past(900) }), "amount": made(rules.Money, n, func(int) int64 { return r.Int64N(50_000) }),
				"brand": madeTexts(n, []string{"Olay", "Nivea", "Dove", "Lux", "Vaseline", "Sunsilk", "Clear", "Ponds"}, func(int) int { return r.IntN(8) })}
		})
		b.chunks = append(b.chunks, c)
	}
	return b
}

func newBenchTable(r *rand.Rand, columns func(n int) map[string]*column) *childTable {
	t := &childTable{start: make([]uint32, chunkRows+1)}
	for i := range chunkRows {
		t.start[i+1] = t.start[i] + uint32(r.IntN(11))
	}
	t.rows = int(t.start[chunkRows])
	t.start, t.end = t.start[:chunkRows], t.start[1:]
	t.columns = columns(t.rows)
	return t
}

// records are the customers of the first chunk as the VM reads them.
func (b *benchCrowd) records(n int) []rules.Record {
	c := b.chunks[0]
	out := make([]rules.Record, n)
	for i := range out {
		out[i] = rules.Record{}
		for name, col := range c.columns {
			out[i][name] = col.at(i)
		}
		for name, t := range c.lists {
			var rows []rules.Record
			for at := t.start[i]; at < t.end[i]; at++ {
				row := rules.Record{}
				for field, col := range t.columns {
					row[field] = col.at(int(at))
				}
				rows = append(rows, row)
			}
			out[i][name] = rows
		}
	}
	return out
}

// at is an entry as a Record has it.
func (c *column) at(i int) any {
	if !isSet(c.valid, i) {
		return nil
	}
	raw := int64(0)
	switch {
	case c.kind == rules.Text && c.c8 != nil:
		return string(c.texts.text(uint32(c.c8[i])))
	case c.kind == rules.Text:
		return string(c.texts.text(uint32(c.c16[i])))
	case c.i8 != nil:
		raw = int64(c.i8[i])
	case c.i16 != nil:
		raw = int64(c.i16[i])
	case c.i32 != nil:
		raw = int64(c.i32[i])
	default:
		raw = c.i64[i]
	}
	switch c.kind {
	case rules.DateType:
		return rules.Date(raw)
	case rules.Time:
		return time.Unix(raw, 0)
	}
	return raw
}

// benchRule is a rule beside the loop that one would write for it by hand over the same columns of a chunk.
type benchRule struct {
	name, source string
	byHand       func(c *chunk, at rules.Instant) int
}

func benchRules() []benchRule { return append(listRules(), plainRules()...) }

// daysBack is the second at which a day before today began.
func daysBack(days int) int32 {
	now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.FixedZone("CST", 8*3600)) // the day's start
	return int32(now.AddDate(0, 0, -days).Unix())
}

func plainRules() []benchRule {
	return []benchRule{
		{"four clauses", `tier in ["gold", "platinum"] && city == "Shanghai" && total_spend >= 200 && days_since(last_purchase_at) > 90`, func(c *chunk, _ rules.Instant) int {
			tier, city, spend, last := c.columns["tier"], c.columns["city"], c.columns["total_spend"], c.columns["last_purchase_at"]
			gold, platinum, shanghai, limit := uint8(2), uint8(3), uint16(0), daysBack(90)
			n := 0
			for i, t := range tier.c8 {
				if (t == gold || t == platinum) && city.c16[i] == shanghai && city.valid[i/64]>>(i%64)&1 != 0 && spend.i32[i] >= 20000 &&
					last.i32[i] < limit && last.valid[i/64]>>(i%64)&1 != 0 {
					n++
				}
			}
			return n
		}},
		{"birthday", `month(birthday) == month(today)`, func(c *chunk, at rules.Instant) int {
			n, month := 0, rules.DateOf(at.Now, at.Zone).Month()
			birthday := c.columns["birthday"]
			for i, d := range birthday.i16 {
				if rules.Date(d).Month() == month && birthday.valid[i/64]>>(i%64)&1 != 0 {
					n++
				}
			}
			return n
		}},
	}
}

func listRules() []benchRule {
	return []benchRule{
		{"count", `count(purchases, days_since(.at) <= 365) >= 4`, func(c *chunk, _ rules.Instant) int {
			t := c.lists["purchases"]
			at, limit, n := t.columns["at"].i32, daysBack(365), 0
			for i, from := range t.start {
				k := 0
				for _, when := range at[from:t.end[i]] {
					if when >= limit {
						k++
					}
				}
				if k >= 4 {
					n++
				}
			}
			return n
		}},
		{"sum", `sum(filter(items, .brand == "Olay" && days_since(.at) <= 180), .amount) >= 300`, func(c *chunk, _ rules.Instant) int {
			t := c.lists["items"]
			at, brand, amount, limit, n := t.columns["at"].i32, t.columns["brand"].c8, t.columns["amount"].i32, daysBack(180), 0
			for i, from := range t.start {
				sum := int64(0)
				for r := from; r < t.end[i]; r++ {
					if brand[r] == 0 && at[r] >= limit {
						sum += int64(amount[r])
					}
				}
				if sum >= 30000 {
					n++
				}
			}
			return n
		}},
		{"any", `any(purchases, .amount >= 300 && .store == "Bund")`, func(c *chunk, _ rules.Instant) int {
			t := c.lists["purchases"]
			store, amount, n := t.columns["store"].c8, t.columns["amount"].i32, 0
			for i, from := range t.start {
				for r := from; r < t.end[i]; r++ {
					if store[r] == 0 && amount[r] >= 30000 {
						n++
						break
					}
				}
			}
			return n
		}},
	}
}

func (b *benchCrowd) bound(t testing.TB, source string) (*rules.Rule, *vectorPlan) {
	t.Helper()
	rule, err := rules.Compile(b.schema, source)
	if err != nil {
		t.Fatal(err)
	}
	return rule, plan(rule.Bind(b.at))
}

func (b *benchCrowd) count(t testing.TB, plan *vectorPlan, workers int) int {
	t.Helper()
	found, err := evaluate(context.Background(), b.chunks, []*vectorPlan{plan}, workers)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, m := range found {
		eachBit(m.bits, func(int) { n++ })
	}
	return n
}

func TestALoopByHandFindsTheSame(t *testing.T) {
	b := newBenchCrowd(1)
	records := b.records(2000)
	for _, r := range benchRules() {
		rule, plan := b.bound(t, r.source)
		if got, want := b.count(t, plan, 1), r.byHand(b.chunks[0], b.at); got != want {
			t.Errorf("%s: %d, by hand %d", r.name, got, want)
		}
		found, err := evaluate(context.Background(), b.chunks, []*vectorPlan{plan}, 1)
		for i, record := range records {
			if err != nil || rule.Matches(record, b.at) != isSet(found[0].bits, i) {
				t.Fatalf("%s: customer %d: %v %v", r.name, i, record, err)
			}
		}
	}
}

// BenchmarkRules gives nanoseconds a customer, one core each.
func BenchmarkRules(b *testing.B) {
	crowd := newBenchCrowd(benchChunks)
	records := crowd.records(4000)
	for _, r := range benchRules() {
		rule, plan := crowd.bound(b, r.source)
		per := func(b *testing.B, customers int) {
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(customers), "ns/customer")
			b.ReportMetric(0, "ns/op")
		}
		b.Run(r.name+"/columns", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = evaluate(context.Background(), crowd.chunks, []*vectorPlan{plan}, 1)
			}
			per(b, benchChunks*chunkRows)
		})
		b.Run(r.name+"/by hand", func(b *testing.B) {
			n := 0
			for b.Loop() {
				for _, c := range crowd.chunks {
					n += r.byHand(c, crowd.at)
				}
			}
			per(b, benchChunks*chunkRows)
		})
		b.Run(r.name+"/VM", func(b *testing.B) {
			for b.Loop() {
				for _, record := range records {
					rule.Matches(record, crowd.at)
				}
			}
			per(b, len(records))
		})
	}
}
