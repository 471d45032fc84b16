package rules

import (
	"math"
	"time"
)

// simpler works out what is constant, joins what is nested, and turns comparisons with a constant into ranges.
func (b *binder) simpler(x *Expr) *Expr {
	switch x.Op {
	case And:
		return join(x, false)
	case Or:
		return join(x, true)
	case Choose:
		if x.Args[0].Op == Constant {
			return x.Args[pick(x.Args[0].Value == true, 1, 2)]
		}
		return x
	case Otherwise:
		switch {
		case x.Args[0].Op == Constant && x.Args[0].Value != nil:
			return x.Args[0]
		case x.Args[0].Op == Constant:
			return x.Args[1]
		}
		return x
	}
	if isConstant(x) {
		return &Expr{Op: Constant, Type: x.Type, Elem: x.Elem, Value: b.work(x)}
	}
	return b.ranged(x)
}

func pick(first bool, a, b int) int {
	if first {
		return a
	}
	return b
}

// join flattens an And or an Or; whole is the constant that decides it.
func join(x *Expr, whole bool) *Expr {
	var args []*Expr
	for _, arg := range x.Args {
		switch {
		case arg.Op == Constant && arg.Value == whole:
			return arg
		case arg.Op == Constant:
		case arg.Op == x.Op:
			args = append(args, arg.Args...)
		default:
			args = append(args, arg)
		}
	}
	switch len(args) {
	case 0:
		return &Expr{Op: Constant, Type: Bool, Value: !whole}
	case 1:
		return args[0]
	}
	x.Args = args
	return x
}

// isConstant says that an operation on single values has nothing but constants.
func isConstant(x *Expr) bool {
	if x.Type == List || x.Op == Let || x.Op >= Items {
		return false
	}
	for _, arg := range x.Args {
		if arg.Op != Constant || arg.Type == List {
			return false
		}
	}
	return true
}

// work does an operation on constants with the functions of the reference.
func (b *binder) work(x *Expr) any {
	arg := func(i int) any { return x.Args[i].Value }
	kind := func(i int) Type { return x.Args[i].Type }
	switch x.Op {
	case Not:
		return arg(0) != true
	case Truth:
		return arg(0) == true
	case Equal:
		return equal(scalar(kind(0)), scalar(kind(1)), b.scale)(arg(0), arg(1))
	case Less, LessEqual:
		return ordered(map[Op]string{Less: "<", LessEqual: "<="}[x.Op], kind(0), kind(1), b.scale)(arg(0), arg(1))
	case Within:
		raw, ok := rawInt(arg(0))
		return ok && x.Low <= raw && raw <= x.High
	case Between:
		return arg(0) != nil && arg(1) != nil && arg(2) != nil && compareValues(arg(1), arg(0)) <= 0 && compareValues(arg(0), arg(2)) <= 0
	case Contains, StartsWith, EndsWith:
		return textual(map[Op]string{Contains: "contains", StartsWith: "startsWith", EndsWith: "endsWith"}[x.Op])(arg(0), arg(1))
	case Matches:
		text, ok := arg(0).(string)
		return ok && x.Pattern.MatchString(text)
	case Negate:
		return negate(x.Type)(arg(0))
	case ToNumber:
		return intToNumber(arg(0))
	case Length:
		return length(nil, arg(0))
	case Call:
		return b.callConstant(x.Name, arg(0))
	}
	operator := map[Op]string{Add: "+", Subtract: "-", Multiply: "*", Divide: "/", Rest: "%", Power: "**"}[x.Op]
	return arithmetic(operator, x.Type, kind(0), kind(1), b.scale)(arg(0), arg(1))
}

func (b *binder) callConstant(name string, x any) any {
	e := newEvaluation()
	e.begin(Record{}, b.at)
	return b.functions[name].run(e, x)
}

// bounds are the least and the greatest raw value of a type: what lies there is bounded by nothing.
func bounds(t Type) (low, high int64) {
	switch t {
	case DateType:
		return math.MinInt32, math.MaxInt32
	case Time:
		return firstSecond, lastSecond
	}
	return math.MinInt64, math.MaxInt64
}

// rawInt is an int, an amount, a day or a second as a plain number; false for what is missing or has none.
func rawInt(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case Date:
		return int64(v), true
	case time.Time:
		return v.Unix(), true
	}
	return 0, false
}

// ranged makes a comparison with a constant a Within, of the value itself where a function of the calendar is compared.
func (b *binder) ranged(x *Expr) *Expr {
	switch x.Op {
	case Less, LessEqual, Equal, Between:
	case Within:
		return b.through(x)
	default:
		return x
	}
	value, low, high, ok := span(x)
	if !ok {
		return x
	}
	if low > high {
		return &Expr{Op: Constant, Type: Bool, Value: false}
	}
	return b.through(&Expr{Op: Within, Type: Bool, Low: low, High: high, Args: []*Expr{value}, Depends: value.Depends})
}

// span is a comparison as a range of its only operand that is not constant.
func span(x *Expr) (value *Expr, low, high int64, ok bool) {
	for i, arg := range x.Args {
		_, raw := rawInt(arg.Value)
		isFixed := arg.Op == Constant && raw
		if arg.Type != x.Args[0].Type || isFixed == (i == 0) && x.Op == Between {
			return nil, 0, 0, false
		}
		if !isFixed && value != nil {
			return nil, 0, 0, false
		}
		if !isFixed {
			value = arg
		}
	}
	if value == nil || value.Op == Constant || !(value.Type == Int || value.Type == Money || value.Type == DateType || value.Type == Time) {
		return nil, 0, 0, false
	}
	low, high = bounds(value.Type)
	if x.Op == Between {
		low, _ = rawInt(x.Args[1].Value)
		high, _ = rawInt(x.Args[2].Value)
		return value, low, high, true
	}
	constantFirst := value == x.Args[1]
	fixed, _ := rawInt(x.Args[pick(constantFirst, 0, 1)].Value)
	switch {
	case x.Op == Equal:
		return value, fixed, fixed, true
	case x.Op == LessEqual && constantFirst:
		return value, fixed, high, true
	case x.Op == LessEqual:
		return value, low, fixed, true
	case constantFirst && fixed == math.MaxInt64, !constantFirst && fixed == math.MinInt64:
		return value, 1, 0, true
	case constantFirst:
		return value, fixed + 1, high, true
	}
	return value, low, fixed - 1, true
}
