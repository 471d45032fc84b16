package audience

import (
	"sync"

	"beckon/engine/rules"
)

// A domain is a condition over one column, decided for every value that the column can have: looked up instead of worked
// out for each row.
type domain struct {
	missing bool // what it says of a missing value
	first   int64
	only    int     // the one code it says yes to; -1: none or several
	table   []uint8 // of texts: 1 for the codes it says yes to
}

// domainKey is a condition over the texts of a dictionary, or over days.
type domainKey struct {
	step  int
	texts *dictionary
}

// dateDomains are conditions over dates, decided once for all chunks.
type dateDomains struct {
	sync.Mutex
	chunks []*chunk
	known  map[int]*domain
}

// Days beyond these are not decided beforehand.
const (
	firstDomainDay = -25_567 // 1900-01-01
	lastDomainDay  = 47_847  // 2100-12-31
)

// refineByDomain looks a condition over one column up; false when it has to be worked out row by row.
func (w *worker) refineByDomain(s *step, f *frame, rows []uint64) bool {
	if s.leaf == nil || s.leaf == s || s.leaf.kind != rules.Text && s.leaf.kind != rules.DateType {
		return false
	}
	if s.op == rules.Within && s.args[0] == s.leaf {
		return false
	}
	v := w.value(s.leaf, f)
	switch {
	case v.column == nil:
		return false
	case v.kind == rules.DateType:
		if v.column.low < firstDomainDay || v.column.high > lastDomainDay {
			return false
		}
		w.refineByDay(rows, v, w.dates.of(w, s))
		return true
	}
	const rowsPerText = 4
	if v.column.texts.size() > rowsPerText*f.rows && w.domains[domainKey{s.id, v.column.texts}] == nil {
		return false
	}
	w.refineByCode(rows, v, w.textDomain(s, v.column.texts))
	return true
}

// textDomain decides a condition for each text of a dictionary.
func (w *worker) textDomain(s *step, texts *dictionary) *domain {
	key := domainKey{s.id, texts}
	if found := w.domains[key]; found != nil {
		return found
	}
	n := texts.size()
	f, leaf := w.domainFrame(s.leaf, n)
	leaf.column = &column{kind: rules.Text, texts: texts}
	leaf.codes = w.places.take(n + 1)
	for i := range leaf.codes {
		leaf.codes[i] = uint32(min(i, n-1))
	}
	d := w.decided(s, f, n)
	w.domains[key] = d
	return d
}

// domainFrame has n values and a missing one.
func (w *worker) domainFrame(leaf *step, n int) (*frame, *value) {
	f := w.newFrame(n+1, nil)
	f.domain = true
	v := w.newValue(leaf.kind, n+1)
	v.known, v.valid = true, w.ones(n+1)
	v.valid[n/wordBits] &^= 1 << (n % wordBits)
	f.memo[leaf.id] = v
	return f, v
}

// decided works a condition out for all values. The table has every byte, and one entry more than there are values.
func (w *worker) decided(s *step, f *frame, n int) *domain {
	bits := w.ones(n + 1)
	w.refineAlone(s, f, bits)
	d := &domain{missing: isSet(bits, n), only: -1, table: make([]uint8, max(n+1, 1<<8))}
	count := 0
	for i := range n {
		if isSet(bits, i) {
			d.table[i], d.only = 1, i
			count++
		}
	}
	if count != 1 {
		d.only = -1
	}
	return d
}

// of is a condition over a date for the days that occur.
func (d *dateDomains) of(w *worker, s *step) *domain {
	d.Lock()
	defer d.Unlock()
	if found := d.known[s.id]; found != nil {
		return found
	}
	low, high := int64(lastDomainDay), int64(firstDomainDay)
	for _, c := range d.chunks {
		columns := c.columns
		if s.leaf.op == rules.Field {
			columns = nil
			if t := c.lists[s.leaf.table]; t != nil {
				columns = t.columns
			}
		}
		if col := columns[s.leaf.name]; col != nil && col.low <= col.high {
			low, high = min(low, max(col.low, firstDomainDay)), max(high, min(col.high, lastDomainDay))
		}
	}
	n := int(max(high-low+1, 0))
	f, leaf := w.domainFrame(s.leaf, n)
	leaf.ints = w.ints.take(n + 1)
	for i := range leaf.ints {
		leaf.ints[i] = low + int64(i)
	}
	found := w.decided(s, f, n)
	found.first = low
	d.known[s.id] = found
	return found
}

// refineByDay and refineByCode look each row up.
func (w *worker) refineByDay(rows []uint64, v *value, d *domain) {
	c := v.column
	w.settle(rows, w.validOf(v), d.missing, func(rows []uint64) {
		switch {
		case v.index == nil && c.i16 != nil:
			chosenDays(rows, c.i16[v.first:v.first+v.rows], d.table, d.first)
		case v.index == nil && c.i32 != nil:
			chosenDays(rows, c.i32[v.first:v.first+v.rows], d.table, d.first)
		default:
			chosenDays(rows, w.intsOf(v), d.table, d.first)
		}
	})
}

func (w *worker) refineByCode(rows []uint64, v *value, d *domain) {
	c := v.column
	w.settle(rows, w.validOf(v), d.missing, func(rows []uint64) {
		switch {
		case d.only >= 0 && v.index == nil && c.c8 != nil:
			equalCode(rows, c.c8[v.first:v.first+v.rows], uint8(d.only))
		case v.index == nil && c.c8 != nil:
			chosenCodes(rows, c.c8[v.first:v.first+v.rows], d.table, chosenBytesWord)
		case v.index == nil && c.c16 != nil:
			chosenCodes(rows, c.c16[v.first:v.first+v.rows], d.table, chosenWord)
		default:
			chosenCodes(rows, w.codesOf(v), d.table, chosenWord)
		}
	})
}

// settle asks about what is not missing, and puts in what is said of what is.
func (w *worker) settle(rows, valid []uint64, missing bool, ask func(rows []uint64)) {
	switch {
	case valid == nil:
		ask(rows)
	case !missing:
		andBits(rows, valid)
		ask(rows)
	default:
		asked := w.copyOf(rows)
		andBits(asked, valid)
		ask(asked)
		for i, r := range rows {
			rows[i] = asked[i] | r&^valid[i]
		}
	}
}
