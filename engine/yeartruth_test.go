package engine_test

import (
	"math"
	"slices"
	"time"

	"beckon/campaigns"
)

// What the calendar says of the virtual year, worked out from the dwellers alone: nothing here asks the product's rules,
// schedules or gates.

// An expected message is one message that somebody should get: of the tick that finds them, at the time of their own day, unless they did
// something before that. Later are the ticks that find them again if a cap stops this one.
type expected struct {
	no        int64
	tick      time.Time
	planned   time.Time
	cancelled bool
	later     []expected
}

// A calendar is when the daily campaigns tick (ten in the morning in Shanghai), between the beginning and the end.
type calendar struct {
	from, to time.Time
	shanghai *time.Location
}

// tickOf is the daily tick of a Shanghai day; false when it lies outside the year.
func (c calendar) tickOf(day time.Time) (time.Time, bool) {
	tick := time.Date(day.Year(), day.Month(), day.Day(), 2, 0, 0, 0, time.UTC)
	return tick, tick.After(c.from) && !tick.After(c.to)
}

// dayOf is the Shanghai day of an instant, as midnight UTC.
func (c calendar) dayOf(at time.Time) time.Time {
	local := at.In(c.shanghai)
	return time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, time.UTC)
}

func dayFrom(text string) time.Time {
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		panic(err)
	}
	return day
}

func daysBetween(from, to time.Time) int { return int(math.Round(to.Sub(from).Hours() / 24)) }

// awake is the first instant at or after one that lies outside 21:00 to 09:00 of a dweller's day.
func (p *dweller) awake(at time.Time) time.Time {
	local := at.In(p.zone)
	switch {
	case local.Hour() < 9:
		return time.Date(local.Year(), local.Month(), local.Day(), 9, 0, 0, 0, p.zone)
	case local.Hour() >= 21:
		return time.Date(local.Year(), local.Month(), local.Day()+1, 9, 0, 0, 0, p.zone)
	}
	return at
}

// atTen is the first ten in the morning of a dweller's day at or after an instant.
func (p *dweller) atTen(at time.Time) time.Time {
	local := at.In(p.zone)
	ten := time.Date(local.Year(), local.Month(), local.Day(), 10, 0, 0, 0, p.zone)
	if ten.Before(at) {
		ten = time.Date(local.Year(), local.Month(), local.Day()+1, 10, 0, 0, 0, p.zone)
	}
	return ten
}

// truth is who should get what, by the campaign's name.
func (c calendar) truth(p *dweller) map[string][]expected {
	all := map[string][]expected{}
	if p.email {
		all["points_expiring_30"], all["points_expiring_7"] = c.points(p, 30), c.points(p, 7)
		all["birthday"], all["birthday_month"] = c.birthdays(p), c.birthdayMonths(p)
		for name, days := range map[string]int{"lapsed_90": 90, "lapsed_180": 180, "lapsed_365": 365} {
			all[name] = c.lapses(p, days)
		}
		if p.tierUntil != "" {
			if tick, is := c.tickOf(dayFrom(p.tierUntil).AddDate(0, 0, -30)); is {
				all["tier_about_to_be_lost"] = []expected{{p.no, tick, p.awake(tick), false, nil}}
			}
		}
		if p.reader {
			all["newsletter"] = c.newsletters(p)
		}
	}
	if p.sms {
		all["points_expiring_1"], all["next_purchase_due"], all["coupon_about_to_lapse"] = c.points(p, 1), c.rhythm(p), c.lapsing(p)
	}
	return all
}

// points are the reminders so many days before lots of 100 points and more, of those who have them still.
func (c calendar) points(p *dweller, step int) (dues []expected) {
	for _, l := range p.lots {
		tick, is := c.tickOf(dayFrom(l.last).AddDate(0, 0, -step))
		if !is || l.points < 100 || !l.spent.IsZero() && !l.spent.After(tick) {
			continue
		}
		planned := p.awake(tick)
		left, today := int64(0), c.dayOf(planned)
		for _, other := range p.lots {
			if ahead := daysBetween(today, dayFrom(other.last)); (other.spent.IsZero() || other.spent.After(planned)) && ahead >= 0 && ahead <= step {
				left += other.points
			}
		}
		dues = append(dues, expected{p.no, tick, planned, left < 100, nil})
	}
	return dues
}

// birthdays come at ten on the day itself, on 28 February where there is no 29th.
func (c calendar) birthdays(p *dweller) (dues []expected) {
	for day := c.dayOf(c.from); p.birthday != "" && day.Before(c.to.AddDate(0, 0, 3)); day = day.AddDate(0, 0, 1) {
		leap := day.AddDate(0, 0, 1).Format("01-02") == "02-29"
		if is := day.Format("01-02"); is != p.birthday && (p.birthday != "02-29" || is != "02-28" || leap) {
			continue
		}
		tick := time.Date(day.Year(), day.Month(), day.Day()-1, 20, 10, 0, 0, time.UTC)
		if tick.After(c.from) && !tick.After(c.to) {
			dues = append(dues, expected{p.no, tick, time.Date(day.Year(), day.Month(), day.Day(), 10, 0, 0, 0, p.zone), false, nil})
		}
	}
	return dues
}

func (c calendar) birthdayMonths(p *dweller) (dues []expected) {
	for month := c.dayOf(c.from); p.birthday != "" && month.Before(c.to.AddDate(0, 1, 0)); month = month.AddDate(0, 0, 1) {
		tick := time.Date(month.Year(), month.Month(), 1, 1, 0, 0, 0, time.UTC)
		if month.Day() == 1 && month.Format("01") == p.birthday[:2] && tick.After(c.from) && !tick.After(c.to) {
			dues = append(dues, expected{p.no, tick, p.atTen(tick), false, nil})
		}
	}
	return dues
}

// next is when somebody bought again after their i-th purchase, or long after the year.
func (p *dweller) next(i int) time.Time {
	if i+1 < len(p.bought) {
		return p.bought[i+1]
	}
	return p.bought[i].AddDate(10, 0, 0)
}

// firstIn is the first daily tick on a day from early to late (counted from a purchase) before the next purchase, and those
// after it.
func (c calendar) firstIn(p *dweller, i int, early, late int) []expected {
	var all []expected
	for n := early; n <= late; n++ {
		tick, is := c.tickOf(c.dayOf(p.bought[i]).AddDate(0, 0, n))
		if is && tick.Before(p.next(i)) {
			planned := p.awake(tick)
			all = append(all, expected{p.no, tick, planned, !p.next(i).After(planned), nil})
		}
	}
	return chained(all)
}

// chained makes one of ticks of which the first that no cap stops is the only one.
func chained(all []expected) []expected {
	if len(all) == 0 {
		return nil
	}
	all[0].later = all[1:]
	return all[:1:1]
}

func (c calendar) lapses(p *dweller, days int) (dues []expected) {
	for i := range p.bought {
		dues = append(dues, c.firstIn(p, i, days, days+6)...)
	}
	return dues
}

func (c calendar) rhythm(p *dweller) (dues []expected) {
	for i := 2; i < len(p.bought); i++ {
		gap := float64(daysBetween(p.bought[0], p.bought[i])) / float64(i)
		if gap >= 7 && gap <= 180 {
			dues = append(dues, c.firstIn(p, i, int(math.Ceil(gap)), int(math.Ceil(gap+7))-1)...)
		}
	}
	return dues
}

func (c calendar) lapsing(p *dweller) (dues []expected) {
	for _, k := range p.coupons {
		if tick, is := c.tickOf(c.dayOf(k.expires).AddDate(0, 0, -3)); is && (k.used.IsZero() || k.used.After(tick)) {
			planned := p.awake(tick)
			dues = append(dues, expected{p.no, tick, planned, !k.used.IsZero() && !k.used.After(planned), nil})
		}
	}
	return dues
}

// newsletters come on the first day of each week that the year holds, or on the next that no cap closes.
func (c calendar) newsletters(p *dweller) (dues []expected) {
	var week []expected
	for day := c.dayOf(c.from); day.Before(c.to.AddDate(0, 0, 2)); day = day.AddDate(0, 0, 1) {
		if day.Weekday() == time.Monday {
			dues, week = append(dues, chained(week)...), nil
		}
		if tick, is := c.tickOf(day); is {
			week = append(week, expected{p.no, tick, p.awake(tick), false, nil})
		}
	}
	return append(dues, chained(week)...)
}

// breaks says which of the caps of a fresh workspace a dweller's marketing messages break, given when each was planned.
func breaks(planned map[string][]time.Time) (broken []campaigns.Cap) {
	for _, limit := range campaigns.FreshWorkspace().Caps {
		var times []time.Time
		for channel, at := range planned {
			if limit.Channel == channel || limit.Channel == campaigns.AnyChannel {
				times = append(times, at...)
			}
		}
		slices.SortFunc(times, time.Time.Compare)
		for i := limit.Max; i < len(times); i++ {
			if times[i].Sub(times[i-limit.Max]) < time.Duration(limit.Window) {
				broken = append(broken, limit)
				break
			}
		}
	}
	return broken
}

// filled says whether some cap of a fresh workspace may stop a message at a time: as many others as it allows lie within
// its window before or after. own are those of counted that are the message itself.
func filled(counted map[string][]time.Time, channel string, at time.Time, own int) bool {
	for _, limit := range campaigns.FreshWorkspace().Caps {
		near := -own
		for of, times := range counted {
			if limit.Channel != channel && limit.Channel != campaigns.AnyChannel || limit.Channel == channel && of != channel {
				continue
			}
			for _, other := range times {
				if apart := other.Sub(at).Abs(); apart < time.Duration(limit.Window) {
					near++
				}
			}
		}
		if near >= limit.Max {
			return true
		}
	}
	return false
}
