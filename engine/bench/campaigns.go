package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
)

const (
	campaignRows      = 1_000_000
	campaignSecondMax = 20.0 // to select and queue campaignRows
	smallRows         = 1_000
	smallSecondsMax   = 5.0
	drySecondsMax     = 5.0 // to try a campaign to campaignRows
	campaignDatabase  = "campaigns"
)

// A blasting is a shop whose campaigns go to everybody, through the catcher; nothing is sent.
type blasting struct {
	*ground
	store    *store.Store
	engine   *engine.Engine
	template campaigns.ID
	n        int
}

// measureCampaigns measures how long a campaign to everybody takes from its tick until all its messages wait in the outbox,
// and how long a small one takes that comes meanwhile.
func measureCampaigns(ctx context.Context, g *ground) (rows []Row, err error) {
	b := &blasting{ground: g, n: g.rows(campaignRows)}
	if b.store, err = g.shop(ctx, campaignDatabase, 12); err != nil {
		return nil, err
	}
	defer b.store.Close()
	b.engine = engine.New(b.store, engine.Options{})
	defer func() { err = errors.Join(err, b.engine.Close(context.Background())) }()
	if err := b.fill(ctx); err != nil {
		return nil, err
	}
	var first, later, small []float64
	for round := range g.Rounds {
		took, meanwhile, err := b.blast(ctx, round)
		if err != nil {
			return nil, err
		}
		if round == 0 {
			first = append(first, took)
		} else {
			later = append(later, took)
		}
		small = append(small, meanwhile)
	}
	most := campaignSecondMax * float64(b.n) / campaignRows
	rows = []Row{below(fmt.Sprintf("selecting and queueing %d, a first campaign", b.n), "s", median(first), most)}
	if len(later) > 0 {
		rows = append(rows, below(fmt.Sprintf("selecting and queueing %d, later ones", b.n), "s", median(later), most))
	}
	g.note("Beckon itself had at most %s", peak())
	rows = append(rows, below(fmt.Sprintf("a campaign to %d meanwhile", smallRows), "s", median(small), smallSecondsMax))
	var dry []float64
	for range g.Rounds {
		took, err := b.try(ctx)
		if err != nil {
			return nil, err
		}
		dry = append(dry, took)
	}
	rows = append(rows, below(fmt.Sprintf("a dry run of %d", b.n), "s", median(dry), drySecondsMax*float64(b.n)/campaignRows))
	return rows, b.checkAll(ctx)
}

// checkAll renders the e-mail for everybody with nothing sent, and says how long it took and what memory.
func (b *blasting) checkAll(ctx context.Context) error {
	began := b.Clock()
	found, err := b.engine.CheckTemplate(ctx, engine.Trial{Template: b.template}, "true")
	if err != nil {
		return err
	}
	if found.Rendered != int64(b.n) || found.Customers != int64(b.n) {
		return fmt.Errorf("checking a template for %d customers: %+v", b.n, found)
	}
	b.note("Checking a template for all %d took %.1f s; the process had at most %s", b.n, b.Clock().Sub(began).Seconds(), peak())
	return nil
}

// try makes a dry run of a campaign to everybody and gives its seconds.
func (b *blasting) try(ctx context.Context) (float64, error) {
	c, err := b.engine.CreateCampaign(ctx, "bench", b.definition("Tried", "true"))
	if err != nil {
		return 0, err
	}
	began := b.Clock()
	found, err := b.engine.DryRunCampaign(ctx, c.ID, 0)
	if err != nil {
		return 0, err
	}
	took := b.Clock().Sub(began).Seconds()
	if passed, held := found.Gates[string(campaigns.GatePassed)], found.Gates[string(campaigns.GateHoldout)]; found.Audience != int64(b.n) || passed+held != int64(b.n) {
		return 0, fmt.Errorf("the dry run of %d customers: %+v", b.n, found)
	}
	return took, nil
}

// fill makes the customers, straight into the tables, each with an address, and a template.
func (b *blasting) fill(ctx context.Context) error {
	b.Say("making %d customers", b.n)
	customers := fmt.Sprintf(`INSERT INTO customers (no, id, name, city, tier, timezone, email, email_hash, email_consent, registered_at, changed_at)
		SELECT n, 'c' || n, 'Customer ' || n, CASE WHEN n %% 3 = 0 THEN 'Shanghai' ELSE 'Beijing' END, CASE WHEN n <= %d THEN 'gold' END, CASE WHEN n %% 10 = 0 THEN 'Asia/Urumqi' END,
			'customer.' || n || '@example.com', sha256(('c' || n)::bytea), true, TIMESTAMPTZ '2026-01-01', TIMESTAMPTZ '2026-01-01' FROM generate_series(1, %d) n`, smallRows, b.n)
	if err := b.inOneGo(ctx, campaignDatabase, "customers", customers); err != nil {
		return err
	}
	if err := b.inOneGo(ctx, campaignDatabase, "addresses", "INSERT INTO addresses SELECT email_hash, 'email', no FROM customers"); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, b.server.URL(campaignDatabase))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, sql := range []string{fmt.Sprintf("SELECT setval('customer_nos', %d)", b.n), "VACUUM (ANALYZE) customers", "VACUUM (ANALYZE) addresses", "CHECKPOINT"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return b.store.Update(ctx, func(tx *store.Tx) error {
		t := campaigns.Template{TemplateDefinition: campaigns.TemplateDefinition{Name: "Autumn", Channel: campaigns.Email, Parts: words()}}
		err := tx.CreateTemplate(ctx, &t)
		b.template = t.ID
		return err
	})
}

// definition is a campaign's. Caps are off, or the third round would send nothing; they are still read.
func (b *blasting) definition(name, rule string) campaigns.Definition {
	share, caps := 0.1, []campaigns.Cap{{Channel: campaigns.AnyChannel, Max: 1000, Window: campaigns.Day}}
	return campaigns.Definition{Name: name, Kind: campaigns.Once, Rule: rule, Holdout: &share, Caps: &caps,
		Variants: []campaigns.Variant{{Name: "A", Weight: 1, ChannelID: campaigns.Catcher, TemplateID: b.template}}}
}

// launch begins a campaign and makes its run.
func (b *blasting) launch(ctx context.Context, name, rule string) (campaigns.ID, error) {
	c, err := b.engine.CreateCampaign(ctx, "bench", b.definition(name, rule))
	if err != nil {
		return c.ID, err
	}
	if _, err := b.engine.MoveCampaign(ctx, "bench", c.ID, 0, campaigns.Launch); err != nil {
		return c.ID, err
	}
	_, err = b.engine.Tick(ctx)
	return c.ID, err
}

// blast queues a campaign to everybody and, once that is queueing, a small one; it gives the seconds that each took.
func (b *blasting) blast(ctx context.Context, round int) (large, small float64, err error) {
	if err := b.do(ctx, "CHECKPOINT"); err != nil {
		return 0, 0, err
	}
	began := b.Clock()
	blast, err := b.launch(ctx, fmt.Sprintf("Everybody %d", round), "true")
	if err != nil {
		return 0, 0, err
	}
	if _, err := b.engine.Select(ctx); err != nil {
		return 0, 0, err
	}
	selected := b.Clock().Sub(began)
	var smallBegan, smallEnded time.Time
	var little campaigns.ID
	for worked, pieces := 1, 0; worked > 0 || pieces == 1; pieces++ { // at least once more: what is small is queued as it is selected
		if pieces == 1 { // the steps of selecting and queueing run beside each other in the service; here in turns
			smallBegan = b.Clock()
			if little, err = b.launch(ctx, fmt.Sprintf("A few %d", round), `tier == "gold"`); err != nil {
				return 0, 0, err
			}
			if _, err := b.engine.Select(ctx); err != nil {
				return 0, 0, err
			}
		}
		if worked, err = b.engine.Queue(ctx); err != nil {
			return 0, 0, err
		}
		if little != (campaigns.ID{}) && smallEnded.IsZero() {
			if done, err := b.isQueued(ctx, little); err != nil {
				return 0, 0, err
			} else if done {
				smallEnded = b.Clock()
			}
		}
	}
	large = b.Clock().Sub(began).Seconds()
	if !smallEnded.IsZero() {
		small = smallEnded.Sub(smallBegan).Seconds()
	}
	b.Say("%d customers: selected in %.1f s, queued after %.1f s; the small campaign took %.1f s; %d MB of Go's heap", b.n, selected.Seconds(), large, small, heapMB())
	return large, small, b.check(ctx, blast)
}

func heapMB() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc >> 20
}

func (b *blasting) isQueued(ctx context.Context, campaign campaigns.ID) (queued bool, err error) {
	err = b.store.View(ctx, func(tx *store.Tx) error {
		runs, err := tx.Runs(ctx, campaign, b.store.Now().AddDate(1, 0, 0), 1)
		queued = err == nil && len(runs) == 1 && runs[0].Status == campaigns.Sending
		return err
	})
	return queued, err
}

// check says whether everybody stands at a gate and has one message, ghosts included.
func (b *blasting) check(ctx context.Context, campaign campaigns.ID) error {
	return b.store.View(ctx, func(tx *store.Tx) error {
		runs, err := tx.Runs(ctx, campaign, b.store.Now().AddDate(1, 0, 0), 2)
		if err != nil {
			return err
		}
		if len(runs) != 1 || runs[0].Status != campaigns.Sending {
			return fmt.Errorf("the run is not queued: %+v", runs)
		}
		passed, held := runs[0].Gates[string(campaigns.GatePassed)], runs[0].Gates[string(campaigns.GateHoldout)]
		if passed+held != int64(b.n) || runs[0].Messages[string(campaigns.MessageQueued)] != passed {
			return fmt.Errorf("%d customers: gates %v, messages %v", b.n, runs[0].Gates, runs[0].Messages)
		}
		return nil
	})
}
