package campaigns

import (
	"fmt"
	"time"
)

// A Line is one position of a purchase or basket. Amount is the line's total as paid, in minor units; a quantity of 0
// with an amount is accepted (fees, corrections).
type Line struct {
	SKU      string
	Brand    string
	Category string
	Qty      int32
	Amount   int64
}

// A Purchase is one order. CustomerID may be empty: a guest. No and the fields below it are set when it is read: Amount is
// what was paid, Refunded what came back of it; a wholly refunded order is Void, counts no more, and stays in the list.
type Purchase struct {
	OrderID     string
	CustomerID  string
	At          time.Time
	Store       string
	Lines       []Line
	CouponCodes []string

	No       int64
	Amount   int64
	Refunded int64
	Void     bool
}

// LinesMax is the most lines one order may have.
const LinesMax = 2000

// Total is the sum of the lines, and false when it does not fit.
func (p *Purchase) Total() (int64, bool) {
	var sum int64
	ok := true
	for _, l := range p.Lines {
		if sum, ok = AddMoney(sum, l.Amount); !ok {
			return 0, false
		}
	}
	return sum, true
}

// Check says what is wrong with a purchase seen at now, all of it at once.
func (p *Purchase) Check(now time.Time) error {
	var checks Checks
	checks.Add(CheckID("order_id", p.OrderID))
	if p.CustomerID != "" {
		checks.Add(CheckID("customer_id", p.CustomerID))
	}
	checks.Add(CheckAt("at", p.At, now))
	checks.Add(CheckText("store", p.Store))
	if len(p.Lines) == 0 {
		checks.Add(Invalid("lines", "is empty: a purchase has at least one line"))
	}
	if len(p.Lines) > LinesMax {
		checks.Add(Invalid("lines", "has more than %d lines", LinesMax))
	}
	for i, l := range p.Lines {
		if err := l.Check(); err != nil {
			checks.Under(fmt.Sprintf("lines[%d].", i), err)
		}
	}
	if _, ok := p.Total(); !ok {
		checks.Add(Invalid("lines", "add up to more than can be kept"))
	}
	return checks.Err()
}

// AmountMax bounds one line in minor units, so that sums over a customer's life stay exact.
const AmountMax = 1_000_000_000_000_00

// Check says what is wrong with one line.
func (l *Line) Check() error {
	for _, f := range []struct{ name, text string }{{"sku", l.SKU}, {"brand", l.Brand}, {"category", l.Category}} {
		if err := CheckText(f.name, f.text); err != nil {
			return err
		}
	}
	if l.Qty < 0 {
		return Invalid("qty", "is negative: send what came back as a refund")
	}
	if l.Amount > AmountMax || l.Amount < -AmountMax {
		return Invalid("amount", "is too large")
	}
	return nil
}

// CheckAt refuses times that cannot be real: before 1900 or more than a day ahead of now.
func CheckAt(field string, at, now time.Time) error {
	if at.IsZero() {
		return Invalid(field, "is missing: write a time such as 2026-11-21T10:00:00+08:00")
	}
	if at.Year() < 1900 {
		return Invalid(field, "lies before 1900")
	}
	if at.After(now.Add(24 * time.Hour)) {
		return Invalid(field, "lies more than a day in the future")
	}
	return nil
}
