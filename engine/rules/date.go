package rules

import (
	"fmt"
	"math"
	"time"
)

// Date is a calendar day: days since 1970-01-01 in the proleptic Gregorian calendar. It has no zone.
type Date int32

const secondsPerDay = 24 * 60 * 60

// MakeDate is the day of a year, a month and a day of the month; days beyond the month's end run into the next, as in
// time.Date. What does not fit is the nearest Date that there is.
func MakeDate(year int, month time.Month, day int) Date {
	const yearsMax = 10_000_000
	year = max(-yearsMax, min(yearsMax, year))
	days := floorDiv(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix(), secondsPerDay)
	return Date(max(math.MinInt32, min(math.MaxInt32, days)))
}

// DateOf is the day that the calendar shows in zone at t.
func DateOf(t time.Time, zone *time.Location) Date {
	days := floorDiv(t.Unix(), secondsPerDay)
	rest := t.Unix() - days*secondsPerDay
	days += floorDiv(rest+offsetAt(t.Unix(), zone), secondsPerDay)
	return Date(max(math.MinInt32, min(math.MaxInt32, days)))
}

// ParseDate reads 2026-01-31. It refuses days that the calendar does not have.
func ParseDate(text string) (Date, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a date such as 2026-01-31", text)
	}
	return Date(floorDiv(t.Unix(), secondsPerDay)), nil
}

// String is the day as 2026-01-31.
func (d Date) String() string {
	year, month, day := d.civil()
	if year < 0 {
		return fmt.Sprintf("-%04d-%02d-%02d", -year, month, day)
	}
	return fmt.Sprintf("%04d-%02d-%02d", year, month, day)
}

// Year is the calendar year; year 0 comes before year 1.
func (d Date) Year() int { year, _, _ := d.civil(); return year }

// Month is the month of the year.
func (d Date) Month() time.Month { _, month, _ := d.civil(); return month }

// Day is the day of the month.
func (d Date) Day() int { _, _, day := d.civil(); return day }

// Weekday is 1 for Monday … 7 for Sunday, as ISO 8601 counts.
func (d Date) Weekday() int {
	const thursday = 3 // 1970-01-01, counted from Monday as 0
	return int(floorMod(int64(d)+thursday, 7)) + 1
}

// civil is the year, month and day of the month.
// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
func (d Date) civil() (int, time.Month, int) {
	const daysPerEra, daysToEra0 = 146097, 719468
	z := int64(d) + daysToEra0
	era := floorDiv(z, daysPerEra)
	dayOfEra := z - era*daysPerEra
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36524 - dayOfEra/146096) / 365
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	march := (5*dayOfYear + 2) / 153
	day := dayOfYear - (153*march+2)/5 + 1
	month, year := march+3, yearOfEra+era*400
	if month > 12 {
		month, year = month-12, year+1
	}
	return int(year), time.Month(month), int(day)
}

// daysFromCivil is the day number of a date that exists, in int64 so that it cannot overflow.
func daysFromCivil(year int, month time.Month, day int) int64 {
	y, m := int64(year), int64(month)
	if m <= 2 {
		y--
		m += 12
	}
	era := floorDiv(y, 400)
	yearOfEra := y - era*400
	dayOfYear := (153*(m-3)+2)/5 + int64(day) - 1
	return era*146097 + yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear - 719468
}

func isLeap(year int) bool {
	return year%4 == 0 && (year%100 != 0 || year%400 == 0)
}

// anniversary is a birthday's day number in year: 29 February is kept on 28 February in common years.
func anniversary(birthday Date, year int) int64 {
	_, month, day := birthday.civil()
	if month == time.February && day == 29 && !isLeap(year) {
		day = 28
	}
	return daysFromCivil(year, month, day)
}

// nextBirthday is the first anniversary on or after today; false when it is beyond the last Date.
func nextBirthday(birthday, today Date) (Date, bool) {
	next := upcoming(birthday, today)
	return Date(next), next <= math.MaxInt32
}

// upcoming is the day number of the first anniversary on or after today.
func upcoming(birthday, today Date) int64 {
	year := today.Year()
	next := anniversary(birthday, year)
	if next < int64(today) {
		next = anniversary(birthday, year+1)
	}
	return next
}

// Anniversaries gives next birthdays as of one day. That of each day of a year is worked out once.
type Anniversaries struct {
	today Date
	known [13]uint32 // by month, a bit for each day
	next  [13][32]int64
}

// NewAnniversaries are those on or after a day.
func NewAnniversaries(today Date) *Anniversaries { return &Anniversaries{today: today} }

// Next is a birthday's; false when it is beyond the last Date.
func (a *Anniversaries) Next(birthday Date) (Date, bool) {
	_, month, day := birthday.civil()
	if a.known[month]&(1<<day) == 0 {
		a.known[month] |= 1 << day
		a.next[month][day] = upcoming(birthday, a.today)
	}
	next := a.next[month][day]
	return Date(next), next <= math.MaxInt32
}

// age is the number of anniversaries from birthday to today; negative before the birth.
func age(birthday, today Date) int64 {
	years := int64(today.Year()) - int64(birthday.Year())
	if int64(today) < anniversary(birthday, today.Year()) {
		years--
	}
	return years
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

func floorMod(a, b int64) int64 { return a - floorDiv(a, b)*b }
