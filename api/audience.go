package api

import (
	"context"
	"encoding/csv"
	"io"
	"slices"
	"strconv"
	"strings"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// atGate is where a customer's way through a run ended.
type atGate struct {
	CustomerID string         `json:"customer_id" doc:"empty for somebody who was erased since"`
	Gate       campaigns.Gate `json:"gate" doc:"rule is outside the audience"`
	GhostGate  string         `json:"ghost_gate,omitempty" doc:"of somebody held out: where they would have been stopped, or passed"`
	Status     string         `json:"status,omitempty" doc:"of their message, of those who have one"`
	Why        string         `json:"why,omitempty" doc:"of a message that did not arrive, or not yet: what was said of it last; at the gate template what is still wrong"`
}

func ending(s store.Ending) atGate {
	return atGate{CustomerID: s.CustomerID, Gate: s.Gate, GhostGate: string(s.Ghost), Status: s.Status, Why: s.Why}
}

type audienceListing struct {
	ID         string `path:"id"`
	Limit      int    `query:"limit" minimum:"1" maximum:"1000" doc:"the most items of one answer: 100 if left out, and of CSV all"`
	Cursor     string `query:"cursor" maxLength:"1000" doc:"next of the answer before; from the beginning when it is left out"`
	Format     string `query:"format" enum:"json,csv" doc:"csv is a table, as with Accept: text/csv"`
	Accept     string `header:"Accept" hidden:"true"`
	Gate       string `query:"gate" doc:"only those who ended at this gate"`
	Status     string `query:"status" enum:"queued,sent,delivered,bounced,failed,unknown,cancelled,expired,ghost" doc:"only those whose message stands there"`
	CustomerID string `query:"customer_id" doc:"where this one customer ended"`
}

// isWhole says whether all of it is asked for, as a table.
func (in *audienceListing) isWhole() bool {
	return in.Limit == 0 && in.Accept == "text/csv" && in.CustomerID == ""
}

func (in *audienceListing) listing() Listing {
	if in.Limit == 0 {
		return Listing{Limit: 100, Cursor: in.Cursor}
	}
	return Listing{Limit: in.Limit, Cursor: in.Cursor}
}

func (s *Server) runAudience(ctx context.Context, in *audienceListing) (*listOf[atGate], error) {
	id, err := campaigns.ParseID("run", in.ID)
	if err != nil {
		return nil, err
	}
	gates, after, err := in.start()
	if err != nil {
		return nil, err
	}
	out := &listOf[atGate]{}
	return out, s.store.View(ctx, func(tx *store.Tx) (err error) {
		run, err := tx.Run(ctx, id)
		if err != nil {
			return err
		}
		why := func(ctx context.Context, tx *store.Tx, nos []int64) (map[int64]string, error) {
			return s.engine.WhyUnprintable(ctx, tx, &run, nos)
		}
		walk := &audienceWalk{run: id, why: why, status: campaigns.MessageStatus(in.Status), gates: gates, after: after}
		switch {
		case in.CustomerID != "":
			out, err = gateOf(ctx, tx, id, in)
		case in.isWhole():
			out.Body = page[atGate]{Items: []atGate{}, whole: func(w io.Writer) error { return s.writeAudience(ctx, walk, w) }}
		default:
			out, err = walk.page(ctx, tx, in.listing())
		}
		return err
	})
}

// start is the gates that are still to be listed and the number of the customer after whom the first goes on.
func (in *audienceListing) start() ([]campaigns.Gate, int64, error) {
	gates := append(campaigns.Gates(), campaigns.GateEligible)
	if in.Gate != "" {
		if !slices.Contains(gates, campaigns.Gate(in.Gate)) {
			return nil, 0, campaigns.Invalid("gate", "%q is no gate: use one of %s", in.Gate, gateNames(gates))
		}
		gates = []campaigns.Gate{campaigns.Gate(in.Gate)}
	}
	if in.Status != "" && in.CustomerID != "" {
		return nil, 0, campaigns.Invalid("status", "is not asked together with customer_id: GET /v1/messages with run_id and customer_id says it")
	}
	if in.Status != "" {
		gates = slices.DeleteFunc(gates, func(gate campaigns.Gate) bool { return gate != gateOfStatus(in.Status) })
	}
	position, err := in.listing().after()
	if err != nil || position == "" {
		return gates, 0, err
	}
	gate, number, _ := strings.Cut(position, " ")
	no, err := strconv.ParseInt(number, 10, 64)
	first := slices.Index(gates, campaigns.Gate(gate))
	if err != nil || first < 0 {
		return nil, 0, badCursor()
	}
	return gates[first:], no, nil
}

// gateOfStatus is where those stand who have a message of a status: it is written for those who pass, and as a ghost for
// those who would have.
func gateOfStatus(status string) campaigns.Gate {
	if status == string(campaigns.MessageGhost) {
		return campaigns.GateHoldout
	}
	return campaigns.GatePassed
}

func gateNames(gates []campaigns.Gate) string {
	names := make([]string, len(gates))
	for i, gate := range gates {
		names[i] = string(gate)
	}
	return strings.Join(names, ", ")
}

func gateOf(ctx context.Context, tx *store.Tx, run campaigns.ID, in *audienceListing) (*listOf[atGate], error) {
	c, err := tx.Customer(ctx, in.CustomerID)
	if err != nil {
		return nil, err
	}
	gate, _, err := tx.GateOf(ctx, run, c.No)
	if err != nil {
		return nil, err
	}
	found, err := tx.Endings(ctx, run, gate, []int64{c.No})
	var items []atGate
	for _, s := range found {
		if in.Gate == "" || in.Gate == string(gate) {
			items = append(items, ending(s))
		}
	}
	return pageOf(Listing{Limit: 1}, items, nil), err
}

// An audienceWalk goes through a run's gates in order, and at each through the customers by number.
type audienceWalk struct {
	run    campaigns.ID
	status campaigns.MessageStatus // only those whose message stands there; "" for all
	gates  []campaigns.Gate        // still to be walked
	after  int64                   // the last customer of the first gate who was passed

	why func(context.Context, *store.Tx, []int64) (map[int64]string, error) // of those at the gate template
}

// next gives up to n customers of one gate; none at the end.
func (a *audienceWalk) next(ctx context.Context, tx *store.Tx, n int) ([]store.Ending, error) {
	for len(a.gates) > 0 {
		nos, err := a.numbers(ctx, tx, n)
		if err != nil {
			return nil, err
		}
		if len(nos) == 0 {
			a.gates, a.after = a.gates[1:], 0
			continue
		}
		a.after = nos[len(nos)-1]
		found, err := tx.Endings(ctx, a.run, a.gates[0], nos)
		for i := range found {
			if a.status != "" {
				found[i].Status = string(a.status)
			}
		}
		if err == nil && a.gates[0] == campaigns.GateTemplate {
			err = a.explain(ctx, tx, nos, found)
		}
		return found, err
	}
	return nil, nil
}

// explain says what is wrong with the messages of customers at the gate template.
func (a *audienceWalk) explain(ctx context.Context, tx *store.Tx, nos []int64, found []store.Ending) error {
	why, err := a.why(ctx, tx, nos)
	for i := range found {
		found[i].Why = why[found[i].No]
	}
	return err
}

func (a *audienceWalk) numbers(ctx context.Context, tx *store.Tx, n int) ([]int64, error) {
	if a.status != "" {
		return tx.WithMessage(ctx, a.run, a.status, a.after, n)
	}
	return tx.AtGate(ctx, a.run, a.gates[0], a.after, n)
}

// page walks until a page is full.
func (a *audienceWalk) page(ctx context.Context, tx *store.Tx, l Listing) (*listOf[atGate], error) {
	var found []store.Ending
	for len(found) < l.more() {
		some, err := a.next(ctx, tx, l.more()-len(found))
		if err != nil {
			return nil, err
		}
		if len(some) == 0 {
			break
		}
		found = append(found, some...)
	}
	list := pageOf(l, found, func(s store.Ending) string { return string(s.Gate) + " " + strconv.FormatInt(s.No, 10) })
	out := &listOf[atGate]{Next: list.Next, Body: page[atGate]{Next: list.Next, Items: []atGate{}}}
	for _, s := range list.Body.Items {
		out.Body.Items = append(out.Body.Items, ending(s))
	}
	return out, nil
}

// audienceSpan is how many customers of a whole audience are read at a time.
const audienceSpan = 8192

// writeAudience writes all that is still to be walked, as of one moment. An answer that began cannot become an error any
// more: a list that breaks off says so in its last line.
func (s *Server) writeAudience(ctx context.Context, walk *audienceWalk, w io.Writer) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{"customer_id", "gate", "ghost_gate", "status", "why"}) // Flush's error is that of all writes
	err := s.store.View(ctx, func(tx *store.Tx) error {
		for {
			found, err := walk.next(ctx, tx, audienceSpan)
			if err != nil || len(found) == 0 {
				return err
			}
			for _, s := range found {
				_ = out.Write([]string{harmless(s.CustomerID), string(s.Gate), string(s.Ghost), s.Status, harmless(s.Why)})
			}
			if out.Flush(); out.Error() != nil {
				return nil // nobody reads any more
			}
		}
	})
	if err != nil {
		s.log.Error("an audience's table broke off", "request_id", requestID(ctx), "run", walk.run, "err", err)
		_ = out.Write([]string{"the list breaks off here: ask again", "", "", "", ""})
	}
	out.Flush()
	return nil
}
