package shop

import (
	"fmt"
	"math/rand/v2"
	"time"

	"beckon/campaigns"
)

// The points programme: a point for each yuan, credited at the end of each customer's own quarter, which lapses a year
// later.
const (
	quarterDays   = 91
	pointsLast    = 365
	minorPerPoint = 100
)

// Lots are somebody's points that are not dead when life begins, those that lapse first at the top.
func (s *Shop) Lots(i int) []campaigns.Lot {
	phase := s.stream("points", i, 0).IntN(quarterDays)
	sums := map[int]int64{}
	newest := 0
	s.eachPurchase(i, func(_ int, at time.Time, r *rand.Rand, h *habit) {
		ago := int(s.midnight.Sub(at).Hours()/24) + phase
		if !at.Before(s.midnight) || ago < quarterDays {
			return // in the future, or in the quarter that has not ended
		}
		quarter := ago / quarterDays
		sums[quarter] += totalOf(s.basket(r, h))
		newest = max(newest, quarter)
	})
	var lots []campaigns.Lot
	for quarter := newest; quarter >= 1; quarter-- {
		earned := s.day(-(quarter*quarterDays - phase))
		last := earned.AddDate(0, 0, pointsLast)
		points := sums[quarter] / minorPerPoint
		if points == 0 || last.Before(s.day(0)) {
			continue
		}
		lots = append(lots, campaigns.Lot{EntryID: fmt.Sprintf("L%07d-%d", i+1, earned.Year()*1000+earned.YearDay()), CustomerID: CustomerID(i),
			Points: points, EarnedOn: earned, ActiveFrom: earned, LastValidOn: &last, Reason: "purchases of a quarter"})
	}
	return lots
}

// day is a calendar day, counted from the first day of life, as midnight UTC.
func (s *Shop) day(n int) time.Time {
	return time.Date(s.midnight.Year(), s.midnight.Month(), s.midnight.Day()+n, 0, 0, 0, 0, time.UTC)
}
