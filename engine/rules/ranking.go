package rules

import (
	"bytes"
	"context"
	"slices"
	"sort"
)

// Ranking works out the cuts of a rank from all customers, in two looks at each. The first adds the keys of those who
// have a value; then Divide; the second adds the ids of those whose key is Tied: few, or many where many customers have one
// value and a bucket begins among them. It holds 8 bytes for each customer in the first and the ids in the second.
type Ranking struct {
	rank   Rank
	keys   []int64
	begins []beginning
	tied   map[int64]*tie
}

// beginning is the first place with a value.
type beginning struct {
	place int // from 0
	value int64
	key   int64 // of the customer there
	first int   // the first place with this key
}

// tie is the customers of one key among whom buckets begin.
type tie struct {
	first int // place of the first of them
	text  []byte
	ends  []int // id i is text[ends[i-1]:ends[i]]
	no    int   // how many have no id
}

// NewRanking begins to work out a rank's cuts.
func NewRanking(r Rank) *Ranking { return &Ranking{rank: r, tied: map[int64]*tie{}} }

// Grow makes room for the keys of so many customers, so that none is moved while they are added.
func (g *Ranking) Grow(customers int) { g.keys = slices.Grow(g.keys, customers) }

// Add is the first look at a customer: what the rank's Value evaluates to.
func (g *Ranking) Add(value any) {
	if key, ok := sortableKey(value); ok {
		g.keys = append(g.keys, key)
	}
}

// AddInt adds the key of an Int, Money, DateType or Time that is not missing: minor units, days, Unix seconds.
func (g *Ranking) AddInt(key int64) { g.keys = append(g.keys, key) }

// AddNumber adds the key of a Number that is not missing.
func (g *Ranking) AddNumber(key float64) { g.keys = append(g.keys, sortable(key)) }

// Evaluate is what the rank's customers are put in order by: one customer's value, to be added, nil where it is missing.
// Its error is ErrTooLong, or the context's.
func (r Rank) Evaluate(ctx context.Context, c Record, at Instant) (any, error) {
	return r.Value.run(ctx.Err, c, at)
}

func sortableKey(value any) (int64, bool) {
	if n, is := value.(float64); is {
		return sortable(n), true
	}
	return rawInt(value)
}

// Divide ends the first look. It says whether a second is needed.
func (g *Ranking) Divide() bool {
	n := len(g.keys)
	for place := 0; place < n; { // from one beginning to the next, by halving
		value := g.rank.value(place+1, n)
		g.begins = append(g.begins, beginning{place: place, value: value})
		place += 1 + sort.Search(n-place-1, func(i int) bool { return g.rank.value(place+i+2, n) > value })
	}
	pickPlaces(g.keys, 0, g.begins, 0)
	for _, b := range g.begins {
		if b.first < b.place {
			g.tied[b.key] = &tie{first: b.first}
		}
	}
	return len(g.tied) > 0
}

// pickPlaces finds the keys that would stand at the places of begins if all keys were sorted; keys are those from a place on,
// none of them equal to one elsewhere. Only what has such a place is put in order: this is quickselect for many places at
// once, and sorting where the pivots are bad.
// Source: C. A. R. Hoare, Algorithm 65, "Find"; E. W. Dijkstra, the Dutch national flag.
func pickPlaces(keys []int64, from int, begins []beginning, depth int) {
	const few, depthMax = 64, 96
	for len(begins) > 0 {
		if len(keys) <= few || depth > depthMax {
			slices.Sort(keys)
			for i := range begins {
				b := &begins[i]
				b.key = keys[b.place-from]
				first, _ := slices.BinarySearch(keys, b.key)
				b.first = from + first
			}
			return
		}
		less, more := divide3(keys, middling(keys))
		left := sort.Search(len(begins), func(i int) bool { return begins[i].place >= from+less })
		right := sort.Search(len(begins), func(i int) bool { return begins[i].place >= from+more })
		for i := left; i < right; i++ {
			begins[i].key, begins[i].first = keys[less], from+less
		}
		depth++
		pickPlaces(keys[:less], from, begins[:left], depth)
		keys, from, begins = keys[more:], from+more, begins[right:]
	}
}

// divide3 puts the keys below a pivot, those equal to it and those above it in this order; the equal ones are less … more-1.
func divide3(keys []int64, pivot int64) (less, more int) {
	more = len(keys)
	for at := 0; at < more; {
		switch key := keys[at]; {
		case key < pivot:
			keys[less], keys[at] = key, keys[less]
			less++
			at++
		case key > pivot:
			more--
			keys[at], keys[more] = keys[more], key
		default:
			at++
		}
	}
	return less, more
}

// middling is the median of nine keys from all over.
func middling(keys []int64) int64 {
	var some [9]int64
	for i := range some {
		some[i] = keys[(len(keys)-1)*i/(len(some)-1)]
	}
	slices.Sort(some[:])
	return some[len(some)/2]
}

// Tied says whether the id of a customer with a value is wanted in the second look.
func (g *Ranking) Tied(value any) bool {
	key, ok := sortableKey(value)
	return ok && g.tied[key] != nil
}

// TiedInt is Tied for the key of an Int, Money, DateType or Time.
func (g *Ranking) TiedInt(key int64) bool { return g.tied[key] != nil }

// TiedNumber is Tied for the key of a Number.
func (g *Ranking) TiedNumber(key float64) bool { return g.tied[sortable(key)] != nil }

// AddID is the second look at a customer whose value is Tied: the id, nil when it is missing.
func (g *Ranking) AddID(value, id any) {
	key, _ := sortableKey(value)
	t := g.tied[key]
	text, known := id.(string)
	if !known {
		t.no++
		return
	}
	t.text = append(t.text, text...)
	t.ends = append(t.ends, len(t.text))
}

// Cuts are the cuts of all customers that were added.
func (g *Ranking) Cuts() Cuts {
	sorted := map[int64][][]byte{}
	for key, t := range g.tied {
		sorted[key] = t.sorted()
	}
	var cuts Cuts
	for _, b := range g.begins {
		key := b.key
		cut := Cut{Key: key, Any: true, Value: b.value}
		if t := g.tied[key]; t != nil && b.place > t.first {
			if i := b.place - t.first - t.no; i >= 0 && i < len(t.ends) { // those without an id stand before the others
				cut.ID, cut.Any = string(sorted[key][i]), false
			}
		}
		if g.rank.Value.kind == Number {
			cut.Key, cut.Number = 0, unsortable(key)
		}
		if last := len(cuts) - 1; last >= 0 && cuts[last].Key == cut.Key && cuts[last].Number == cut.Number && cuts[last].Any == cut.Any && cuts[last].ID == cut.ID {
			cuts = cuts[:last] // customers alike in both: the last of theirs
		}
		cuts = append(cuts, cut)
	}
	return cuts
}

// sorted are the ids of a tie by code point.
func (t *tie) sorted() [][]byte {
	ids, from := make([][]byte, len(t.ends)), 0
	for i, end := range t.ends {
		ids[i], from = t.text[from:end], end
	}
	slices.SortFunc(ids, bytes.Compare)
	return ids
}
