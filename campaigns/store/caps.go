package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"beckon/campaigns"
)

// plannedAhead is how long before its planned time a message is queued as a rule: a month's spread and what quiet hours add to
// it is less. Caps look further back where runs that are open for longer ask for it.
const plannedAhead = 62 * 24 * time.Hour

// queuedSince is the earliest time at which a message that is planned after an instant can have been queued: a slow pace, a
// long blackout or a pause lets a run send months after it began. The month tells which partitions are looked at.
func (tx *Tx) queuedSince(ctx context.Context, planned time.Time) (since time.Time, err error) {
	since = planned.Add(-plannedAhead)
	var begun *time.Time
	if err = tx.tx.QueryRow(ctx, `SELECT least(
		(SELECT min(created_at) FROM runs WHERE created_at < $1 AND (finished_at IS NULL OR finished_at > $1) AND (finished_at IS NULL OR finished_at - created_at >= interval '24 hours')),
		(SELECT min(created_at) FROM runs WHERE created_at BETWEEN $2 AND $1 AND created_at < $1 AND (finished_at IS NULL OR finished_at > $1)))`, since, since.Add(-24*time.Hour)).Scan(&begun); err != nil {
		return since, fmt.Errorf("looking for runs that are open for long: %w", err)
	}
	if begun != nil {
		since = begun.Add(-time.Second)
	}
	return since, nil
}

// CountedMessages are, by customer, the messages that caps count and whose planned time is later than a window before from,
// however far ahead: sent, unknown, queued ahead, and those that ghosts would have got. Those that are
// exempt are not among them, nor those that never went.
func (tx *Tx) CountedMessages(ctx context.Context, nos []int64, from time.Time, window time.Duration) (map[int64][]campaigns.Counted, error) {
	found := map[int64][]campaigns.Counted{}
	since, err := tx.queuedSince(ctx, from.Add(-window))
	if err != nil {
		return nil, err
	}
	where, args := whereNo("no", nos)
	err = tx.eachRow(ctx, "messages that count", `SELECT no, channel, planned_at FROM messages WHERE `+where+` AND queued_at > $4 AND planned_at > $5
		AND NOT exempt AND status NOT IN ('cancelled', 'expired', 'failed')`, func(values [][]byte) error {
		no := int64(binary.BigEndian.Uint64(values[0]))
		channel := campaigns.Email
		if string(values[1]) != channel {
			channel = string(values[1])
		}
		at := time.UnixMicro(int64(binary.BigEndian.Uint64(values[2])) + microsTo2000).UTC()
		found[no] = append(found[no], campaigns.Counted{Channel: channel, At: at})
		return nil
	}, append(args, since, from.Add(-window))...)
	return found, err
}
