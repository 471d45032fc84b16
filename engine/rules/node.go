package rules

import (
	"math/big"
	"regexp"

	"github.com/expr-lang/expr/ast"
)

// op is what a node of the checked tree does.
type op uint8

const (
	opConstant  op = iota // value
	opAttribute           // attribute
	opHistory             // shape.rows
	opElement             // the closure's current element
	opField               // name, of the row args[0]
	opProp                // name, of the row args[0]'s props
	opLet                 // name = args[0], in args[1]
	opVariable            // name
	opNot                 // of args[0]
	opMinus               // of args[0]
	opBinary              // name: an operator, of args[0] and args[1]
	opRange               // args[0]..args[1], to the right of `in`
	opMatches             // args[0] matches pattern
	opChoose              // args[0] ? args[1] : args[2]
	opItems               // [args…]
	opCall                // function, of args[0]
	opWall                // value: a wall, placed in the evaluation's zone
	opClosure             // name: a closure, of args[0] and, where there is one, args[1]
	opToNumber            // the int args[0] as a number
	opSegment             // the rule args[0], written in parsed; true or false
	opRank                // percentile or ntile, of args[0]; index: which of the rule's ranks; value: an ntile's buckets
	opComputed            // the value args[0], written in parsed

	// What explaining adds.
	opKnown // value, worked out before

	// What normalise adds.
	opTruth     // args[0] is a bool; missing is false
	opPresent   // args[0] is a list; missing is empty
	opAggregate // name: sum, min, max, mean or trues, of the list args[0]
	opBetween   // args[1] <= args[0] <= args[2]
)

// node is a node of the checked tree: typed, and free of everything that expr's tree leaves to run time.
type node struct {
	op        op
	name      string
	shape     shape
	args      []*node
	value     any // bool, int64, float64, string, Date, wall; nil is missing
	attribute *attribute
	function  *function
	index     int // of a rank
	pattern   *regexp.Regexp
	written   ast.Node // where it stands in the text; nil for what normalise adds
	parsed    *parsed  // of a segment or a computed attribute: the text of args[0]
	literal   *big.Rat // exact value of what is written in digits alone, which may become money
}

func constant(value any, t Type) *node {
	return &node{op: opConstant, value: value, shape: scalar(t)}
}
