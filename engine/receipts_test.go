package engine_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"pgregory.net/rapid"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
	"beckon/engine/channel"
)

// called makes a provider's own name of a message, as a service does that knows nothing of ours.
func called(m channel.Message) string { return "p-" + m.ID[len(m.ID)-12:] }

// naming sends through an inbox whose provider has names of its own for messages, and for so many segments of each.
func naming(w *world, in *inbox, segments int, told func(m channel.Message, o *channel.Outcome)) {
	w.Helper()
	w.mailChannel("mail", in.port, nil)
	w.engine.OpenWith(openPooled(4, func(m channel.Message, o *channel.Outcome) {
		if o.Status == channel.Sent {
			o.ProviderID = called(m)
			for i := 1; i < segments; i++ {
				o.MoreIDs = append(o.MoreIDs, called(m)+strings.Repeat("+", i))
			}
		}
		if told != nil {
			told(m, o)
		}
	}))
}

func (w *world) receive(receipts ...campaigns.Receipt) {
	w.Helper()
	w.must(w.engine.Receive(w.ctx, "mail", receipts))
	_, err := w.engine.Receipts(w.ctx)
	w.must(err)
}

func (w *world) of(customer string) campaigns.Message {
	w.Helper()
	var m campaigns.Message
	w.view(func(tx *store.Tx) error {
		c, err := tx.Customer(w.ctx, customer)
		if err != nil {
			return err
		}
		found, err := tx.Messages(w.ctx, store.MessageFilter{No: c.No, Limit: 1})
		m = found[0]
		return err
	})
	return m
}

// waiting is how many receipts are kept.
func (w *world) waiting() (n int) {
	w.Helper()
	w.update(func(tx *store.Tx) error {
		tx.Now = tx.Now.AddDate(1, 0, 0)
		kept, err := tx.ClaimReceipts(w.ctx, 10_000)
		n = len(kept)
		return err
	})
	return n
}

func TestAReceiptMovesItsMessageAndSaysWhen(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	naming(w, newInbox(t), 1, nil)
	w.customers(5, nil)
	c := w.through("mail")
	w.settle()
	finished := *w.of("c0").FinishedAt
	w.clock.Advance(5 * time.Second)
	at := w.clock.Now().Add(-2 * time.Second).Truncate(time.Second)
	w.receive(
		campaigns.Receipt{ProviderID: w.of("c0").ProviderID, Status: campaigns.MessageDelivered, At: at},
		campaigns.Receipt{ProviderID: w.of("c1").ProviderID, Status: campaigns.MessageBounced, Hard: true, At: at, Detail: "5.1.1 no such user"},
		campaigns.Receipt{ProviderID: w.of("c2").ProviderID, Complaint: true, At: at},
		campaigns.Receipt{MessageID: w.of("c3").ID, Status: campaigns.MessageFailed, At: at},
		campaigns.Receipt{ProviderID: w.of("c0").ProviderID, Status: campaigns.MessageDelivered, At: at.Add(time.Second)},
	)
	run := w.runs(c.ID)[0]
	if run.Messages["delivered"] != 1 || run.Messages["bounced"] != 1 || run.Messages["failed"] != 1 || run.Messages["sent"] != 2 || w.waiting() != 0 {
		t.Errorf("messages %v, %d receipts wait", run.Messages, w.waiting())
	}
	m := w.of("c0")
	if last := m.History[len(m.History)-1]; len(m.History) != 4 || last.Status != campaigns.MessageDelivered || !last.At.Equal(at) || !m.FinishedAt.Equal(finished) {
		t.Errorf("finished %s, history %+v", m.FinishedAt, m.History)
	}
	if status, detail := w.last("c2"); status != campaigns.MessageSent || detail != "its receiver complained" {
		t.Errorf("%s: %s", status, detail)
	}
	w.view(func(tx *store.Tx) error {
		listed, err := tx.Suppressions(w.ctx, campaigns.Email, nil, 10)
		reasons := map[string]string{}
		for _, s := range listed {
			reasons[s.Address] = s.Reason
		}
		if len(listed) != 2 || reasons["c1@example.com"] != "hard bounce" || reasons["c2@example.com"] != "complaint" {
			t.Errorf("suppressed: %v", reasons)
		}
		n, failed := tx.CountComplaints(w.ctx, []campaigns.ID{run.ID})
		if n[run.ID] != 1 || failed != nil {
			t.Errorf("%d complaints (%v)", n, failed)
		}
		return err
	})
	w.receive(campaigns.Receipt{Address: "stranger@example.com", Hard: true, At: at})
	w.view(func(tx *store.Tx) error {
		listed, err := tx.Suppressions(w.ctx, campaigns.Email, nil, 10)
		if len(listed) != 3 {
			t.Errorf("%d are suppressed, not the stranger", len(listed))
		}
		return err
	})
}

func TestAReceiptThatComesEarlyWaitsForItsAnswer(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	var early atomic.Int64
	naming(w, newInbox(t), 1, func(m channel.Message, o *channel.Outcome) {
		if err := w.engine.Receive(context.Background(), "mail", []campaigns.Receipt{{ProviderID: o.ProviderID, Status: campaigns.MessageDelivered}}); err != nil {
			t.Error(err)
		}
		if _, err := w.engine.Receipts(context.Background()); err != nil { // before the answer is recorded
			t.Error(err)
		}
		early.Add(1)
	})
	w.customers(3, nil)
	c := w.through("mail")
	_, err := w.engine.Tick(w.ctx)
	w.must(err)
	w.queued()
	_, err = w.engine.Send(w.ctx)
	w.must(err)
	if run := w.runs(c.ID)[0]; run.Messages["sent"] != 3 || w.waiting() != 3 || early.Load() != 3 {
		t.Fatalf("messages %v, %d receipts wait", run.Messages, w.waiting())
	}
	w.clock.Advance(2 * time.Second)
	w.settle()
	if run := w.runs(c.ID)[0]; run.Messages["delivered"] != 3 || w.waiting() != 0 {
		t.Errorf("messages %v, %d receipts wait", run.Messages, w.waiting())
	}
	w.receive(campaigns.Receipt{ProviderID: "nobody's", Status: campaigns.MessageDelivered})
	for range 6 {
		w.clock.Advance(13 * time.Hour)
		w.settle()
	}
	if n := w.waiting(); n != 0 {
		t.Errorf("%d receipts of nobody wait after three days", n)
	}
}

func TestALongTextIsDeliveredWhenAllItsSegmentsAre(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	naming(w, newInbox(t), 3, nil)
	w.customers(2, nil)
	w.through("mail")
	w.settle()
	for i, plus := range []string{"", "++", "+"} {
		w.receive(campaigns.Receipt{ProviderID: w.of("c0").ProviderID + plus, Status: campaigns.MessageDelivered})
		if got, want := w.of("c0").Status, map[bool]campaigns.MessageStatus{false: campaigns.MessageSent, true: campaigns.MessageDelivered}[i == 2]; got != want {
			t.Errorf("after %d segments it is %s", i+1, got)
		}
	}
	w.receive(campaigns.Receipt{ProviderID: w.of("c1").ProviderID + "+", Status: campaigns.MessageFailed})
	if got := w.of("c1").Status; got != campaigns.MessageFailed {
		t.Errorf("with a failed segment it is %s", got)
	}
}

func TestComplaintsHoldARun(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	in := newInbox(t)
	naming(w, in, 1, nil)
	in.refuse = func(to string) error {
		if to == "c119@example.com" {
			return &smtp.SMTPError{Code: 450, EnhancedCode: smtp.EnhancedCode{4, 2, 1}, Message: "try later"}
		}
		return nil
	}
	w.customers(120, nil)
	c := w.through("mail")
	w.queued()
	_, err := w.engine.Send(w.ctx)
	w.must(err)
	w.receive(campaigns.Receipt{ProviderID: w.of("c7").ProviderID, Complaint: true})
	_, err = w.engine.Guard(w.ctx)
	w.must(err)
	if run := w.runs(c.ID)[0]; run.Held != campaigns.HeldComplaints || !strings.Contains(run.Reason, "complained") {
		t.Errorf("run %s held by %q: %s, %v", run.Status, run.Held, run.Reason, run.Messages)
	}
}

// lost is a shop of which a node died with messages in hand, as many of them delivered to the provider as told.
func lost(t *testing.T, policy string) (*world, *inbox, campaigns.Campaign) {
	t.Helper()
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	in := newInbox(t)
	naming(w, in, 1, nil)
	w.settings(func(s *campaigns.Workspace) { s.Unknown = policy })
	w.customers(6, nil)
	c := w.through("mail")
	w.queued()
	w.update(func(tx *store.Tx) error {
		dead := campaigns.NewID(tx.Now)
		lanes, err := tx.ClaimLanes(w.ctx, "mail", dead, tx.Now.Add(engine.Lease), 64)
		if err == nil {
			_, err = tx.ClaimMessages(w.ctx, "mail", lanes, dead, tx.Now.Add(engine.Lease), 4)
		}
		return err
	})
	w.clock.Advance(time.Minute)
	w.settle()
	return w, in, c
}

func TestAnUnknownMessageIsLeftUntilItsProviderOrAPersonSaysWhatBecameOfIt(t *testing.T) {
	w, in, c := lost(t, campaigns.UnknownLeave)
	unknown := w.messages(store.MessageFilter{Campaign: c.ID, Status: campaigns.MessageUnknown})
	if len(unknown) != 4 || len(in.received()) != 2 {
		t.Fatalf("%d are unknown, %d arrived", len(unknown), len(in.received()))
	}
	w.receive(campaigns.Receipt{MessageID: unknown[0].ID, Status: campaigns.MessageDelivered}, campaigns.Receipt{ProviderID: "<" + unknown[1].ID.String() + "@example.com>"})
	for i, to := range []campaigns.MessageStatus{campaigns.MessageFailed, campaigns.MessageQueued} {
		_, err := w.engine.SettleMessage(w.ctx, "ann", unknown[2+i].ID, to)
		w.must(err)
	}
	if _, err := w.engine.SettleMessage(w.ctx, "ann", unknown[0].ID, campaigns.MessageQueued); campaigns.CodeOf(err) != campaigns.CodeConflict {
		t.Errorf("a delivered message is settled: %v", err)
	}
	w.settle()
	run := w.runs(c.ID)[0]
	if run.Messages["delivered"] != 1 || run.Messages["failed"] != 1 || run.Messages["sent"] != 4 || run.Messages["unknown"] != 0 || run.Status != campaigns.Done || total(in) != 3 {
		t.Errorf("messages %v, %d arrived, the run is %s", run.Messages, total(in), run.Status)
	}
}

func TestAnUnknownMessageIsSentOnceMoreWhereTheWorkspaceSaysSo(t *testing.T) {
	w, in, c := lost(t, campaigns.UnknownResend)
	run := w.runs(c.ID)[0]
	if run.Messages["sent"] != 6 || total(in) != 6 || run.Status != campaigns.Done {
		t.Fatalf("messages %v, %d arrived, the run is %s", run.Messages, total(in), run.Status)
	}
	again := 0
	for _, m := range w.messages(store.MessageFilter{Campaign: c.ID}) {
		if len(m.History) > 3 {
			again++
			if m.Attempts != 2 || m.History[2].Status != campaigns.MessageUnknown || m.History[3].Status != campaigns.MessageQueued {
				t.Errorf("%d attempts: %+v", m.Attempts, m.History)
			}
		}
	}
	if again != 4 {
		t.Errorf("%d were sent again", again)
	}
}

func TestWhoseReceiptComesBeforeItIsSentOnceMoreGetsItOnce(t *testing.T) {
	w, in, c := lost(t, campaigns.UnknownLeave)
	unknown := w.messages(store.MessageFilter{Campaign: c.ID, Status: campaigns.MessageUnknown})
	for i := range 2 {
		_, err := w.engine.SettleMessage(w.ctx, "ann", unknown[i].ID, campaigns.MessageQueued)
		w.must(err)
	}
	w.receive(campaigns.Receipt{MessageID: unknown[0].ID, No: unknown[0].No, Status: campaigns.MessageDelivered}, campaigns.Receipt{MessageID: unknown[1].ID, No: unknown[1].No})
	w.settle()
	if run := w.runs(c.ID)[0]; run.Messages["delivered"] != 1 || run.Messages["unknown"] != 2 || run.Messages["sent"] != 3 || run.Status != campaigns.Done || total(in) != 3 {
		t.Errorf("messages %v, %d arrived, the run is %s", run.Messages, total(in), run.Status)
	}
}

func TestAMessageWhoseAnswerIsLostTwiceIsSentTwiceAtMost(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	in := newInbox(t)
	naming(w, in, 1, func(_ channel.Message, o *channel.Outcome) { o.Status, o.ProviderID = channel.Unknown, "" })
	w.settings(func(s *campaigns.Workspace) { s.Unknown = campaigns.UnknownResend })
	w.customers(2, nil)
	c := w.through("mail")
	for range 20 {
		w.settle()
		w.clock.Advance(time.Minute)
	}
	if run := w.runs(c.ID)[0]; run.Messages["unknown"] != 2 || total(in) != 4 {
		t.Errorf("messages %v, %d arrived", run.Messages, total(in))
	}
}

// TestWhateverHappensEachMessageHasOneOutcome draws answers of a provider, nodes that die, and receipts that come early,
// late, twice or not at all.
func TestWhateverHappensEachMessageHasOneOutcome(t *testing.T) {
	round := 0
	rapid.Check(t, func(draw *rapid.T) {
		if round++; round > 6 {
			return // each is a shop of its own
		}
		w := newWorld(t, "2026-11-21T10:00:00+08:00")
		defer w.store.Close()
		newFate(w, draw).live()
	})
}

// TestALongTextThatWasSentTwiceIsDeliveredByOneAttemptAlone: the first attempt broke off after two of three segments.
func TestALongTextThatWasSentTwiceIsDeliveredByOneAttemptAlone(t *testing.T) {
	for name, c := range map[string]struct {
		receipts []string // ids, with ! for one that failed
		want     campaigns.MessageStatus
	}{
		"segments of both":                         {[]string{"1", "1+", "2"}, campaigns.MessageSent},
		"all of the second":                        {[]string{"1", "2", "2+", "2++"}, campaigns.MessageDelivered},
		"the first fails":                          {[]string{"!1", "2", "2+"}, campaigns.MessageSent},
		"the first fails, the second arrives":      {[]string{"!1", "2", "2+", "2++"}, campaigns.MessageDelivered},
		"the second fails":                         {[]string{"1", "1+", "!2"}, campaigns.MessageFailed},
		"the second fails once and arrives in all": {[]string{"!2", "2", "2+", "2++"}, campaigns.MessageDelivered},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "2026-11-21T10:00:00+08:00")
			w.settings(func(s *campaigns.Workspace) { s.Unknown = campaigns.UnknownResend })
			var attempt atomic.Int64
			naming(w, newInbox(t), 1, func(_ channel.Message, o *channel.Outcome) {
				if attempt.Add(1) == 1 {
					*o = channel.Outcome{Status: channel.Unknown, ProviderID: "1", MoreIDs: []string{"1+"}, Segments: 3, Detail: "the connection broke"}
					return
				}
				o.ProviderID, o.MoreIDs = "2", []string{"2+", "2++"}
			})
			w.customers(1, nil)
			w.through("mail")
			w.settle()
			w.clock.Advance(10 * time.Minute)
			w.settle()
			if m := w.of("c0"); m.Status != campaigns.MessageSent || attempt.Load() != 2 {
				t.Fatalf("%s after %d attempts", m.Status, attempt.Load())
			}
			for _, id := range c.receipts {
				r := campaigns.Receipt{ProviderID: strings.TrimPrefix(id, "!"), Status: campaigns.MessageDelivered}
				if r.ProviderID != id {
					r.Status = campaigns.MessageFailed
				}
				w.receive(r)
			}
			if got := w.of("c0").Status; got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestATextOfWhichAPartWasRefusedIsNotDeliveredByTheOthers(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	naming(w, newInbox(t), 1, func(_ channel.Message, o *channel.Outcome) {
		*o = channel.Outcome{Status: channel.Permanent, ProviderID: "1", MoreIDs: []string{"1+"}, Segments: 2, Detail: "2 of 3 segments were accepted"}
	})
	w.customers(1, nil)
	w.through("mail")
	w.settle()
	w.receive(campaigns.Receipt{ProviderID: "1", Status: campaigns.MessageDelivered}, campaigns.Receipt{ProviderID: "1+", Status: campaigns.MessageDelivered})
	if got := w.of("c0").Status; got != campaigns.MessageFailed {
		t.Errorf("with two of three segments it is %s", got)
	}
}
