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
	return tx.SaveAdmitted(ctx, []Admitted{{Run: run, Period: period, Assignments: assignments}})
}

// Admitted are customers who are let into a run: their entries, and their arms in the run's period.
type Admitted struct {
	Run         *campaigns.Run
	Period      string
	Entries     []Entered
	Assignments []Assignment
}

// SaveAdmitted is Enter and SaveAssignments for several runs at once.
func (tx *Tx) SaveAdmitted(ctx context.Context, all []Admitted) error {
	entries, arms := 0, 0
	for _, a := range all {
		entries, arms = entries+len(a.Entries), arms+len(a.Assignments)
	}
	if entries > 0 {
		rows := newCopyRows(entries, 5)
		for _, a := range all {
			a.entries(rows)
		}
		if err := tx.copyIn(ctx, "keeping entries", "campaign_entries", "no, campaign_id, key, run_id, at", rows); err != nil {
			return err
		}
	}
	rows, fresh := newCopyRows(arms, 10), 0
	for _, a := range all {
		n, err := a.arms(tx.Now, rows)
		if err != nil {
			return err
		}
		fresh += n
	}
	if fresh > 0 {
		if err := tx.copyIn(ctx, "saving arms", "arms", "no, campaign_id, period, arm, bucket, version, run_id, assigned_at, due_at, key", rows); err != nil {
			return err
		}
	}
	return tx.saveDue(ctx, all)
}

func (a *Admitted) entries(rows *copyRows) {
	for _, e := range a.Entries {
		rows.begin()
		rows.Int8(e.No)
		rows.id(a.Run.CampaignID)
		rows.Text(e.Key)
		rows.id(a.Run.ID)
		rows.micros(a.Run.Occurrence)
	}
}

// arms are rows of those that are new; it gives how many.
func (a *Admitted) arms(now time.Time, rows *copyRows) (fresh int, err error) {
	run, period := a.Run, a.Period
	for i := range a.Assignments {
		a := &a.Assignments[i]
		if a.Existed {
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
		rows.micros(now)
		if a.DueAt == nil {
			rows.Null()
		} else {
			rows.micros(*a.DueAt)
		}
		key, err := hex.DecodeString(a.Key)
		if err != nil {
			return fresh, fmt.Errorf("saving arms: the key %q is not hexadecimal", a.Key)
		}
		if len(key) == 0 {
			key = nil
		}
		rows.Bytes(key)
	}
	return fresh, nil
}

// saveDue keeps the first due time of arms that were there before.
func (tx *Tx) saveDue(ctx context.Context, all []Admitted) error {
	var nos []int64
	var due []time.Time
	var of []campaigns.ID
	var periods []string
	for _, a := range all {
		for _, arm := range a.Assignments {
			if arm.Existed && arm.DueAt != nil {
				nos, due, of, periods = append(nos, arm.No), append(due, *arm.DueAt), append(of, a.Run.CampaignID), append(periods, a.Period)
			}
		}
	}
	if len(nos) == 0 {
		return nil
	}
	_, err := tx.exec(ctx, "saving when arms are due", `UPDATE arms a SET due_at = d.due FROM unnest($1::bigint[], $2::timestamptz[], $3::uuid[], $4::text[]) AS d(no, due, campaign_id, period)
		WHERE a.no = d.no AND a.campaign_id = d.campaign_id AND a.period = d.period AND a.due_at IS NULL`, nos, due, of, periods)
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
	return tx.SaveAdmitted(ctx, []Admitted{{Run: run, Entries: entries}})
}

// An EntryHistory is how often and when last a customer entered a campaign, and under which keys.
type EntryHistory struct {
	No   int64
	N    int
	Last time.Time
	Keys []string
	At   []time.Time // of each key
}

// EntriesOf reads the entries of some customers.
func (tx *Tx) EntriesOf(ctx context.Context, campaign campaigns.ID, nos []int64) (map[int64]EntryHistory, error) {
	found, err := many(ctx, tx, "entries", `SELECT no, count(*), max(at), array_agg(key), array_agg(at) FROM campaign_entries WHERE no = ANY($1) AND campaign_id = $2 GROUP BY no`,
		func(row pgx.CollectableRow) (EntryHistory, error) {
			var h EntryHistory
			err := row.Scan(&h.No, &h.N, &h.Last, &h.Keys, &h.At)
			return h, err
		}, nos, campaign)
	byNo := make(map[int64]EntryHistory, len(found))
	for _, h := range found {
		byNo[h.No] = h
	}
	return byNo, err
}
