package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/rules"
)

const (
	loadBar          = 0.60
	customerBytesMax = 100
	purchaseBytesMax = 16
	followChanged    = 5_000 // customers, with two changes each
	followMS         = 100
)

// thrown counts what it is given and throws it away.
type thrown struct{ bytes int64 }

// Write takes everything.
func (t *thrown) Write(p []byte) (int, error) {
	t.bytes += int64(len(p))
	return len(p), nil
}

// throwAway copies what the image loads, and does nothing with it.
func (a *gathering) throwAway(ctx context.Context) (int64, error) {
	var to thrown
	needs := a.needs()
	err := a.store.View(ctx, func(tx *store.Tx) error {
		if err := tx.CopyCustomers(ctx, needs.Columns, store.Span{}, &to); err != nil {
			return err
		}
		return tx.CopyHistory(ctx, "purchases", needs.Fields["purchases"], false, store.Span{}, &to)
	})
	return to.bytes, err
}

// measureLoad loads an image in each round, and keeps the last; what it holds is measured too.
func (a *gathering) measureLoad(ctx context.Context) ([]Row, error) {
	a.Say("reading everything once, so that both sides find it in memory")
	size, err := a.throwAway(ctx)
	if err != nil {
		return nil, err
	}
	load := func(ctx context.Context, _ int) (float64, error) {
		if err := a.release(ctx); err != nil {
			return 0, err
		}
		a.image = a.newImage()
		began := a.Clock()
		err := a.image.Hold(ctx, a.store, a.needs())
		return float64(size) / a.Clock().Sub(began).Seconds(), err
	}
	copied := func(ctx context.Context, _ int) (float64, error) {
		began := a.Clock()
		again, err := a.throwAway(ctx)
		if err == nil && again != size {
			err = fmt.Errorf("%d bytes were copied, and then %d", size, again)
		}
		return float64(size) / a.Clock().Sub(began).Seconds(), err
	}
	measured, err := a.alternate(ctx, "load", load, copied)
	if err != nil {
		return nil, err
	}
	stats := a.image.Stats()
	purchases := stats.BytesOf["purchases"]
	a.note("the image of %d customers and %d purchases takes %d MB, loaded from %d MB of COPY; the load alone had at most %s", stats.Customers, stats.Rows, stats.Bytes>>20, size>>20, peak())
	if stats.Customers != int64(a.n) {
		return nil, fmt.Errorf("the image holds %d customers, not %d", stats.Customers, a.n)
	}
	return []Row{measured.row("load: columns, COPY thrown away", "bytes/s", 0, 1, loadBar),
		below("memory of a customer, 20 attributes", "bytes", float64(stats.Bytes-purchases)/float64(stats.Customers), customerBytesMax),
		below("memory of a purchase: at, store, amount", "bytes", float64(purchases)/float64(stats.Rows), purchaseBytesMax)}, nil
}

// measureFollowing changes customers through imports and measures how long the image takes to catch up. Then one customer
// changes, and the next count must see it.
func (a *gathering) measureFollowing(ctx context.Context) ([]Row, error) {
	every := max(1, a.n/followChanged)
	changed := a.n / every
	if _, err := a.count(ctx, audienceDatabase, `WITH known AS (INSERT INTO customer_ids SELECT id, no FROM customers WHERE no % $1::int = 0 RETURNING no) SELECT count(*) FROM known`, every); err != nil {
		return nil, err
	}
	var millis, copied []float64
	for round := range max(3, a.Rounds) {
		if err := a.change(ctx, every, changed, round); err != nil {
			return nil, err
		}
		if err := a.image.Hold(ctx, a.store, a.needs()); err != nil {
			return nil, err
		}
		stats := a.image.Stats()
		if stats.Behind < int64(changed) {
			return nil, fmt.Errorf("the image found %d changes, not %d customers'", stats.Behind, changed)
		}
		plain, err := a.throwChangedAway(ctx, every, changed)
		if err != nil {
			return nil, err
		}
		a.Say("catching up with %d changes of %d customers: %.1f ms, COPY alone %.1f ms", stats.Behind, changed, ms(stats.CatchUp), ms(plain))
		millis, copied = append(millis, ms(stats.CatchUp)), append(copied, ms(plain))
	}
	a.note("each catch-up is with %d customers, profile and purchases of each; of it, COPY of the same customers over two connections, thrown away, takes %.1f ms; the load average was %s",
		changed, median(copied), busy())
	if err := a.checkOneIsSeen(ctx, every); err != nil {
		return nil, err
	}
	return []Row{below(fmt.Sprintf("catching up with %d changes", 2*changed), "ms", median(millis), followMS)}, nil
}

// change edits the profile of every so-manieth customer and gives each a purchase.
func (a *gathering) change(ctx context.Context, every, changed, round int) error {
	var profiles, purchases bytes.Buffer
	profiles.WriteString("id,city,visits\n")
	purchases.WriteString("order_id,customer_id,at,store,sku,qty,amount\n")
	for i := 1; i <= changed; i++ {
		fmt.Fprintf(&profiles, "c%d,City %02d,%d\n", i*every, 10+round, 1000+round)
		fmt.Fprintf(&purchases, "new-%d-%d,c%d,%s,S%d,sku-1,1,%d.00\n", round, i, i*every, crowdNow().AddDate(0, 0, -round-1).Format(time.RFC3339), i%300, 10+i%50)
	}
	if err := a.bring(ctx, a.store, campaigns.ImportCustomers, &profiles, changed); err != nil {
		return err
	}
	return a.bring(ctx, a.store, campaigns.ImportPurchases, &purchases, changed)
}

// throwChangedAway copies what a catch-up reads of those who changed, customers and purchases side by side as it does.
func (a *gathering) throwChangedAway(ctx context.Context, every, changed int) (time.Duration, error) {
	span, needs := store.Span{Nos: make([]int64, changed)}, a.needs()
	for i := range span.Nos {
		span.Nos[i] = int64((i + 1) * every)
	}
	began := a.Clock()
	beside := make(chan error, 1)
	go func() {
		beside <- a.store.View(ctx, func(tx *store.Tx) error {
			return tx.CopyHistory(ctx, "purchases", needs.Fields["purchases"], false, span, &thrown{})
		})
	}()
	err := a.store.View(ctx, func(tx *store.Tx) error { return tx.CopyCustomers(ctx, needs.Columns, span, &thrown{}) })
	err = errors.Join(err, <-beside)
	return a.Clock().Sub(began), err
}

// checkOneIsSeen changes one customer.
func (a *gathering) checkOneIsSeen(ctx context.Context, no int) error {
	rule, err := rules.Compile(a.schema, `tier == "diamond" && any(purchases, .store == "Harbour")`)
	if err != nil {
		return err
	}
	for want := range int64(2) {
		found, err := a.find(ctx, rule, 1)
		if err != nil {
			return err
		}
		if found.Counts[0] != want {
			return fmt.Errorf("a customer who has changed: %d are counted, not %d", found.Counts[0], want)
		}
		if want > 0 {
			a.Say("one changed customer is seen: caught up in %.1f ms", ms(a.image.Stats().CatchUp))
			break
		}
		if err := a.bring(ctx, a.store, campaigns.ImportCustomers, strings.NewReader(fmt.Sprintf("id,tier\nc%d,diamond\n", no)), 1); err != nil {
			return err
		}
		row := fmt.Sprintf("order_id,customer_id,at,store,sku,qty,amount\nlast,c%d,%s,Harbour,sku-1,1,10.00\n", no, crowdNow().Format(time.RFC3339))
		if err := a.bring(ctx, a.store, campaigns.ImportPurchases, strings.NewReader(row), 1); err != nil {
			return err
		}
	}
	return nil
}

// ms is a duration in milliseconds.
func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// percentile of values that are not in order: the least that so many hundredths of them do not exceed.
func percentile(values []float64, hundredths int) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(0, (len(sorted)*hundredths+99)/100-1)]
}
