package rules

import "slices"

// rank binds a percentile or an ntile. One that nobody has a value for is missing; one whose cuts are not known stands for
// what will be read once they are.
func (b *binder) rank(n *node, out *Expr) *Expr {
	isKnown := n.index < len(b.cuts)
	if isKnown && len(b.cuts[n.index]) == 0 {
		out.Op = Constant
		return out
	}
	id := &Expr{Op: Column, Name: "id", Type: Text}
	out.Op, out.Args = RankAmong, []*Expr{b.expr(n.args[0]), id}
	if isKnown {
		out.Cuts = b.cuts[n.index]
	}
	return out
}

// throughRank looks through a rank: its values from Low to High are those customers from one cut up to another, which is
// a range of what they are ranked by, and a look at the id of those who are at its ends where a bucket begins among equals.
func (b *binder) throughRank(w *Expr) *Expr {
	rank := w.Args[0]
	if len(rank.Cuts) == 0 {
		return w
	}
	first := slices.IndexFunc(rank.Cuts, func(c Cut) bool { return c.Value >= w.Low })
	after := slices.IndexFunc(rank.Cuts, func(c Cut) bool { return c.Value > w.High })
	if first < 0 || after == 0 || after > 0 && after <= first {
		return &Expr{Op: Constant, Type: Bool, Value: false}
	}
	r := rankRange{binder: b, x: rank.Args[0], id: rank.Args[1]}
	if first > 0 { // who would be before all others is in the first bucket
		r.from = &rank.Cuts[first]
	}
	if after > 0 {
		r.to = &rank.Cuts[after]
	}
	isSimple := r.x.Op == Column || (r.from == nil || r.from.Any) && (r.to == nil || r.to.Any) && r.x.Type != Number
	if isSimple {
		return r.condition()
	}
	b.slots++
	let := &Expr{Op: Let, Type: Bool, Slot: b.slots, Args: []*Expr{r.x, nil}}
	r.x = &Expr{Op: Variable, Slot: b.slots, Type: r.x.Type, Depends: r.x.Depends}
	let.Args[1] = r.condition()
	return b.finish(let)
}

// rankRange is the customers from a cut, nil for the first of all, up to another, nil for the last of all.
type rankRange struct {
	*binder
	x, id    *Expr
	from, to *Cut
}

func (r rankRange) condition() *Expr {
	parts := r.keys()
	if r.from != nil && !r.from.Any {
		parts = append(parts, r.make(Or, r.make(Not, r.at(r.from)), r.isFrom(r.from)))
	}
	if r.to != nil && !r.to.Any {
		parts = append(parts, r.make(Or, r.make(Not, r.at(r.to)), r.make(Not, r.isFrom(r.to))))
	}
	return r.make(And, parts...)
}

// keys are the conditions on the key alone: with those who are at the ends and have the other's id.
func (r rankRange) keys() []*Expr {
	if r.x.Type != Number {
		low, high := bounds(r.x.Type)
		if r.from != nil {
			low = r.from.Key
		}
		if r.to != nil {
			high = r.to.Key
			if r.to.Any {
				high--
			}
		}
		return []*Expr{r.finish(&Expr{Op: Within, Type: Bool, Low: low, High: high, Args: []*Expr{r.x}})}
	}
	var parts []*Expr
	if r.from != nil {
		parts = append(parts, r.make(LessEqual, r.number(r.from), r.x))
	}
	if r.to != nil {
		parts = append(parts, r.make(map[bool]Op{false: LessEqual, true: Less}[r.to.Any], r.x, r.number(r.to)))
	}
	if len(parts) == 0 {
		parts = append(parts, r.make(Not, r.make(Equal, r.x, &Expr{Op: Constant, Type: Number})))
	}
	return parts
}

// at says that the key is the cut's.
func (r rankRange) at(c *Cut) *Expr {
	if r.x.Type == Number {
		return r.make(Equal, r.x, r.number(c))
	}
	return r.finish(&Expr{Op: Within, Type: Bool, Low: c.Key, High: c.Key, Args: []*Expr{r.x}})
}

// isFrom says that the id is the cut's or behind it; a missing one is not.
func (r rankRange) isFrom(c *Cut) *Expr {
	return r.make(LessEqual, &Expr{Op: Constant, Type: Text, Value: c.ID}, r.id)
}

func (r rankRange) number(c *Cut) *Expr { return &Expr{Op: Constant, Type: Number, Value: c.Number} }

func (r rankRange) make(op Op, args ...*Expr) *Expr {
	return r.finish(&Expr{Op: op, Type: Bool, Args: args})
}
