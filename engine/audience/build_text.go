package audience

import (
	"bytes"
	"hash/maphash"

	"beckon/engine/rules"
)

// add appends a text and gives its code.
func (d *dictionary) add(text []byte) uint32 {
	d.bytes = append(d.bytes, text...)
	d.ends = append(d.ends, uint32(len(d.bytes)))
	return uint32(len(d.ends) - 1)
}

// A textIndex finds the codes of a dictionary's texts while it is built or patched: open addressing over the codes, so
// that no text is held twice.
type textIndex struct {
	texts *dictionary
	seed  maphash.Seed
	slots []uint32 // code+1, 0: free
	used  int
}

// newTextIndex knows the texts from a code on; those before it are not found again.
func newTextIndex(d *dictionary, from int) *textIndex {
	x := &textIndex{texts: d, seed: maphash.MakeSeed(), slots: make([]uint32, 16)}
	for code := from; code < d.size(); code++ {
		x.place(uint32(code))
	}
	return x
}

// code is that of a text, which is added unless it is known.
func (x *textIndex) code(text []byte) uint32 {
	mask := uint64(len(x.slots) - 1)
	for at := maphash.Bytes(x.seed, text) & mask; ; at = (at + 1) & mask {
		slot := x.slots[at]
		if slot == 0 {
			break
		}
		if bytes.Equal(x.texts.text(slot-1), text) {
			return slot - 1
		}
	}
	code := x.texts.add(text)
	x.texts.fresh++
	x.place(code)
	return code
}

func (x *textIndex) place(code uint32) {
	if x.used*2 >= len(x.slots) {
		old := x.slots
		x.slots = make([]uint32, 4*len(old))
		for _, slot := range old {
			if slot != 0 {
				x.put(slot)
			}
		}
	}
	x.used++
	x.put(code + 1)
}

func (x *textIndex) put(slot uint32) {
	mask := uint64(len(x.slots) - 1)
	at := maphash.Bytes(x.seed, x.texts.text(slot-1)) & mask
	for x.slots[at] != 0 {
		at = (at + 1) & mask
	}
	x.slots[at] = slot
}

// packTexts rewrites the dictionary of a column with the texts that are used, each once, when it has more than twice what
// was there when it was built and than is used.
func (c *column) packTexts() {
	if c.texts == nil || c.texts.fresh <= 64 || c.texts.fresh*2 <= c.texts.size() {
		return
	}
	used := make([]bool, c.texts.size())
	needed := 0
	for i := range c.rows {
		if code := c.code(i); !used[code] {
			used[code] = true
			needed++
		}
	}
	if c.texts.size() <= 2*needed {
		c.texts.fresh = 0
		return
	}
	c.rewriteTexts()
}

func (c *column) rewriteTexts() {
	packed := newColumn(rules.Text, c.rows)
	index := newTextIndex(packed.texts, 0)
	for i := range c.rows {
		packed.setCode(i, index.code(c.texts.text(c.code(i)))) // also of missing entries: any legal code does
	}
	packed.texts.fresh = 0
	c.c8, c.c16, c.c32, c.texts = packed.c8, packed.c16, packed.c32, packed.texts
}
