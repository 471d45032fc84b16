package main

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// An ordeal is a campaign whose nodes are killed at random moments.
type ordeal struct {
	*fleet
	random    *rand.Rand
	customers int
	rounds    []round
	campaign  string
}

// A round ends with a kill.
type round struct {
	nodes, killed, accepted int
	at                      time.Time
	unknown                 int // marked since the kill before, by any of the nodes; all kills together are held to those killed
}

// chaosSize is 100,000 messages and ten kills with BECKON_TEST_CHAOS set, which takes minutes; else a short ordeal. The
// seed is printed, and BECKON_TEST_SEED repeats it.
func chaosSize(t *testing.T) (customers, kills int, seed uint64) {
	t.Helper()
	customers, kills, seed = 6000, 3, uint64(time.Now().UnixNano())
	if os.Getenv("BECKON_TEST_CHAOS") != "" {
		customers, kills = 100_000, 10
	}
	if text := os.Getenv("BECKON_TEST_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("BECKON_TEST_SEED=%d", seed)
	return customers, kills, seed
}

// badDay is a provider's: it is slow now and then, so that kills meet messages on their way, and puts some off, refuses
// some, hangs up on some and on some of these after it accepted them. What is put off comes back after half a minute, so
// only the first part of the day has it.
func badDay(s func() *sink, until int) func(to string, attempt int) mood {
	return func(to string, attempt int) mood {
		h := fnv.New32a()
		h.Write([]byte(to))
		n := h.Sum32()
		m := mood{}
		if n%20 == 0 {
			m.wait = time.Duration(20+n/20%180) * time.Millisecond
		}
		early := attempt == 1 && s().count() < until
		switch {
		case n%50 == 1 && early:
			m.refuse = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "greylisted, come again"}
		case n%500 == 2:
			m.refuse = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
		case n%300 == 3 && early:
			m.hangUp = true
		case n%500 == 4:
			m.cut = true
		}
		return m
	}
}

func TestNodesThatAreKilledSendEveryMessageOnce(t *testing.T) {
	customers, kills, seed := chaosSize(t)
	var s *sink
	s = newSink(t, badDay(func() *sink { return s }, customers/10))
	o := &ordeal{fleet: newFleet(t, s), random: rand.New(rand.NewPCG(seed, 0)), customers: customers}
	o.campaign = o.launch(o.start(), customers, 3)
	for i := range kills {
		o.round(i, kills)
	}
	o.start()
	o.judge()
}

// round brings the nodes to one or two, waits for a random moment of its share of the messages, and kills one or both.
func (o *ordeal) round(i, kills int) {
	o.Helper()
	for len(o.nodes) < 1+i%2 {
		o.start()
	}
	o.accepted(int(float64(o.customers)*(0.05+0.85*(float64(i)+o.random.Float64())/float64(kills))), 10*time.Minute)
	<-time.After(time.Duration(o.random.IntN(100)) * time.Millisecond) // so that no kill waits for an answer
	r := round{nodes: len(o.nodes), killed: 1 + o.random.IntN(len(o.nodes))}
	for range r.killed {
		o.kill(o.nodes[o.random.IntN(len(o.nodes))])
	}
	r.at, r.accepted = time.Now(), o.sink.count()
	o.rounds = append(o.rounds, r)
}

// judge waits for the end, says for each kill what came of it, and holds that against the guarantee.
func (o *ordeal) judge() {
	o.Helper()
	p := o.nodes[0]
	p.finish(o.campaign, 10*time.Minute)
	got := o.compare(p, o.campaign, o.customers)
	killed := 0
	for _, address := range got.byDeath {
		at := markedAt(o.T, got.unknown[address])
		for i := range o.rounds {
			if !at.After(o.rounds[i].at) {
				o.rounds[i].unknown++
				at = time.Time{}
				break
			}
		}
		if !at.IsZero() {
			o.Errorf("%s became unknown although no node died after it was marked: %v", address, got.unknown[address]["history"])
		}
	}
	var table strings.Builder
	for i, r := range o.rounds {
		killed += r.killed
		fmt.Fprintf(&table, "kill %d: nodes %d, killed %d, accepted so far %d, unknown new %d of at most %d\n", i+1, r.nodes, r.killed, r.accepted, r.unknown, windowMax*r.nodes)
		if r.unknown > windowMax*r.nodes {
			o.Errorf("kill %d made %d unknown", i+1, r.unknown)
		}
	}
	if len(got.byDeath) > windowMax*killed {
		o.Errorf("%d kills made %d unknown", killed, len(got.byDeath))
	}
	o.Logf("%s%d messages: sent %d, failed %d, unknown %d (%d of them accepted without an answer), twice %d, lost %d", table.String(), o.customers,
		len(got.sent), len(got.failed), len(got.unknown), len(got.unknown)-len(got.byDeath), got.twice, got.lost)
}

// markedAt is when a message that became unknown was last marked as being sent.
func markedAt(t *testing.T, m map[string]any) (at time.Time) {
	t.Helper()
	for _, step := range m["history"].([]any) {
		if s := step.(map[string]any); s["status"] == "sending" {
			var err error
			if at, err = time.Parse(time.RFC3339Nano, s["at"].(string)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if at.IsZero() {
		t.Errorf("the history does not say when it was being sent: %v", m["history"])
	}
	return at
}

// TestAKilledServiceWithItsOwnPostgreSQLGoesOn is about a service that is alone: its PostgreSQL ends with it.
func TestAKilledServiceWithItsOwnPostgreSQLGoesOn(t *testing.T) {
	const customers = 2000
	f := &fleet{T: t, data: t.TempDir(), sink: newSink(t, nil)}
	campaign := f.launch(f.start(), customers, 3)
	f.accepted(customers/4, 2*time.Minute)
	f.kill(f.nodes[0])
	p := f.start()
	p.finish(campaign, 2*time.Minute)
	if got := f.compare(p, campaign, customers); len(got.unknown) > windowMax {
		t.Errorf("%d are unknown", len(got.unknown))
	}
}
