package engine_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
)

// A shop on two nodes whose steps, edits, pauses and crashes come in any order.
type twoNodes struct {
	*world
	draw      *rapid.T
	nodes     []*engine.Engine
	campaigns []campaigns.Campaign
	arms      map[string]string // "campaign period no" → arm
	events    int
}

// TestWhateverTwoNodesDoNobodyEntersTwiceNoCapBreaksAndNoArmChanges lets two nodes do any steps in any order, with crashes
// in the middle of them, edits, pauses and events between, and holds what came of it against the entry limits, the caps
// and the arms.
func TestWhateverTwoNodesDoNobodyEntersTwiceNoCapBreaksAndNoArmChanges(t *testing.T) {
	round := 0
	rapid.Check(t, func(draw *rapid.T) {
		if round++; round > 8 {
			return // each is a shop of its own, for hours
		}
		w := newWorld(t, "2026-11-21T10:00:00+08:00")
		defer w.store.Close()
		n := &twoNodes{world: w, draw: draw, nodes: []*engine.Engine{w.engine, engine.New(w.store, engine.Options{})}, arms: map[string]string{}}
		n.open()
		for range rapid.IntRange(20, 60).Draw(draw, "steps") {
			n.act()
			n.keepArms()
		}
		n.calm()
		n.check()
	})
}

func (n *twoNodes) open() {
	zones := []string{"Asia/Shanghai", "America/New_York", "Australia/Lord_Howe"}
	n.customers(40, func(i int, c *campaigns.Customer) {
		c.Timezone, c.City = &zones[i%3], []*string{&zones[0], &zones[1]}[i%2]
	})
	n.settings(func(s *campaigns.Workspace) { s.Caps = interleavedCaps() })
	share := 0.3
	kinds := []func(d *campaigns.Definition){
		func(d *campaigns.Definition) {
			d.Name, d.Kind, d.Schedule, d.Entry = "daily", campaigns.Recurring, &campaigns.Schedule{Cron: "0 */6 * * *", Zone: "Asia/Shanghai"}, &campaigns.Entry{OncePer: "day"}
		},
		func(d *campaigns.Definition) {
			d.Name, d.Kind, d.Schedule, d.Entry = "for", campaigns.Recurring, &campaigns.Schedule{Cron: "30 * * * *", Zone: "America/New_York"}, &campaigns.Entry{OnceFor: "city"}
			d.Capped = &campaigns.Capped{RetryFor: 2 * campaigns.Day}
			d.Priority = 5
		},
		func(d *campaigns.Definition) { d.Name = "once" },
		func(d *campaigns.Definition) {
			every := campaigns.Duration(12 * time.Hour)
			d.Name, d.Kind, d.Trigger, d.Entry = "triggered", campaigns.Triggered, &campaigns.Trigger{Event: "cart"}, &campaigns.Entry{Every: &every}
		},
	}
	for _, kind := range kinds {
		n.campaigns = append(n.campaigns, n.campaign(func(d *campaigns.Definition) {
			d.Holdout = &share
			d.Variants = append(d.Variants, d.Variants[0])
			d.Variants[0].TemplateID = n.template("Hello", "Hi {{ links.unsubscribe }}")
			d.Variants[1].Name, d.Variants[1].TemplateID = "B", d.Variants[0].TemplateID
			kind(d)
		}))
	}
}

// steps are what a node does by itself.
func steps(e *engine.Engine) []func(context.Context) (int, error) {
	return []func(context.Context) (int, error){e.Tick, e.Select, e.Queue, e.Trigger, e.Send, e.Finish, e.Lose, e.Due}
}

func interleavedCaps() []campaigns.Cap {
	return []campaigns.Cap{{Channel: campaigns.Email, Max: 1, Window: campaigns.Day}, {Channel: campaigns.AnyChannel, Max: 2, Window: 3 * campaigns.Day}}
}

func (n *twoNodes) act() {
	i := rapid.IntRange(0, 1).Draw(n.draw, "node")
	c := n.campaigns[rapid.IntRange(0, len(n.campaigns)-1).Draw(n.draw, "campaign")]
	switch what := rapid.SampledFrom([]string{"step", "step", "step", "step", "both", "crash", "wait", "wait", "edit", "pause", "resume", "event"}).Draw(n.draw, "what"); what {
	case "step":
		do := rapid.SampledFrom(steps(n.nodes[i])).Draw(n.draw, "step")
		if _, err := do(n.ctx); err != nil {
			n.draw.Fatalf("a step failed: %v", err)
		}
	case "both": // the same step on both nodes at the same moment
		k := rapid.IntRange(0, 7).Draw(n.draw, "step")
		done := make(chan error, 1)
		go func() { _, err := steps(n.nodes[0])[k](n.ctx); done <- err }()
		_, err := steps(n.nodes[1])[k](n.ctx)
		for _, err := range []error{err, <-done} {
			if err != nil {
				n.draw.Fatalf("a step beside its like failed: %v", err)
			}
		}
	case "crash":
		ctx, cancel := context.WithTimeout(n.ctx, time.Duration(rapid.IntRange(0, 20).Draw(n.draw, "ms"))*time.Millisecond)
		_, _ = rapid.SampledFrom(steps(n.nodes[i])).Draw(n.draw, "step")(ctx)
		cancel()
		n.nodes[i] = engine.New(n.store, engine.Options{}) // its leases are nobody's until they end
	case "wait":
		n.clock.Advance(rapid.SampledFrom([]time.Duration{time.Second, 20 * time.Second, 10 * time.Minute, time.Hour, 5 * time.Hour}).Draw(n.draw, "for"))
	case "edit":
		n.rewrite(c.ID)
	case "pause", "resume":
		_, err := n.nodes[i].MoveCampaign(n.ctx, "test", c.ID, 0, campaigns.Move(what))
		if err != nil && campaigns.CodeOf(err) != campaigns.CodeConflict {
			n.draw.Fatal(err)
		}
	case "event":
		n.event()
	}
}

// rewrite writes a new version with other words and puts it in effect.
func (n *twoNodes) rewrite(id campaigns.ID) {
	var c campaigns.Campaign
	n.view(func(tx *store.Tx) (err error) { c, err = tx.Campaign(n.ctx, id); return err })
	d := c.Definition
	d.Variants = slices.Clone(d.Variants)
	for i := range d.Variants {
		d.Variants[i].TemplateID = n.template(fmt.Sprint("Edited ", i), "Anew {{ links.unsubscribe }}")
	}
	if _, err := n.engine.EditCampaign(n.ctx, "test", id, 0, d); err != nil {
		if campaigns.CodeOf(err) != campaigns.CodeConflict {
			n.draw.Fatal(err)
		}
		return
	}
	_, err := n.engine.MoveCampaign(n.ctx, "test", id, 0, campaigns.Launch)
	if isOnce := c.Kind == campaigns.Once && campaigns.CodeOf(err) == campaigns.CodeInvalid; err != nil && !isOnce && campaigns.CodeOf(err) != campaigns.CodeConflict {
		n.draw.Fatal(err)
	}
}

// event is one that a customer caused; half of them are sent in twice.
func (n *twoNodes) event() {
	n.happens(fmt.Sprint("c", rapid.IntRange(0, 9).Draw(n.draw, "customer")), "cart", fmt.Sprint("e", n.events))
	n.events += rapid.IntRange(0, 1).Draw(n.draw, "new event")
}

// calm lets everything go on that was paused, waits until leases are over and mornings have come, and settles.
func (n *twoNodes) calm() {
	for _, c := range n.campaigns {
		_, _ = n.engine.MoveCampaign(n.ctx, "test", c.ID, 0, campaigns.Resume)
	}
	for _, wait := range []time.Duration{time.Minute, 9 * time.Hour, 15 * time.Hour, 24 * time.Hour} {
		n.clock.Advance(wait)
		for _, node := range n.nodes {
			if err := node.Settle(n.ctx); err != nil {
				n.draw.Fatal(err)
			}
		}
	}
	n.keepArms()
}

// keepArms holds each arm against what it was when it was first seen.
func (n *twoNodes) keepArms() {
	n.view(func(tx *store.Tx) error {
		for _, c := range n.campaigns {
			current, err := tx.Campaign(n.ctx, c.ID)
			if err != nil {
				return err
			}
			for _, at := range []time.Time{n.clock.Now(), n.clock.Now().Add(-time.Duration(90 * campaigns.Day))} {
				period := current.Period(at)
				assigned, err := tx.Assignments(n.ctx, c.ID, period, n.everybody())
				if err != nil {
					return err
				}
				for no, a := range assigned {
					key := fmt.Sprint(c.ID, " ", period, " ", no)
					if was, seen := n.arms[key]; seen && was != a.Arm {
						n.draw.Fatalf("customer %d of %s %s changed from arm %s to %s", no, c.Name, period, was, a.Arm)
					}
					n.arms[key] = a.Arm
				}
			}
		}
		return nil
	})
}

func (n *twoNodes) everybody() []int64 {
	nos := make([]int64, 60)
	for i := range nos {
		nos[i] = int64(i)
	}
	return nos
}

// check holds what came of it against what may be.
func (n *twoNodes) check() {
	n.checkCaps()
	for _, c := range n.campaigns {
		n.checkEntries(c)
		n.checkRuns(c)
	}
}

func (n *twoNodes) checkCaps() {
	var contacts []store.Contact
	n.view(func(tx *store.Tx) (err error) {
		now := n.clock.Now()
		contacts, err = tx.Contacts(n.ctx, n.everybody(), now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0))
		return err
	})
	waiting := map[campaigns.ID]bool{} // what was moved is asked again when its turn comes
	for _, m := range n.messages(store.MessageFilter{Status: campaigns.MessageQueued, Limit: 100000}) {
		waiting[m.ID] = true
	}
	contacts = slices.DeleteFunc(contacts, func(c store.Contact) bool { return waiting[c.Message] })
	for _, limit := range interleavedCaps() {
		for _, first := range contacts {
			within := 0
			for _, c := range contacts {
				if c.No == first.No && (limit.Channel == campaigns.AnyChannel || c.Channel == limit.Channel) && !c.At.Before(first.At) && c.At.Sub(first.At) < time.Duration(limit.Window) {
					within++
				}
			}
			if within > limit.Max {
				n.draw.Fatalf("customer %d: %d on %s from %s on, at most %d in %s: %v", first.No, within, limit.Channel, first.At, limit.Max, limit.Window, n.of(contacts, first.No))
			}
		}
	}
}

func (n *twoNodes) of(contacts []store.Contact, no int64) (times []string) {
	for _, c := range contacts {
		if c.No == no {
			times = append(times, fmt.Sprint(c.Message, " ", c.At))
		}
	}
	return times
}

// checkEntries counts messages, ghosts' included, for each stretch in which the limit lets a customer in once.
func (n *twoNodes) checkEntries(c campaigns.Campaign) {
	entered, at := map[string]int{}, map[int64][]time.Time{}
	occurrence := map[campaigns.ID]time.Time{}
	for _, run := range n.runs(c.ID) {
		occurrence[run.ID] = run.Occurrence
	}
	for _, m := range n.messages(store.MessageFilter{Campaign: c.ID, Limit: 100000}) {
		switch stretch := occurrence[m.RunID].In(c.Zone()).Format(time.DateOnly); c.Name {
		case "daily":
			entered[fmt.Sprint(m.No, " ", stretch)]++
		case "triggered":
			at[m.No] = append(at[m.No], m.QueuedAt)
		default: // once, and once for a city, which nobody leaves
			entered[fmt.Sprint(m.No)]++
		}
	}
	for who, times := range entered {
		if times > 1 {
			n.draw.Fatalf("%s: %s entered %d times", c.Name, who, times)
		}
	}
	for no, times := range at {
		slices.SortFunc(times, time.Time.Compare)
		for i := range times[1:] {
			if times[i+1].Sub(times[i]) < 12*time.Hour-time.Second {
				n.draw.Fatalf("%s: customer %d entered at %s and at %s", c.Name, no, times[i], times[i+1])
			}
		}
	}
}

func (n *twoNodes) checkRuns(c campaigns.Campaign) {
	for _, run := range n.runs(c.ID) {
		sum, messages := int64(0), int64(0)
		for _, m := range run.Gates {
			sum += m
		}
		for _, m := range run.Messages {
			messages += m
		}
		if sum != run.Audience || run.Gates["passed"] != messages {
			n.draw.Fatalf("%s: run at %s of %d: gates %v, messages %v", c.Name, run.Occurrence, run.Audience, run.Gates, run.Messages)
		}
		if c.Kind != campaigns.Triggered && run.Status != campaigns.Stopped && run.Status != campaigns.Planned && run.Gates["eligible"] == 0 && run.Audience != 40 {
			n.draw.Fatalf("%s: run at %s found %d of 40: %v", c.Name, run.Occurrence, run.Audience, run.Gates)
		}
	}
}
