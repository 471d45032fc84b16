package rules

// Bind makes a rule or value ready for an executor of whole audiences, at an instant.
func (x *expression) Bind(at Instant) *Bound {
	at = at.normal()
	b := &binder{scope: x.scope, at: at, today: DateOf(at.Now, at.Zone), vars: map[string]*Expr{}, rows: map[string]rowRef{}, cuts: x.cuts}
	normal := normalise(x.checked)
	if x.condition {
		normal = truth(normal)
	}
	return &Bound{Tree: b.expr(normal), Now: at.Now.Unix(), Today: b.today, Zone: at.Zone, Scale: x.scope.scale}
}

// binder turns a normalised tree into Exprs.
type binder struct {
	*scope
	at    Instant
	today Date
	level int // of the innermost closure around
	lists []Type
	slots int
	vars  map[string]*Expr  // let → its variable
	rows  map[string]rowRef // let of a row → which
	cuts  []Cuts
}

// A rowRef is which row an expression of a row stands for: that of a level, or one of two.
type rowRef struct {
	level   int
	cond    *Expr
	yes, no *rowRef
}

// expr binds a node, and works out what is constant.
func (b *binder) expr(n *node) *Expr { return b.finish(b.plain(n)) }

func (b *binder) plain(n *node) *Expr {
	out := &Expr{Type: n.shape.kind, Elem: n.shape.elem}
	switch n.op {
	case opConstant:
		out.Op, out.Value = Constant, n.value
	case opAttribute:
		return b.attribute(n)
	case opHistory:
		out.Op, out.Name = History, n.shape.rows.name
	case opElement:
		return b.element(out)
	case opField:
		return b.field(b.row(n.args[0]), n)
	case opProp:
		return b.prop(b.row(n.args[0]), n)
	case opLet:
		return b.let(n)
	case opVariable:
		return b.variable(n)
	case opBinary:
		return b.binary(n, out)
	case opWall:
		out.Op, out.Value = Constant, n.value.(wall).in(b.at.Zone)
	case opClosure:
		return b.closure(n, out)
	case opAggregate:
		out.Op = map[string]Op{"sum": Sum, "min": Min, "max": Max, "mean": Mean, "trues": Trues}[n.name]
		out.Args = b.all(n)
	case opPresent: // an absent list is empty wherever it is looked into
		return b.expr(n.args[0])
	case opCall:
		return b.call(n, out)
	case opRank:
		return b.rank(n, out)
	case opMatches:
		out.Op, out.Pattern, out.Args = Matches, n.pattern, b.all(n)
	default:
		out.Op = map[op]Op{opNot: Not, opMinus: Negate, opChoose: Choose, opItems: Items, opToNumber: ToNumber, opTruth: Truth, opBetween: Between}[n.op]
		out.Args = b.all(n)
	}
	return out
}

func (b *binder) all(n *node) []*Expr {
	args := make([]*Expr, len(n.args))
	for i, arg := range n.args {
		args[i] = b.expr(arg)
	}
	return args
}

func (b *binder) attribute(n *node) *Expr {
	column := func(name string) *Expr {
		s := scalar(b.attributes[name].kind)
		return &Expr{Op: Column, Name: name, Type: s.kind, Elem: s.elem}
	}
	switch {
	case n.attribute.derive == nil:
		return column(n.name)
	case n.name == "now":
		return &Expr{Op: Constant, Type: Time, Value: b.at.Now}
	case n.name == "today":
		return &Expr{Op: Constant, Type: DateType, Value: b.today}
	case n.name == "next_birthday":
		return b.nextBirthday()
	case n.name == "avg_basket":
		return &Expr{Op: Call, Name: n.name, Type: Money, Args: []*Expr{column("total_spend"), column("purchase_count")}}
	}
	return b.points(nil)
}

func (b *binder) nextBirthday() *Expr {
	birthday := &Expr{Op: Column, Name: "birthday", Type: DateType}
	return &Expr{Op: Call, Name: "next_birthday", Type: DateType, Args: []*Expr{birthday}}
}

// points is sum(filter(lots, live), .remaining); those that expire within days when it is not nil.
func (b *binder) points(days *Expr) *Expr {
	b.level++
	defer func() { b.level-- }()
	field := func(name string, t Type) *Expr {
		return &Expr{Op: Field, Name: name, Type: t, Level: b.level, Depends: 1 << b.level}
	}
	within := func(x *Expr, low, high int64) *Expr {
		return b.finish(&Expr{Op: Within, Type: Bool, Low: low, High: high, Args: []*Expr{x}})
	}
	first, last := bounds(DateType)
	ends := field("last_valid_on", DateType)
	live := []*Expr{within(field("active_from", DateType), first, int64(b.today))}
	if days == nil {
		open := b.finish(&Expr{Op: Equal, Type: Bool, Args: []*Expr{ends, {Op: Constant, Type: DateType}}})
		live = append(live, b.finish(&Expr{Op: Or, Type: Bool, Args: []*Expr{within(ends, int64(b.today), last), open}}))
	} else {
		until := b.finish(&Expr{Op: Call, Name: "days_until", Type: Int, Args: []*Expr{ends}})
		live = append(live, within(ends, int64(b.today), last), b.finish(&Expr{Op: LessEqual, Type: Bool, Args: []*Expr{until, days}}))
	}
	lots := &Expr{Op: History, Name: "lots", Type: List, Elem: Row}
	and := b.finish(&Expr{Op: And, Type: Bool, Args: live})
	kept := b.finish(&Expr{Op: Filter, Type: List, Elem: Row, Level: b.level, Args: []*Expr{lots, and}})
	left := b.finish(&Expr{Op: Map, Type: List, Elem: Int, Level: b.level, Args: []*Expr{kept, field("remaining", Int)}})
	return &Expr{Op: Sum, Type: Int, Args: []*Expr{left}}
}

func (b *binder) call(n *node, out *Expr) *Expr {
	switch n.name {
	case "len":
		out.Op, out.Args = Length, b.all(n)
		return out
	case "birthday_in":
		next := b.nextBirthday()
		until := b.finish(&Expr{Op: Call, Name: "days_until", Type: Int, Args: []*Expr{next}})
		return &Expr{Op: LessEqual, Type: Bool, Args: []*Expr{until, b.expr(n.args[0])}}
	case "points_expiring":
		b.slots++
		days := &Expr{Op: Variable, Type: Int, Slot: b.slots}
		value := b.expr(n.args[0])
		if value.Op == Constant {
			if value.Value == nil {
				return &Expr{Op: Constant, Type: Int}
			}
			return b.points(value)
		}
		days.Depends = value.Depends
		unknown := b.finish(&Expr{Op: Equal, Type: Bool, Args: []*Expr{days, {Op: Constant, Type: Int}}})
		sum := b.finish(&Expr{Op: Choose, Type: Int, Args: []*Expr{unknown, {Op: Constant, Type: Int}, b.finish(b.points(days))}})
		return &Expr{Op: Let, Type: Int, Slot: days.Slot, Args: []*Expr{value, sum}}
	}
	out.Op, out.Name, out.Args = Call, n.name, b.all(n)
	return out
}

func (b *binder) binary(n *node, out *Expr) *Expr {
	out.Args = b.all(n)
	switch n.name {
	case ">", ">=":
		out.Args[0], out.Args[1] = out.Args[1], out.Args[0]
	}
	out.Op = map[string]Op{"&&": And, "||": Or, "??": Otherwise, "==": Equal, "<": Less, ">": Less, "<=": LessEqual, ">=": LessEqual, "in": In,
		"contains": Contains, "startsWith": StartsWith, "endsWith": EndsWith,
		"+": Add, "-": Subtract, "*": Multiply, "/": Divide, "%": Rest, "**": Power}[n.name]
	return out
}

// closure binds what walks a list; none, all and one are said with Any and Count.
func (b *binder) closure(n *node, out *Expr) *Expr {
	out.Args = []*Expr{b.expr(n.args[0])}
	b.level++
	b.lists = append(b.lists, n.args[0].shape.elem)
	out.Level = b.level
	body := b.expr(n.args[1])
	if n.name == "all" {
		body = b.finish(&Expr{Op: Not, Type: Bool, Args: []*Expr{body}})
	}
	b.lists = b.lists[:len(b.lists)-1]
	b.level--
	out.Args = append(out.Args, body)
	out.Op = map[string]Op{"any": Any, "none": Any, "all": Any, "one": Count, "count": Count, "filter": Filter, "map": Map}[n.name]
	switch n.name {
	case "all", "none":
		return &Expr{Op: Not, Type: Bool, Args: []*Expr{b.finish(out)}}
	case "one":
		out.Type = Int
		return &Expr{Op: Equal, Type: Bool, Args: []*Expr{b.finish(out), {Op: Constant, Type: Int, Value: int64(1)}}}
	}
	return out
}

// finish says on what a new node depends, and makes it simpler where it can.
func (b *binder) finish(out *Expr) *Expr {
	if out.Type == null { // only nil has no type of its own
		out.Type = Bool
	}
	if out.Elem == null {
		out.Elem = Bool
	}
	switch out.Op {
	case Field, Prop, Element, Variable, Constant, Column, History:
		return out
	}
	out.Depends = 0
	for _, arg := range out.Args {
		out.Depends |= arg.Depends
	}
	if out.Level > 0 {
		out.Depends = out.Args[0].Depends | out.Args[1].Depends&^(1<<out.Level)
	}
	return b.simpler(out)
}

// element is the scalar element of the innermost closure. A list of nothing but nil has no type: its elements are missing.
func (b *binder) element(out *Expr) *Expr {
	if b.lists[len(b.lists)-1] == null {
		out.Op = Constant
		return out
	}
	out.Op, out.Level, out.Depends = Element, b.level, 1<<b.level
	return out
}

// let makes its variable known within its body: a name is free again after it.
func (b *binder) let(n *node) *Expr {
	variable, row := b.vars[n.name], b.rows[n.name]
	defer func() { b.vars[n.name], b.rows[n.name] = variable, row }()
	value := b.hoist(n)
	if value == nil || value.Op == Constant {
		return b.expr(n.args[1])
	}
	b.slots++
	slot := b.slots
	b.vars[n.name] = &Expr{Op: Variable, Slot: slot, Type: value.Type, Elem: value.Elem, Depends: value.Depends}
	body := b.expr(n.args[1])
	return &Expr{Op: Let, Slot: slot, Type: body.Type, Elem: body.Elem, Args: []*Expr{value, body}}
}

// variable is a use of a let. A nil that has taken a type from its surroundings is a constant of that type.
func (b *binder) variable(n *node) *Expr {
	found := *b.vars[n.name]
	if found.Op == Constant && found.Value == nil {
		found.Type, found.Elem = n.shape.kind, n.shape.elem
	}
	return &found
}

// row says which row an expression of a row, or of its properties, stands for.
func (b *binder) row(n *node) rowRef {
	switch n.op {
	case opVariable:
		return b.rows[n.name]
	case opChoose:
		yes, no := b.row(n.args[1]), b.row(n.args[2])
		return rowRef{cond: b.expr(n.args[0]), yes: &yes, no: &no}
	case opLet: // its variable is only known inside: the row is found there, and the value is worked out where it is used
		b.hoist(n)
		return b.row(n.args[1])
	case opField: // the properties of a row
		return b.row(n.args[0])
	}
	return rowRef{level: b.level}
}

// hoist makes a let known, and gives its value, nil for a row. Within an expression of a row it is worked out at each use.
func (b *binder) hoist(n *node) *Expr {
	switch n.args[0].shape.kind {
	case row, object:
		b.rows[n.name] = b.row(n.args[0])
		return nil
	}
	b.vars[n.name] = b.expr(n.args[0])
	return b.vars[n.name]
}

func (b *binder) field(r rowRef, n *node) *Expr { return b.ofRow(r, Field, n) }

func (b *binder) prop(r rowRef, n *node) *Expr { return b.ofRow(r, Prop, n) }

func (b *binder) ofRow(r rowRef, as Op, n *node) *Expr {
	if r.cond == nil {
		return &Expr{Op: as, Name: n.name, Type: n.shape.kind, Elem: n.shape.elem, Level: r.level, Depends: 1 << r.level}
	}
	yes, no := b.ofRow(*r.yes, as, n), b.ofRow(*r.no, as, n)
	return &Expr{Op: Choose, Type: n.shape.kind, Elem: n.shape.elem, Args: []*Expr{r.cond, yes, no}, Depends: r.cond.Depends | yes.Depends | no.Depends}
}
