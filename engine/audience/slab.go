package audience

import "unsafe"

// A slab hands out slices from one block, again and again: evaluating a batch takes what it needs and gives all of it back
// at once. What a slice holds at first is unspecified.
type slab[T any] struct {
	block []T
	used  int
	full  int // entries of earlier blocks since all was given back
}

func (s *slab[T]) take(n int) []T {
	if len(s.block)-s.used < n { // who holds slices of the old block keeps it
		const least = 1 << 10
		s.full += s.used
		s.block, s.used = make([]T, max(n, 2*len(s.block), least)), 0
	}
	out := s.block[s.used : s.used+n : s.used+n]
	s.used += n
	return out
}

func (s *slab[T]) reset() { s.used, s.full = 0, 0 }

// bytes have been handed out.
func (s *slab[T]) bytes() int {
	var one T
	return (s.full + s.used) * int(unsafe.Sizeof(one))
}

// scratch is the memory of one worker.
type scratch struct {
	words  slab[uint64]
	ints   slab[int64]
	floats slab[float64]
	places slab[uint32]
	texts  slab[string]
	values slab[value]
	frames slab[frame]
	memos  slab[*value]
}

func (s *scratch) reset() {
	s.words.reset()
	s.ints.reset()
	s.floats.reset()
	s.places.reset()
	s.texts.reset()
	s.values.reset()
	s.frames.reset()
	s.memos.reset()
}

func (s *scratch) bytes() int {
	return s.words.bytes() + s.ints.bytes() + s.floats.bytes() + s.places.bytes() + s.texts.bytes() + s.values.bytes() + s.frames.bytes() + s.memos.bytes()
}

// spareWords lie behind every bitmap, so that a range of bits can be read as two words wherever it begins.
const spareWords = 2

// bits is a bitmap of n bits, unspecified at first.
func (s *scratch) bits(n int) []uint64 {
	return s.words.take(wordsOf(n) + spareWords)[:wordsOf(n)]
}

func (s *scratch) zeros(n int) []uint64 {
	out := s.bits(n)
	clear(out)
	return out
}

func (s *scratch) ones(n int) []uint64 {
	out := s.bits(n)
	fill(out, ^uint64(0))
	return out
}

func (s *scratch) copyOf(bits []uint64) []uint64 {
	out := s.bits(len(bits) * wordBits)
	copy(out, bits)
	return out
}

func wordsOf(rows int) int { return (rows + wordBits - 1) / wordBits }

func fill[T any](out []T, x T) {
	for i := range out {
		out[i] = x
	}
}
