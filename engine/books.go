package engine

import (
	"context"
	"slices"
	"time"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/audience"
	"beckon/engine/rules"
)

// Books are where the gates look up what is known of a few customers, and note what they let through. A run's part asks
// PostgreSQL as it goes; what an event starts in many campaigns at once is read for all of them before and written after
// (sharedBooks). The gates are the same, and tests hold the two against each other.
type books interface {
	EntriesOf(ctx context.Context, campaign campaigns.ID, nos []int64) (map[int64]store.EntryHistory, error)
	Assignments(ctx context.Context, campaign campaigns.ID, period string, nos []int64) (map[int64]store.Assignment, error)
	ArmKeys(ctx context.Context, nos []int64) (map[int64]string, error)
	CountedMessages(ctx context.Context, nos []int64, from time.Time, window time.Duration) (map[int64][]campaigns.Counted, error)
	Suppressed(ctx context.Context, kind string, hashes [][]byte) (map[string]bool, error)
	Crowded(ctx context.Context, kind string, hashes [][]byte, most int) (map[string]bool, error)
	TopicWords(ctx context.Context, kind, topic string, nos []int64) (granted, refused *roaring64.Bitmap, err error)
	Spent(ctx context.Context, campaign campaigns.ID, version int, lock bool) (store.Spent, error)
	SaveSpent(ctx context.Context, campaign campaigns.ID, version int, s store.Spent) error
	Room(ctx context.Context, offer campaigns.ID, lock bool) (uses int64, limited bool, err error)
	Walked(ctx context.Context, run campaigns.ID) (walked int64, pacedTo time.Time, err error)
	SaveWalked(ctx context.Context, run campaigns.ID, walked int64, pacedTo time.Time) error
	EligibleNow(ctx context.Context, run campaigns.ID) (int64, error)

	// people gives the columns of some customers that needs names, and their records; without wanted the record may be nil.
	people(ctx context.Context, nos []int64, needs audience.Needs, at rules.Instant, wanted bool, each func(no int64, row []any, record rules.Record) error) error
	// ranked is a rule with the cuts of its ranks.
	ranked(ctx context.Context, rule *rules.Rule, at rules.Instant) (*rules.Rule, error)
	// heldOut are those of some customers, and perhaps others, whom the present quarter's global holdout keeps.
	heldOut(ctx context.Context, w *campaigns.Workspace, nos []int64) (*roaring64.Bitmap, error)
	// note takes down what a batch decided that is to be written later, for whoever is decided about after it.
	note(b *batch)
}

// ownBooks read and write one statement after another.
type ownBooks struct{ *store.Tx }

func (o ownBooks) note(*batch) {}

// people reads columns alone where no expression asks for more: making a record for everybody would take most of the time.
func (o ownBooks) people(ctx context.Context, nos []int64, needs audience.Needs, at rules.Instant, wanted bool, each func(no int64, row []any, record rules.Record) error) error {
	if !wanted {
		span := store.Span{Nos: nos}
		if first, last := slices.Min(nos), slices.Max(nos); last-first < 2*int64(len(nos)) {
			span = store.Span{From: first, To: last + 1}
		}
		return o.EachCustomer(ctx, span, needs.Columns, func(no int64, row []any) error { return each(no, row, nil) })
	}
	row := make([]any, len(needs.Columns))
	return audience.Each(ctx, o.Tx, store.Span{Nos: nos}, needs, at, func(no int64, record rules.Record) error {
		for i, name := range needs.Columns {
			row[i] = record[name]
		}
		return each(no, row, record)
	})
}

func (o ownBooks) ranked(ctx context.Context, rule *rules.Rule, at rules.Instant) (*rules.Rule, error) {
	return audience.Ranked(ctx, o.Tx, rule, at)
}

func (o ownBooks) heldOut(ctx context.Context, w *campaigns.Workspace, nos []int64) (*roaring64.Bitmap, error) {
	q, err := quarterNow(ctx, o.Tx, w)
	if err != nil || q.Share == 0 {
		return roaring64.New(), err
	}
	known, members := roaring64.New(), roaring64.New()
	if q.drawn {
		if members, known, err = o.GlobalMembers(ctx, q.Quarter, nos); err != nil {
			return nil, err
		}
	}
	newHeld, _, err := q.divide(ctx, o.Tx, roaring64.AndNot(setOf(nos), known))
	members.Or(setOf(newHeld))
	return members, err
}
