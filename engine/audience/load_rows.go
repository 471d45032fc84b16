package audience

import (
	"slices"

	"beckon/campaigns/store"
	"beckon/engine/rules"
)

// customerRows takes the tuples of customers into the chunks that at gives.
type customerRows struct {
	specs   []columnSpec
	putters []putter
	at      func(number int64) *customerChunk
	number  int64
	chunk   *customerChunk // of number
}

// A customerChunk is where the customers of a chunk are put: a column for each spec, or the stage of a text list.
type customerChunk struct {
	live    []uint64
	columns []*column
	indexes []*textIndex
	lists   []*stage
	each    func(i int) // called for each customer before the live bit is set, unless nil
}

func newCustomerRows(specs []columnSpec, at func(number int64) *customerChunk) *customerRows {
	r := &customerRows{specs: specs, at: at, number: -1}
	for _, spec := range specs {
		r.putters = append(r.putters, putterOf(spec.kind))
	}
	return r
}

func (r *customerRows) names() []string {
	names := make([]string, len(r.specs))
	for i, spec := range r.specs {
		names[i] = spec.name
	}
	return names
}

func (r *customerRows) row(no int64, fields [][]byte) error {
	if number := no / chunkRows; number != r.number {
		r.number, r.chunk = number, r.at(number)
	}
	i, chunk := int(no%chunkRows), r.chunk
	if chunk.each != nil {
		chunk.each(i)
	}
	setBit(chunk.live, i)
	for f, raw := range fields {
		switch {
		case chunk.lists[f] != nil && raw != nil:
			putList(chunk.lists[f], i, raw)
		case chunk.lists[f] != nil:
		case raw == nil:
			chunk.columns[f].setMissing(i)
		default:
			r.putters[f](chunk.columns[f], i, raw, chunk.indexes[f])
		}
	}
	return nil
}

func putList(s *stage, owner int, raw []byte) {
	setBit(s.present, owner)
	eachText(raw, func(text []byte) {
		s.columns[0].setCode(s.next(owner), s.indexes[0].code(text))
	})
}

// newCustomerChunk is an empty one, to be loaded.
func newCustomerChunk(specs []columnSpec) *customerChunk {
	c := &customerChunk{live: make([]uint64, words(chunkRows))}
	for _, spec := range specs {
		if spec.kind == rules.TextList {
			c.columns, c.indexes, c.lists = append(c.columns, nil), append(c.indexes, nil), append(c.lists, listStage())
			continue
		}
		column := newColumn(spec.kind, chunkRows)
		var index *textIndex
		if spec.kind == rules.Text {
			index = newTextIndex(column.texts, 0)
		}
		c.columns, c.indexes, c.lists = append(c.columns, column), append(c.indexes, index), append(c.lists, nil)
	}
	return c
}

// historyRows takes the tuples of a history into stages, one for each chunk.
type historyRows struct {
	spec    tableSpec
	putters []putter
	keys    []bool // of (at, id), which follow the fields of a strict table
	stages  map[int64]*stage
	number  int64
	stage   *stage // of number
}

func newHistoryRows(spec tableSpec) *historyRows {
	r := &historyRows{spec: spec, stages: map[int64]*stage{}, number: -1}
	for _, f := range spec.fields {
		put := putterOf(f.kind)
		if len(f.name) > len(store.PropertyPrefix) && f.name[:len(store.PropertyPrefix)] == store.PropertyPrefix {
			put = propertyPutter(f.kind, f.digits)
		}
		r.putters = append(r.putters, put)
	}
	if spec.strict {
		r.keys = store.HistoryKeys(spec.name)
	}
	return r
}

func (r *historyRows) row(no int64, fields [][]byte) error {
	if number := no / chunkRows; number != r.number {
		r.number, r.stage = number, r.stages[number]
		if r.stage == nil {
			r.stage = r.spec.stage()
			r.stages[number] = r.stage
		}
	}
	s := r.stage
	row := s.next(int(no % chunkRows))
	for f, put := range r.putters {
		if raw := fields[f]; raw != nil {
			put(s.columns[f], row, raw, s.indexes[f])
		} else {
			s.columns[f].setMissing(row)
		}
	}
	for k, isText := range r.keys {
		s.keys = appendKey(s.keys, fields[len(r.putters)+k], isText)
	}
	if len(r.keys) > 0 {
		s.keyEnds = append(s.keyEnds, len(s.keys))
	}
	return nil
}

// limited calls check now and then between rows, so that a load ends early when it grows too large.
func limited(row func(no int64, fields [][]byte) error, check func() error) func(no int64, fields [][]byte) error {
	const rowsBetween = 1 << 16
	n := 0
	return func(no int64, fields [][]byte) error {
		if n++; n%rowsBetween == 0 {
			if err := check(); err != nil {
				return err
			}
		}
		return row(no, fields)
	}
}

// bytes is about the memory that a stage holds.
func (s *stage) bytes() int64 {
	n := int64(2*cap(s.owners) + cap(s.keys) + 8*cap(s.keyEnds))
	for i, c := range s.columns {
		if c != nil {
			n += c.bytes()
		}
		if s.indexes[i] != nil {
			n += int64(4 * len(s.indexes[i].slots))
		}
	}
	return n
}

func (c *customerChunk) bytes() int64 {
	n := int64(8 * len(c.live))
	for i := range c.columns {
		if c.lists[i] != nil {
			n += c.lists[i].bytes()
		} else {
			n += c.columns[i].bytes()
		}
		if c.indexes[i] != nil {
			n += int64(4 * len(c.indexes[i].slots))
		}
	}
	return n
}

// sortedKeys are the keys of a map in order.
func sortedKeys[V any](m map[int64]V) []int64 {
	keys := make([]int64, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
