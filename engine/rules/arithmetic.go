package rules

import (
	"cmp"
	"math"
)

// arithmetic is an operator for its types. A missing operand, an overflow, NaN, ±Inf and a division by zero are missing.
func arithmetic(operator string, gives, a, b Type, scale int64) func(a, b any) any {
	if gives != Number {
		return intArithmetic(operator)
	}
	if operator == "/" && a == Money && b == Money { // a ratio needs no scale
		a, b = Int, Int
	}
	left, right := toFloat(a, scale), toFloat(b, scale)
	do := numberOperator(operator)
	return func(a, b any) any {
		x, ok := left(a)
		y, known := right(b)
		if !ok || !known {
			return nil
		}
		return finite(do(x, y))
	}
}

// toFloat reads a value for a calculation in floating point: an int and a number as they are, money in major units.
func toFloat(t Type, scale int64) func(any) (float64, bool) {
	switch t {
	case Int:
		return func(x any) (float64, bool) { i, ok := x.(int64); return float64(i), ok }
	case Money:
		return func(x any) (float64, bool) { i, ok := x.(int64); return float64(i) / float64(scale), ok }
	}
	return func(x any) (float64, bool) { n, ok := x.(float64); return n, ok }
}

func numberOperator(operator string) func(x, y float64) float64 {
	switch operator {
	case "+":
		return func(x, y float64) float64 { return x + y }
	case "-":
		return func(x, y float64) float64 { return x - y }
	case "*":
		return func(x, y float64) float64 { return x * y }
	case "/":
		return divide
	}
	return math.Pow
}

func divide(x, y float64) float64 {
	if y == 0 {
		return math.NaN()
	}
	return x / y
}

func intArithmetic(operator string) func(a, b any) any {
	do := map[string]func(a, b int64) (int64, bool){"+": addInts, "-": subtractInts, "*": multiplyInts, "%": remainder}[operator]
	return func(a, b any) any {
		x, ok := a.(int64)
		y, known := b.(int64)
		if !ok || !known {
			return nil
		}
		if answer, ok := do(x, y); ok {
			return answer
		}
		return nil
	}
}

// remainder has the sign of a, as in Go and SQL.
func remainder(a, b int64) (int64, bool) {
	if b == 0 {
		return 0, false
	}
	return a % b, true
}

// aggregator is sum, min, max, mean or trues over a list; missing elements are skipped. Sums of ints and money are
// exact, sums of numbers run in the order of the list.
func aggregator(name string, elements Type, scale int64) func(any) any {
	switch {
	case name == "trues":
		return countTrue
	case name == "min":
		return func(l any) any { return extreme(l, -1) }
	case name == "max":
		return func(l any) any { return extreme(l, 1) }
	case name == "sum" && elements == Number:
		return func(l any) any { total, _ := sumNumbers(l); return finite(total) }
	case name == "sum":
		return func(l any) any { total, _ := sumInts(l); return total }
	case elements == Number:
		return func(l any) any { total, n := sumNumbers(l); return finite(divide(total, float64(n))) }
	}
	major := toFloat(elements, scale)
	return func(l any) any {
		total, n := sumInts(l)
		sum, ok := major(total)
		if !ok {
			return nil
		}
		return finite(divide(sum, float64(n)))
	}
}

func countTrue(l any) any {
	var n int64
	for i := range size(l) {
		if at(l, i) == true {
			n++
		}
	}
	return n
}

// extreme is the element that compares as wanted with all others: -1 the least, 1 the greatest; nil when there is none.
func extreme(l any, wanted int) any {
	var best any
	for i := range size(l) {
		if item := at(l, i); item != nil && (best == nil || cmp.Compare(compareValues(item, best), 0) == wanted) {
			best = item
		}
	}
	return best
}

func sumNumbers(l any) (total float64, n int) {
	for i := range size(l) {
		if x, ok := at(l, i).(float64); ok {
			total += x
			n++
		}
	}
	return total, n
}

func sumInts(l any) (total any, n int) {
	var sum wide
	for i := range size(l) {
		if x, ok := at(l, i).(int64); ok {
			sum.add(x)
			n++
		}
	}
	return sum.int64(), n
}
