package lift

import "hash/fnv"

// A Shuffle puts customers into an order that looks drawn and is the same on every node and at every attempt: the order of
// a hash of a salt and their numbers. Different salts give orders that have nothing to do with each other, nor with arms.
type Shuffle uint64

// NewShuffle is the order of a salt.
func NewShuffle(salt string) Shuffle {
	h := fnv.New64a()
	_, _ = h.Write([]byte(salt)) // a hash never fails
	return Shuffle(mixed(h.Sum64()))
}

// Place is where a customer stands, from 0 to 2⁶⁴−1; customers of one place follow by their numbers.
func (s Shuffle) Place(no int64) uint64 { return mixed(uint64(s) ^ mixed(uint64(no))) }

// Within says whether a customer is among a share of all, from 0 to 1. Whoever is within a share is within a larger one.
func (s Shuffle) Within(no int64, share float64) bool {
	return share >= 1 || float64(s.Place(no)>>11)/(1<<53) < share
}

// mixed is splitmix64's finalizer (Steele, Lea, Flood 2014) over its increment: every bit of x changes half of the others.
func mixed(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
