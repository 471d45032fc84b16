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
	triggerRows    = 5_000
	triggerClients = 8
	triggerMS      = 1000
	triggerLook    = 25 * time.Millisecond // how exact the times are
	triggerPatient = 30 * time.Second
)

// A gate is a shop with a thousand live campaigns, or as many as there are events, that wait for the same event, and customers of whom some match one.
type gate struct {
	*ground
	store  *store.Store
	engine *engine.Engine
	n      int           // events of a crowd
	live   int           // campaigns
	byNo   map[int64]int // number → the customer's place
	nos    []int64       // by place
	marks  []marks
}

// marks are when one event was committed, decided about, and its message seen in the outbox's books. enters says that it
// has one.
type marks struct {
	committed, decided, queued time.Time
	enters                     bool
}

// A visitors' crowd is told by how its customers are spread over the campaigns. City is a customer's, by which a campaign
// knows them.
type visitors struct {
	name string
	city func(i int) int // of the campaigns' cities; the number of campaigns is none of them
}

func crowdsOfVisitors(live int) []visitors {
	return []visitors{
		{"one in ten enters, each another campaign", func(i int) int {
			if i%10 > 0 {
				return live
			}
			return i / 10 % live
		}},
		{"all enter one campaign", func(int) int { return 7 }},
		{"all enter, each another campaign", func(i int) int { return i % live }},
	}
}

// measureTriggers posts events at a steady rate, each of another customer, in crowds: most that happens starts nothing; one
// campaign may meet everybody; and at worst each event starts another campaign than the one before, so that nothing which
// is the same for all who enter a campaign at once is shared.
func measureTriggers(ctx context.Context, g *ground) (rows []Row, err error) {
	t := &gate{ground: g, n: g.rows(triggerRows)}
	t.live = min(triggerLive, max(10, t.n))
	if t.store, err = g.shop(ctx, "triggers", 24); err != nil {
		return nil, err
	}
	defer t.store.Close()
	t.engine = engine.New(t.store, engine.Options{AudienceBytes: -1})
	if err := t.define(ctx); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { t.engine.Run(ctx) })
	defer running.Wait()
	defer stop()
	if _, err := t.engine.Due(ctx); err != nil { // the plans are ready, as they are a second after a launch
		return nil, err
	}
	for i, v := range crowdsOfVisitors(t.live) {
		rate, err := t.measure(ctx, i)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", v.name, err)
		}
		decided := t.delays(func(m marks) time.Time { return m.decided })
		queued := t.delays(func(m marks) time.Time { return m.queued })
		g.note("triggers: %s: %d events at %.0f a second over %d live campaigns: decided p50 %.0f ms, p99 %.0f, the slowest %.0f; queued p50 %.0f ms, p99 %.0f, the slowest %.0f",
			v.name, t.n, rate, t.live, percentile(decided, 50), percentile(decided, 99), percentile(decided, 100), percentile(queued, 50), percentile(queued, 99), percentile(queued, 100))
		rows = append(rows, below(fmt.Sprintf("triggers: %d live, %d events/s, %s: queued, p99", t.live, triggerRate, v.name), "ms", percentile(queued, 99), triggerMS))
	}
	return rows, nil
}

// define makes the customers of all crowds and the campaigns, one for each city.
func (t *gate) define(ctx context.Context) error {
	crowds := crowdsOfVisitors(t.live)
	all := len(crowds) * t.n
	var file bytes.Buffer
	file.WriteString("id,name,city,email,email_consent\n")
	for i := range all {
		fmt.Fprintf(&file, "%s,Customer %d,City %03d,%s,true\n", customerID(i), i, crowds[i/t.n].city(i%t.n), emailOf(i))
	}
	if err := t.bring(ctx, t.store, campaigns.ImportCustomers, &file, all); err != nil {
		return err
	}
	nos, err := numbers(ctx, t.store, all)
	if err != nil {
		return err
	}
	t.nos, t.byNo = nos, make(map[int64]int, all)
	for i, no := range nos {
		t.byNo[no] = i
	}
	words := campaigns.Template{TemplateDefinition: campaigns.TemplateDefinition{Name: "Visit", Channel: campaigns.Email,
		Parts: map[string]string{"subject": "Hello {{ customer.name }}", "text": "Glad that you came. {{ links.unsubscribe }}"}}}
	if err := t.store.Update(ctx, func(tx *store.Tx) error { return tx.CreateTemplate(ctx, &words) }); err != nil {
		return err
	}
	t.Say("launching %d campaigns", t.live)
	none := 0.0
	patterns := []string{`city == "City %03d"`, `total_spend >= 0 && city == "City %03d"`, `(tier != "gold" || purchase_count < 3) && city == "City %03d"`,
		`days_since(last_purchase_at) == nil && city == "City %03d"`, `city in ["City %03d", "Nowhere"] && email != nil`}
	for i := range t.live {
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

// measure posts the events of a crowd and waits until each is decided and has its one message, or none; it gives the
// events a second that were posted.
func (t *gate) measure(ctx context.Context, crowd int) (float64, error) {
	t.marks = make([]marks, t.n)
	expected := int64(0)
	for i := range t.marks {
		if t.marks[i].enters = crowdsOfVisitors(t.live)[crowd].city(i) < t.live; t.marks[i].enters {
			expected++
		}
	}
	before, err := t.ground.count(ctx, "triggers", "SELECT count(*) FROM messages")
	if err != nil {
		return 0, err
	}
	seen := &watch{gate: t, first: crowd * t.n, committed: make([]atomic.Int64, t.n)}
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
	n, err := t.ground.count(ctx, "triggers", "SELECT count(*) FROM messages")
	if err == nil && n-before != expected {
		err = fmt.Errorf("%d messages for %d events that start one", n-before, expected)
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
				id := customerID(seen.first + at)
				_, failed[i] = t.store.CreateEvents(ctx, []campaigns.Event{{EventID: id, CustomerID: id, Name: "visit", At: t.Clock()}})
				seen.committed[at].Store(t.Clock().UnixNano())
			}
		})
	}
	clients.Wait()
	return float64(t.n) / t.Clock().Sub(start).Seconds(), errors.Join(failed...)
}

func (t *gate) delays(at func(marks) time.Time) []float64 {
	var delays []float64
	for _, m := range t.marks {
		if then := at(m); !then.IsZero() {
			delays = append(delays, max(0, ms(then.Sub(m.committed))))
		}
	}
	return delays
}

// A watch looks at the database, as another program would, for signals that are gone and messages that have come.
type watch struct {
	*gate
	first     int // customer of the crowd
	committed []atomic.Int64
}

func (w *watch) follow(ctx context.Context, conn *pgx.Conn) error {
	ticker := time.NewTicker(triggerLook)
	defer ticker.Stop()
	var patience time.Time
	for left := len(w.marks); left > 0; {
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
			return fmt.Errorf("%d of %d events are not decided or have no message after %s", left, w.n, triggerPatient)
		}
	}
	return nil
}

// look marks what was committed before it began and is there, and gives how many events are over with it.
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
	rows, err = conn.Query(ctx, "SELECT no FROM messages WHERE no = ANY($1)", w.without())
	if err != nil {
		return 0, err
	}
	queued, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return 0, err
	}
	now := w.Clock()
	for _, no := range queued {
		if at := w.byNo[no] - w.first; at >= 0 && at < len(w.marks) && w.marks[at].queued.IsZero() {
			w.marks[at].queued = now
		}
	}
	for i := range w.marks {
		m := &w.marks[i]
		was := m.isOver()
		if committed := w.committed[i].Load(); committed > 0 && m.decided.IsZero() {
			if m.committed = time.Unix(0, committed); m.committed.Before(began) && !waits[w.first+i] {
				m.decided = now
			}
		}
		if m.isOver() && !was {
			found++
		}
	}
	return found, nil
}

// without are the customers whose event was committed and whose message was not seen yet.
func (w *watch) without() (nos []int64) {
	for i := range w.marks {
		if m := &w.marks[i]; m.enters && m.queued.IsZero() && w.committed[i].Load() > 0 {
			nos = append(nos, w.nos[w.first+i])
		}
	}
	return nos
}

func (m *marks) isOver() bool { return !m.decided.IsZero() && (!m.enters || !m.queued.IsZero()) }
