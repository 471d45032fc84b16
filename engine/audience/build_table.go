package audience

import (
	"bytes"
	"cmp"
	"math"
	"slices"

	"beckon/engine/rules"
)

// A stage gathers rows of a history, or elements of a text list, of the customers of one chunk in the order in which they
// come.
type stage struct {
	names   []string
	owners  []uint16
	columns []*column
	indexes []*textIndex // nil where the column is no text
	room    int          // how many entries the columns have
	byField int          // the column by which a customer's rows go; -1: as they come
	keys    []byte       // (at, id) of each row as bytes that sort: only where the order is to be exact
	keyEnds []int
	present []uint64 // of a text list: whose is not missing
}

// newStage has columns of the given kinds.
func newStage(names []string, kinds []rules.Type, byField int) *stage {
	s := &stage{names: names, byField: byField}
	for _, kind := range kinds {
		c := newColumn(kind, 0)
		s.columns = append(s.columns, c)
		var index *textIndex
		if kind == rules.Text {
			index = newTextIndex(c.texts, 0)
		}
		s.indexes = append(s.indexes, index)
	}
	return s
}

// next adds a row of a customer and gives its place.
func (s *stage) next(owner int) int {
	row := len(s.owners)
	s.owners = append(s.owners, uint16(owner))
	if row >= s.room {
		s.room += s.room/4 + 64
		for _, c := range s.columns {
			c.grow(s.room)
		}
	}
	return row
}

func (s *stage) key(row int) []byte {
	from := 0
	if row > 0 {
		from = s.keyEnds[row-1]
	}
	return s.keys[from:s.keyEnds[row]]
}

// compare puts two rows of one customer in order.
func (s *stage) compare(a, b uint32) int {
	if len(s.keyEnds) > 0 {
		return bytes.Compare(s.key(int(a)), s.key(int(b)))
	}
	if s.byField < 0 {
		return 0
	}
	c := s.columns[s.byField]
	if c.isMissing(int(a)) || c.isMissing(int(b)) {
		return cmp.Compare(rank(c, a), rank(c, b))
	}
	return cmp.Compare(c.int(int(a)), c.int(int(b)))
}

// rank puts missing values last.
func rank(c *column, row uint32) int {
	if c.isMissing(int(row)) {
		return 1
	}
	return 0
}

// sorted gives the rows in order of their customers, those of one in order, and where each customer's begin; the last
// start is the end. Rows of customers who do not exist are left out; live nil: nobody's are.
func (s *stage) sorted(live []uint64) (rows, starts []uint32) {
	starts = make([]uint32, chunkRows+1)
	for _, owner := range s.owners {
		if live == nil || bitOf(live, int(owner)) {
			starts[int(owner)+1]++
		}
	}
	for i := range chunkRows {
		starts[i+1] += starts[i]
	}
	rows = make([]uint32, starts[chunkRows])
	next := slices.Clone(starts[:chunkRows])
	for row, owner := range s.owners {
		if live == nil || bitOf(live, int(owner)) {
			rows[next[owner]] = uint32(row)
			next[owner]++
		}
	}
	for i := range chunkRows {
		s.sortRows(rows[starts[i]:starts[i+1]])
	}
	return rows, starts
}

// sortRows sorts one customer's rows, which mostly come in order.
func (s *stage) sortRows(rows []uint32) {
	if len(rows) > 1 && !slices.IsSortedFunc(rows, s.compare) {
		slices.SortStableFunc(rows, s.compare)
	}
}

// byOwner gives the rows of each customer, sorted: for few rows.
func (s *stage) byOwner() map[int][]uint32 {
	rows := map[int][]uint32{}
	for row, owner := range s.owners {
		rows[int(owner)] = append(rows[int(owner)], uint32(row))
	}
	for _, of := range rows {
		s.sortRows(of)
	}
	return rows
}

// table makes the stage a table and empties it.
func (s *stage) table(live []uint64) *childTable {
	rows, starts := s.sorted(live)
	t := &childTable{rows: len(rows), start: starts[:chunkRows], end: starts[1:], columns: make(map[string]*column, len(s.columns))}
	for i, name := range s.names {
		picked := s.columns[i].pick(rows)
		picked.settle(nil)
		t.columns[name] = picked
		s.columns[i], s.indexes[i] = nil, nil
	}
	if s.present != nil && lacks(s.present, live) {
		t.present = s.present
	}
	return t
}

// lacks says whether a bit of live is missing.
func lacks(present, live []uint64) bool {
	for w := range live {
		if live[w]&^present[w] != 0 {
			return true
		}
	}
	return false
}

// slack is the room that a table leaves for rows to come, so that the first change does not copy all of it.
func slack(rows int) int { return rows + rows/32 + 64 }

// pick is the entries of some rows in a new column, which has the old one's texts.
func (c *column) pick(rows []uint32) *column {
	p := &column{kind: c.kind, rows: len(rows), low: c.low, high: c.high, texts: c.texts}
	p.i8, p.i16, p.i32, p.i64 = picked(c.i8, rows), picked(c.i16, rows), picked(c.i32, rows), picked(c.i64, rows)
	p.c8, p.c16, p.c32, p.f64 = picked(c.c8, rows), picked(c.c16, rows), picked(c.c32, rows), picked(c.f64, rows)
	p.bits, p.valid = pickedBits(c.bits, rows), pickedBits(c.valid, rows)
	return p
}

func picked[T any](from []T, rows []uint32) []T {
	if from == nil {
		return nil
	}
	to := make([]T, len(rows), slack(len(rows)))
	for i, row := range rows {
		to[i] = from[row]
	}
	return to
}

func pickedBits(from []uint64, rows []uint32) []uint64 {
	if from == nil {
		return nil
	}
	to := make([]uint64, words(len(rows)), words(slack(len(rows))))
	for i, row := range rows {
		if bitOf(from, int(row)) {
			setBit(to, i)
		}
	}
	return to
}

// emptyTable has the columns of a history and no rows.
func emptyTable(names []string, kinds []rules.Type, isList bool) *childTable {
	s := newStage(names, kinds, -1)
	if isList {
		s.present = make([]uint64, words(chunkRows))
	}
	t := s.table(nil)
	t.present = s.present
	return t
}

// A tablePatch puts new rows in the place of those of some customers.
type tablePatch struct {
	table   *childTable
	stage   *stage
	indexes []*textIndex
}

// replace gives the changed customers the rows that the stage has of them, which may be none.
func (t *childTable) replace(s *stage, changed []int) {
	t.separate()
	p := tablePatch{table: t, stage: s}
	for i, name := range s.names {
		var index *textIndex
		if c := t.columns[name]; s.indexes[i] != nil {
			index = patchIndex(c.texts)
		}
		p.indexes = append(p.indexes, index)
	}
	rows := s.byOwner()
	total := t.rows
	for _, i := range changed {
		total += len(rows[i])
	}
	for _, name := range s.names {
		t.columns[name].grow(total)
	}
	for _, i := range changed {
		p.move(i, rows[i])
	}
}

// separate ends the sharing of starts and ends before the first change.
func (t *childTable) separate() {
	if t.patched == nil {
		t.start, t.end = slices.Clone(t.start), slices.Clone(t.end)
		t.patched = make([]uint64, words(chunkRows))
	}
}

func (p *tablePatch) move(i int, rows []uint32) {
	t := p.table
	t.garbage += int(t.end[i] - t.start[i])
	t.start[i] = uint32(t.rows)
	for c, name := range p.stage.names {
		to := t.columns[name]
		for n, row := range rows {
			to.take(t.rows+n, p.stage.columns[c], int(row), p.indexes[c])
		}
	}
	t.rows += len(rows)
	t.end[i] = uint32(t.rows)
	if !bitOf(t.patched, i) {
		setBit(t.patched, i)
		t.loose++
	}
	if p.stage.present == nil {
		return
	}
	here := bitOf(p.stage.present, i)
	if t.present == nil && !here {
		t.present = make([]uint64, words(chunkRows))
		for w := range t.present {
			t.present[w] = math.MaxUint64
		}
	}
	if here && t.present != nil {
		setBit(t.present, i)
	} else if !here {
		clearBit(t.present, i)
	}
}

// patchIndex knows the texts of a small dictionary; of a large one only those that are added from now on.
func patchIndex(d *dictionary) *textIndex {
	const small = 2048
	if d.size() <= small {
		return newTextIndex(d, 0)
	}
	return newTextIndex(d, d.size())
}

// isLoose says whether a table is worth packing: a sixteenth of its customers are out of order, or a quarter of its rows
// are nobody's.
func (t *childTable) isLoose() bool {
	return t.loose > chunkRows/16 || t.garbage*4 > t.rows
}

// pack rewrites the rows in order of their customers and leaves out what is nobody's.
func (t *childTable) pack() {
	starts := make([]uint32, chunkRows+1)
	rows := make([]uint32, 0, t.rows-t.garbage)
	for i := range chunkRows {
		for row := t.start[i]; row < t.end[i]; row++ {
			rows = append(rows, row)
		}
		starts[i+1] = uint32(len(rows))
	}
	for name, c := range t.columns {
		packed := c.pick(rows)
		packed.packTexts()
		t.columns[name] = packed
	}
	t.rows, t.start, t.end = len(rows), starts[:chunkRows], starts[1:]
	t.patched, t.garbage, t.loose = nil, 0, 0
}

// bytes is the memory that a table holds.
func (t *childTable) bytes() int64 {
	n := int64(8*(cap(t.patched)+cap(t.present)) + 4*(len(t.start)+1))
	if t.patched != nil {
		n += int64(4 * len(t.end))
	}
	for _, c := range t.columns {
		n += c.bytes()
	}
	return n
}
