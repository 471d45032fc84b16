package engine

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/local"
	"beckon/campaigns/store/storetest"
	"beckon/engine/audience"
)

// BenchmarkSelecting leads a shop through the gates before the arms, and through a dry run, and prints what each stage
// takes. BECKON_BENCH_CUSTOMERS sets how many customers, 100,000 if unset.
func BenchmarkSelecting(b *testing.B) {
	n, err := strconv.Atoi(os.Getenv("BECKON_BENCH_CUSTOMERS"))
	if err != nil {
		n = 100_000
	}
	url := storetest.URL(b)
	s, err := store.Open(b.Context(), url, time.Now, store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Close)
	fillForSelecting(b, url, n)
	m := &benchShop{B: b, engine: New(s, Options{}), store: s}
	if err := s.EnsureMonths(b.Context(), "audit", s.Now(), s.Now().AddDate(0, 1, 0)); err != nil {
		b.Fatal(err)
	}
	c := m.campaign()
	for b.Loop() {
		m.measure(c)
	}
}

func fillForSelecting(b *testing.B, url string, n int) {
	bin, err := local.Find()
	if err != nil {
		b.Fatal(err)
	}
	for _, sql := range []string{
		fmt.Sprintf(`INSERT INTO customers (no, id, name, city, email, phone, email_hash, phone_hash, email_consent, sms_consent, registered_at, changed_at)
			SELECT n, 'c' || n, CASE WHEN n %% 50 > 0 THEN 'Customer ' || n END, CASE WHEN n %% 3 = 0 THEN 'Shanghai' ELSE 'Beijing' END, 'c' || n || '@example.com', '+8613' || n,
				CASE WHEN n %% 20 > 0 THEN sha256(('e' || CASE WHEN n %% 100 = 1 THEN n + 1 ELSE n END)::bytea) END, CASE WHEN n %% 10 > 0 THEN sha256(('p' || n)::bytea) END,
				n %% 7 > 0, n %% 5 > 0, now() - n * interval '1 second', now() FROM generate_series(1, %d) n`, n),
		`INSERT INTO addresses SELECT email_hash, 'email', no FROM customers WHERE email_hash IS NOT NULL`,
		`INSERT INTO addresses SELECT phone_hash, 'sms', no FROM customers WHERE phone_hash IS NOT NULL`,
		`INSERT INTO customer_figures (no, purchase_count, total_spend) SELECT no, no % 9, no % 100000 FROM customers`,
		`INSERT INTO suppressions SELECT DISTINCT ON (hash) hash, channel, NULL, 'bounced', now() FROM addresses WHERE no % 300 = 2`,
		`SELECT setval('customer_nos', max(no)) FROM customers`, `VACUUM (ANALYZE)`,
	} {
		if out, err := exec.CommandContext(b.Context(), filepath.Join(bin, "psql"), "-X", "-q", "-d", url, "-c", sql).CombinedOutput(); err != nil {
			b.Fatalf("%s: %v: %s", sql, err, out)
		}
	}
}

type benchShop struct {
	*testing.B
	engine *Engine
	store  *store.Store
}

func (m *benchShop) must(err error) {
	m.Helper()
	if err != nil {
		m.Fatal(err)
	}
}

func (m *benchShop) campaign() campaigns.Campaign {
	template := campaigns.Template{TemplateDefinition: campaigns.TemplateDefinition{Name: "t", Channel: campaigns.Email,
		Parts: map[string]string{"subject": "Hello {{ customer.name }}", "text": "Hi {{ customer.name }}, see {{ links.unsubscribe }}"}}}
	short := campaigns.Template{TemplateDefinition: campaigns.TemplateDefinition{Name: "s", Channel: campaigns.SMS, Parts: map[string]string{"text": "Hi {{ customer.name }}"}}}
	m.must(m.store.Update(m.Context(), func(tx *store.Tx) error {
		if err := tx.CreateTemplate(m.Context(), &short); err != nil {
			return err
		}
		return tx.CreateTemplate(m.Context(), &template)
	}))
	share := 0.1
	c, err := m.engine.CreateCampaign(m.Context(), "bench", campaigns.Definition{Name: "Bench", Kind: campaigns.Once, Rule: "true", Holdout: &share,
		Variants: []campaigns.Variant{{Name: "A", Weight: 1, ChannelID: campaigns.Catcher, TemplateID: template.ID, Fallback: []campaigns.Way{{ChannelID: campaigns.Catcher, TemplateID: short.ID}}}}})
	m.must(err)
	return c
}

// timed prints what something takes.
func (m *benchShop) timed(what string, do func() error) {
	m.Helper()
	began := m.store.Now()
	err := do()
	m.Logf("%-40s %6d ms", what, m.store.Now().Sub(began).Milliseconds())
	m.must(err)
}

func (m *benchShop) measure(c campaigns.Campaign) {
	ctx := m.Context()
	ask := func(ctx context.Context, q audience.Question) (*audience.Answer, error) { return m.engine.find(ctx, q) }
	m.timed("dry run, nothing in memory, not drawn", func() error { _, err := m.engine.DryRunCampaign(ctx, c.ID, 0); return err })
	m.timed("dry run, not drawn", func() error { _, err := m.engine.DryRunCampaign(ctx, c.ID, 0); return err })
	m.timed("drawing the quarter", func() error { _, err := m.engine.DrawGlobalHoldout(ctx); return err })
	m.timed("dry run", func() error {
		found, err := m.engine.DryRunCampaign(ctx, c.ID, 0)
		m.Logf("%+v", found)
		return err
	})
	var p *plan
	m.must(m.store.View(ctx, func(tx *store.Tx) (err error) { p, err = m.engine.newPlan(ctx, tx, c, tx.Now); return err }))
	s := &sieve{plan: p}
	m.timed("the question", func() error { return s.ask(ctx, ask) })
	m.timed("addresses", func() error {
		return m.store.View(ctx, func(tx *store.Tx) error { return s.readAddresses(ctx, tx) })
	})
	var found *sieve
	m.timed("all gates before the arms", func() (err error) { found, err = m.engine.sift(ctx, p, nil, ask); return err })
	run := campaigns.Run{ID: campaigns.NewID(m.store.Now()), CampaignID: c.ID}
	for _, how := range []string{"ascending", "by turn"} {
		m.timed("saving, "+how, func() error {
			return m.store.Update(ctx, func(tx *store.Tx) error {
				if err := tx.SaveAudience(ctx, run.ID, found.gates); err != nil {
					return err
				}
				_, err := tx.SaveParts(ctx, run.ID, p.parts(found.rest))
				return err
			})
		})
		p.campaign.Pace = &campaigns.Pace{PerHour: 1}
	}
	p.campaign.Audience = &campaigns.Limited{Limit: int64(found.rest.GetCardinality() / 10), OrderBy: "total_spend desc"}
	m.timed("all gates, with a limit by an order", func() error { _, err := m.engine.sift(ctx, p, nil, ask); return err })
	nos := numbersOf(found.rest)[:100]
	m.timed("early, 100 customers", func() error {
		return m.store.View(ctx, func(tx *store.Tx) error { _, err := p.early(ctx, ownBooks{tx}, nos, true); return err })
	})
}
