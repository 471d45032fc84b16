package audience

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"beckon/campaigns/store"
	"beckon/engine/rules"
)

// Vector is the executor over the image: columns in memory, all cores. Customers whom it cannot decide are finished with
// the reference, in the snapshot that the image stands at.
type Vector struct {
	Image   *Image
	Workers int // how many chunks are worked on at a time

	patience time.Duration // for what has to be loaded; 0: as long as it takes
}

// Name is "vector".
func (Vector) Name() string { return ByVector }

// Find loads what is not held, and evaluates. ErrTooLarge: what the question reads does not fit into the image's memory.
func (v Vector) Find(ctx context.Context, s *store.Store, q Question) (*Answer, error) {
	started := s.Now()
	f := &vectorFind{Vector: v, question: q, answer: newAnswer(q, ByVector)}
	f.reach = slices.Sorted(maps.Keys(f.answer.Reachable))
	err := v.read(ctx, s, f)
	f.answer.Took = s.Now().Sub(started)
	return f.answer, err
}

// read gives up with errWaiting when the patience ends before the image is ready.
func (v Vector) read(ctx context.Context, s *store.Store, f *vectorFind) error {
	if v.patience == 0 {
		return v.Image.Read(ctx, s, f.needs(), func(tx *store.Tx, chunks []*chunk) error { return f.read(ctx, tx, chunks) })
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	patience := time.AfterFunc(v.patience, func() { cancel(errWaiting) })
	defer patience.Stop()
	err := v.Image.Read(ctx, s, f.needs(), func(tx *store.Tx, chunks []*chunk) error {
		patience.Stop()
		return f.read(ctx, tx, chunks)
	})
	if errors.Is(context.Cause(ctx), errWaiting) {
		return errWaiting
	}
	return err
}

// vectorFind is one question on its way.
type vectorFind struct {
	Vector
	question Question
	answer   *Answer
	reach    []string // kinds of address, sorted
}

// plans are those of the conditions from first to before end, which have one instant, and of reachability after the first
// condition.
func (f *vectorFind) plans(q Question, first, end int) []*vectorPlan {
	var plans []*vectorPlan
	for i, asked := range q.Conditions[first:end] {
		bound := asked.bind()
		plans = append(plans, plan(bound))
		if first+i > 0 {
			continue
		}
		for _, kind := range f.reach {
			names := ReachColumns()[kind]
			plans = append(plans, plan(bound.Where(names[0], names[1])))
		}
	}
	return plans
}

// groups are where runs of conditions of one instant begin, and the end.
func (q Question) groups() []int {
	var starts []int
	for i, asked := range q.Conditions {
		if i == 0 || asked.At != q.Conditions[i-1].At {
			starts = append(starts, i)
		}
	}
	return append(starts, len(q.Conditions))
}

func (f *vectorFind) needs() Needs {
	var needs Needs
	groups := f.question.groups()
	for i := range len(groups) - 1 {
		for _, p := range f.plans(f.question, groups[i], groups[i+1]) {
			needs = needs.and(p.Needs())
		}
	}
	for _, asked := range f.question.Conditions {
		for _, r := range asked.Rule.Ranks() {
			needs = needs.and(planValue(r.Value.Bind(asked.At)).Needs()).With([]string{"id"}, nil)
		}
	}
	return needs
}

func (f *vectorFind) read(ctx context.Context, tx *store.Tx, chunks []*chunk) error {
	began := f.Image.options.Clock()
	defer func() { f.answer.Scan = f.Image.options.Clock().Sub(began) }()
	for _, c := range chunks {
		f.answer.Total += int64(popcount(c.live))
	}
	q, err := f.question.ranked(f.answer.Total, func(places []*standing) error { return f.cut(ctx, tx, chunks, places) })
	if err != nil {
		return err
	}
	groups := q.groups()
	for i := range len(groups) - 1 {
		if err := f.group(ctx, tx, chunks, q, groups[i], groups[i+1]); err != nil {
			return err
		}
		if q.Progress != nil {
			if err := q.Progress(f.answer.Total); err != nil {
				return err
			}
		}
	}
	return nil
}

// group evaluates conditions of one instant.
func (f *vectorFind) group(ctx context.Context, tx *store.Tx, chunks []*chunk, q Question, first, end int) error {
	plans := f.plans(q, first, end)
	found, err := evaluate(ctx, chunks, plans, f.Workers)
	if err != nil {
		return err
	}
	kinds := len(plans) - (end - first) // of reachability
	left := make([][]int64, end-first)
	for i, m := range found {
		base, p := chunks[i/len(plans)].base, i%len(plans)
		count := int64(popcount(m.bits))
		if p > 0 && p <= kinds {
			f.answer.Reachable[f.reach[p-1]] += count
			continue // of those who are left the reference says it together with whether they match
		}
		if p > 0 {
			p -= kinds
		}
		if first+p == 0 && f.answer.Members != nil {
			addBits(f.answer.Members, base, m.bits)
		}
		if f.answer.Sets != nil {
			addBits(f.answer.Sets[first+p], base, m.bits)
		}
		f.answer.Counts[first+p] += count
		eachBit(m.left, func(row int) { left[p] = append(left[p], base+int64(row)) })
	}
	for p, nos := range left {
		if err := f.finish(ctx, tx, q, first+p, nos); err != nil {
			return err
		}
	}
	return nil
}

// addBits puts rows of a chunk into a set of customers.
func addBits(set *roaring64.Bitmap, base int64, bits []uint64) {
	nos := make([]uint64, 0, popcount(bits))
	eachBit(bits, func(row int) { nos = append(nos, uint64(base)+uint64(row)) })
	set.AddMany(nos)
}

// finish asks the reference about the customers whom a condition left over.
func (f *vectorFind) finish(ctx context.Context, tx *store.Tx, q Question, i int, nos []int64) error {
	f.answer.Left += int64(len(nos))
	asked, needs := q.Conditions[i], q.needs()
	for some := range slices.Chunk(nos, SpanSize) {
		err := Each(ctx, tx, store.Span{Nos: some}, needs, asked.At, func(no int64, record rules.Record) error {
			is, err := asked.decide(ctx, record)
			if is && err == nil {
				f.answer.join(i, no, record)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
