package bench

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/audience"
	"beckon/engine/rules"
)

const (
	audienceRows     = 10_000_000
	audienceFewRows  = 1_000_000 // beside other measures, and for what is typed
	audienceSample   = 200_000   // customers whose records the VM is asked about
	audienceDatabase = "audience"
)

// A gathering is a crowd in PostgreSQL, in the image, in bare arrays and, some of it, in records.
type gathering struct {
	*ground
	store   *store.Store
	n       int
	at      rules.Instant
	schema  *rules.Schema
	image   *audience.Image // nil: not loaded
	flat    *flat
	bare    *bareCrowd
	records []rules.Record // of the first customers
}

// measureAudience compares counts by the columns in memory with the VM, with loops by hand and with PostgreSQL, all over
// the same crowd; and what the columns cost: memory, loading, following. Then it asks about one customer, and through HTTP.
func measureAudience(ctx context.Context, g *ground) (rows []Row, err error) {
	n := g.rows(audienceRows)
	if g.several {
		n = g.rows(audienceFewRows)
	}
	a, err := g.gather(ctx, audienceDatabase, n)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.close(ctx)) }()
	for _, part := range []func(context.Context) ([]Row, error){a.measureLoad, a.measureScans, a.measureFollowing, a.measureEvents} {
		some, err := part(ctx)
		if err != nil {
			return nil, err
		}
		rows = append(rows, some...)
	}
	a.note("the most memory that the process has had: %s (this program, with the bare arrays and the records beside the image)", peak())
	if err := a.release(ctx); err != nil {
		return nil, err
	}
	typed, err := a.measureTyping(ctx)
	return append(rows, typed...), err
}

// gather makes the crowd and what PostgreSQL counts in.
func (g *ground) gather(ctx context.Context, database string, n int) (a *gathering, err error) {
	a = &gathering{ground: g, n: n, at: rules.Instant{Now: crowdNow(), Zone: time.UTC}}
	if a.store, err = g.shop(ctx, database, 8); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close(ctx))
		}
	}()
	g.Say("making %d customers and their purchases", n)
	began := g.Clock()
	if err = g.crowd(ctx, a.store, database, n); err != nil {
		return a, err
	}
	g.Say("made in %.0f s", g.Clock().Sub(began).Seconds())
	var attributes []campaigns.Attribute
	err = a.store.View(ctx, func(tx *store.Tx) (err error) {
		attributes, err = tx.Attributes(ctx)
		return err
	})
	if err != nil {
		return a, err
	}
	var custom []rules.Attribute
	for _, attribute := range attributes {
		kind, _ := rules.ParseType(attribute.Type)
		custom = append(custom, rules.Attribute{Name: attribute.Name, Type: kind})
	}
	a.schema = rules.NewSchema(2, custom)
	if err = g.makeFlat(ctx, database, n, attributes); err != nil {
		return a, err
	}
	a.flat, err = g.openFlat(ctx, database, n, a.at)
	return a, err
}

// close leaves the database.
func (a *gathering) close(ctx context.Context) error {
	var errs []error
	if a.flat != nil {
		errs = append(errs, a.flat.conn.Close(ctx))
	}
	errs = append(errs, a.release(ctx))
	a.store.Close()
	return errors.Join(errs...)
}

// release gives the memory back.
func (a *gathering) release(ctx context.Context) (err error) {
	if a.image != nil {
		err = a.image.Close(context.WithoutCancel(ctx), a.store)
	}
	a.image, a.bare, a.records = nil, nil, nil
	debug.FreeOSMemory()
	return err
}

// needs are the twenty attributes, and what rules read most of purchases.
func (a *gathering) needs() audience.Needs {
	return audience.Needs{Columns: crowdColumns(), Fields: map[string][]string{"purchases": {"at", "store", "amount"}}}
}

func (a *gathering) newImage() *audience.Image {
	return audience.NewImage(audience.ImageOptions{Node: campaigns.NewID(a.Clock()), Name: "bench", BytesMax: 1 << 40, Clock: a.Clock})
}

// find counts by the columns, on so many cores.
func (a *gathering) find(ctx context.Context, rule *rules.Rule, cores int) (*audience.Answer, error) {
	found, err := audience.Vector{Image: a.image, Workers: cores}.Find(ctx, a.store, audience.Question{Conditions: []audience.Asked{{Rule: rule, At: a.at}}})
	if err == nil && (found.Total != int64(a.n) || found.Left > 0) {
		err = fmt.Errorf("%d of %d customers were looked at, %d of them left to the reference", found.Total, a.n, found.Left)
	}
	return found, err
}

// readRecords makes the records of the first customers, with what the measured rules read and little more.
func (a *gathering) readRecords(ctx context.Context, n int) error {
	a.Say("making the records of %d customers for the VM", n)
	needs := audience.Needs{Columns: []string{"tier", "city", "total_spend", "purchase_count", "last_purchase_at"}, Histories: []string{"purchases"}}
	a.records = make([]rules.Record, 0, n)
	return a.store.View(ctx, func(tx *store.Tx) error {
		for from := 1; from <= n; from += audience.SpanSize {
			span := store.Span{From: int64(from), To: int64(min(from+audience.SpanSize, n+1))}
			err := audience.Each(ctx, tx, span, needs, a.at, func(_ int64, record rules.Record) error {
				a.records = append(a.records, maps.Clone(record))
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// busy is how busy the machine has been, this program included, as Linux says it.
func busy() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown on " + runtime.GOOS
	}
	minute, _, _ := strings.Cut(string(text), " ")
	return minute
}

// peak is the most memory that this process has had, as Linux says it.
func peak() string {
	text, _ := os.ReadFile("/proc/self/status")
	_, rest, found := strings.Cut(string(text), "VmHWM:")
	line, _, _ := strings.Cut(rest, "\n")
	if !found {
		return "unknown on " + runtime.GOOS
	}
	return strings.TrimSpace(line)
}
