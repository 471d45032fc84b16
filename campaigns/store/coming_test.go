package store_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/storetest"
)

func comingStore(t testing.TB) (*store.Store, *storetest.Clock) {
	clock := storetest.NewClock(t, "2026-11-21T10:00:00Z")
	return storetest.Open(t, clock.Now), clock
}

func update(t *testing.T, s *store.Store, write func(ctx context.Context, tx *store.Tx) error) {
	t.Helper()
	ctx := context.Background()
	if err := s.Update(ctx, func(tx *store.Tx) error { return write(ctx, tx) }); err != nil {
		t.Fatal(err)
	}
}

func given[T any](value T) *T { return &value }

func customer(t *testing.T, s *store.Store, id string) *campaigns.Customer {
	t.Helper()
	var c *campaigns.Customer
	update(t, s, func(ctx context.Context, tx *store.Tx) (err error) { c, err = tx.Customer(ctx, id); return err })
	return c
}

func TestACustomerIsKeptAsItWasSaved(t *testing.T) {
	s, _ := comingStore(t)
	at := time.Date(2020, 1, 2, 3, 4, 5, 6, time.UTC)
	saved := campaigns.Customer{ID: "c1", Name: given("王芳"), Birthday: given(time.Date(1990, 2, 28, 0, 0, 0, 0, time.UTC)), City: given("Suzhou"),
		RegisteredAt: &at, Email: given("a@example.com"), Phone: given("+8613800138000"), SMSConsent: given(true), Tags: []string{"vip", "new"},
		Attributes: map[string]any{"skin_type": "oily", "score": 1.5, "visits": int64(7), "anniversary": "2024-02-29", "colours": []string{"red"}}}
	update(t, s, func(ctx context.Context, tx *store.Tx) error {
		for name, kind := range map[string]string{"skin_type": "text", "score": "number", "visits": "int", "anniversary": "date", "colours": "text_list", "empty": "money"} {
			if err := tx.CreateAttribute(ctx, &campaigns.Attribute{Name: name, Type: kind}); err != nil {
				return err
			}
		}
		c := saved
		return tx.SaveCustomer(ctx, &c)
	})
	c := customer(t, s, "c1")
	if *c.Name != "王芳" || c.Birthday.Format(time.DateOnly) != "1990-02-28" || !c.RegisteredAt.Equal(at.Truncate(time.Second)) || len(c.Tags) != 2 || c.EmailConsent != nil {
		t.Errorf("customer %+v", c)
	}
	if fmt.Sprint(c.Attributes) != fmt.Sprint(saved.Attributes) {
		t.Errorf("attributes %v, saved %v", c.Attributes, saved.Attributes)
	}
	if c.Attributes["visits"] != int64(7) || c.Attributes["anniversary"] != "2024-02-29" {
		t.Errorf("attributes have other types: %#v", c.Attributes)
	}
	update(t, s, func(ctx context.Context, tx *store.Tx) error {
		list, err := tx.ListCustomers(ctx, 0, 10)
		if err == nil && (len(list) != 1 || list[0].No != c.No) {
			t.Errorf("list %v", list)
		}
		byNo, err := tx.CustomerByNo(ctx, c.No)
		if err == nil && byNo.ID != "c1" {
			t.Errorf("by number %+v", byNo)
		}
		return err
	})
}

func TestASecondSaveOfTheSameProfileWritesNothing(t *testing.T) {
	s, clock := comingStore(t)
	c := campaigns.Customer{ID: "c1", Name: given("A"), Email: given("a@example.com"), EmailConsent: given(true), Tags: []string{"x"}}
	update(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.SaveCustomer(ctx, &c) })
	clock.Advance(time.Hour)
	changes := count(t, s, "changes")
	update(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.SaveCustomer(ctx, &c) })
	if got := customer(t, s, "c1"); got.Revision != 1 || count(t, s, "changes") != changes || count(t, s, "consents") != 1 {
		t.Errorf("revision %d, %d changes, %d consents", got.Revision, count(t, s, "changes")-changes, count(t, s, "consents"))
	}
}

func TestAChangedConsentLeavesALineOfHistory(t *testing.T) {
	s, clock := comingStore(t)
	c := campaigns.Customer{ID: "c1", SMSConsent: given(true), ConsentSource: "till"}
	update(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.SaveCustomer(ctx, &c) })
	clock.Advance(time.Hour)
	c.SMSConsent, c.ConsentSource = nil, ""
	update(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.SaveCustomer(ctx, &c) })
	update(t, s, func(ctx context.Context, tx *store.Tx) error {
		history, err := tx.Consents(ctx, c.No)
		if len(history) != 2 || history[0].Granted || history[0].Source != "profile" || !history[1].Granted || history[1].Source != "till" || !history[0].At.Equal(clock.Now()) {
			t.Errorf("history %+v", history)
		}
		return err
	})
}

func TestTheLatestConsentByTimeWinsWhateverTheOrderTheyComeIn(t *testing.T) {
	s, clock := comingStore(t)
	c := campaigns.Customer{ID: "c1"}
	update(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.SaveCustomer(ctx, &c) })
	say := func(granted bool, ago time.Duration, want any) {
		t.Helper()
		update(t, s, func(ctx context.Context, tx *store.Tx) error {
			return tx.AddConsent(ctx, c.No, campaigns.Consent{Channel: campaigns.Email, Granted: granted, At: clock.Now().Add(-ago), Source: "test"})
		})
		if got := customer(t, s, "c1").EmailConsent; got == nil || *got != want {
			t.Errorf("consent %v, want %v", got, want)
		}
	}
	say(true, 5*time.Hour, true)
	say(false, 2*time.Hour, false)
	say(true, 3*time.Hour, false) // late
	say(true, 2*time.Hour, false) // the same second: the refusal stays
	say(true, time.Hour, true)
	say(false, -48*time.Hour, false) // ahead of the clock: now
}

func TestASuppressedAddressIsFoundInAnySpelling(t *testing.T) {
	s, _ := comingStore(t)
	update(t, s, func(ctx context.Context, tx *store.Tx) error {
		for _, address := range []string{"A@Example.com", "a@example.com "} {
			if err := tx.Suppress(ctx, &campaigns.Suppression{Channel: campaigns.Email, Address: address, Reason: "asked"}); err != nil {
				return err
			}
		}
		return tx.Suppress(ctx, &campaigns.Suppression{Channel: campaigns.SMS, Address: "138 0013 8000", Reason: "asked"})
	})
	list := func(channel string) (found []campaigns.Suppression) {
		update(t, s, func(ctx context.Context, tx *store.Tx) (err error) {
			found, err = tx.Suppressions(ctx, channel, nil, 10)
			return err
		})
		return found
	}
	if all := list(""); len(all) != 2 || list(campaigns.SMS)[0].Address != "+8613800138000" {
		t.Errorf("list %+v", all)
	}
	update(t, s, func(ctx context.Context, tx *store.Tx) error {
		return tx.Unsuppress(ctx, campaigns.Email, "a@EXAMPLE.com")
	})
	if left := list(""); len(left) != 1 {
		t.Errorf("left %+v", left)
	}
	err := s.Update(context.Background(), func(tx *store.Tx) error {
		return tx.Suppress(context.Background(), &campaigns.Suppression{Channel: campaigns.SMS, Address: "12", Reason: "asked"})
	})
	if campaigns.CodeOf(err) != campaigns.CodeInvalid {
		t.Errorf("a number that is none: %v", err)
	}
}

func TestTwoWhoMakeTheSameCustomersAtOnceGetTheSameNumbers(t *testing.T) {
	s, _ := comingStore(t)
	var group sync.WaitGroup
	found := make([]map[string]int64, 8)
	for g := range found {
		group.Go(func() {
			var ids []string
			for i := range 50 {
				ids = append(ids, fmt.Sprint("c", (i*7+g)%60))
			}
			err := s.Update(context.Background(), func(tx *store.Tx) (err error) {
				found[g], err = tx.EnsureCustomers(context.Background(), ids)
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	all := map[string]int64{}
	for _, nos := range found {
		for id, no := range nos {
			if all[id] != 0 && all[id] != no {
				t.Errorf("%s has the numbers %d and %d", id, all[id], no)
			}
			all[id] = no
		}
	}
	if n := count(t, s, "customers"); n != int64(len(all)) {
		t.Errorf("%d customers for %d ids", n, len(all))
	}
}

func TestAnEventCountsOnceHoweverOftenItIsSent(t *testing.T) {
	s, clock := comingStore(t)
	events := []campaigns.Event{
		{EventID: "e1", CustomerID: "c1", Name: "visit", At: clock.Now(), Props: map[string]any{"page": "home"}},
		{EventID: "e1", CustomerID: "c1", Name: "visit", At: clock.Now()},
		{EventID: "e2", CustomerID: "c2", Name: "visit", At: time.Date(1987, 1, 1, 0, 0, 0, 0, time.UTC)},
	}
	for _, want := range []string{"[true false true]", "[false false false]"} {
		created, err := s.CreateEvents(context.Background(), events)
		if err != nil || fmt.Sprint(created) != want {
			t.Errorf("created %v, want %s (%v)", created, want, err)
		}
	}
	if n := count(t, s, "events"); n != 2 {
		t.Errorf("%d events", n)
	}
}

// count is the number of rows of a table, read past the store.
func count(t *testing.T, s *store.Store, table string) int64 {
	t.Helper()
	return figure(t, s, "SELECT count(*) FROM "+table)
}

func figure(t *testing.T, s *store.Store, sql string) (n int64) {
	t.Helper()
	n, err := s.Figure(context.Background(), sql)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
