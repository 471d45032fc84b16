package shop_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"io"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/engine/shop"
)

func newShop(t *testing.T, seed uint64, customers, days int) *shop.Shop {
	t.Helper()
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	s, err := shop.New(shop.Options{Seed: seed, Customers: customers, Start: time.Date(2026, 9, 1, 8, 0, 0, 0, zone), Days: days})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// written is everything that a shop writes.
func written(t *testing.T, s *shop.Shop) [][]byte {
	t.Helper()
	var files [][]byte
	for _, write := range []func(io.Writer) error{s.WriteCustomers, s.WritePurchases, s.WritePoints} {
		var file bytes.Buffer
		if err := write(&file); err != nil {
			t.Fatal(err)
		}
		files = append(files, file.Bytes())
	}
	return files
}

func rows(t *testing.T, file []byte) [][]string {
	t.Helper()
	all, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return all[1:]
}

func TestTheSameSeedMakesTheSameShopAndAnotherSeedAnother(t *testing.T) {
	a, b, other := written(t, newShop(t, 7, 500, 60)), written(t, newShop(t, 7, 500, 60)), written(t, newShop(t, 8, 500, 60))
	for i := range a {
		if sha256.Sum256(a[i]) != sha256.Sum256(b[i]) {
			t.Errorf("file %d differs with the same seed", i)
		}
		if bytes.Equal(a[i], other[i]) {
			t.Errorf("file %d is the same with another seed", i)
		}
	}
}

func TestALargerShopHasTheSameFirstCustomers(t *testing.T) {
	small, large := newShop(t, 7, 100, 60), newShop(t, 7, 400, 60)
	var a, b bytes.Buffer
	if err := small.WriteCustomers(&a); err != nil {
		t.Fatal(err)
	}
	if err := large.WriteCustomers(&b); err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(b.Bytes(), a.Bytes()) {
		t.Error("the first 100 of 400 customers are not the 100 of the small shop")
	}
}

func TestCustomersLookLikeAShops(t *testing.T) {
	const n = 20_000
	s := newShop(t, 1, n, 60)
	birthdays, leap, emails, phones, emailYes, unsaid := 0, 0, 0, 0, 0, 0
	for i := range n {
		c := s.Customer(i)
		if err := c.Check(); err != nil {
			t.Fatalf("%s: %v", c.ID, err)
		}
		if c.Birthday != nil {
			birthdays++
			if c.Birthday.Month() == time.February && c.Birthday.Day() == 29 {
				leap++
			}
		}
		if c.Email != nil {
			emails++
			if normal, err := campaigns.NormalEmail(*c.Email); err != nil || normal != *c.Email {
				t.Fatalf("e-mail %s: %v", *c.Email, err)
			}
		}
		if c.Phone != nil {
			phones++
			if normal, err := campaigns.NormalPhone(*c.Phone, "CN"); err != nil || normal != *c.Phone {
				t.Fatalf("phone %s: %v", *c.Phone, err)
			}
		}
		switch {
		case c.EmailConsent == nil:
			unsaid++
		case *c.EmailConsent:
			emailYes++
		}
		if !c.RegisteredAt.Before(s.Start()) {
			t.Fatalf("%s registered at %s", c.ID, c.RegisteredAt)
		}
	}
	for _, share := range []struct {
		name      string
		n         int
		low, high float64
	}{{"birthdays", birthdays, 0.9, 0.94}, {"e-mail addresses", emails, 0.9, 0.94}, {"phones", phones, 0.88, 0.92},
		{"e-mail consents", emailYes, 0.8, 0.84}, {"consents unsaid", unsaid, 0.05, 0.1}, {"born on 29 February", leap, 0.001, 0.005}} {
		if got := float64(share.n) / n; got < share.low || got > share.high {
			t.Errorf("%s: %.4f, want %.3f to %.3f", share.name, got, share.low, share.high)
		}
	}
}

func TestTwoYearsOfPurchasesAreDifferentFromCustomerToCustomer(t *testing.T) {
	const n = 4000
	s := newShop(t, 1, n, 60)
	files := written(t, s)
	orders, perCustomer, perOrder := map[string]bool{}, map[string]int{}, map[string]int{}
	for _, row := range rows(t, files[1]) {
		if !orders[row[0]] {
			orders[row[0]] = true
			perCustomer[row[1]]++
		}
		perOrder[row[0]]++
		at, err := time.Parse(time.RFC3339, row[2])
		if err != nil || !at.Before(s.Start()) || at.Before(s.Start().AddDate(0, 0, -shop.HistoryDays-1)) {
			t.Fatalf("row %v: %v", row, err)
		}
	}
	mean := float64(len(orders)) / n
	if mean < 20.3 || mean > 24 {
		t.Errorf("%.1f purchases a customer: 20,000 customers should have more than 400,000", mean)
	}
	variance := 0.0
	for _, k := range perCustomer {
		variance += (float64(k) - mean) * (float64(k) - mean)
	}
	variance += float64(n-len(perCustomer)) * mean * mean
	if variance/n < 10*mean {
		t.Errorf("variance %.0f at a mean of %.1f: customers are too much alike", variance/n, mean)
	}
	for order, lines := range perOrder {
		if lines > 6 {
			t.Fatalf("order %s has %d lines", order, lines)
		}
	}
	for _, row := range rows(t, files[2]) {
		if last, err := time.Parse(time.DateOnly, row[4]); err != nil || last.Format(time.DateOnly) < s.Start().Format(time.DateOnly) {
			t.Fatalf("lot %v: %v", row, err)
		}
	}
}

// send is a campaign without an engine: everybody is due once, and the arm is a hash's.
func send(t *testing.T, s *shop.Shop, l *shop.Life, name string, effect shop.Effect, day int, holdout float64) {
	t.Helper()
	l.Expect(name, effect)
	due := s.Start().AddDate(0, 0, day).Add(time.Hour)
	var messages []campaigns.Message
	chance := rand.New(rand.NewPCG(uint64(day), 99))
	for i := range s.Customers() {
		m := campaigns.Message{CustomerID: shop.CustomerID(i), Variant: "A", Status: campaigns.MessageSent, QueuedAt: due}
		if chance.Float64() < holdout {
			m.Variant, m.Ghost, m.Status = campaigns.Holdout, true, campaigns.MessageGhost
		}
		messages = append(messages, m)
	}
	if err := l.Deliver(name, "", messages); err != nil {
		t.Fatal(err)
	}
}

const window = 14 * 24 * time.Hour

// till is what everybody bought within a window, as the orders say.
func till(s *shop.Shop, l *shop.Life, due time.Time) (converted map[string]bool, revenue int64) {
	converted = map[string]bool{}
	for _, o := range l.Orders(s.End()) {
		if !o.At.Before(due) && o.At.Before(due.Add(window)) {
			converted[o.CustomerID] = true
			for _, line := range o.Lines {
				revenue += line.Amount
			}
		}
	}
	return converted, revenue
}

func TestTheTruthIsWhatTwoRunsWithAndWithoutMessagesGive(t *testing.T) {
	s := newShop(t, 3, 3000, 40)
	effect, due := shop.Effect{Chance: 0.2}, s.Start().AddDate(0, 0, 5).Add(time.Hour)
	lives := map[float64]*shop.Life{}
	for _, holdout := range []float64{0, 0.3, 1} {
		lives[holdout] = s.Live()
		send(t, s, lives[holdout], "other", shop.Effect{Chance: 0.1}, 3, 0.5)
		send(t, s, lives[holdout], "ours", effect, 5, holdout)
	}
	truth := lives[0.3].Truth("ours", window, s.End())
	with, withRevenue := till(s, lives[0], due)
	without, withoutRevenue := till(s, lives[1], due)
	if got, want := truth.Conversion, float64(len(with)-len(without))/3000; math.Abs(got-want) > 1e-12 || want < 0.05 {
		t.Errorf("conversion %g, two runs say %g", got, want)
	}
	if got, want := truth.Revenue, float64(withRevenue-withoutRevenue)/3000; math.Abs(got-want) > 1e-6 {
		t.Errorf("revenue %g, two runs say %g", got, want)
	}
	if truth.Customers != 3000 {
		t.Errorf("%d customers", truth.Customers)
	}
}

func TestTheDifferenceOfTheArmsIsNearTheTruth(t *testing.T) {
	for seed := range uint64(5) {
		s := newShop(t, seed, 4000, 40)
		l := s.Live()
		send(t, s, l, "ours", shop.Effect{Chance: 0.15, PercentOff: 15}, 4, 0.25)
		truth, arms := l.Truth("ours", window, s.End()), l.Outcomes("ours", window, s.End())
		rate := func(o shop.Outcome) (p, variance float64) {
			p = float64(o.Converted) / float64(o.Due)
			return p, p * (1 - p) / float64(o.Due)
		}
		treated, vt := rate(arms["A"])
		control, vc := rate(arms[campaigns.Holdout])
		if off := math.Abs(treated - control - truth.Conversion); off > 4*math.Sqrt(vt+vc) || truth.Conversion < 0.04 {
			t.Errorf("seed %d: estimate %.4f, truth %.4f", seed, treated-control, truth.Conversion)
		}
	}
}

func TestWindowsThatHaveNotEndedAreNotCounted(t *testing.T) {
	s := newShop(t, 3, 300, 40)
	l := s.Live()
	send(t, s, l, "ours", shop.Effect{Chance: 0.2}, 30, 0.2)
	if truth := l.Truth("ours", window, s.End()); truth.Customers != 0 {
		t.Errorf("%+v", truth)
	}
	for arm, o := range l.Outcomes("ours", window, s.End()) {
		if o.Immature != o.Due || o.Due == 0 {
			t.Errorf("%s: %+v", arm, o)
		}
	}
}

func TestOrdersAreTakenOnceAndInOrderWhileTheShopIsOpen(t *testing.T) {
	s := newShop(t, 3, 500, 20)
	l := s.Live()
	send(t, s, l, "ours", shop.Effect{Chance: 0.5}, 2, 0)
	seen, before := map[string]bool{}, time.Time{}
	for day := range 20 {
		until := s.Start().AddDate(0, 0, day).Add(14 * time.Hour)
		for _, o := range l.Orders(until) {
			if seen[o.OrderID] || o.At.Before(before) || o.At.After(until) || o.At.Hour() < 10 || o.At.Hour() >= shop.CloseHour {
				t.Fatalf("order %s at %s", o.OrderID, o.At)
			}
			if err := o.Check(until); err != nil {
				t.Fatal(err)
			}
			seen[o.OrderID], before = true, o.At
		}
	}
	if len(seen) < 300 {
		t.Errorf("%d orders", len(seen))
	}
}
