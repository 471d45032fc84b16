package store

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// An Assignment is the arm that a customer has for a period of a campaign, drawn once and kept for ever.
type Assignment struct {
	No      int64
	Arm     string
	Bucket  int16
	DueAt   *time.Time // the first due entry of the period: where the window begins
	Key     string     // by which it was drawn, of a customer's first assignment in any campaign; empty for later ones
	Existed bool
}

// Assignments reads the arms that customers have already.
func (tx *Tx) Assignments(ctx context.Context, campaign campaigns.ID, period string, nos []int64) (map[int64]Assignment, error) {
	found, err := many(ctx, tx, "arms", `SELECT no, arm, coalesce(bucket, 0), due_at FROM arms WHERE no = ANY($1) AND campaign_id = $2 AND period = $3`,
		func(row pgx.CollectableRow) (Assignment, error) {
			a := Assignment{Existed: true}
			err := row.Scan(&a.No, &a.Arm, &a.Bucket, &a.DueAt)
			return a, err
		}, nos, campaign, period)
	byNo := make(map[int64]Assignment, len(found))
	for _, a := range found {
		byNo[a.No] = a
	}
	return byNo, err
}

// SaveAssignments keeps new arms and the first due time of those that exist. An arm that is there never changes; who saves
// new ones holds the customers' slices and has read Assignments under them.
func (tx *Tx) SaveAssignments(ctx context.Context, run *campaigns.Run, period string, assignments []Assignment) error {
	rows, fresh := newCopyRows(len(assignments), 10), 0
	var nos []int64
	var due []time.Time
	for i := range assignments {
		a := &assignments[i]
		if a.Existed {
			if a.DueAt != nil {
				nos, due = append(nos, a.No), append(due, *a.DueAt)
			}
			continue
		}
		fresh++
		rows.begin()
		rows.Int8(a.No)
		rows.id(run.CampaignID)
		rows.Text(period)
		rows.Text(a.Arm)
		rows.int2(a.Bucket)
		rows.Int4(int32(run.Version))
		rows.id(run.ID)
		rows.micros(tx.Now)
		if a.DueAt == nil {
			rows.Null()
		} else {
			rows.micros(*a.DueAt)
		}
		key, err := hex.DecodeString(a.Key)
		if err != nil {
			return fmt.Errorf("saving arms: the key %q is not hexadecimal", a.Key)
		}
		if len(key) == 0 {
			key = nil
		}
		rows.Bytes(key)
	}
	if fresh > 0 {
		if err := tx.copyIn(ctx, "saving arms", "arms", "no, campaign_id, period, arm, bucket, version, run_id, assigned_at, due_at, key", rows); err != nil {
			return err
		}
	}
	if len(nos) == 0 {
		return nil
	}
	_, err := tx.exec(ctx, "saving when arms are due", `UPDATE arms a SET due_at = d.due FROM unnest($3::bigint[], $4::timestamptz[]) AS d(no, due)
		WHERE a.no = d.no AND a.campaign_id = $1 AND a.period = $2 AND a.due_at IS NULL`, run.CampaignID, period, nos, due)
	return err
}

// ArmKeys are the keys that customers' arms are drawn by, fixed at the first assignment in any campaign; who has none yet is
// not among them.
func (tx *Tx) ArmKeys(ctx context.Context, nos []int64) (map[int64]string, error) {
	kept := map[int64]string{}
	where, args := whereNo("no", nos)
	err := tx.eachRow(ctx, "arm keys", `SELECT no, key FROM arms WHERE `+where+` AND key IS NOT NULL`, func(values [][]byte) error {
		kept[int64(binary.BigEndian.Uint64(values[0]))] = hex.EncodeToString(values[1])
		return nil
	}, args...)
	return kept, err
}

// OtherRuns says whether a campaign has runs besides one: without, nobody can have entered it or have an arm of it.
func (tx *Tx) OtherRuns(ctx context.Context, run *campaigns.Run) (bool, error) {
	var other bool
	err := tx.tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM runs WHERE campaign_id = $1 AND id <> $2)`, run.CampaignID, run.ID).Scan(&other)
	if err != nil {
		return false, fmt.Errorf("looking for other runs: %w", err)
	}
	return other, nil
}

// An Entered customer is one who enters a campaign under a key.
type Entered struct {
	No  int64
	Key string
}

// Enter keeps entries. An entry's time is the run's planned one. Who enters holds the customers' slices and has read
// EntriesOf under them; the table's key is the last guard.
func (tx *Tx) Enter(ctx context.Context, run *campaigns.Run, entries []Entered) error {
	if len(entries) == 0 {
		return nil
	}
	rows := newCopyRows(len(entries), 5)
	for _, e := range entries {
		rows.begin()
		rows.Int8(e.No)
		rows.id(run.CampaignID)
		rows.Text(e.Key)
		rows.id(run.ID)
		rows.micros(run.Occurrence)
	}
	return tx.copyIn(ctx, "keeping entries", "campaign_entries", "no, campaign_id, key, run_id, at", rows)
}

// EntriesOf reads the entries of some customers.
func (tx *Tx) EntriesOf(ctx context.Context, campaign campaigns.ID, nos []int64) (map[int64]EntryHistory, error) {
	return tx.entryHistories(ctx, `no = ANY($1) AND campaign_id = $2`, nos, campaign)
}

// An EntryHistory is how often and when last a customer entered a campaign, and under which keys.
type EntryHistory struct {
	No   int64
	N    int
	Last time.Time
	Keys []string
	At   []time.Time // of each key
}

// EntryHistories reads the entries of a span of numbers.
func (tx *Tx) EntryHistories(ctx context.Context, campaign campaigns.ID, from, to int64) (map[int64]EntryHistory, error) {
	return tx.entryHistories(ctx, `no >= $1 AND no < $2 AND campaign_id = $3`, from, to, campaign)
}

func (tx *Tx) entryHistories(ctx context.Context, where string, args ...any) (map[int64]EntryHistory, error) {
	found, err := many(ctx, tx, "entries", `SELECT no, count(*), max(at), array_agg(key), array_agg(at) FROM campaign_entries WHERE `+where+` GROUP BY no`,
		func(row pgx.CollectableRow) (EntryHistory, error) {
			var h EntryHistory
			err := row.Scan(&h.No, &h.N, &h.Last, &h.Keys, &h.At)
			return h, err
		}, args...)
	byNo := make(map[int64]EntryHistory, len(found))
	for _, h := range found {
		byNo[h.No] = h
	}
	return byNo, err
}
