package engine_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/storetest"
	"beckon/engine"
)

// The virtual year begins in the evening of 28 February 2027 and holds 29 February 2028. The shop is Shanghai's.
const yearStart = "2027-02-28T12:00:00Z"

// A dweller is a customer of the virtual year: all that decides what is sent to them, as plain values.
type dweller struct {
	no        int64
	zone      *time.Location
	birthday  string // 01-02, empty for none
	email     bool
	sms       bool
	reader    bool // of the newsletter
	lots      []dwellerLot
	tierUntil string
	coupons   []dwellerCoupon
	bought    []time.Time
}

type dwellerLot struct {
	points int64
	last   string // 2006-01-02
	spent  time.Time
}

type dwellerCoupon struct {
	expires time.Time
	used    time.Time
}

// A yearWorld is a world with its dwellers, and a connection of its own for what is asked by hand.
type yearWorld struct {
	*world
	nodes    []*engine.Engine
	channels map[string]string // of the campaigns, by name
	sql      *pgx.Conn
	shanghai *time.Location
	people   []*dweller
	orders   map[string][]campaigns.Purchase
	spends   map[string][]int64
	uses     map[string][]int64
}

// lifeHour is the hour, UTC, in which dwellers buy and spend: after the ticks of the shop's morning, before the morning of
// those whose quiet hours moved their messages.
const lifeHour = 5

func newYear(t *testing.T) *yearWorld {
	clock, url := storetest.NewClock(t, yearStart), storetest.URL(t)
	w := &yearWorld{world: &world{T: t, clock: clock}}
	w.ctx = t.Context()
	s, err := store.Open(w.ctx, url, clock.Now, store.Options{Connections: 12})
	w.must(err)
	t.Cleanup(s.Close)
	for range 2 {
		w.nodes = append(w.nodes, engine.New(s, engine.Options{BaseURL: "http://127.0.0.1:8080", AudienceIdle: 40 * 24 * time.Hour}))
	}
	w.store, w.engine = s, w.nodes[0]
	w.sql, err = pgx.Connect(w.ctx, url)
	w.must(err)
	t.Cleanup(func() { w.sql.Close(t.Context()) })
	w.must(s.EnsureMonths(w.ctx, "audit", clock.Now()))
	w.shanghai, err = time.LoadLocation("Asia/Shanghai")
	w.must(err)
	_, err = w.sql.Exec(w.ctx, `ALTER SEQUENCE customer_nos INCREMENT BY 16`) // four lanes: a year of small runs over all 64 would test little else
	w.must(err)
	w.orders, w.spends, w.uses = map[string][]campaigns.Purchase{}, map[string][]int64{}, map[string][]int64{}
	w.settlePeople()
	return w
}

// settlePeople draws the dwellers and writes them.
func (w *yearWorld) settlePeople() {
	random := rand.New(rand.NewPCG(2027, 2028))
	var zones []*time.Location
	for _, name := range []string{"Asia/Shanghai", "America/New_York", "Europe/Berlin", "Australia/Sydney", "Asia/Kolkata"} {
		zone, err := time.LoadLocation(name)
		w.must(err)
		zones = append(zones, zone)
	}
	start := w.clock.Now()
	for i := range yearCustomers {
		p := &dweller{no: int64(i + 1), zone: zones[random.IntN(len(zones))], email: random.IntN(10) > 0, sms: random.IntN(5) > 0, reader: i%100 == 7}
		if random.IntN(10) > 0 {
			p.birthday = time.Date(2028, 1, 1+random.IntN(366), 0, 0, 0, 0, time.UTC).Format("01-02")
		}
		if i%500 == 3 {
			p.birthday = "02-29"
		}
		if i%7 == 0 {
			p.drawLots(random, start)
		}
		if i%20 == 1 {
			p.tierUntil = start.AddDate(0, 0, 5+random.IntN(380)).Format(time.DateOnly)
		}
		if i%20 == 2 {
			c := dwellerCoupon{expires: start.Add(time.Duration(random.IntN(370*24)) * time.Hour)}
			if random.IntN(3) == 0 {
				c.used = lifeOf(c.expires.AddDate(0, 0, -1-random.IntN(5)))
			}
			if c.used.Before(start) {
				c.used = time.Time{}
			}
			p.coupons = append(p.coupons, c)
		}
		if i%10 == 4 {
			p.drawPurchases(random, start)
		}
		w.people = append(w.people, p)
	}
	w.writePeople()
	w.writePast(start)
}

// lifeOf is the moment of a day at which its life happens.
func lifeOf(at time.Time) time.Time {
	at = at.UTC()
	return time.Date(at.Year(), at.Month(), at.Day(), lifeHour, 0, 0, 0, time.UTC)
}

func (p *dweller) drawLots(random *rand.Rand, start time.Time) {
	for range 1 + random.IntN(2) {
		l := dwellerLot{points: int64(20 + random.IntN(600)), last: start.AddDate(0, 0, 1+random.IntN(400)).Format(time.DateOnly)}
		last, _ := time.Parse(time.DateOnly, l.last)
		switch random.IntN(4) {
		case 0: // on the day of a reminder, after its tick
			l.spent = lifeOf(last.AddDate(0, 0, -[]int{30, 7, 1}[random.IntN(3)]))
		case 1:
			l.spent = lifeOf(last.AddDate(0, 0, -random.IntN(40)))
		}
		if l.spent.Before(start) {
			l.spent = time.Time{}
		}
		if !slices.ContainsFunc(p.lots, func(other dwellerLot) bool { return other.last == l.last }) {
			p.lots = append(p.lots, l)
		}
	}
}

func (p *dweller) drawPurchases(random *rand.Rand, start time.Time) {
	at, usual := lifeOf(start.AddDate(0, 0, -100-random.IntN(300))), 8+random.IntN(120)
	for at.Before(start.AddDate(0, 0, yearDays+3)) {
		p.bought = append(p.bought, at)
		gap := usual
		if random.IntN(4) == 0 {
			gap = 1 + random.IntN(400)
		}
		at = at.AddDate(0, 0, gap)
	}
}

func yesOr(yes bool) string { return map[bool]string{true: "true", false: "false"}[yes] }

// writePeople imports profiles and lots; what has no door from outside yet (tiers, coupons) is written by hand.
func (w *yearWorld) writePeople() {
	var profiles, lots strings.Builder
	profiles.WriteString("id,name,birthday,timezone,email,phone,email_consent,sms_consent,tags\n")
	lots.WriteString("entry_id,customer_id,points,earned_on,last_valid_on\n")
	for i, p := range w.people {
		birthday, tag := "", ""
		if p.birthday != "" {
			birthday = "1988-" + p.birthday
		}
		if p.reader {
			tag = "reader"
		}
		fmt.Fprintf(&profiles, "c%d,Customer %d,%s,%s,c%d@example.com,+86138%08d,%s,%s,%s\n", i+1, i+1, birthday, p.zone, i+1, i, yesOr(p.email), yesOr(p.sms), tag)
		for j, l := range p.lots {
			fmt.Fprintf(&lots, "l%d-%d,c%d,%d,2026-01-01,%s\n", i+1, j, i+1, l.points, l.last)
			if !l.spent.IsZero() {
				w.spends[l.spent.Format(time.DateOnly)] = append(w.spends[l.spent.Format(time.DateOnly)], int64(i), int64(j))
			}
		}
	}
	imported(w.T, w.store, campaigns.ImportOptions{Kind: campaigns.ImportCustomers}, profiles.String())
	numbers, err := w.sql.Query(w.ctx, `SELECT substr(id, 2)::int, no FROM customers`)
	w.must(err)
	var i int
	var no int64
	_, err = pgx.ForEachRow(numbers, []any{&i, &no}, func() error { w.people[i-1].no = no; return nil })
	w.must(err)
	imported(w.T, w.store, campaigns.ImportOptions{Kind: campaigns.ImportPoints}, lots.String())
	w.writeByHand()
}

// writeByHand writes tiers and coupons.
func (w *yearWorld) writeByHand() {
	offer := campaigns.Offer{Status: campaigns.OfferLive, OfferDefinition: campaigns.OfferDefinition{Name: "Ten off", Effect: campaigns.Effect{Kind: "amount_off", Value: "10"}}}
	w.update(func(tx *store.Tx) error { return tx.CreateOffer(w.ctx, &offer) })
	var batch pgx.Batch
	for i, p := range w.people {
		if p.tierUntil != "" {
			batch.Queue(`UPDATE customers SET tier = 'gold', tier_until = $2, tier_shortfall = 250 WHERE no = $1`, p.no, p.tierUntil)
		}
		for j, c := range p.coupons {
			batch.Queue(`INSERT INTO coupons (no, code, offer_id, offer_revision, issued_at, expires_at, uses_max) VALUES ($1, $2, $3, 1, '2027-01-01', $4, 1)`,
				p.no, fmt.Sprintf("C%d-%d", i, j), offer.ID, c.expires)
			if !c.used.IsZero() {
				w.uses[c.used.Format(time.DateOnly)] = append(w.uses[c.used.Format(time.DateOnly)], p.no)
			}
		}
	}
	w.must(w.sql.SendBatch(w.ctx, &batch).Close())
}

// writePast imports the purchases before the year and keeps the others for their days.
func (w *yearWorld) writePast(start time.Time) {
	var past strings.Builder
	past.WriteString("order_id,customer_id,at,store,sku,brand,category,qty,amount\n")
	for i, p := range w.people {
		for j, at := range p.bought {
			order, customer := fmt.Sprintf("o%d-%d", i+1, j), fmt.Sprintf("c%d", i+1)
			if at.Before(start) {
				fmt.Fprintf(&past, "%s,%s,%s,S,a,B,C,1,100\n", order, customer, at.Format(time.RFC3339))
				continue
			}
			day := at.Format(time.DateOnly)
			w.orders[day] = append(w.orders[day], campaigns.Purchase{OrderID: order, CustomerID: customer, At: at, Store: "S",
				Lines: []campaigns.Line{{SKU: "a", Qty: 1, Amount: 10000}}})
		}
	}
	imported(w.T, w.store, purchasesCSV, past.String())
}

// live does what the dwellers do on a day: they buy, spend points and use coupons.
func (w *yearWorld) live(day string) {
	if orders := w.orders[day]; len(orders) > 0 {
		w.update(func(tx *store.Tx) error {
			_, err := tx.CreatePurchases(w.ctx, orders)
			return err
		})
	}
	if len(w.spends[day])+len(w.uses[day]) == 0 {
		return
	}
	var batch pgx.Batch
	for pair := range slices.Chunk(w.spends[day], 2) {
		no, id := w.people[pair[0]].no, fmt.Sprintf("l%d-%d", pair[0]+1, pair[1])
		batch.Queue(`UPDATE lots SET taken = taken + remaining, remaining = 0 WHERE no = $1 AND lot_id = $2`, no, id)
		batch.Queue(`INSERT INTO changes (xid, no, kind) VALUES (pg_current_xact_id(), $1, 4)`, no) // points
	}
	for _, no := range w.uses[day] {
		batch.Queue(`UPDATE coupons SET uses = 1, used_at = $2 WHERE no = $1`, no, w.clock.Now())
		batch.Queue(`INSERT INTO changes (xid, no, kind) VALUES (pg_current_xact_id(), $1, 6)`, no) // coupons
	}
	w.must(w.sql.SendBatch(w.ctx, &batch).Close())
}
