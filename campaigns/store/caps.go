package store

import (
	"context"
	"encoding/binary"
	"time"

	"beckon/campaigns"
)

// plannedAhead is the longest that a message may be queued before its planned time and still be seen by caps. A month's
// spread and what quiet hours and blackouts add to it is less.
const plannedAhead = 62 * 24 * time.Hour

// CountedMessages are, by customer, the messages that caps count and whose planned time is later than a window before from,
// however far ahead: sent, unknown, queued ahead, and those that ghosts would have got. Those that are
// exempt are not among them, nor those that never went.
func (tx *Tx) CountedMessages(ctx context.Context, nos []int64, from time.Time, window time.Duration) (map[int64][]campaigns.Counted, error) {
	found := map[int64][]campaigns.Counted{}
	where, args := whereNo("no", nos)
	err := tx.eachRow(ctx, "messages that count", `SELECT no, channel, planned_at FROM messages WHERE `+where+` AND queued_at > $4 AND planned_at > $5
		AND NOT exempt AND status NOT IN ('cancelled', 'expired', 'failed')`, func(values [][]byte) error {
		no := int64(binary.BigEndian.Uint64(values[0]))
		channel := campaigns.Email
		if string(values[1]) != channel {
			channel = string(values[1])
		}
		at := time.UnixMicro(int64(binary.BigEndian.Uint64(values[2])) + microsTo2000).UTC()
		found[no] = append(found[no], campaigns.Counted{Channel: channel, At: at})
		return nil
	}, append(args, from.Add(-window-plannedAhead), from.Add(-window))...)
	return found, err
}
