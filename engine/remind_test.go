package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
	"beckon/engine/rules"
	"beckon/templates"
)

// shelf are the ready-made campaigns of a workspace by name.
func (w *world) shelf(language string) map[string]engine.ReadyMade {
	w.Helper()
	all, err := w.engine.ReadyMade(w.ctx, language)
	w.must(err)
	byName := map[string]engine.ReadyMade{}
	for _, ready := range all {
		byName[ready.Name] = ready
	}
	return byName
}

// A hand is a customer made by hand, and whether a ready-made campaign's rule is to find them.
type hand struct {
	about string
	in    bool
	who   rules.Record
}

func on(text string) rules.Date { return rules.DateOf(at(text+"T00:00:00Z"), time.UTC) }

func at(text string) time.Time {
	when, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return when
}

func lotsOf(lots ...rules.Record) rules.Record { return rules.Record{"lots": lots} }

func lot(remaining int64, last string) rules.Record {
	return rules.Record{"earned_on": on("2026-01-01"), "active_from": on("2026-01-01"), "last_valid_on": on(last), "points": int64(1000), "remaining": remaining}
}

func couponsOf(coupons ...rules.Record) rules.Record { return rules.Record{"coupons": coupons} }

func coupon(expires string, used bool) rules.Record {
	return rules.Record{"offer": "o", "issued_at": at("2026-11-01T00:00:00Z"), "expires_at": at(expires), "used": used, "state": map[bool]string{true: "used", false: "open"}[used]}
}

// bought is a customer with n purchases between two times.
func bought(n int64, first, last string) rules.Record {
	return rules.Record{"purchase_count": n, "first_purchase_at": at(first), "last_purchase_at": at(last)}
}

func tier(until string, shortfall float64) rules.Record {
	return rules.Record{"tier": "gold", "tier_until": on(until), "tier_shortfall": shortfall}
}

// hands are customers just inside and just outside of each rule, at ten in the morning of 2026-12-01 in Shanghai.
func hands() map[string][]hand {
	future := lot(500, "2026-12-31")
	future["active_from"] = on("2026-12-02")
	never := lot(500, "2026-12-31")
	delete(never, "last_valid_on")
	return map[string][]hand{
		"points_expiring_30": {{"the day itself", true, lotsOf(lot(500, "2026-12-31"))}, {"a day later", false, lotsOf(lot(500, "2027-01-01"))}, {"a day earlier", false, lotsOf(lot(500, "2026-12-30"))},
			{"the least that is worth it", true, lotsOf(lot(100, "2026-12-31"))}, {"a point less", false, lotsOf(lot(99, "2026-12-31"))}, {"spent", false, lotsOf(lot(0, "2026-12-31"))},
			{"two lots of one day", true, lotsOf(lot(50, "2026-12-31"), lot(50, "2026-12-31"))}, {"two lots of two days", false, lotsOf(lot(60, "2026-12-31"), lot(60, "2026-12-30"))},
			{"beside an earlier lot", true, lotsOf(lot(500, "2026-12-03"), lot(500, "2026-12-31"))}, {"not yet active", false, lotsOf(future)}, {"never lapses", false, lotsOf(never)}, {"no points", false, rules.Record{}}},
		"points_expiring_7": {{"the day itself", true, lotsOf(lot(500, "2026-12-08"))}, {"a day later", false, lotsOf(lot(500, "2026-12-09"))}, {"a day earlier", false, lotsOf(lot(500, "2026-12-07"))}},
		"points_expiring_1": {{"the day itself", true, lotsOf(lot(500, "2026-12-02"))}, {"a day later", false, lotsOf(lot(500, "2026-12-03"))}, {"today", false, lotsOf(lot(500, "2026-12-01"))}},
		"birthday_month":    {{"first of it", true, rules.Record{"birthday": on("1990-12-01")}}, {"last of it", true, rules.Record{"birthday": on("1990-12-31")}}, {"the day before", false, rules.Record{"birthday": on("1990-11-30")}}, {"none", false, rules.Record{}}},
		"lapsed_90":         {{"the day itself", true, bought(1, "2026-09-01T15:00:00Z", "2026-09-01T15:00:00Z")}, {"a day less", false, bought(1, "2026-09-02T16:00:00Z", "2026-09-02T16:00:00Z")}, {"a week later", false, bought(1, "2026-08-26T00:00:00Z", "2026-08-26T00:00:00Z")}, {"never bought", false, rules.Record{}}},
		"lapsed_180":        {{"the day itself", true, bought(1, "2026-06-04T01:00:00Z", "2026-06-04T01:00:00Z")}, {"a day less", false, bought(1, "2026-06-05T01:00:00Z", "2026-06-05T01:00:00Z")}},
		"lapsed_365":        {{"the day itself", true, bought(1, "2025-12-01T01:00:00Z", "2025-12-01T01:00:00Z")}, {"a day less", false, bought(1, "2025-12-02T01:00:00Z", "2025-12-02T01:00:00Z")}},
		"next_purchase_due": {{"every 30 days, 30 ago", true, bought(3, "2026-09-02T01:00:00Z", "2026-11-01T01:00:00Z")}, {"every 30 days, 29 ago", false, bought(3, "2026-09-03T01:00:00Z", "2026-11-02T01:00:00Z")},
			{"every 30 days, 37 ago", false, bought(3, "2026-08-26T01:00:00Z", "2026-10-25T01:00:00Z")}, {"two purchases", false, bought(2, "2026-10-02T01:00:00Z", "2026-11-01T01:00:00Z")},
			{"every 6 days", false, bought(3, "2026-11-13T01:00:00Z", "2026-11-25T01:00:00Z")}, {"every 7 days", true, bought(3, "2026-11-10T01:00:00Z", "2026-11-24T01:00:00Z")}, {"never bought", false, rules.Record{"purchase_count": int64(0)}}},
		"tier_about_to_be_lost": {{"the day itself", true, tier("2026-12-31", 300)}, {"a day later", false, tier("2027-01-01", 300)}, {"reached", false, tier("2026-12-31", 0)}, {"less than the least", false, tier("2026-12-31", 0.5)}, {"no tier", false, rules.Record{}}},
		"coupon_about_to_lapse": {{"midnight in three days", true, couponsOf(coupon("2026-12-03T16:00:00Z", false))}, {"the last second of that day", true, couponsOf(coupon("2026-12-04T15:59:59Z", false))},
			{"a day later", false, couponsOf(coupon("2026-12-04T16:00:00Z", false))}, {"a second before that day", false, couponsOf(coupon("2026-12-03T15:59:59Z", false))}, {"used", false, couponsOf(coupon("2026-12-03T16:00:00Z", true))},
			{"one used, one not", true, couponsOf(coupon("2026-12-03T16:00:00Z", true), coupon("2026-12-03T16:00:00Z", false))}, {"no coupons", false, rules.Record{}}},
		"welcome":               {{"just joined", true, rules.Record{"registered_at": at("2026-12-01T01:00:00Z")}}, {"no date", true, rules.Record{}}, {"imported", false, rules.Record{"registered_at": at("2026-11-28T01:00:00Z")}}},
		"thanks_first_purchase": {{"the first", true, bought(1, "2026-12-01T01:00:00Z", "2026-12-01T01:00:00Z")}, {"the second", false, bought(2, "2026-11-01T01:00:00Z", "2026-12-01T01:00:00Z")}, {"imported history", false, bought(1, "2026-10-01T01:00:00Z", "2026-10-01T01:00:00Z")}},
		"abandoned_basket":      {{"nothing bought", true, rules.Record{}}, {"bought since", false, bought(1, "2026-12-01T00:01:00Z", "2026-12-01T00:01:00Z")}, {"bought before", true, bought(1, "2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z")}},
	}
}

func TestEachReadyMadeRuleFindsThoseJustInsideItAndNobodyJustOutside(t *testing.T) {
	w := newWorld(t, "2026-12-01T10:00:00+08:00")
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	w.must(err)
	instant := rules.Instant{Now: w.clock.Now(), Zone: shanghai}
	byHand := hands()
	for name, ready := range w.shelf("en") {
		if name == "birthday" {
			continue // TestABirthdayIsGreetedOnItsDayInEveryZone
		}
		rule, err := rules.Compile(rules.NewSchema(2, nil), ready.Campaign.Rule)
		w.must(err)
		if len(byHand[name]) < 2 {
			t.Errorf("%s has nobody just inside or outside", name)
		}
		for _, h := range byHand[name] {
			if rule.Matches(h.who, instant) != h.in {
				t.Errorf("%s, %s: found is %t", name, h.about, !h.in)
			}
		}
	}
}

func TestAReminderIsCancelledForThoseWhoActedInTheMeantime(t *testing.T) {
	w := newWorld(t, "2026-12-01T10:00:00+08:00")
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	w.must(err)
	late := rules.Instant{Now: w.clock.Now().Add(23 * time.Hour), Zone: shanghai} // when quiet hours moved the message to the next morning
	for name, h := range map[string][2]rules.Record{
		"points_expiring_30":    {lotsOf(lot(500, "2026-12-31")), lotsOf(lot(0, "2026-12-31"), lot(500, "2027-06-30"))},
		"points_expiring_7":     {lotsOf(lot(100, "2026-12-08")), lotsOf(lot(99, "2026-12-08"))},
		"points_expiring_1":     {lotsOf(lot(500, "2026-12-02")), lotsOf(lot(0, "2026-12-02"))},
		"lapsed_90":             {bought(4, "2026-01-01T01:00:00Z", "2026-09-02T01:00:00Z"), bought(5, "2026-01-01T01:00:00Z", "2026-12-01T05:00:00Z")},
		"next_purchase_due":     {bought(3, "2026-09-02T01:00:00Z", "2026-11-01T01:00:00Z"), bought(4, "2026-09-02T01:00:00Z", "2026-12-01T05:00:00Z")},
		"tier_about_to_be_lost": {tier("2026-12-31", 300), tier("2027-12-31", 300)},
		"coupon_about_to_lapse": {couponsOf(coupon("2026-12-03T16:00:00Z", false)), couponsOf(coupon("2026-12-03T16:00:00Z", true))},
		"abandoned_basket":      {rules.Record{}, bought(1, "2026-12-02T00:30:00Z", "2026-12-02T00:30:00Z")},
		"thanks_first_purchase": {bought(1, "2026-12-01T01:00:00Z", "2026-12-01T01:00:00Z"), {"purchase_count": int64(0)}},
	} {
		still, err := rules.Compile(rules.NewSchema(2, nil), w.shelf("zh")[name].Campaign.Still)
		w.must(err)
		if !still.Matches(h[0], late) || still.Matches(h[1], late) {
			t.Errorf("%s: who waits is %t, who acted is %t", name, still.Matches(h[0], late), still.Matches(h[1], late))
		}
	}
}

// zones are all those of the machine's data that people can choose.
func zones(t *testing.T) []string {
	t.Helper()
	names := []string{"Asia/Shanghai", "America/New_York", "Europe/Berlin", "Australia/Sydney", "Australia/Lord_Howe", "Asia/Kolkata", "Asia/Kathmandu", "Pacific/Auckland", "Pacific/Chatham",
		"Pacific/Kiritimati", "Pacific/Tongatapu", "Pacific/Apia", "Pacific/Pago_Pago", "Pacific/Midway", "Pacific/Niue", "Pacific/Honolulu", "Pacific/Marquesas", "America/Anchorage", "America/Adak",
		"America/St_Johns", "America/Sao_Paulo", "Atlantic/Azores", "Africa/Cairo", "Asia/Tehran", "Europe/London", "UTC", "US/Samoa"}
	for hours := -12; hours <= 14; hours++ {
		names = append(names, fmt.Sprintf("Etc/GMT%+d", -hours))
	}
	for i, name := range names {
		if name == "Etc/GMT+0" {
			names[i] = "Etc/GMT"
		}
	}
	return names
}

// ticksOf are those of a schedule between two times.
func ticksOf(schedule *campaigns.Schedule, from, to time.Time) (ticks []time.Time) {
	for tick, err := schedule.Next(from); err == nil && tick.Before(to); tick, err = schedule.Next(tick) {
		ticks = append(ticks, tick)
	}
	return ticks
}

// greeted are the days on which the birthday campaign's messages come to a customer, by their own clock, from its ticks: the first ten in the morning at or after a tick that finds them, unless they entered before.
func greeted(rule *rules.Rule, key *rules.Value, ticks []time.Time, record rules.Record, zone *time.Location) (days []string) {
	entered := map[string]bool{}
	for _, tick := range ticks {
		instant := rules.Instant{Now: tick, Zone: time.UTC}
		if !rule.Matches(record, instant) || entered[key.Text(record, instant)] {
			continue
		}
		entered[key.Text(record, instant)] = true
		local := tick.In(zone)
		sent := campaigns.Place(time.Date(local.Year(), local.Month(), local.Day(), 10, 0, 0, 0, time.UTC), zone)
		if sent.Before(tick) {
			sent = campaigns.Place(time.Date(local.Year(), local.Month(), local.Day()+1, 10, 0, 0, 0, time.UTC), zone)
		}
		days = append(days, sent.In(zone).Format(time.DateOnly))
	}
	return days
}

// Elsewhere birthdays come a day off for those who live far from the server, and once in a lifetime.
func TestABirthdayIsGreetedOnItsDayInEveryZone(t *testing.T) {
	w := newWorld(t, "2026-12-01T10:00:00+08:00")
	ready := w.shelf("en")["birthday"].Campaign
	rule, err := rules.Compile(rules.NewSchema(2, nil), ready.Rule)
	w.must(err)
	key, err := rules.CompileValue(rules.NewSchema(2, nil), ready.Entry.OnceFor)
	w.must(err)
	var names []string
	for _, name := range zones(t) {
		if _, err := time.LoadLocation(name); err == nil {
			names = append(names, name)
		}
	}
	ticks := ticksOf(ready.Schedule, at("2026-06-15T12:00:00Z"), at("2028-06-15T12:00:00Z"))
	birthdays := []string{"2000-01-01", "2000-01-05", "2000-12-31", "2000-02-28", "2000-02-29", "2000-03-01", "2000-03-29", "2000-04-05", "2000-10-25", "2000-11-01"}
	for _, name := range names {
		zone, err := time.LoadLocation(name)
		w.must(err)
		for _, birthday := range birthdays {
			record := rules.Record{"birthday": on(birthday), "timezone": name}
			var want []string
			for year := 2026; year <= 2028; year++ {
				day := fmt.Sprint(year) + birthday[4:]
				if birthday[4:] == "-02-29" && year != 2028 {
					day = fmt.Sprint(year) + "-02-28"
				}
				if day > "2026-06-17" && day < "2028-06-13" {
					want = append(want, day)
				}
			}
			if got := greeted(rule, key, ticks, record, zone); !slices.Equal(got, want) {
				t.Errorf("%s, born on %s: greeted on %v, the birthdays are %v", name, birthday, got, want)
			}
		}
	}
}

// Since 2022 no zone but Kiritimati is 14 hours ahead at any time of the year.
func TestABirthdayIsGreetedOnItsDayAlways(t *testing.T) {
	w := newWorld(t, "2026-12-01T10:00:00+08:00")
	ready := w.shelf("en")["birthday"].Campaign
	rule, err := rules.Compile(rules.NewSchema(2, nil), ready.Rule)
	w.must(err)
	key, err := rules.CompileValue(rules.NewSchema(2, nil), ready.Entry.OnceFor)
	w.must(err)
	names := zones(t)
	rapid.Check(t, func(t *rapid.T) {
		zone, err := time.LoadLocation(rapid.SampledFrom(names).Draw(t, "zone"))
		if err != nil {
			t.Skip("this machine does not know the zone")
		}
		born := at("1950-01-01T00:00:00Z").AddDate(0, 0, rapid.IntRange(0, 55*365).Draw(t, "born"))
		record := rules.Record{"birthday": rules.DateOf(born, time.UTC), "timezone": zone.String()}
		year := rapid.IntRange(2024, 2040).Draw(t, "year")
		from := time.Date(year, time.January, 3+rapid.IntRange(0, 360).Draw(t, "from"), 12, 0, 0, 0, time.UTC)
		got := greeted(rule, key, ticksOf(ready.Schedule, from, from.AddDate(1, 0, 4)), record, zone)
		if len(got) == 0 || len(got) > 2 {
			t.Fatalf("greeted on %v in a year and four days", got)
		}
		for _, day := range got {
			want := born.Format("01-02")
			if leap := day[:4] + "-02-29"; want == "02-29" {
				if _, err := time.Parse(time.DateOnly, leap); err != nil {
					want = "02-28"
				}
			}
			if day[5:] != want {
				t.Fatalf("born on %s, greeted on %s in %s", want, day, zone)
			}
		}
	})
}

// typical are values as templates print them.
func typical(name string, attributes map[string]string) map[string]any {
	customer := map[string]any{"name": name, "tier": "platinum", "tier_until": "2026-12-31", "tier_shortfall": 1250.5, "language": "en"}
	for attribute := range attributes {
		switch {
		case strings.HasPrefix(attribute, "points_lapsing"):
			customer[attribute] = int64(12880)
		case strings.HasPrefix(attribute, "points_lapse_on"):
			customer[attribute] = "2026-12-31"
		default:
			customer[attribute] = "2026-12-04T00:00:00+08:00"
		}
	}
	return map[string]any{"customer": customer, "links": map[string]any{"unsubscribe": "https://example.com/u/x"}, "code": "ABCD-EFGH-JKLM-N",
		"offer": map[string]any{"name": "满100减20"}}
}

func TestReadyMadeWordsPrintAndAnSMSFitsInOneSegment(t *testing.T) {
	w := newWorld(t, "2026-12-01T10:00:00+08:00")
	for _, language := range []string{"zh", "en"} {
		name := map[string]string{"zh": "欧阳娜娜子", "en": "Alexandra Featherstone"}[language]
		for _, ready := range w.shelf(language) {
			var attributes []string
			for attribute := range ready.Attributes {
				attributes = append(attributes, attribute)
			}
			known := templates.Known(append(attributes, "name", "tier", "tier_until", "tier_shortfall", "language"))
			mail, err := templates.Parse(templates.Source{Channel: "email", Parts: ready.Email}, known)
			w.must(err)
			values := typical(name, ready.Attributes)
			parts, err := mail.Render(values)
			w.must(err)
			for part, text := range parts {
				if strings.ContainsAny(text, "[]") || strings.Contains(text, "{{") || part != "subject" && !strings.Contains(text, "https://example.com/u/x") {
					t.Errorf("%s in %s, %s:\n%s", ready.Name, language, part, text)
				}
			}
			short, err := templates.Parse(templates.Source{Channel: "sms", Parts: ready.SMS}, known)
			w.must(err)
			text, err := short.Render(values)
			w.must(err)
			segments := templates.Segments(text["text"])
			t.Logf("%s %-22s %d segment(s), %3d characters (%s): %s", language, ready.Name, segments.Segments, segments.Characters, segments.Encoding, text["text"])
			if segments.Segments != 1 || (language == "en") != (segments.Encoding == "gsm7") {
				t.Errorf("%s takes %d segments in %s: %s", ready.Name, segments.Segments, segments.Encoding, text["text"])
			}
			delete(values["customer"].(map[string]any), "name")
			if _, err := mail.Render(values); err != nil {
				t.Errorf("%s cannot be said to somebody without a name: %v", ready.Name, err)
			}
		}
	}
}

func TestWordsInBothLanguagesFollowTheCustomer(t *testing.T) {
	w := newWorld(t, "2026-11-30T10:00:00+08:00")
	w.customers(3, func(i int, c *campaigns.Customer) {
		born, languages := time.Date(1990, 12, 5, 0, 0, 0, 0, time.UTC), []*string{nil, new(string), new(string)}
		*languages[1], *languages[2] = "en-GB", "zh"
		c.Birthday, c.Language = &born, languages[i]
	})
	none := 0.0
	w.noGlobalHoldout()
	made, err := w.engine.MakeReady(w.ctx, "test", "birthday_month", engine.ReadyChoice{Channel: campaigns.Email, Language: "both", Holdout: &none})
	w.must(err)
	_, err = w.engine.MoveCampaign(w.ctx, "test", made.Campaign.ID, 0, campaigns.Launch)
	w.must(err)
	w.clock.Set(at("2026-12-01T01:00:00Z"))
	w.settle()
	w.clock.Set(at("2026-12-01T02:00:00Z"))
	w.settle()
	messages := w.messages(store.MessageFilter{Campaign: made.Campaign.ID})
	if len(messages) != 3 {
		t.Fatalf("%d messages", len(messages))
	}
	for _, m := range messages {
		if english := strings.Contains(m.Content["subject"], "birthday month"); english != (m.CustomerID == "c1") {
			t.Errorf("%s reads %s", m.CustomerID, m.Content["subject"])
		}
	}
}

// noGlobalHoldout makes everybody be sent to.
func (w *world) noGlobalHoldout() {
	w.Helper()
	w.update(func(tx *store.Tx) error {
		settings, err := tx.LockWorkspace(w.ctx)
		if err != nil {
			return err
		}
		settings.GlobalHoldout = 0
		return tx.SaveWorkspace(w.ctx, settings)
	})
}
