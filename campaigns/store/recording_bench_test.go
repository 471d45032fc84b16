package store_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/storetest"
)

// BenchmarkMessage says what a message costs PostgreSQL from the queue to its receipt: processor time of its processes, and
// bytes of the log, per message, for each step. Full pages are left out of the log: how many there are depends on checkpoints.
func BenchmarkMessage(b *testing.B) {
	const messages = 16 << 10
	for b.Loop() {
		r := newRecording(b, messages)
		r.measure(b, "queue", r.queue)
		r.vacuum(b)
		r.measure(b, "mark", func() { r.mark(64) })
		r.measure(b, "record", func() { r.record(64) })
		r.vacuum(b)
		r.measure(b, "receipt", func() { r.settle(1000) })
		var updates, hot int64
		r.read(b, `SELECT sum(n_tup_upd)::bigint, sum(n_tup_hot_upd)::bigint FROM pg_stat_user_tables WHERE relname LIKE 'messages_2%'`, &updates, &hot)
		b.ReportMetric(float64(hot)/float64(updates), "hot")
		b.ReportMetric(0, "ns/op")
	}
}

// A recording is a run whose messages are queued, marked, recorded and answered by receipts.
type recording struct {
	ctx     context.Context
	tb      testing.TB
	store   *store.Store
	raw     *pgx.Conn
	clock   *storetest.Clock
	run     campaigns.Run
	n       int
	claimed []campaigns.Message
}

func newRecording(tb testing.TB, n int) *recording {
	clock := storetest.NewClock(tb, "2026-11-21T10:00:00Z")
	s, raw := openWithConnection(tb, clock)
	r := &recording{ctx: context.Background(), tb: tb, store: s, raw: raw, clock: clock, n: n}
	if err := s.MonthsOfMessages(r.ctx); err != nil {
		tb.Fatal(err)
	}
	r.run = campaigns.Run{ID: campaigns.NewID(clock.Now()), CampaignID: campaigns.NewID(clock.Now()), Version: 1, Occurrence: clock.Now(), Status: campaigns.Sending}
	r.update(func(tx *store.Tx) error {
		_, err := tx.CreateRun(r.ctx, &r.run)
		return err
	})
	return r
}

func (r *recording) update(write func(tx *store.Tx) error) {
	r.tb.Helper()
	r.clock.Advance(10 * time.Millisecond)
	if err := r.store.Update(r.ctx, write); err != nil {
		r.tb.Fatal(err)
	}
}

func (r *recording) queue() {
	template := campaigns.NewID(r.clock.Now())
	for from := 0; from < r.n; from += store.PartSize {
		r.update(func(tx *store.Tx) error {
			var part []campaigns.Message
			for no := from + 1; no <= min(r.n, from+store.PartSize); no++ {
				part = append(part, campaigns.Message{ID: campaigns.NewID(tx.Now), No: int64(no), CampaignID: r.run.CampaignID, RunID: r.run.ID, Version: 1, Variant: "A",
					Channel: campaigns.Email, ChannelID: campaigns.Catcher, TemplateID: template, TemplateRevision: 1, Address: fmt.Sprintf("customer%d@shop.example", no),
					VarsText: fmt.Appendf(nil, `{"customer": {"id": "c%d", "city": "Shanghai", "name": "Customer %d"}, "points": {"balance": %d}}`, no, no, no%1000),
					NotAfter: tx.Now.AddDate(0, 0, 2), PlannedAt: tx.Now, DueAt: tx.Now})
			}
			return tx.QueueMessages(r.ctx, part)
		})
	}
}

// mark claims all that is queued, a batch at a time.
func (r *recording) mark(batch int) {
	owner := campaigns.NewID(r.clock.Now())
	for lane := int16(0); lane < campaigns.Lanes; lane++ {
		r.update(func(tx *store.Tx) error {
			_, err := tx.ClaimLanes(r.ctx, campaigns.Catcher, owner, tx.Now.Add(time.Hour), campaigns.Lanes)
			return err
		})
		for {
			var got []campaigns.Message
			r.update(func(tx *store.Tx) (err error) {
				got, err = tx.ClaimMessages(r.ctx, campaigns.Catcher, []int16{lane}, owner, tx.Now.Add(time.Hour), batch)
				return err
			})
			if len(got) == 0 {
				break
			}
			r.claimed = append(r.claimed, got...)
		}
	}
	if len(r.claimed) != r.n {
		r.tb.Fatalf("%d of %d messages were claimed", len(r.claimed), r.n)
	}
	r.owner(owner)
}

func (r *recording) owner(id campaigns.ID) { r.run.ResendOf = &id }

// record writes that all were sent.
func (r *recording) record(batch int) {
	for from := 0; from < r.n; from += batch {
		r.update(func(tx *store.Tx) error {
			var results []store.Result
			for _, m := range r.claimed[from:min(r.n, from+batch)] {
				m.ContentHash = bytes.Repeat([]byte{byte(m.No)}, 32)
				m.ProviderID = m.ID.String() + "@shop.example"
				results = append(results, store.Result{Message: m, Status: campaigns.MessageSent, Handed: true, Detail: "250 2.0.0 Ok: queued as 4F2A" + strconv.Itoa(int(m.No))})
			}
			return tx.FinishMessages(r.ctx, *r.run.ResendOf, results)
		})
	}
}

// settle writes that all were delivered.
func (r *recording) settle(batch int) {
	for from := 0; from < r.n; from += batch {
		r.update(func(tx *store.Tx) error {
			var settlements []store.Settlement
			for _, m := range r.claimed[from:min(r.n, from+batch)] {
				settlements = append(settlements, store.Settlement{Message: m, From: campaigns.MessageSent, To: campaigns.MessageDelivered,
					Steps: []campaigns.Change{{At: tx.Now, Status: campaigns.MessageDelivered}}})
			}
			settled, err := tx.SettleMessages(r.ctx, settlements)
			if err == nil && len(settled) != len(settlements) {
				r.tb.Fatalf("%d of %d messages were settled", len(settled), len(settlements))
			}
			return err
		})
	}
}

func (r *recording) read(tb testing.TB, sql string, into ...any) {
	tb.Helper()
	if err := r.raw.QueryRow(r.ctx, sql).Scan(into...); err != nil {
		tb.Fatal(err)
	}
}

// vacuum does what the server does by itself between the steps of a long run.
func (r *recording) vacuum(tb testing.TB) {
	for _, sql := range []string{"VACUUM ANALYZE messages", "VACUUM ANALYZE outbox"} {
		if _, err := r.raw.Exec(r.ctx, sql); err != nil {
			tb.Fatal(err)
		}
	}
}

// measure reports what a step costs per message.
func (r *recording) measure(b *testing.B, name string, step func()) {
	cpu, wal := r.spent(b)
	step()
	cpuAfter, walAfter := r.spent(b)
	b.ReportMetric(float64((cpuAfter-cpu).Nanoseconds())/1000/float64(r.n), name+"-µs")
	b.ReportMetric(float64(walAfter-wal)/float64(r.n), name+"-wal-B")
}

// spent is the processor time of the pool's connections so far, and where the log ends.
func (r *recording) spent(b *testing.B) (cpu time.Duration, wal int64) {
	var pids []int
	r.read(b, `SELECT array_agg(pid), pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint FROM pg_stat_activity WHERE application_name = 'beckon' AND datname = current_database()`, &pids, &wal)
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
		if err != nil {
			b.Skip("the system does not say what a process spent: ", err)
		}
		ns, err := strconv.ParseInt(string(bytes.Fields(stat)[0]), 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		cpu += time.Duration(ns)
	}
	return cpu, wal
}
