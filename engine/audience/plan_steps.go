package audience

import (
	"slices"

	"beckon/engine/rules"
)

// clear leaves out of a rule the conditions that have no vector form.
func (k *steps) clear(root *step) *step {
	kept := step{op: rules.And, kind: rules.Bool}
	if root.op == rules.And {
		kept.args = slices.DeleteFunc(slices.Clone(root.args), func(s *step) bool { return s.opaque })
	}
	switch len(kept.args) {
	case 0:
		return k.add(step{op: rules.Constant, kind: rules.Bool, value: true})
	case 1:
		return kept.args[0]
	}
	return k.add(kept)
}

// opacity says what has no vector form.
func (k *steps) opacity() string {
	for _, s := range k.all {
		if s.op == rules.Field && s.kind == rules.List {
			return s.table + "." + s.name + " is a list within a row"
		}
	}
	return ""
}

// Needs are the columns and fields that a plan reads.
func (p *vectorPlan) Needs() Needs {
	needs := Needs{Fields: map[string][]string{}, Strict: map[string]bool{}}
	seen := map[*step]bool{}
	var note func(s *step)
	note = func(s *step) {
		if seen[s] {
			return
		}
		seen[s] = true
		switch s.op {
		case rules.Column:
			needs.Columns = union(needs.Columns, []string{s.name})
		case rules.Field:
			needs.Fields[s.table] = union(needs.Fields[s.table], []string{s.name})
		case rules.History:
			needs.Histories = union(needs.Histories, []string{s.name})
			if s.table != "" {
				needs.Fields[s.name] = union(needs.Fields[s.name], []string{s.table})
			}
		}
		if dependsOnOrder(s) {
			for _, list := range s.args {
				noteStrict(needs.Strict, list)
			}
		}
		for _, arg := range s.args {
			note(arg)
		}
		if s.of != nil {
			note(s.of)
		}
	}
	note(p.root)
	return needs
}

// dependsOnOrder says whether an answer changes with the order of a list's elements.
func dependsOnOrder(s *step) bool {
	switch s.op {
	case rules.Sum, rules.Mean:
		return s.args[0].elem == rules.Number
	case rules.Equal:
		return s.args[0].kind == rules.List
	}
	return false
}

// noteStrict marks the histories whose rows a list's elements come from.
func noteStrict(strict map[string]bool, list *step) {
	if list.op == rules.History {
		strict[list.name] = true
	}
	for _, arg := range list.args {
		if arg.kind == rules.List {
			noteStrict(strict, arg)
		}
	}
}
