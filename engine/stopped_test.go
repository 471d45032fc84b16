package engine_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// queued makes the runs that are due and queues their messages.
func (w *world) queued() {
	w.Helper()
	for _, do := range []func(context.Context) (int, error){w.engine.Tick, w.engine.Select, w.engine.Queue} {
		_, err := do(w.ctx)
		w.must(err)
	}
}

func TestWhatComesBackAfterTheCampaignWasCancelledIsCancelledToo(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	in := newInbox(t)
	channel := w.smtpChannel(in)
	w.customers(3, nil)
	c := w.campaign(func(d *campaigns.Definition) { d.Variants[0].ChannelID = channel })
	cancelled := false
	in.refuse = func(string) error {
		if !cancelled { // while the first message is under way
			cancelled = true
			if _, err := w.engine.MoveCampaign(w.ctx, "test", c.ID, 0, campaigns.Cancel); err != nil {
				t.Error(err)
			}
		}
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "later"}
	}
	w.queued()
	w.settle()
	run := w.runs(c.ID)[0]
	if !cancelled || run.Messages["cancelled"] != 3 || run.Messages["queued"] != 0 || run.Status != campaigns.Stopped {
		t.Errorf("messages %v, status %s", run.Messages, run.Status)
	}
}

func TestACampaignThatCannotTickStopsNoOther(t *testing.T) {
	w := newWorld(t, "2026-11-21T08:00:00+08:00")
	w.customers(2, nil)
	daily := func(d *campaigns.Definition) {
		d.Kind, d.Schedule = campaigns.Recurring, &campaigns.Schedule{Cron: "0 9 * * *", Zone: "Asia/Shanghai"}
	}
	broken, well := w.campaign(daily), w.campaign(daily)
	w.update(func(tx *store.Tx) error {
		c, err := tx.LockCampaign(w.ctx, broken.ID)
		if err != nil {
			return err
		}
		c.Schedule = &campaigns.Schedule{Cron: "0 9 * * *", Zone: "Nowhere/Gone"} // as after a zone left the machine's database
		if err := tx.SaveCampaignVersion(w.ctx, &c); err != nil {
			return err
		}
		c.LiveVersion = c.Version
		return tx.SaveCampaignState(w.ctx, &c)
	})
	w.clock.Advance(61 * time.Minute)
	if _, err := w.engine.Tick(w.ctx); err == nil || !strings.Contains(err.Error(), broken.ID.String()) {
		t.Errorf("the fault is not told: %v", err)
	}
	if n := len(w.runs(well.ID)); n != 1 {
		t.Errorf("the other campaign has %d runs", n)
	}
}
