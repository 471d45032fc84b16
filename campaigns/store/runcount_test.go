package store_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/storetest"
)

// TestWhateverHappensToMessagesTheCountsOfTheirRunsAreThoseOfTheMessages lets all that writes messages happen in any order, some
// of it on two connections at once and some of it undone, and counts anew after each step.
func TestWhateverHappensToMessagesTheCountsOfTheirRunsAreThoseOfTheMessages(t *testing.T) {
	round, happened := 0, map[campaigns.MessageStatus]bool{}
	rapid.Check(t, func(draw *rapid.T) {
		if round++; round > 4 {
			return // each is a database of its own
		}
		c := newCounting(t, draw)
		defer c.store.Close()
		c.open(happened)
		for range rapid.IntRange(20, 40).Draw(draw, "steps") {
			c.step(happened)
		}
	})
	for _, status := range append(campaigns.MessageStatuses(), campaigns.MessageGhost) {
		if status != campaigns.MessageSending && !happened[status] {
			t.Errorf("no message was ever %s: the histories are too few", status)
		}
	}
}

// A countingHouse is three runs whose messages are written by everything that writes them.
type countingHouse struct {
	ctx   context.Context
	draw  *rapid.T
	store *store.Store
	raw   *pgx.Conn
	clock *storetest.Clock
	runs  []campaigns.Run
	no    int64
	owned []handedOut
}

// handedOut are messages that a worker has claimed.
type handedOut struct {
	owner    campaigns.ID
	messages []campaigns.Message
}

func newCounting(t *testing.T, draw *rapid.T) *countingHouse {
	clock := storetest.NewClock(t, "2026-11-21T10:00:00Z")
	s, raw := openWithConnection(t, clock)
	c := &countingHouse{ctx: context.Background(), draw: draw, store: s, raw: raw, clock: clock}
	c.must(s.MonthsOfMessages(c.ctx))
	for i := range 3 {
		run := campaigns.Run{ID: campaigns.NewID(clock.Now()), CampaignID: campaigns.NewID(clock.Now()), Version: 1, Occurrence: clock.Now(), Status: campaigns.Sending}
		if i == 2 {
			run.CampaignID = c.runs[1].CampaignID
			run.Occurrence = run.Occurrence.Add(time.Hour)
		}
		c.must(s.Update(c.ctx, func(tx *store.Tx) error { _, err := tx.CreateRun(c.ctx, &run); return err }))
		c.runs = append(c.runs, run)
	}
	return c
}

func (c *countingHouse) must(err error) {
	if err != nil {
		c.draw.Fatal(err)
	}
}

// open does everything once to each run, so that all that follows finds messages at every status.
func (c *countingHouse) open(happened map[campaigns.MessageStatus]bool) {
	for _, run := range c.runs {
		of := handedOut{owner: campaigns.NewID(c.clock.Now())}
		for _, deed := range []func(tx *store.Tx) error{c.queueSome(run, 60, 5),
			func(tx *store.Tx) (err error) { of.messages, err = c.take(tx, of.owner, 45); return err },
			func(tx *store.Tx) error {
				return c.record(tx, of, []campaigns.MessageStatus{campaigns.MessageSent, campaigns.MessageUnknown, campaigns.MessageFailed, campaigns.MessageExpired, campaigns.MessageUnknown})
			},
			c.turnBack(run, true), c.turnBack(run, false), c.settleAs(run, campaigns.MessageDelivered), c.turnBack(run, true), c.settleAs(run, campaigns.MessageBounced),
			func(tx *store.Tx) error { _, err := c.take(tx, campaigns.NewID(tx.Now), 10); return err },
			func(tx *store.Tx) error { _, err := tx.LoseAll(c.ctx); return err },
			func(tx *store.Tx) error { _, err := tx.CancelDue(c.ctx, run.ID, "late"); return err }, c.queueSome(run, 20, 0)} {
			c.clock.Advance(time.Second)
			c.must(c.store.Update(c.ctx, deed))
			c.check(happened)
		}
		c.clock.Advance(time.Minute)
	}
}

var errUndone = errors.New("undone")

// step does one thing, or two at once, or one that is undone, and counts.
func (c *countingHouse) step(happened map[campaigns.MessageStatus]bool) {
	c.clock.Advance(rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, 40 * time.Second}).Draw(c.draw, "later"))
	first := c.deed()
	switch rapid.SampledFrom([]string{"alone", "alone", "beside", "undone"}).Draw(c.draw, "how") {
	case "alone":
		c.must(c.store.Update(c.ctx, first))
	case "undone":
		if err := c.store.Update(c.ctx, func(tx *store.Tx) error { return errors.Join(first(tx), errUndone) }); !errors.Is(err, errUndone) {
			c.draw.Fatal(err)
		}
	case "beside":
		second := c.deed()
		var both sync.WaitGroup
		var failed error
		both.Go(func() { failed = c.store.Update(c.ctx, second) })
		c.must(c.store.Update(c.ctx, first))
		both.Wait()
		c.must(failed)
	}
	c.check(happened)
}

// deed draws one thing that writes messages, as a transaction that may be tried again.
func (c *countingHouse) deed() func(tx *store.Tx) error {
	ctx := c.ctx
	run := rapid.SampledFrom(c.runs).Draw(c.draw, "run")
	yes := rapid.Bool().Draw(c.draw, "yes")
	switch what := rapid.SampledFrom([]string{"queue", "queue", "claim", "claim", "claim", "finish", "finish", "finish", "finish", "settle", "settle", "requeue", "requeue", "unqueue",
		"lose", "lose all", "stop", "stop campaign", "cancel", "drop", "anew"}).Draw(c.draw, "what"); what {
	case "queue":
		return c.queue(run)
	case "claim":
		return c.claim()
	case "finish":
		return c.finish()
	case "settle":
		return c.settle(run)
	case "requeue", "unqueue":
		return c.turnBack(run, what == "requeue")
	case "lose":
		return func(tx *store.Tx) error { _, err := tx.LoseMessages(ctx, yes); return err }
	case "lose all":
		return func(tx *store.Tx) error { _, err := tx.LoseAll(ctx); return err }
	case "stop":
		return func(tx *store.Tx) error { return tx.StopRun(ctx, run.ID, "enough") }
	case "stop campaign":
		return func(tx *store.Tx) error { return tx.StopRuns(ctx, run.CampaignID, "enough") }
	case "cancel":
		return func(tx *store.Tx) error { _, err := tx.CancelDue(ctx, run.ID, "late"); return err }
	case "anew":
		return func(tx *store.Tx) error { return c.anew(tx) }
	}
	return func(tx *store.Tx) error { _, err := tx.DropMessages(ctx); return err }
}

// anew finds nothing to mend.
func (c *countingHouse) anew(tx *store.Tx) error {
	var ids []campaigns.ID
	for i := range c.runs {
		ids = append(ids, c.runs[i].ID)
	}
	mended, err := tx.RebuildCounts(c.ctx, ids)
	if err == nil && mended != 0 {
		return errors.New("counts had to be mended")
	}
	return err
}

func (c *countingHouse) queue(run campaigns.Run) func(tx *store.Tx) error {
	n := rapid.IntRange(1, 40).Draw(c.draw, "messages")
	return c.queueSome(run, n, rapid.IntRange(0, 3).Draw(c.draw, "ghosts"))
}

func (c *countingHouse) queueSome(run campaigns.Run, n, ghosts int) func(tx *store.Tx) error {
	from := c.no
	c.no += int64(n)
	return func(tx *store.Tx) error {
		var messages []campaigns.Message
		for i := range n {
			m := campaigns.Message{ID: campaigns.NewID(tx.Now), No: from + int64(i), CampaignID: run.CampaignID, RunID: run.ID, Version: 1, Variant: "A", Channel: campaigns.Email,
				ChannelID: campaigns.Catcher, Address: "a@shop.example", Ghost: i < ghosts, NotAfter: tx.Now.AddDate(0, 0, 2), PlannedAt: tx.Now, DueAt: tx.Now}
			if i%5 == 4 {
				m.RunID = c.runs[0].ID // a transaction writes of several runs
			}
			messages = append(messages, m)
		}
		return tx.QueueMessages(c.ctx, messages)
	}
}

func (c *countingHouse) claim() func(tx *store.Tx) error {
	most := rapid.IntRange(1, 60).Draw(c.draw, "most")
	c.owned = append(c.owned, handedOut{owner: campaigns.NewID(c.clock.Now())})
	at := len(c.owned) - 1
	owner := c.owned[at].owner
	return func(tx *store.Tx) (err error) {
		c.owned[at].messages, err = c.take(tx, owner, most)
		return err
	}
}

// take claims as a worker does.
func (c *countingHouse) take(tx *store.Tx, owner campaigns.ID, most int) ([]campaigns.Message, error) {
	lanes, err := tx.ClaimLanes(c.ctx, campaigns.Catcher, owner, tx.Now.Add(30*time.Second), campaigns.Lanes)
	if err != nil {
		return nil, err
	}
	return tx.ClaimMessages(c.ctx, campaigns.Catcher, lanes, owner, tx.Now.Add(30*time.Second), most)
}

// finish records for somebody who claimed, early or late or twice.
func (c *countingHouse) finish() func(tx *store.Tx) error {
	if len(c.owned) == 0 {
		return func(*store.Tx) error { return nil }
	}
	of := c.owned[rapid.IntRange(0, len(c.owned)-1).Draw(c.draw, "whose")]
	ends := rapid.SliceOfN(rapid.SampledFrom([]campaigns.MessageStatus{campaigns.MessageSent, campaigns.MessageSent, campaigns.MessageFailed, campaigns.MessageUnknown,
		campaigns.MessageCancelled, campaigns.MessageExpired, campaigns.MessageQueued, "moved", "resend"}), 3, 3).Draw(c.draw, "ends")
	return func(tx *store.Tx) error { return c.record(tx, of, ends) }
}

// record writes outcomes, one after another.
func (c *countingHouse) record(tx *store.Tx, of handedOut, ends []campaigns.MessageStatus) error {
	var results []store.Result
	for i, m := range of.messages {
		r := store.Result{Message: m, Status: ends[i%len(ends)], Handed: i%2 == 0}
		switch r.Status {
		case campaigns.MessageQueued:
			r.RetryAt = tx.Now.Add(time.Second)
		case "moved":
			r.RetryAt, r.Replanned = tx.Now.Add(time.Second), true
		case "resend":
			r.RetryAt, r.Resend, r.Handed = tx.Now.Add(time.Second), true, true
		}
		results = append(results, r)
	}
	if len(results) == 0 {
		return nil
	}
	return tx.FinishMessages(c.ctx, of.owner, results)
}

// settle moves messages of a run as receipts and people do.
func (c *countingHouse) settle(run campaigns.Run) func(tx *store.Tx) error {
	return c.settleAs(run, rapid.SampledFrom([]campaigns.MessageStatus{campaigns.MessageSent, campaigns.MessageDelivered, campaigns.MessageBounced, campaigns.MessageFailed}).Draw(c.draw, "to"))
}

func (c *countingHouse) settleAs(run campaigns.Run, to campaigns.MessageStatus) func(tx *store.Tx) error {
	return func(tx *store.Tx) error {
		found, err := tx.Messages(c.ctx, store.MessageFilter{Run: run.ID, Limit: 200})
		var settlements []store.Settlement
		for _, m := range found {
			if !m.Ghost && !m.Status.Waits() && m.Status != campaigns.MessageCancelled && len(settlements) < 8 {
				settlements = append(settlements, store.Settlement{Message: m, From: m.Status, To: to, Steps: []campaigns.Change{{At: tx.Now, Status: to}}})
			}
		}
		if err != nil {
			return err
		}
		_, err = tx.SettleMessages(c.ctx, settlements)
		return err
	}
}

// turnBack puts a message whose outcome is unknown into the queue again, or takes one that is there for that out of it.
func (c *countingHouse) turnBack(run campaigns.Run, requeue bool) func(tx *store.Tx) error {
	return func(tx *store.Tx) error {
		status, move := campaigns.MessageQueued, tx.UnqueueMessage
		if requeue {
			status, move = campaigns.MessageUnknown, func(ctx context.Context, m *campaigns.Message) (bool, error) {
				return tx.RequeueMessage(ctx, m, "again")
			}
		}
		found, err := tx.Messages(c.ctx, store.MessageFilter{Run: run.ID, Status: status, Limit: 200})
		for i := range found {
			if err == nil {
				_, err = move(c.ctx, &found[i])
			}
		}
		return err
	}
}

// check counts the messages themselves.
func (c *countingHouse) check(happened map[campaigns.MessageStatus]bool) {
	rows, err := c.raw.Query(c.ctx, `SELECT run_id::text, CASE WHEN ghost THEN 'ghost' ELSE status END, count(*) FROM messages GROUP BY 1, 2`)
	c.must(err)
	real, delivery := map[string]map[string]int64{}, map[campaigns.ID]map[string]int64{}
	var run, status string
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&run, &status, &n}, func() error {
		if real[run] == nil {
			real[run] = map[string]int64{}
		}
		real[run][status] = n
		happened[campaigns.MessageStatus(status)] = true
		return nil
	})
	c.must(err)
	c.must(c.store.View(c.ctx, func(tx *store.Tx) error {
		for i := range c.runs {
			r, err := tx.Run(c.ctx, c.runs[i].ID)
			if err != nil {
				return err
			}
			kept := map[string]int64{}
			for status, n := range r.Messages {
				kept[status] = n
			}
			kept["queued"] += kept["sending"]
			maps.DeleteFunc(kept, func(status string, n int64) bool { return n == 0 || status == "sending" })
			messages := maps.Clone(real[r.ID.String()])
			for status, n := range messages {
				if delivery[r.CampaignID] == nil {
					delivery[r.CampaignID] = map[string]int64{}
				}
				delivery[r.CampaignID][status] += n
			}
			delete(messages, "ghost")
			if !maps.Equal(kept, messages) {
				c.draw.Fatalf("run %d: %v are kept, %v are there", i, kept, messages)
			}
		}
		for id, real := range delivery {
			if kept, err := tx.CampaignDelivery(c.ctx, id); err != nil || !maps.Equal(kept, real) {
				c.draw.Fatalf("delivery of a campaign: %v is kept, %v is there (%v)", kept, real, err)
			}
		}
		return nil
	}))
}

func TestCountsThatAreWrongAreMended(t *testing.T) {
	r := newRecording(t, 10)
	r.queue()
	for _, wrong := range []string{`UPDATE run_counts SET queued = queued + 3, ghosts = 1`, `DELETE FROM run_counts`, `UPDATE run_counts SET sent = -1`} {
		if _, err := r.raw.Exec(r.ctx, wrong); err != nil {
			t.Fatal(err)
		}
		for _, mends := range []int64{1, 0} {
			r.update(func(tx *store.Tx) error {
				mended, err := tx.RebuildCounts(r.ctx, []campaigns.ID{r.run.ID})
				if mended != mends {
					t.Errorf("%s: %d runs were mended, not %d", wrong, mended, mends)
				}
				return err
			})
		}
		r.update(func(tx *store.Tx) error {
			of, err := tx.MessagesOf(r.ctx, []campaigns.ID{r.run.ID})
			if n := of[r.run.ID]; n[campaigns.MessageQueued] != 10 || len(n) != 1 {
				t.Errorf("%s: %v after it was mended", wrong, n)
			}
			return err
		})
	}
}

func TestMessagesFromBeforeTheyWereCountedAreCounted(t *testing.T) {
	r := newRecording(t, 300)
	r.queue()
	r.mark(64)
	r.record(64)
	script, err := os.ReadFile("migrations/00016_counts.sql")
	if err != nil {
		t.Fatal(err)
	}
	up, down, _ := strings.Cut(string(script), "-- +goose Down")
	for _, half := range []string{down, up} {
		if _, err := r.raw.Exec(r.ctx, half); err != nil { // goose's marks are comments
			t.Fatal(err)
		}
	}
	r.update(func(tx *store.Tx) error {
		of, err := tx.MessagesOf(r.ctx, []campaigns.ID{r.run.ID})
		if n := of[r.run.ID]; n[campaigns.MessageSent] != 300 || len(n) != 1 {
			t.Errorf("%v after the migration", n)
		}
		return err
	})
	var noted int64
	r.read(t, `SELECT count(DISTINCT no) FROM changes WHERE kind = 5 AND nos IS NULL`, &noted)
	if noted != 300 {
		t.Errorf("%d customers are noted as changed after going back, not 300", noted)
	}
}
