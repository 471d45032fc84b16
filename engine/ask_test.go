package engine_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/linxGnu/gosmpp/data"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
	"beckon/engine/channel/smsctest"
)

// halfTaken sends a text of two segments to an SMSC that hangs up upon the second: it is unknown, and its first has a name.
func halfTaken(t *testing.T, query func(id string) *smsctest.State) (*world, *smsctest.SMSC) {
	t.Helper()
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	c := w.smscChannel(nil)
	c.Order(smsctest.Orders{Query: query, Answer: func(n int, _ smsctest.Submit) smsctest.Answer { return smsctest.Answer{HangUp: n == 2} }})
	w.withPhones(1, nil)
	w.textCampaign(strings.Repeat("a", 200), func(d *campaigns.Definition) { d.ValidFor = new(campaigns.Duration(6 * time.Hour)) })
	w.settle()
	if m := w.of("c0"); m.Status != campaigns.MessageUnknown || m.ProviderID == "" {
		t.Fatalf("%+v", m)
	}
	return w, c
}

func TestAnUnknownTextIsSettledByWhatTheSMSCKnows(t *testing.T) {
	w, c := halfTaken(t, func(string) *smsctest.State { return &smsctest.State{State: data.SM_STATE_DELIVERED} })
	if len(c.Queries()) != 0 {
		t.Errorf("it was asked at once: %v", c.Queries())
	}
	w.clock.Advance(time.Minute)
	w.settle()
	m := w.of("c0")
	// The first segment arrived; whether the second was taken nobody can ask, for it got no name.
	if m.Status != campaigns.MessageSent || !strings.Contains(m.History[len(m.History)-1].Detail, "was asked") || len(c.Submits()) != 2 {
		t.Errorf("%s after %v: %+v", m.Status, c.Queries(), m.History)
	}
	w.clock.Advance(24 * time.Hour)
	w.settle()
	if n := len(c.Queries()); n != 1 {
		t.Errorf("it was asked %d times", n)
	}
}

func TestAMessageIsAskedAboutWithPausesUntilItsUsefulTimeIsOver(t *testing.T) {
	w, c := halfTaken(t, func(string) *smsctest.State { return &smsctest.State{State: data.SM_STATE_INVALID} })
	var at []time.Duration
	began := w.clock.Now()
	for w.clock.Now().Sub(began) < 10*time.Hour {
		before := len(c.Queries())
		w.clock.Advance(30 * time.Second)
		_, err := w.engine.Chores(w.ctx)
		w.must(err)
		if len(c.Queries()) > before {
			at = append(at, w.clock.Now().Sub(began))
		}
	}
	if m := w.of("c0"); m.Status != campaigns.MessageUnknown || len(at) < 8 || len(at) > 16 {
		t.Fatalf("%s, asked at %v", m.Status, at)
	}
	for i := 2; i < len(at)-1; i++ {
		if at[i]-at[i-1] < at[i-1]-at[i-2] {
			t.Errorf("a pause becomes shorter: %v", at)
		}
	}
	if last := at[len(at)-1]; last < 6*time.Hour-time.Minute || last > 6*time.Hour+time.Minute {
		t.Errorf("asked last after %v of six hours: %v", last, at)
	}
}

// A lossy service takes messages and hangs up on some before it answers; asked about them, it answers what the test says.
func lossy(w *world, hangUp func(body string) bool, told func() string) *provider {
	w.Helper()
	p := newProvider(w.T, func(rw http.ResponseWriter, body string) {
		switch {
		case body == "":
			fmt.Fprint(rw, told())
		case hangUp(body):
			panic(http.ErrAbortHandler)
		default:
			fmt.Fprint(rw, `{}`)
		}
	})
	w.gateway("texts", campaigns.ChannelSettings{Connections: 1, GatewaySettings: campaigns.GatewaySettings{URL: p.URL, Body: `{"to":{{ message.to }},"id":{{ message.id }}}`,
		Query: &campaigns.GatewayQuery{URL: "/status?id={{ message.id }}", Status: "state", Accepted: []string{"taken"}, Delivered: []string{"there"}, Failed: []string{"never came"}}}})
	return p
}

func TestAnUnknownMessageIsSettledByTheServiceThatKnowsItByOurID(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	state := "never heard of"
	p := lossy(w, func(body string) bool { return strings.Contains(body, "00000001\"") }, func() string { return fmt.Sprintf(`{"state":%q}`, state) })
	w.withPhones(3, nil)
	c := w.textCampaign("Hi", nil)
	w.settle()
	for _, step := range []struct {
		state string
		want  campaigns.MessageStatus
	}{{"never heard of", campaigns.MessageUnknown}, {"taken", campaigns.MessageSent}, {"there", campaigns.MessageSent}} {
		state = step.state
		w.clock.Advance(10 * time.Minute)
		w.settle()
		if m := w.of("c1"); m.Status != step.want {
			t.Fatalf("%s: %s %+v", state, m.Status, m.History)
		}
	}
	if run := w.runs(c.ID)[0]; run.Messages["sent"] != 3 {
		t.Errorf("%v", run.Messages)
	}
	posts := 0
	for _, body := range p.seen() {
		if body != "" {
			posts++
		}
	}
	if posts != 3 || len(p.seen()) != 5 {
		t.Errorf("%d posts of %d requests: what is settled is asked about no more", posts, len(p.seen()))
	}
}

func TestWhatADeadNodeWasSendingIsAskedAbout(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	lossy(w, func(string) bool { return false }, func() string { return `{"state":"never came"}` })
	w.withPhones(4, nil)
	c := w.textCampaign("Hi", nil)
	w.queued()
	w.update(func(tx *store.Tx) error {
		dead := campaigns.NewID(tx.Now)
		lanes, err := tx.ClaimLanes(w.ctx, "texts", dead, tx.Now.Add(engine.Lease), 64)
		if err == nil {
			_, err = tx.ClaimMessages(w.ctx, "texts", lanes, dead, tx.Now.Add(engine.Lease), 3)
		}
		return err
	})
	w.clock.Advance(time.Minute)
	w.settle()
	if run := w.runs(c.ID)[0]; run.Messages["unknown"] != 3 || run.Messages["sent"] != 1 {
		t.Fatalf("%v", run.Messages)
	}
	w.clock.Advance(time.Minute)
	w.settle()
	if run := w.runs(c.ID)[0]; run.Messages["failed"] != 3 || run.Messages["sent"] != 1 {
		t.Errorf("%v", run.Messages)
	}
}

func TestAnAnswerGoesOverTheSessionThatTheNodeHas(t *testing.T) {
	w := liveWorld(t)
	c := w.smscChannel(nil)
	c.Order(smsctest.Orders{Single: true, Again: true})
	w.run(w.engine)
	w.until(20*time.Second, "a session", func() bool { return c.Bound() == 1 })
	w.must(w.engine.Hear(w.ctx, "texts", []campaigns.Inbound{{From: "+8613800138000", Text: "STOP"}}))
	w.until(20*time.Second, "an answer", func() bool { return len(c.Submits()) == 1 })
	w.until(20*time.Second, "that it is recorded", func() bool { r := w.heard()[0].Reply; return r != nil && r.Status == "sent" && r.Attempts == 1 })
	if c.Binds() != 1 {
		t.Errorf("%d sessions were begun", c.Binds())
	}
}

func TestAServiceThatHangsHoldsNoOthersAnswersUp(t *testing.T) {
	w := liveWorld(t)
	stuck := make(chan struct{})
	var came atomic.Int32
	hangs := newProvider(t, func(http.ResponseWriter, string) { came.Add(1); <-stuck })
	works := newProvider(t, func(rw http.ResponseWriter, _ string) { fmt.Fprint(rw, `{}`) })
	w.gateway("a", campaigns.ChannelSettings{GatewaySettings: campaigns.GatewaySettings{URL: hangs.URL, Body: `{"to":{{ message.to }}}`}})
	w.gateway("b", campaigns.ChannelSettings{GatewaySettings: campaigns.GatewaySettings{URL: works.URL, Body: `{"to":{{ message.to }}}`}})
	say := func(channel, from string) {
		w.must(w.engine.Hear(w.ctx, channel, []campaigns.Inbound{{ProviderID: channel + from, From: from, Text: "STOP"}}))
	}
	say("a", "+8613800138000")
	ctx, stop := context.WithCancel(w.ctx)
	ended := make(chan struct{})
	go func() { defer close(ended); w.engine.Run(ctx) }()
	defer func() { close(stuck); stop(); <-ended }()
	w.until(20*time.Second, "the first service hangs", func() bool { return came.Load() == 1 })
	for i := range 2 {
		say("b", fmt.Sprintf("+861380013900%d", i))
		w.until(15*time.Second, "the other is sent to", func() bool { return len(works.seen()) == i+1 })
	}
}
