package rules

// normalise rewrites a checked tree so that nothing is left to guess: a bool where one is needed is never missing, a
// list that is walked is never absent, `in a..b` is two comparisons, and aggregates stand over plain lists.
func normalise(n *node) *node {
	switch {
	case len(n.args) == 0:
		return n
	case n.op == opSegment:
		return truth(normalise(n.args[0]))
	case n.op == opComputed:
		return normalise(n.args[0])
	}
	out := *n
	out.args = make([]*node, len(n.args))
	for i, arg := range n.args {
		if arg.op == opRange {
			return &node{op: opBetween, shape: n.shape, args: []*node{normalise(n.args[0]), normalise(arg.args[0]), normalise(arg.args[1])}}
		}
		out.args[i] = normalise(arg)
	}
	switch out.op {
	case opNot, opChoose:
		out.args[0] = truth(out.args[0])
	case opBinary:
		return normaliseBinary(&out)
	case opClosure:
		return normaliseClosure(&out)
	case opCall:
		if out.args[0].shape.kind == list {
			out.args[0] = present(out.args[0])
		}
	}
	return &out
}

func normaliseBinary(n *node) *node {
	switch n.name {
	case "&&", "||":
		n.args[0], n.args[1] = truth(n.args[0]), truth(n.args[1])
	case "!=":
		same := *n
		same.name = "=="
		return &node{op: opNot, shape: n.shape, args: []*node{&same}}
	}
	return n
}

func normaliseClosure(n *node) *node {
	n.args[0] = present(n.args[0])
	switch n.name {
	case "sum", "min", "max", "mean":
		return aggregate(n)
	case "count":
		if len(n.args) == 1 && n.args[0].shape.elem == row {
			return &node{op: opCall, name: "len", shape: n.shape, args: n.args, function: &function{name: "len", run: length}}
		}
		if len(n.args) == 1 {
			return &node{op: opAggregate, name: "trues", shape: n.shape, args: n.args}
		}
	}
	if len(n.args) == 2 && n.name != "map" {
		n.args[1] = truth(n.args[1])
	}
	return n
}

func aggregate(n *node) *node {
	over := n.args[0]
	if len(n.args) == 2 {
		over = &node{op: opClosure, name: "map", shape: shape{kind: list, elem: n.args[1].shape.kind}, args: n.args}
	}
	return &node{op: opAggregate, name: n.name, shape: n.shape, args: []*node{over}}
}

// truth makes a missing bool false.
func truth(n *node) *node {
	if isSure(n) {
		return n
	}
	return &node{op: opTruth, shape: n.shape, args: []*node{n}}
}

// isSure says that a bool is never missing.
func isSure(n *node) bool {
	switch n.op {
	case opConstant:
		return n.value != nil
	case opNot, opMatches, opBetween, opTruth:
		return true
	case opBinary:
		return n.name != "??"
	case opCall:
		return n.function.gives == Bool
	case opClosure:
		return true
	}
	return false
}

// present makes an absent list empty.
func present(n *node) *node {
	switch n.op {
	case opHistory, opItems, opClosure, opPresent:
		return n
	}
	return &node{op: opPresent, shape: n.shape, args: []*node{n}}
}
