package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/wneessen/go-mail"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
	"beckon/templates"
)

// A sending is a shop whose campaigns leave through a sink.
type sending struct {
	*ground
	store    *store.Store
	engine   *engine.Engine
	sink     *sink
	template campaigns.ID
	parsed   *templates.Template
	n        int
	shape    shape
	signer   *mail.DKIMSigner // the bare loop's, where messages are signed
	queued   *mailing         // of the round that runs
}

// A shape is how a sending differs from the usual one.
type shape struct {
	name   string
	signed bool          // with Ed25519
	plain  bool          // the sink offers no PIPELINING
	wait   time.Duration // of the sink over each message
	lean   bool          // customers are not kept in memory, and what was queued is not read for a bare loop
}

// A mailing is what one round sends: a run that waits in the outbox, and its messages as they were queued.
type mailing struct {
	round    int
	campaign campaigns.ID
	messages []campaigns.Message
}

// newSending makes the shop in a database of its own.
func newSending(ctx context.Context, g *ground, database string, n int, how shape) (*sending, error) {
	s := &sending{ground: g, n: n, shape: how}
	var err error
	if s.store, err = g.shop(ctx, database, 4*sendConnections); err != nil {
		return nil, err
	}
	if s.sink, err = newSink(sinkOptions{recipients: n, pipelining: !how.plain, wait: how.wait}); err != nil {
		s.store.Close()
		return nil, err
	}
	s.engine = engine.New(s.store, how.options())
	if err = g.people(ctx, s.store, n); err == nil {
		err = s.define(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (how shape) options() engine.Options {
	if how.lean {
		return engine.Options{AudienceBytes: -1}
	}
	return engine.Options{}
}

func (s *sending) close() error {
	s.store.Close()
	return s.sink.close()
}

// define makes the channel that leads to the sink and the template.
func (s *sending) define(ctx context.Context) error {
	settings := campaigns.ChannelSettings{Host: "127.0.0.1", Port: s.sink.port(), TLS: "none", Connections: sendConnections,
		EmailSettings: campaigns.EmailSettings{From: sender, FromName: senderName}}
	if s.shape.signed {
		if err := s.sign(&settings); err != nil {
			return err
		}
	}
	return s.store.Update(ctx, func(tx *store.Tx) error {
		space, err := tx.LockWorkspace(ctx)
		if err != nil {
			return err
		}
		space.PublicURL = "https://shop.example.com"
		if err := tx.SaveWorkspace(ctx, space); err != nil {
			return err
		}
		if err := tx.CreateChannel(ctx, &campaigns.Channel{ID: "sink", Name: "Sink", Kind: campaigns.KindSMTP, Settings: settings}); err != nil {
			return err
		}
		t := campaigns.Template{TemplateDefinition: campaigns.TemplateDefinition{Name: "Autumn", Channel: campaigns.Email, Parts: words()}}
		if s.parsed, err = engine.ParseTemplate(ctx, tx, &t.TemplateDefinition); err != nil {
			return err
		}
		err = tx.CreateTemplate(ctx, &t)
		s.template = t.ID
		return err
	})
}

// words are a usual short newsletter.
func words() map[string]string {
	return map[string]string{
		"subject": "{{ customer.name }}, the autumn collection is here",
		"html": `<!doctype html><html><body style="font-family:sans-serif"><h1>Hello {{ customer.name }},</h1>
<p>The autumn collection has arrived in {{ customer.city }}: coats, scarves and boots in the colours of the season.
As one of our best customers you see it two days before everybody else.</p>
<table><tr><td>Coats</td><td>from 399.00</td></tr><tr><td>Scarves</td><td>from 59.00</td></tr><tr><td>Boots</td><td>from 299.00</td></tr></table>
<p>{% if customer.city == "Shanghai" %}Come and try them on in Nanjing Road, every day until ten.{% else %}Order until noon and it is with you tomorrow.{% endif %}</p>
<p><a href="https://shop.example.com/autumn">See the collection</a></p>
<p style="font-size:small">You get this because you subscribed. <a href="{{ links.unsubscribe }}">Unsubscribe</a></p></body></html>`,
		"text": `Hello {{ customer.name }},
the autumn collection has arrived in {{ customer.city }}: coats, scarves and boots in the colours of the season.
See it at https://shop.example.com/autumn two days before everybody else.
Unsubscribe: {{ links.unsubscribe }}
`,
	}
}

// queue makes a campaign to everybody and takes it up to the outbox, once in a round, whichever side asks first.
func (s *sending) queue(ctx context.Context, round int) (*mailing, error) {
	if s.queued != nil && s.queued.round == round {
		return s.queued, nil
	}
	s.Say("queueing %d messages", s.n)
	none := 0.0
	c, err := s.engine.CreateCampaign(ctx, "bench", campaigns.Definition{Name: fmt.Sprintf("Autumn %d", round), Kind: campaigns.Once, Rule: "true", Holdout: &none,
		Caps: &[]campaigns.Cap{}, QuietHours: &campaigns.QuietHours{From: "00:00", To: "00:00"}, // every round goes to everybody, at any hour
		Variants: []campaigns.Variant{{Name: "A", Weight: 1, ChannelID: "sink", TemplateID: s.template}}})
	if err != nil {
		return nil, err
	}
	if _, err := s.engine.MoveCampaign(ctx, "bench", c.ID, 0, campaigns.Launch); err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context) (int, error){s.engine.Tick, s.engine.Select, s.engine.Queue} {
		for worked := 1; worked > 0; {
			if worked, err = step(ctx); err != nil {
				return nil, err
			}
		}
	}
	s.queued = &mailing{round: round, campaign: c.ID}
	if s.shape.lean {
		return s.queued, nil
	}
	err = s.store.View(ctx, func(tx *store.Tx) (err error) {
		s.queued.messages, err = tx.Messages(ctx, store.MessageFilter{Campaign: c.ID, Limit: s.n + 1})
		return err
	})
	if err == nil && len(s.queued.messages) != s.n {
		err = fmt.Errorf("%d messages were queued, not %d", len(s.queued.messages), s.n)
	}
	return s.queued, err
}

// ours sends a round's messages through the engine.
func (s *sending) ours(ctx context.Context, round int) (float64, error) {
	return s.through(ctx, round, s.engine)
}

// through sends a round's messages through engines, each with as many workers as a node has.
func (s *sending) through(ctx context.Context, round int, nodes ...*engine.Engine) (float64, error) {
	queued, err := s.queue(ctx, round)
	if err != nil {
		return 0, err
	}
	var workers sync.WaitGroup
	failed := make([]error, len(nodes)*sendConnections)
	start := s.Clock()
	for i := range failed {
		workers.Go(func() { _, failed[i] = nodes[i%len(nodes)].Send(ctx) })
	}
	workers.Wait()
	took := s.Clock().Sub(start)
	if err := errors.Join(failed...); err != nil {
		return 0, err
	}
	if _, err := s.engine.Finish(ctx); err != nil {
		return 0, err
	}
	return float64(s.n) / took.Seconds(), errors.Join(s.sink.arrived(s.shape.signed), s.recorded(ctx, queued.campaign))
}

// recorded says whether all messages of a campaign are known to be sent.
func (s *sending) recorded(ctx context.Context, campaign campaigns.ID) error {
	return s.store.View(ctx, func(tx *store.Tx) error {
		runs, err := tx.Runs(ctx, campaign, s.store.Now().AddDate(1, 0, 0), 2)
		if err != nil {
			return err
		}
		if len(runs) != 1 || runs[0].Messages[string(campaigns.MessageSent)] != int64(s.n) || runs[0].Status != campaigns.Done {
			return fmt.Errorf("the run is not done: %+v", runs)
		}
		return nil
	})
}
