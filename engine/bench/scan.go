package bench

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"beckon/engine/rules"
)

// The bars of counts: how many times the other's speed. A loop by hand may be 1.5 times as fast as the columns over plain
// attributes, and twice as fast over a history.
const (
	scanVMBar       = 50
	scanLoopBar     = 0.67
	scanPostgresBar = 25
	closureVMBar    = 60
	closureLoopBar  = 0.5
	scanFor         = 500 * time.Millisecond // how long a side goes on in a round, at least
	scanForBrief    = 5 * time.Millisecond
	bytesOfWord     = 8
)

// A scanned rule is counted by the columns, the VM and a loop by hand.
type scanned struct {
	name, source string
	loop         func(b *bareCrowd, at rules.Instant) int64
	vmBar        float64
	loopBar      float64
}

func scannedRules() []scanned {
	return []scanned{
		{"4 clauses", plainRule, (*bareCrowd).plain, scanVMBar, scanLoopBar},
		{"count over purchases", closureRule, (*bareCrowd).closure, closureVMBar, closureLoopBar},
		{"sum over purchases", sumRule, (*bareCrowd).sum, closureVMBar, closureLoopBar},
	}
}

// measureScans counts each rule by every side.
func (a *gathering) measureScans(ctx context.Context) (rows []Row, err error) {
	a.Say("reading the bare arrays")
	if a.bare, err = a.readBare(ctx, audienceDatabase, a.n); err != nil {
		return nil, err
	}
	if err := a.readRecords(ctx, min(a.n, audienceSample)); err != nil {
		return nil, err
	}
	runtime.GC()
	before := busy()
	for _, s := range scannedRules() {
		some, err := a.scan(ctx, s)
		if err != nil {
			return nil, err
		}
		rows = append(rows, some...)
	}
	some, err := a.bothCores(ctx)
	if err != nil {
		return nil, err
	}
	rows = append(rows, some...)
	some, err = a.bandwidth(ctx)
	a.note("the machine's load average, this program and PostgreSQL included, was %s before the counts and %s after them", before, busy())
	return append(rows, some...), err
}

// scan measures a rule on one core: the columns and the loop over all customers, the VM over those who have records. Time
// is the evaluation's: that the image first looks for changes belongs to a count, and is in the rows of both cores.
func (a *gathering) scan(ctx context.Context, s scanned) ([]Row, error) {
	rule, err := rules.Compile(a.schema, s.source)
	if err != nil {
		return nil, err
	}
	all, some := s.loop(a.bare, a.at), s.loop(a.bare.first(len(a.records)), a.at)
	a.Say("%s: %d of %d customers match", s.source, all, a.n)
	columns := a.steady(a.n, all, func() (int64, time.Duration, error) {
		found, err := a.find(ctx, rule, 1)
		if err != nil {
			return 0, 0, err
		}
		return found.Counts[0], found.Scan, nil
	})
	vm := a.steady(len(a.records), some, a.timed(func() (n int64, _ error) {
		for _, record := range a.records {
			if rule.Matches(record, a.at) {
				n++
			}
		}
		return n, nil
	}))
	loop := a.steady(a.n, all, a.timed(func() (int64, error) { return s.loop(a.bare, a.at), nil }))
	measured, err := a.alternate(ctx, s.name, columns, vm, loop)
	if err != nil {
		return nil, err
	}
	return []Row{measured.row(s.name+", one core: columns, VM", "customers/s", 0, 1, s.vmBar),
		measured.row(s.name+", one core: columns, loop by hand", "customers/s", 0, 2, s.loopBar)}, nil
}

// bothCores compares whole counts, the look for changes included, with PostgreSQL's.
func (a *gathering) bothCores(ctx context.Context) ([]Row, error) {
	rule, err := rules.Compile(a.schema, plainRule)
	if err != nil {
		return nil, err
	}
	want := a.bare.plain(a.at)
	columns := a.steady(a.n, want, a.timed(func() (int64, error) {
		found, err := a.find(ctx, rule, runtime.NumCPU())
		if err != nil {
			return 0, err
		}
		return found.Counts[0], nil
	}))
	postgres := a.steady(a.n, want, a.timed(func() (int64, error) { return a.flat.count(ctx) }))
	measured, err := a.alternate(ctx, "4 clauses, all cores", columns, postgres)
	if err != nil {
		return nil, err
	}
	return []Row{measured.row("4 clauses, all cores: columns, PostgreSQL", "customers/s", 0, 1, scanPostgresBar)}, nil
}

// bandwidth says how far from the machine's memory the plain rule is: the bytes of the columns that it reads, a batch that
// is decided early included as if it were read, beside a sum over as many bytes of whole words.
func (a *gathering) bandwidth(ctx context.Context) ([]Row, error) {
	rule, err := rules.Compile(a.schema, plainRule)
	if err != nil {
		return nil, err
	}
	size := int64(0)
	for _, name := range rule.Columns() {
		size += a.image.Stats().BytesOf[name]
	}
	words := make([]int64, max(1, size/bytesOfWord))
	for i := range words {
		words[i] = int64(i)
	}
	last := int64(len(words) - 1)
	want := a.bare.plain(a.at)
	columns := a.steady(int(size), want, func() (int64, time.Duration, error) {
		found, err := a.find(ctx, rule, 1)
		if err != nil {
			return 0, 0, err
		}
		return found.Counts[0], found.Scan, nil
	})
	sum := a.steady(int(size), last*(last+1)/2, a.timed(func() (n int64, _ error) {
		for _, word := range words {
			n += word
		}
		return n, nil
	}))
	measured, err := a.alternate(ctx, "4 clauses, memory read", columns, sum)
	if err != nil {
		return nil, err
	}
	return []Row{measured.row("4 clauses, one core: columns read, plain sum", "bytes/s", 0, 1, 0)}, nil
}

// timed takes the time of a count.
func (a *gathering) timed(count func() (int64, error)) func() (int64, time.Duration, error) {
	return func() (int64, time.Duration, error) {
		began := a.Clock()
		n, err := count()
		return n, a.Clock().Sub(began), err
	}
}

// steady is a side that counts n things again and again for a while; every count must be the wanted one. The first is not
// measured: what it reads may have left the machine's memory since.
func (a *gathering) steady(n int, want int64, count func() (int64, time.Duration, error)) side {
	least := scanFor
	if a.n < flatFrom {
		least = scanForBrief
	}
	return func(context.Context, int) (float64, error) {
		total, times := time.Duration(0), -1
		for began := a.Clock(); times < 1 || a.Clock().Sub(began) < least; times++ {
			got, took, err := count()
			if err != nil {
				return 0, err
			}
			if got != want {
				return 0, fmt.Errorf("%d were counted, not %d", got, want)
			}
			if times >= 0 {
				total += took
			}
		}
		return float64(n) * float64(times) / max(total, time.Microsecond).Seconds(), nil
	}
}
