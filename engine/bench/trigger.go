package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
)

const (
	triggerLive    = 1000
	triggerRate    = 500 // events a second
	triggerRows    = 10_000
	triggerClients = 8
	triggerMS      = 1000
	triggerLook    = 25 * time.Millisecond // how exact the times are
	triggerIDTime  = 3 * time.Second       // how long a transaction that queues messages may last to be seen
	triggerPatient = 30 * time.Second
)

// A gate is a shop with a thousand live campaigns that wait for the same event, and customers of whom each matches one.
type gate struct {
	*ground
	store  *store.Store
	engine *engine.Engine
	n      int
	byNo   map[int64]int // number → the customer's place
	marks  []marks
}

// marks are when one event was committed, decided about, and its message seen in the outbox's books.
type marks struct{ committed, decided, queued time.Time }

// measureTriggers posts events at a steady rate, each of another customer and each a match of one of the live campaigns,
// the thousand in turn: what is the same for all who enter a campaign at once is spread over as few as can be.
func measureTriggers(ctx context.Context, g *ground) (rows []Row, err error) {
	t := &gate{ground: g, n: g.rows(triggerRows)}
	if t.store, err = g.shop(ctx, "triggers", 24); err != nil {
		return nil, err
	}
	defer t.store.Close()
	t.engine = engine.New(t.store, engine.Options{AudienceBytes: -1})
	if err := t.define(ctx); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- t.engine.Run(ctx) }()
	defer func() { stop(); err = errors.Join(err, <-ran) }()
	if _, err := t.engine.Due(ctx); err != nil { // the plans are ready, as they are a second after a launch
		return nil, err
	}
	rate, err := t.measure(ctx)
	if err != nil {
		return nil, err
	}
	decided, queued := t.delays(func(m marks) time.Time { return m.decided }), t.delays(func(m marks) time.Time { return m.queued })
	g.note("triggers: %d events at %.0f a second over %d live campaigns: decided p50 %.0f ms, p99 %.0f, the slowest %.0f; queued p50 %.0f ms, p99 %.0f, the slowest %.0f",
		t.n, rate, triggerLive, percentile(decided, 50), percentile(decided, 99), percentile(decided, 100), percentile(queued, 50), percentile(queued, 99), percentile(queued, 100))
	name := fmt.Sprintf("triggers: %d live, %d events/s", triggerLive, triggerRate)
	posted := rate / triggerRate
	return []Row{
		below(name+", commit to queued, p99", "ms", percentile(queued, 99), triggerMS),
		below(name+", commit to decided, p99", "ms", percentile(decided, 99), triggerMS),
		{Name: name + ", posted", Value: rate, Unit: "events/s", Beside: triggerRate, Ratio: posted, Bar: 0.95, Met: posted >= 0.95},
	}, nil
}

// define makes the customers, a thousandth of them in each city, and the campaigns, one for each city.
func (t *gate) define(ctx context.Context) error {
	var file bytes.Buffer
	file.WriteString("id,name,city,email,email_consent\n")
	for i := range t.n {
		fmt.Fprintf(&file, "%s,Customer %d,City %03d,%s,true\n", customerID(i), i, i%triggerLive, emailOf(i))
	}
	if err := t.bring(ctx, t.store, campaigns.ImportCustomers, &file, t.n); err != nil {
		return err
	}
	nos, err := numbers(ctx, t.store, t.n)
	if err != nil {
		return err
	}
	t.byNo = make(map[int64]int, t.n)
	for i, no := range nos {
		t.byNo[no] = i
	}
	words := campaigns.Template{TemplateDefinition: campaigns.TemplateDefinition{Name: "Visit", Channel: campaigns.Email,
		Parts: map[string]string{"subject": "Hello {{ customer.name }}", "text": "Glad that you came. {{ links.unsubscribe }}"}}}
	if err := t.store.Update(ctx, func(tx *store.Tx) error { return tx.CreateTemplate(ctx, &words) }); err != nil {
		return err
	}
	t.Say("launching %d campaigns", triggerLive)
	none := 0.0
	patterns := []string{`city == "City %03d"`, `total_spend >= 0 && city == "City %03d"`, `(tier != "gold" || purchase_count < 3) && city == "City %03d"`,
		`days_since(last_purchase_at) == nil && city == "City %03d"`, `city in ["City %03d", "Nowhere"] && email != nil`}
	for i := range triggerLive {
		c, err := t.engine.CreateCampaign(ctx, "bench", campaigns.Definition{Name: fmt.Sprintf("Campaign %d", i), Kind: campaigns.Triggered,
			Trigger: &campaigns.Trigger{Event: "visit"}, Purpose: "transactional", Rule: fmt.Sprintf(patterns[i%len(patterns)], i), Holdout: &none,
			Variants: []campaigns.Variant{{Name: "A", Weight: 1, ChannelID: campaigns.Catcher, TemplateID: words.ID}}})
		if err == nil {
			_, err = t.engine.MoveCampaign(ctx, "bench", c.ID, 0, campaigns.Launch)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// measure posts the events and waits until each has its one message; it gives the events a second that were posted.
func (t *gate) measure(ctx context.Context) (float64, error) {
	t.marks = make([]marks, t.n)
	seen := &watch{gate: t, committed: make([]atomic.Int64, t.n)}
	conn, err := pgx.Connect(ctx, t.server.URL("triggers"))
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := t.store.EnsureEventMonths(ctx, []campaigns.Event{{At: t.Clock()}}); err != nil {
		return 0, err
	}
	watched := make(chan error, 1)
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go func() { watched <- seen.follow(watching, conn) }()
	rate, err := t.post(ctx, seen)
	if err != nil {
		stop()
		return 0, errors.Join(err, <-watched)
	}
	if err := <-watched; err != nil {
		return 0, err
	}
	n, err := t.count(ctx, "triggers", "SELECT count(*) FROM messages")
	if err == nil && n != int64(t.n) {
		err = fmt.Errorf("%d messages for %d events", n, t.n)
	}
	return rate, err
}

// post sends the events, each at its time, by a few clients.
func (t *gate) post(ctx context.Context, seen *watch) (float64, error) {
	var next atomic.Int64
	var clients sync.WaitGroup
	failed := make([]error, triggerClients)
	start := t.Clock()
	for i := range triggerClients {
		clients.Go(func() {
			for failed[i] == nil {
				at := int(next.Add(1) - 1)
				if at >= t.n {
					return
				}
				if early := start.Add(time.Duration(at) * time.Second / triggerRate).Sub(t.Clock()); early > 0 {
					time.Sleep(early)
				}
				_, failed[i] = t.store.CreateEvents(ctx, []campaigns.Event{{EventID: customerID(at), CustomerID: customerID(at), Name: "visit", At: t.Clock()}})
				seen.committed[at].Store(t.Clock().UnixNano())
			}
		})
	}
	clients.Wait()
	return float64(t.n) / t.Clock().Sub(start).Seconds(), errors.Join(failed...)
}

func (t *gate) delays(at func(marks) time.Time) []float64 {
	delays := make([]float64, len(t.marks))
	for i, m := range t.marks {
		delays[i] = max(0, ms(at(m).Sub(m.committed)))
	}
	return delays
}

// A watch looks at the database, as another program would, for signals that are gone and messages that have come.
type watch struct {
	*gate
	committed []atomic.Int64
}

func (w *watch) follow(ctx context.Context, conn *pgx.Conn) error {
	ticker := time.NewTicker(triggerLook)
	defer ticker.Stop()
	var patience time.Time
	for left := w.n; left > 0; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		found, err := w.look(ctx, conn)
		if err != nil {
			return err
		}
		left -= found
		if now := w.Clock(); found > 0 || patience.IsZero() {
			patience = now.Add(triggerPatient)
		} else if now.After(patience) {
			return fmt.Errorf("%d of %d events have no message after %s", left, w.n, triggerPatient)
		}
	}
	return nil
}

// look marks what was committed before it began and is there, and gives how many messages are new.
func (w *watch) look(ctx context.Context, conn *pgx.Conn) (found int, err error) {
	began := w.Clock()
	rows, err := conn.Query(ctx, "SELECT no FROM signals")
	if err != nil {
		return 0, err
	}
	open, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return 0, err
	}
	waits := make(map[int]bool, len(open))
	for _, no := range open {
		waits[w.byNo[no]] = true
	}
	rows, err = conn.Query(ctx, "SELECT no FROM messages WHERE id > $1", campaigns.NewID(began.Add(-triggerIDTime)))
	if err != nil {
		return 0, err
	}
	queued, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return 0, err
	}
	now := w.Clock()
	for i := range w.marks {
		m := &w.marks[i]
		committed := w.committed[i].Load()
		if committed == 0 || !m.decided.IsZero() {
			continue
		}
		if m.committed = time.Unix(0, committed); m.committed.Before(began) && !waits[i] {
			m.decided = now
		}
	}
	for _, no := range queued {
		if m := &w.marks[w.byNo[no]]; m.queued.IsZero() {
			m.queued = now
			found++
		}
	}
	return found, nil
}
