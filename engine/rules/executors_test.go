package rules_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"beckon/engine/audience"
	"beckon/engine/rules"
)

// An executor finds the customers who match a rule. Every executor must find the same as Rule.Matches.
type executor struct {
	name string
	find func(t *rapid.T, c *crowd, rule *rules.Rule) []int64
}

func executors() []executor {
	return []executor{{"vector", findByVector}}
}

// crowd is customers as every executor can have them: the last record of a number counts, nil is nobody.
type crowd struct {
	schema *rules.Schema
	at     rules.Instant
	put    []audience.Numbered
	last   map[int64]rules.Record
	memory *audience.Memory
}

// someCrowd has few different customers in many places: two chunks, holes, customers who have changed or are gone.
func someCrowd(t *rapid.T, s *rules.Schema) *crowd {
	c := &crowd{schema: s, at: rules.SomeInstant(t), last: map[int64]rules.Record{}}
	different := make([]rules.Record, rapid.IntRange(1, 12).Draw(t, "different"))
	for i := range different {
		different[i] = rules.SomeCustomer(t, s, c.at)
		settle(different[i], c.at)
	}
	turn := rapid.Uint64().Draw(t, "turn")
	next := func(n int) int {
		turn = turn*6364136223846793005 + 1442695040888963407
		return int(turn >> 33 % uint64(n))
	}
	for range rapid.IntRange(1, 300).Draw(t, "customers") {
		no := int64(next(400))
		if next(5) == 0 {
			no += []int64{3900, 65536}[next(2)]
		}
		record := different[next(len(different))]
		if next(20) == 0 {
			record = nil
		}
		if _, again := c.last[no]; again && next(4) > 0 {
			continue
		}
		c.put = append(c.put, audience.Numbered{No: no, Record: record})
		c.last[no] = record
	}
	c.memory = audience.FromRecords(s, c.put)
	return c
}

// settle gives coupons the state that they have at an instant.
func settle(c rules.Record, at rules.Instant) {
	coupons, _ := c["coupons"].([]rules.Record)
	for i, coupon := range coupons {
		expires, ends := coupon["expires_at"].(time.Time)
		switch {
		case i%3 == 0:
			coupon["state"] = "used"
		case ends && expires.Unix() <= at.Now.Unix():
			coupon["state"] = "lapsed"
		default:
			coupon["state"] = "open"
		}
	}
}

func findByVector(t *rapid.T, c *crowd, rule *rules.Rule) []int64 {
	found, err := c.memory.Find(context.Background(), 2, rule.Bind(c.at))
	if err != nil {
		t.Fatal(err)
	}
	nos := found[0].Nos
	for _, no := range found[0].Left {
		if rule.Matches(c.last[no], c.at) {
			nos = append(nos, no)
		}
	}
	slices.Sort(nos)
	return nos
}

func agreeAll(t *rapid.T, s *rules.Schema) {
	c := someCrowd(t, s)
	for range 4 {
		source, schema := rules.WriteRule(t, s, rapid.IntRange(1, 4).Draw(t, "depth"))
		rule, err := rules.Compile(schema, source)
		if err != nil {
			continue
		}
		c.check(t, rule)
	}
}

func (c *crowd) check(t *rapid.T, rule *rules.Rule) {
	for _, x := range executors() {
		got := x.find(t, c, rule)
		for no, record := range c.last {
			want := record != nil && rule.Matches(record, c.at)
			if _, is := slices.BinarySearch(got, no); is != want {
				t.Fatalf("%s\nat %v in %v\ncustomer %d: %s says %v, the VM %v\n%s%v", rule.Source(), c.at.Now, c.at.Zone, no, x.name, is, want, rule.Bind(c.at).Tree, record)
			}
		}
		for _, no := range got {
			if c.last[no] == nil {
				t.Fatalf("%s: %s finds %d, who is nobody", rule.Source(), x.name, no)
			}
		}
	}
}

func TestExecutorsAgreeOnEveryRuleAndCustomer(t *testing.T) {
	rounds := 4
	if testing.Short() || rules.Slower > 1 {
		rounds = 1
	}
	for range rounds {
		rapid.Check(t, func(t *rapid.T) { agreeAll(t, rules.Shop()) })
		if t.Failed() {
			return
		}
	}
}

// rare are rules that are seldom drawn, each with something that is easily worked out wrongly.
func rare() []string {
	return []string{
		`total_spend / credit > 2.5`, `total_spend / visits == 3 || credit * visits > 100`, `total_spend * score >= credit / 1`, `avg_basket >= 0.5`,
		`mean(map(purchases, .amount)) > mean(map(items, .amount))`, `sum(map(events, .props?.ratio)) ** 2 > 1`, `-0.0 == score || score in [visits, 1]`,
		`any(purchases, let p = #; one(items, let i = #; any(lots, .points > i.qty && i.at == p.at)))`,
		`any(purchases, let p = #; len(filter(items, .amount == p.amount)) == len(filter(purchases, .amount == p.amount)))`,
		`let l = vip ? filter(items, .qty > 1) : items; count(l, any(l, .qty != nil)) > 1 && max(map(l, .amount)) != min(map(l, .amount))`,
		`(vip ? tags : interests) == (tags ?? ["a"]) || map(items, .sku) == map(items, lower(.sku))`,
		`any(map(tags, lower(#)), # in interests) || any(filter(interests, # != "a"), let x = #; any(tags, # < x))`,
		`count(map([visits, lifetime_points, 3], # > 2)) == 2 && sum([visits, 2]) > 3`, `any([city, name, "a"], let x = #; any(items, .sku == x))`,
		`month(birthday) == month(today) || age(wedding) > 3 || year(last_purchase_at) == 2026`, `birthday_in(visits) && points_expiring(visits) >= 0`,
		`weekday(seen_at) in [1, nil, 6] && hours_since(seen_at) > -5 && minutes_since(registered_at) % 7 == 0`,
		`name == city || trim(name) startsWith lower(city) || upper(name) contains (skin_type ?? "A")`, `1 < visits < 9 < lifetime_points`,
		`all(messages, .ghost == false || .channel != nil) && none(coupons, .state == "lapsed" && .used_at == nil)`,
		`(vip ? tags : [city, "a"]) == nil || ((sms_consent ? ["a"] : interests) ?? tags) == nil`,
		`any(events, .props?.gift ?? vip ?? false) || "a" in tags || any(events, "a" in .props.labels)`,
	}
}

func TestExecutorsAgreeOnWhatIsRare(t *testing.T) {
	s := rules.Shop()
	var compiled []*rules.Rule
	for _, source := range rare() {
		rule, err := rules.Compile(s, source)
		if err != nil {
			t.Fatalf("%s\n%v", source, err)
		}
		compiled = append(compiled, rule)
	}
	rapid.Check(t, func(t *rapid.T) {
		c := someCrowd(t, s)
		for _, rule := range compiled {
			c.check(t, rule)
		}
	})
}

func FuzzExecutorsAgree(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) { agreeAll(t, rules.Shop()) }))
}
