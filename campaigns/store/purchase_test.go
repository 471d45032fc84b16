package store_test

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

func order(id, customer string, at time.Time, amounts ...int64) campaigns.Purchase {
	p := campaigns.Purchase{OrderID: id, CustomerID: customer, At: at, Store: "S1"}
	for i, amount := range amounts {
		p.Lines = append(p.Lines, campaigns.Line{SKU: fmt.Sprint("sku", i), Brand: "B", Qty: int32(i + 1), Amount: amount})
	}
	return p
}

func post(t *testing.T, s *store.Store, purchases ...campaigns.Purchase) (created []bool) {
	t.Helper()
	update(t, s, func(ctx context.Context, tx *store.Tx) (err error) {
		created, err = tx.CreatePurchases(ctx, purchases)
		return err
	})
	return created
}

func TestTheSameOrderTwiceIsOnePurchase(t *testing.T) {
	s, clock := comingStore(t)
	first := order("o1", "c1", clock.Now().Add(-time.Hour), 1000, 2500)
	again := order("o1", "c1", clock.Now(), 99)
	if got := post(t, s, first, again, order("o2", "c1", clock.Now(), 500)); fmt.Sprint(got) != "[true false true]" {
		t.Errorf("created %v", got)
	}
	if got := post(t, s, again, order("o3", "", clock.Now(), 700)); fmt.Sprint(got) != "[false true]" {
		t.Errorf("created %v", got)
	}
	if got := post(t, s, order("o3", "", clock.Now(), 700)); got[0] {
		t.Error("a guest's order was made twice")
	}
	c := customer(t, s, "c1")
	if f := c.Figures; f.PurchaseCount != 2 || f.TotalSpend != 4000 || !f.FirstPurchaseAt.Equal(first.At) || !f.LastPurchaseAt.Equal(clock.Now()) {
		t.Errorf("figures %+v", f)
	}
	if n := count(t, s, "customers"); n != 1 {
		t.Errorf("%d customers: a guest has no profile", n)
	}
	update(t, s, func(ctx context.Context, tx *store.Tx) error {
		p, err := tx.Purchase(ctx, "o1")
		if err != nil {
			return err
		}
		if !reflect.DeepEqual(p.Lines, first.Lines) || p.CustomerID != "c1" || p.Amount != 3500 || p.Store != "S1" || !p.At.Equal(first.At) {
			t.Errorf("purchase %+v", p)
		}
		list, err := tx.Purchases(ctx, c.No, clock.Now().Add(time.Hour), "", 10)
		if len(list) != 2 || list[0].OrderID != "o2" {
			t.Errorf("list %v", list)
		}
		return err
	})
}

func refund(t *testing.T, s *store.Store, r *campaigns.Refund) (created bool, err error) {
	t.Helper()
	err = s.Update(context.Background(), func(tx *store.Tx) error {
		created, err = tx.CreateRefund(context.Background(), r)
		return err
	})
	return created, err
}

func TestARefundTakesBackNoMoreThanWasBought(t *testing.T) {
	s, clock := comingStore(t)
	p := campaigns.Purchase{OrderID: "o1", CustomerID: "c1", At: clock.Now(), Lines: []campaigns.Line{
		{SKU: "a", Qty: 3, Amount: 1000}, {SKU: "a", Qty: 1, Amount: 500}, {SKU: "b", Qty: 1, Amount: 200}, {SKU: "fee", Amount: 50}}}
	post(t, s, p)
	take := func(id string, want int64, lines ...campaigns.Line) {
		t.Helper()
		r := campaigns.Refund{RefundID: id, OrderID: "o1", Lines: lines}
		if created, err := refund(t, s, &r); err != nil || !created || r.Amount != want {
			t.Errorf("%s: created %v, amount %d, want %d (%v)", id, created, r.Amount, want, err)
		}
	}
	take("r1", 333, campaigns.Line{SKU: "a", Qty: 1})
	take("r2", 667+500, campaigns.Line{SKU: "a", Qty: 3})
	again := campaigns.Refund{RefundID: "r2", OrderID: "o1"}
	if created, err := refund(t, s, &again); created || err != nil || again.Amount != 1167 || len(again.Lines) != 2 {
		t.Errorf("the same refund again: %v %+v %v", created, again, err)
	}
	if _, err := refund(t, s, &campaigns.Refund{RefundID: "r3", OrderID: "o1", Lines: []campaigns.Line{{SKU: "a", Qty: 1}}}); campaigns.CodeOf(err) != campaigns.CodeInvalid {
		t.Errorf("more than was bought: %v", err)
	}
	if _, err := refund(t, s, &campaigns.Refund{RefundID: "r3", OrderID: "nowhere"}); campaigns.CodeOf(err) != campaigns.CodeNotFound {
		t.Errorf("an order that is not there: %v", err)
	}
	if f := customer(t, s, "c1").Figures; f.PurchaseCount != 1 || f.TotalSpend != 250 {
		t.Errorf("figures %+v", f)
	}
	take("r4", 250)
	if f := customer(t, s, "c1").Figures; f.PurchaseCount != 0 || f.TotalSpend != 0 || f.FirstPurchaseAt != nil || f.LastPurchaseAt != nil {
		t.Errorf("figures %+v of a customer whose only order is void", f)
	}
	if _, err := refund(t, s, &campaigns.Refund{RefundID: "r5", OrderID: "o1"}); campaigns.CodeOf(err) != campaigns.CodeInvalid {
		t.Errorf("the whole of nothing: %v", err)
	}
	if _, err := refund(t, s, &campaigns.Refund{RefundID: "r4", OrderID: "o2"}); campaigns.CodeOf(err) == "" {
		t.Errorf("another order's refund id: %v", err)
	}
}

// TestKeptFiguresEqualRebuiltOnes plays random histories: orders out of their order of time, repeats, guests, refunds by
// lines and whole, repeated and refused ones.
func TestKeptFiguresEqualRebuiltOnes(t *testing.T) {
	s, clock := comingStore(t)
	game := 0
	rapid.Check(t, func(t *rapid.T) {
		game++
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			orderID := fmt.Sprintf("g%d-o%d", game, rapid.IntRange(0, 6).Draw(t, "order"))
			err := s.Update(context.Background(), func(tx *store.Tx) error {
				if rapid.Bool().Draw(t, "buy") {
					_, err := tx.CreatePurchases(context.Background(), []campaigns.Purchase{drawPurchase(t, orderID, game, clock.Now())})
					return err
				}
				_, err := tx.CreateRefund(context.Background(), drawRefund(t, orderID, game))
				return err
			})
			if err != nil && campaigns.CodeOf(err) == "" {
				t.Fatal(err)
			}
		}
		compareFigures(t, s)
	})
}

func drawPurchase(t *rapid.T, orderID string, game int, now time.Time) campaigns.Purchase {
	p := campaigns.Purchase{OrderID: orderID, At: now.Add(-time.Duration(rapid.IntRange(0, 10).Draw(t, "days")) * 24 * time.Hour)}
	if c := rapid.IntRange(0, 3).Draw(t, "customer"); c > 0 {
		p.CustomerID = fmt.Sprintf("g%d-c%d", game, c)
	}
	for range rapid.IntRange(1, 3).Draw(t, "lines") {
		p.Lines = append(p.Lines, campaigns.Line{SKU: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "sku"),
			Qty: int32(rapid.IntRange(0, 3).Draw(t, "qty")), Amount: rapid.Int64Range(-50, 1000).Draw(t, "amount")})
	}
	return p
}

func drawRefund(t *rapid.T, orderID string, game int) *campaigns.Refund {
	r := &campaigns.Refund{OrderID: orderID, RefundID: fmt.Sprintf("g%d-r%d", game, rapid.IntRange(0, 20).Draw(t, "refund"))}
	for range rapid.IntRange(0, 2).Draw(t, "refund lines") {
		r.Lines = append(r.Lines, campaigns.Line{SKU: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "refund sku"), Qty: int32(rapid.IntRange(1, 3).Draw(t, "refund qty"))})
	}
	return r
}

// compareFigures rebuilds all figures and fails when one was different.
func compareFigures(t interface{ Fatalf(string, ...any) }, s *store.Store) {
	err := s.Update(context.Background(), func(tx *store.Tx) error {
		mended, err := tx.RebuildFigures(context.Background(), 0, 1<<60)
		if mended > 0 {
			t.Fatalf("%d customers had other figures than their purchases say", mended)
		}
		return err
	})
	if err != nil {
		t.Fatalf("%v", err)
	}
}

func TestRebuildingMendsFiguresThatAreWrong(t *testing.T) {
	s, clock := comingStore(t)
	post(t, s, order("o1", "c1", clock.Now(), 100))
	if _, err := s.Figure(context.Background(), "UPDATE customer_figures SET total_spend = 7, purchase_count = 3 RETURNING 1"); err != nil {
		t.Fatal(err)
	}
	update(t, s, func(ctx context.Context, tx *store.Tx) error {
		mended, err := tx.RebuildFigures(ctx, 0, 1<<60)
		if mended != 1 {
			t.Errorf("mended %d", mended)
		}
		return err
	})
	if f := customer(t, s, "c1").Figures; f.TotalSpend != 100 || f.PurchaseCount != 1 {
		t.Errorf("figures %+v", f)
	}
}

func TestTwentyTillsAtOnceKeepFiguresRight(t *testing.T) {
	s, clock := comingStore(t)
	var group sync.WaitGroup
	for till := range 20 {
		group.Go(func() {
			for i := range 15 {
				mine := order(fmt.Sprintf("t%d-%d", till, i), fmt.Sprint("c", (till+i)%5), clock.Now().Add(-time.Duration(i)*time.Minute), 100, 20)
				shared := order(fmt.Sprint("shared", i), fmt.Sprint("c", i%5), clock.Now(), 1000)
				err := s.Update(context.Background(), func(tx *store.Tx) error {
					_, err := tx.CreatePurchases(context.Background(), []campaigns.Purchase{mine, shared})
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if n := count(t, s, "purchases"); n != 20*15+15 {
		t.Errorf("%d purchases", n)
	}
	if sum := figure(t, s, "SELECT sum(total_spend)::bigint FROM customer_figures"); sum != 20*15*120+15*1000 {
		t.Errorf("spend %d", sum)
	}
	compareFigures(t, s)
}

func BenchmarkOnePurchase(b *testing.B) {
	s, clock := comingStore(b)
	i := 0
	for b.Loop() {
		i++
		err := s.Update(context.Background(), func(tx *store.Tx) error {
			_, err := tx.CreatePurchases(context.Background(), []campaigns.Purchase{order(fmt.Sprint("o", i), fmt.Sprint("c", i%1000), clock.Now(), 100, 200)})
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
