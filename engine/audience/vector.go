package audience

import (
	"context"
	"sync"
	"sync/atomic"

	"beckon/engine/rules"
)

// matches are the customers of a chunk who match a rule, and those whom only the reference executor can decide: bit i of
// each is row i, chunkRows bits. left is nil when there are none.
type matches struct {
	bits []uint64
	left []uint64
}

// program is several plans as one, so that what they share is worked out once.
type program struct {
	steps   *steps
	roots   []*step
	left    []bool // of each root: whether the reference finishes what it says yes to
	clock   *clock
	dates   *dateDomains
	rowsMax int // of a frame
	// Of what a worker takes for a batch; its blocks may be a few times as large.
	bytesMax int
	isOver   func() error // nobody waits for the answer any more
}

// batchBytesMax bounds what the steps of a batch take together: a batch that takes more is halved.
const batchBytesMax = 64 << 20

// batchEnds is what a worker panics with when a batch is not to be finished.
type batchEnds struct{}

// evaluate finds the customers of every chunk who match each of several rules of one currency and zone; their instants may
// differ. The answer has one matches for each chunk and rule, the rules of a chunk beside each other. So many workers take
// chunk after chunk; the error is ctx's.
func evaluate(ctx context.Context, chunks []*chunk, plans []*vectorPlan, workers int) ([]matches, error) {
	out := make([]matches, len(chunks)*len(plans))
	p := newProgram(chunks, plans)
	p.isOver = ctx.Err
	var next atomic.Int64
	var wait sync.WaitGroup
	for range max(1, min(workers, len(chunks))) {
		wait.Go(func() {
			w := p.worker()
			for {
				i := int(next.Add(1)) - 1
				if i >= len(chunks) || ctx.Err() != nil {
					return
				}
				w.evaluateChunk(ctx, chunks[i], out[i*len(plans):(i+1)*len(plans)])
			}
		})
	}
	wait.Wait()
	return out, ctx.Err()
}

func newProgram(chunks []*chunk, plans []*vectorPlan) *program {
	p := &program{steps: newSteps(), rowsMax: frameRowsMax, bytesMax: batchBytesMax, isOver: func() error { return nil }}
	p.roots = p.steps.merge(plans)
	for _, plan := range plans {
		p.left = append(p.left, plan.left != "")
		p.clock = plan.clock
	}
	p.dates = &dateDomains{chunks: chunks, known: map[int]*domain{}}
	return p
}

// worker evaluates chunks, one batch at a time, with memory of its own.
type worker struct {
	*program
	scratch
	chunk    *chunk
	domains  map[domainKey]*domain
	sets     map[int][]int64 // lists that are written out, by step
	tooLarge bool            // a frame of the batch had too many rows, or its steps took too much memory
	looks    int
}

func (p *program) worker() *worker { return &worker{program: p, sets: map[int][]int64{}} }

func (w *worker) evaluateChunk(ctx context.Context, c *chunk, out []matches) {
	w.chunk, w.domains = c, map[domainKey]*domain{}
	for i := range out {
		out[i].bits = make([]uint64, chunkRows/wordBits)
	}
	for first := 0; first < chunkRows && ctx.Err() == nil; first += batchRows {
		if anyBit(c.live, first, batchRows) {
			w.span(first, batchRows, out)
		}
	}
	patched := w.patchedRows()
	for len(patched) > 0 && ctx.Err() == nil {
		n := min(len(patched), batchRows)
		w.picks(patched[:n], out)
		patched = patched[n:]
	}
	for i := range out {
		if w.left[i] {
			out[i].left, out[i].bits = union64(out[i].left, out[i].bits), make([]uint64, chunkRows/wordBits)
		}
	}
}

func union64(a, b []uint64) []uint64 {
	if a == nil {
		return b
	}
	for i := range a {
		a[i] |= b[i]
	}
	return a
}

// patchedRows are the living customers of whose lists one lies out of order.
func (w *worker) patchedRows() []uint32 {
	all := make([]uint64, chunkRows/wordBits)
	for _, s := range w.steps.all {
		if s.op != rules.History && (s.op != rules.Column || s.kind != rules.List) {
			continue
		}
		if t := w.chunk.lists[s.name]; t != nil && t.patched != nil {
			union64(all, t.patched)
		}
	}
	andBits(all, w.chunk.live)
	var rows []uint32
	eachBit(all, func(i int) { rows = append(rows, uint32(i)) })
	return rows
}

// span evaluates the customers first … first+rows-1 of the chunk.
func (w *worker) span(first, rows int, out []matches) {
	root := w.begin(rows)
	root.first = first
	live := w.bits(rows)
	copyBits(live, w.chunk.live, first)
	trim(live, rows)
	w.whole(func() {
		for i, s := range w.roots {
			found := w.copyOf(live)
			w.refine(s, root, found)
			if w.tooLarge {
				break
			}
			trim(found, rows)
			pasteBits(out[i].bits, found, first)
		}
	})
	switch {
	case w.isOver() != nil:
	case w.tooLarge && rows > 1:
		w.span(first, rows/2, out)
		w.span(first+rows/2, rows-rows/2, out)
	case w.tooLarge && isSet(w.chunk.live, first):
		leave(out, first)
	}
}

// picks evaluates customers by their rows, and puts what it finds in the place of what was found before.
func (w *worker) picks(rows []uint32, out []matches) {
	root := w.begin(len(rows))
	root.index = rows
	w.whole(func() {
		for i, s := range w.roots {
			found := w.ones(len(rows))
			w.refine(s, root, found)
			if w.tooLarge {
				break
			}
			for j, row := range rows {
				out[i].bits[row/wordBits] &^= 1 << (row % wordBits)
				if isSet(found, j) {
					out[i].bits[row/wordBits] |= 1 << (row % wordBits)
				}
			}
		}
	})
	switch half := len(rows) / 2; {
	case w.isOver() != nil:
	case w.tooLarge && half > 0:
		w.picks(rows[:half], out)
		w.picks(rows[half:], out)
	case w.tooLarge:
		leave(out, int(rows[0]))
	}
}

// begin is the root frame of a batch; what the batch before has used is free.
func (w *worker) begin(rows int) *frame {
	w.reset()
	w.tooLarge = false
	root := w.newFrame(rows, nil)
	root.columns = w.chunk.columns
	return root
}

// whole runs what works a batch out; when the batch cannot be finished, tooLarge is set.
func (w *worker) whole(work func()) {
	defer func() {
		if r := recover(); r != nil {
			if _, ends := r.(batchEnds); !ends {
				panic(r)
			}
			w.tooLarge = true
		}
	}()
	work()
}

// look ends a batch that takes too much memory or time: what is worked out for nobody.
func (w *worker) look() {
	const lookEvery = 1 << 6
	w.looks++
	if w.tooLarge || w.bytes() > w.bytesMax || w.looks%lookEvery == 0 && w.isOver() != nil {
		panic(batchEnds{})
	}
}

// leave hands a customer to the reference: their lists are too large.
func leave(out []matches, row int) {
	for i := range out {
		if out[i].left == nil {
			out[i].left = make([]uint64, chunkRows/wordBits)
		}
		out[i].left[row/wordBits] |= 1 << (row % wordBits)
		out[i].bits[row/wordBits] &^= 1 << (row % wordBits)
	}
}

// pasteBits adds bits to a bitmap from a place on.
func pasteBits(out, bits []uint64, first int) {
	at, shift := first/wordBits, uint(first%wordBits)
	for i, word := range bits {
		out[at+i] |= word << shift
		if shift != 0 && word>>(wordBits-shift) != 0 {
			out[at+i+1] |= word >> (wordBits - shift)
		}
	}
}
