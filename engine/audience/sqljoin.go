package audience

import (
	"regexp"
	"strings"
)

// perCustomer is an aggregate over a relation for each customer; none is what it is where a customer has no rows.
//
// Why there are two forms: looked up customer by customer, it costs only as much as there are customers whom the rule's
// other conjuncts leave. Where there are no others it is worked out for all at once, in one pass through the history, and
// joined.
func (t *translator) perCustomer(over *relation, expression, none string) string {
	sql := over.sel(expression)
	if !t.alone || t.depth > 0 || over.no == "" || over.joined == "" {
		return "(" + sql + ")"
	}
	alone := strings.Replace(over.sel(over.no+" AS no, "+expression+" AS v"), over.joined, "TRUE", 1)
	if regexp.MustCompile(`\b(c|f|l\d+)\.`).MatchString(alone) {
		return "(" + sql + ")"
	}
	alias := t.alias("a")
	t.joins = append(t.joins, " LEFT JOIN ("+alone+" GROUP BY "+over.no+") "+alias+" ON "+alias+".no = c.no")
	if none == "" {
		return alias + ".v"
	}
	return "CASE WHEN " + alias + ".no IS NULL THEN " + none + " ELSE " + alias + ".v END"
}
