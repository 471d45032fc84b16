package rules

import (
	"math/bits"
	"time"

	"github.com/expr-lang/expr/vm"
)

// Record is a customer, a row of a history or a line of a purchase: column to value. An absent key or nil is missing.
// The values are bool; int64 for int and money; float64; string; Date; time.Time; []string for text_list; []Record in
// (at, id) order for a history, and map[string]any as encoding/json decodes it for an event's props. A value of any
// other Go type is missing.
type Record map[string]any

// evaluation is one customer at one instant: the environment of a program. It is reused, never shared.
type evaluation struct {
	record Record
	at     Instant
	today  Date
	zone   *time.Location
	cuts   []Cuts              // of the rule's ranks
	seen   [historiesMax][]any // rows of a history up to now, filled when first asked for
	filled [historiesMax]bool
	once   []*kept // values that are the same for all elements; nil until they are asked for
	budget budget
	vm     vm.VM
}

// kept is a value that was worked out before.
type kept struct{ value any }

// begin sets the customer, the instant and, where there are ranks, their cuts.
func (e *evaluation) begin(c Record, at Instant, cuts ...Cuts) {
	at = at.normal()
	e.cuts = cuts
	e.record, e.at, e.zone, e.today = c, at, at.Zone, DateOf(at.Now, at.Zone)
}

// end lets go of the customer; it reports whether the buffers are small enough to keep.
func (e *evaluation) end() bool {
	const keep = 4096
	small := cap(e.vm.Stack) <= keep
	for i := range e.seen {
		if e.filled[i] {
			clear(e.seen[i])
			e.seen[i], e.filled[i] = e.seen[i][:0], false
			small = small && cap(e.seen[i]) <= keep
		}
	}
	e.record, e.cuts, e.budget = nil, nil, budget{}
	clear(e.once)
	return small
}

// rows are a history's rows up to now. A row without a time is seen: nothing says that it is still to come.
func (e *evaluation) rows(t *table) []any {
	if e.filled[t.index] {
		return e.seen[t.index]
	}
	seen := e.seen[t.index]
	if seen == nil {
		seen = []any{}
	}
	stored, _ := e.record[t.name].([]Record)
	for _, r := range stored {
		if t.seenAt != "" {
			if at, ok := readTime(r[t.seenAt]).(time.Time); ok && at.After(e.at.Now) {
				continue
			}
		}
		seen = append(seen, r)
	}
	e.seen[t.index], e.filled[t.index] = seen, true
	return seen
}

func (e *evaluation) nextBirthday() any {
	birthday, ok := e.record["birthday"].(Date)
	if !ok {
		return nil
	}
	next, ok := nextBirthday(birthday, e.today)
	if !ok {
		return nil
	}
	return next
}

// birthdayIn says whether the next birthday is at most n days away; today is 0.
func (e *evaluation) birthdayIn(n any) any {
	days, ok := n.(int64)
	birthday, known := e.record["birthday"].(Date)
	if !ok || !known {
		return false
	}
	next, ok := nextBirthday(birthday, e.today)
	return ok && int64(next)-int64(e.today) <= days
}

// avgBasket is total_spend / purchase_count, rounded half up (towards the greater amount) to the minor unit.
func (e *evaluation) avgBasket() any {
	count, known := readInt(e.record["purchase_count"]).(int64)
	total, spent := readInt(e.record["total_spend"]).(int64)
	if !known || !spent || count <= 0 {
		return nil
	}
	return averageBasket(total, count)
}

func averageBasket(total, count int64) int64 {
	quotient, rest := floorDiv(total, count), floorMod(total, count)
	if rest >= count-rest {
		quotient++
	}
	return quotient
}

func (e *evaluation) points() any { return e.remaining(func(Date, bool) bool { return true }) }

// pointsExpiring are the live points whose last valid day is within n days from today.
func (e *evaluation) pointsExpiring(n any) any {
	days, ok := n.(int64)
	if !ok {
		return nil
	}
	return e.remaining(func(last Date, ends bool) bool { return ends && int64(last)-int64(e.today) <= days })
}

// remaining is the sum of what remains of the live lots that are wanted, by their last valid day, if they have one.
func (e *evaluation) remaining(wanted func(last Date, ends bool) bool) any {
	var total wide
	lots, _ := e.record["lots"].([]Record)
	for _, lot := range lots {
		from, starts := lot["active_from"].(Date)
		last, ends := lot["last_valid_on"].(Date)
		isLive := starts && from <= e.today && (!ends || last >= e.today)
		if !isLive || !wanted(last, ends) {
			continue
		}
		if left, ok := readInt(lot["remaining"]).(int64); ok {
			total.add(left)
		}
	}
	return total.int64()
}

// wide is a 128-bit sum: it overflows only when the total does not fit, whatever the order of its parts.
type wide struct {
	high int64
	low  uint64
}

func (w *wide) add(n int64) {
	low, carry := bits.Add64(w.low, uint64(n), 0)
	w.low, w.high = low, w.high+(n>>63)+int64(carry)
}

// int64 is the sum, or nil when it does not fit.
func (w *wide) int64() any {
	if n := int64(w.low); w.high == n>>63 {
		return n
	}
	return nil
}

// keep remembers a value until the evaluation ends.
func (e *evaluation) keep(index int, value any) {
	for len(e.once) <= index {
		e.once = append(e.once, nil)
	}
	e.once[index] = &kept{value}
}
