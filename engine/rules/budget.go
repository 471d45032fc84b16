package rules

import (
	"context"
	"errors"
	"fmt"
)

// stepsMax is how many parts of rules one evaluation may work out in closures that stand in closures: something like one
// comparison in 2,400 by 2,400 rows, about half a second. Inner closures that do not depend on the outer ones are worked
// out once, and single ones do what there is to do.
const stepsMax = 30_000_000

// ErrTooLong is what becomes of a rule whose closures visit each other's elements too often for one customer.
var ErrTooLong = errors.New("the rule takes too long for one customer")

// A budget is what an evaluation may still cost.
type budget struct {
	steps   int
	isOver  func() error // nil: nobody waits for the answer any more
	stopped error
}

// spend counts steps, and ends the program when there were too many or nobody waits for its answer.
func (b *budget) spend(steps int) {
	const lookEvery = 1 << 16
	before := b.steps
	b.steps += 1 + steps
	if b.steps > stepsMax {
		b.stopped = fmt.Errorf("%w: its closures in closures take more than %d steps; filter the lists first, or compare fewer rows", ErrTooLong, stepsMax)
	} else if b.isOver != nil && before/lookEvery != b.steps/lookEvery {
		b.stopped = b.isOver()
	}
	if b.stopped != nil {
		panic(b.stopped) // the VM returns it
	}
}

// Decide says whether the rule is true for a customer at an instant. Its error is ErrTooLong, or the context's.
func (r *Rule) Decide(ctx context.Context, c Record, at Instant) (bool, error) {
	answer, err := r.run(ctx.Err, c, at)
	return answer == true, err
}

// isWithin says that a normalised tree depends on no element and no let from around it, so that it has one value for a
// customer wherever it stands.
func isWithin(n *node, closures int, lets []string) bool {
	switch n.op {
	case opElement:
		return closures > 0
	case opVariable:
		for _, name := range lets {
			if name == n.name {
				return true
			}
		}
		return false
	}
	for i, arg := range n.args {
		inner, known := closures, lets
		if n.op == opClosure && i == 1 {
			inner++
		}
		if n.op == opLet && i == 1 {
			known = append(known[:len(known):len(known)], n.name)
		}
		if !isWithin(arg, inner, known) {
			return false
		}
	}
	return true
}

// parts is how many nodes a tree has: the steps that it takes to work it out once.
func parts(n *node) int {
	count := 1
	for _, arg := range n.args {
		count += parts(arg)
	}
	return count
}
