package engine

import (
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/rules"
)

// A person is one customer of a batch.
type person struct {
	no      int64
	values  []any        // of the columns, in the order of their names
	record  rules.Record // the same by name, and histories, where expressions ask for them
	entry   string
	arm     store.Assignment
	outside bool     // of the comparison: sent to, and in no arm
	variant *variant // the one they get; a ghost's is the one its message stands for
	ways    []*way   // by which each variant that matters reaches them; the first is their own message's
	planned time.Time
	closes  time.Time
	message campaigns.ID // theirs, once it is known
	price   int64        // micros of their own message
	gate    campaigns.Gate
}
