package audience

import (
	"context"
	"slices"

	"beckon/campaigns/store"
	"beckon/engine/rules"
)

// customers reads the columns of who was edited, and the figures of the others whose figures changed; who was edited and
// is not there any more has gone.
func (f *follower) customers(ctx context.Context, tx *store.Tx) error {
	im := f.image
	specs := im.heldSpecs()
	figures := slices.DeleteFunc(slices.Clone(specs), func(s columnSpec) bool { return !store.IsFigure(s.name) })
	var edited, counted []int64
	for _, c := range f.changed {
		switch {
		case c.Profile():
			edited = append(edited, c.No)
		case c.Figures() && len(figures) > 0 && im.isLive(c.No):
			counted = append(counted, c.No)
		}
	}
	for nos := range slices.Chunk(counted, followNosMax) {
		if err := f.copyCustomers(ctx, tx, figures, nos, func(int64) {}); err != nil {
			return err
		}
	}
	for nos := range slices.Chunk(edited, followNosMax) {
		found := make(map[int64]bool, len(nos))
		if err := f.copyCustomers(ctx, tx, specs, nos, func(no int64) { found[no] = true }); err != nil {
			return err
		}
		for _, no := range nos {
			if c := im.chunks[no/chunkRows]; c != nil && !found[no] {
				clearBit(c.live, int(no%chunkRows))
			}
		}
	}
	return nil
}

func (im *Image) isLive(no int64) bool {
	c := im.chunks[no/chunkRows]
	return c != nil && bitOf(c.live, int(no%chunkRows))
}

// copyCustomers sets columns in place and replaces the lists of some customers.
func (f *follower) copyCustomers(ctx context.Context, tx *store.Tx, specs []columnSpec, nos []int64, found func(no int64)) error {
	im := f.image
	open := map[int64]*customerChunk{}
	rows := newCustomerRows(specs, func(number int64) *customerChunk {
		if open[number] == nil {
			open[number] = im.patchChunk(number, specs, found)
			f.touched[number] = true
		}
		return open[number]
	})
	if err := tx.CopyCustomers(ctx, rows.names(), store.Span{Nos: nos}, &tuples{row: rows.row}); err != nil {
		return err
	}
	for number, of := range byChunk(nos) {
		c := im.chunks[number]
		for i, spec := range specs {
			switch {
			case spec.kind != rules.TextList || c == nil:
			case open[number] == nil:
				c.lists[spec.name].replace(listStage(), of)
			default:
				c.lists[spec.name].replace(open[number].lists[i], of)
			}
		}
	}
	return nil
}

// patchChunk is a chunk of the image as rows of customers are put into it.
func (im *Image) patchChunk(number int64, specs []columnSpec, found func(no int64)) *customerChunk {
	c := im.chunks[number]
	if c == nil {
		c = im.newChunk(number)
	}
	p := &customerChunk{live: c.live}
	p.each = func(i int) {
		if no := c.base + int64(i); found != nil {
			found(no)
			if !bitOf(c.live, i) {
				im.owed[no] = true
			}
		}
	}
	for _, spec := range specs {
		if spec.kind == rules.TextList {
			p.columns, p.indexes, p.lists = append(p.columns, nil), append(p.indexes, nil), append(p.lists, listStage())
			continue
		}
		column := c.columns[spec.name]
		var index *textIndex
		if spec.kind == rules.Text {
			index = patchIndex(column.texts)
		}
		p.columns, p.indexes, p.lists = append(p.columns, column), append(p.indexes, index), append(p.lists, nil)
	}
	return p
}

// byChunk gives the rows of numbers by their chunks.
func byChunk(nos []int64) map[int64][]int {
	rows := map[int64][]int{}
	for _, no := range nos {
		rows[no/chunkRows] = append(rows[no/chunkRows], int(no%chunkRows))
	}
	return rows
}

// candidates are, for each history, those whose rows may have to be replaced, as far as is known before the customers are
// read: also those who may turn out to have come.
func (f *follower) candidates() [][]int64 {
	im := f.image
	all := make([][]int64, len(f.histories))
	for i, rows := range f.histories {
		for _, c := range f.changed {
			if live := im.isLive(c.No); live && c.History(rows.spec.name) || !live && c.Profile() || im.owed[c.No] {
				all[i] = append(all[i], c.No)
			}
		}
	}
	return all
}

// copyOf reads the rows of some customers.
func (r *historyRows) copyOf(ctx context.Context, tx *store.Tx, nos []int64) error {
	for some := range slices.Chunk(nos, followNosMax) {
		if err := tx.CopyHistory(ctx, r.spec.name, r.spec.names(), r.spec.strict, store.Span{Nos: some}, &tuples{row: r.row}); err != nil {
			return err
		}
	}
	return nil
}

// replace puts the rows read in the place of those of whose rows changed, and of those who came; who went has none.
func (f *follower) replace(rows *historyRows) {
	im := f.image
	var nos []int64
	for _, c := range f.changed {
		if im.chunks[c.No/chunkRows] == nil {
			continue
		}
		if live := im.isLive(c.No); live && c.History(rows.spec.name) || im.owed[c.No] || !live && c.Profile() {
			nos = append(nos, c.No)
		}
	}
	for number, of := range byChunk(nos) {
		s := rows.stages[number]
		if s == nil {
			s = rows.spec.stage()
		}
		im.chunks[number].lists[rows.spec.name].replace(s, of)
		f.touched[number] = true
	}
}

// pack rewrites what the changes have made loose: dictionaries of the chunks that were touched, and some tables.
func (f *follower) pack() {
	packs := 0
	for _, c := range f.image.ordered {
		if f.touched[c.base/chunkRows] {
			for _, column := range c.columns {
				column.packTexts()
			}
		}
		for _, t := range c.lists {
			if t.isLoose() && packs < packsMax {
				t.pack()
				packs++
			}
		}
	}
}
