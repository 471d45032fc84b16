package audience

import "beckon/engine/rules"

// costOf is about how many nanoseconds a row a step takes, with what it stands on. It only orders conditions.
func costOf(s *step) float64 {
	const rowsPerList, lookUp = 5, 0.4 // what is decided once for each text or day is looked up
	cost := ownCost(s)
	switch s.op {
	case rules.Filter, rules.Map, rules.Any, rules.Count:
		return cost + s.args[0].cost + rowsPerList*s.args[1].cost
	}
	if s.kind == rules.Bool && isCondition(s) && s.leaf != nil && (s.leaf.kind == rules.Text || s.leaf.kind == rules.DateType) && s.op != rules.Within {
		switch {
		case s.leaf.kind == rules.DateType:
			return 2 * lookUp
		case s.op == rules.Equal: // few are left
			return lookUp / 2
		}
		return lookUp
	}
	for _, arg := range s.args {
		cost += arg.cost
	}
	return cost
}

func ownCost(s *step) float64 {
	switch s.op {
	case rules.Constant, rules.Column, rules.Field, rules.Element:
		return 0
	case rules.Within:
		return 0.5
	case rules.And, rules.Or, rules.Not, rules.Truth:
		return 0.1
	case rules.Matches, rules.Power:
		return 100
	case rules.Call, rules.Length:
		return 10
	case rules.History, rules.Filter, rules.Any, rules.Count:
		return 3
	case rules.Sum, rules.Min, rules.Max, rules.Mean, rules.Trues, rules.Items:
		return 10
	}
	return 2
}
