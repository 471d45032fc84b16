package engine

import "sync"

// flightMax is how many messages of a node may be marked as being sent, in all batches of all its workers: what may become
// unknown when it dies.
const flightMax = 200

// A flight is shared out among the channels of a node, so that a provider that is slow to answer never has all of it: a
// channel gets no more than flightShare times what is still free, and so something is always left for another.
type flight struct {
	mu   sync.Mutex
	used int
	held map[string]int
}

const flightShare = 8

// take gives a channel up to so many places, and says how many.
func (f *flight) take(channel string, most int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held == nil {
		f.held = map[string]int{}
	}
	free := flightMax - f.used
	n := max(0, min(most, free, flightShare*free-f.held[channel]))
	for n > 0 && f.held[channel]+n > flightShare*(free-n)+1 { // what is free shrinks by what is taken
		n--
	}
	f.used += n
	f.held[channel] += n
	return n
}

// give gives places back.
func (f *flight) give(channel string, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.used -= n
	f.held[channel] -= n
	if f.held[channel] == 0 {
		delete(f.held, channel)
	}
}
