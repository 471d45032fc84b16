package audience

import "beckon/engine/rules"

// spread carries a function of a text, or matches, into the branches of what it is about, so that it is about one stored
// text in each: lower(nickname ?? name) is lower(nickname) ?? lower(name).
func (t *translator) spread(x *rules.Expr) *rules.Expr {
	if !t.visit() {
		return x
	}
	arg := x.Args[0]
	for arg.Op == rules.Variable && t.lets[arg.Slot].whole != nil {
		arg = t.lets[arg.Slot].whole
	}
	if arg.Op == rules.Call && isFold(arg.Name) {
		arg = t.spread(arg)
	}
	of := func(arg *rules.Expr) *rules.Expr {
		out := *x
		out.Args = []*rules.Expr{arg}
		return t.spread(&out)
	}
	switch arg.Op {
	case rules.Constant:
		made, err := decideTexts(&rules.Expr{Op: x.Op, Name: x.Name, Type: x.Type, Pattern: x.Pattern, Args: []*rules.Expr{arg}}, nil)
		if err == nil {
			return &rules.Expr{Op: rules.Constant, Type: x.Type, Value: made}
		}
	case rules.Choose:
		return branches(x, arg.Args[0], of(arg.Args[1]), of(arg.Args[2]))
	case rules.Otherwise:
		if x.Op == rules.Matches { // false of what is missing
			missing := condExpr(rules.Equal, arg.Args[0], &rules.Expr{Op: rules.Constant, Type: rules.Text})
			return condExpr(rules.Or, of(arg.Args[0]), condExpr(rules.And, missing, of(arg.Args[1])))
		}
		return &rules.Expr{Op: rules.Otherwise, Type: x.Type, Args: []*rules.Expr{of(arg.Args[0]), of(arg.Args[1])}}
	}
	out := *x
	out.Args = []*rules.Expr{arg}
	return &out
}

func branches(x, c, yes, no *rules.Expr) *rules.Expr {
	if x.Op == rules.Matches {
		return condExpr(rules.Or, condExpr(rules.And, c, yes), condExpr(rules.And, condExpr(rules.Not, c), no))
	}
	return &rules.Expr{Op: rules.Choose, Type: x.Type, Args: []*rules.Expr{c, yes, no}}
}

func condExpr(op rules.Op, args ...*rules.Expr) *rules.Expr {
	return &rules.Expr{Op: op, Type: rules.Bool, Args: args}
}
