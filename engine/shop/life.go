package shop

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"beckon/campaigns"
)

// An Effect is what one campaign's message does: with a chance it makes somebody buy once more than they would have.
// Chance is the mean over customers, who differ. PercentOff is what the message's coupon takes off, 0 without one.
type Effect struct {
	Chance     float64
	PercentOff int64
}

// The delay of an extra purchase: days after the message, geometric-like with this mean, never beyond the last.
const (
	delayMeanDays = 3.5
	delayMaxDays  = 12
)

// An Order is a purchase that a customer is about to make. Code is the coupon they show, empty without one: then Basket
// is to be redeemed first, and the purchase posted as Discounted gives it.
type Order struct {
	campaigns.Purchase
	Code string
}

// Basket is what the till redeems the coupon on.
func (o *Order) Basket() campaigns.Basket {
	b := campaigns.Basket{CustomerID: o.CustomerID, At: &o.At, Codes: []string{o.Code}}
	for _, l := range o.Lines {
		b.Lines = append(b.Lines, campaigns.BasketLine{SKU: l.SKU, Brand: l.Brand, Category: l.Category, Qty: l.Qty, UnitPrice: l.Amount / int64(l.Qty)})
	}
	return b
}

// Discounted is the purchase as it is paid after a redemption.
func (o *Order) Discounted(r *campaigns.Redemption) campaigns.Purchase {
	p := o.Purchase
	p.Lines = slices.Clone(o.Lines)
	for i := range p.Lines {
		p.Lines[i].Amount -= r.Lines[i].Discount
	}
	p.CouponCodes = []string{o.Code}
	return p
}

// A Life is a shop from its start on: what its customers buy of their own accord, what messages make them buy, and what
// both would have been. It belongs to one goroutine.
type Life struct {
	shop      *Shop
	waiting   []Order // of their own accord, sorted by time; those that were taken are cut off
	answers   []Order // what messages made people order, in no order
	own       [][]sale
	caused    map[int][]sale // by customer: extra purchases that happen
	campaigns map[string]*campaign
}

// A sale is a purchase as far as figures need it: Unix seconds and minor units as paid. entry tells extra ones apart.
type sale struct {
	at, amount int64
	entry      *entry
}

// A campaign is what the shop knows of one: its effect and everybody who was due, with and without a message.
type campaign struct {
	name    string
	number  int // in the order in which the shop heard of them
	effect  Effect
	entries map[place]*entry
}

// A place is a customer in a period of a campaign: each period draws arms anew.
type place struct {
	customer int
	period   string
}

// An entry is a customer in a period: the window opens with its first message, later ones keep the arm.
type entry struct {
	due   int64
	arm   string
	ghost bool
	extra []sale // what the messages would make them buy, whether or not they got any
}

// Live decides what everybody buys of their own accord.
func (s *Shop) Live() *Life {
	l := &Life{shop: s, own: make([][]sale, s.options.Customers), caused: map[int][]sale{}, campaigns: map[string]*campaign{}}
	for i := range s.options.Customers {
		s.eachPurchase(i, func(n int, at time.Time, r *rand.Rand, h *habit) {
			if at.Before(s.options.Start) {
				return
			}
			p := s.purchase(i, n, at, r, h)
			l.waiting = append(l.waiting, Order{Purchase: p})
			l.own[i] = append(l.own[i], sale{at: at.Unix(), amount: totalOf(p.Lines)})
		})
	}
	sortOrders(l.waiting)
	return l
}

func sortOrders(orders []Order) {
	slices.SortFunc(orders, func(a, b Order) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.OrderID, b.OrderID))
	})
}

// Expect tells the shop of a campaign under a name of its caller's and what its messages will do.
func (l *Life) Expect(name string, effect Effect) {
	l.campaigns[name] = &campaign{name: name, number: len(l.campaigns) + 1, effect: effect, entries: map[place]*entry{}}
}

// Deliver gives customers the messages of a campaign in one of its periods, and ghosts those that they did not get. What they make people buy
// joins the orders that wait. Messages that were not sent do nothing.
func (l *Life) Deliver(name, period string, messages []campaigns.Message) error {
	c := l.campaigns[name]
	if c == nil {
		return fmt.Errorf("the shop does not expect the campaign %q", name)
	}
	for i := range messages {
		m := &messages[i]
		customer, ours := l.shop.place(m.CustomerID)
		if !ours {
			return fmt.Errorf("the customer %q is none of this shop's", m.CustomerID)
		}
		if m.Ghost || m.Status == campaigns.MessageSent {
			l.deliver(c, place{customer, period}, m)
		}
	}
	return nil
}

func (l *Life) deliver(c *campaign, at place, m *campaigns.Message) {
	e := c.entries[at]
	if e == nil {
		e = &entry{due: m.QueuedAt.Unix(), arm: m.Variant, ghost: m.Ghost}
		c.entries[at] = e
	}
	order, answers := l.shop.answer(c, at.customer, m.QueuedAt)
	if !answers {
		return
	}
	total := totalOf(order.Lines)
	extra := sale{at: order.At.Unix(), amount: total - total*c.effect.PercentOff/100, entry: e}
	e.extra = append(e.extra, extra)
	if m.Ghost {
		return
	}
	order.Code = m.Code
	l.answers = append(l.answers, order)
	l.caused[at.customer] = append(l.caused[at.customer], extra)
}

// answer is what a message due at an instant makes somebody buy. It depends on nothing that a campaign decides: a ghost
// draws the same.
func (s *Shop) answer(c *campaign, i int, due time.Time) (Order, bool) {
	h := s.habit(i)
	minute := int64(due.Sub(s.midnight).Minutes())
	r := s.stream("answer "+c.name, i, uint64(minute))
	if r.Float64() >= c.effect.Chance*h.answers {
		return Order{}, false
	}
	delay := min(int(r.ExpFloat64()*delayMeanDays), delayMaxDays)
	at := s.openingTime(due.AddDate(0, 0, delay), r.Float64())
	if earliest := due.Add(time.Hour); at.Before(earliest) {
		at = s.openingTime(due.AddDate(0, 0, 1), r.Float64())
	}
	lines := s.basket(r, &h)
	id := fmt.Sprintf("P%07d-M%d-%d", i+1, c.number, minute)
	return Order{Purchase: campaigns.Purchase{OrderID: id, CustomerID: CustomerID(i), At: at, Store: storeOf(r), Lines: lines}}, true
}

// Orders takes those that are made up to and including an instant, in order of time.
func (l *Life) Orders(until time.Time) []Order {
	n, _ := slices.BinarySearchFunc(l.waiting, until.Add(time.Nanosecond), func(o Order, t time.Time) int { return o.At.Compare(t) })
	taken := slices.Clone(l.waiting[:n])
	l.waiting = l.waiting[n:]
	l.answers = slices.DeleteFunc(l.answers, func(o Order) bool {
		if o.At.After(until) {
			return false
		}
		taken = append(taken, o)
		return true
	})
	sortOrders(taken)
	return taken
}
