package campaigns

import (
	"fmt"
	"time"
)

// A GlobalHoldout is the customers whom no marketing reaches for a quarter, as they were drawn. Population are those who
// could be reached then, members included; newcomers were met later and drawn by the same hash.
type GlobalHoldout struct {
	Quarter         string    `json:"quarter" example:"2026Q4" doc:"of the workspace's zone"`
	Salt            string    `json:"-"`
	Share           float64   `json:"share" doc:"of the settings when it was drawn"`
	BeginsAt        time.Time `json:"begins_at"`
	EndsAt          time.Time `json:"ends_at"`
	DrawnAt         time.Time `json:"drawn_at"`
	Population      int64     `json:"population" doc:"customers who could be reached when it was drawn"`
	Members         int64     `json:"members" doc:"of them, those held out"`
	Newcomers       int64     `json:"newcomers" doc:"customers whom a campaign met later"`
	NewcomerMembers int64     `json:"newcomer_members" doc:"of them, those held out"`
}

// QuarterOf is the quarter that holds an instant in a zone.
func QuarterOf(at time.Time, zone *time.Location) (name string, begins, ends time.Time) {
	local := at.In(zone)
	n := (int(local.Month()) - 1) / 3
	begins = time.Date(local.Year(), time.Month(3*n+1), 1, 0, 0, 0, 0, zone)
	return fmt.Sprintf("%04dQ%d", local.Year(), n+1), begins, begins.AddDate(0, 3, 0)
}
