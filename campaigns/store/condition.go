package store

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// A Place is where a value that rules know is kept: an SQL expression, and its type as attributes name it, "props" for an
// event's properties. Dates and times are PostgreSQL's own; money is in minor units.
type Place struct {
	SQL  string
	Type string
}

// placeOf is a column as conditions use it. "props" are an event's properties.
func placeOf(c column) Place {
	names := map[kind]string{asText: "text", asInt: "int", asFloat: "number", asBool: "bool", asDate: "date", asTime: "time", asTexts: "text_list", asBytes: "bytes", asJSON: "props"}
	return Place{SQL: c.sql, Type: names[c.kind]}
}

// Places are the stored values of a customer by the names that rules know, over the customers c and their figures f.
func (tx *Tx) Places(ctx context.Context) (map[string]Place, error) {
	known, err := tx.knownColumns(ctx)
	places := make(map[string]Place, len(known))
	for name, c := range known {
		places[name] = placeOf(c)
	}
	return places, err
}

// A HistoryPlace is where a history is kept: Select is a SELECT of no, of the fields by their names, and of what orders a
// customer's rows. It needs the evaluation's instant where it says NowMark.
type HistoryPlace struct {
	Select string
	Fields map[string]string // name → type, as in Place
	Order  []string
}

// NowMark stands in a HistoryPlace for the evaluation's instant, a timestamptz.
const NowMark = "$3"

// HistoryPlaceOf describes a history; false for a name that is none.
func HistoryPlaceOf(name string) (HistoryPlace, bool) {
	source, known := campaigns.HistorySource(name)
	h, place := histories()[name], HistoryPlace{Fields: map[string]string{}}
	columns := []string{"p.no"}
	for _, field := range source.Visible() {
		at := placeOf(column{sql: strings.TrimSuffix(h.sql(field.Name), "::text"), kind: kindOf(field.Type)})
		place.Fields[field.Name] = at.Type
		columns = append(columns, at.SQL+" AS "+field.Name)
	}
	for i, by := range h.order {
		key := "k" + strconv.Itoa(i+1)
		sql := by.sql
		if by.text {
			sql += ` COLLATE "C"`
		}
		columns, place.Order = append(columns, sql+" AS "+key), append(place.Order, key)
	}
	place.Select = "SELECT " + strings.Join(columns, ", ") + " FROM " + h.from
	return place, known
}

// A Condition is SQL over the customers c, and their figures f where Figures says so, with parameters $1 … of Args. It may
// be NULL, where it cannot say.
type Condition struct {
	SQL     string
	Args    []any
	Figures bool
	Joins   []string // each a LEFT JOIN … aN ON aN.no = c.no of one row at most; those that nothing names are left out
}

// from is where the statement reads: what it selects and its condition say which joins it needs.
func (c Condition) from(named string) string {
	from := " FROM customers c"
	if c.Figures {
		from += " LEFT JOIN customer_figures f ON f.no = c.no"
	}
	alias := regexp.MustCompile(`(a\d+)\.no = c\.no$`)
	for _, join := range c.Joins {
		if name := alias.FindStringSubmatch(join); name != nil && regexp.MustCompile(`\b`+name[1]+`\.(v|no)\b`).MatchString(named) {
			from += join
		}
	}
	return from
}

// CountWhere counts, in one scan, the customers for whom each of some conditions is true; they share the parameters of
// where, to which the scan is limited unless it is empty.
func (tx *Tx) CountWhere(ctx context.Context, where Condition, conditions []string) ([]int64, error) {
	counts := make([]int64, len(conditions))
	targets := make([]any, len(conditions))
	columns := make([]string, len(conditions))
	for i, condition := range conditions {
		columns[i], targets[i] = "count(*) FILTER (WHERE "+condition+")", &counts[i]
		if condition == "" {
			columns[i] = "count(*)"
		}
	}
	selected := strings.Join(columns, ", ")
	sql := "SELECT " + selected + where.from(selected+where.SQL)
	if where.SQL != "" {
		sql += " WHERE " + where.SQL
	}
	sql, args := used(sql, where.Args)
	err := tx.tx.QueryRow(ctx, sql, append([]any{pgx.QueryExecModeDescribeExec}, args...)...).Scan(targets...)
	if err != nil {
		return nil, fmt.Errorf("counting by a condition: %w", err)
	}
	return counts, nil
}

// EachWhere gives the numbers of the customers for whom a condition is true, in no order. An empty condition is true.
func (tx *Tx) EachWhere(ctx context.Context, c Condition, each func(no int64) error) error {
	sql := "SELECT c.no" + c.from(c.SQL)
	if c.SQL != "" {
		sql += " WHERE " + c.SQL
	}
	sql, args := used(sql, c.Args)
	rows, err := tx.tx.Query(ctx, sql, append([]any{pgx.QueryExecModeDescribeExec}, args...)...)
	if err != nil {
		return fmt.Errorf("finding by a condition: %w", err)
	}
	var no int64
	if _, err = pgx.ForEachRow(rows, []any{&no}, func() error { return each(no) }); err != nil {
		return fmt.Errorf("finding by a condition: %w", err)
	}
	return nil
}

// used leaves out the parameters that a statement does not name: PostgreSQL could not tell their types.
func used(sql string, args []any) (string, []any) {
	var kept []any
	numbers := map[string]string{}
	sql = regexp.MustCompile(`\$\d+`).ReplaceAllStringFunc(sql, func(mark string) string {
		if numbers[mark] == "" {
			i, err := strconv.Atoi(mark[1:])
			if err != nil || i < 1 || i > len(args) {
				return mark
			}
			kept = append(kept, args[i-1])
			numbers[mark] = "$" + strconv.Itoa(len(kept))
		}
		return numbers[mark]
	})
	return sql, kept
}

// DistinctTexts are the texts that a column of customers, an element of a list of texts or a field of a history has at
// all; false when there are more than limit. history is empty for a column.
func (tx *Tx) DistinctTexts(ctx context.Context, history, name string, limit int) ([]string, bool, error) {
	from := ""
	if history != "" {
		place, _ := HistoryPlaceOf(history)
		from = "(SELECT h." + name + " AS v FROM (" + strings.ReplaceAll(place.Select, NowMark, "NULL::timestamptz") + ") h) d"
		if place.Fields[name] != "text" {
			return nil, false, fmt.Errorf("reading distinct texts: %s of %s is no text", name, history)
		}
	} else {
		places, err := tx.Places(ctx)
		if err != nil {
			return nil, false, err
		}
		switch place := places[name]; place.Type {
		case "text":
			from = "(SELECT " + place.SQL + " AS v FROM customers c) d"
		case "text_list":
			from = "(SELECT e.v FROM customers c CROSS JOIN LATERAL unnest(" + place.SQL + ") AS e(v)) d"
		default:
			return nil, false, fmt.Errorf("reading distinct texts: %s is no text", name)
		}
	}
	texts, err := many(ctx, tx, "distinct texts", "SELECT DISTINCT d.v FROM "+from+" WHERE d.v IS NOT NULL LIMIT $1", pgx.RowTo[string], limit+1)
	return texts, len(texts) <= limit, err
}
