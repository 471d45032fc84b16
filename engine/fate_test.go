package engine_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
	"pgregory.net/rapid"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
	"beckon/engine/channel"
	"beckon/templates"
)

// A fate is what happens to a shop's messages: what the provider answers to each attempt, and what it says of it later.
type fate struct {
	*world
	draw  *rapid.T
	in    *inbox
	nodes []*engine.Engine
	run   campaigns.ID
	died  int

	mu       sync.Mutex
	answers  map[string][]string // by address, for the next attempts; afterwards all is well
	receipts map[string]string   // what the provider says later
	late     []campaigns.Receipt
	told     map[string]campaigns.MessageStatus // of which a receipt was given
}

const fated = 24

func newFate(w *world, draw *rapid.T) *fate {
	f := &fate{world: w, draw: draw, in: newInbox(w.T), answers: map[string][]string{}, receipts: map[string]string{}, told: map[string]campaigns.MessageStatus{}}
	for i := range fated {
		to := fmt.Sprintf("c%d@example.com", i)
		f.answers[to] = rapid.SliceOfN(rapid.SampledFrom([]string{"ok", "ok", "later", "no", "too fast", "unusable", "lost"}), 0, 4).Draw(draw, "answers")
		f.receipts[to] = rapid.SampledFrom([]string{"", "early", "late", "twice", "failed", "bounced"}).Draw(draw, "receipt")
	}
	f.in.refuse = f.refuse
	w.mailChannel("mail", f.in.port, nil)
	f.nodes = []*engine.Engine{w.engine, engine.New(w.store, engine.Options{BaseURL: "http://127.0.0.1:8080"})}
	for _, node := range f.nodes {
		node.OpenWith(openPooled(3, f.tell))
	}
	w.customers(fated, nil)
	f.run = w.runs(func() campaigns.ID { c := w.through("mail"); w.queued(); return c.ID }())[0].ID
	return f
}

// refuse is asked under the inbox's lock.
func (f *fate) refuse(to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.answers[to]) == 0 {
		return nil
	}
	switch answer := f.answers[to][0]; answer {
	case "ok", "lost":
		return nil // tell takes it off the list
	case "no":
		f.answers[to] = f.answers[to][1:]
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
	default:
		f.answers[to] = f.answers[to][1:]
		return &smtp.SMTPError{Code: 450, EnhancedCode: smtp.EnhancedCode{4, 2, 1}, Message: answer}
	}
}

// tell is what the provider's answer becomes on its way, and what the provider does after it.
func (f *fate) tell(m channel.Message, o *channel.Outcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o.Unavailable = strings.Contains(o.Detail, "unusable")
	if o.Status != channel.Sent {
		return
	}
	id, lost := parsed(m.ID), false
	if answers := f.answers[m.To]; len(answers) > 0 {
		lost = answers[0] == "lost"
		f.answers[m.To] = answers[1:]
	}
	o.ProviderID = called(m)
	receipt := campaigns.Receipt{ProviderID: o.ProviderID, Status: campaigns.MessageDelivered}
	if lost {
		*o = channel.Outcome{Status: channel.Unknown, Detail: "the answer was lost"}
		receipt.ProviderID, receipt.MessageID = "", id
	}
	switch kind := f.receipts[m.To]; kind {
	case "":
		return
	case "early":
		if err := f.nodes[0].Receive(context.Background(), "mail", []campaigns.Receipt{receipt}); err != nil {
			f.Error(err)
		}
	case "twice":
		f.late = append(f.late, receipt, receipt)
	case "failed", "bounced":
		receipt.Status = campaigns.MessageStatus(kind)
		f.late = append(f.late, receipt)
	default:
		f.late = append(f.late, receipt)
	}
	f.told[m.To] = receipt.Status
}

func (f *fate) live() {
	for range rapid.IntRange(8, 25).Draw(f.draw, "steps") {
		f.act()
	}
	for range 40 {
		f.clock.Advance(10 * time.Minute)
		f.post()
		f.settle()
	}
	f.check()
}

func (f *fate) act() {
	node := f.nodes[rapid.IntRange(0, 1).Draw(f.draw, "node")]
	switch rapid.SampledFrom([]string{"send", "send", "both", "die", "receipts", "post", "lose", "wait", "wait"}).Draw(f.draw, "what") {
	case "send":
		ctx, cancel := context.WithTimeout(f.ctx, time.Duration(rapid.IntRange(1, 60).Draw(f.draw, "ms"))*time.Millisecond)
		_, _ = node.Send(ctx) // stopped in the middle
		cancel()
	case "both":
		done := make(chan error, 1)
		go func() { _, err := f.nodes[0].Send(f.ctx); done <- err }()
		_, err := f.nodes[1].Send(f.ctx)
		f.must(err)
		f.must(<-done)
	case "die":
		f.die()
	case "receipts":
		_, err := node.Receipts(f.ctx)
		f.must(err)
	case "post":
		f.post()
	case "lose":
		_, err := node.Lose(f.ctx)
		f.must(err)
	case "wait":
		f.clock.Advance(rapid.SampledFrom([]time.Duration{time.Second, 20 * time.Second, 10 * time.Minute}).Draw(f.draw, "for"))
	}
}

// die is a node that claims, hands some over and never says so.
func (f *fate) die() {
	var claimed []campaigns.Message
	var c campaigns.Channel
	f.update(func(tx *store.Tx) (err error) {
		dead := campaigns.NewID(tx.Now)
		lanes, err := tx.ClaimLanes(f.ctx, "mail", dead, tx.Now.Add(engine.Lease), 64)
		if err == nil && len(lanes) > 0 {
			claimed, err = tx.ClaimMessages(f.ctx, "mail", lanes, dead, tx.Now.Add(engine.Lease), rapid.IntRange(1, 4).Draw(f.draw, "claimed"))
		}
		if err == nil {
			c, err = tx.Channel(f.ctx, "mail")
		}
		return err
	})
	f.died += len(claimed)
	if len(claimed) == 0 {
		return
	}
	sender, err := openPooled(1, f.tell)(c, channel.Options{Clock: f.clock.Now})
	f.must(err)
	defer sender.Close()
	for _, m := range claimed[:rapid.IntRange(0, len(claimed)).Draw(f.draw, "handed")] {
		sender.Send(f.ctx, channel.Message{ID: m.ID.String(), To: m.Address, Parts: templates.Parts{"subject": "x", "text": "x"}})
	}
}

// post lets the provider say what it has to say.
func (f *fate) post() {
	f.mu.Lock()
	late := f.late
	f.late = nil
	f.mu.Unlock()
	f.must(f.nodes[0].Receive(f.ctx, "mail", late))
}

func (f *fate) check() {
	got, sum := f.in.received(), int64(0)
	for to, n := range got {
		if n != 1 {
			f.draw.Fatalf("%s got %d messages", to, n)
		}
	}
	messages := f.messages(store.MessageFilter{Run: f.run})
	for _, m := range messages {
		told, accepted := f.told[m.Address], got[m.Address] == 1
		fine := false
		switch m.Status {
		case campaigns.MessageSent:
			fine = accepted && told == ""
		case campaigns.MessageDelivered:
			fine = accepted && told == m.Status
		case campaigns.MessageBounced:
			fine = accepted && told == m.Status
		case campaigns.MessageFailed:
			fine = !accepted || told == m.Status
		case campaigns.MessageUnknown:
			fine = true
		}
		if last := m.History[len(m.History)-1]; !fine || last.Status != m.Status || m.FinishedAt == nil {
			f.draw.Fatalf("%s is %s (accepted %t, receipt %q): %+v", m.Address, m.Status, accepted, told, m.History)
		}
	}
	run := f.runs(messages[0].CampaignID)[0]
	for _, n := range run.Messages {
		sum += n
	}
	if len(messages) != fated || sum != fated || run.Status != campaigns.Done {
		f.draw.Fatalf("%d messages, the run is %s and counts %v", len(messages), run.Status, run.Messages)
	}
	for i, node := range f.nodes {
		if n := node.InFlight(); n != 0 {
			f.draw.Fatalf("node %d says that %d messages are in flight", i, n)
		}
	}
	f.Logf("%d accepted, %v, %d in the hands of nodes that died", len(got), run.Messages, f.died)
}

func parsed(text string) campaigns.ID {
	id, err := campaigns.ParseID("message", text)
	if err != nil {
		panic(err)
	}
	return id
}
