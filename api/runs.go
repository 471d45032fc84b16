package api

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// atGate is where a customer's way through a run ended.
type atGate struct {
	CustomerID string         `json:"customer_id"`
	Gate       campaigns.Gate `json:"gate" doc:"rule is outside the audience"`
	GhostGate  string         `json:"ghost_gate,omitempty" doc:"of somebody held out: where they would have been stopped, or passed"`
	Status     string         `json:"status,omitempty" doc:"of their message, where it was asked for"`
}

func (s *Server) listCampaignRuns(ctx context.Context, in *struct {
	ID string `path:"id"`
	Listing
}) (*listOf[campaigns.Run], error) {
	id, err := campaigns.ParseID("campaign", in.ID)
	if err != nil {
		return nil, err
	}
	before, err := in.beforeTime()
	if err != nil {
		return nil, err
	}
	var found []campaigns.Run
	err = s.store.View(ctx, func(tx *store.Tx) error {
		if _, err := tx.Campaign(ctx, id); err != nil {
			return err
		}
		found, err = tx.Runs(ctx, id, before, in.more())
		return err
	})
	return pageOf(in.Listing, found, func(r campaigns.Run) string { return r.Occurrence.Format(time.RFC3339Nano) }), err
}

// latestRuns has no cursor: runs of different campaigns share their times, so that nothing would say where to go on.
func (s *Server) latestRuns(ctx context.Context, in *struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Format string `query:"format" enum:"json,csv"`
}) (*listOf[campaigns.Run], error) {
	var found []campaigns.Run
	err := s.store.View(ctx, func(tx *store.Tx) (err error) {
		found, err = tx.Runs(ctx, campaigns.ID{}, time.Time{}, in.Limit)
		return err
	})
	return pageOf(Listing{Limit: in.Limit}, found, nil), err
}

func (s *Server) run(ctx context.Context, in *byID) (*some[campaigns.Run], error) {
	id, err := campaigns.ParseID("run", in.ID)
	if err != nil {
		return nil, err
	}
	out := &some[campaigns.Run]{}
	return out, s.store.View(ctx, func(tx *store.Tx) (err error) {
		out.Body, err = tx.Run(ctx, id)
		return err
	})
}

type audienceListing struct {
	ID string `path:"id"`
	Listing
	Gate       string `query:"gate" doc:"only those who ended at this gate"`
	Status     string `query:"status" enum:"queued,sent,delivered,bounced,failed,unknown,cancelled,expired,ghost" doc:"only those whose message stands there"`
	CustomerID string `query:"customer_id" doc:"where this one customer ended"`
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
		if _, err := tx.Run(ctx, id); err != nil {
			return err
		}
		if in.CustomerID != "" {
			out, err = gateOf(ctx, tx, id, in)
			return err
		}
		out, err = audience(ctx, tx, id, in, gates, after)
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
	position, err := in.after()
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
	gate, ghost, err := tx.GateOf(ctx, run, c.No)
	items := []atGate{{CustomerID: c.ID, Gate: gate, GhostGate: strings.TrimPrefix(string(ghost), "ghost:")}}
	if in.Gate != "" && string(gate) != in.Gate {
		items = nil
	}
	return pageOf(Listing{Limit: 1}, items, nil), err
}

// audience walks the gates in order until the page is full.
func audience(ctx context.Context, tx *store.Tx, run campaigns.ID, in *audienceListing, gates []campaigns.Gate, after int64) (*listOf[atGate], error) {
	l := in.Listing
	type place struct {
		gate campaigns.Gate
		no   int64
	}
	var found []place
	for _, gate := range gates {
		var nos []int64
		var err error
		if in.Status != "" {
			nos, err = tx.WithMessage(ctx, run, campaigns.MessageStatus(in.Status), after, l.more())
		} else {
			nos, err = tx.AtGate(ctx, run, gate, after, l.more()-len(found))
		}
		if err != nil {
			return nil, err
		}
		for _, no := range nos {
			found = append(found, place{gate, no})
		}
		if after = 0; len(found) == l.more() {
			break
		}
	}
	list := pageOf(l, found, func(p place) string { return string(p.gate) + " " + strconv.FormatInt(p.no, 10) })
	out := &listOf[atGate]{Next: list.Next, Body: page[atGate]{Next: list.Next, Items: []atGate{}}}
	for _, p := range list.Body.Items {
		c, err := tx.CustomerByNo(ctx, p.no)
		if err != nil {
			return nil, err
		}
		out.Body.Items = append(out.Body.Items, atGate{CustomerID: c.ID, Gate: p.gate, Status: in.Status})
	}
	return out, nil
}
