package engine_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/linxGnu/gosmpp/data"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
	"beckon/engine/channel"
	"beckon/engine/channel/smsctest"
)

// spent is what a campaign has used of its budget, counted anew.
func (w *world) spent(c campaigns.ID) (s store.Spent) {
	w.Helper()
	w.view(func(tx *store.Tx) (err error) { s, err = tx.Spent(w.ctx, c, -7, false); return err })
	return s
}

// A biller is providers who write bills: what each accepted, by message and by segment.
type biller struct {
	mu     sync.Mutex
	micros int64
}

func (b *biller) bill(micros int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.micros += micros
}

func (b *biller) sum() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.micros
}

// textsOfAllLengths gives customers names that make texts of one to four segments, some of them in Chinese.
func (w *world) textsOfAllLengths(n int) {
	w.Helper()
	w.withPhones(n, func(i int, c *campaigns.Customer) {
		name := strings.Repeat("a", 10+i%4*150)
		if i%5 == 0 {
			name = strings.Repeat("好", 10+i%4*60)
		}
		c.Name = &name
	})
}

// billing makes a provider of texts that accepts what refuse does not speak of, and writes a bill of what it accepted.
func (w *world) billing(id string, b *biller, perMessage, perSegment int64, change func(s *campaigns.ChannelSettings), refuse func(s smsctest.Submit) (smsctest.Answer, bool)) *smsctest.SMSC {
	w.Helper()
	c, err := smsctest.New()
	w.must(err)
	w.Cleanup(func() { _ = c.Close() })
	c.Order(smsctest.Orders{Answer: func(_ int, s smsctest.Submit) smsctest.Answer {
		if answer, refused := refuse(s); refused {
			return answer
		}
		b.bill(perSegment)
		if len(s.Header) == 0 || s.Header[5] == 1 { // the first part of a message
			b.bill(perMessage)
		}
		return smsctest.Answer{}
	}})
	settings := campaigns.ChannelSettings{Host: "127.0.0.1", Port: c.Port(), Username: "shop", Password: new("secret"), Connections: 1,
		CostPerMessage: campaigns.Decimal(campaigns.FormatMoney(perMessage, 6)), CostPerSegment: campaigns.Decimal(campaigns.FormatMoney(perSegment, 6)),
		EmailSettings: campaigns.EmailSettings{From: "Shop"}}
	if change != nil {
		change(&settings)
	}
	w.update(func(tx *store.Tx) error {
		return tx.CreateChannel(w.ctx, &campaigns.Channel{ID: id, Name: id, Kind: campaigns.KindSMPP, Settings: settings})
	})
	return c
}

func accepts(smsctest.Submit) (smsctest.Answer, bool) { return smsctest.Answer{}, false }

// TestACheckOfAllABudgetAndTheProvidersBillAreTheSameToTheMicro has a cost budget of exactly what everybody costs.
func TestACheckOfAllABudgetAndTheProvidersBillAreTheSameToTheMicro(t *testing.T) {
	for _, short := range []int64{0, 10_000} {
		t.Run(fmt.Sprint("micros short: ", short), func(t *testing.T) {
			w := newWorld(t, "2026-11-21T10:00:00+08:00")
			b := &biller{}
			w.billing("texts", b, 2_000, 40_000, func(s *campaigns.ChannelSettings) { s.SignOff, s.OptOut = "【晨光】", "Reply STOP" }, accepts)
			w.textsOfAllLengths(60)
			words := w.sms("Hi {{ customer.name }}")
			check, err := w.engine.CheckTemplate(w.ctx, engine.Trial{Template: words, ChannelID: "texts"}, "true")
			w.must(err)
			for _, segments := range []string{"1", "2", "3", "4"} {
				if check.SMS.Segments[segments] == 0 {
					t.Errorf("nobody's text takes %s segments: %v", segments, check.SMS.Segments)
				}
			}
			all, err := campaigns.ParseMoney(string(check.Cost), 6)
			w.must(err)
			c := w.campaign(func(d *campaigns.Definition) {
				d.Variants[0].ChannelID, d.Variants[0].TemplateID = "texts", words
				d.Budget = &campaigns.Budget{Cost: campaigns.Decimal(campaigns.FormatMoney(all-short, 6))}
			})
			w.settle()
			run := w.runs(c.ID)[0]
			if got := w.spent(c.ID); got.CostMicros != b.sum() || got.Messages != run.Messages["sent"] {
				t.Errorf("%+v was spent, the bill is %d for %v", got, b.sum(), run.Messages)
			}
			if short == 0 && (b.sum() != all || run.Gates["budget"] != 0) || short > 0 && (b.sum() >= all || run.Gates["budget"] != 1) {
				t.Errorf("the check says %d, the bill %d; gates %v", all, b.sum(), run.Gates)
			}
		})
	}
}

// TestWhatTextsCostIsTheirProvidersBillWhateverHappens sends through a provider that refuses, breaks off and fails in the end, so
// that a dearer one takes over, with withdrawals, pauses, a stop and a resend between.
func TestWhatTextsCostIsTheirProvidersBillWhateverHappens(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			w, rng, b := newWorld(t, "2026-11-21T10:00:00+08:00"), rand.New(rand.NewPCG(seed, 9)), &biller{}
			var mu sync.Mutex
			away := false
			w.billing("spare", b, 0, 80_009, nil, accepts)
			w.billing("texts", b, 2_003, 45_001, func(s *campaigns.ChannelSettings) { s.Fallback = "spare" }, func(s smsctest.Submit) (smsctest.Answer, bool) {
				mu.Lock()
				defer mu.Unlock()
				first, draw := len(s.Header) == 0 || s.Header[5] == 1, rng.IntN(12)
				switch {
				case away && first:
					return smsctest.Answer{Status: data.ESME_RBINDFAIL}, true
				case draw == 0 && first:
					return smsctest.Answer{Status: data.ESME_RINVDSTADR}, true
				case draw == 1: // after some of its segments as well
					return smsctest.Answer{Status: data.ESME_RINVMSGLEN}, true
				}
				return smsctest.Answer{}, false
			})
			w.textsOfAllLengths(80)
			c := w.textCampaign("Hi {{ customer.name }}", func(d *campaigns.Definition) {
				loose, most := 1.0, int64(1000)
				d.Guards, d.Pace, d.Budget = &campaigns.Guards{Failures: &loose}, &campaigns.Pace{PerHour: 3600}, &campaigns.Budget{Messages: &most}
			})
			w.queued()
			waits := w.spent(c.ID)
			w.update(func(tx *store.Tx) error {
				return tx.Suppress(w.ctx, &campaigns.Suppression{Channel: campaigns.SMS, Address: "+8613800000007", Reason: "test"})
			})
			for step := range 5 {
				mu.Lock()
				away = step == 3
				mu.Unlock()
				w.clock.Advance(12 * time.Second)
				w.settle()
				w.move(c.ID, campaigns.Pause)
				w.settle()
				w.move(c.ID, campaigns.Resume)
				w.clock.Advance(2 * time.Second)
				w.settle()
			}
			of := w.runs(c.ID)[0].ID
			_, err := w.engine.StopRun(w.ctx, "test", of)
			w.must(err)
			w.bills(c.ID, b, "stopped")
			w.clock.Advance(time.Minute)
			_, err = w.engine.Resend(w.ctx, "test", of, campaigns.Remainder{Statuses: []campaigns.MessageStatus{campaigns.MessageCancelled, campaigns.MessageFailed}})
			w.must(err)
			for range 30 {
				w.clock.Advance(10 * time.Minute)
				w.settle()
			}
			w.bills(c.ID, b, "sent again")
			if statuses := w.statuses(c.ID); statuses["sent"] < 60 || statuses["cancelled"] == 0 || statuses["failed"] == 0 || statuses["by spare"] == 0 || statuses["queued"] > 0 {
				t.Errorf("messages %v", statuses)
			}
			if waits.Messages != 80 || waits.CostMicros == 0 {
				t.Errorf("waiting: %+v", waits)
			}
		})
	}
}

// bills holds what a campaign spent against the bill. Its places are those of the messages that a provider took, in part too.
func (w *world) bills(c campaigns.ID, b *biller, when string) {
	w.Helper()
	taken := int64(0)
	for _, m := range w.messages(store.MessageFilter{Campaign: c}) {
		if m.ProviderID != "" {
			taken++
		}
	}
	if got := w.spent(c); got.CostMicros != b.sum() || got.Messages != taken {
		w.Errorf("%s: %+v was spent, the bill is %d for %d", when, got, b.sum(), taken)
	}
}

// statuses counts a campaign's messages over all its runs, and those that the channel spare carried.
func (w *world) statuses(c campaigns.ID) map[string]int {
	w.Helper()
	found := map[string]int{}
	for _, m := range w.messages(store.MessageFilter{Campaign: c}) {
		found[string(m.Status)]++
		if m.ChannelID == "spare" {
			found["by spare"]++
		}
	}
	return found
}

// TestWhatMailsCostIsTheirProvidersBillAlsoWhereTheirAnswersAreLost sends again what broke off: both attempts may be billed.
func TestWhatMailsCostIsTheirProvidersBillAlsoWhereTheirAnswersAreLost(t *testing.T) {
	for _, policy := range []string{campaigns.UnknownLeave, campaigns.UnknownResend} {
		t.Run(policy, func(t *testing.T) {
			w, in := newWorld(t, "2026-11-21T10:00:00+08:00"), newInbox(t)
			w.settings(func(s *campaigns.Workspace) { s.Unknown = policy })
			in.refuse = func(to string) error {
				if strings.HasPrefix(to, "c1") { // c1 and c10 to c19
					return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 2, 2}, Message: "mailbox full"}
				}
				return nil
			}
			w.mailChannel("mail", in.port, func(s *campaigns.ChannelSettings) { s.CostPerMessage = "0.000901" })
			w.engine.OpenWith(openPooled(1, func(m channel.Message, o *channel.Outcome) {
				if strings.HasPrefix(m.To, "c2") && o.Status == channel.Sent { // c2 and c20 to c29, at each attempt
					*o = channel.Outcome{Status: channel.Unknown, Detail: "the connection broke"}
				}
			}))
			w.customers(40, nil)
			c := w.campaign(func(d *campaigns.Definition) {
				loose, most := 1.0, int64(1000)
				d.Guards, d.Budget, d.Variants[0].ChannelID = &campaigns.Guards{Failures: &loose}, &campaigns.Budget{Messages: &most}, "mail"
			})
			for range 40 {
				w.settle()
				w.clock.Advance(5 * time.Minute)
			}
			run := w.runs(c.ID)[0]
			if got, want := w.spent(c.ID), int64(total(in))*901; got.CostMicros != want || got.Messages != 29 {
				t.Errorf("%+v was spent, the bill is %d; messages %v", got, want, run.Messages)
			}
			if run.Messages["failed"] != 11 || run.Messages["unknown"] != 11 || total(in) != map[string]int{campaigns.UnknownLeave: 29, campaigns.UnknownResend: 40}[policy] {
				t.Errorf("%d arrived, messages %v", total(in), run.Messages)
			}
			m := w.of("c2")
			_, err := w.engine.SettleMessage(w.ctx, "test", m.ID, campaigns.MessageFailed)
			w.must(err)
			if got := w.spent(c.ID); got.Messages != 28 {
				t.Errorf("what somebody knows to have failed keeps its place: %+v", got)
			}
		})
	}
}

// TestAMessageThatWasRefusedGivesItsPlaceBackAndOneThatWasTakenDoesNot has a budget of ten for twenty.
func TestAMessageThatWasRefusedGivesItsPlaceBackAndOneThatWasTakenDoesNot(t *testing.T) {
	w, in := newWorld(t, "2026-11-21T10:00:00+08:00"), newInbox(t)
	refusals := 4
	in.refuse = func(string) error {
		if refusals--; refusals >= 0 {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 2, 2}, Message: "mailbox full"}
		}
		return nil
	}
	naming(w, in, 1, nil)
	w.customers(20, nil)
	c := w.campaign(func(d *campaigns.Definition) {
		loose, most := 1.0, int64(10)
		d.Guards, d.Budget, d.Variants[0].ChannelID = &campaigns.Guards{Failures: &loose}, &campaigns.Budget{Messages: &most}, "mail"
	})
	w.settle()
	first := w.runs(c.ID)[0]
	if want := map[string]int64{"sent": 6, "failed": 4}; first.Gates["budget"] != 10 || !maps.Equal(nonzero(first.Messages), want) {
		t.Fatalf("gates %v, messages %v", first.Gates, first.Messages)
	}
	sent := w.messages(store.MessageFilter{Run: first.ID, Status: campaigns.MessageSent})
	w.receive(campaigns.Receipt{MessageID: sent[0].ID, Status: campaigns.MessageFailed}, campaigns.Receipt{MessageID: sent[1].ID, Status: campaigns.MessageBounced})
	w.clock.Advance(time.Minute)
	_, err := w.engine.Resend(w.ctx, "test", first.ID, campaigns.Remainder{Gates: []campaigns.Gate{campaigns.GateBudget}})
	w.must(err)
	w.settle()
	if again := w.runs(c.ID)[0]; again.Messages["sent"] != 4 || again.Gates["budget"] != 11 || total(in) != 10 {
		t.Errorf("%d were taken; gates %v, messages %v", total(in), again.Gates, again.Messages)
	}
}

func nonzero(counts map[string]int64) map[string]int64 {
	found := maps.Clone(counts)
	maps.DeleteFunc(found, func(_ string, n int64) bool { return n == 0 })
	return found
}
