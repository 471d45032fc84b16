package store

import (
	"context"
	"strings"

	"github.com/RoaringBitmap/roaring/v2/roaring64"
	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// An Ending is where one customer's way through a run ended, and what became of their message. Ghost is the later gate of
// somebody held out, passed where nothing would have stopped them; CustomerID is empty for one who was erased since.
type Ending struct {
	No         int64
	CustomerID string
	Gate       campaigns.Gate
	Ghost      campaigns.Gate
	Status     string
	Why        string // what the provider, or we, said last of a message that was not delivered
}

// Endings tell about customers of a run who stand at one gate, in the order in which they are named.
func (tx *Tx) Endings(ctx context.Context, run campaigns.ID, gate campaigns.Gate, nos []int64) ([]Ending, error) {
	if len(nos) == 0 {
		return nil, nil
	}
	ids, err := tx.CustomerIDs(ctx, nos)
	if err != nil {
		return nil, err
	}
	last, ghosts := map[int64]Ending{}, map[int64]campaigns.Gate{}
	switch gate {
	case campaigns.GatePassed:
		last, err = tx.lastMessages(ctx, run, nos)
	case campaigns.GateHoldout:
		ghosts, err = tx.ghostGates(ctx, run, nos)
	}
	found := make([]Ending, len(nos))
	for i, no := range nos {
		found[i] = Ending{No: no, CustomerID: ids[no], Gate: gate, Ghost: ghosts[no], Status: last[no].Status, Why: last[no].Why}
		if gate == campaigns.GateHoldout && found[i].Ghost == "" {
			found[i].Ghost = campaigns.GatePassed
		}
	}
	return found, err
}

// lastMessages tell how the messages of customers stand: of several, as a triggered campaign writes them, the latest; what is
// being sent says so in the outbox alone. Of those that went well there is nothing to tell why.
func (tx *Tx) lastMessages(ctx context.Context, run campaigns.ID, nos []int64) (map[int64]Ending, error) {
	found, err := many(ctx, tx, "messages", `SELECT DISTINCT ON (m.no) m.no, CASE WHEN o.sending_at IS NULL THEN m.status ELSE 'sending' END,
			CASE WHEN m.status IN ('sent', 'delivered') THEN '' ELSE coalesce(m.history->-1->>'detail', '') END
		FROM messages m LEFT JOIN outbox o ON m.status = 'queued' AND o.run_id = m.run_id AND o.no = m.no AND o.message_id = m.id AND o.lane = m.no & $3
		WHERE m.no = ANY($1) AND m.run_id = $2 AND NOT m.ghost ORDER BY m.no, m.queued_at DESC, m.id DESC`,
		func(row pgx.CollectableRow) (e Ending, err error) { return e, row.Scan(&e.No, &e.Status, &e.Why) }, nos, run, campaigns.Lanes-1)
	last := make(map[int64]Ending, len(found))
	for _, e := range found {
		last[e.No] = e
	}
	return last, err
}

// CustomerIDs are the ids of customers by their numbers; those who were erased have none.
func (tx *Tx) CustomerIDs(ctx context.Context, nos []int64) (map[int64]string, error) {
	return tx.textsOf(ctx, "customers", `SELECT no, id FROM customers WHERE no = ANY($1) AND id IS NOT NULL`, nos)
}

// ghostGates are the later gates of those of some customers who would have been stopped at one.
func (tx *Tx) ghostGates(ctx context.Context, run campaigns.ID, nos []int64) (map[int64]campaigns.Gate, error) {
	first, last := nos[0]/chunkSize, nos[len(nos)-1]/chunkSize
	sets := map[campaigns.Gate]*roaring64.Bitmap{}
	_, err := many(ctx, tx, "ghosts' gates", `SELECT gate, chunk, bitmap, NULL::bytea FROM audiences WHERE run_id = $1 AND gate LIKE 'ghost:%' AND chunk BETWEEN $2 AND $3
		UNION ALL SELECT gate, 0, NULL, nos FROM run_gates WHERE run_id = $1 AND gate LIKE 'ghost:%'`,
		func(row pgx.CollectableRow) (struct{}, error) {
			var gate campaigns.Gate
			var chunk int32
			var bitmap, set []byte
			if err := row.Scan(&gate, &chunk, &bitmap, &set); err != nil {
				return struct{}{}, err
			}
			if sets[gate] == nil {
				sets[gate] = roaring64.New()
			}
			if bitmap == nil {
				some, err := unpacked(set)
				if err == nil {
					sets[gate].Or(some)
				}
				return struct{}{}, err
			}
			some, err := numbers(chunk, bitmap)
			sets[gate].AddMany(some)
			return struct{}{}, err
		}, run, first, last)
	gates := map[int64]campaigns.Gate{}
	for gate, set := range sets {
		for _, no := range nos {
			if set.Contains(uint64(no)) {
				gates[no] = campaigns.Gate(strings.TrimPrefix(string(gate), "ghost:"))
			}
		}
	}
	return gates, err
}

// textsOf reads a text for each customer.
func (tx *Tx) textsOf(ctx context.Context, what, sql string, args ...any) (map[int64]string, error) {
	texts := map[int64]string{}
	type pair struct {
		no   int64
		text string
	}
	found, err := many(ctx, tx, what, sql, func(row pgx.CollectableRow) (pair, error) {
		var p pair
		err := row.Scan(&p.no, &p.text)
		return p, err
	}, args...)
	for _, p := range found {
		texts[p.no] = p.text
	}
	return texts, err
}
