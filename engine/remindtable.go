package engine

import (
	"time"

	"beckon/campaigns"
)

// A reminder is a ready-made campaign as data. In its texts, [days] stands for how many days ahead it looks, [minimum] for
// the least that is worth a message, [late] for the last day on which a rule still finds who was missed, [zone] for the
// workspace's zone.
//
// Why a campaign for each of 30, 7 and 1 days before points expire: one run is one entry and one message for a customer, so
// on a day on which one lot is 30 days from its end and another is one, a single campaign would lose one of them. The key
// of the entry is the lot's last valid day, and the campaign is the step.
//
// Why a rule asks for exactly 30 days and not for a stretch: a tick that was missed is made up as of its own day (Late), so
// nobody is lost and no two lots come into each other's way.
type reminder struct {
	name  string
	words string // the section of the words
	event string // of a trigger; the others run at ticks
	after time.Duration
	drops string // the event that drops it while it waits
	cron  string
	utc   bool // the cron line is of UTC, not of the workspace's zone

	purpose  string
	rule     string
	still    string
	entry    campaigns.Entry
	late     *campaigns.Late
	local    campaigns.ClockTime // of the customer's day
	validFor time.Duration
	priority int

	step    int // days ahead or since, where there are any
	minimum int64
	spreads bool              // over the days before the step
	prints  map[string]string // computed attributes that the words print
}

// lots that lapse in exactly so many days and can be spent today.
const lapsingLots = `filter(lots, .remaining > 0 && .active_from <= today && days_until(.last_valid_on) == [days])`

// farZones moves the birthday of those few who live beyond the day that a tick at 20:10 UTC belongs to: their next ten in
// the morning is a day later or earlier than everybody else's.
const farZones = `let zone = timezone ?? "[zone]"; ` +
	`days_until(next_birthday) == (zone in ["Pacific/Kiritimati", "Etc/GMT-14"] ? 2 : ` +
	`zone in ["Pacific/Pago_Pago", "Pacific/Midway", "Pacific/Niue", "Pacific/Samoa", "US/Samoa", "Etc/GMT+11", "Etc/GMT+12"] ? 0 : 1)`

// rhythm is the average gap in days between a customer's purchases.
const rhythm = `let gap = (days_since(first_purchase_at) - days_since(last_purchase_at)) / (purchase_count - 1); `

// reminders is the table of all that is ready-made.
func reminders() []reminder {
	none := map[string]string{}
	return []reminder{
		expiring("points_expiring_30", 30, 7*24*time.Hour),
		expiring("points_expiring_7", 7, 3*24*time.Hour),
		expiring("points_expiring_1", 1, 12*time.Hour),
		{name: "birthday_month", words: "birthday_month", cron: "0 9 1 * *", purpose: "marketing", rule: `month(birthday) == month(today)`,
			entry: campaigns.Entry{OncePer: "year"}, late: &campaigns.Late{Policy: campaigns.LateOnce, Grace: 10 * campaigns.Day}, local: "10:00", priority: 50, prints: none},
		{name: "birthday", words: "birthday", cron: "10 20 * * *", utc: true, purpose: "marketing", rule: farZones,
			entry: campaigns.Entry{OnceFor: "year(next_birthday)"}, late: &campaigns.Late{Policy: campaigns.LateEach, Grace: campaigns.Duration(14 * time.Hour)},
			local: "10:00", validFor: 11 * time.Hour, priority: 100, prints: none},
		{name: "welcome", words: "welcome", event: campaigns.TriggerCustomerCreated, purpose: "marketing",
			rule: `registered_at == nil || days_since(registered_at) <= 2`, entry: campaigns.Entry{Limit: "once"}, priority: 60, prints: none},
		lapsed("lapsed_90", 90), lapsed("lapsed_180", 180), lapsed("lapsed_365", 365),
		{name: "abandoned_basket", words: "abandoned_basket", event: "cart.updated", after: 2 * time.Hour, drops: campaigns.TriggerPurchase, purpose: "marketing",
			rule:  `last_purchase_at == nil || minutes_since(last_purchase_at) >= 120`,
			still: `last_purchase_at == nil || minutes_since(last_purchase_at) >= 120`, entry: campaigns.Entry{Every: days(7)}, validFor: 24 * time.Hour, priority: 40, prints: none},
		{name: "next_purchase_due", words: "next_purchase_due", cron: "0 10 * * *", purpose: "marketing",
			rule:  rhythm + `purchase_count >= 3 && gap >= 7 && gap <= 180 && days_since(last_purchase_at) >= gap && days_since(last_purchase_at) < gap + 7`,
			still: rhythm + `days_since(last_purchase_at) >= gap`, entry: campaigns.Entry{OnceFor: "date(last_purchase_at)"}, priority: 10, prints: none},
		{name: "tier_about_to_be_lost", words: "tier_about_to_be_lost", cron: "0 10 * * *", purpose: "service", step: 30, minimum: 1, spreads: true,
			rule:  `tier != nil && tier_until != nil && days_until(tier_until) == [days] && tier_shortfall >= [minimum]`,
			still: `days_until(tier_until) in 0..[days] && tier_shortfall >= [minimum]`,
			entry: campaigns.Entry{OnceFor: "tier_until"}, late: &campaigns.Late{Policy: campaigns.LateEach, Grace: 7 * campaigns.Day}, prints: none},
		{name: "thanks_first_purchase", words: "thanks_first_purchase", event: campaigns.TriggerPurchase, after: time.Hour, purpose: "marketing",
			rule: `purchase_count == 1 && days_since(first_purchase_at) <= 2`, still: `purchase_count >= 1`, entry: campaigns.Entry{Limit: "once"}, priority: 60, prints: none},
		{name: "coupon_about_to_lapse", words: "coupon_about_to_lapse", cron: "0 10 * * *", purpose: "service", step: 3, spreads: true,
			rule:   `any(coupons, .state == "open" && days_until(.expires_at) == [days])`,
			still:  `any(coupons, .state == "open" && days_until(.expires_at) in [early]..[days])`,
			entry:  campaigns.Entry{OnceFor: `date(max(map(filter(coupons, days_until(.expires_at) == [days]), .expires_at)))`},
			late:   &campaigns.Late{Policy: campaigns.LateEach, Grace: campaigns.Day},
			prints: map[string]string{"coupon_lapses_in_[days]": `min(map(filter(coupons, .state == "open" && days_until(.expires_at) == [days]), .expires_at))`}},
	}
}

// expiring is a reminder so many days before the last valid day of a lot.
func expiring(name string, step int, grace time.Duration) reminder {
	return reminder{name: name, words: "points_expiring", cron: "0 10 * * *", purpose: "service", step: step, minimum: 100, spreads: true,
		rule: `sum(` + lapsingLots + `, .remaining) >= [minimum]`, still: `points_expiring([days]) >= [minimum]`,
		entry: campaigns.Entry{OnceFor: `max(map(` + lapsingLots + `, .last_valid_on))`}, late: &campaigns.Late{Policy: campaigns.LateEach, Grace: campaigns.Duration(grace)},
		prints: map[string]string{"points_lapsing_[days]": `sum(` + lapsingLots + `, .remaining)`, "points_lapse_on_[days]": `max(map(` + lapsingLots + `, .last_valid_on))`}}
}

// lapsed is a win-back so many days after the last purchase. It finds those whom a pause kept from it for a week.
func lapsed(name string, step int) reminder {
	return reminder{name: name, words: "lapsed", cron: "0 10 * * *", purpose: "marketing", step: step,
		rule: `days_since(last_purchase_at) in [days]..[late]`, still: `days_since(last_purchase_at) >= [days]`,
		entry: campaigns.Entry{OnceFor: "date(last_purchase_at)"}, priority: 20, prints: map[string]string{}}
}

func days(n int) *campaigns.Duration {
	d := campaigns.Duration(n) * campaigns.Day
	return &d
}
