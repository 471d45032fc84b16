package audience

import (
	"slices"

	"beckon/engine/rules"
)

// install puts what was loaded into the image. Where the image is ahead of the load or behind it, its position becomes
// what both have seen: the next catch-up applies what lies between, some of it a second time.
func (im *Image) install(l *load) {
	if l.position.IsZero() || im.isLost() {
		return
	}
	first := im.position.IsZero()
	if first {
		im.position = l.position
		for _, number := range sortedKeys(l.customers) {
			im.newChunk(number).live = l.customers[number].live
		}
	} else {
		im.position = im.position.Within(l.position)
	}
	if l.evict {
		im.dropOthers(l.wanted)
	}
	now := im.options.Clock()
	for i, spec := range l.missing {
		im.drop(spec.name)
		im.columns[spec.name] = &heldColumn{spec, now}
		im.installColumn(l, i, spec)
	}
	for _, spec := range l.histories {
		if spec.namesElsewhere() && !im.takeNames(l) {
			continue
		}
		im.drop(spec.name)
		im.tables[spec.name] = &heldTable{spec, now}
		for number, c := range im.chunks {
			c.lists[spec.name] = l.rows[spec.name][number]
			if c.lists[spec.name] == nil {
				c.lists[spec.name] = emptyTable(spec.names(), spec.kinds(), false)
			}
		}
	}
	im.measure()
}

func (im *Image) installColumn(l *load, i int, spec columnSpec) {
	for number, c := range im.chunks {
		from := l.customers[number]
		switch {
		case from == nil:
			im.blank(c, spec)
		case spec.kind == rules.TextList:
			c.lists[spec.name] = from.lists[i].table(from.live)
		default:
			c.columns[spec.name] = from.columns[i]
		}
	}
}

// takeNames remembers the names that were loaded; false when one of them has changed since.
func (im *Image) takeNames(l *load) bool {
	if im.names != nil && renamed(im.names, l.names) {
		return false
	}
	if im.names == nil {
		im.names, im.mark = l.names, l.mark
	}
	return true
}

// renamed says whether a name that was known is another now, or gone.
func renamed(before, now map[string]string) bool {
	for id, name := range before {
		if there, is := now[id]; is && there != name {
			return true
		}
	}
	return false
}

// newChunk has no customers and all columns.
func (im *Image) newChunk(number int64) *chunk {
	c := &chunk{base: number * chunkRows, live: make([]uint64, words(chunkRows)), columns: map[string]*column{}, lists: map[string]*childTable{}}
	for _, held := range im.columns {
		im.blank(c, held.spec)
	}
	for name, held := range im.tables {
		c.lists[name] = emptyTable(held.spec.names(), held.spec.kinds(), false)
	}
	im.chunks[number] = c
	at, _ := slices.BinarySearchFunc(im.ordered, c.base, func(c *chunk, base int64) int { return int(c.base - base) })
	im.ordered = slices.Insert(im.ordered, at, c)
	return c
}

// blank gives a chunk a column without values.
func (im *Image) blank(c *chunk, spec columnSpec) {
	if spec.kind == rules.TextList {
		c.lists[spec.name] = emptyTable([]string{""}, []rules.Type{rules.Text}, true)
		return
	}
	column := newColumn(spec.kind, chunkRows)
	column.settle(column.valid)
	c.columns[spec.name] = column
}

// dropOthers lets go of what is not wanted.
func (im *Image) dropOthers(w wanted) {
	for name := range im.columns {
		if _, is := w.columns[name]; !is {
			im.drop(name)
		}
	}
	for name := range im.tables {
		if _, is := w.tables[name]; !is {
			im.drop(name)
		}
	}
}
