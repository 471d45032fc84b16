package engine_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/local"
	"beckon/campaigns/store/storetest"
	"beckon/engine"
)

// ask puts a question to a database and gives the first field of its answer.
func ask(t *testing.T, url, question string) string {
	t.Helper()
	bin, err := local.Find()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), filepath.Join(bin, "psql"), "-X", "-q", "-t", "-A", "-d", url, "-c", question).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestAProviderThatTakesLongerThanALeaseIsNoDeadNode(t *testing.T) {
	url, clock := storetest.URL(t), storetest.NewClock(t, "2026-11-21T10:00:00+08:00")
	s, err := store.Open(t.Context(), url, clock.Now, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	w := &world{t, t.Context(), clock, s, engine.New(s, engine.Options{BaseURL: "http://127.0.0.1:8080"})}
	w.settings(func(s *campaigns.Workspace) { s.GlobalHoldout = 0 })
	_, err = w.engine.House(w.ctx)
	w.must(err)
	in, begun, goOn := newInbox(t), make(chan bool, 100), make(chan bool)
	in.refuse = func(string) error { begun <- true; <-goOn; return nil }
	channel := w.smtpChannel(in)
	w.customers(5, nil)
	c := w.campaign(func(d *campaigns.Definition) { d.Variants[0].ChannelID = channel })
	w.queued()
	sent := make(chan error)
	go func() { _, err := w.engine.Send(w.ctx); sent <- err }()
	<-begun
	clock.Advance(engine.Lease + time.Second)
	other := engine.New(s, engine.Options{})
	for tick := time.NewTicker(50 * time.Millisecond); ; <-tick.C {
		if ask(t, url, "SELECT count(*) FROM lanes WHERE owner IS NOT NULL AND lease_until <= '"+clock.Now().Format(time.RFC3339)+"'") == "0" {
			break
		}
	}
	lost, err := other.Lose(w.ctx)
	w.must(err)
	close(goOn)
	w.must(<-sent)
	w.settle()
	run := w.runs(c.ID)[0]
	if lost != 0 || run.Messages["sent"] != 5 || len(in.received()) != 5 {
		t.Errorf("%d lost, messages %v, received %v", lost, run.Messages, in.received())
	}
}
