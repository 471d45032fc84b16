package audience

import (
	"context"
	"maps"
	"slices"

	"beckon/campaigns/store"
	"beckon/engine/rules"
)

// A load reads what an image lacks, in one snapshot, while the image goes on being read and followed.
type load struct {
	image    *Image
	needs    Needs
	held     map[string]columnSpec
	tables   map[string]tableSpec
	bytesOf  map[string]int64
	wanted   wanted
	position store.Position
	names    map[string]string
	mark     string
	bytesMax int64 // for what is loaded
	evict    bool  // what is held and not wanted has to go first

	missing   []columnSpec
	histories []tableSpec
	customers map[int64]*customerChunk
	rows      map[string]map[int64]*childTable
	read      int64 // rows so far
	installed bool
}

// load reads what of the needs is not held and installs it. It goes on when who asked has gone: somebody who types asks
// again at once, and would never see the end of it.
func (im *Image) load(ctx context.Context, s *store.Store, needs Needs) error {
	if err := take(ctx, im.loading); err != nil {
		return err
	}
	going, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() {
		defer func() { im.loading <- struct{}{} }()
		defer cancel()
		ended <- im.loadAlone(going, s, needs)
	}()
	go func() {
		select {
		case <-im.closed:
			cancel()
		case <-going.Done():
		}
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (im *Image) loadAlone(ctx context.Context, s *store.Store, needs Needs) error {
	if err := im.register(ctx, s); err != nil {
		return err
	}
	l, err := im.beginLoad(ctx, needs)
	if err != nil {
		return err
	}
	defer im.setFloor(0)
	ended := im.beginProgress()
	defer ended(l)
	if err := s.View(ctx, func(tx *store.Tx) error { return l.run(ctx, tx) }); err != nil {
		return err
	}
	if err := im.gate.exclude(ctx); err != nil {
		return err
	}
	defer im.gate.open()
	im.install(l)
	l.installed = true
	return nil
}

// register makes the store keep the changes from before the load's snapshot on.
func (im *Image) register(ctx context.Context, s *store.Store) error {
	im.mu.Lock()
	registered := im.registered
	im.mu.Unlock()
	if registered {
		return nil
	}
	if err := s.Follow(ctx, im.options.Node, im.options.Name); err != nil {
		return err
	}
	im.mu.Lock()
	im.registered = true
	im.mu.Unlock()
	return nil
}

// beginLoad looks at what is held. The changes since the image's present position are kept until the load is installed.
func (im *Image) beginLoad(ctx context.Context, needs Needs) (*load, error) {
	if err := im.gate.share(ctx); err != nil {
		return nil, err
	}
	defer im.gate.leave()
	l := &load{image: im, needs: needs, held: map[string]columnSpec{}, tables: map[string]tableSpec{}, bytesOf: im.Stats().BytesOf,
		customers: map[int64]*customerChunk{}, rows: map[string]map[int64]*childTable{}}
	for name, held := range im.columns {
		l.held[name] = held.spec
	}
	for name, held := range im.tables {
		l.tables[name] = held.spec
	}
	im.setFloor(im.position.Low)
	return l, nil
}

func (im *Image) setFloor(low uint64) {
	im.mu.Lock()
	im.floor = low
	im.mu.Unlock()
}

func (l *load) run(ctx context.Context, tx *store.Tx) error {
	if err := l.plan(ctx, tx); err != nil {
		return err
	}
	if len(l.missing)+len(l.histories) == 0 && len(l.held)+len(l.tables) > 0 {
		return nil // somebody else loaded it meanwhile
	}
	if err := l.estimate(ctx, tx); err != nil {
		return err
	}
	rows := newCustomerRows(l.missing, l.customerChunk)
	if err := tx.CopyCustomers(ctx, rows.names(), store.Span{}, &tuples{row: l.counted(limited(rows.row, l.within))}); err != nil {
		return err
	}
	for _, spec := range l.histories {
		if err := l.history(ctx, tx, spec); err != nil {
			return err
		}
	}
	for _, c := range l.customers {
		for _, column := range c.columns {
			if column != nil {
				column.settle(c.live)
			}
		}
	}
	return nil
}

// plan finds what is missing.
func (l *load) plan(ctx context.Context, tx *store.Tx) error {
	standing, err := tx.Standing(ctx, l.image.options.Node)
	if err != nil {
		return err
	}
	if !standing.Follows {
		l.image.mu.Lock()
		l.image.lost = true
		l.image.mu.Unlock()
		return errAbsent
	}
	l.position = standing.Position
	known, err := l.image.catalogAt(ctx, tx, standing)
	if err != nil {
		return err
	}
	if l.wanted, err = known.resolve(l.needs); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(l.wanted.columns)) {
		if spec := l.wanted.columns[name]; l.held[name] != spec {
			l.missing = append(l.missing, spec)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.wanted.tables)) {
		held, want := l.tables[name], l.wanted.tables[name]
		if held.name == "" || !held.holds(want) {
			l.histories = append(l.histories, held.and(want))
		}
	}
	if !slices.ContainsFunc(l.histories, tableSpec.namesElsewhere) {
		return nil
	}
	if l.mark, err = tx.NamesMark(ctx); err != nil {
		return err
	}
	l.names, err = tx.Names(ctx)
	return err
}

// estimate refuses what will not fit, before it is read.
func (l *load) estimate(ctx context.Context, tx *store.Tx) error {
	customers, err := tx.RowsAbout(ctx, "customers")
	if err != nil {
		return err
	}
	need := customers * widths(l.missing)
	for _, spec := range l.histories {
		rows, err := tx.RowsAbout(ctx, spec.name)
		if err != nil {
			return err
		}
		for _, f := range spec.fields {
			need += rows * width(f.kind)
		}
	}
	var all, kept int64
	for name, n := range l.bytesOf {
		all += n
		_, column := l.wanted.columns[name]
		if _, table := l.wanted.tables[name]; column || table {
			kept += n
		}
	}
	l.evict = all+need > l.image.options.BytesMax
	if l.evict {
		all = kept
	}
	l.bytesMax = l.image.options.BytesMax - all
	if need > l.bytesMax {
		return ErrTooLarge
	}
	return nil
}

// width is about how many bytes an entry takes.
func width(kind rules.Type) int64 {
	switch kind {
	case rules.Bool, rules.Int, rules.DateType:
		return 2
	case rules.Number, rules.TextList:
		return 8
	}
	return 4
}

func widths(specs []columnSpec) int64 {
	n := int64(0)
	for _, spec := range specs {
		n += width(spec.kind)
	}
	return n
}

// within refuses what has grown too large while it was read.
func (l *load) within() error {
	n := int64(0)
	for _, c := range l.customers {
		n += c.bytes()
	}
	for _, tables := range l.rows {
		for _, t := range tables {
			n += t.bytes()
		}
	}
	if n > l.bytesMax {
		return ErrTooLarge
	}
	return nil
}

func (l *load) customerChunk(number int64) *customerChunk {
	c := l.customers[number]
	if c == nil {
		c = newCustomerChunk(l.missing)
		l.customers[number] = c
	}
	return c
}

// history reads one and puts its rows in order. Rows of guests, who are no customers, are left out.
func (l *load) history(ctx context.Context, tx *store.Tx, spec tableSpec) error {
	rows := newHistoryRows(spec)
	check := func() error {
		n := int64(0)
		for _, s := range rows.stages {
			n += s.bytes()
		}
		if n > l.bytesMax {
			return ErrTooLarge
		}
		return l.within()
	}
	if err := tx.CopyHistory(ctx, spec.name, spec.names(), spec.strict, store.Span{}, &tuples{row: l.counted(limited(rows.row, check))}); err != nil {
		return err
	}
	tables := make(map[int64]*childTable, len(rows.stages))
	for number, s := range rows.stages {
		if c := l.customers[number]; c != nil {
			tables[number] = s.table(c.live)
		}
		delete(rows.stages, number)
	}
	l.rows[spec.name] = tables
	return nil
}
