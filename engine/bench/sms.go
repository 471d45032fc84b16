package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/linxGnu/gosmpp/data"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
	"beckon/engine/channel"
	"beckon/engine/channel/smsctest"
	"beckon/templates"
)

const (
	textRows    = 20_000
	textsPerSec = 5000 // the bar
	textPatient = 3 * time.Minute
)

// A texting is a shop whose text messages leave over SMPP to an SMSC that says of each that it arrived.
type texting struct {
	*ground
	store    *store.Store
	smsc     *smsctest.SMSC
	template campaigns.ID
	n        int
}

// measureSMS measures text messages from the outbox until the receipt of each is durable, and one SMPP session by itself.
func measureSMS(ctx context.Context, g *ground) (rows []Row, err error) {
	t, err := newTexting(ctx, g, g.rows(textRows))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	measured, err := g.alternate(ctx, "texts", t.ours, t.session)
	if err != nil {
		return nil, err
	}
	return []Row{atLeast("text messages through SMPP, receipts durable", median(measured[0])), atLeast("one SMPP session, receipts heard", median(measured[1]))}, nil
}

// atLeast is a row whose rate is to reach the bar.
func atLeast(name string, value float64) Row {
	ratio := value / textsPerSec
	return Row{Name: name, Value: value, Unit: "messages/s", Beside: textsPerSec, Ratio: ratio, Bar: 1, Met: ratio >= 1}
}

func newTexting(ctx context.Context, g *ground, n int) (*texting, error) {
	t := &texting{ground: g, n: n}
	var err error
	if t.smsc, err = smsctest.New(); err != nil {
		return nil, err
	}
	t.smsc.Forget()
	t.smsc.Order(smsctest.Orders{Again: true, Receipts: func(smsctest.Submit) []smsctest.Receipt { return []smsctest.Receipt{smsctest.Delivered()} }})
	if t.store, err = g.shop(ctx, "texts", 16); err != nil {
		return nil, errors.Join(err, t.smsc.Close())
	}
	if err = t.people(ctx); err == nil {
		err = t.define(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

func (t *texting) close() error {
	t.store.Close()
	return t.smsc.Close()
}

// people makes customers with a mobile number of their own.
func (t *texting) people(ctx context.Context) error {
	t.Say("making %d customers with phones", t.n)
	var file bytes.Buffer
	file.WriteString("id,name,city,phone,sms_consent\n")
	for i := range t.n {
		fmt.Fprintf(&file, "%s,Customer %d,Shanghai,+86138%08d,true\n", customerID(i), i, i)
	}
	return t.bring(ctx, t.store, campaigns.ImportCustomers, &file, t.n)
}

func (t *texting) settings() campaigns.ChannelSettings {
	return campaigns.ChannelSettings{Host: "127.0.0.1", Port: t.smsc.Port(), Username: "bench", Password: new("bench"),
		EmailSettings: campaigns.EmailSettings{From: "Beckon"}, SMSSettings: campaigns.SMSSettings{SignOff: "【晨光】", OptOut: "拒收请回复R"}}
}

func (t *texting) define(ctx context.Context) error {
	return t.store.Update(ctx, func(tx *store.Tx) error {
		if err := tx.CreateChannel(ctx, &campaigns.Channel{ID: "smsc", Name: "SMSC", Kind: campaigns.KindSMPP, Settings: t.settings()}); err != nil {
			return err
		}
		words := campaigns.Template{TemplateDefinition: campaigns.TemplateDefinition{Name: "Weekend", Channel: campaigns.SMS,
			Parts: map[string]string{"text": "{{ customer.name }}您好，周末全场八折，{{ customer.city }}各店见。"}}}
		if _, err := engine.ParseTemplate(ctx, tx, &words.TemplateDefinition); err != nil {
			return err
		}
		err := tx.CreateTemplate(ctx, &words)
		t.template = words.ID
		return err
	})
}

// queue takes a campaign to everybody up to the outbox.
func (t *texting) queue(ctx context.Context, e *engine.Engine, round int) error {
	t.Say("queueing %d text messages", t.n)
	none := 0.0
	c, err := e.CreateCampaign(ctx, "bench", campaigns.Definition{Name: fmt.Sprintf("Weekend %d", round), Kind: campaigns.Once, Rule: "true", Holdout: &none,
		Caps: &[]campaigns.Cap{}, QuietHours: &campaigns.QuietHours{From: "00:00", To: "00:00"},
		Variants: []campaigns.Variant{{Name: "A", Weight: 1, ChannelID: "smsc", TemplateID: t.template}}})
	if err != nil {
		return err
	}
	if _, err := e.MoveCampaign(ctx, "bench", c.ID, 0, campaigns.Launch); err != nil {
		return err
	}
	for _, step := range []func(context.Context) (int, error){e.Tick, e.Select, e.Queue} {
		for worked := 1; worked > 0; {
			if worked, err = step(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// ours sends a round's messages as a node does, until of each it is durable that it arrived.
func (t *texting) ours(ctx context.Context, round int) (rate float64, err error) {
	e := engine.New(t.store, engine.Options{})
	defer func() { err = errors.Join(err, e.Close(ctx)) }()
	if err := t.queue(ctx, e, round); err != nil {
		return 0, err
	}
	before := t.smsc.Accepted()
	running, stop := context.WithCancel(ctx)
	var node sync.WaitGroup
	start := t.Clock()
	node.Go(func() { e.Run(running) })
	err = t.arrived(ctx, (round+1)*t.n)
	took := t.Clock().Sub(start)
	stop()
	node.Wait()
	if accepted := t.smsc.Accepted() - before; err == nil && accepted != t.n {
		err = fmt.Errorf("the SMSC took %d messages, not %d", accepted, t.n)
	}
	return float64(t.n) / took.Seconds(), err
}

// arrived waits until the receipts of so many messages are durable: applied, or kept and waiting for that.
func (t *texting) arrived(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, textPatient)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		found := int64(0)
		if t.smsc.Accepted() >= n {
			var err error
			if found, err = t.count(ctx, "texts", `SELECT count(*) FROM messages m WHERE m.status = 'delivered'
				OR m.status = 'sent' AND m.provider_id IN (SELECT provider_id FROM receipts WHERE receipt->>'status' = 'delivered')`); err != nil {
				return err
			}
		}
		if found >= int64(n) {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d text messages arrived within %v; the SMSC took %d", found, n, textPatient, t.smsc.Accepted())
		}
	}
}

// session sends the same number of finished messages over one session, until the receipt of each was heard.
func (t *texting) session(ctx context.Context, _ int) (rate float64, err error) {
	smsc, err := smsctest.New()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, smsc.Close()) }()
	smsc.Forget()
	smsc.Order(smsctest.Orders{Again: true, Receipts: func(smsctest.Submit) []smsctest.Receipt { return []smsctest.Receipt{smsctest.Delivered()} }})
	var heard atomic.Int64
	all := make(chan struct{})
	settings := t.settings()
	settings.Port = smsc.Port()
	sender, err := channel.Open(campaigns.Channel{ID: "smsc", Name: "SMSC", Kind: campaigns.KindSMPP, Settings: settings}, channel.Options{Clock: t.Clock,
		Listener: channel.Listener{Receipts: func(_ context.Context, receipts []campaigns.Receipt) error {
			if heard.Add(int64(len(receipts))) == int64(t.n) {
				close(all)
			}
			return nil
		}}})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, sender.Close()) }()
	start := t.Clock()
	var next, refused atomic.Int64
	var sending sync.WaitGroup
	for range sender.Window() {
		sending.Go(func() {
			for i := next.Add(1); i <= int64(t.n); i = next.Add(1) {
				m := channel.Message{ID: customerID(int(i)), To: fmt.Sprintf("+86138%08d", i), Parts: templates.Parts{"text": "【晨光】您好，周末全场八折，上海各店见。拒收请回复R"}}
				if sender.Send(ctx, m).Status != channel.Sent {
					refused.Add(1)
				}
			}
		})
	}
	sending.Wait()
	if n := refused.Load(); n > 0 {
		return 0, fmt.Errorf("%d messages were not sent", n)
	}
	select {
	case <-all:
	case <-time.After(textPatient):
		return 0, fmt.Errorf("%d receipts were heard of %d; the SMSC had %d answers", heard.Load(), t.n, smsc.Answers(data.ESME_ROK))
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	return float64(t.n) / t.Clock().Sub(start).Seconds(), nil
}
