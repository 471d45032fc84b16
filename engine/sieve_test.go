package engine

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2/roaring64"
	"pgregory.net/rapid"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/storetest"
	"beckon/engine/audience"
	"beckon/engine/rules"
)

// A mixedShop has customers who lack what can be lacking, share addresses and are suppressed; some came after the quarter's
// global holdout was drawn.
type mixedShop struct {
	*testing.T
	ctx       context.Context
	clock     *storetest.Clock
	store     *store.Store
	engine    *Engine
	templates map[string]campaigns.ID
	random    *rand.Rand
}

func newMixedShop(t *testing.T) *mixedShop {
	clock := storetest.NewClock(t, "2026-11-21T10:00:00+08:00")
	s := storetest.Open(t, clock.Now)
	m := &mixedShop{t, t.Context(), clock, s, New(s, Options{}), map[string]campaigns.ID{}, rand.New(rand.NewPCG(3, 9))}
	m.settings(func(w *campaigns.Workspace) { w.GlobalHoldout = 0.2 })
	m.update(func(tx *store.Tx) error {
		for name, kind := range map[string]string{"openid": "text", "openid_consent": "bool"} {
			if err := tx.CreateAttribute(m.ctx, &campaigns.Attribute{Name: name, Type: kind}); err != nil {
				return err
			}
		}
		return tx.CreateChannel(m.ctx, &campaigns.Channel{ID: "wx", Name: "WeChat", Kind: campaigns.KindGateway, Settings: campaigns.ChannelSettings{
			GatewaySettings: campaigns.GatewaySettings{URL: "http://127.0.0.1:1/", Sends: "wechat", Address: "openid", Consent: "openid_consent"}}})
	})
	m.update(func(tx *store.Tx) error {
		for kind, parts := range map[string]map[string]string{campaigns.Email: {"subject": "Hi", "text": "Hello"}, campaigns.SMS: {"text": "Hello"}, "wechat": {"text": "Hello"}} {
			template := campaigns.Template{TemplateDefinition: campaigns.TemplateDefinition{Name: kind, Channel: kind, Parts: parts}}
			if err := tx.CreateTemplate(m.ctx, &template); err != nil {
				return err
			}
			m.templates[kind] = template.ID
		}
		return nil
	})
	m.customers(0, 90)
	if won, err := m.engine.DrawGlobalHoldout(m.ctx); err != nil || !won {
		t.Fatalf("the quarter was not drawn: %v", err)
	}
	m.customers(90, 130)
	return m
}

func (m *mixedShop) update(do func(tx *store.Tx) error) {
	m.Helper()
	if err := m.store.Update(m.ctx, do); err != nil {
		m.Fatal(err)
	}
}

func (m *mixedShop) settings(change func(w *campaigns.Workspace)) {
	m.Helper()
	m.update(func(tx *store.Tx) error {
		w, err := tx.LockWorkspace(m.ctx)
		if err == nil {
			change(w)
			err = tx.SaveWorkspace(m.ctx, w)
		}
		return err
	})
}

func (m *mixedShop) customers(from, to int) {
	m.Helper()
	maybe := func(share float64) bool { return m.random.Float64() < share }
	m.update(func(tx *store.Tx) error {
		for i := from; i < to; i++ {
			c := &campaigns.Customer{ID: fmt.Sprintf("c%d", i)}
			email, phone, city := fmt.Sprintf("c%d@example.com", m.random.IntN(70)), fmt.Sprintf("+8613800%06d", m.random.IntN(70)), []string{"Shanghai", "Beijing", "Chengdu"}[m.random.IntN(3)]
			registered := m.clock.Now().Add(-time.Duration(m.random.IntN(5)) * time.Hour)
			c.City, c.RegisteredAt = &city, &registered
			if maybe(0.8) {
				c.Email = &email
			}
			if maybe(0.7) {
				c.Phone = &phone
			}
			if yes := maybe(0.7); maybe(0.9) {
				c.EmailConsent = &yes
			}
			if yes := maybe(0.6); maybe(0.9) {
				c.SMSConsent = &yes
			}
			openID := fmt.Sprintf("o%d", m.random.IntN(70))
			if c.Attributes = map[string]any{"openid_consent": maybe(0.6)}; maybe(0.7) {
				c.Attributes["openid"] = []string{openID, ""}[m.random.IntN(8)/7]
			}
			if err := tx.SaveCustomer(m.ctx, c); err != nil {
				return err
			}
			for kind, address := range map[string]string{campaigns.Email: email, campaigns.SMS: phone, "wechat": openID} {
				if maybe(0.05) {
					if err := tx.Suppress(m.ctx, &campaigns.Suppression{Channel: kind, Address: address, Reason: "bounced"}); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
}

// drawCampaign draws a campaign; nobody keeps it.
func (m *mixedShop) drawCampaign(t *rapid.T) campaigns.Campaign {
	d := campaigns.Definition{Name: "drawn", Kind: campaigns.Recurring, Schedule: &campaigns.Schedule{Cron: "0 9 * * *", Zone: "Asia/Shanghai"}}
	d.Rule = rapid.SampledFrom([]string{"true", `city == "Shanghai"`, `city != "Beijing"`, "false"}).Draw(t, "rule")
	d.Purpose = rapid.SampledFrom([]string{"marketing", "service", "transactional"}).Draw(t, "purpose")
	d.Reach = rapid.SampledFrom([]string{"", "every", "any"}).Draw(t, "reach")
	every := campaigns.Duration(24 * time.Hour)
	d.Entry = rapid.SampledFrom([]*campaigns.Entry{nil, {Limit: "once"}, {OncePer: "day"}, {OncePer: "year"}, {OnceFor: "city"}, {Every: &every}}).Draw(t, "entry")
	for i := range rapid.IntRange(1, 3).Draw(t, "variants") {
		v := campaigns.Variant{Name: fmt.Sprint("v", i), Weight: 1, ChannelID: campaigns.Catcher}
		kinds := rapid.SampledFrom([][]string{{campaigns.Email}, {campaigns.SMS}, {campaigns.Email, campaigns.SMS}, {campaigns.SMS, campaigns.Email}, {"wechat"}, {"wechat", campaigns.Email}, {campaigns.SMS, "wechat"}}).Draw(t, "ways")
		v.TemplateID = m.templates[kinds[0]]
		for _, kind := range kinds[1:] {
			v.Fallback = append(v.Fallback, campaigns.Way{ChannelID: campaigns.Catcher, TemplateID: m.templates[kind]})
		}
		d.Variants = append(d.Variants, v)
	}
	id := campaigns.NewID(m.clock.Now())
	return campaigns.Campaign{ID: id, Version: 1, Salt: id.String(), Definition: d}
}

// enterSome lets customers have entered a campaign before, at drawn times and as their entry limit keeps it, or under
// another key.
func (m *mixedShop) enterSome(t *rapid.T, p *plan) {
	for range rapid.IntRange(0, 3).Draw(t, "earlier runs") {
		ago := time.Duration(rapid.IntRange(0, 40).Draw(t, "hours ago")) * time.Hour
		run := &campaigns.Run{ID: campaigns.NewID(m.clock.Now()), CampaignID: p.campaign.ID, Occurrence: p.at.Now.Add(-ago)}
		before := *p
		before.at.Now = run.Occurrence
		before.key, before.oneKey = p.campaign.EntryKey(run.Occurrence)
		keys := map[int64]string{}
		every := rapid.IntRange(2, 5).Draw(t, "every n-th")
		err := m.store.Update(m.ctx, func(tx *store.Tx) error {
			needs := p.needs().With([]string{"city"}, nil)
			err := audience.All(m.ctx, tx, needs, before.at, func(no int64, record rules.Record) error {
				if int(no)%every == 0 {
					keys[no] = before.entryKey(no, record, store.EntryHistory{})
				}
				return nil
			}, nil)
			if err != nil {
				return err
			}
			earlier, err := tx.EntriesOf(m.ctx, p.campaign.ID, slices.Collect(maps.Keys(keys)))
			if err != nil {
				return err
			}
			var entries []store.Entered
			for no, key := range keys {
				if !slices.Contains(earlier[no].Keys, key) {
					entries = append(entries, store.Entered{No: no, Key: key})
				}
			}
			return tx.Enter(m.ctx, run, entries)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (m *mixedShop) planOf(t rapid.TB, c campaigns.Campaign) (p *plan) {
	err := m.store.View(m.ctx, func(tx *store.Tx) (err error) {
		p, err = m.engine.newPlan(m.ctx, tx, c, tx.Now)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// sift reads the addresses of the whole shop unless they are looked up.
func (m *mixedShop) sift(t rapid.TB, p *plan, lookUp bool) *sieve {
	found := &sieve{plan: p, gates: map[campaigns.Gate]*roaring64.Bitmap{}}
	if lookUp {
		found.few = crowdedFrom
	}
	err := m.engine.siftBy(m.ctx, found, nil, func(ctx context.Context, q audience.Question) (*audience.Answer, error) { return m.engine.find(ctx, q) })
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestGatesOfAWholeAudienceAndOfAFewCustomersStopTheSame(t *testing.T) {
	m := newMixedShop(t)
	rapid.Check(t, func(t *rapid.T) {
		excluded := rapid.SampledFrom([]string{"", `city == "Chengdu"`, `ntile(registered_at, 4) == 1 || city == "Beijing"`}).Draw(t, "excluded")
		m.settings(func(w *campaigns.Workspace) { w.Excluded = excluded })
		p := m.planOf(t, m.drawCampaign(t))
		m.enterSome(t, p)
		found := m.sift(t, p, rapid.Bool().Draw(t, "addresses are looked up"))
		nos := numbersOf(found.facts.matching)
		var rows map[campaigns.Gate][]int64
		err := m.store.View(m.ctx, func(tx *store.Tx) (err error) {
			rows, err = p.early(m.ctx, ownBooks{tx}, nos, true)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		sets := map[campaigns.Gate][]int64{}
		sum := len(numbersOf(found.rest))
		if sum > 0 {
			sets[campaigns.GateEligible] = numbersOf(found.rest)
		}
		for gate, set := range found.gates {
			sets[gate] = numbersOf(set)
			sum += len(sets[gate])
		}
		if sum != len(nos) {
			t.Errorf("gates add up to %d, the audience is %d", sum, len(nos))
		}
		for gate := range rows {
			slices.Sort(rows[gate])
		}
		if !maps.EqualFunc(rows, sets, slices.Equal[[]int64]) {
			t.Errorf("one by one %v\nas sets    %v", rows, sets)
		}
	})
}

func TestALimitTakesTheFirstByItsOrderAndMissingValuesLast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.OneOf(rapid.Just[any](nil), rapid.Map(rapid.Int64Range(-3, 3), func(v int64) any { return v })), 1, 40).Draw(t, "values")
		best := podium{n: rapid.IntRange(1, 40).Draw(t, "limit"), descending: rapid.Bool().Draw(t, "descending")}
		for i, value := range values {
			best.add(ranked{no: int64(i), value: value, place: mixedPlace(i)})
			if rapid.Bool().Draw(t, "cut") {
				best.cut()
			}
		}
		in := best.members()
		if int(in.GetCardinality()) != min(best.n, len(values)) {
			t.Fatalf("%d of %d, limit %d", in.GetCardinality(), len(values), best.n)
		}
		for i, a := range values {
			for j, b := range values {
				if !in.Contains(uint64(i)) || in.Contains(uint64(j)) {
					continue
				}
				x, isX := a.(int64)
				y, isY := b.(int64)
				if !isX && isY || isX && isY && (x != y) && (x < y) == best.descending || a == b && mixedPlace(i) > mixedPlace(j) {
					t.Fatalf("%v at %d is within, %v at %d is not (descending %v)", a, i, b, j, best.descending)
				}
			}
		}
	})
}

func mixedPlace(i int) uint64 { return uint64(i*7919) % 101 }

func TestPartsHoldEveryEligibleCustomerOnceInOneOrder(t *testing.T) {
	m := newMixedShop(t)
	c := campaigns.Campaign{ID: campaigns.NewID(m.clock.Now()), Salt: "salt", Definition: campaigns.Definition{Rule: "true", Kind: campaigns.Once, Purpose: "marketing",
		Variants: []campaigns.Variant{{Name: "A", Weight: 1, ChannelID: campaigns.Catcher, TemplateID: m.templates[campaigns.Email]}}}}
	eligible := setOf(nil)
	for no := range int64(10000) {
		eligible.Add(uint64(3 * no))
	}
	order := func() (all []int64) {
		for part := range m.planOf(m.T, c).parts(eligible) {
			if len(part) > store.PartSize {
				m.Errorf("a part of %d", len(part))
			}
			all = append(all, part...)
		}
		return all
	}
	if plain := order(); !slices.IsSorted(plain) || len(plain) != 10000 {
		t.Errorf("%d customers, ascending %v", len(plain), slices.IsSorted(plain))
	}
	c.Pace = &campaigns.Pace{PerHour: 10}
	drawn := order()
	if slices.IsSorted(drawn) || !slices.Equal(drawn, order()) {
		t.Error("a pace walks by a hash that is always the same")
	}
	slices.Sort(drawn)
	if len(slices.Compact(drawn)) != 10000 {
		t.Errorf("%d different customers", len(drawn))
	}
}
