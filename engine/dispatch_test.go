package engine_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/storetest"
	"beckon/engine"
	"beckon/engine/channel"
)

// liveWorld is a shop whose clock is the machine's, with the loops of its nodes running when asked for.
func liveWorld(t *testing.T) *world {
	t.Helper()
	s := storetest.Open(t, time.Now)
	w := &world{t, context.Background(), nil, s, engine.New(s, engine.Options{BaseURL: "http://127.0.0.1:8080", RealClock: true})}
	w.settings(func(s *campaigns.Workspace) { s.GlobalHoldout, s.Caps, s.QuietHours = 0, nil, nil })
	return w
}

// run lets nodes work until the end of the test, or until stop is called.
func (w *world) run(nodes ...*engine.Engine) (stop func()) {
	ctx, cancel := context.WithCancel(w.ctx)
	var running sync.WaitGroup
	for _, node := range nodes {
		running.Go(func() { node.Run(ctx) })
	}
	stop = func() { cancel(); running.Wait() }
	w.Cleanup(stop)
	return stop
}

// until waits for something that is to become true.
func (w *world) until(most time.Duration, what string, is func() bool) {
	w.Helper()
	for end := time.Now().Add(most); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			w.Fatalf("not within %s: %s", most, what)
		}
	}
}

// mailChannel makes a channel that leads to a port of this machine.
func (w *world) mailChannel(id string, port int, change func(s *campaigns.ChannelSettings)) {
	w.Helper()
	settings := campaigns.ChannelSettings{Host: "127.0.0.1", Port: port, TLS: "none", EmailSettings: campaigns.EmailSettings{From: "shop@example.com"}}
	if change != nil {
		change(&settings)
	}
	w.settings(func(s *campaigns.Workspace) { s.PublicURL = "https://shop.example.com" })
	w.update(func(tx *store.Tx) error {
		return tx.CreateChannel(w.ctx, &campaigns.Channel{ID: id, Name: id, Kind: "smtp", Settings: settings})
	})
}

func (w *world) through(id string) campaigns.Campaign {
	w.Helper()
	return w.campaign(func(d *campaigns.Definition) { d.Name = "Through " + id; d.Variants[0].ChannelID = id })
}

func (w *world) provider(id string) (p campaigns.Provider) {
	w.Helper()
	w.view(func(tx *store.Tx) (err error) { p, err = tx.Provider(w.ctx, id); return err })
	return p
}

// pooled is a sender of several real SMTP sessions, so that as many messages are on their way at once. It tells outcomes
// apart as text messages' providers do: told changes what the server's answer means.
type pooled struct {
	sessions chan channel.Sender
	window   int
	told     func(m channel.Message, o *channel.Outcome)
}

func openPooled(window int, told func(m channel.Message, o *channel.Outcome)) func(campaigns.Channel, channel.Options) (channel.Sender, error) {
	return func(c campaigns.Channel, o channel.Options) (channel.Sender, error) {
		p := &pooled{make(chan channel.Sender, window), window, told}
		for range window {
			session, err := channel.Open(c, o)
			if err != nil {
				return nil, err
			}
			p.sessions <- session
		}
		return p, nil
	}
}

func (p *pooled) Send(ctx context.Context, m channel.Message) channel.Outcome {
	session := <-p.sessions
	o := session.Send(ctx, m)
	p.sessions <- session
	if strings.Contains(o.Detail, "too fast") {
		o.Throttled = true
	}
	if p.told != nil {
		p.told(m, &o)
	}
	return o
}

func (p *pooled) Window() int { return p.window }

func (p *pooled) Close() error {
	for range p.window {
		_ = (<-p.sessions).Close()
	}
	return nil
}

func TestTwoNodesTogetherKeepTheRateOfAProvider(t *testing.T) {
	const rate, n = 100, 700
	w := liveWorld(t)
	in := newInbox(t)
	var came []time.Time // guarded by the inbox
	in.refuse = func(string) error { came = append(came, time.Now()); return nil }
	w.mailChannel("mail", in.port, func(s *campaigns.ChannelSettings) { s.RatePerSecond = new(float64(rate)) })
	w.customers(n, nil)
	w.through("mail")
	w.run(w.engine, engine.New(w.store, engine.Options{BaseURL: "http://127.0.0.1:8080"}))
	w.until(30*time.Second, "all messages arrived", func() bool { return len(in.received()) == n })
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(came) != n {
		t.Fatalf("%d arrived", len(came))
	}
	for i := range came {
		in := 0
		for _, at := range came[i:] {
			if at.Sub(came[i]) < time.Second {
				in++
			}
		}
		if came[i].Sub(came[0]) > time.Second && in > rate*11/10 {
			t.Fatalf("%d arrived in the second after %s", in, came[i].Sub(came[0]))
		}
	}
	overall := float64(n) / came[n-1].Sub(came[0]).Seconds()
	t.Logf("%.1f a second of %d", overall, rate)
	if overall < 0.9*rate {
		t.Errorf("%.1f a second of %d", overall, rate)
	}
}

func TestASlowProviderHoldsUpNoOther(t *testing.T) {
	w := liveWorld(t)
	slow, fast := newInbox(t), newInbox(t)
	answered := make(chan struct{})
	var once sync.Once
	slow.at = func(string) error {
		once.Do(func() { close(answered) })
		time.Sleep(2 * time.Second) // the provider's own slowness, of each session
		return nil
	}
	w.mailChannel("a-slow", slow.port, nil)
	w.mailChannel("fast", fast.port, nil)
	w.customers(300, nil)
	w.through("a-slow")
	w.queued()
	w.run(w.engine)
	<-answered
	w.until(10*time.Second, "the slow provider holds what it can", func() bool { return w.engine.InFlight() > 3 })
	began := time.Now()
	w.through("fast")
	w.until(15*time.Second, "the fast provider's messages arrived", func() bool { return len(fast.received()) == 300 })
	t.Logf("300 messages beside a provider of 2 s each: %s; the slow one had %d", time.Since(began), len(slow.received()))
	if n := w.engine.InFlight(); n > 200 {
		t.Errorf("%d messages in flight", n)
	}
}

func TestASenderWithAWindowHasAsManyMessagesOnTheirWay(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	in := newInbox(t)
	var mu sync.Mutex
	now, most := 0, 0
	w.mailChannel("mail", in.port, nil)
	w.engine.OpenWith(openPooled(8, nil))
	all := make(chan struct{})
	unlocked := func(string) error {
		mu.Lock()
		if now++; now > most {
			most = now
		}
		if now == 8 {
			close(all)
		}
		mu.Unlock()
		<-all // nobody is answered before eight wait
		return nil
	}
	in.at = unlocked
	w.customers(60, nil)
	c := w.through("mail")
	w.settle()
	if run := w.runs(c.ID)[0]; run.Messages["sent"] != 60 || len(in.received()) != 60 {
		t.Errorf("messages %v", run.Messages)
	}
}

func TestTheFallbackTakesOverWhileACircuitIsOpenAndTheFirstMessageThatWorksClosesIt(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	in, spare := newInbox(t), newInbox(t)
	w.mailChannel("spare", spare.port, nil)
	w.mailChannel("mail", 1, func(s *campaigns.ChannelSettings) { s.Fallback = "spare" })
	w.customers(12, nil)
	c := w.through("mail")
	w.settle()
	if p := w.provider("mail"); !p.IsOpen() || p.Faults < campaigns.FaultsMax {
		t.Fatalf("the circuit is closed: %+v", p)
	}
	w.clock.Advance(2 * time.Second)
	w.settle()
	if run := w.runs(c.ID)[0]; run.Messages["sent"] != 12 || len(spare.received()) != 12 {
		t.Fatalf("messages %v, the spare channel got %d", run.Messages, len(spare.received()))
	}
	for _, m := range w.messages(store.MessageFilter{Campaign: c.ID}) {
		last := m.History[len(m.History)-1]
		if m.ChannelID != "spare" || m.Attempts != 1 || !strings.Contains(last.Detail, "spare took over for mail") {
			t.Errorf("message of %s after %d attempts: %+v", m.ChannelID, m.Attempts, m.History)
		}
	}
	w.update(func(tx *store.Tx) error {
		c, err := tx.LockChannel(w.ctx, "mail")
		if err != nil {
			return err
		}
		c.Settings.Port = in.port
		return tx.SaveChannel(w.ctx, &c)
	})
	w.clock.Advance(time.Minute)
	c = w.through("mail")
	w.settle()
	if p := w.provider("mail"); p.IsOpen() || p.Faults != 0 {
		t.Errorf("the circuit is open: %+v", p)
	}
	if run := w.runs(c.ID)[0]; run.Messages["sent"] != 12 || total(in)+total(spare) != 24 || total(in) == 0 {
		t.Errorf("messages %v, %d by the first, %d by the spare one", run.Messages, len(in.received()), len(spare.received()))
	}
}

// total is how many messages an inbox accepted.
func total(in *inbox) (n int) {
	for _, each := range in.received() {
		n += each
	}
	return n
}

func TestAnOpenCircuitIsTriedWithOneMessageAtATime(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.mailChannel("mail", 1, nil)
	w.customers(40, nil)
	c := w.through("mail")
	w.settle()
	opens := w.provider("mail").Opens
	for range 3 {
		before := w.provider("mail")
		w.clock.Set(before.OpenUntil.Add(time.Second))
		w.settle()
		after := w.provider("mail")
		if opens++; after.Opens != opens || after.Faults != before.Faults+1 {
			t.Fatalf("the circuit was tried by %d messages: %+v", after.Faults-before.Faults, after)
		}
	}
	for _, m := range w.messages(store.MessageFilter{Campaign: c.ID}) {
		if m.Status != campaigns.MessageQueued || m.Attempts != 0 || len(m.History) > 3 {
			t.Errorf("%s after %d attempts: %+v", m.Status, m.Attempts, m.History)
		}
	}
}

func TestWhatIsThrottledIsNoAttemptAndEverybodyRests(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	in := newInbox(t)
	w.mailChannel("mail", in.port, nil)
	w.engine.OpenWith(openPooled(4, nil))
	taken := 0
	in.refuse = func(string) error {
		if taken++; taken > 5 {
			return fmt.Errorf("450 too fast")
		}
		return nil
	}
	w.customers(30, nil)
	c := w.through("mail")
	w.settle()
	p := w.provider("mail")
	if run := w.runs(c.ID)[0]; run.Messages["sent"] != 5 || run.Messages["queued"] != 25 || !p.RestsUntil.After(w.clock.Now()) || p.IsOpen() {
		t.Fatalf("messages %v, provider %+v", run.Messages, p)
	}
	for range 40 {
		in.mu.Lock()
		taken = 0
		in.mu.Unlock()
		w.clock.Advance(2 * time.Second)
		w.settle()
	}
	if run := w.runs(c.ID)[0]; run.Messages["sent"] != 30 || len(in.received()) != 30 {
		t.Fatalf("messages %v", run.Messages)
	}
	for _, m := range w.messages(store.MessageFilter{Campaign: c.ID}) {
		if m.Attempts != 1 {
			t.Errorf("%d attempts: %+v", m.Attempts, m.History)
		}
	}
}
