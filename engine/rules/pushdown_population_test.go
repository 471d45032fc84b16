package rules_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/storetest"
	"beckon/engine/rules"
)

// population writes drawn customers into the tables themselves, so that there is what no request could bring in.
type population struct {
	conn   *pgx.Conn
	batch  *pgx.Batch
	named  map[string]string // kind and name of a definition → its id
	column map[string]string // of an attribute
	serial int
}

func openPopulation(t *testing.T, customers int) *store.Store {
	t.Helper()
	s, _ := newPopulation(t, customers)
	return s
}

func newPopulation(t *testing.T, customers int) (*store.Store, *population) {
	t.Helper()
	ctx := context.Background()
	url := storetest.URL(t)
	s, err := store.Open(ctx, url, storetest.NewClock(t, "2026-11-21T12:00:00Z").Now, store.Options{Connections: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	p := &population{batch: &pgx.Batch{}, named: map[string]string{}, column: map[string]string{}}
	p.register(t, s)
	if p.conn, err = pgx.Connect(ctx, url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.conn.Close(ctx) })
	p.batch.Queue("CREATE TABLE events_all PARTITION OF events FOR VALUES FROM ('2000-01-01 00:00:00+00') TO (MAXVALUE)")
	p.batch.Queue("CREATE TABLE messages_all PARTITION OF messages DEFAULT")
	for no := 1; no <= customers; no++ {
		p.customer(no, p.drawn(no))
	}
	p.send(t)
	return s, p
}

// drawn is the customer of a seed.
func (p *population) drawn(seed int) rules.Record {
	at := rules.Instant{Now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Zone: time.UTC}
	return rapid.Custom(func(t *rapid.T) rules.Record { return rules.PushdownCustomer(t, at) }).Example(seed)
}

// send writes what is queued, in one transaction.
func (p *population) send(t *testing.T) {
	t.Helper()
	if err := p.conn.SendBatch(context.Background(), p.batch).Close(); err != nil {
		t.Fatal(err)
	}
	p.batch = &pgx.Batch{}
}

func (p *population) register(t *testing.T, s *store.Store) {
	ctx := context.Background()
	types := map[string]string{"skin_type": "text", "score": "number", "visits": "int", "credit": "money", "vip": "bool", "wedding": "date", "seen_at": "time", "interests": "text_list",
		"event.browse.sku": "text", "event.browse.seconds": "int", "event.cart.value": "money", "event.cart.ratio": "number", "event.cart.gift": "bool",
		"event.cart.due": "date", "event.cart.since": "time", "event.cart.labels": "text_list"}
	err := s.Update(ctx, func(tx *store.Tx) error {
		for name, kind := range types {
			a := campaigns.Attribute{Name: name, Type: kind}
			if err := tx.CreateAttribute(ctx, &a); err != nil {
				return err
			}
			p.column[name] = a.Column
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// insert queues a row. Dates are written as what they are, days.
func (p *population) insert(table string, row map[string]any) {
	var columns, marks []string
	var args []any
	for column, value := range row {
		if value == nil {
			continue
		}
		columns, args = append(columns, column), append(args, storable(value))
		mark := fmt.Sprintf("$%d", len(args))
		switch value.(type) {
		case rules.Date:
			mark = "DATE '1970-01-01' + " + mark + "::integer"
		case rules.Record:
			mark = "ARRAY(SELECT ROW(l->>'sku', l->>'brand', l->>'category', (l->>'qty')::integer, (l->>'amount')::bigint)::purchase_line FROM jsonb_array_elements(" + mark + "::jsonb) l)"
		}
		marks = append(marks, mark)
	}
	p.batch.Queue("INSERT INTO "+table+" ("+strings.Join(columns, ", ")+") VALUES ("+strings.Join(marks, ", ")+")", args...)
}

func storable(value any) any {
	const first, last = -2_440_588, 2_145_042_905
	switch v := value.(type) {
	case rules.Date:
		return int32(max(first, min(last, v)))
	case rules.Record:
		line, err := json.Marshal([]rules.Record{v})
		if err != nil {
			panic(err)
		}
		return string(line)
	case time.Time:
		return v.UTC()
	}
	return value
}

func (p *population) customer(no int, c rules.Record) {
	row, figures := map[string]any{"no": no, "changed_at": time.Unix(0, 0)}, map[string]any{"no": no}
	for name, value := range c {
		switch name {
		case "purchase_count":
			if n, is := value.(int64); is {
				figures[name] = int32(max(0, min(1<<31-1, n)))
			}
		case "total_spend", "lifetime_points", "first_purchase_at", "last_purchase_at":
			figures[name] = p.withFraction(value)
		case "purchases", "items", "lots", "events", "messages", "redemptions", "coupons":
		default:
			if column := p.column[name]; column != "" {
				name = column
			}
			row[name] = p.withFraction(value)
		}
	}
	p.insert("customers", row)
	if no%5 > 0 {
		p.insert("customer_figures", figures)
	}
	p.histories(no, c)
}

// withFraction gives some times a fraction of a second, which does not count.
func (p *population) withFraction(value any) any {
	if at, is := value.(time.Time); is && at.Year() < 200_000 {
		p.serial++
		return at.Add(time.Duration(p.serial%3) * 333_333 * time.Microsecond)
	}
	return value
}

func rowsOf(c rules.Record, name string) []rules.Record {
	rows, _ := c[name].([]rules.Record)
	return rows
}

func whenOf(value any) time.Time {
	at, _ := value.(time.Time)
	return at
}

func (p *population) histories(no int, c rules.Record) {
	bought, items := rowsOf(c, "purchases"), rowsOf(c, "items")
	for i := range max(len(bought), len(items)) {
		row := map[string]any{"no": no, "order_id": fmt.Sprintf("o%d", i), "at": time.Unix(1.7e9, 0), "amount": int64(0), "lines": []byte(nil)}
		if i < len(bought) {
			row["at"], row["store"] = p.withFraction(whenOf(bought[i]["at"])), bought[i]["store"]
			if amount, is := bought[i]["amount"].(int64); is {
				row["amount"] = amount
			}
		}
		line := rules.Record{}
		if i < len(items) {
			line = items[i]
			delete(line, "at") // its order's counts
			if qty, is := line["qty"].(int64); is {
				line["qty"] = max(-1<<31, min(1<<31-1, qty))
			}
		}
		row["lines"] = line
		p.insert("purchases", row)
	}
	for i, lot := range rowsOf(c, "lots") {
		row := map[string]any{"no": no, "lot_id": fmt.Sprint(i), "zone": "UTC", "earned_on": rules.Date(20_000), "active_from": rules.Date(20_000), "last_valid_on": lot["last_valid_on"]}
		left, _ := lot["remaining"].(int64)
		left = max(0, left)
		taken := int64(7)
		if left > 1<<62 {
			taken = 0
		}
		row["remaining"], row["taken"], row["points"] = left, taken, left+taken
		for _, name := range []string{"earned_on", "active_from"} {
			if lot[name] != nil {
				row[name] = lot[name]
			}
		}
		p.insert("lots", row)
	}
	p.events(no, c)
	p.messages(no, c)
}

func (p *population) events(no int, c rules.Record) {
	odd := []string{"9007199254740993", "1e-400", "-0.0", "1e-310", "3e2", "9223372036854775807", "-9223372036854775808", "1.7976931348623157e308"}
	for i, event := range rowsOf(c, "events") {
		row := map[string]any{"no": no, "event_id": fmt.Sprint(i), "at": p.withFraction(whenOf(event["at"])), "name": "browse"}
		if event["name"] != nil {
			row["name"] = event["name"]
		}
		if props, is := event["props"].(map[string]any); is {
			p.serial++
			if p.serial%3 == 0 {
				props["seconds"], props["ratio"] = json.Number(odd[p.serial%8]), json.Number(odd[p.serial%7])
			}
			row["props"] = props
		}
		p.insert("events", row)
	}
}

func (p *population) messages(no int, c rules.Record) {
	for i, m := range rowsOf(c, "messages") {
		row := map[string]any{"no": no, "id": p.id(), "queued_at": time.Unix(int64(i), 0), "campaign_id": p.definition("campaign", m["campaign"]), "run_id": p.id(), "version": 1,
			"variant": "", "channel": "sms", "channel_id": "", "template_id": p.id(), "template_revision": 1, "status": []string{"sent", "ghost", "queued", "unknown"}[i%4],
			"history": "[]", "not_after": time.Unix(0, 0), "finished_at": p.withFraction(m["sent_at"])}
		if m["channel"] != nil {
			row["channel"] = m["channel"]
		}
		if m["ghost"] != nil {
			row["ghost"] = m["ghost"]
		}
		p.insert("messages", row)
	}
	for i, r := range rowsOf(c, "redemptions") {
		row := map[string]any{"no": no, "order_id": fmt.Sprint(i), "offer_id": p.definition("offer", r["offer"]), "at": p.withFraction(whenOf(r["at"])), "discount": int64(0)}
		if r["campaign"] != nil {
			row["campaign_id"] = p.definition("campaign", r["campaign"])
		}
		if r["discount"] != nil {
			row["discount"] = r["discount"]
		}
		p.insert("redemption_offers", row)
	}
	for i, k := range rowsOf(c, "coupons") {
		row := map[string]any{"no": no, "code": fmt.Sprint(i), "offer_id": p.definition("offer", k["offer"]), "offer_revision": 1, "issued_at": p.withFraction(whenOf(k["issued_at"])),
			"expires_at": k["expires_at"], "used_at": p.withFraction(k["used_at"]), "uses": i % 2, "uses_max": 1}
		if k["campaign"] != nil {
			row["campaign_id"] = p.definition("campaign", k["campaign"])
		}
		p.insert("coupons", row)
	}
}

func (p *population) id() string {
	p.serial++
	return fmt.Sprintf("00000000-0000-0000-0000-%012d", p.serial)
}

// definition is the id of a campaign or an offer of a name, which is made when there is none.
func (p *population) definition(kind string, name any) string {
	key := fmt.Sprint(kind, name)
	if id := p.named[key]; id != "" {
		return id
	}
	id := p.id()
	p.named[key] = id
	definition, err := json.Marshal(map[string]any{"name": name})
	if err != nil {
		panic(err)
	}
	now := time.Unix(0, 0)
	if kind == "offer" {
		p.insert("offers", map[string]any{"id": id, "revision": 1, "status": "live", "created_at": now, "changed_at": now})
		p.insert("offer_revisions", map[string]any{"offer_id": id, "revision": 1, "definition": string(definition), "created_at": now})
		return id
	}
	p.insert("campaigns", map[string]any{"id": id, "kind": "once", "status": "done", "version": 1, "salt": "", "created_at": now, "changed_at": now})
	p.insert("campaign_versions", map[string]any{"campaign_id": id, "version": 1, "definition": string(definition), "created_by": "", "created_at": now})
	return id
}
