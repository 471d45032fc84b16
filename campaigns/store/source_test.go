package store_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/storetest"
)

func names(columns []campaigns.SourceColumn) []string {
	var all []string
	for _, c := range columns {
		if !c.Derived && c.Type != campaigns.EventProperties {
			all = append(all, c.Name)
		}
	}
	return all
}

func TestEveryDescribedColumnIsKeptAndHasItsType(t *testing.T) {
	ctx := context.Background()
	s := storetest.Open(t, storetest.NewClock(t, "2026-11-21T10:00:00Z").Now)
	everybody := store.Span{To: math.MaxInt64}
	err := s.View(ctx, func(tx *store.Tx) error {
		customers := names(campaigns.CustomerSource().Columns)
		if err := tx.EachCustomer(ctx, everybody, customers, func(int64, []any) error { return nil }); err != nil {
			t.Error(err)
		}
		for _, whole := range []store.Span{{}, {Nos: []int64{1, 2}}, {From: 1, To: 9}} {
			var copied bytes.Buffer
			if err := tx.CopyCustomers(ctx, customers, whole, &copied); err != nil {
				t.Error(err)
			}
			for _, h := range campaigns.HistorySources() {
				if err := tx.CopyHistory(ctx, h.Name, names(h.Columns), true, whole, &copied); err != nil {
					t.Error(err)
				}
			}
		}
		for _, h := range campaigns.HistorySources() {
			if err := tx.EachRow(ctx, everybody, h.Name, tx.Now, func(int64, []any) error { return nil }); err != nil {
				t.Error(err)
			}
			if _, err := tx.RowsAbout(ctx, h.Name); err != nil || len(store.HistoryKeys(h.Name)) < 2 {
				t.Errorf("%s: %v, keys %v", h.Name, err, store.HistoryKeys(h.Name))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestACouponLapsesInTheSecondInWhichItExpires(t *testing.T) {
	ctx := context.Background()
	clock := storetest.NewClock(t, "2026-11-21T10:00:00Z")
	s, raw := openWithConnection(t, clock)
	if _, err := raw.Exec(ctx, `WITH o AS (INSERT INTO offer_revisions VALUES ('11111111-1111-7111-8111-111111111111', 1, '{"name": "x"}', now()) RETURNING offer_id)
		INSERT INTO coupons (no, code, offer_id, offer_revision, issued_at, expires_at, uses_max) SELECT 1, 'a', offer_id, 1, now(), '2026-11-21 10:00:05.6', 1 FROM o`); err != nil {
		t.Fatal(err)
	}
	for second, want := range map[int]string{4: "open", 5: "lapsed", 6: "lapsed"} {
		err := s.View(ctx, func(tx *store.Tx) error {
			at := clock.Now().Add(time.Duration(second)*time.Second + 300*time.Millisecond)
			return tx.EachRow(ctx, store.Span{To: 10}, "coupons", at, func(_ int64, values []any) error {
				if got := values[slices.Index(store.HistoryFields("coupons"), "state")]; got != want {
					t.Errorf("at second %d it is %v, want %s", second, got, want)
				}
				return nil
			})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func openWithConnection(t testing.TB, clock *storetest.Clock) (*store.Store, *pgx.Conn) {
	t.Helper()
	ctx := context.Background()
	url := storetest.URL(t)
	s, err := store.Open(ctx, url, clock.Now, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	raw, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close(ctx) })
	return s, raw
}

// TestAMessageThatIsSeenIsNoted holds the ways in which a message comes into a customer's history without being sent.
func TestAMessageThatIsSeenIsNoted(t *testing.T) {
	ctx := context.Background()
	clock := storetest.NewClock(t, "2026-11-21T10:00:00Z")
	s, raw := openWithConnection(t, clock)
	if err := s.MonthsOfMessages(ctx); err != nil {
		t.Fatal(err)
	}
	noted := func() (nos []int64) {
		rows, err := raw.Query(ctx, `DELETE FROM changes WHERE kind = 5 RETURNING no`)
		if err == nil {
			nos, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		}
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(nos)
		return nos
	}
	messages := make([]campaigns.Message, 3)
	for i := range messages {
		messages[i] = campaigns.Message{ID: campaigns.NewID(clock.Now()), No: int64(i + 1), Ghost: i == 1, Channel: "email", ChannelID: "catcher", NotAfter: clock.Now(), DueAt: clock.Now()}
	}
	if err := s.Update(ctx, func(tx *store.Tx) error { return tx.QueueMessages(ctx, messages) }); err != nil {
		t.Fatal(err)
	}
	if got := noted(); !slices.Equal(got, []int64{2}) {
		t.Errorf("queueing notes %v, want the ghost, 2", got)
	}
	if _, err := raw.Exec(ctx, `INSERT INTO lanes SELECT 'catcher', lane, NULL, 'epoch', 'epoch' FROM outbox GROUP BY lane ON CONFLICT DO NOTHING`); err != nil {
		t.Fatal(err)
	}
	if _, err := raw.Exec(ctx, `UPDATE outbox SET sending_at = now(), owner = $1 WHERE no = 3`, uuid.New()); err != nil {
		t.Fatal(err)
	}
	var lost int64
	if err := s.Update(ctx, func(tx *store.Tx) (err error) { lost, err = tx.LoseMessages(ctx, false); return err }); err != nil {
		t.Fatal(err)
	}
	if got := noted(); lost != 1 || !slices.Equal(got, []int64{3}) {
		t.Errorf("%d were lost, noted %v, want 3", lost, got)
	}
}

func TestThePositionWithinTwoSawWhatBothSaw(t *testing.T) {
	position := rapid.Custom(func(t *rapid.T) store.Position {
		p := store.Position{Low: rapid.Uint64Range(3, 20).Draw(t, "low")}
		p.High = p.Low + rapid.Uint64Range(0, 20).Draw(t, "more")
		for xid := p.Low; xid < p.High; xid++ {
			if rapid.Bool().Draw(t, "runs") || xid == p.Low {
				p.Running = append(p.Running, xid)
			}
		}
		return p
	})
	sees := func(p store.Position, xid uint64) bool {
		return xid < p.Low || xid < p.High && !slices.Contains(p.Running, xid)
	}
	rapid.Check(t, func(t *rapid.T) {
		p, q := position.Draw(t, "p"), position.Draw(t, "q")
		both := p.Within(q)
		for xid := range uint64(50) {
			if sees(both, xid) != (sees(p, xid) && sees(q, xid)) {
				t.Fatalf("%s of %s and %s: %d", both, p, q, xid)
			}
		}
	})
}

func TestATwinSeesTheSnapshotOfItsView(t *testing.T) {
	ctx := context.Background()
	s, raw := openWithConnection(t, storetest.NewClock(t, "2026-11-21T10:00:00Z"))
	err := s.View(ctx, func(tx *store.Tx) error {
		twin, end, err := tx.Twin(ctx)
		for err == nil && twin == nil && ctx.Err() == nil { // no connection was free in time: a busy machine
			twin, end, err = tx.Twin(ctx)
		}
		if err != nil {
			return err
		}
		defer end()
		if _, err := raw.Exec(ctx, `INSERT INTO customers (no, changed_at) VALUES (77, now())`); err != nil {
			return err
		}
		var copied bytes.Buffer
		if err := twin.CopyCustomers(ctx, nil, store.Span{}, &copied); err != nil {
			return err
		}
		if bytes.Contains(copied.Bytes(), binary.BigEndian.AppendUint64(nil, 77)) {
			t.Error("the twin sees what was committed after the view began")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
