package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

const runList = `id, campaign_id, version, occurrence, status, paused, coalesce(reason, ''), coalesce(executor, ''), coalesce(select_ms, 0),
	scanned, customers, started_at, selected_at, queued_at, finished_at, kind, priority, resend_of, coalesce(held, ''), open_until, eligible`

const runColumns = `SELECT ` + runList + ` FROM runs`

func scanRun(row pgx.CollectableRow) (campaigns.Run, error) {
	var r campaigns.Run
	err := row.Scan(&r.ID, &r.CampaignID, &r.Version, &r.Occurrence, &r.Status, &r.Paused, &r.Reason, &r.Executor, &r.SelectMS,
		&r.Scanned, &r.Customers, &r.StartedAt, &r.SelectedAt, &r.QueuedAt, &r.FinishedAt, &r.Kind, &r.Priority, &r.ResendOf, &r.Held, &r.OpenUntil, &r.Eligible)
	return r, err
}

// Run reads one with its counts.
func (tx *Tx) Run(ctx context.Context, id campaigns.ID) (campaigns.Run, error) {
	r, err := one(ctx, tx, "run", id.String(), runColumns+` WHERE id = $1`, scanRun, id)
	if err != nil {
		return r, err
	}
	return r, tx.countRun(ctx, &r)
}

// Runs lists the runs of a campaign (the zero id: of all) from the newest occurrence, with their counts.
func (tx *Tx) Runs(ctx context.Context, campaign campaigns.ID, before time.Time, limit int) ([]campaigns.Run, error) {
	runs, err := many(ctx, tx, "runs", runColumns+` WHERE ($1 OR campaign_id = $2) AND ($3::timestamptz IS NULL OR occurrence < $3)
		ORDER BY occurrence DESC, id DESC LIMIT $4`, scanRun, campaign == campaigns.ID{}, campaign, nullTime(before), limit)
	return runs, errors.Join(err, tx.countRuns(ctx, runs))
}

// LatestRuns lists runs of all campaigns with their counts, the latest first, beginning after the one of a time and id; with
// the zero time from the latest.
func (tx *Tx) LatestRuns(ctx context.Context, before time.Time, id campaigns.ID, limit int) ([]campaigns.Run, error) {
	runs, err := many(ctx, tx, "runs", runColumns+` WHERE $1::timestamptz IS NULL OR (occurrence, id) < ($1, $2) ORDER BY occurrence DESC, id DESC LIMIT $3`,
		scanRun, nullTime(before), id, limit)
	return runs, errors.Join(err, tx.countRuns(ctx, runs))
}

func (tx *Tx) countRuns(ctx context.Context, runs []campaigns.Run) error {
	for i := range runs {
		if err := tx.countRun(ctx, &runs[i]); err != nil {
			return err
		}
	}
	return nil
}

// OpenRuns lists runs that have something to do, without counts.
func (tx *Tx) OpenRuns(ctx context.Context, status campaigns.RunStatus) ([]campaigns.Run, error) {
	return many(ctx, tx, "open runs", runColumns+` WHERE status = $1 AND NOT paused AND held IS NULL ORDER BY occurrence, id`, scanRun, status)
}

const createRun = `INSERT INTO runs (id, campaign_id, version, occurrence, status, reason, created_at, finished_at, kind, priority, resend_of, open_until)
	VALUES ($1, $2, $3, $4, $5, NULLIF($6, ''), $7, $8, coalesce(NULLIF($9, ''), 'tick'), $10, $11, $12) ON CONFLICT ON CONSTRAINT runs_occurrence DO NOTHING`

func createRunArgs(r *campaigns.Run, now time.Time) []any {
	return []any{r.ID, r.CampaignID, r.Version, r.Occurrence, r.Status, r.Reason, now, r.FinishedAt, r.Kind, r.Priority, r.ResendOf, r.OpenUntil}
}

// CreateRun makes a run unless its occurrence exists: the insert that only one node can win.
func (tx *Tx) CreateRun(ctx context.Context, r *campaigns.Run) (bool, error) {
	n, err := tx.exec(ctx, "creating a run", `WITH made AS (`+createRun+` RETURNING campaign_id),
		recounted AS (UPDATE campaign_budgets b SET version = -1 FROM made WHERE b.campaign_id = made.campaign_id)
		SELECT FROM made`, createRunArgs(r, tx.Now)...)
	return err == nil && n == 1, err
}

// ClaimSelection leases to a node the first run that is to be selected; nil when there is none. Those of a minute come by
// priority, as they are queued. Runs that another node has begun come last: the lease makes a dead node's work free again.
// One statement.
func (tx *Tx) ClaimSelection(ctx context.Context, owner campaigns.ID, until time.Time) (*campaigns.Run, error) {
	return first(many(ctx, tx, "the next run to select", `UPDATE runs SET status = 'selecting', owner = $1, lease_until = $2, started_at = coalesce(started_at, $3)
		WHERE id = (SELECT id FROM runs WHERE status IN ('planned', 'selecting') AND NOT paused AND held IS NULL
			AND (owner IS NULL OR owner = $1 OR lease_until < $3) AND `+notStale(3)+` ORDER BY status = 'selecting', date_trunc('minute', occurrence), priority DESC, occurrence, id LIMIT 1 FOR UPDATE SKIP LOCKED)
		RETURNING `+runList, scanRun, owner, until, tx.Now))
}

// first is the first run of those that a statement gave, nil for none.
func first(runs []campaigns.Run, err error) (*campaigns.Run, error) {
	if err != nil || len(runs) == 0 {
		return nil, err
	}
	return &runs[0], nil
}

// MayQueue keeps a run that its owner has selected until the transaction ends, and says whether it may be queued at once:
// it is not paused or held, and nothing of the same minute comes first (TakeTurn).
func (tx *Tx) MayQueue(ctx context.Context, run, owner campaigns.ID) (bool, error) {
	n, err := tx.exec(ctx, "holding a run", `SELECT FROM runs r WHERE id = $1 AND owner = $2 AND status = 'selecting' AND NOT paused AND held IS NULL
		AND open_until IS NULL AND `+nothingBefore+` FOR UPDATE`, run, owner)
	return n == 1, err
}

// SaveRun writes what a run's owner found; it fails when the lease went to another node or the run was stopped or held.
func (tx *Tx) SaveRun(ctx context.Context, r *campaigns.Run, expect campaigns.RunStatus, owner campaigns.ID, until time.Time) error {
	n, err := tx.exec(ctx, "saving a run", `UPDATE runs SET status = $4, reason = NULLIF($5, ''), executor = NULLIF($6, ''), select_ms = $7, scanned = $8,
		customers = $9, selected_at = $10, queued_at = $11, finished_at = $12, lease_until = $13, held = NULLIF($14, ''), eligible = $15
		WHERE id = $1 AND owner = $2 AND status = $3 AND held IS NULL`, r.ID, owner, expect, r.Status, r.Reason, r.Executor, r.SelectMS, r.Scanned, r.Customers,
		r.SelectedAt, r.QueuedAt, r.FinishedAt, until, r.Held, r.Eligible)
	if err == nil && n == 0 {
		return campaigns.Conflict("the run is no longer this node's")
	}
	return err
}

// KeepRun renews the lease of a run in a state; it fails when the lease went to another node or the run was stopped.
func (tx *Tx) KeepRun(ctx context.Context, id campaigns.ID, status campaigns.RunStatus, owner campaigns.ID, until time.Time) error {
	n, err := tx.exec(ctx, "keeping a run", `UPDATE runs SET lease_until = $4 WHERE id = $1 AND owner = $2 AND status = $3`, id, owner, status, until)
	if err == nil && n == 0 {
		return campaigns.Conflict("the run is no longer this node's")
	}
	return err
}

// openGrace is how long after a run was to stay open it is ended: a transaction that began to let somebody in before then
// has committed or failed.
const openGrace = time.Minute

// ended is the condition that all messages of a run have ended: nothing is queued or sending. $1 is openGrace ago.
const ended = `status = 'sending' AND (open_until IS NULL OR open_until <= $1) AND NOT EXISTS (SELECT FROM outbox o WHERE o.run_id = runs.id AND o.sending_at IS NULL)
	AND NOT EXISTS (SELECT FROM outbox o WHERE o.run_id = runs.id AND o.sending_at IS NOT NULL)`

// RunsEnded says whether FinishRuns would end any. One statement.
func (tx *Tx) RunsEnded(ctx context.Context) (is bool, err error) {
	if err = tx.tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM runs WHERE `+ended+`)`, tx.Now.Add(-openGrace)).Scan(&is); err != nil {
		return false, fmt.Errorf("looking for runs that end: %w", err)
	}
	return is, nil
}

// FinishRuns ends runs whose messages have all ended, and gives their campaigns.
func (tx *Tx) FinishRuns(ctx context.Context) ([]campaigns.ID, error) {
	return many(ctx, tx, "runs that end", `UPDATE runs SET status = 'done', finished_at = $2, held = NULL WHERE `+ended+` RETURNING campaign_id`, pgx.RowTo[campaigns.ID],
		tx.Now.Add(-openGrace), tx.Now)
}

// WithoutTicks are those of some campaigns, each once, that no tick is to come for: the end of their last run may be theirs.
func (tx *Tx) WithoutTicks(ctx context.Context, ids []campaigns.ID) ([]campaigns.ID, error) {
	return many(ctx, tx, "campaigns that end", `SELECT id FROM campaigns WHERE id = ANY($1) AND next_run_at IS NULL ORDER BY id`, pgx.RowTo[campaigns.ID], ids)
}

// PauseRuns stops or lets go on the sending of all open runs of a campaign.
func (tx *Tx) PauseRuns(ctx context.Context, campaign campaigns.ID, paused bool) error {
	_, err := tx.exec(ctx, "pausing runs", `UPDATE runs SET paused = $2 WHERE campaign_id = $1 AND status NOT IN ('done', 'stopped')`, campaign, paused)
	return err
}

// StopRuns ends all open runs of a campaign: what is queued is cancelled, what is being sent goes on. The runs are stopped
// first: that waits for a node which is just queueing a part, so that its messages are there to be found.
func (tx *Tx) StopRuns(ctx context.Context, campaign campaigns.ID, reason string) error {
	_, err := tx.exec(ctx, "stopping runs", `UPDATE runs SET status = 'stopped', held = NULL, reason = $2, finished_at = $3
		WHERE campaign_id = $1 AND status NOT IN ('done', 'stopped')`, campaign, reason, tx.Now)
	if err != nil {
		return err
	}
	if _, err = tx.DropMessages(ctx); err != nil {
		return err
	}
	return tx.dropGhosts(ctx, "r.campaign_id", campaign)
}

// droppedFor is how long after its end a stopped run is looked at: what was being sent then has ended long before.
const droppedFor = 24 * time.Hour

// DropMessages cancels what is queued of runs that were stopped, also what came back into the queue since, because its
// provider said "later" or its node had no more time for it. It gives how many.
func (tx *Tx) DropMessages(ctx context.Context) (int64, error) {
	return tx.exec(ctx, "cancelling messages", `WITH dropped AS (
			DELETE FROM outbox o USING runs r WHERE r.id = o.run_id AND r.status = 'stopped' AND r.finished_at > $4 AND o.sending_at IS NULL
			RETURNING o.message_id, o.no, o.attempts, r.reason),
		dead AS (UPDATE messages m SET status = 'cancelled', finished_at = $1, attempts = d.attempts,
				history = history || jsonb_build_object('at', $3::text, 'status', 'cancelled', 'detail', coalesce(d.reason, ''))
			FROM dropped d WHERE m.id = d.message_id AND m.no = d.no AND m.status = 'queued' RETURNING m.no, m.code, m.run_id),
		moves AS (SELECT run_id, 'queued' AS before, 'cancelled' AS after FROM dead)`+counting+lapsing+`
		SELECT FROM dead`, tx.Now, changedCoupons, stamp(tx.Now), tx.Now.Add(-droppedFor))
}

// stamp is an instant as histories of messages have it.
func stamp(at time.Time) string { return at.Truncate(time.Millisecond).Format(time.RFC3339Nano) }

// LiveRuns says whether a campaign has runs that are not over.
func (tx *Tx) LiveRuns(ctx context.Context, campaign campaigns.ID) (bool, error) {
	var live bool
	err := tx.tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM runs WHERE campaign_id = $1 AND status NOT IN ('done', 'stopped'))`, campaign).Scan(&live)
	return live, err
}

// countRun adds up gates and messages. The audience is the sum of the gates by construction: each customer of it stands
// at exactly one, those who still wait to be queued at "eligible".
func (tx *Tx) countRun(ctx context.Context, r *campaigns.Run) error {
	r.Gates, r.GhostGates, r.Messages = map[string]int64{}, map[string]int64{}, map[string]int64{}
	for _, gate := range campaigns.Gates() {
		r.Gates[string(gate)] = 0
	}
	for _, status := range campaigns.MessageStatuses() {
		r.Messages[string(status)] = 0
	}
	gates, err := many(ctx, tx, "gates", `SELECT gate, sum(n)::bigint FROM (SELECT gate, n FROM audiences WHERE run_id = $1
		UNION ALL SELECT gate, n FROM run_gates WHERE run_id = $1 UNION ALL SELECT $2, n FROM run_parts WHERE run_id = $1) g GROUP BY gate`,
		scanCount, r.ID, campaigns.GateEligible)
	if err != nil {
		return err
	}
	for _, g := range gates {
		if campaigns.Gate(g.name).IsGhost() {
			r.GhostGates[strings.TrimPrefix(g.name, "ghost:")] = g.n
			continue
		}
		r.Gates[g.name] = g.n
		r.Audience += g.n
	}
	if err := tx.countMessages(ctx, r); err != nil {
		return err
	}
	return tx.countTracks(ctx, r)
}

// countMessages says how many messages of a run stand at each status: those of the queue that are being sent know it there alone.
func (tx *Tx) countMessages(ctx context.Context, r *campaigns.Run) error {
	of, err := tx.MessagesOf(ctx, []campaigns.ID{r.ID})
	if err != nil {
		return err
	}
	for status, n := range of[r.ID] {
		r.Messages[string(status)] = n
	}
	var sending int64
	if err := tx.tx.QueryRow(ctx, `SELECT count(*) FROM outbox WHERE run_id = $1 AND sending_at IS NOT NULL`, r.ID).Scan(&sending); err != nil {
		return fmt.Errorf("counting what is being sent: %w", err)
	}
	r.Messages[string(campaigns.MessageSending)] = sending
	r.Messages[string(campaigns.MessageQueued)] -= sending
	return nil
}

// count is a number under a name, as GROUP BY gives it.
type count struct {
	name string
	n    int64
}

func scanCount(row pgx.CollectableRow) (count, error) {
	var c count
	err := row.Scan(&c.name, &c.n)
	return c, err
}

func nullTime(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}
