package audience

import (
	"context"
	"strings"

	"beckon/engine/rules"
)

// Memory is customers held as columns. It does not change.
type Memory struct {
	chunks []*chunk
}

// Numbered is a customer, or nobody any more when Record is nil.
type Numbered struct {
	No     int64
	Record rules.Record
}

// Found are the numbers of those who match a rule, in order, and of those whom only the reference executor can decide.
type Found struct {
	Nos  []int64
	Left []int64
}

// FromRecords holds customers in columns. Of a customer who comes again the last record counts; their lists then lie at the
// end of the others', as those of a customer who has changed do.
func FromRecords(s *rules.Schema, customers []Numbered) *Memory {
	m := &Memory{}
	chunks := map[int64][]Numbered{}
	for _, c := range customers {
		base := rules.FloorDiv(c.No, chunkRows) * chunkRows
		chunks[base] = append(chunks[base], c)
	}
	for base, some := range chunks {
		m.chunks = append(m.chunks, newChunk(s, base, some))
	}
	return m
}

// Find evaluates rules over all customers, each as it is bound; they must have one currency and zone. The error is ctx's.
func (m *Memory) Find(ctx context.Context, workers int, rule ...*rules.Bound) ([]Found, error) {
	plans := make([]*vectorPlan, len(rule))
	for i, r := range rule {
		plans[i] = plan(r)
	}
	answers, err := evaluate(ctx, m.chunks, plans, workers)
	if err != nil {
		return nil, err
	}
	out := make([]Found, len(rule))
	for i, answer := range answers {
		base, found := m.chunks[i/len(rule)].base, &out[i%len(rule)]
		eachBit(answer.bits, func(row int) { found.Nos = append(found.Nos, base+int64(row)) })
		eachBit(answer.left, func(row int) { found.Left = append(found.Left, base+int64(row)) })
	}
	return out, nil
}

// newChunk makes a chunk out of records.
func newChunk(s *rules.Schema, base int64, customers []Numbered) *chunk {
	c := &chunk{base: base, live: make([]uint64, chunkRows/wordBits), columns: map[string]*column{}, lists: map[string]*childTable{}}
	last := int64(0)
	for _, customer := range customers {
		last = max(last, customer.No-base)
	}
	n := int(last/batchRows+1) * batchRows // batches in which nobody lives are not looked at
	rows := make([]rules.Record, n)
	versions := make([][]rules.Record, n)
	for _, customer := range customers {
		at := customer.No - base
		rows[at] = customer.Record
		versions[at] = append(versions[at], customer.Record)
		c.live[at/wordBits] &^= 1 << (at % wordBits)
		if customer.Record != nil {
			c.live[at/wordBits] |= 1 << (at % wordBits)
		}
	}
	for _, a := range s.Stored() {
		if a.Type == rules.TextList {
			c.lists[a.Name] = textTable(a.Name, versions)
			continue
		}
		c.columns[a.Name] = columnOf(a.Type, n, func(i int) any { return rules.Read(a.Type, rows[i][a.Name]) })
	}
	for _, t := range s.Tables() {
		c.lists[t.Name] = historyTable(s, t, versions)
	}
	return c
}

// tableOf lays out the rows of each customer: those of the first version in order, those of the last at the end.
func tableOf[T any](versions [][]rules.Record, of func(rules.Record) []T) (*childTable, []T) {
	t := &childTable{start: make([]uint32, len(versions)), end: make([]uint32, len(versions)), columns: map[string]*column{}}
	var rows []T
	for i, v := range versions {
		t.start[i] = uint32(len(rows))
		if len(v) > 0 {
			rows = append(rows, of(v[0])...)
		}
		t.end[i] = uint32(len(rows))
	}
	for i, v := range versions {
		if len(v) < 2 {
			continue
		}
		if t.patched == nil {
			t.patched = make([]uint64, chunkRows/wordBits)
		}
		t.patched[i/wordBits] |= 1 << (i % wordBits)
		t.start[i] = uint32(len(rows))
		rows = append(rows, of(v[len(v)-1])...)
		t.end[i] = uint32(len(rows))
	}
	t.rows = len(rows)
	return t, rows
}

func historyTable(s *rules.Schema, table rules.Table, versions [][]rules.Record) *childTable {
	t, rows := tableOf(versions, func(r rules.Record) []rules.Record { rows, _ := r[table.Name].([]rules.Record); return rows })
	for _, field := range table.Fields {
		if field.Type == rules.TextList {
			continue
		}
		t.columns[field.Name] = columnOf(field.Type, len(rows), func(i int) any {
			if prop, is := strings.CutPrefix(field.Name, "props."); is {
				props, _ := rows[i]["props"].(map[string]any)
				return s.ReadProperty(field.Type, props[prop])
			}
			return rules.Read(field.Type, rows[i][field.Name])
		})
	}
	if table.Name == "coupons" { // what their state is made of
		t.columns["used"] = columnOf(rules.Bool, len(rows), func(i int) any { return rows[i]["state"] == "used" })
	}
	return t
}

func textTable(name string, versions [][]rules.Record) *childTable {
	t, texts := tableOf(versions, func(r rules.Record) []string { texts, _ := r[name].([]string); return texts })
	t.columns[""] = columnOf(rules.Text, len(texts), func(i int) any { return texts[i] })
	present, some := make([]uint64, chunkRows/wordBits), false
	for i, v := range versions {
		switch {
		case len(v) == 0 || v[len(v)-1] == nil: // nobody
		case rules.Read(rules.TextList, v[len(v)-1][name]) == nil:
			some = true
		default:
			present[i/wordBits] |= 1 << (i % wordBits)
		}
	}
	if some {
		t.present = present
	}
	return t
}

// columnOf makes a column of the narrowest width; of gives nil for what is missing.
func columnOf(kind rules.Type, rows int, of func(i int) any) *column {
	c := &column{kind: kind, low: maxInt, high: minInt}
	valid := make([]uint64, wordsOf(rows))
	raw := make([]int64, rows)
	codes := map[string]int64{}
	switch kind {
	case rules.Text:
		c.texts = &dictionary{}
	case rules.Number:
		c.f64 = make([]float64, rows)
	case rules.Bool:
		c.bits = make([]uint64, wordsOf(rows))
	}
	some := 0
	for i := range rows {
		v := of(i)
		if v == nil {
			continue
		}
		some++
		valid[i/wordBits] |= 1 << (i % wordBits)
		switch v := v.(type) {
		case string:
			if _, known := codes[v]; !known {
				codes[v] = int64(len(codes))
				c.texts.bytes = append(c.texts.bytes, v...)
				c.texts.ends = append(c.texts.ends, uint32(len(c.texts.bytes)))
			}
			raw[i] = codes[v]
		case float64:
			c.f64[i] = v
		case bool:
			c.bits[i/wordBits] |= bit(v) << (i % wordBits)
		default:
			raw[i], _ = rules.Raw(v)
			c.low, c.high = min(c.low, raw[i]), max(c.high, raw[i])
		}
	}
	if some < rows {
		c.valid = valid
	}
	if kind == rules.Text {
		c.pack(raw, 0, int64(len(codes)))
	} else if kind != rules.Number && kind != rules.Bool {
		c.pack(raw, c.low, c.high)
	}
	return c
}

// pack keeps ints or codes in the narrowest width that has low and high.
func (c *column) pack(x []int64, low, high int64) {
	text := c.kind == rules.Text
	switch {
	case text && high <= 1<<8:
		c.c8 = narrowed[uint8](x)
	case text && high <= 1<<16:
		c.c16 = narrowed[uint16](x)
	case text:
		c.c32 = narrowed[uint32](x)
	case low > high || low >= -1<<7 && high < 1<<7:
		c.i8 = narrowed[int8](x)
	case low >= -1<<15 && high < 1<<15:
		c.i16 = narrowed[int16](x)
	case low >= -1<<31 && high < 1<<31:
		c.i32 = narrowed[int32](x)
	default:
		c.i64 = x
	}
}

func narrowed[T integer](x []int64) []T {
	out := make([]T, len(x))
	for i, n := range x {
		out[i] = T(n)
	}
	return out
}
