package audience

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"beckon/campaigns/store"
)

// A look is what a reader finds before anything is changed.
type look struct {
	standing store.Standing
	catalog  *catalog
	wanted   wanted
	changed  []store.Changed
	notes    int64
	mark     string
}

// look reads where the store stands and what has changed since the image's position.
func (im *Image) look(ctx context.Context, tx *store.Tx, needs Needs) (l look, err error) {
	if l.standing, err = tx.Standing(ctx, im.options.Node); err != nil {
		return l, err
	}
	if l.catalog, err = im.catalogAt(ctx, tx, l.standing); err != nil {
		return l, err
	}
	if l.wanted, err = l.catalog.resolve(needs); err != nil {
		return l, err
	}
	if im.names != nil {
		if l.mark, err = tx.NamesMark(ctx); err != nil {
			return l, err
		}
	}
	if l.standing.Follows {
		l.changed, l.notes, err = tx.ChangesSince(ctx, im.position, changesMax)
	}
	return l, err
}

// unchanged says whether the image can be read as it is.
func (l *look) unchanged(im *Image) bool {
	return l.standing.Follows && l.notes == 0 && l.mark == im.mark && len(im.stale(l.catalog)) == 0 && im.has(l.wanted)
}

// catchUp brings the image to the snapshot of tx, with what is needed in it; errAbsent when something is to be loaded first.
func (im *Image) catchUp(ctx context.Context, tx *store.Tx, needs Needs) error {
	began := im.options.Clock()
	l, err := im.look(ctx, tx, needs)
	if err != nil {
		return err
	}
	if !l.standing.Follows || l.notes > changesMax {
		im.options.Log.Warn("too far behind what is committed: audiences are loaded anew", "changes", l.notes, "followed", l.standing.Follows)
		im.reset()
		return errAbsent
	}
	dropped := im.stale(l.catalog)
	if im.names != nil && l.mark != im.mark {
		renamed, err := im.compareNames(ctx, tx, l.mark)
		if err != nil {
			return err
		}
		dropped = append(dropped, renamed...)
	}
	dropped = append(dropped, im.idle(began, l.wanted)...)
	for _, name := range dropped {
		im.drop(name)
	}
	if len(l.changed) > 0 {
		if err := im.apply(ctx, tx, l.changed); err != nil {
			return err
		}
	}
	im.position = l.standing.Position
	if len(l.changed)+len(dropped) > 0 {
		im.measure()
	}
	im.note(l.notes, began)
	if err := im.watchHorizon(ctx, tx); err != nil {
		return err
	}
	if !im.has(l.wanted) {
		return errAbsent
	}
	im.use(l.wanted)
	return im.fit(l.wanted)
}

// fit lets go of what is not wanted now when the changes have made the image too large.
func (im *Image) fit(w wanted) error {
	if im.Stats().Bytes <= im.options.BytesMax {
		return nil
	}
	im.dropOthers(w)
	im.measure()
	if im.Stats().Bytes > im.options.BytesMax {
		return ErrTooLarge
	}
	return nil
}

func (im *Image) note(behind int64, began time.Time) {
	now := im.options.Clock()
	im.mu.Lock()
	im.stats.Behind, im.stats.CaughtUpAt, im.stats.CatchUp = behind, now, now.Sub(began)
	im.mu.Unlock()
}

// stale are the columns and histories that are no longer what their names mean.
func (im *Image) stale(c *catalog) []string {
	var names []string
	for name, held := range im.columns {
		if c.columns[name] != held.spec {
			names = append(names, name)
		}
	}
	for name, held := range im.tables {
		needs := Needs{Fields: map[string][]string{name: held.spec.names()}, Strict: map[string]bool{name: held.spec.strict}}
		if now, err := c.resolve(needs); err != nil || !held.spec.holds(now.tables[name]) {
			names = append(names, name)
		}
	}
	return names
}

// idle are those that nobody has used for long.
func (im *Image) idle(now time.Time, w wanted) []string {
	var names []string
	for name, held := range im.columns {
		if _, is := w.columns[name]; !is && now.Sub(held.usedAt) > im.options.IdleFor {
			names = append(names, name)
		}
	}
	for name, held := range im.tables {
		if _, is := w.tables[name]; !is && now.Sub(held.usedAt) > im.options.IdleFor {
			names = append(names, name)
		}
	}
	return names
}

// compareNames finds the histories that show a name which is another now.
func (im *Image) compareNames(ctx context.Context, tx *store.Tx, mark string) ([]string, error) {
	now, err := tx.Names(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	if renamed(im.names, now) {
		for name, held := range im.tables {
			if held.spec.namesElsewhere() {
				names = append(names, name)
			}
		}
	}
	im.names, im.mark = now, mark
	return names, nil
}

// apply reads what is held of the customers who changed, and puts it in the place of what was. It may be done twice, and
// where it ends half-way the next catch-up does it again.
func (im *Image) apply(ctx context.Context, tx *store.Tx, changed []store.Changed) error {
	f := &follower{image: im, changed: changed, touched: map[int64]bool{}}
	for _, name := range slices.Sorted(maps.Keys(im.tables)) {
		f.histories = append(f.histories, newHistoryRows(im.tables[name].spec))
	}
	if err := f.read(ctx, tx); err != nil {
		return err
	}
	for _, rows := range f.histories {
		f.replace(rows)
	}
	f.pack()
	clear(im.owed)
	return nil
}

// A follower is one application of changes.
type follower struct {
	image     *Image
	changed   []store.Changed // in order of no
	histories []*historyRows
	touched   map[int64]bool // chunks
}

// read reads customers and, when there are many, histories beside them on a second connection.
func (f *follower) read(ctx context.Context, tx *store.Tx) error {
	wanted := f.candidates()
	readHistories := func(tx *store.Tx) error {
		for i, rows := range f.histories {
			if err := rows.copyOf(ctx, tx, wanted[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if len(f.changed) >= twinFrom && len(f.histories) > 0 {
		twin, end, err := tx.Twin(ctx)
		if err != nil {
			return err
		}
		defer end()
		if twin != nil {
			beside := make(chan error, 1)
			go func() { beside <- readHistories(twin) }()
			err := f.customers(ctx, tx)
			return errors.Join(err, <-beside)
		}
	}
	if err := f.customers(ctx, tx); err != nil {
		return err
	}
	return readHistories(tx)
}
