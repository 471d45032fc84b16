package rules

import (
	"fmt"
	"reflect"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
)

// compile makes a program for expr's VM out of a normalised tree. Jumps, loops and variables are the VM's; all else is
// a call of a typed Go function that the tree carries as a constant.
func compile(s *scope, tree *node) (*vm.Program, error) {
	e := &emitter{scope: s}
	root := e.emit(tree)
	program, err := compiler.Compile(&parser.Tree{Node: root, Source: file.NewSource("")}, conf.CreateNew())
	if err != nil {
		return nil, fmt.Errorf("compiling a rule: %w", err)
	}
	return program, nil
}

// emitter turns nodes of the checked tree into nodes of expr's.
type emitter struct {
	*scope
}

func (e *emitter) emit(n *node) ast.Node {
	switch n.op {
	case opConstant:
		return value(n.value)
	case opElement:
		return typed(&ast.PointerNode{})
	case opVariable:
		return typed(&ast.IdentifierNode{Value: n.name})
	case opLet:
		return typed(&ast.VariableDeclaratorNode{Name: n.name, Value: e.emit(n.args[0]), Expr: e.emit(n.args[1])})
	case opNot:
		return typed(&ast.UnaryNode{Operator: "!", Node: e.emit(n.args[0])})
	case opChoose:
		return typed(&ast.ConditionalNode{Ternary: true, Cond: e.emit(n.args[0]), Exp1: e.emit(n.args[1]), Exp2: e.emit(n.args[2])})
	case opItems:
		return e.items(n)
	case opBinary:
		return e.binary(n)
	case opClosure:
		return e.closure(n)
	case opMatches:
		pattern := n.pattern
		return call(func(x any) bool { s, ok := x.(string); return ok && pattern.MatchString(s) }, e.emit(n.args[0]))
	case opBetween:
		return e.between(n)
	}
	return e.value(n)
}

// value emits what reads or computes a value.
func (e *emitter) value(n *node) ast.Node {
	switch n.op {
	case opAttribute:
		return call(load(n.attribute), environment())
	case opHistory:
		rows := n.shape.rows
		return call(func(env any) any { return env.(*evaluation).rows(rows) }, environment())
	case opField:
		return call(field(n.name, fieldReader(n.shape)), e.emit(n.args[0]))
	case opProp:
		return call(property(n.name, PropReader(typeOf(n.shape), e.digits)), e.emit(n.args[0]))
	case opWall:
		at := n.value.(wall)
		return call(func(env any) any { return at.in(env.(*evaluation).zone) }, environment())
	case opMinus:
		return call(negate(n.shape.kind), e.emit(n.args[0]))
	case opCall:
		run := n.function.run
		return call(func(env, x any) any { return run(env.(*evaluation), x) }, environment(), e.emit(n.args[0]))
	case opToNumber:
		return call(intToNumber, e.emit(n.args[0]))
	case opTruth:
		return call(func(x any) bool { b, ok := x.(bool); return ok && b }, e.emit(n.args[0]))
	case opPresent:
		empty := any([]any{})
		return call(func(x any) any {
			if x == nil {
				return empty
			}
			return x
		}, e.emit(n.args[0]))
	case opAggregate:
		return call(aggregator(n.name, n.args[0].shape.elem, e.scale), e.emit(n.args[0]))
	}
	return value(nil)
}

func (e *emitter) binary(n *node) ast.Node {
	left, right := n.args[0], n.args[1]
	switch n.name {
	case "&&", "||", "??":
		return typed(&ast.BinaryNode{Operator: n.name, Left: e.emit(left), Right: e.emit(right)})
	case "==", "<", "<=", ">", ">=":
		return e.comparison(n.name, left, right)
	case "in":
		if set, ok := constantSet(right); ok {
			return call(set, e.emit(left))
		}
		return call(isIn, e.emit(left), e.emit(right))
	case "contains", "startsWith", "endsWith":
		return call(textual(n.name), e.emit(left), e.emit(right))
	}
	return call(arithmetic(n.name, n.shape.kind, left.shape.kind, right.shape.kind, e.scale), e.emit(left), e.emit(right))
}

func (e *emitter) comparison(operator string, left, right *node) ast.Node {
	if right.op == opConstant && right.value != nil && left.shape.kind == right.shape.kind {
		if test := compareConstant(operator, right.value); test != nil {
			return call(test, e.emit(left))
		}
	}
	if operator == "==" {
		return call(equal(left.shape, right.shape, e.scale), e.emit(left), e.emit(right))
	}
	return call(ordered(operator, left.shape.kind, right.shape.kind, e.scale), e.emit(left), e.emit(right))
}

// between is low <= x && x <= high with x worked out once.
func (e *emitter) between(n *node) ast.Node {
	x, low, high := n.args[0], n.args[1], n.args[2]
	if from, ok := low.value.(int64); ok && low.op == opConstant {
		if to, ok := high.value.(int64); ok && high.op == opConstant {
			return call(func(x any) bool { i, ok := x.(int64); return ok && from <= i && i <= to }, e.emit(x))
		}
	}
	above := call(func(x, low any) any {
		i, ok := x.(int64)
		least, known := low.(int64)
		if !ok || !known || i < least {
			return nil
		}
		return x
	}, e.emit(x), e.emit(low))
	return call(func(x, high any) bool {
		i, ok := x.(int64)
		most, known := high.(int64)
		return ok && known && i <= most
	}, above, e.emit(high))
}

func (e *emitter) items(n *node) ast.Node {
	items := make([]ast.Node, len(n.args))
	values := make([]any, len(n.args))
	fixed := true
	for i, arg := range n.args {
		items[i], values[i] = e.emit(arg), arg.value
		fixed = fixed && arg.op == opConstant
	}
	if fixed {
		return value(values)
	}
	return typed(&ast.ArrayNode{Nodes: items})
}

func (e *emitter) closure(n *node) ast.Node {
	args := []ast.Node{e.emit(n.args[0])}
	if len(n.args) == 2 {
		args = append(args, typed(&ast.PredicateNode{Node: e.emit(n.args[1])}))
	}
	out := typed(&ast.BuiltinNode{Name: n.name, Arguments: args})
	if n.name == "count" { // the VM counts in int
		return call(readInt, out)
	}
	return out
}

// call emits a call of a function that the VM can run without reflection: (any), (any, any), giving any or bool.
func call(fn any, args ...ast.Node) ast.Node {
	callee := &ast.ConstantNode{Value: fn}
	callee.SetType(reflect.TypeOf(fn))
	return typed(&ast.CallNode{Callee: callee, Arguments: args})
}

func value(v any) ast.Node { return typed(&ast.ConstantNode{Value: v}) }

func environment() ast.Node { return typed(&ast.IdentifierNode{Value: "$env"}) }

// typed declares a type that is no pointer, so that the VM spends no reflection on following one.
func typed(n ast.Node) ast.Node {
	n.SetType(reflect.TypeFor[bool]())
	return n
}
