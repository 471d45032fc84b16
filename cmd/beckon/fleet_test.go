package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/local"
)

// windowMax is the most messages of a channel that stand between their mark and their outcome on one node.
const windowMax = 200

// A fleet is nodes that share a PostgreSQL and send through one sink. The PostgreSQL is durable: what these tests are about
// is what was committed.
type fleet struct {
	*testing.T
	data   string
	server *local.Server // nil: the only node runs its own PostgreSQL
	key    string
	sink   *sink
	nodes  []*process // those alive
}

func newFleet(t *testing.T, s *sink) *fleet {
	t.Helper()
	f := &fleet{T: t, data: t.TempDir(), sink: s, key: hex.EncodeToString(campaigns.Secret(store.KeySize))}
	f.startServer()
	t.Cleanup(func() {
		f.stopNodes()
		if err := f.server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func (f *fleet) startServer() {
	f.Helper()
	var err error
	if f.server, err = local.Start(context.Background(), f.data, local.Options{}); err != nil { // it outlives the test's context, for the nodes to end
		f.Fatal(err)
	}
}

// stopNodes asks all nodes to end, as their own cleanups would, but while PostgreSQL is there.
func (f *fleet) stopNodes() {
	for _, p := range f.nodes {
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	}
	for _, p := range f.nodes {
		p.wait(30 * time.Second)
	}
	f.nodes = nil
}

// start adds a node.
func (f *fleet) start() *process {
	f.Helper()
	var settings []string
	data := f.data
	if f.server != nil {
		settings = []string{"BECKON_SECRET_KEY=" + f.key, "DATABASE_URL=" + f.server.URL("postgres")}
		data = f.TempDir()
	}
	p := serve(f.T, freeAddress(f.T), data, settings...)
	f.nodes = append(f.nodes, p)
	return p
}

// kill ends a node as a power cut would.
func (f *fleet) kill(p *process) {
	f.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		f.Fatal(err)
	}
	p.wait(10 * time.Second)
	f.forget(p)
}

// forget strikes a node that has ended off the list.
func (f *fleet) forget(p *process) {
	for i, node := range f.nodes {
		if node == p {
			f.nodes = append(f.nodes[:i:i], f.nodes[i+1:]...)
			return
		}
	}
}

func addressOf(i int) string { return fmt.Sprintf("c%d@example.com", i) }

// launch imports customers, makes the channel to the sink with so many connections, and launches a campaign to everybody.
func (f *fleet) launch(p *process, customers, connections int) (campaign string) {
	f.Helper()
	var file strings.Builder
	file.WriteString("id,name,email,email_consent\n")
	for i := range customers {
		fmt.Fprintf(&file, "c%d,Customer %d,%s,true\n", i, i, addressOf(i))
	}
	p.bringIn("customers", file.String())
	return p.launchTo(f.sink.port, connections, "Hi {{ customer.name }}")
}

// launchTo makes a channel to a port and a template, and launches a campaign to everybody.
func (p *process) launchTo(port, connections int, text string) (campaign string) {
	p.t.Helper()
	channel := p.post("/v1/channels", fmt.Sprintf(`{"name":"main","kind":"smtp","settings":{"host":"127.0.0.1","port":%d,"tls":"none","from":"shop@example.com","connections":%d}}`,
		port, connections), 201)
	template := p.post("/v1/templates", `{"name":"Hello","channel":"email","parts":{"subject":"Hello {{ customer.name }}","text":"`+text+`\n{{ links.unsubscribe }}"}}`, 201)
	made := p.post("/v1/campaigns", fmt.Sprintf(`{"name":"All","kind":"once","rule":"true","holdout":0,"purpose":"transactional","goal":{"metric":"purchase","window":"14d"},
		"variants":[{"name":"A","weight":1,"channel_id":%q,"template_id":%q}]}`, channel["id"], template["id"]), 201)
	id := made["id"].(string)
	p.post("/v1/campaigns/"+id+"/launch", "", 200)
	return id
}

// accepted waits until the sink has accepted so many messages.
func (f *fleet) accepted(n int, limit time.Duration) {
	f.Helper()
	f.nodes[0].until(limit, fmt.Sprintf("%d messages at the sink", n), func() bool { return f.sink.count() >= n })
}

// run is a campaign's only run.
func (p *process) run(campaign string) map[string]any {
	p.t.Helper()
	if runs := p.get("/v1/campaigns/" + campaign + "/runs")["items"].([]any); len(runs) == 1 {
		return runs[0].(map[string]any)
	}
	return map[string]any{}
}

// finish waits until a campaign's run is done.
func (p *process) finish(campaign string, limit time.Duration) map[string]any {
	p.t.Helper()
	var run map[string]any
	p.until(limit, "the run to end", func() bool {
		run = p.run(campaign)
		return run["status"] == "done"
	})
	return run
}

// messages are a campaign's messages of a status by address, page by page.
func (p *process) messages(campaign, status string) map[string]map[string]any {
	p.t.Helper()
	found := map[string]map[string]any{}
	for cursor := ""; ; {
		page := p.get("/v1/messages?limit=1000&campaign_id=" + campaign + "&status=" + status + "&cursor=" + url.QueryEscape(cursor))
		for _, item := range page["items"].([]any) {
			m := item.(map[string]any)
			found[m["address"].(string)] = m
		}
		next, more := page["next"].(string)
		if !more || next == "" {
			return found
		}
		cursor = next
	}
}

// A tally compares what the service says with what the sink got.
type tally struct {
	sent, failed, unknown map[string]map[string]any
	twice, lost, untrue   int      // untrue: said to be sent, and never arrived
	byDeath               []string // unknown although the sink answered or never got it: those of nodes that died
}

// compare makes the tally of a run that is done, and fails the test for what must never be.
func (f *fleet) compare(p *process, campaign string, customers int) tally {
	f.Helper()
	counts := p.run(campaign)["messages"].(map[string]any)
	got := tally{sent: p.messages(campaign, "sent"), failed: p.messages(campaign, "failed"), unknown: p.messages(campaign, "unknown")}
	accepted, cut := f.sink.taken()
	for i := range customers {
		address := addressOf(i)
		n := accepted[address]
		_, sent := got.sent[address]
		_, failed := got.failed[address]
		_, unknown := got.unknown[address]
		switch {
		case n > 1:
			got.twice++
		case n == 0 && sent:
			got.untrue++
		case n == 0 && !failed && !unknown:
			got.lost++
		}
		if unknown && !cut[address] {
			got.byDeath = append(got.byDeath, address)
		}
	}
	if got.twice != 0 || got.lost != 0 || got.untrue != 0 {
		f.Errorf("twice %d, lost %d, said to be sent and never arrived %d", got.twice, got.lost, got.untrue)
	}
	if n := len(got.sent) + len(got.failed) + len(got.unknown); n != customers {
		f.Errorf("the messages of %d customers do not add up: %d: %v", customers, n, counts)
	}
	for status, list := range map[string]map[string]map[string]any{"sent": got.sent, "failed": got.failed, "unknown": got.unknown} {
		if said, _ := counts[status].(float64); int(said) != len(list) {
			f.Errorf("the run counts %v %s, the list has %d", said, status, len(list))
		}
	}
	return got
}
