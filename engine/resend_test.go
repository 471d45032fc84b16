package engine_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
)

// failing is a run of 60 customers on the last evening of a quarter, of whom each sixth failed and two have unknown outcomes.
func failing(t *testing.T) (*world, *inbox, campaigns.Campaign, campaigns.Run) {
	w := newWorld(t, "2026-12-31T19:59:00+08:00")
	in := newInbox(t)
	channel := w.smtpChannel(in)
	w.customers(60, nil)
	in.refuse = func(to string) error {
		var n int
		if _, err := fmt.Sscanf(to, "c%d@", &n); err != nil || n%6 == 0 {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 2, 2}, Message: "mailbox full"}
		}
		return nil
	}
	loose := 1.0
	c := w.campaign(func(d *campaigns.Definition) {
		d.Kind, d.Schedule = campaigns.Recurring, &campaigns.Schedule{Cron: "0 20 31 12 *", Zone: "Asia/Shanghai"}
		share := 0.2
		d.Holdout, d.Guards, d.Entry = &share, &campaigns.Guards{Failures: &loose}, &campaigns.Entry{OncePer: "year"}
		second := d.Variants[0]
		d.Variants[0].ChannelID = channel
		second.Name, second.ChannelID, second.TemplateID = "B", channel, w.template("B", "B")
		d.Variants = append(d.Variants, second)
	})
	w.clock.Advance(time.Minute)
	w.queued()
	w.settle()
	in.refuse = nil
	run := w.runs(c.ID)[0]
	if run.Messages["failed"] == 0 || run.Status != campaigns.Done {
		t.Fatalf("run %+v", run)
	}
	return w, in, c, run
}

func TestAResendGoesToExactlyThoseWhoseMessageFailedAndKeepsTheirArms(t *testing.T) {
	w, in, c, run := failing(t)
	arms := map[int64]string{}
	failed := map[int64]bool{}
	for _, m := range w.messages(storeFilter(c.ID)) {
		arms[m.No] = m.Variant
		failed[m.No] = m.Status == campaigns.MessageFailed
	}
	before, err := w.engine.Report(w.ctx, c.ID)
	w.must(err)
	w.clock.Advance(14 * time.Hour) // the next quarter, the next year
	again, err := w.engine.Resend(w.ctx, "test", run.ID, campaigns.Remainder{})
	w.must(err)
	if again.Kind != campaigns.RunResend || *again.ResendOf != run.ID || again.Version != run.Version {
		t.Errorf("run %+v", again)
	}
	if _, err := w.engine.Resend(w.ctx, "test", run.ID, campaigns.Remainder{}); campaigns.CodeOf(err) != campaigns.CodeConflict {
		t.Errorf("two resends at once: %v", err)
	}
	w.settle()
	again = w.runs(c.ID)[0]
	if again.Audience != run.Messages["failed"] || again.Messages["sent"] != again.Audience || again.Status != campaigns.Done {
		t.Errorf("%d failed; the resend has %v, gates %v", run.Messages["failed"], again.Messages, again.Gates)
	}
	for _, m := range w.messages(store.MessageFilter{Run: again.ID}) {
		if !failed[m.No] || m.Variant != arms[m.No] {
			t.Errorf("customer %d, whose message failed %v, changed from %s to %s", m.No, failed[m.No], arms[m.No], m.Variant)
		}
	}
	for to, n := range in.received() {
		if n != 1 {
			t.Errorf("%s got %d", to, n)
		}
	}
	after, err := w.engine.Report(w.ctx, c.ID)
	w.must(err)
	for i, arm := range after.Metrics[0].Arms {
		if was := before.Metrics[0].Arms[i]; arm.Due != was.Due || arm.Assigned != was.Assigned {
			t.Errorf("the resend changed who is counted: %+v, before %+v", arm, was)
		}
	}
	for range 2 {
		w.clock.Advance(time.Second)
		_, err := w.engine.Resend(w.ctx, "test", run.ID, campaigns.Remainder{})
		w.must(err)
		w.settle()
		if none := w.runs(c.ID)[0]; none.Audience != 0 || none.Status != campaigns.Done {
			t.Errorf("the same resend once more finds %d", none.Audience)
		}
	}
}

func TestWhoFailsAgainIsReachedByAResendOfTheResend(t *testing.T) {
	w, in, c, run := failing(t)
	in.refuse = func(string) error {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 2, 2}, Message: "mailbox full"}
	}
	last := run
	for round := range 3 {
		w.clock.Advance(time.Hour)
		if round == 2 {
			in.refuse = nil
		}
		_, err := w.engine.Resend(w.ctx, "test", last.ID, campaigns.Remainder{})
		w.must(err)
		w.settle()
		last = w.runs(c.ID)[0]
	}
	if last.Messages["sent"] != run.Messages["failed"] {
		t.Errorf("%v of %v", last.Messages, run.Messages)
	}
}

func TestWhoseOutcomeIsUnknownIsSentToAgainOnlyWhenThatIsNamed(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(5, nil)
	c := w.campaign(func(*campaigns.Definition) {})
	w.queued()
	w.update(func(tx *store.Tx) error {
		dead := campaigns.NewID(tx.Now)
		lanes, err := tx.ClaimLanes(w.ctx, campaigns.Catcher, dead, tx.Now.Add(engine.Lease), 1)
		if err == nil {
			_, err = tx.ClaimMessages(w.ctx, campaigns.Catcher, lanes, dead, tx.Now.Add(engine.Lease), 1)
		}
		return err
	})
	w.clock.Advance(time.Minute)
	w.settle()
	run := w.runs(c.ID)[0]
	if run.Messages["unknown"] != 1 || run.Messages["sent"] != 4 {
		t.Fatalf("messages %v", run.Messages)
	}
	for want, remainder := range []campaigns.Remainder{{}, {Statuses: []campaigns.MessageStatus{campaigns.MessageUnknown}}} {
		w.clock.Advance(time.Minute)
		_, err := w.engine.Resend(w.ctx, "test", run.ID, remainder)
		w.must(err)
		w.settle()
		if again := w.runs(c.ID)[0]; again.Audience != int64(want) || again.Messages["sent"] != int64(want) {
			t.Errorf("%v: %v", remainder, again.Messages)
		}
	}
}

func TestWhomAStoppedRunHadNotComeToAreItsRemainderToo(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(30, nil)
	third := 0.34
	c := w.campaign(func(d *campaigns.Definition) { d.Holdout = &third })
	w.engine.QueueApart()
	for _, do := range []func(context.Context) (int, error){w.engine.Tick, w.engine.Select} {
		_, err := do(w.ctx)
		w.must(err)
	}
	run, err := w.engine.StopRun(w.ctx, "test", w.runs(c.ID)[0].ID)
	w.must(err)
	if _, err := w.engine.ResumeRun(w.ctx, "test", run.ID); campaigns.CodeOf(err) != campaigns.CodeConflict {
		t.Errorf("a stopped run was resumed: %v", err)
	}
	w.clock.Advance(time.Minute)
	_, err = w.engine.Resend(w.ctx, "test", run.ID, campaigns.Remainder{})
	w.must(err)
	w.settle()
	again := w.runs(c.ID)[0]
	if again.Audience != 30 || again.Gates["holdout"] == 0 || again.Messages["sent"]+again.Gates["holdout"] != 30 {
		t.Errorf("gates %v, messages %v", again.Gates, again.Messages)
	}
	report, err := w.engine.Report(w.ctx, c.ID)
	w.must(err)
	due := int64(0)
	for _, arm := range report.Metrics[0].Arms {
		due += arm.Due
	}
	if due != 30 {
		t.Errorf("%d of 30 are due: they entered by the resend", due)
	}
}

func TestTwoNodesResendToNobodyTwice(t *testing.T) {
	w, in, c, run := failing(t)
	w.clock.Advance(time.Hour)
	_, err := w.engine.Resend(w.ctx, "test", run.ID, campaigns.Remainder{})
	w.must(err)
	errs := make(chan error, 2)
	for _, node := range []*engine.Engine{w.engine, engine.New(w.store, engine.Options{BaseURL: "http://127.0.0.1:8080"})} {
		go func() { errs <- node.Settle(context.Background()) }()
	}
	for range 2 {
		w.must(<-errs)
	}
	w.clock.Advance(time.Minute)
	w.settle()
	for to, n := range in.received() {
		if n != 1 {
			t.Errorf("%s got %d", to, n)
		}
	}
	if again := w.runs(c.ID)[0]; again.Messages["sent"] != run.Messages["failed"] {
		t.Errorf("%v of %v", again.Messages, run.Messages)
	}
}
