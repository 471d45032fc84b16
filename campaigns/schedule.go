package campaigns

import (
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// A Schedule is a cron line of five fields and the IANA zone whose clock it reads. Times step in wall time and are then
// placed in the zone: one that falls into a spring gap is the first instant after it, one that is repeated in autumn is
// the first of the two. (The parser's own stepping skips the whole day of a gap and fires twice in an overlap.)
type Schedule struct {
	Cron string `json:"cron" example:"0 9 * * *"`
	Zone string `json:"zone" example:"Asia/Shanghai"`
}

// Check says what is wrong with the line or the zone, and refuses lines that never come, such as 31 February.
func (s *Schedule) Check() error {
	var checks Checks
	if _, err := s.location(); err != nil {
		checks.Add(err)
	}
	line, err := s.parse()
	if err != nil {
		checks.Add(err)
	} else if line.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		checks.Add(Invalid("schedule.cron", "%q never comes: there is no such day", s.Cron))
	}
	return checks.Err()
}

// Next is the first tick after an instant; the zero time when there is none within a lifetime.
func (s *Schedule) Next(after time.Time) (time.Time, error) {
	zone, err := s.location()
	if err != nil {
		return time.Time{}, err
	}
	line, err := s.parse()
	if err != nil {
		return time.Time{}, err
	}
	local := after.In(zone)
	wall := time.Date(local.Year(), local.Month(), local.Day(), local.Hour(), local.Minute(), local.Second(), local.Nanosecond(), time.UTC)
	wall = wall.Add(-3 * time.Hour) // a gap or an overlap may have moved the wall clock away from the next tick
	for range 100_000 {
		if wall = line.Next(wall); wall.IsZero() {
			return time.Time{}, nil
		}
		if tick := Place(wall, zone); tick.After(after) {
			return tick.UTC(), nil
		}
	}
	return time.Time{}, nil
}

// Place is the instant at which a zone's clocks first show a wall time (given as if it were UTC); for a wall time that a
// gap leaves out, the first instant after the gap.
func Place(wall time.Time, zone *time.Location) time.Time {
	_, before := wall.Add(-26 * time.Hour).In(zone).Zone()
	_, after := wall.Add(26 * time.Hour).In(zone).Zone()
	early := wall.Add(-time.Duration(max(before, after)) * time.Second)
	late := wall.Add(-time.Duration(min(before, after)) * time.Second)
	for _, instant := range []time.Time{early, late} {
		if shows(instant.In(zone), wall) {
			return instant.In(zone)
		}
	}
	start, _ := late.In(zone).ZoneBounds()
	return start
}

func shows(local, wall time.Time) bool {
	return local.Day() == wall.Day() && local.Hour() == wall.Hour() && local.Minute() == wall.Minute() && local.Second() == wall.Second()
}

func (s *Schedule) location() (*time.Location, error) {
	zone, err := time.LoadLocation(s.Zone)
	if err != nil || s.Zone == "" || s.Zone == "Local" {
		return nil, Invalid("schedule.zone", "%q is not an IANA time zone such as Asia/Shanghai", shorten(s.Zone))
	}
	return zone, nil
}

func (s *Schedule) parse() (cron.Schedule, error) {
	fields := strings.Fields(s.Cron)
	if len(fields) != 5 || len(s.Cron) > 200 || strings.Contains(s.Cron, "=") {
		return nil, Invalid("schedule.cron", "%q should have five fields: minute hour day month weekday, like 0 9 * * *", shorten(s.Cron))
	}
	fields[4] = sundayIsZero(fields[4])
	line, err := parseFields(fields)
	if err != nil {
		return nil, Invalid("schedule.cron", "%q cannot be read: %s", shorten(s.Cron), wrongField(fields))
	}
	return line, nil
}

func parseFields(fields []string) (cron.Schedule, error) {
	return cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow).Parse(strings.Join(fields, " "))
}

// wrongField says which field of a line the parser refuses, and what it may be: the parser's own words are a programmer's.
func wrongField(fields []string) string {
	for i, may := range []string{"minute should be 0 to 59", "hour should be 0 to 23", "day should be 1 to 31", "month should be 1 to 12 or JAN to DEC", "weekday should be 0 to 7 or SUN to SAT"} {
		alone := []string{"*", "*", "*", "*", "*"}
		alone[i] = fields[i]
		if _, err := parseFields(alone); err != nil {
			return "the " + may + ", or a list 1,3, a range 1-5, or steps */2"
		}
	}
	return "see a line like 0 9 * * *"
}

// sundayIsZero rewrites the weekday 7, which most crons accept and the parser does not; a range up to 7 becomes one up to
// 6 and Sunday.
func sundayIsZero(field string) string {
	parts := strings.Split(field, ",")
	for i, part := range parts {
		span, step, stepped := strings.Cut(part, "/")
		from, to, isRange := strings.Cut(span, "-")
		switch {
		case span == "7":
			parts[i] = "0"
		case isRange && to == "7" && !stepped:
			parts[i] = "0," + from + "-6"
			if from == "7" {
				parts[i] = "0"
			}
		case isRange && to == "7":
			parts[i] = steps(from, step)
		}
	}
	return strings.Join(parts, ",")
}

// steps lists the weekdays of from-7/step.
func steps(from, step string) string {
	first, err1 := strconv.Atoi(from)
	by, err2 := strconv.Atoi(step)
	if err1 != nil || err2 != nil || by < 1 || first < 0 || first > 7 {
		return from + "-7/" + step // the parser says what is wrong
	}
	var days []string
	for day := first; day <= 7; day += by {
		days = append(days, strconv.Itoa(day%7))
	}
	return strings.Join(days, ",")
}
