package campaigns

import (
	"fmt"
	"time"
)

// A Refund takes back some units of an order's lines, or without Lines all that is left of it. Amount and the lines' own
// amounts are what was paid for the units that come back, in minor units.
type Refund struct {
	RefundID string
	OrderID  string
	At       time.Time // zero is now
	Lines    []Line
	Amount   int64
}

// Check says what is wrong with a refund that is asked for at now.
func (r *Refund) Check(now time.Time) error {
	var checks Checks
	checks.Add(CheckID("refund_id", r.RefundID))
	checks.Add(CheckID("order_id", r.OrderID))
	if !r.At.IsZero() {
		checks.Add(CheckAt("at", r.At, now))
	}
	checks.Require(len(r.Lines) <= LinesMax, "lines", "has more than %d lines", LinesMax)
	for i, l := range r.Lines {
		checks.Require(l.SKU != "", fmt.Sprintf("lines[%d].sku", i), "is missing")
		checks.Require(l.Qty > 0, fmt.Sprintf("lines[%d].qty", i), "should be above 0")
	}
	return checks.Err()
}

// Take works out what a refund gives back of a purchase of which the earlier refunds' lines came back already, and
// whether nothing is left then. The units of one SKU come back in the order of the purchase's lines; amounts are shares by
// quantity, rounded so that all shares of a line add up to it, in whatever steps they are taken. A line with quantity 0
// comes back only with the whole.
func (r *Refund) Take(p *Purchase, earlier []Line) (lines []Line, void bool, err error) {
	back := make([]int64, len(p.Lines)) // units of each line that came back before
	for _, l := range earlier {
		spread(p.Lines, back, l.SKU, int64(l.Qty))
	}
	before := append([]int64(nil), back...)
	if len(r.Lines) == 0 {
		for i, l := range p.Lines {
			back[i] = int64(l.Qty)
		}
		return between(p.Lines, before, back, true), true, nil
	}
	for i, l := range r.Lines {
		if left := spread(p.Lines, back, l.SKU, int64(l.Qty)); left > 0 {
			return nil, false, Invalid(fmt.Sprintf("lines[%d].qty", i), "is %d more than is left of %q in order %q", left, shorten(l.SKU), shorten(p.OrderID))
		}
	}
	void = true
	for i, l := range p.Lines {
		void = void && back[i] == int64(l.Qty) && (l.Qty > 0 || l.Amount == 0)
	}
	return between(p.Lines, before, back, false), void, nil
}

// Left are the lines of a purchase without what came back; a line that came back whole is gone, and so are those without
// units of a void order.
func (p *Purchase) Left(refunded []Line, void bool) []Line {
	left := []Line{}
	if void {
		return left
	}
	back := make([]int64, len(p.Lines))
	for _, l := range refunded {
		spread(p.Lines, back, l.SKU, int64(l.Qty))
	}
	for i, l := range p.Lines {
		if l.Qty > 0 && back[i] == int64(l.Qty) {
			continue
		}
		if l.Qty > 0 {
			l.Amount -= share(l.Amount, back[i], int64(l.Qty))
			l.Qty -= int32(back[i])
		}
		left = append(left, l)
	}
	return left
}

// spread counts units of a SKU as come back, line by line, and gives how many found no line.
func spread(lines []Line, back []int64, sku string, units int64) int64 {
	for i, l := range lines {
		if l.SKU != sku {
			continue
		}
		take := min(units, int64(l.Qty)-back[i])
		back[i] += take
		units -= take
	}
	return units
}

// between are the units that came back from one state to the next, and with whole the lines that have none.
func between(lines []Line, before, after []int64, whole bool) []Line {
	var taken []Line
	for i, l := range lines {
		units := after[i] - before[i]
		if units == 0 && !(whole && l.Qty == 0) {
			continue
		}
		if l.Qty > 0 {
			l.Amount = share(l.Amount, after[i], int64(l.Qty)) - share(l.Amount, before[i], int64(l.Qty))
		}
		l.Qty = int32(units)
		taken = append(taken, l)
	}
	return taken
}

// share is amount × units / of, rounded towards zero, without overflow: units is at most of.
func share(amount, units, of int64) int64 {
	return amount/of*units + amount%of*units/of
}
