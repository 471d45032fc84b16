package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"beckon/campaigns"
)

// A Visit is a customer's at a campaign. What several campaigns ask of their customers at one moment is asked in one
// statement: an event may be waited for by a thousand of them.
type Visit struct {
	CampaignID campaigns.ID
	No         int64
}

// columnsOfVisits are the columns of a set of visits.
func columnsOfVisits(visits map[Visit]bool) (nos []int64, of []campaigns.ID) {
	for v := range visits {
		nos, of = append(nos, v.No), append(of, v.CampaignID)
	}
	return nos, of
}

// EntriesOfVisits reads the entries of customers into the campaigns that they visit: EntriesOf of each campaign.
func (tx *Tx) EntriesOfVisits(ctx context.Context, visits map[Visit]bool) (map[Visit]EntryHistory, error) {
	nos, of := columnsOfVisits(visits)
	found := make(map[Visit]EntryHistory, len(visits))
	_, err := many(ctx, tx, "entries", `SELECT e.campaign_id, e.no, count(*), max(e.at), array_agg(e.key), array_agg(e.at) FROM unnest($1::bigint[], $2::uuid[]) v(no, campaign_id)
		JOIN campaign_entries e ON e.no = v.no AND e.campaign_id = v.campaign_id GROUP BY e.no, e.campaign_id`,
		func(row pgx.CollectableRow) (struct{}, error) {
			var v Visit
			var h EntryHistory
			err := row.Scan(&v.CampaignID, &v.No, &h.N, &h.Last, &h.Keys, &h.At)
			h.No = v.No
			found[v] = h
			return struct{}{}, err
		}, nos, of)
	return found, err
}

// AssignmentsOfVisits reads the arms that customers have already in the campaigns that they visit, each in the period that
// is named for it: Assignments of each campaign.
func (tx *Tx) AssignmentsOfVisits(ctx context.Context, visits map[Visit]bool, periods map[campaigns.ID]string) (map[Visit]Assignment, error) {
	nos, of := columnsOfVisits(visits)
	in := make([]string, len(of))
	for i, campaign := range of {
		in[i] = periods[campaign]
	}
	found := make(map[Visit]Assignment, len(visits))
	_, err := many(ctx, tx, "arms", `SELECT a.campaign_id, a.no, a.arm, coalesce(a.bucket, 0), a.due_at FROM unnest($1::bigint[], $2::uuid[], $3::text[]) v(no, campaign_id, period)
		JOIN arms a ON a.no = v.no AND a.campaign_id = v.campaign_id AND a.period = v.period`,
		func(row pgx.CollectableRow) (struct{}, error) {
			var v Visit
			a := Assignment{Existed: true}
			err := row.Scan(&v.CampaignID, &v.No, &a.Arm, &a.Bucket, &a.DueAt)
			a.No = v.No
			found[v] = a
			return struct{}{}, err
		}, nos, of, in)
	return found, err
}

// EnsureRuns makes runs, one a campaign, unless their occurrences exist, and gives those that do, by campaign. Whoever wants
// to stop or finish one of them waits until the transaction ends; so does whoever else asks for a run of those campaigns
// that alone names, for those who write into the run. They are held in the order of the campaigns.
func (tx *Tx) EnsureRuns(ctx context.Context, runs []campaigns.Run, alone map[campaigns.ID]bool) (map[campaigns.ID]campaigns.Run, error) {
	var shared, own []campaigns.Run
	for _, r := range runs {
		if alone[r.CampaignID] {
			own = append(own, r)
		} else {
			shared = append(shared, r)
		}
	}
	found := make(map[campaigns.ID]campaigns.Run, len(runs))
	for _, set := range []struct {
		runs []campaigns.Run
		lock string
	}{{shared, " FOR SHARE OF r"}, {own, " FOR UPDATE OF r"}} {
		if err := tx.ensureRuns(ctx, set.runs, set.lock, found); err != nil {
			return nil, err
		}
	}
	for _, r := range runs {
		if _, is := found[r.CampaignID]; !is {
			return nil, fmt.Errorf("the run of campaign %s at %s could be neither made nor found", r.CampaignID, r.Occurrence.Format(time.RFC3339))
		}
	}
	return found, nil
}

func (tx *Tx) ensureRuns(ctx context.Context, runs []campaigns.Run, lock string, found map[campaigns.ID]campaigns.Run) error {
	read := func() error {
		var of []campaigns.ID
		var at []time.Time
		for _, r := range runs {
			if _, is := found[r.CampaignID]; !is {
				of, at = append(of, r.CampaignID), append(at, r.Occurrence)
			}
		}
		if len(of) == 0 {
			return nil
		}
		there, err := many(ctx, tx, "runs of a day", runColumns+` r JOIN unnest($1::uuid[], $2::timestamptz[]) w(of_campaign, its_occurrence)
			ON r.campaign_id = w.of_campaign AND r.occurrence = w.its_occurrence ORDER BY r.campaign_id`+lock, scanRun, of, at)
		for _, r := range there {
			found[r.CampaignID] = r
		}
		return err
	}
	if err := read(); err != nil {
		return err
	}
	var missing []campaigns.Run
	for _, r := range runs {
		if _, is := found[r.CampaignID]; !is {
			missing = append(missing, r)
		}
	}
	if err := tx.createRuns(ctx, missing); err != nil {
		return err
	}
	return read()
}

// createRuns is CreateRun for several, in the order of their campaigns.
func (tx *Tx) createRuns(ctx context.Context, runs []campaigns.Run) error {
	if len(runs) == 0 {
		return nil
	}
	slices.SortFunc(runs, func(a, b campaigns.Run) int { return slices.Compare(a.CampaignID[:], b.CampaignID[:]) })
	batch, made := &pgx.Batch{}, []campaigns.ID{}
	for i := range runs {
		batch.Queue(createRun, createRunArgs(&runs[i], tx.Now)...).Exec(func(tag pgconn.CommandTag) error {
			if tag.RowsAffected() == 1 {
				made = append(made, runs[i].CampaignID)
			}
			return nil
		})
	}
	if err := tx.sendBatch(ctx, "creating runs", batch); err != nil {
		return err
	}
	return tx.recount(ctx, made...)
}

// SpentOfVisits is Spent of several campaigns, locked, each as a version of it counts; they are locked in one order.
func (tx *Tx) SpentOfVisits(ctx context.Context, versions map[campaigns.ID]int) (map[campaigns.ID]Spent, error) {
	of := slices.Collect(maps.Keys(versions))
	if len(of) == 0 {
		return nil, nil
	}
	if _, err := tx.exec(ctx, "opening budgets", `INSERT INTO campaign_budgets (campaign_id, version, messages, cost_micros)
		SELECT id, -1, 0, 0 FROM unnest($1::uuid[]) id ORDER BY id ON CONFLICT DO NOTHING`, of); err != nil {
		return nil, err
	}
	spent := make(map[campaigns.ID]Spent, len(of))
	_, err := many(ctx, tx, "budgets", `SELECT campaign_id, version, messages, cost_micros, reached FROM campaign_budgets WHERE campaign_id = ANY($1) ORDER BY campaign_id FOR UPDATE`,
		func(row pgx.CollectableRow) (struct{}, error) {
			var id campaigns.ID
			var version int
			var s Spent
			err := row.Scan(&id, &version, &s.Messages, &s.CostMicros, &s.Reached)
			if version == versions[id] {
				spent[id] = s
			}
			return struct{}{}, err
		}, of)
	if err != nil || len(spent) == len(of) {
		return spent, err
	}
	of = slices.DeleteFunc(of, func(id campaigns.ID) bool { _, counted := spent[id]; return counted })
	_, err = many(ctx, tx, "budgets", countSpent+` GROUP BY campaign_id`, func(row pgx.CollectableRow) (struct{}, error) {
		var id campaigns.ID
		var s Spent
		err := row.Scan(&id, &s.Messages, &s.CostMicros, &s.Reached)
		spent[id] = s
		return struct{}{}, err
	}, of)
	return spent, err
}

// A Spending is what a campaign has spent as its version counts it.
type Spending struct {
	CampaignID campaigns.ID
	Version    int
	Spent
}

// SaveSpendings writes what SpentOfVisits locked.
func (tx *Tx) SaveSpendings(ctx context.Context, all []Spending) error {
	if len(all) == 0 {
		return nil
	}
	of, versions, messages, costs, reached := make([]campaigns.ID, len(all)), make([]int32, len(all)), make([]int64, len(all)), make([]int64, len(all)), make([]bool, len(all))
	for i, s := range all {
		of[i], versions[i], messages[i], costs[i], reached[i] = s.CampaignID, int32(s.Version), s.Messages, s.CostMicros, s.Reached
	}
	_, err := tx.exec(ctx, "spending budgets", `UPDATE campaign_budgets b SET version = s.version, messages = s.messages, cost_micros = s.cost, reached = s.reached
		FROM unnest($1::uuid[], $2::int[], $3::bigint[], $4::bigint[], $5::bool[]) s(id, version, messages, cost, reached) WHERE b.campaign_id = s.id`,
		of, versions, messages, costs, reached)
	return err
}

// A Walk is how far a paced run's customers were walked.
type Walk struct {
	RunID   campaigns.ID
	Walked  int64
	PacedTo time.Time
}

// Walks is Walked of several runs.
func (tx *Tx) Walks(ctx context.Context, runs []campaigns.ID) ([]Walk, error) {
	if len(runs) == 0 {
		return nil, nil
	}
	return many(ctx, tx, "the pace of runs", `SELECT id, walked, paced_to FROM runs WHERE id = ANY($1)`, func(row pgx.CollectableRow) (Walk, error) {
		var w Walk
		var to *time.Time
		err := row.Scan(&w.RunID, &w.Walked, &to)
		if to != nil {
			w.PacedTo = *to
		}
		return w, err
	}, runs)
}

// SaveWalks is SaveWalked of several runs, which the transaction holds.
func (tx *Tx) SaveWalks(ctx context.Context, walks []Walk) error {
	if len(walks) == 0 {
		return nil
	}
	runs, walked, to := make([]campaigns.ID, len(walks)), make([]int64, len(walks)), make([]*time.Time, len(walks))
	for i, w := range walks {
		runs[i], walked[i], to[i] = w.RunID, w.Walked, nullTime(w.PacedTo)
	}
	_, err := tx.exec(ctx, "writing the pace of runs", `UPDATE runs r SET walked = w.walked, paced_to = w.paced_to
		FROM unnest($1::uuid[], $2::bigint[], $3::timestamptz[]) w(id, walked, paced_to) WHERE r.id = w.id`, runs, walked, to)
	return err
}
