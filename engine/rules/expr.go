package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Expr is a node of a rule as the executors of whole audiences get it: typed, bound to an instant, in few operations.
// What only the language has is gone: points, birthday_in and the like are spelled out, the clock is constant, and what
// is constant is worked out. It is not to be changed.
//
// A condition is an Expr of type Bool that is never missing: And, Or, Not, Truth, comparisons, In, the texts' operators,
// Any. Other values may be missing.
type Expr struct {
	Op      Op
	Type    Type // List for lists and histories
	Elem    Type // of a List: the scalar type of its elements, or Row
	Args    []*Expr
	Name    string         // Column, Field, Prop: which; Call: the function; History: which
	Value   any            // Constant: bool, int64, float64, string, Date or time.Time; nil is missing
	Low     int64          // Within
	High    int64          // Within
	Pattern *regexp.Regexp // Matches
	Cuts    Cuts           // RankAmong: none when they are not known, and then it is missing
	Slot    int            // Let, Variable: which variable, unique in the rule
	Level   int            // closures: the level of their element, from 1; Element, Field, Prop: whose element
	Depends Levels         // the closures around it whose element its value depends on
}

// Levels is a set of levels: bit l is set for level l.
type Levels uint16

// Depth is the innermost level of the set, 0 for none: there, and no deeper, the value has to be worked out.
func (l Levels) Depth() int {
	depth := 0
	for ; l > 1; l >>= 1 {
		depth++
	}
	return depth
}

// Row is the Elem of histories and of what is filtered from them; List the Type of every list.
const (
	List = list
	Row  = row
)

// Op is what an Expr does.
type Op uint8

// Operations. "Missing" says what comes of missing operands where that is not simply missing.
const (
	Constant Op = iota
	Column      // the customer's stored column Name: a single value, or a list of texts, which may be missing
	Field       // the field Name of the row at Level
	Prop        // the property Name of the event at Level
	Element     // the scalar element at Level
	Let         // Args[1] with the variable Slot = Args[0], which may be a list
	Variable    // the variable Slot

	Not   // of a condition
	And   // of conditions, two or more
	Or    // of conditions, two or more
	Truth // the bool Args[0], false when it is missing

	Equal      // two single values or two lists; both missing is true, one is false
	Less       // of two single values; false with a missing one
	LessEqual  // the same
	Within     // Low <= Args[0] <= High for an Int, Money (minor units), DateType (days) or Time (Unix seconds); missing: false
	Between    // Args[1] <= Args[0] <= Args[2], ints; missing: false
	In         // Args[0] is among the elements of Args[1]; what is missing is in no list
	Contains   // of texts; missing: false
	StartsWith // the same
	EndsWith   // the same
	Matches    // Pattern; missing: false

	Choose    // Args[0], a condition, ? Args[1] : Args[2]; also of lists
	Otherwise // Args[0] ?? Args[1]; also of lists
	Add       // Int, Money, Number; an overflow is missing
	Subtract
	Multiply
	Divide   // gives Number
	Rest     // of Int by Int
	Power    // of Numbers
	Negate   // of Int, Money, Number
	ToNumber // of Int
	Call     // the function Name of Args: year month day weekday days_since days_until hours_since minutes_since hours_until age date lower upper trim next_birthday avg_basket(total, count)
	Length   // of a text in characters, or of a list; a missing list has none

	Items   // a list of Args, which may be missing; a list's rows are never missing
	History // the rows of Name up to now, in (at, id) order
	Filter  // the elements of Args[0] where the condition Args[1] holds
	Map     // the scalar Args[1] of each element of Args[0]
	Any     // whether the condition Args[1] holds for an element of Args[0]
	Count   // for how many elements of Args[0] the condition Args[1] holds
	Sum     // of the scalars of Args[0], in order; of none 0; missing elements are skipped here and below
	Min     // of none missing
	Max     // of none missing
	Mean    // a Number; of none missing; money in major units
	Trues   // how many of Args[0] are true

	RankAmong // of Args[0] (Int, Number, Money, DateType, Time) and Args[1], the column id: the Value of the last of Cuts that is not behind them, of the first when all are
)

// String is the operation as plans show it.
func (o Op) String() string {
	names := [...]string{"constant", "column", "field", "prop", "element", "let", "variable", "not", "and", "or", "truth", "equal", "less",
		"less or equal", "within", "between", "in", "contains", "starts with", "ends with", "matches", "choose", "otherwise", "add", "subtract",
		"multiply", "divide", "rest", "power", "negate", "to number", "call", "length", "items", "history", "filter", "map", "any", "count",
		"sum", "min", "max", "mean", "trues", "rank among"}
	return names[o]
}

// Bound is a rule or a value at one instant.
type Bound struct {
	Tree  *Expr // a condition for a rule
	Now   int64 // Unix seconds
	Today Date
	Zone  *time.Location
	Scale int64 // minor units of one major unit of money
}

// String draws the tree, a node a line.
func (e *Expr) String() string {
	var out strings.Builder
	e.draw(&out, 0)
	return out.String()
}

func (e *Expr) draw(out *strings.Builder, indent int) {
	out.WriteString(strings.Repeat("  ", indent) + e.label() + "\n")
	for _, arg := range e.Args {
		arg.draw(out, indent+1)
	}
}

func (e *Expr) label() string {
	text := e.Op.String()
	switch e.Op {
	case Constant:
		text += " " + constantText(e.Value)
	case Column, History, Call:
		text += " " + e.Name
	case Field, Prop:
		text += fmt.Sprintf(" %s of %d", e.Name, e.Level)
	case Element:
		text += fmt.Sprintf(" of %d", e.Level)
	case Let, Variable:
		text += " $" + strconv.Itoa(e.Slot)
	case Within:
		text += " " + e.span()
	case Matches:
		text += " " + strconv.Quote(e.Pattern.String())
	case RankAmong:
		text += fmt.Sprintf(" %d cuts", len(e.Cuts))
	case Filter, Map, Any, Count:
		text += fmt.Sprintf(" at %d", e.Level)
	}
	text += " : " + e.Type.String()
	if e.Type == List {
		text += " of " + e.Elem.String()
	}
	return text
}

// span is a range as its type reads.
func (e *Expr) span() string {
	show := func(n, open int64) string {
		switch {
		case n == open:
			return ""
		case e.Args[0].Type == DateType:
			return Date(n).String()
		case e.Args[0].Type == Time:
			return time.Unix(n, 0).UTC().Format(time.RFC3339)
		}
		return strconv.FormatInt(n, 10)
	}
	low, high := bounds(e.Args[0].Type)
	return show(e.Low, low) + ".." + show(e.High, high)
}

func constantText(v any) string {
	switch v := v.(type) {
	case nil:
		return Missing
	case string:
		return strconv.Quote(v)
	case time.Time:
		return v.UTC().Format(time.RFC3339)
	}
	return fmt.Sprint(v)
}

// Where is the rule for those of whom bool columns are true, too.
func (b *Bound) Where(columns ...string) *Bound {
	all := []*Expr{b.Tree}
	if b.Tree.Op == And {
		all = slices.Clone(b.Tree.Args)
	}
	for _, name := range columns {
		column := &Expr{Op: Column, Type: Bool, Name: name}
		all = append(all, &Expr{Op: Truth, Type: Bool, Args: []*Expr{column}})
	}
	narrowed := *b
	narrowed.Tree = &Expr{Op: And, Type: Bool, Args: all, Depends: b.Tree.Depends}
	return &narrowed
}
