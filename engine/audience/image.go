package audience

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// ErrTooLarge says that what is needed does not fit into the memory that the image may take.
var ErrTooLarge = errors.New("the customers do not fit into the memory that audiences may take")

// errAbsent says that something is to be loaded first.
var errAbsent = errors.New("not held in memory yet")

const (
	changesMax   = 2_000_000        // a node that is further behind loads anew
	idleFor      = 30 * time.Minute // what no rule used for so long is dropped, unless ImageOptions says another time
	moveEvery    = 5 * time.Second  // how often the store is told how far the image has read
	horizonFor   = time.Minute      // an open transaction that is older is reported
	attemptsMax  = 6                // how often one reader loads before it gives up
	packsMax     = 32               // how many tables of chunks one catch-up packs
	followNosMax = 50_000           // how many customers one statement of a catch-up names
	twinFrom     = 1000             // how many changed customers are worth a second connection
)

// An Image holds customers and their histories in memory, as columns: those that were asked for, and no others. It is
// loaded from PostgreSQL and follows what is committed from then on. All its methods may be called at once.
type Image struct {
	options ImageOptions
	gate    gate
	loading chan struct{} // one load at a time, so that what two ask for at once is loaded once
	closed  chan struct{}
	closing sync.Once

	// Changed alone, read together.
	chunks   map[int64]*chunk
	ordered  []*chunk
	position store.Position
	columns  map[string]*heldColumn
	tables   map[string]*heldTable
	names    map[string]string // of offers and campaigns, as they were when tables that show them were loaded
	mark     string            // of names
	catalog  atomic.Pointer[catalog]
	owed     map[int64]bool // customers who came in a catch-up that failed half-way

	mu         sync.Mutex // guards what follows
	registered bool
	lost       bool   // the store forgot this node: load anew
	floor      uint64 // the position below which a load that is under way may still need changes; 0: none
	movedAt    time.Time
	horizon    horizon
	stats      ImageStats
}

// ImageOptions of NewImage: the node under whose id the store knows this image, a name for people, the most bytes that it
// may take, and the clock.
type ImageOptions struct {
	Node     campaigns.ID
	Name     string
	BytesMax int64
	Clock    func() time.Time
	Log      *slog.Logger
	IdleFor  time.Duration // what no rule has used for so long is dropped; half an hour if 0
}

type heldColumn struct {
	spec   columnSpec
	usedAt time.Time
}

type heldTable struct {
	spec   tableSpec
	usedAt time.Time
}

// ImageStats is what an image holds and how it follows. BytesOf is by column, and by history.
type ImageStats struct {
	Bytes     int64
	BytesOf   map[string]int64
	Customers int64
	Rows      int64 // of all histories

	Behind     int64 // notes of changes that the last catch-up found
	CaughtUpAt time.Time
	CatchUp    time.Duration

	LoadingSince time.Time     // when the load that is under way began; zero: none is
	LoadingRows  int64         // what it has read so far
	Load         time.Duration // how long the last one took

	HorizonAge time.Duration // how long the oldest open transaction has kept changes unsettled, from a minute on
	Horizon    store.Holder  // who runs it
}

// NewImage is empty.
func NewImage(options ImageOptions) *Image {
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	options.IdleFor = cmp.Or(options.IdleFor, idleFor)
	im := &Image{options: options, gate: newGate(), loading: make(chan struct{}, 1), closed: make(chan struct{})}
	im.loading <- struct{}{}
	im.reset()
	return im
}

// Read loads what is needed and not held, opens a View, brings the image to exactly its snapshot and calls read; nobody
// changes the image until read returns. ErrTooLarge: the needs do not fit. Call it outside any transaction, and do not
// call it in read.
func (im *Image) Read(ctx context.Context, s *store.Store, needs Needs, read func(tx *store.Tx, chunks []*chunk) error) error {
	for range attemptsMax {
		err := im.attempt(ctx, s, needs, read)
		if !errors.Is(err, errAbsent) {
			if moved := im.move(ctx, s, moveEvery); err == nil && moved != nil && ctx.Err() == nil {
				im.options.Log.Warn("the store could not be told how far audiences have read", "err", moved)
			}
			return err
		}
		if err := im.load(ctx, s, needs); err != nil && !errors.Is(err, errAbsent) {
			return err
		}
	}
	return campaigns.Unavailable(nil, "what the rule reads changes faster than it can be loaded: try again")
}

// Hold loads what is needed and not held, and catches up. ErrTooLarge: the needs do not fit.
func (im *Image) Hold(ctx context.Context, s *store.Store, needs Needs) error {
	return im.Read(ctx, s, needs, func(*store.Tx, []*chunk) error { return nil })
}

// Keep catches up when nobody asks, so that the image neither falls behind nor counts as dead: call it every minute or so.
func (im *Image) Keep(ctx context.Context, s *store.Store) error {
	err := im.alone(ctx, s, Needs{}, func(*store.Tx, []*chunk) error { return nil })
	if err != nil && !errors.Is(err, errAbsent) {
		return err
	}
	return im.move(ctx, s, 0)
}

// Close ends a load, empties the image for good and lets the store forget it.
func (im *Image) Close(ctx context.Context, s *store.Store) error {
	im.closing.Do(func() { close(im.closed) })
	if err := take(ctx, im.loading); err != nil {
		return err
	}
	defer func() { im.loading <- struct{}{} }()
	if err := im.gate.exclude(ctx); err != nil {
		return err
	}
	defer im.gate.open()
	im.reset()
	return s.Leave(ctx, im.options.Node)
}

// Stats tells what the image holds, as of its last change.
func (im *Image) Stats() ImageStats {
	im.mu.Lock()
	defer im.mu.Unlock()
	stats := im.stats
	stats.BytesOf = maps.Clone(stats.BytesOf)
	return stats
}

// attempt reads beside others when nothing has changed since; else it waits to be alone, and catches up first.
func (im *Image) attempt(ctx context.Context, s *store.Store, needs Needs, read func(tx *store.Tx, chunks []*chunk) error) error {
	if im.gate.busy() {
		if done, err := im.beside(ctx, s, needs, read); done || err != nil {
			return err
		}
	}
	return im.alone(ctx, s, needs, read)
}

// beside reads without changing the image; done is false when it would have to be changed.
func (im *Image) beside(ctx context.Context, s *store.Store, needs Needs, read func(tx *store.Tx, chunks []*chunk) error) (done bool, err error) {
	if err := im.gate.share(ctx); err != nil {
		return false, err
	}
	defer im.gate.leave()
	if im.position.IsZero() {
		return false, nil
	}
	err = s.View(ctx, func(tx *store.Tx) error {
		look, err := im.look(ctx, tx, needs)
		if err != nil || !look.unchanged(im) {
			return err
		}
		done = true
		return read(tx, im.ordered)
	})
	return done, err
}

func (im *Image) alone(ctx context.Context, s *store.Store, needs Needs, read func(tx *store.Tx, chunks []*chunk) error) error {
	if err := im.gate.exclude(ctx); err != nil {
		return err
	}
	leave := im.gate.open
	defer func() { leave() }()
	if im.isLost() {
		im.reset()
	}
	if im.position.IsZero() {
		return errAbsent
	}
	return s.View(ctx, func(tx *store.Tx) error {
		if err := im.catchUp(ctx, tx, needs); err != nil {
			return err
		}
		im.gate.admit()
		leave = im.gate.leave
		return read(tx, im.ordered)
	})
}

func (im *Image) isLost() bool {
	im.mu.Lock()
	defer im.mu.Unlock()
	return im.lost
}

// reset empties the image; what is asked for next is loaded anew.
func (im *Image) reset() {
	im.chunks, im.ordered, im.position = map[int64]*chunk{}, nil, store.Position{}
	im.columns, im.tables = map[string]*heldColumn{}, map[string]*heldTable{}
	im.names, im.mark, im.owed = nil, "", map[int64]bool{}
	im.mu.Lock()
	im.registered, im.lost = false, false
	im.stats = ImageStats{LoadingSince: im.stats.LoadingSince, LoadingRows: im.stats.LoadingRows, Load: im.stats.Load}
	im.mu.Unlock()
}

// move tells the store how far the image has read, unless it was told within a time. A store that has forgotten the node
// may have trimmed what it had still to read.
func (im *Image) move(ctx context.Context, s *store.Store, within time.Duration) error {
	if err := im.gate.share(ctx); err != nil {
		return err
	}
	now := im.options.Clock()
	im.mu.Lock() // while the gate is held: a load that is installed in between would move the position back
	position := im.position
	due := !position.IsZero() && (within == 0 || now.Sub(im.movedAt) >= within)
	if due {
		im.movedAt = now
	}
	if im.floor > 0 {
		position.Low = min(position.Low, im.floor)
	}
	im.mu.Unlock()
	im.gate.leave()
	if !due {
		return nil
	}
	kept, err := s.MoveOn(ctx, im.options.Node, position)
	if err == nil && !kept {
		im.mu.Lock()
		im.lost = true
		im.mu.Unlock()
	}
	return err
}

// has says whether all that is wanted is held, and that it was used now.
func (im *Image) has(w wanted) bool {
	for name, spec := range w.columns {
		if held := im.columns[name]; held == nil || held.spec != spec {
			return false
		}
	}
	for name, spec := range w.tables {
		if held := im.tables[name]; held == nil || !held.spec.holds(spec) {
			return false
		}
	}
	return true
}

func (im *Image) use(w wanted) {
	now := im.options.Clock()
	for name := range w.columns {
		im.columns[name].usedAt = now
	}
	for name := range w.tables {
		im.tables[name].usedAt = now
	}
}

// drop lets go of a column or a history.
func (im *Image) drop(name string) {
	delete(im.columns, name)
	delete(im.tables, name)
	for _, c := range im.ordered {
		delete(c.columns, name)
		delete(c.lists, name)
	}
}

// measure counts what the image holds.
func (im *Image) measure() {
	of := map[string]int64{}
	var all, customers, rows int64
	for _, c := range im.ordered {
		for name, column := range c.columns {
			of[name] += column.bytes()
		}
		for name, table := range c.lists {
			of[name] += table.bytes()
			if im.tables[name] != nil {
				rows += int64(table.rows - table.garbage)
			}
		}
		all += int64(8 * len(c.live))
		customers += int64(popcount(c.live))
	}
	for _, n := range of {
		all += n
	}
	im.mu.Lock()
	im.stats.Bytes, im.stats.BytesOf, im.stats.Customers, im.stats.Rows = all, of, customers, rows
	im.mu.Unlock()
}

// heldSpecs are the columns held, by name.
func (im *Image) heldSpecs() []columnSpec {
	specs := make([]columnSpec, 0, len(im.columns))
	for _, name := range slices.Sorted(maps.Keys(im.columns)) {
		specs = append(specs, im.columns[name].spec)
	}
	return specs
}
