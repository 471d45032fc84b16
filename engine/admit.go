package engine

import (
	"context"
	"slices"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// admissions are what several campaigns let in in one transaction, to be written together: one statement for a table and
// not one for each campaign, and the gates that all nodes count at are locked for no longer than that takes.
type admissions struct {
	gates    map[campaigns.ID]map[campaigns.Gate][]int64 // by run
	admitted []store.Admitted
	messages []campaigns.Message
	nos      map[int64]bool // of whom something waits to be written
}

func newAdmissions() *admissions {
	return &admissions{gates: map[campaigns.ID]map[campaigns.Gate][]int64{}, nos: map[int64]bool{}}
}

// put counts customers at a run's gates.
func (a *admissions) put(run campaigns.ID, gates map[campaigns.Gate][]int64) {
	if a.gates[run] == nil {
		a.gates[run] = map[campaigns.Gate][]int64{}
	}
	for gate, nos := range gates {
		a.gates[run][gate] = append(a.gates[run][gate], nos...)
	}
}

// keep takes what a batch would write.
func (a *admissions) keep(of store.Admitted, messages []campaigns.Message) {
	for _, e := range of.Entries {
		a.nos[e.No] = true
	}
	for _, arm := range of.Assignments {
		a.nos[arm.No] = true
	}
	for i := range messages {
		a.nos[messages[i].No] = true
	}
	a.admitted, a.messages = append(a.admitted, of), append(a.messages, messages...)
}

// write writes all but the gates; who reads what it wrote comes after it.
func (a *admissions) write(ctx context.Context, tx *store.Tx) error {
	if err := tx.SaveAdmitted(ctx, a.admitted); err != nil {
		return err
	}
	if err := tx.QueueMessages(ctx, a.messages); err != nil {
		return err
	}
	a.admitted, a.messages = nil, nil
	clear(a.nos)
	return nil
}

// end writes what is left, and the gates.
func (a *admissions) end(ctx context.Context, tx *store.Tx) error {
	if err := a.write(ctx, tx); err != nil {
		return err
	}
	return tx.AddToGates(ctx, a.gates)
}

// admit leads customers, each at most once, through all gates of a run that stays open, in the caller's transaction, who
// writes the admissions at its end. An entry's time is now, not the run's, so that a cool-down lies between what happened.
func (e *Engine) admit(ctx context.Context, tx *store.Tx, p *plan, run *campaigns.Run, nos []int64, to *admissions) error {
	if slices.ContainsFunc(nos, func(no int64) bool { return to.nos[no] }) { // caps and entries count what comes before
		if err := to.write(ctx, tx); err != nil {
			return err
		}
	}
	if err := p.meet(ctx, tx, nos); err != nil {
		return err
	}
	gates, err := p.early(ctx, tx, nos, false)
	if err != nil {
		return err
	}
	eligible := gates[campaigns.GateEligible]
	delete(gates, campaigns.GateEligible)
	to.put(run.ID, gates)
	if len(eligible) == 0 {
		return nil
	}
	ready, err := e.readyOf(ctx, p)
	if err != nil {
		return err
	}
	entered := *run
	entered.Occurrence = tx.Now
	b := ready.batch(tx, &entered)
	b.admissions = to
	if err := b.resume(ctx); err != nil {
		return err
	}
	if err := b.admit(ctx, eligible); err != nil {
		return err
	}
	to.put(run.ID, b.gates)
	return b.suspend(ctx)
}
