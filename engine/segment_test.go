package engine_test

import (
	"testing"
	"time"

	"beckon/campaigns"
)

func TestARunUsesTheSegmentAsItWasWhenLaunched(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	shanghai, beijing := "Shanghai", "Beijing"
	w.customers(10, func(i int, c *campaigns.Customer) {
		c.City = &shanghai
		if i >= 7 {
			c.City = &beijing
		}
	})
	for _, d := range []campaigns.SegmentDefinition{{Name: "here", Rule: `city == "Shanghai"`}, {Name: "people", Rule: `segment("here") && name != nil`}} {
		_, err := w.engine.CreateSegment(w.ctx, "test", d)
		w.must(err)
	}
	c := w.campaign(func(d *campaigns.Definition) {
		d.Kind, d.Rule = campaigns.Recurring, `segment("people")`
		d.Schedule = &campaigns.Schedule{Cron: "0 11 * * *", Zone: "Asia/Shanghai"}
	})
	if len(c.Frozen.Segments) != 2 {
		t.Errorf("frozen are %v", c.Frozen.Segments)
	}
	_, err := w.engine.EditSegment(w.ctx, "test", "here", 0, campaigns.SegmentDefinition{Name: "here", Rule: `city == "Beijing"`})
	w.must(err)
	if err := w.engine.DeleteSegment(w.ctx, "test", "people", 0); campaigns.CodeOf(err) != campaigns.CodeConflict {
		t.Errorf("a segment of an active campaign is deleted: %v", err)
	}
	w.clock.Advance(time.Hour)
	w.settle()
	if runs := w.runs(c.ID); len(runs) != 1 || runs[0].Audience != 7 {
		t.Errorf("runs %+v, want one with the 7 of Shanghai", runs)
	}
	again, err := w.engine.CountRule(w.ctx, `segment("people")`, w.clock.Now(), "")
	w.must(err)
	if again.Matching != 3 {
		t.Errorf("the segment now has %d, want 3", again.Matching)
	}
}

func TestARunUsesTheComputedAttributeAsItWasWhenLaunched(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	gold := "gold"
	w.customers(10, func(i int, c *campaigns.Customer) {
		if i < 4 {
			c.Tier = &gold
		}
	})
	define := func(expression string) error {
		_, err := w.engine.DefineAttribute(w.ctx, "test", campaigns.Attribute{Name: "worth", Computed: expression}, nil)
		return err
	}
	w.must(define(`tier == "gold" ? 5 : 1`))
	c := w.campaign(func(d *campaigns.Definition) {
		d.Kind, d.Rule, d.Entry = campaigns.Recurring, `worth > 3`, &campaigns.Entry{OnceFor: "worth"}
		d.Schedule = &campaigns.Schedule{Cron: "0 11 * * *", Zone: "Asia/Shanghai"}
	})
	w.must(define(`"a text now"`))
	w.clock.Advance(time.Hour)
	w.settle()
	if runs := w.runs(c.ID); len(runs) != 1 || runs[0].Audience != 4 || runs[0].Gates["passed"] != 4 {
		t.Errorf("runs %+v, want one with the 4 of gold", runs)
	}
}
