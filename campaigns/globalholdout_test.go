package campaigns

import (
	"testing"
	"time"
)

func TestAQuarterIsThatOfTheZonesCalendar(t *testing.T) {
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string][3]string{
		"2026-12-31T15:59:59Z": {"2026Q4", "2026-09-30T16:00:00Z", "2026-12-31T16:00:00Z"},
		"2026-12-31T16:00:00Z": {"2027Q1", "2026-12-31T16:00:00Z", "2027-03-31T16:00:00Z"},
		"2028-02-29T12:00:00Z": {"2028Q1", "2027-12-31T16:00:00Z", "2028-03-31T16:00:00Z"},
	} {
		instant, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		name, begins, ends := QuarterOf(instant, shanghai)
		if got := [3]string{name, begins.UTC().Format(time.RFC3339), ends.UTC().Format(time.RFC3339)}; got != want {
			t.Errorf("%s lies in %v, want %v", at, got, want)
		}
	}
}
