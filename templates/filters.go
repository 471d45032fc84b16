package templates

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/osteele/liquid"
	"github.com/osteele/liquid/render"
)

// filterNames are the filters that a template may use: Liquid's that are safe and always say the same, and ours (money,
// number, date, time). Not among them are safe and json, which would pass a customer's HTML through.
func filterNames() []string {
	return []string{
		"abs", "append", "at_least", "at_most", "capitalize", "ceil", "compact", "concat", "date", "default", "divided_by",
		"downcase", "escape", "first", "floor", "join", "last", "lstrip", "map", "minus", "modulo", "money", "number", "pluralize", "plus",
		"prepend", "remove", "remove_first", "remove_last", "replace", "replace_first", "replace_last", "reverse", "round",
		"rstrip", "size", "slice", "sort", "sort_natural", "split", "strip", "strip_html", "strip_newlines", "time", "times",
		"truncate", "truncatewords", "uniq", "upcase", "url_decode", "url_encode", "where",
	}
}

func allowedFilter(name string) bool { return slices.Contains(filterNames(), name) }

func filterHint(name string) string {
	if name == "safe" || name == "raw" {
		return "values are escaped in html and cannot be passed through"
	}
	return "there are " + strings.Join(filterNames(), ", ")
}

var (
	errSteps = fmt.Errorf("its loops take more than %d turns", stepsMax)
	errAsked = fmt.Errorf("its loops look at more than %d values", askedMax)
	errWork  = errors.New("its filters and captures work on too much text")
	errSize  = errors.New("it grows beyond 1 MB")
)

// budgetName is the name by which a rendering finds its budget.
const budgetName = "beckon_budget"

// budget is what one rendering of one part may still spend.
type budget struct{ steps, asked, work int }

// step begins a turn of a loop that looks at so many values.
func (b *budget) step(values int) error {
	if b.steps--; b.steps < 0 {
		return errSteps
	}
	if b.asked -= values; b.asked < 0 {
		return errAsked
	}
	return nil
}

func (b *budget) spend(work int) error {
	if work > outputMax {
		return errSize
	}
	if b.work -= work; b.work < 0 {
		return errWork
	}
	return nil
}

// MissingError says that a template prints a value which the customer lacks (absent, nil or empty), without a default.
type MissingError struct{ Variable string }

// Error names the variable.
func (e *MissingError) Error() string {
	return "there is no value for " + e.Variable + ", and the template has no default for it"
}

// lacking compares with an empty string only, so that values of every type may be asked.
func lacking(value any) bool {
	text, ok := value.(string)
	return value == nil || ok && text == ""
}

// locale is what a part's values are printed for.
type locale struct {
	html               bool   // all of them are escaped
	language, currency string // a text without a language prints money and dates as it always did
}

// newEngine makes the engine of one part. Loading other templates is taken out: a template is one file.
func newEngine(l *locale) *liquid.Engine {
	e := liquid.NewEngine()
	e.StrictVariables()
	e.UnregisterTag("include")
	e.UnregisterTag("render")
	if l.html {
		e.SetAutoEscapeReplacer(render.HtmlEscaper)
		e.RegisterFilter("escape", func(value any) any { return value }) // all output is escaped, and once is right
	}
	registerFormats(e, l)
	e.RegisterFilter("replace", replace)
	e.RegisterFilter("join", join)
	e.RegisterFilter("beckon_required", func(value any, name string) (any, error) {
		if lacking(value) {
			return nil, &MissingError{Variable: name}
		}
		return value, nil
	})
	e.RegisterFilter("beckon_present", func(value, other any, name string) (any, error) {
		if lacking(other) {
			return nil, &MissingError{Variable: name}
		}
		return value, nil
	})
	e.RegisterFilter("beckon_bounded", func(value any, b *budget) (any, error) { return value, b.spend(weight(value)) })
	e.RegisterFilter("beckon_asked", func(nothing any, b *budget, value any) (any, error) { return nothing, b.spend(weight(value)) })
	e.RegisterFilter("beckon_address", address)
	e.RegisterFilter("beckon_list", func(value any) any {
		if lacking(value) {
			return []any{}
		}
		return value
	})
	e.RegisterTag("beckon_step", func(ctx render.Context) (string, error) {
		values, err := strconv.Atoi(strings.TrimSpace(ctx.TagArgs()))
		if err != nil {
			return "", err
		}
		return "", ctx.Get(budgetName).(*budget).step(values)
	})
	e.RegisterBlock("beckon_capture", capture)
	return e
}

func capture(ctx render.Context) (string, error) {
	w := &capped{}
	if err := ctx.RenderChildren(w); err != nil {
		return "", err
	}
	ctx.Set(ctx.TagArgs(), w.String())
	return "", ctx.Get(budgetName).(*budget).spend(w.Len())
}

// capped holds at most outputMax bytes.
type capped struct{ strings.Builder }

func (w *capped) Write(p []byte) (int, error) {
	if w.Len()+len(p) > outputMax {
		return 0, errSize
	}
	return w.Builder.Write(p)
}

// weight is about what a filter's result takes to hold and to print.
func weight(value any) int {
	switch v := value.(type) {
	case string:
		return len(v) + 1
	case []any:
		total := 16 * len(v)
		for _, item := range v {
			if s, ok := item.(string); ok {
				total += len(s)
			}
		}
		return total
	case []string:
		return 16 * len(v)
	}
	return 16
}

// replace is Liquid's, but measures its result before making it.
func replace(s, old, with string) (string, error) {
	if size := len(s) + strings.Count(s, old)*(len(with)-len(old)); size > outputMax {
		return "", errSize
	}
	return strings.ReplaceAll(s, old, with), nil
}

// join is Liquid's, but measures its result before making it.
func join(list []any, with func(string) string) (string, error) {
	separator := with(" ")
	texts, size := make([]string, 0, len(list)), 0
	for _, item := range list {
		if item == nil {
			continue
		}
		text := fmt.Sprint(item)
		if size += len(text) + len(separator); size > outputMax {
			return "", errSize
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, separator), nil
}

// money, of parts without a language, prints minor units with two decimals, after a sign when one is given: {{ offer.value | money: "¥" }} is ¥12.50.
func money(value any, sign func(string) string) (string, error) {
	var minor int64
	switch v := value.(type) {
	case nil:
		return "", nil
	case int:
		minor = int64(v)
	case int64:
		minor = v
	case float64:
		if v != math.Trunc(v) || math.Abs(v) > 1<<53 {
			return "", fmt.Errorf("%v is not a whole number of minor units", v)
		}
		minor = int64(v)
	default:
		return "", fmt.Errorf("%v is not a whole number of minor units", v)
	}
	minus, units := "", uint64(minor)
	if minor < 0 {
		minus, units = "-", -units
	}
	return fmt.Sprintf("%s%s%d.%02d", minus, sign(""), units/100, units%100), nil
}

// date, of parts without a language, prints a time, or a text such as 2026-12-31 or 2026-12-31T09:00:00+08:00, by a strftime format: %Y %y %m %d %e %B
// %b %A %a %H %M and %%. Without a format it is 2026-12-31.
func date(value any, format func(string) string) (string, error) {
	at, ok, err := instantOf(value)
	if err != nil || !ok {
		return "", err
	}
	return strftime(at, format("%Y-%m-%d"), spellingOf(""))
}

func strftime(at time.Time, format string, s *spelling) (string, error) {
	layouts := map[byte]string{
		'Y': "2006", 'y': "06", 'm': "01", 'd': "02", 'e': "_2", 'B': "January", 'b': "Jan", 'A': "Monday", 'a': "Mon",
		'H': "15", 'M': "04",
	}
	var out strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			out.WriteByte(format[i])
			continue
		}
		i++
		layout, ok := layouts[format[i]]
		switch {
		case ok:
			out.WriteString(s.format(at, layout))
		case format[i] == '%':
			out.WriteByte('%')
		default:
			return "", fmt.Errorf("%%%c is not among %%Y %%y %%m %%d %%e %%B %%b %%A %%a %%H %%M", format[i])
		}
	}
	return out.String(), nil
}
