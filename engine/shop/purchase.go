package shop

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"beckon/campaigns"
)

type product struct {
	sku, brand, category string
}

func (s *Shop) catalogue() []product {
	var products []product
	for b, brand := range brands() {
		for c, category := range categories() {
			for n := range 3 {
				products = append(products, product{fmt.Sprintf("%c%c-%03d", 'A'+b, 'A'+c, n+1), brand, category})
			}
		}
	}
	return products
}

// linesMax is the most lines of a basket.
const linesMax = 6

// openFrom and openFor are the hours of the day at which people buy.
const (
	openFrom = 10
	openFor  = 12
)

// CloseHour is the hour of the day after which nobody buys.
const CloseHour = openFrom + openFor

// eachPurchase draws what somebody buys of their own accord in their whole life, in order of time, until told to stop.
// Lines are drawn only when they are wanted.
func (s *Shop) eachPurchase(i int, each func(n int, at time.Time, r *rand.Rand, h *habit)) {
	h := s.habit(i)
	if h.perDay == 0 {
		return
	}
	r := s.stream("buying", i, 0)
	end := s.End()
	if h.leaves.Before(end) {
		end = h.leaves
	}
	day := 24 * time.Hour
	days, most := 0.0, end.Sub(h.from).Hours()/24
	for n := 0; ; n++ {
		if days += r.ExpFloat64() / h.perDay; days >= most { // in days: a rate near 0 would overflow a Duration
			return
		}
		at := h.from.Add(time.Duration(days * float64(day)))
		bought := s.openingTime(at, r.Float64())
		if bought.Before(h.registered) || !bought.Before(s.End()) {
			continue
		}
		each(n, bought, s.stream("basket", i, uint64(n)), &h)
	}
}

// openingTime is a time on the same day at which the shop is open.
func (s *Shop) openingTime(at time.Time, share float64) time.Time {
	local := at.In(s.midnight.Location())
	seconds := int(share * (openFor*3600 - 60))
	return time.Date(local.Year(), local.Month(), local.Day(), openFrom, 0, 30+seconds, 0, local.Location())
}

// basket draws the lines of one order. Unit prices are multiples of 0.20, so that whole percentages taken off are exact.
func (s *Shop) basket(r *rand.Rand, h *habit) []campaigns.Line {
	value := math.Exp(h.basket + basketEach*r.NormFloat64())
	n := 1
	for n < linesMax && r.Float64() < 0.4 {
		n++
	}
	weights, total := make([]float64, n), 0.0
	for j := range weights {
		weights[j] = 0.3 + r.Float64()
		total += weights[j]
	}
	lines := make([]campaigns.Line, n)
	for j := range lines {
		p := s.products[r.IntN(len(s.products))]
		if r.Float64() < 0.5 {
			own := len(s.products) / len(brands())
			p = s.products[h.favourite*own+r.IntN(own)]
		}
		qty := int32(1)
		if r.Float64() < 0.15 {
			qty = 2
		}
		unit := 20 * max(25, int64(value*100*weights[j]/total/float64(qty)/20))
		lines[j] = campaigns.Line{SKU: p.sku, Brand: p.brand, Category: p.category, Qty: qty, Amount: unit * int64(qty)}
	}
	return lines
}

func storeOf(r *rand.Rand) string {
	all := stores()
	return all[r.IntN(len(all))]
}

func totalOf(lines []campaigns.Line) int64 {
	total := int64(0)
	for _, l := range lines {
		total += l.Amount
	}
	return total
}

func orderID(i, n int) string { return fmt.Sprintf("P%07d-%04d", i+1, n+1) }

// purchase is an order of somebody's own accord.
func (s *Shop) purchase(i, n int, at time.Time, r *rand.Rand, h *habit) campaigns.Purchase {
	lines := s.basket(r, h)
	return campaigns.Purchase{OrderID: orderID(i, n), CustomerID: CustomerID(i), At: at, Store: storeOf(r), Lines: lines}
}
