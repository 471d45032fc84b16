package shop

import "time"

// A Truth is what a campaign really caused, over all who were due and whose window has ended, held out or not: the mean of
// what each would have done with its messages, less what they would have done without. Messages of other campaigns are as
// they were.
//
// Why both of each: the difference of the two arms' means is an estimate of this, and no more than that.
type Truth struct {
	Customers  int     // whose window has ended
	Conversion float64 // share of customers with any purchase
	Revenue    float64 // minor units a customer
}

// An Outcome is what one arm really did within the windows that have ended, as the till saw it.
type Outcome struct {
	Due       int
	Immature  int
	Converted int
	Revenue   int64
}

// Truth of a campaign at an instant, with windows of a length.
func (l *Life) Truth(name string, window time.Duration, now time.Time) Truth {
	var t Truth
	converted, revenue := 0, int64(0)
	for at, e := range l.campaigns[name].entries {
		if ends(e, window).After(now) {
			continue
		}
		with, without := l.potential(at.customer, e, window)
		t.Customers++
		converted += with.any - without.any
		revenue += with.amount - without.amount
	}
	if t.Customers > 0 {
		t.Conversion, t.Revenue = float64(converted)/float64(t.Customers), float64(revenue)/float64(t.Customers)
	}
	return t
}

// Outcomes of a campaign's arms at an instant, with windows of a length.
func (l *Life) Outcomes(name string, window time.Duration, now time.Time) map[string]Outcome {
	arms := map[string]Outcome{}
	for at, e := range l.campaigns[name].entries {
		o := arms[e.arm]
		o.Due++
		if ends(e, window).After(now) {
			o.Immature++
		} else {
			did, without := l.potential(at.customer, e, window)
			if e.ghost {
				did = without
			}
			o.Converted += did.any
			o.Revenue += did.amount
		}
		arms[e.arm] = o
	}
	return arms
}

// bought is what somebody buys within a window: whether anything, and for how much.
type bought struct {
	any    int
	amount int64
}

func ends(e *entry, window time.Duration) time.Time { return time.Unix(e.due, 0).Add(window) }

// potential is both of what a customer could do: with the messages of an entry and without them.
func (l *Life) potential(i int, e *entry, window time.Duration) (with, without bought) {
	until := ends(e, window).Unix()
	add := func(to *bought, sales []sale, but *entry) {
		for _, s := range sales {
			if s.at >= e.due && s.at < until && (but == nil || s.entry != but) {
				to.any, to.amount = 1, to.amount+s.amount
			}
		}
	}
	add(&without, l.own[i], nil)
	add(&without, l.caused[i], e)
	with = without
	add(&with, e.extra, nil)
	return with, without
}
