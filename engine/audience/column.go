package audience

import "beckon/engine/rules"

// chunkRows is how many customer numbers a chunk spans, and batchRows how many of them are evaluated at a time.
const (
	chunkRows = 65536
	batchRows = 4096
	wordBits  = 64
)

// A chunk holds the customers numbered base … base+chunkRows-1; row i is the customer base+i.
//
// Why chunks: each has dictionaries and widths of its own, so that loading, growing, patching and evaluating need nothing
// that is shared, and no array of ten million is ever copied to grow.
type chunk struct {
	base    int64
	live    []uint64               // chunkRows bits: which customers exist
	columns map[string]*column     // by the name of the stored column; chunkRows entries each
	lists   map[string]*childTable // by history, or by the name of a text list
}

// A column is one attribute of the rows of a chunk, or one field of the rows of a child table. Exactly one of the slices
// has values; which one follows from kind and the size of the values. What a missing entry holds is unspecified, but it is
// a legal code for texts.
type column struct {
	kind  rules.Type // Bool, Int, Number, Money, Text, DateType or Time
	valid []uint64   // bit i: entry i is not missing; nil when none is missing

	// Int, Money: the value; DateType: days since 1970-01-01; Time: Unix seconds. The narrowest that holds them all.
	i8  []int8
	i16 []int16
	i32 []int32
	i64 []int64
	// low and high bound the values of the entries that are not missing; low > high when there is none.
	low, high int64

	f64  []float64 // Number: finite
	bits []uint64  // Bool

	// Text: codes into texts.
	c8    []uint8
	c16   []uint16
	c32   []uint32
	texts *dictionary

	rows int // how many entries there are
}

// A dictionary has the texts of a column of one chunk. A text may occur twice after a change: what is asked about texts
// is answered for each entry, so that this costs time and never an answer.
type dictionary struct {
	bytes []byte
	ends  []uint32 // text i is bytes[ends[i-1]:ends[i]]
	fresh int      // how many were added since it was built
}

// A childTable has the rows of a history, or the elements of a text list, of the customers of a chunk, those of one
// customer beside each other in (at, id) order: rows start[i] … end[i]-1 are customer i's. A customer of a patched bit has
// its rows at the end of the table, out of order with its neighbours; all others are in order of the customers, and
// start[i] == end[i-1] as long as neither is patched. Rows that belong to nobody any more stay until the table is packed.
type childTable struct {
	rows       int
	start, end []uint32           // chunkRows entries each; they share an array until something is patched
	patched    []uint64           // nil: none
	present    []uint64           // of a text list: bit i: the list is not missing; nil when none is missing
	columns    map[string]*column // rows entries each; a text list has one, named ""
	garbage    int                // how many rows belong to nobody any more
	loose      int                // how many bits of patched are set
}

func (d *dictionary) size() int { return len(d.ends) }

// text is the text of a code. It must not be changed.
func (d *dictionary) text(code uint32) []byte {
	from := uint32(0)
	if code > 0 {
		from = d.ends[code-1]
	}
	return d.bytes[from:d.ends[code]]
}
