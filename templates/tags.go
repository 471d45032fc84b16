package templates

import (
	"fmt"
	"slices"
	"strings"

	"github.com/osteele/liquid/parser"
)

// tag checks one {% … %} and writes it out. Tags that would read files or write HTML of their own are not among them.
func (s *scan) tag(token parser.Token) {
	switch token.Name {
	case "comment", "raw":
		s.verbatim = "end" + token.Name
		s.out.WriteString(token.Source)
	case "if", "unless", "case":
		s.blocks = append(s.blocks, block{name: token.Name, at: len(s.out)})
		s.out.WriteString("")
		s.condition(token)
	case "elsif", "when":
		s.condition(token)
	case "else":
		if token.Args != "" {
			s.problem("a second condition is written: {% elsif … %}", "else has no condition")
		}
		s.out.WriteString(token.Source)
	case "endif", "endunless", "endcase", "endfor":
		s.close(strings.TrimPrefix(token.Name, "end"))
		s.out.WriteString(token.Source)
	case "for":
		s.loop(token)
	case "break", "continue":
		if !s.within("for") {
			s.problem("", "%s stands outside of a loop", token.Name)
		}
		s.out.WriteString(token.Source)
	case "cycle":
		if !s.within("for") {
			s.problem("", "cycle stands outside of a loop")
		}
		s.out.WriteString(token.Source)
	case "assign":
		s.assign(token)
	case "capture":
		s.capture(token)
	case "endcapture":
		s.close("capture")
		s.write(token, "{%", "endbeckon_capture", "%}")
	default:
		s.problem("there are if, unless, case, for, assign, capture, cycle, comment and raw", "there is no tag %q", token.Name)
	}
}

func (s *scan) close(name string) {
	if last := len(s.blocks) - 1; last >= 0 && s.blocks[last].name == name {
		b := s.blocks[last]
		s.blocks = s.blocks[:last]
		switch {
		case name == "for":
			s.out[b.at] = fmt.Sprintf("{%% beckon_step %d %%}", b.work)
		case len(b.asks) > 0: // what a condition looks at may be long
			s.out[b.at] = "{{ nil | beckon_asked: beckon_budget, " + strings.Join(b.asks, " | beckon_asked: beckon_budget, ") + " }}"
		}
		return
	}
	s.problem("", "end%s ends no %s", name, name)
}

func (s *scan) within(name string) bool {
	for _, b := range s.blocks {
		if b.name == name {
			return true
		}
	}
	return false
}

// condition checks what if, unless, elsif, case and when compare. A value may be lacking there: that is what is asked.
func (s *scan) condition(token parser.Token) {
	s.out.WriteString(token.Source)
	lexemes, err := lex(token.Args)
	if err != nil {
		s.problem("", "%s", err)
		return
	}
	r := reader{rest: lexemes}
	for {
		o, err := r.operand()
		if err != nil {
			s.problem("", "%s", err)
			return
		}
		s.use(o)
		s.asked(o)
		switch operator := r.next(); {
		case operator.text == "":
			return
		case operator == lexeme{kindSymbol, "|"}:
			s.problem("assign the filtered value first: {% assign x = … | … %}", "a condition has no filters")
			return
		case operator.kind != kindSymbol:
			s.problem("", "%q follows the value, where a comparison was expected", operator.text)
			return
		}
	}
}

// asked counts a value that a condition of the innermost block looks at.
func (s *scan) asked(o operand) {
	s.cost(1)
	last := len(s.blocks) - 1
	if last >= 0 && len(o.path) > 0 && s.blocks[last].name != "for" && !slices.Contains(s.blocks[last].asks, o.text) {
		s.blocks[last].asks = append(s.blocks[last].asks, o.text)
	}
}

// loop checks for x in list, with limit, offset and reversed, and lets every turn be counted.
func (s *scan) loop(token parser.Token) {
	variable, head, err := s.loopHead(token.Args)
	if err != nil {
		s.problem("", "%s", err)
	} else {
		s.reserved(variable)
	}
	s.write(token, "{%", "for "+head, "%}")
	s.blocks = append(s.blocks, block{name: "for", variable: variable, at: len(s.out), work: 1})
	s.out.WriteString("{% beckon_step 1 %}")
}

// loopHead also writes the head anew, with beckon_list behind a list that may be lacking: without it the engine would leave
// out the else of the loop.
func (s *scan) loopHead(args string) (variable, head string, err error) {
	lexemes, err := lex(args)
	if err != nil {
		return "", "", err
	}
	r := reader{rest: lexemes}
	name := r.next()
	if name.kind != kindName || !r.accept("in") {
		return "", "", fmt.Errorf("a loop is written: for name in list")
	}
	list, err := s.loopList(&r)
	if err != nil {
		return "", "", err
	}
	head = name.text + " in " + list
	for r.peek().text != "" {
		switch modifier := r.next(); {
		case modifier == lexeme{kindName, "reversed"}:
			head += " reversed"
		case modifier == lexeme{kindKeyword, "limit"}, modifier == lexeme{kindKeyword, "offset"}:
			o, err := r.operand()
			if err != nil {
				return "", "", err
			}
			s.use(o)
			head += " " + modifier.text + ": " + o.text
		case modifier == lexeme{kindSymbol, "|"}:
			return "", "", fmt.Errorf("a loop has no filters: assign the filtered list first")
		default:
			return "", "", fmt.Errorf("%q means nothing in a loop", modifier.text)
		}
	}
	return name.text, head, nil
}

func (s *scan) loopList(r *reader) (string, error) {
	if !r.accept("(") {
		o, err := r.operand()
		if err != nil {
			return "", err
		}
		s.use(o)
		return o.text + " | beckon_list", nil
	}
	from, err := r.operand()
	if err != nil {
		return "", err
	}
	if !r.accept("..") {
		return "", fmt.Errorf("a range is written: (1..3)")
	}
	to, err := r.operand()
	if err != nil {
		return "", err
	}
	if !r.accept(")") {
		return "", fmt.Errorf("a range is written: (1..3)")
	}
	s.use(from)
	s.use(to)
	return "(" + from.text + ".." + to.text + ")", nil
}

func (s *scan) assign(token parser.Token) {
	name, value, ok := strings.Cut(token.Args, "=")
	name = strings.TrimSpace(name)
	if !ok || identifier(name) != len(name) || name == "" {
		s.problem("", "an assignment is written: assign name = value")
		return
	}
	content, ok := s.filtered(value)
	if !ok || s.reserved(name) {
		return
	}
	s.locals[name] = true
	s.write(token, "{%", "assign "+name+" = "+content, "%}")
}

// capture becomes a block of ours, because Liquid's holds whatever is written into it.
func (s *scan) capture(token parser.Token) {
	name := strings.TrimSpace(token.Args)
	s.blocks = append(s.blocks, block{name: "capture"})
	if identifier(name) != len(name) || name == "" {
		s.problem("", "a capture is written: capture name")
		return
	}
	if s.reserved(name) {
		return
	}
	s.locals[name] = true
	s.write(token, "{%", "beckon_capture "+name, "%}")
}
