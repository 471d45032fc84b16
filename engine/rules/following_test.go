package rules_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/audience"
	"beckon/engine/rules"
)

// A mover changes a population while it is asked about.
type mover struct {
	*population
	*testing.T
	store  *store.Store
	late   *pgx.Conn
	orders int
}

// chunksApart are numbers so far from each other that the image has several chunks, with few customers in each.
const chunksApart = 65_500

// a move is drawn before anything is done, so that it can be told.
type move struct {
	kind, seed int
	nos        []int
}

func someMove(t *rapid.T) move {
	places := rapid.SliceOfN(rapid.IntRange(0, 119), 1, 40).Draw(t, "places")
	m := move{kind: rapid.IntRange(0, 9).Draw(t, "kind"), seed: rapid.IntRange(0, 1<<30).Draw(t, "seed")}
	for _, place := range places {
		m.nos = append(m.nos, place%3*chunksApart+place)
	}
	return m
}

// do makes a move and notes the changes, as the store does.
func (m *mover) do(v move) {
	m.Helper()
	for i, no := range v.nos {
		switch no++; v.kind {
		case 0, 1:
			m.forget(no, "customers", "customer_figures", "purchases", "lots", "events", "messages", "redemption_offers", "coupons")
			m.customer(no, m.drawn(v.seed+i))
			m.note(no, 1, 2, 3, 4, 5, 6)
		case 2:
			m.forget(no, "purchases", "lots", "events", "messages", "redemption_offers", "coupons")
			m.histories(no, m.drawn(v.seed+i))
			m.note(no, 2, 3, 4, 5, 6)
		case 3:
			m.forget(no, "events")
			m.events(no, m.drawn(v.seed+i))
			m.note(no, 3)
		case 4:
			m.forget(no, "messages", "redemption_offers", "coupons")
			m.messages(no, m.drawn(v.seed+i))
			m.note(no, 5, 6)
		case 5: // gone, whatever is left of the histories
			m.forget(no, "customers")
			m.note(no, 1)
		case 6: // new texts, longer lists, wider numbers
			m.batch.Queue(`UPDATE customers SET city = 'city ' || $2::int, tags = ARRAY['a', 'x' || $2::int], `+m.column["visits"]+` = $2::int, `+m.column["credit"]+` = (1::bigint << 62) WHERE no = $1`, no, v.seed%1000+i)
			m.note(no, 1)
		case 7:
			m.batch.Queue(`UPDATE customer_figures SET purchase_count = $2::int % 7, total_spend = $2::int * 10000000000::bigint, lifetime_points = $2::int WHERE no = $1`, no, v.seed%1000+i)
			m.batch.Queue(`UPDATE purchases SET amount = $2::int, store = 'store ' || $2::int, at = at - interval '1 day' WHERE no = $1`, no, v.seed%1000+i)
			m.note(no, 2)
		}
	}
	m.send(m.T)
	if v.kind > 7 {
		m.shop(v)
	}
}

func (m *mover) forget(no int, tables ...string) {
	for _, table := range tables {
		m.batch.Queue("DELETE FROM "+table+" WHERE no = $1", no)
	}
}

func (m *mover) note(no int, kinds ...int) {
	m.batch.Queue("INSERT INTO changes SELECT pg_current_xact_id(), $1, k FROM unnest($2::int[]) k", no, kinds)
}

// shop lets customers of their own come, buy, bring back and visit, through the store.
func (m *mover) shop(v move) {
	m.Helper()
	ctx := context.Background()
	for _, no := range v.nos {
		m.orders++
		order, id := fmt.Sprint("n", m.orders), fmt.Sprint("n", no)
		at := m.store.Now().Add(-time.Duration(v.seed%9000) * time.Hour)
		err := m.store.Update(ctx, func(tx *store.Tx) error {
			lines := []campaigns.Line{{SKU: "a", Brand: "b" + order, Qty: 2, Amount: int64(v.seed)}, {SKU: "s1", Qty: 1, Amount: 333}}
			if _, err := tx.CreatePurchases(ctx, []campaigns.Purchase{{OrderID: order, CustomerID: id, At: at, Store: "A", Lines: lines}}); err != nil {
				return err
			}
			event := campaigns.Event{EventID: order, CustomerID: id, Name: "browse", At: at, Props: map[string]any{"seconds": v.seed % 100, "sku": order}}
			if _, err := tx.CreateEvents(ctx, []campaigns.Event{event}); err != nil || no%2 == 0 {
				return err
			}
			refund := campaigns.Refund{RefundID: order, OrderID: order}
			if no%3 == 0 {
				refund.Lines = []campaigns.Line{{SKU: "a", Qty: 1}}
			}
			_, err := tx.CreateRefund(ctx, &refund)
			return err
		})
		if err != nil {
			m.Fatal(err)
		}
	}
}

// hold changes a customer in a transaction that stays open.
func (m *mover) hold(no int, city string) pgx.Tx {
	m.Helper()
	ctx := context.Background()
	if m.late == nil {
		conn, err := pgx.Connect(ctx, m.conn.Config().ConnString())
		if err != nil {
			m.Fatal(err)
		}
		m.Cleanup(func() { conn.Close(ctx) })
		m.late = conn
	}
	tx, err := m.late.Begin(ctx)
	if err == nil {
		_, err = tx.Exec(ctx, `WITH c AS (UPDATE customers SET city = $2, tier = $2 WHERE no = $1 RETURNING no) INSERT INTO changes SELECT pg_current_xact_id(), no, 1 FROM c`, no, city)
	}
	if err != nil {
		m.Fatal(err)
	}
	return tx
}

// following is how often a population is moved and asked; FOLLOWING_ROUNDS says it otherwise.
func following() int {
	if n, err := strconv.Atoi(os.Getenv("FOLLOWING_ROUNDS")); err == nil {
		return n
	}
	if testing.Short() {
		return 40
	}
	return 200
}

func TestExecutorsFindTheSameWhileCustomersChange(t *testing.T) {
	s, p := newPopulation(t, 0)
	m := &mover{population: p, T: t, store: s}
	for i := range 120 {
		p.customer(i%3*chunksApart+i+1, p.drawn(i))
	}
	p.batch.Queue(`SELECT setval('customer_nos', $1::bigint)`, 4*chunksApart)
	p.send(t)
	image := openImage(t, s)
	tally, answered := &pushdownTally{reasons: map[string]int{}}, 0
	ctx := context.Background()
	for round := range following() {
		var moves []move
		var q *audience.Question
		rapid.Custom(func(t *rapid.T) int {
			moves = rapid.SliceOfN(rapid.Custom(someMove), 1, 4).Draw(t, "moves")
			source, schema := rules.WriteRule(t, rules.Shop(), rapid.IntRange(1, 3).Draw(t, "depth"))
			q = nil
			if rule, err := rules.Compile(schema, source); err == nil {
				asked := question(t, rule, rules.PushdownInstant(t))
				q = &asked
			}
			return 0
		}).Example(round)
		var open pgx.Tx
		if round%4 == 0 && q != nil {
			open = m.hold(chunksApart*2+3, fmt.Sprint("late ", round))
		}
		m.moveWhileAsked(image, moves, open != nil)
		if q == nil {
			continue
		}
		for range 2 { // before and after the last writer commits
			if err := comparePushdown(ctx, s, image, *q, tally); err != nil {
				t.Fatalf("round %d: %s\nat %+v\n%v\nafter %v", round, q.Conditions[0].Rule.Source(), q.Conditions[0].At, err, moves)
			}
			answered++
			if open == nil {
				break
			}
			if err := open.Commit(ctx); err != nil {
				t.Fatal(err)
			}
			open = nil
		}
	}
	stats := image.Stats()
	t.Logf("%d answers after changes, %d customers in %d bytes", answered, stats.Customers, stats.Bytes)
	tally.log(t)
}

// moveWhileAsked makes moves while others read the image.
func (m *mover) moveWhileAsked(image *audience.Image, moves []move, locked bool) {
	m.Helper()
	rule, err := rules.Compile(rules.Shop(), `count(purchases, .amount > 3) > 0 || city != nil || "a" in tags || any(coupons, .state == "open")`)
	if err != nil {
		m.Fatal(err)
	}
	q := audience.Question{Conditions: []audience.Asked{{Rule: rule, At: rules.Instant{Now: m.store.Now()}}}}
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			if _, err := (audience.Vector{Image: image, Workers: 2}).Find(context.Background(), m.store, q); err != nil {
				m.Error(err)
			}
		})
	}
	for _, v := range moves {
		if locked && (v.kind < 2 || v.kind == 5 || v.kind == 6) {
			v.kind = 7 // the open transaction has a customer
		}
		m.do(v)
	}
	readers.Wait()
}
