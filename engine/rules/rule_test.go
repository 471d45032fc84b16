package rules

import (
	"testing"
	"time"
)

func shop() *Schema {
	return NewSchema(2, []Attribute{
		{"skin_type", Text}, {"score", Number}, {"visits", Int}, {"credit", Money}, {"vip", Bool}, {"wedding", DateType},
		{"seen_at", Time}, {"interests", TextList},
		{"event.browse.sku", Text}, {"event.browse.seconds", Int}, {"event.cart.value", Money}, {"event.cart.ratio", Number},
		{"event.cart.gift", Bool}, {"event.cart.due", DateType}, {"event.cart.since", Time}, {"event.cart.labels", TextList},
	})
}

func shanghai(t testing.TB) *time.Location { return zone(t, "Asia/Shanghai") }

func zone(t testing.TB, name string) *time.Location {
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func noon(t testing.TB) Instant {
	return Instant{Now: time.Date(2026, 11, 21, 12, 0, 0, 0, shanghai(t)), Zone: shanghai(t)}
}

func mustCompile(t testing.TB, source string) *Rule {
	t.Helper()
	r, err := Compile(shop(), source)
	if err != nil {
		t.Fatalf("%s\n%v", source, err)
	}
	return r
}

// lin is a customer with something in every history.
func lin(t testing.TB) Record {
	at := func(daysAgo int) time.Time { return noon(t).Now.AddDate(0, 0, -daysAgo) }
	day := func(fromNow int) Date { return DateOf(noon(t).Now, shanghai(t)) + Date(fromNow) }
	return Record{
		"id": "c1", "name": "林 Lin", "gender": "f", "birthday": MakeDate(1990, 11, 24), "city": "Shanghai", "tier": "gold",
		"registered_at": at(400), "sms_consent": true, "tags": []string{"vip-event", "beauty"}, "purchase_count": int64(3),
		"total_spend": int64(70000), "last_purchase_at": at(91), "skin_type": "oily", "score": 4.5, "visits": int64(7),
		"purchases": []Record{
			{"at": at(300), "order_id": "o1", "store": "Bund", "amount": int64(20000)},
			{"at": at(200), "order_id": "o2", "store": "Bund", "amount": int64(20000)},
			{"at": at(91), "order_id": "o3", "amount": int64(30000)},
			{"at": at(-1), "order_id": "o4", "amount": int64(99999)},
		},
		"items": []Record{
			{"at": at(91), "sku": "s1", "brand": "Olay", "qty": int64(2), "amount": int64(30000)},
			{"at": at(200), "sku": "s2", "brand": "Nivea", "qty": int64(1), "amount": int64(20000)},
		},
		"lots": []Record{
			{"earned_on": day(-90), "active_from": day(-80), "last_valid_on": day(20), "points": int64(100), "remaining": int64(40)},
			{"earned_on": day(-90), "active_from": day(-80), "points": int64(100), "remaining": int64(5)},
			{"earned_on": day(-9), "active_from": day(1), "points": int64(100), "remaining": int64(1000)},
			{"earned_on": day(-90), "active_from": day(-80), "last_valid_on": day(-1), "points": int64(1), "remaining": int64(70)},
		},
		"events": []Record{{"at": at(2), "name": "browse", "props": map[string]any{"sku": "s1", "seconds": 12.0, "value": "19.90", "labels": []any{"a"}}}},
	}
}

func TestRulesOfTheHandbookMatchAsTheySay(t *testing.T) {
	for source, want := range map[string]bool{
		`month(birthday) == month(today)`: true,
		`tier in ["gold", "platinum"] && avg_basket >= 200 && days_since(last_purchase_at) > 90`:      true,
		`sum(filter(items, .brand == "Olay" && days_since(.at) <= 180), .amount) >= 300`:              true,
		`any(lots, .remaining > 0 && days_until(.last_valid_on) in 0..30)`:                            true,
		`count(purchases, days_since(.at) <= 365) >= 4 && none(messages, days_since(.sent_at) <= 14)`: false,
		`count(purchases, days_since(.at) <= 365) == 3 && none(messages, days_since(.sent_at) <= 14)`: true,
		`birthday_in(7) && (city == "Shanghai" || "vip-event" in tags) && skin_type != "dry"`:         true,
		`birthday_in(2)`:                               false,
		`birthday_in(3)`:                               true,
		`points == 45`:                                 true,
		`points_expiring(20) == 40`:                    true,
		`points_expiring(19) == 0`:                     true,
		`avg_basket == 233.33`:                         true,
		`total_spend == 700`:                           true,
		`total_spend * 1.5 > 1049.99`:                  true,
		`max(map(purchases, .amount)) == 300`:          true,
		`mean(map(purchases, .amount)) > 233.33`:       true,
		`len(purchases) == 3 && count(purchases) == 3`: true,
		`any(events, .props.sku == "s1" && .props.seconds == 12 && .props.value == 19.9 && "a" in .props.labels)`: true,
		`let big = 250; any(purchases, .amount > big)`:                                                            true,
		`wedding == nil && !(wedding < today) && wedding != today`:                                                true,
		`(wedding ?? date("2020-02-29")) == date("2020-02-29")`:                                                   true,
		`len(name) == 5 && name startsWith "林"`:                                                                   true,
		`name matches "^林 L"`:                                 true,
		`age(birthday) == 35`:                                 true,
		`next_birthday == date("2026-11-24")`:                 true,
		`1 < visits < 9`:                                      true,
		`visits / 2 == 3.5`:                                   true,
		`time("2026-11-21T12:00") == now`:                     true,
		`interests == nil && len(interests) == 0`:             true,
		`if vip { true } else { visits > 3 }`:                 true,
		`purchases | filter(.store == "Bund") | count() == 2`: true,
	} {
		t.Run(source, func(t *testing.T) {
			r := mustCompile(t, source)
			got, err := r.evaluate(lin(t), noon(t))
			if err != nil || got != want {
				t.Errorf("got %v, %v; want %v", got, err, want)
			}
		})
	}
}
