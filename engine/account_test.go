package engine_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/channel"
)

// An account is one run's messages as the provider's side saw them.
type account struct {
	*world
	rng  *rand.Rand
	in   *inbox
	fate map[string]campaigns.MessageStatus // of an address, as the provider's receipts will say; empty: it says nothing
	lost map[string]bool                    // addresses whose answers never come back
	run  campaigns.ID
	of   campaigns.ID // its campaign
}

func TestWhatARunCountsIsWhatItsProviderSawWhateverHappens(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			a := openAccount(t, seed)
			steps := []func(){a.send, a.send, a.tell, a.tell, a.pause, func() { a.clock.Advance(time.Duration(a.rng.IntN(90)) * time.Second) }}
			for range 25 {
				steps[a.rng.IntN(len(steps))]()
			}
			if seed%2 == 1 {
				_, err := a.engine.StopRun(a.ctx, "test", a.run)
				if campaigns.CodeOf(err) != campaigns.CodeConflict {
					a.must(err)
				}
			}
			for range 12 { // temporary refusals come again
				a.clock.Advance(2 * time.Hour)
				a.settle()
				a.tell()
			}
			a.settle()
			a.balance(seed%2 == 1)
		})
	}
}

func openAccount(t *testing.T, seed uint64) *account {
	a := &account{world: newWorld(t, "2026-11-21T10:00:00+08:00"), rng: rand.New(rand.NewPCG(seed, 7)), in: newInbox(t),
		fate: map[string]campaigns.MessageStatus{}, lost: map[string]bool{}}
	refused := map[string]error{}
	ends := []campaigns.MessageStatus{"", campaigns.MessageDelivered, campaigns.MessageDelivered, campaigns.MessageBounced, campaigns.MessageFailed}
	for i := range 150 {
		to := fmt.Sprintf("c%d@example.com", i)
		a.fate[to], a.lost[to] = ends[a.rng.IntN(len(ends))], a.rng.IntN(15) == 0
		switch a.rng.IntN(12) {
		case 0:
			refused[to] = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 2, 2}, Message: "mailbox full"}
		case 1:
			refused[to] = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "later"}
		}
	}
	a.in.refuse = func(to string) error { return refused[to] }
	naming(a.world, a.in, 1, func(m channel.Message, o *channel.Outcome) {
		if o.Status == channel.Sent && a.lost[m.To] {
			*o = channel.Outcome{Status: channel.Unknown, Detail: "the connection broke"}
		}
	})
	a.customers(150, nil)
	c := a.campaign(func(d *campaigns.Definition) {
		loose, share := 1.0, 0.1
		d.Holdout, d.Guards, d.Variants[0].ChannelID = &share, &campaigns.Guards{Failures: &loose, Bounces: &loose}, "mail"
		d.Pace = &campaigns.Pace{PerHour: 6000}
	})
	a.queued()
	a.run, a.of = a.runs(c.ID)[0].ID, c.ID
	return a
}

func (a *account) send() {
	_, err := a.engine.Send(a.ctx)
	a.must(err)
}

// tell sends receipts of what was accepted: some early, some twice, some of the past or the future, all again later.
func (a *account) tell() {
	var receipts []campaigns.Receipt
	for _, m := range a.messages(store.MessageFilter{Run: a.run}) {
		if status := a.fate[m.Address]; status != "" && a.in.received()[m.Address] > 0 {
			r := campaigns.Receipt{MessageID: m.ID, No: m.No, Status: status, At: a.clock.Now().Add(time.Duration(a.rng.IntN(240)-120) * time.Minute)}
			for range 1 + a.rng.IntN(2) {
				receipts = append(receipts, r)
			}
		}
	}
	a.rng.Shuffle(len(receipts), func(i, j int) { receipts[i], receipts[j] = receipts[j], receipts[i] })
	a.receive(receipts...)
}

// pause pauses the campaign, lets a node try, and lets it go on.
func (a *account) pause() {
	for _, move := range []campaigns.Move{campaigns.Pause, campaigns.Resume} {
		_, err := a.engine.MoveCampaign(a.ctx, "test", a.of, 0, move)
		if campaigns.CodeOf(err) != campaigns.CodeConflict {
			a.must(err)
		}
		a.send()
	}
}

// balance compares what the run counts with its messages, and these with what the provider saw.
func (a *account) balance(stopped bool) {
	a.Helper()
	var run campaigns.Run
	a.view(func(tx *store.Tx) (err error) { run, err = tx.Run(a.ctx, a.run); return err })
	want, seen := map[string]int64{}, a.in.received()
	for _, m := range a.messages(store.MessageFilter{Run: a.run}) {
		if m.Ghost {
			continue
		}
		want[string(m.Status)]++
		if n := seen[m.Address]; n > 1 || (n == 1) != a.arrived(&m) {
			a.Errorf("%s has a message that is %s and received %d", m.Address, m.Status, n)
		}
		for i := 1; i < len(m.History); i++ {
			if m.History[i].At.Before(m.History[i-1].At) {
				a.Errorf("the history of %s goes back in time: %+v", m.Address, m.History)
				break
			}
		}
		if last := m.History[len(m.History)-1]; last.Status != m.Status || m.FinishedAt == nil {
			a.Errorf("%s is %s, its history ends with %+v, finished %v", m.Address, m.Status, last, m.FinishedAt)
		}
	}
	sum := int64(0)
	for status, n := range run.Messages {
		sum += n
		if n == 0 {
			delete(run.Messages, status)
		}
	}
	if sum != run.Gates["passed"] || !maps.Equal(run.Messages, want) || want["queued"] > 0 || (want["cancelled"] > 0 && !stopped) {
		a.Errorf("%d passed; the run counts %v, its messages are %v", run.Gates["passed"], run.Messages, want)
	}
	if gates := run.Gates; gates["passed"]+gates["holdout"] != run.Audience || run.Audience != 150 {
		a.Errorf("gates %v of %d", gates, run.Audience)
	}
}

// arrived says whether the provider must have accepted a message, by where it stands; fates are told in the end.
func (a *account) arrived(m *campaigns.Message) bool {
	fate := a.fate[m.Address]
	switch m.Status {
	case campaigns.MessageSent:
		return fate == "" && !a.lost[m.Address]
	case campaigns.MessageUnknown:
		return fate == "" && a.lost[m.Address]
	case campaigns.MessageDelivered, campaigns.MessageBounced:
		return fate == m.Status
	case campaigns.MessageFailed:
		return a.in.received()[m.Address] > 0 && fate == m.Status
	}
	return false
}
