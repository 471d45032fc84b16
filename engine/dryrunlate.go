package engine

import (
	"context"
	"maps"
	"slices"
	"strings"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// lateGates decides where customers end behind the arms without writing anything: arms, codes and templates. Columns tell
// for nearly everybody that nothing is missing in their message; only the others' are rendered.
type lateGates struct {
	*plan
	tx       *store.Tx
	links    links
	closed   bool
	crowded  map[string]map[string]bool
	printed  []string // columns that the templates print, when those are all that somebody could lack
	isSimple bool

	gates map[campaigns.Gate]int64 // of the last batch
	arms  map[string]int64         // likewise
}

func (e *Engine) newLate(ctx context.Context, tx *store.Tx, p *plan) (*lateGates, error) {
	l := &lateGates{plan: p, tx: tx, isSimple: true}
	var err error
	if l.links, err = e.links(ctx, p.workspace); err != nil {
		return nil, err
	}
	q := &quarter{}
	if err := q.readCrowded(ctx, tx); err != nil {
		return nil, err
	}
	l.crowded = q.crowded
	b := l.batch()
	l.closed = slices.ContainsFunc(p.variants, b.isClosed)
	for i := range p.variants {
		for j := range p.variants[i].ways {
			l.readVariables(&p.variants[i], &p.variants[i].ways[j])
		}
	}
	slices.Sort(l.printed)
	l.printed = slices.Compact(l.printed)
	return l, nil
}

func (l *lateGates) batch() *batch {
	return &batch{plan: l.plan, tx: l.tx, links: l.links, gates: map[campaigns.Gate][]int64{}}
}

// readVariables notes which columns a template prints; where it prints what no single column tells, it is rendered for
// everybody.
func (l *lateGates) readVariables(v *variant, w *way) {
	for _, name := range w.template.Variables() {
		column, is := strings.CutPrefix(name, "customer.")
		switch {
		case is && (l.computed[column] != nil || column == "next_birthday" || column == "avg_basket" || column == "points"):
			l.isSimple = false
		case is:
			l.printed = append(l.printed, column)
		case name == "campaign.name", name == "links.unsubscribe", name == "code":
		default:
			l.isSimple = false
		}
	}
}

// decide counts where customers end.
func (l *lateGates) decide(ctx context.Context, nos []int64) error {
	nos = slices.Clone(nos)
	slices.Sort(nos)
	l.gates, l.arms = map[campaigns.Gate]int64{}, map[string]int64{}
	existing, err := l.tx.Assignments(ctx, l.campaign.ID, l.period, nos)
	if err != nil {
		return err
	}
	keys, err := l.tx.KeptArmKeys(ctx, nos)
	if err != nil {
		return err
	}
	arms := make(map[int64]string, len(nos))
	var unsure []int64
	columns := append([]string{"phone_hash", "email_hash"}, l.printed...)
	err = eachOf(ctx, l.tx, nos, columns, func(no int64, values []any) error {
		arm := existing[no].Arm
		if arm == "" {
			key, known := keys[no]
			if !known {
				phone, _ := values[0].([]byte)
				email, _ := values[1].([]byte)
				key = armKey(no, phone, email, l.crowded)
			}
			arm, _ = l.armOf(key)
		}
		if arms[no] = arm; !l.closed && (!l.isSimple || isLacking(values[2:])) {
			unsure = append(unsure, no)
		}
		return nil
	})
	if err != nil {
		return err
	}
	lacking, err := l.lacking(ctx, unsure)
	if err != nil {
		return err
	}
	l.gates[campaigns.GateAddress] += int64(len(nos) - len(arms))
	for no, arm := range arms {
		l.put(arm, lacking[no])
	}
	return nil
}

// put counts somebody in an arm.
func (l *lateGates) put(arm string, lacks bool) {
	gate := campaigns.GatePassed
	switch {
	case l.closed:
		gate = campaigns.GateCode
	case lacks:
		gate = campaigns.GateTemplate
	}
	if l.arms[arm]++; arm == campaigns.Holdout {
		if gate != campaigns.GatePassed {
			l.gates[campaigns.GhostGate(gate)]++
		}
		gate = campaigns.GateHoldout
	}
	l.gates[gate]++
}

// simpleMax is how long the texts of a message's columns may be together for nobody to ask whether they are too long.
const simpleMax = varsMax / 8

// isLacking says whether a column is missing, or the message might be too long.
func isLacking(values []any) bool {
	length := 0
	for _, value := range values {
		switch value := value.(type) {
		case nil:
			return true
		case string:
			length += len(value)
		case []string:
			length += simpleMax
		}
	}
	return length > simpleMax
}

// lacking renders every variant for customers and says for whom that does not work.
func (l *lateGates) lacking(ctx context.Context, nos []int64) (map[int64]bool, error) {
	lacking := map[int64]bool{}
	if len(nos) == 0 {
		return lacking, nil
	}
	b := l.batch()
	if err := b.load(ctx, nos); err != nil {
		return nil, err
	}
	for _, p := range b.people {
		lacking[p.no] = !b.isPrintable(p)
	}
	return lacking, nil
}

// sorted are the keys of a map in order.
func sorted[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }
