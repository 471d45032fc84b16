package campaigns_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"beckon/campaigns"
)

func ptr[T any](value T) *T { return &value }

// sound is a campaign of a kind that has nothing wrong with it.
func sound(kind string) campaigns.Definition {
	d := campaigns.Definition{Name: "Win back", Kind: kind, Rule: "true", Holdout: ptr(0.1),
		Variants: []campaigns.Variant{{Name: "A", Weight: 1, ChannelID: campaigns.Catcher, TemplateID: campaigns.NewID(time.Unix(1, 0))}}}
	switch kind {
	case campaigns.Recurring:
		d.Schedule = &campaigns.Schedule{Cron: "0 9 * * *", Zone: "Asia/Shanghai"}
	case campaigns.Triggered:
		d.Trigger = &campaigns.Trigger{Event: "purchase"}
	case campaigns.Imported:
		d = campaigns.Definition{Name: "Elsewhere", Kind: kind, Arms: []campaigns.Arm{{Name: "holdout", Weight: 1}, {Name: "A", Weight: 1}},
			Metrics: []campaigns.Metric{{Name: "bought", Of: "purchase", Kind: "rate"}}, Goal: campaigns.Goal{Metric: "bought"}}
	}
	d.Defaults()
	return d
}

// fieldsOf are the fields that an error names.
func fieldsOf(err error) map[string]string {
	fields := map[string]string{}
	var e *campaigns.Error
	if errors.As(err, &e) {
		for _, p := range e.Problems {
			fields[p.Field] = p.Message
		}
	}
	return fields
}

// a spoilt campaign of a kind has one bad value, in a field.
type spoilt struct {
	what, kind, field string
	spoil             func(d *campaigns.Definition)
}

func spoiltStarts() []spoilt {
	return []spoilt{
		{"a recurring campaign without a schedule", "recurring", "schedule", func(d *campaigns.Definition) { d.Schedule = nil }},
		{"one of kind once with a schedule", "once", "schedule", func(d *campaigns.Definition) { d.Schedule = &campaigns.Schedule{Cron: "0 9 * * *", Zone: "UTC"} }},
		{"one of kind once with an end", "once", "until", func(d *campaigns.Definition) { d.Until = ptr(time.Unix(1, 0)) }},
		{"a recurring one with a time", "recurring", "at", func(d *campaigns.Definition) { d.At = ptr(time.Unix(1, 0)) }},
		{"a day that never comes", "recurring", "schedule.cron", func(d *campaigns.Definition) { d.Schedule.Cron = "0 0 31 2 *" }},
		{"every nothing", "recurring", "schedule.cron", func(d *campaigns.Definition) { d.Schedule.Cron = "@every 0s" }},
		{"seconds", "recurring", "schedule.cron", func(d *campaigns.Definition) { d.Schedule.Cron = "0 0 9 * * *" }},
		{"an empty line", "recurring", "schedule.cron", func(d *campaigns.Definition) { d.Schedule.Cron = "" }},
		{"an hour 25", "recurring", "schedule.cron", func(d *campaigns.Definition) { d.Schedule.Cron = "0 25 * * *" }},
		{"a zone that is none", "recurring", "schedule.zone", func(d *campaigns.Definition) { d.Schedule.Zone = "Asia/Atlantis" }},
		{"the machine's zone", "recurring", "schedule.zone", func(d *campaigns.Definition) { d.Schedule.Zone = "Local" }},
		{"a triggered one without a trigger", "triggered", "trigger", func(d *campaigns.Definition) { d.Trigger = nil }},
		{"a triggered one with a schedule", "triggered", "schedule", func(d *campaigns.Definition) { d.Schedule = &campaigns.Schedule{Cron: "0 9 * * *", Zone: "UTC"} }},
		{"a triggered one with a time", "triggered", "at", func(d *campaigns.Definition) { d.At = ptr(time.Unix(1, 0)) }},
		{"a trigger of one that is not triggered", "once", "trigger", func(d *campaigns.Definition) { d.Trigger = &campaigns.Trigger{Event: "purchase"} }},
		{"a trigger without an event", "triggered", "trigger.event", func(d *campaigns.Definition) { d.Trigger.Event = "" }},
		{"a trigger that comes later", "triggered", "trigger.event", func(d *campaigns.Definition) { d.Trigger.Event = "points.earned" }},
		{"another one", "triggered", "trigger.event", func(d *campaigns.Definition) { d.Trigger.Event = "tier.changed" }},
		{"an event with a NUL", "triggered", "trigger.event", func(d *campaigns.Definition) { d.Trigger.Event = "a\x00" }},
		{"no segment to enter", "triggered", "trigger.segment", func(d *campaigns.Definition) { d.Trigger.Event = campaigns.TriggerSegmentEntered }},
		{"a segment of a purchase", "triggered", "trigger.segment", func(d *campaigns.Definition) { d.Trigger.Segment = "gold" }},
		{"an attribute of a purchase", "triggered", "trigger.attribute", func(d *campaigns.Definition) { d.Trigger.Attribute = "city" }},
		{"after nothing", "triggered", "trigger.after", func(d *campaigns.Definition) { d.Trigger.After = ptr(campaigns.Duration(0)) }},
		{"unless without after", "triggered", "trigger.unless", func(d *campaigns.Definition) { d.Trigger.Unless = "purchase" }},
		{"a holdout of everybody", "once", "holdout", func(d *campaigns.Definition) { d.Holdout = ptr(1.0) }},
		{"a holdout of more than half", "once", "holdout", func(d *campaigns.Definition) { d.Holdout = ptr(0.51) }},
		{"a holdout below nothing", "once", "holdout", func(d *campaigns.Definition) { d.Holdout = ptr(-0.1) }},
		{"a holdout that is no number", "once", "holdout", func(d *campaigns.Definition) { d.Holdout = ptr(math.NaN()) }},
		{"a marketing campaign that does not say", "once", "holdout", func(d *campaigns.Definition) { d.Holdout = nil }},
		{"a negative weight", "once", "variants[0].weight", func(d *campaigns.Definition) { d.Variants[0].Weight = -1 }},
		{"a weight that is no number", "once", "variants[0].weight", func(d *campaigns.Definition) { d.Variants[0].Weight = math.NaN() }},
		{"an endless weight", "once", "variants[0].weight", func(d *campaigns.Definition) { d.Variants[0].Weight = math.Inf(1) }},
		{"no weight at all", "once", "variants", func(d *campaigns.Definition) { d.Variants[0].Weight = 0 }},
		{"a variant that is called holdout", "once", "variants[0].name", func(d *campaigns.Definition) { d.Variants[0].Name = "holdout" }},
		{"a way without a channel", "once", "variants[0].fallback[0].channel_id", func(d *campaigns.Definition) {
			d.Variants[0].Fallback = []campaigns.Way{{TemplateID: d.Variants[0].TemplateID}}
		}},
		{"a way without a template", "once", "variants[0].fallback[0].template_id", func(d *campaigns.Definition) {
			d.Variants[0].Fallback = []campaigns.Way{{ChannelID: campaigns.Catcher}}
		}},
		{"the same way twice", "once", "variants[0].fallback[0]", func(d *campaigns.Definition) {
			d.Variants[0].Fallback = []campaigns.Way{d.Variants[0].Ways()[0]}
		}},
		{"ways without end", "once", "variants[0].fallback", func(d *campaigns.Definition) { d.Variants[0].Fallback = make([]campaigns.Way, 6) }},
		{"a reach that is none", "once", "reach", func(d *campaigns.Definition) { d.Reach = "some" }},
	}
}

func spoiltLimits() []spoilt {
	minute, tooLong := campaigns.Duration(time.Minute), 400*campaigns.Day
	return []spoilt{
		{"two entry limits", "once", "entry", func(d *campaigns.Definition) { d.Entry = &campaigns.Entry{Limit: "once", OncePer: "day"} }},
		{"an hour of entry", "once", "entry.once_per", func(d *campaigns.Definition) { d.Entry = &campaigns.Entry{OncePer: "hour"} }},
		{"a limit and a sample", "once", "audience", func(d *campaigns.Definition) { d.Audience = &campaigns.Limited{Limit: 1, Sample: ptr(0.5)} }},
		{"an audience of nothing", "once", "audience", func(d *campaigns.Definition) { d.Audience = &campaigns.Limited{} }},
		{"a negative audience", "once", "audience.limit", func(d *campaigns.Definition) { d.Audience = &campaigns.Limited{Limit: -1} }},
		{"a sample of nobody", "once", "audience.sample", func(d *campaigns.Definition) { d.Audience = &campaigns.Limited{Sample: ptr(0.0)} }},
		{"a sample that is no number", "once", "audience.sample", func(d *campaigns.Definition) { d.Audience = &campaigns.Limited{Sample: ptr(math.NaN())} }},
		{"an order without a direction", "once", "audience.order_by", func(d *campaigns.Definition) { d.Audience = &campaigns.Limited{Limit: 1, OrderBy: "total_spend"} }},
		{"an order of a sample", "once", "audience.order_by", func(d *campaigns.Definition) { d.Audience = &campaigns.Limited{Sample: ptr(0.1), OrderBy: "x desc"} }},
		{"the first hundred of a trigger", "triggered", "audience.limit", func(d *campaigns.Definition) { d.Audience = &campaigns.Limited{Limit: 100} }},
		{"a clock that is none", "once", "send_at.local", func(d *campaigns.Definition) { d.SendAt = &campaigns.SendAt{Local: "25:00"} }},
		{"two paces", "once", "pace", func(d *campaigns.Definition) { d.Pace = &campaigns.Pace{PerHour: 1, SpreadOver: &minute} }},
		{"no pace", "once", "pace", func(d *campaigns.Definition) { d.Pace = &campaigns.Pace{} }},
		{"a pace backwards", "once", "pace.per_hour", func(d *campaigns.Definition) { d.Pace = &campaigns.Pace{PerHour: -5} }},
		{"a spread over a year", "once", "pace.spread_over", func(d *campaigns.Definition) { d.Pace = &campaigns.Pace{SpreadOver: &tooLong} }},
		{"a cap of a pigeon", "once", "caps[0].channel", func(d *campaigns.Definition) {
			d.Caps = &[]campaigns.Cap{{Channel: "a pigeon", Max: 1, Window: minute}}
		}},
		{"a cap of nothing", "once", "caps[0].max", func(d *campaigns.Definition) { d.Caps = &[]campaigns.Cap{{Channel: "any", Window: minute}} }},
		{"a cap without a window", "once", "caps[0].window", func(d *campaigns.Definition) { d.Caps = &[]campaigns.Cap{{Channel: "any", Max: 1}} }},
		{"a retry without a time", "once", "capped.retry_for", func(d *campaigns.Definition) { d.Capped = &campaigns.Capped{} }},
		{"quiet hours that do not begin", "once", "quiet_hours.from", func(d *campaigns.Definition) { d.QuietHours = &campaigns.QuietHours{From: "9", To: "10:00"} }},
		{"quiet hours that do not end", "once", "quiet_hours.to", func(d *campaigns.Definition) { d.QuietHours = &campaigns.QuietHours{From: "09:00", To: "24:00"} }},
		{"a priority beyond all", "once", "priority", func(d *campaigns.Definition) { d.Priority = 1001 }},
		{"a budget of nothing", "once", "budget", func(d *campaigns.Definition) { d.Budget = &campaigns.Budget{} }},
		{"no messages", "once", "budget.messages", func(d *campaigns.Definition) { d.Budget = &campaigns.Budget{Messages: ptr(int64(0))} }},
		{"a liability", "once", "budget.liability", func(d *campaigns.Definition) { d.Budget = &campaigns.Budget{Liability: ptr(campaigns.Decimal("5"))} }},
		{"a policy that is none", "once", "late.policy", func(d *campaigns.Definition) { d.Late = &campaigns.Late{Policy: "never", Grace: minute} }},
		{"a policy without grace", "once", "late.grace", func(d *campaigns.Definition) { d.Late = &campaigns.Late{Policy: "once"} }},
		{"a grace of years", "once", "late.grace", func(d *campaigns.Definition) { d.Late = &campaigns.Late{Policy: "each", Grace: tooLong} }},
		{"an audience that must shrink", "once", "guards.growth", func(d *campaigns.Definition) { d.Guards = &campaigns.Guards{Growth: ptr(0.5)} }},
		{"a share above all", "once", "guards.bounces", func(d *campaigns.Definition) { d.Guards = &campaigns.Guards{Bounces: ptr(1.5)} }},
		{"a share that is no number", "once", "guards.failures", func(d *campaigns.Definition) { d.Guards = &campaigns.Guards{Failures: ptr(math.NaN())} }},
		{"a useful time of nothing", "once", "valid_for", func(d *campaigns.Definition) { d.ValidFor = ptr(campaigns.Duration(0)) }},
		{"a pace of what was sent elsewhere", "imported", "pace", func(d *campaigns.Definition) { d.Pace = &campaigns.Pace{PerHour: 1} }},
		{"guards of what was sent elsewhere", "imported", "guards", func(d *campaigns.Definition) { d.Guards = &campaigns.Guards{} }},
	}
}

func TestEachBadValueOfACampaignIsNamedByItsField(t *testing.T) {
	for _, c := range append(spoiltStarts(), spoiltLimits()...) {
		t.Run(c.what, func(t *testing.T) {
			d := sound(c.kind)
			if err := d.Check(); err != nil {
				t.Fatalf("before: %v", err)
			}
			c.spoil(&d)
			if found := fieldsOf(d.Check()); found[c.field] == "" {
				t.Errorf("%q is not named: %v", c.field, found)
			}
		})
	}
}

func TestAllThatACampaignMaySayIsAccepted(t *testing.T) {
	hour := campaigns.Duration(time.Hour)
	for _, kind := range []string{"once", "recurring", "triggered"} {
		d := sound(kind)
		d.SendAt, d.Pace, d.Caps, d.Capped = &campaigns.SendAt{Local: "10:00"}, &campaigns.Pace{SpreadOver: &hour}, &[]campaigns.Cap{}, &campaigns.Capped{RetryFor: hour}
		d.QuietHours, d.Priority = &campaigns.QuietHours{From: "09:00", To: "09:00"}, -1000
		d.Budget, d.Late, d.Guards = &campaigns.Budget{Cost: "100"}, &campaigns.Late{Policy: "skip"}, &campaigns.Guards{Growth: ptr(0.0)}
		d.Audience, d.Reach = &campaigns.Limited{Sample: ptr(1.0)}, campaigns.ReachAny
		d.Variants[0].Fallback = []campaigns.Way{{ChannelID: "main", TemplateID: d.Variants[0].TemplateID}}
		if d.Trigger != nil {
			d.Trigger = &campaigns.Trigger{Event: "cart.left", After: &hour, Unless: "purchase"}
		}
		if err := d.Check(); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestAnOrderIsAnExpressionAndADirection(t *testing.T) {
	for _, c := range []struct {
		text, expression string
		descending, ok   bool
	}{{"total_spend desc", "total_spend", true, true}, {" a + b\tASC ", "a + b", false, true}, {"max(a, b) desc", "max(a, b)", true, true},
		{"(a)desc", "(a)", true, true}, {"desc", "", true, false}, {"total_spend", "", false, false}, {"", "", false, false}, {"a down", "a", false, false}} {
		expression, descending, ok := (&campaigns.Limited{OrderBy: c.text}).Order()
		if ok != c.ok || ok && (expression != c.expression || descending != c.descending) {
			t.Errorf("%q is %q %v %v", c.text, expression, descending, ok)
		}
	}
}

func TestEachBadSettingIsNamedByItsField(t *testing.T) {
	for _, c := range []struct {
		field string
		spoil func(w *campaigns.Workspace)
	}{
		{"caps[1].window", func(w *campaigns.Workspace) { w.Caps[1].Window = 0 }},
		{"caps", func(w *campaigns.Workspace) { w.Caps = make([]campaigns.Cap, 21) }},
		{"quiet_hours.from", func(w *campaigns.Workspace) { w.QuietHours.From = "9:00" }},
		{"global_holdout", func(w *campaigns.Workspace) { w.GlobalHoldout = 0.21 }},
		{"global_holdout", func(w *campaigns.Workspace) { w.GlobalHoldout = -0.01 }},
		{"global_holdout", func(w *campaigns.Workspace) { w.GlobalHoldout = math.NaN() }},
		{"late.policy", func(w *campaigns.Workspace) { w.Late.Policy = "" }},
		{"guards.complaints", func(w *campaigns.Workspace) { w.Guards.Complaints = ptr(-1.0) }},
		{"blackouts[0].to", func(w *campaigns.Workspace) {
			w.Blackouts = []campaigns.Blackout{{From: "2026-02-10", To: "2026-02-09"}}
		}},
		{"blackouts[0].from", func(w *campaigns.Workspace) {
			w.Blackouts = []campaigns.Blackout{{From: "2026-02-30", To: "2026-03-09"}}
		}},
	} {
		w := campaigns.FreshWorkspace()
		if err := w.Check(); err != nil {
			t.Fatalf("a fresh workspace: %v", err)
		}
		c.spoil(&w)
		if found := fieldsOf(w.Check()); found[c.field] == "" {
			t.Errorf("%q is not named: %v", c.field, found)
		}
	}
}
