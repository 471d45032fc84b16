package engine_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// hears brings in a text from a number through the catcher, and lets it be dealt with.
func (w *world) hears(from, text string) {
	w.Helper()
	w.clock.Advance(time.Second)
	w.must(w.engine.Hear(w.ctx, campaigns.Catcher, []campaigns.Inbound{{ProviderID: w.clock.Now().String() + from, From: from, To: "1069", Text: text, At: w.clock.Now()}}))
	w.answers()
}

func (w *world) answers() {
	w.Helper()
	for _, step := range []func(context.Context) (int, error){w.engine.Answer, w.engine.Chores} {
		_, err := step(w.ctx)
		w.must(err)
	}
}

// heard lists all texts, the latest first.
func (w *world) heard() (texts []campaigns.Heard) {
	w.Helper()
	w.view(func(tx *store.Tx) (err error) {
		texts, err = tx.Inbound(w.ctx, store.InboundFilter{Limit: 1000})
		return err
	})
	return texts
}

func TestSTOPWithdrawsAtOnceAndIsConfirmedOnce(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.phones(3)
	template := w.texts("Hi {{ customer.name }}")
	c := w.campaign(func(d *campaigns.Definition) { d.Variants[0].TemplateID = template })
	w.queued()
	w.hears("8613800130001", " ｔｄ。")
	w.hears("+8613800130001", "退订")
	if w.word("c1", campaigns.SMS, "") != "no" || w.word("c0", campaigns.SMS, "") != "yes" || w.word("c1", campaigns.Email, "") != "yes" {
		t.Error("not exactly the sender's consent to text messages is withdrawn")
	}
	texts := w.heard()
	if len(texts) != 2 || texts[0].Reply != nil || texts[1].Reply == nil || texts[1].Reply.Status != "sent" || !strings.Contains(texts[1].Reply.Text, "已退订") {
		t.Fatalf("two texts and one answer, in Chinese: %+v", texts)
	}
	if texts[0].Word != campaigns.WordStop || texts[0].Customers != 1 || texts[0].From != "+8613800130001" || texts[0].HandledAt == nil {
		t.Errorf("the text %+v", texts[0])
	}
	w.settle()
	if run := w.runs(c.ID)[0]; run.Messages["sent"] != 2 || run.Messages["cancelled"] != 1 {
		t.Errorf("messages %v", run.Messages)
	}
	w.clock.Advance(25 * time.Hour)
	w.hears("+8613800130001", "STOP")
	if texts = w.heard(); texts[0].Reply == nil || !strings.HasPrefix(texts[0].Reply.Text, "You are unsubscribed") {
		t.Errorf("a day later it is confirmed again, in its own language: %+v", texts[0])
	}
	w.view(func(tx *store.Tx) error {
		history, err := tx.Consents(w.ctx, w.no("c1"))
		n := 0
		for _, c := range history {
			if !c.Granted {
				n++
				if c.Source != "inbound sms" || c.Proof != " ｔｄ。" {
					t.Errorf("the consent %+v", c)
				}
			}
		}
		if n != 1 {
			t.Errorf("%d refusals", n)
		}
		return err
	})
}

func TestSTARTRestoresWhatAWordWithdrewAndNothingElse(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.phones(3)
	w.say("c0", campaigns.Consent{Channel: campaigns.SMS, At: w.clock.Now()}) // by a form
	w.hears("13800130000", "恢复")
	w.hears("13800130001", "STOP")
	w.hears("13800130001", "START")
	if w.word("c0", campaigns.SMS, "") != "no" || w.word("c1", campaigns.SMS, "") != "yes" {
		t.Errorf("words %s, %s", w.word("c0", campaigns.SMS, ""), w.word("c1", campaigns.SMS, ""))
	}
	stopped := w.clock.Now().Add(time.Minute)
	w.clock.Set(stopped)
	w.hears("13800130002", "R")
	w.clock.Advance(time.Second) // the latest to come is listed first
	w.must(w.engine.Hear(w.ctx, campaigns.Catcher, []campaigns.Inbound{{ProviderID: "late", From: "13800130002", Text: "START", At: stopped.Add(-time.Hour)}}))
	w.answers()
	if w.word("c2", campaigns.SMS, "") != "no" {
		t.Error("a START that was sent before the STOP restored")
	}
	for _, text := range w.heard() { // both came at the same instant
		if text.ProviderID == "late" && text.Reply != nil {
			t.Errorf("a START that does nothing is confirmed: %+v", text.Reply)
		}
	}
}

func TestANumberOfNobodyThatSaysSTOPIsNotSentToOnceItIsBroughtIn(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.hears("+8613800130000", "拒收")
	w.hears("+8613800130001", "hello")
	w.hears("Bank", "STOP")
	w.phones(2)
	template := w.texts("Hi")
	c := w.campaign(func(d *campaigns.Definition) { d.Variants[0].TemplateID = template })
	w.settle()
	if run := w.runs(c.ID)[0]; run.Gates["suppressed"] != 1 || run.Messages["sent"] != 1 {
		t.Errorf("gates %v, messages %v", run.Gates, run.Messages)
	}
	w.hears("+8613800130000", "START")
	later := w.campaign(func(d *campaigns.Definition) { d.Variants[0].TemplateID = template })
	w.settle()
	if run := w.runs(later.ID)[0]; run.Messages["sent"] != 2 {
		t.Errorf("after START: gates %v, messages %v", run.Gates, run.Messages)
	}
	for _, h := range w.heard() {
		if h.HandledAt == nil || h.From == "Bank" && (h.Word != campaigns.WordStop || h.Reply != nil) || h.Text == "hello" && h.Word != "" {
			t.Errorf("%+v", h)
		}
	}
}

func TestAnAnswerWhoseNodeDiedIsNotSentAgain(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.phones(1)
	w.must(w.engine.Hear(w.ctx, campaigns.Catcher, []campaigns.Inbound{{From: "+8613800130000", Text: "STOP"}}))
	_, err := w.engine.Answer(w.ctx)
	w.must(err)
	dead := campaigns.NewID(w.clock.Now())
	var claimed []campaigns.Reply
	w.update(func(tx *store.Tx) (err error) {
		claimed, err = tx.ClaimReplies(w.ctx, dead, campaigns.Catcher, 10)
		return err
	})
	if len(claimed) != 1 {
		t.Fatalf("%d answers were claimed", len(claimed))
	}
	w.answers()
	if r := w.heard()[0].Reply; r.Status != "sending" {
		t.Errorf("the answer is %s while its node may live", r.Status)
	}
	w.clock.Advance(10 * time.Minute)
	w.answers()
	if r := w.heard()[0].Reply; r.Status != "unknown" || r.Attempts != 1 {
		t.Errorf("the answer is %+v", r)
	}
	w.update(func(tx *store.Tx) error { // it lived after all
		claimed[0].Status = "sent"
		return tx.FinishReply(w.ctx, dead, &claimed[0])
	})
	if r := w.heard()[0].Reply; r.Status != "sent" {
		t.Errorf("the answer is %+v", r)
	}
}

func TestAChannelMayAnswerInItsOwnWordsOrNotAtAll(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.phones(1)
	w.update(func(tx *store.Tx) error {
		c, err := tx.LockChannel(w.ctx, campaigns.Catcher)
		if err != nil {
			return err
		}
		c.Settings.SignOff, c.Settings.StopReply, c.Settings.StartReply, c.Settings.HelpReply = "【Shop】", "Gone.", "-", "Call us."
		return tx.SaveChannel(w.ctx, &c)
	})
	for text, want := range map[string]string{"STOP": "【Shop】Gone.", "START": "", "HELP": "【Shop】Call us."} {
		w.hears("13800130000", text)
		got := ""
		if r := w.heard()[0].Reply; r != nil {
			got = r.Text
		}
		if got != want {
			t.Errorf("%s is answered %q, want %q", text, got, want)
		}
	}
}
