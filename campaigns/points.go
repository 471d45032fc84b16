package campaigns

import "time"

// A Lot is points that were earned together and lapse together. They are live from ActiveFrom to LastValidOn, both
// included, in Zone; LastValidOn nil never lapses. Points = Remaining + taken + expired + reversed.
type Lot struct {
	EntryID     string // the entry that earned it, and its own id
	CustomerID  string
	Points      int64
	EarnedOn    time.Time // midnight UTC of the calendar day
	ActiveFrom  time.Time
	LastValidOn *time.Time
	Reason      string
	Remaining   int64 // set when it is read: what can still be spent of it, once live and until it lapses
}

// PointsMax bounds the points of one lot.
const PointsMax = 1_000_000_000_000

// Check says what is wrong with a lot that is brought in.
func (l *Lot) Check() error {
	if err := CheckID("customer_id", l.CustomerID); err != nil {
		return err
	}
	if err := CheckID("entry_id", l.EntryID); err != nil {
		return err
	}
	if l.Points <= 0 || l.Points > PointsMax {
		return Invalid("points", "should be between 1 and %d: an import brings in opening lots", int64(PointsMax))
	}
	if l.LastValidOn != nil && l.LastValidOn.Before(l.EarnedOn) {
		return Invalid("last_valid_on", "lies before earned_on")
	}
	return CheckText("reason", l.Reason)
}
