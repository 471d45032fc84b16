// Package shop is the simulated shop: customers whose behaviour is known, for the demo, for simulations and for tests.
//
// Why everything is a hash: each customer's profile, baskets and answers are drawn from a stream of their own, made from
// the seed, a purpose and the customer's number. So the same seed gives the same shop whatever is asked first, and one
// more draw in one place moves nothing in another.
//
// Why the future is decided in advance: what a customer buys without any message is drawn before the first message is
// sent, and what a message would make them buy is drawn for those held out as well. Both potential outcomes of everybody
// are known, and with them the true lift, which in a real shop nobody ever sees.
//
// Why files: the shop writes the CSV that a till or a customer database would export, so that a demo is loaded by the
// same import as a real shop.
package shop

import (
	"fmt"
	"math/rand/v2"
	"time"

	"beckon/campaigns"
)

// Limits of a shop.
const (
	CustomersMax = 10_000_000
	DaysMax      = 730
	HistoryDays  = 730 // how far the purchases of the past reach back
)

// Options of New. Start is the instant at which the past ends and life begins; its zone is the shop's.
type Options struct {
	Seed      uint64
	Customers int
	Start     time.Time
	Days      int // how long life goes on
}

// A Shop knows its customers. It is immutable: all its methods may be called at once.
type Shop struct {
	options  Options
	products []product
	midnight time.Time // of the first day of life, in the shop's zone
}

// New makes a shop and draws nothing yet. Its errors are campaigns.Errors.
func New(o Options) (*Shop, error) {
	var checks campaigns.Checks
	checks.Require(o.Customers > 0 && o.Customers <= CustomersMax, "customers", "should be between 1 and %d", CustomersMax)
	checks.Require(o.Days > 0 && o.Days <= DaysMax, "days", "should be between 1 and %d", DaysMax)
	checks.Require(!o.Start.IsZero(), "start", "is missing")
	if err := checks.Err(); err != nil {
		return nil, err
	}
	s := &Shop{options: o, midnight: time.Date(o.Start.Year(), o.Start.Month(), o.Start.Day(), 0, 0, 0, 0, o.Start.Location())}
	s.products = s.catalogue()
	return s, nil
}

// Customers is how many there are.
func (s *Shop) Customers() int { return s.options.Customers }

// Start is where the past ends.
func (s *Shop) Start() time.Time { return s.options.Start }

// End is where life ends.
func (s *Shop) End() time.Time { return s.options.Start.AddDate(0, 0, s.options.Days) }

// CustomerID is the id of the customer at a place from 0.
func CustomerID(i int) string { return fmt.Sprintf("C%07d", i+1) }

// place is where the customer of an id stands; false for an id that is none of ours.
func (s *Shop) place(id string) (int, bool) {
	var n int
	if len(id) < 8 || id[0] != 'C' {
		return 0, false
	}
	for _, digit := range []byte(id[1:]) {
		if digit < '0' || digit > '9' {
			return 0, false
		}
		n = n*10 + int(digit-'0')
	}
	return n - 1, n >= 1 && n <= s.options.Customers
}

// stream is chance that belongs to one purpose and one customer, and to a further number where there are many of a kind.
func (s *Shop) stream(purpose string, i int, further uint64) *rand.Rand {
	h := s.options.Seed ^ 0x9e3779b97f4a7c15
	for j := range len(purpose) {
		h = mix(h ^ uint64(purpose[j]))
	}
	h = mix(mix(h^uint64(i)) ^ further)
	return rand.New(rand.NewPCG(h, mix(h)))
}

// mix is the finalizer of splitmix64 (Steele, Lea, Flood 2014): every bit of the input moves every bit of the output.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
