package engine_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
	"beckon/engine"
)

// yearCampaigns are the twelve: eleven from the shelf, and a newsletter that wants out every day and may once a week.
func (w *yearWorld) yearCampaigns() map[string]campaigns.ID {
	made := map[string]campaigns.ID{}
	w.channels = map[string]string{"points_expiring_30": "email", "points_expiring_7": "email", "points_expiring_1": "sms", "birthday_month": "email", "birthday": "email",
		"lapsed_90": "email", "lapsed_180": "email", "lapsed_365": "email", "next_purchase_due": "sms", "tier_about_to_be_lost": "email", "coupon_about_to_lapse": "sms"}
	for name, channel := range w.channels {
		ready, err := w.engine.MakeReady(w.ctx, "test", name, engine.ReadyChoice{Channel: channel, Language: "en"})
		w.must(err)
		_, err = w.engine.MoveCampaign(w.ctx, "test", ready.Campaign.ID, 0, campaigns.Launch)
		w.must(err)
		made[name] = ready.Campaign.ID
	}
	w.channels["newsletter"] = "email"
	made["newsletter"] = w.campaign(func(d *campaigns.Definition) {
		d.Name, d.Kind, d.Rule = "Newsletter", campaigns.Recurring, `"reader" in tags`
		d.Schedule, d.Entry = &campaigns.Schedule{Cron: "0 10 * * *", Zone: "Asia/Shanghai"}, &campaigns.Entry{OncePer: "week"}
	}).ID
	return made
}

// A step is one of the engine's, by name.
type step struct {
	name string
	do   func(context.Context) (int, error)
}

// until calls steps in turn until none finds anything, and says how much they did.
func (w *yearWorld) until(spent *sync.Map, steps ...step) (worked int, err error) {
	for total := 1; total > 0; worked += total {
		total = 0
		for _, s := range steps {
			began := time.Now()
			did, err := s.do(w.ctx)
			if err != nil {
				return worked, fmt.Errorf("%s: %w", s.name, err)
			}
			took, _ := spent.LoadOrStore(s.name, new(atomic.Int64))
			took.(*atomic.Int64).Add(time.Since(began).Microseconds())
			total += did
		}
	}
	return worked, nil
}

// run makes, selects and queues what has come due, on both nodes at once. One may find nothing while the other is at work:
// it ends when neither found anything.
func (w *yearWorld) run(spent *sync.Map) {
	w.Helper()
	type outcome struct {
		worked int
		err    error
	}
	for worked := 1; worked > 0; {
		worked = 0
		outcomes := make(chan outcome, len(w.nodes))
		for _, node := range w.nodes {
			go func() {
				did, err := w.until(spent, step{"tick", node.Tick}, step{"select", node.Select}, step{"queue", node.Queue})
				outcomes <- outcome{did, err}
			}()
		}
		for range w.nodes {
			o := <-outcomes
			w.must(o.err)
			worked += o.worked
		}
	}
}

// pass lets the year go by, from one thing that is due to the next, for so many days: runs, messages, and what the
// dwellers do, after which the house is kept.
func (w *yearWorld) pass(days int, spent *sync.Map) (moments int) {
	w.Helper()
	end := w.clock.Now().AddDate(0, 0, days)
	life := lifeOf(w.clock.Now().AddDate(0, 0, 1))
	for ; ; moments++ {
		tick, message := w.nextDue()
		next := slices.MinFunc([]time.Time{tick, message, life}, time.Time.Compare)
		if next.After(end) {
			return moments
		}
		if next.After(w.clock.Now()) {
			w.clock.Set(next)
		} else { // something waits for its turn, not for a time of its own
			w.clock.Advance(time.Minute)
		}
		now := w.clock.Now()
		if !life.After(now) {
			w.live(life.Format(time.DateOnly))
			life = life.AddDate(0, 0, 1)
			for _, node := range w.nodes {
				_, err := w.until(spent, step{"house", node.House}, step{"lose", node.Lose})
				w.must(err)
			}
		}
		if !tick.After(now) {
			w.run(spent)
		}
		_, err := w.until(spent, step{"send", w.nodes[moments%2].Send}, step{"finish", w.nodes[moments%2].Finish})
		w.must(err)
	}
}

// nextDue is when the next campaign ticks (or now, when a run is not queued yet) and when the next message is to go; a
// hundred years from now for none.
func (w *yearWorld) nextDue() (tick, message time.Time) {
	w.Helper()
	never := w.clock.Now().AddDate(100, 0, 0)
	w.must(w.sql.QueryRow(w.ctx, `SELECT coalesce((SELECT CASE WHEN EXISTS (SELECT FROM runs WHERE status IN ('planned', 'selecting', 'queueing')) THEN $1 ELSE min(next_run_at) END FROM campaigns), $2),
		coalesce((SELECT min(due_at) FROM outbox), $2)`, w.clock.Now(), never).Scan(&tick, &message))
	return tick, message
}

// A happened is one message as it was kept, or somebody whom a cap stopped.
type happened struct {
	planned  time.Time
	finished time.Time
	status   string
	reason   string // why it was cancelled
	channel  string
	times    int
}

// capCancels says that a cap cancelled a message: reminders that are a service go ahead of marketing which waits for its
// hour, and take its place.
func (h *happened) capCancels() bool {
	return h.status == "cancelled" && strings.HasPrefix(h.reason, "cap:")
}

type moment struct {
	no   int64
	tick int64 // Unix seconds
}

// happenings reads all messages by campaign, and whom caps stopped.
func (w *yearWorld) happenings(made map[string]campaigns.ID) map[string]map[moment]happened {
	w.Helper()
	names := map[campaigns.ID]string{}
	all := map[string]map[moment]happened{}
	for name, id := range made {
		names[id], all[name] = name, map[moment]happened{}
	}
	keep := func(campaign campaigns.ID, no int64, tick time.Time, h happened) {
		at := moment{no, tick.Unix()}
		h.times = all[names[campaign]][at].times + 1
		all[names[campaign]][at] = h
	}
	rows, err := w.sql.Query(w.ctx, `SELECT m.campaign_id, m.no, r.occurrence, coalesce(m.planned_at, m.queued_at), coalesce(m.finished_at, 'epoch'), m.status, CASE WHEN m.status = 'cancelled' THEN coalesce(m.history->-1->>'detail', '') ELSE '' END, m.channel
		FROM messages m JOIN runs r ON r.id = m.run_id`)
	w.must(err)
	var campaign, run campaigns.ID
	var no int64
	var tick time.Time
	var h happened
	_, err = pgx.ForEachRow(rows, []any{&campaign, &no, &tick, &h.planned, &h.finished, &h.status, &h.reason, &h.channel}, func() error { keep(campaign, no, tick, h); return nil })
	w.must(err)
	type stop struct {
		run, campaign campaigns.ID
		gate          string
		tick          time.Time
	}
	var stops []stop
	rows, err = w.sql.Query(w.ctx, `SELECT DISTINCT a.run_id, r.campaign_id, a.gate, r.occurrence FROM audiences a JOIN runs r ON r.id = a.run_id WHERE a.gate IN ('cap', 'ghost:cap')`)
	w.must(err)
	var gate string
	_, err = pgx.ForEachRow(rows, []any{&run, &campaign, &gate, &tick}, func() error { stops = append(stops, stop{run, campaign, gate, tick}); return nil })
	w.must(err)
	for _, s := range stops {
		for _, no := range w.atGate(s.run, campaigns.Gate(s.gate)) {
			keep(s.campaign, no, s.tick, happened{status: "capped"})
		}
	}
	return all
}

// A verdict counts what went against the calendar, and keeps the first few.
type verdict struct {
	counts map[string]int
	first  map[string][]string
}

func (v *verdict) against(what, format string, args ...any) {
	v.counts[what]++
	if len(v.first[what]) < 3 {
		v.first[what] = append(v.first[what], fmt.Sprintf(format, args...))
	}
}

// A mailbox is what one dweller got: when the marketing that caps bound was planned, when all that caps count was, and
// what caps stopped.
type mailbox struct {
	marketing, counted map[string][]time.Time
	capped             []happened
	displaced          []happened // by caps after they were queued
}

// follow takes one dweller through the year, and what is theirs out of what happened.
func (w *yearWorld) follow(v *verdict, p *dweller, truth map[string][]expected, got map[string]map[moment]happened, table map[string]map[string]int) mailbox {
	box := mailbox{marketing: map[string][]time.Time{}, counted: map[string][]time.Time{}}
	for name, dues := range truth {
		for len(dues) > 0 {
			d := dues[0]
			dues = dues[1:]
			at := moment{p.no, d.tick.Unix()}
			h, is := got[name][at]
			delete(got[name], at)
			if !is {
				v.against(name+": somebody was left out", "customer %d (%s), tick %s", p.no, p.zone, d.tick)
				continue
			}
			table[name][h.status]++
			v.message(name, p, d, h)
			switch {
			case h.status == "capped":
				box.capped = append(box.capped, happened{planned: d.planned, channel: w.channels[name]})
				if len(d.later) > 0 {
					dues = append(chained(slices.Clone(d.later)), dues...)
				}
				continue
			case h.capCancels():
				box.displaced = append(box.displaced, h)
			case h.status != "cancelled" && !isService(name):
				box.marketing[h.channel] = append(box.marketing[h.channel], h.planned)
			}
			box.counted[h.channel] = append(box.counted[h.channel], h.planned)
		}
	}
	return box
}

func isService(name string) bool {
	return slices.Contains([]string{"points_expiring_30", "points_expiring_7", "points_expiring_1", "tier_about_to_be_lost", "coupon_about_to_lapse"}, name)
}

func (w *yearWorld) judge(c calendar, made map[string]campaigns.ID) map[string]map[string]int {
	w.Helper()
	v := &verdict{map[string]int{}, map[string][]string{}}
	got, table := w.happenings(made), map[string]map[string]int{}
	for name := range made {
		table[name] = map[string]int{}
	}
	zones := map[int64]*time.Location{}
	for _, p := range w.people {
		zones[p.no] = p.zone
		lives := w.follow(v, p, c.truth(p), got, table)
		for _, limit := range breaks(lives.marketing) {
			v.against(fmt.Sprintf("the cap of %d %s in %s is broken", limit.Max, limit.Channel, limit.Window), "customer %d: %v", p.no, lives.marketing)
		}
		for _, stop := range lives.capped {
			if !filled(lives.counted, stop.channel, stop.planned, 0) {
				v.against("a cap stopped somebody whom none should", "customer %d, planned %s, others %v", p.no, stop.planned, lives.counted)
			}
		}
		for _, h := range lives.displaced {
			if !filled(lives.counted, h.channel, h.planned, 1) {
				v.against("a cap cancelled what had its place", "customer %d, planned %s, all %v", p.no, h.planned, lives.counted)
			}
		}
	}
	for name, left := range got {
		for at, h := range left {
			if at.tick > c.to.Unix() {
				continue
			}
			v.against(name+": somebody was found whom the calendar does not name", "customer %d (%s), tick %s, %s", at.no, zones[at.no], time.Unix(at.tick, 0).UTC(), h.status)
		}
	}
	for _, what := range slices.Sorted(maps.Keys(v.counts)) {
		w.Errorf("%s: %d times, such as %s", what, v.counts[what], strings.Join(v.first[what], "; "))
	}
	return table
}

// message holds one message against what was due.
func (v *verdict) message(name string, p *dweller, d expected, h happened) {
	if h.times > 1 {
		v.against(name+": somebody got it twice", "customer %d, tick %s", p.no, d.tick)
	}
	if h.status == "capped" {
		return
	}
	if !h.planned.Equal(d.planned) {
		v.against(name+": it was planned for another time", "customer %d (%s): %s instead of %s", p.no, p.zone, h.planned.In(p.zone), d.planned.In(p.zone))
	}
	want := "sent"
	if d.cancelled || h.capCancels() && !isService(name) {
		want = "cancelled"
	}
	if h.status != want && h.status != "ghost" {
		v.against(name+": it is "+h.status+" and should be "+want, "customer %d (%s), planned %s", p.no, p.zone, d.planned)
	}
	if local := h.finished.In(p.zone); h.status == "sent" && (local.Hour() < 9 || local.Hour() >= 21) {
		v.against(name+": it was sent in quiet hours", "customer %d (%s) at %s", p.no, p.zone, local)
	}
	if local := h.finished.In(p.zone); h.status == "sent" && name == "birthday" && local.Format("01-02") != p.birthday && p.birthday != "02-29" {
		v.against("birthday: it came a day off", "customer %d (%s), born %s, at %s", p.no, p.zone, p.birthday, local)
	}
}

// tabled is the year as a table, a line for each campaign.
func (w *yearWorld) tabled(made map[string]campaigns.ID, table map[string]map[string]int, to time.Time) string {
	w.Helper()
	var out strings.Builder
	lines := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(lines, "campaign\truns\tby\tfound\tsent\tghosts\tcancelled\tcapped\tother\t")
	for _, name := range slices.Sorted(maps.Keys(made)) {
		var runs, unfinished int
		var executors string
		w.must(w.sql.QueryRow(w.ctx, `SELECT count(*), count(*) FILTER (WHERE status <> 'done'), coalesce(string_agg(DISTINCT executor, ' '), '')
			FROM runs WHERE campaign_id = $1 AND occurrence <= $2`, made[name], to).Scan(&runs, &unfinished, &executors))
		if unfinished > 0 {
			w.Errorf("%s: %d of %d runs are not done", name, unfinished, runs)
		}
		n, found := table[name], 0
		for _, times := range n {
			found += times
		}
		fmt.Fprintf(lines, "%s\t%d\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t\n", name, runs, executors, found, n["sent"], n["ghost"], n["cancelled"], n["capped"],
			found-n["sent"]-n["ghost"]-n["cancelled"]-n["capped"])
	}
	w.must(lines.Flush())
	return out.String()
}

func TestAVirtualYearOfTwelveCampaignsGoesByAsTheCalendarSays(t *testing.T) {
	began := time.Now()
	w := newYear(t)
	w.noGlobalHoldout()
	made, from := w.yearCampaigns(), w.clock.Now()
	settled, spent := time.Now(), &sync.Map{}
	moments := w.pass(yearDays+2, spent) // what the last ticks planned goes out as well
	passed, to := time.Now(), from.AddDate(0, 0, yearDays)
	table := w.judge(calendar{from, to, w.shanghai}, made)
	var steps []string
	spent.Range(func(name, took any) bool {
		steps = append(steps, fmt.Sprintf("%s %s", name, (time.Duration(took.(*atomic.Int64).Load())*time.Microsecond).Round(time.Millisecond)))
		return true
	})
	slices.Sort(steps)
	t.Logf("%d customers, %d campaigns, %d days: made in %s, passed in %s (%d moments; %s), judged in %s\n%s", yearCustomers, len(made), yearDays, settled.Sub(began).Round(time.Millisecond),
		passed.Sub(settled).Round(time.Millisecond), moments, strings.Join(steps, ", "), time.Since(passed).Round(time.Millisecond), w.tabled(made, table, to))
}
