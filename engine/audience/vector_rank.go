package audience

import (
	"context"

	"beckon/campaigns/store"
	"beckon/engine/rules"
)

// rankAmong is a customer's place by the cuts of a rank.
func (w *worker) rankAmong(s *step, f *frame) *value {
	key, id := w.value(s.args[0], f), w.value(s.args[1], f)
	if key.isMissing() || len(s.cuts) == 0 {
		return w.constant(s.kind, f.rows, nil)
	}
	out := w.newValue(s.kind, f.rows)
	out.known, out.valid, out.ints = true, w.validOf(key), w.ints.take(f.rows)
	ids, valid := w.textsOf(id), w.validOf(id)
	known := func(i int) bool { return !id.isMissing() && (valid == nil || isSet(valid, i)) }
	if key.kind == rules.Number {
		for i, x := range w.floatsOf(key) {
			out.ints[i] = s.cuts.AtNumber(x, ids[i], known(i))
		}
		return out
	}
	for i, x := range w.intsOf(key) {
		out.ints[i] = s.cuts.AtInt(x, ids[i], known(i))
	}
	return out
}

// cut works out the cuts of places from the columns, in two looks as Ranking asks for. A place whose value has no vector
// form, or a customer whose lists are too large, is left to the reference: then it looks at everybody.
func (f *vectorFind) cut(ctx context.Context, tx *store.Tx, chunks []*chunk, places []*standing) error {
	for _, p := range places {
		done, err := cutColumns(ctx, chunks, p, int(f.answer.Total))
		if err == nil && !done {
			err = cutByReference(ctx, tx, []*standing{p}, f.question.keepAlive())
		}
		if err != nil {
			return err
		}
		if f.question.Progress != nil {
			if err := f.question.Progress(0); err != nil {
				return err
			}
		}
	}
	return nil
}

// cutColumns is false where only the reference can say.
func cutColumns(ctx context.Context, chunks []*chunk, p *standing, customers int) (bool, error) {
	ready := planValue(p.rank.Value.Bind(p.at))
	if ready.left != "" {
		return false, nil
	}
	p.ranking = rules.NewRanking(p.rank)
	p.ranking.Grow(customers)
	isNumber := p.rank.Value.Type() == rules.Number
	done, err := eachValue(ctx, chunks, ready, func(w *worker, f *frame, v *value, i int) {
		if isNumber {
			p.ranking.AddNumber(w.floatsOf(v)[i])
		} else {
			p.ranking.AddInt(w.intsOf(v)[i])
		}
	})
	if err != nil || !done {
		return false, err
	}
	if !p.ranking.Divide() {
		p.cuts = p.ranking.Cuts()
		return true, nil
	}
	done, err = eachValue(ctx, chunks, ready, func(w *worker, f *frame, v *value, i int) {
		var key any
		switch {
		case isNumber && p.ranking.TiedNumber(w.floatsOf(v)[i]):
			key = w.floatsOf(v)[i]
		case !isNumber && p.ranking.TiedInt(w.intsOf(v)[i]):
			key = w.intsOf(v)[i]
		default:
			return
		}
		p.ranking.AddID(key, w.idAt(f, i))
	})
	p.cuts = p.ranking.Cuts()
	return done, err
}

// idAt is a customer's id, nil when it is missing.
func (w *worker) idAt(f *frame, i int) any {
	row := f.first + i
	if f.index != nil {
		row = int(f.index[i])
	}
	c := f.columns["id"]
	if c == nil || c.isMissing(row) {
		return nil
	}
	return string(c.texts.text(c.code(row)))
}

// eachValue gives the rows for whom a single value is not missing; false where there is one about whom only the reference
// can say.
func eachValue(ctx context.Context, chunks []*chunk, p *vectorPlan, each func(w *worker, f *frame, v *value, i int)) (bool, error) {
	shared := newProgram(chunks, []*vectorPlan{p})
	shared.isOver = ctx.Err
	w := shared.worker()
	for _, c := range chunks {
		w.chunk, w.domains = c, map[domainKey]*domain{}
		patched := w.patchedRows()
		late := make([]uint64, chunkRows/wordBits)
		for _, row := range patched {
			late[row/wordBits] |= 1 << (row % wordBits)
		}
		for first := 0; first < chunkRows; first += batchRows {
			if ctx.Err() != nil {
				return false, ctx.Err()
			}
			live := w.liveBut(late, first)
			if live == nil {
				continue
			}
			root := w.begin(batchRows)
			root.first = first
			if !w.eachOf(root, live, each) {
				return false, nil
			}
		}
		for ; len(patched) > 0; patched = patched[min(len(patched), batchRows):] {
			root := w.begin(min(len(patched), batchRows))
			root.index = patched[:root.rows]
			if !w.eachOf(root, nil, each) {
				return false, nil
			}
		}
	}
	return true, nil
}

// liveBut are the living customers of a batch without some rows of the chunk; nil when there are none.
func (w *worker) liveBut(late []uint64, first int) []uint64 {
	live := make([]uint64, batchRows/wordBits)
	some := uint64(0)
	for i := range live {
		at := first/wordBits + i
		live[i] = w.chunk.live[at] &^ late[at]
		some |= live[i]
	}
	if some == 0 {
		return nil
	}
	return live
}

// eachOf gives the rows of a root frame, those of live where it is not nil.
func (w *worker) eachOf(root *frame, live []uint64, each func(w *worker, f *frame, v *value, i int)) bool {
	var v *value
	var valid []uint64
	w.whole(func() {
		v = w.value(w.roots[0], root)
		valid = w.validOf(v)
	})
	if w.tooLarge {
		return false
	}
	if v.isMissing() {
		return true
	}
	for i := range root.rows {
		if (live == nil || isSet(live, i)) && (valid == nil || isSet(valid, i)) {
			each(w, root, v, i)
		}
	}
	return true
}
