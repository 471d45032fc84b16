package rules_test

import (
	"context"
	"testing"
	"time"

	"beckon/engine/audience"
	"beckon/engine/rules"
)

// TestMoneyIsWhatPostgreSQLsNumericSays compares the executors with numeric, which neither rounds nor overflows, at the
// ends of what money can be.
func TestMoneyIsWhatPostgreSQLsNumericSays(t *testing.T) {
	s, p := newPopulation(t, 0)
	image := openImage(t, s)
	const most, least = 1<<63 - 1, -1 << 63
	amounts := []int64{0, 1, -1, 2, 3, 5, 99, 100, 101, 12345, -12345, 1<<53 + 1, 1 << 62, most, most - 1, least, least + 1, most / 2, least / 2}
	for i, total := range amounts {
		for j, count := range []int32{0, 1, 2, 3, 7, 100, 1<<31 - 1} {
			no := i*10 + j + 1
			p.insert("customers", map[string]any{"no": no, "changed_at": time.Unix(0, 0), p.column["credit"]: amounts[(i+j)%len(amounts)]})
			p.insert("customer_figures", map[string]any{"no": no, "total_spend": total, "purchase_count": count})
			for k, amount := range []int64{total, amounts[(i+3*j)%len(amounts)], amounts[(i+5*j)%len(amounts)]} {
				p.insert("purchases", map[string]any{"no": no, "order_id": string(rune('a' + k)), "at": time.Unix(1.7e9, 0), "amount": amount, "lines": "{}"})
			}
		}
	}
	p.send(t)
	figures := "FROM customers c JOIN customer_figures f USING (no) LEFT JOIN LATERAL (SELECT sum(amount::numeric) AS sum, max(amount) AS max FROM purchases p WHERE p.no = c.no) h ON true WHERE "
	const fits = " BETWEEN -9223372036854775808 AND 9223372036854775807"
	credit := "c." + p.column["credit"] + "::numeric"
	for rule, sql := range map[string]string{
		"avg_basket * 1 >= 0.5":                      "floor(f.total_spend::numeric / nullif(f.purchase_count, 0) + 0.5) >= 50",
		"avg_basket == 0":                            "floor((2 * f.total_spend::numeric + f.purchase_count) / nullif(2 * f.purchase_count::numeric, 0)) = 0",
		"avg_basket in [0.33, 0.34, 0.01, 17.64]":    "floor((2 * f.total_spend::numeric + f.purchase_count) / nullif(2 * f.purchase_count::numeric, 0)) IN (33, 34, 1, 1764)",
		"total_spend + credit == nil":                "NOT (f.total_spend::numeric + " + credit + fits + ")",
		"total_spend - credit > 0":                   "f.total_spend::numeric - " + credit + " > 0 AND f.total_spend::numeric - " + credit + fits,
		"total_spend * purchase_count < credit":      "f.total_spend::numeric * f.purchase_count < " + credit + " AND f.total_spend::numeric * f.purchase_count" + fits,
		"-total_spend == nil":                        "f.total_spend = -9223372036854775808",
		"sum(purchases, .amount) == nil":             "NOT h.sum" + fits,
		"sum(purchases, .amount) > total_spend":      "h.sum > f.total_spend AND h.sum" + fits,
		"mean(map(purchases, .amount)) == nil":       "NOT h.sum" + fits,
		"total_spend > 90071992547409.93":            "f.total_spend > 9007199254740993",
		"total_spend == 90071992547409.93":           "f.total_spend = 9007199254740993",
		"total_spend > 1.0 * purchase_count":         "f.total_spend::numeric > 100 * f.purchase_count::numeric",
		"max(map(purchases, .amount)) > total_spend": "h.max > f.total_spend",
	} {
		compiled, err := rules.Compile(rules.Shop(), rule)
		if err != nil {
			t.Errorf("%s: %v", rule, err)
			continue
		}
		var want int64
		if err := p.conn.QueryRow(context.Background(), "SELECT count(*) "+figures+sql).Scan(&want); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		q := audience.Question{Conditions: []audience.Asked{{Rule: compiled, At: rules.Noon(t)}}, Members: true}
		agreeOnPushdown(t, s, image, q, &pushdownTally{reasons: map[string]int{}})
		found, err := audience.Reference{}.Find(context.Background(), s, q)
		if err != nil || found.Counts[0] != want || want == 0 || want == found.Total {
			t.Errorf("%s: %d of %d, numeric says %d, %v", rule, found.Counts[0], found.Total, want, err)
		}
	}
}

// TestRowsOfOneSecondStandInTheOrderOfTheirIDs has sums of numbers that come out differently in every other order.
func TestRowsOfOneSecondStandInTheOrderOfTheirIDs(t *testing.T) {
	s, p := newPopulation(t, 0)
	image := openImage(t, s)
	ratios := []float64{1e16, 1, -1e16, 3}
	for no := 1; no <= 24; no++ {
		p.insert("customers", map[string]any{"no": no, "changed_at": time.Unix(0, 0)})
		left, turn := append([]float64{}, ratios...), no-1
		for k := 4; k > 0; k-- { // the no-th permutation, written from its end
			i := turn % k
			turn /= k
			at := time.Unix(1.7e9, 0)
			p.insert("events", map[string]any{"no": no, "event_id": string(rune('Z' - k)), "at": at, "name": "cart", "props": map[string]any{"ratio": left[i], "sku": string(rune('Z' - k))}})
			p.insert("purchases", map[string]any{"no": no, "order_id": []string{"a", "B", "é", "Z"}[(k+no)%4], "at": at, "amount": 1, "store": []string{"a", "B", "é", "Z"}[(k+no)%4], "lines": "{}"})
			left = append(left[:i], left[i+1:]...)
		}
	}
	p.send(t)
	for rule, want := range map[string]int64{
		`map(purchases, .store) == ["B", "Z", "a", "é"]`: 24,
		"sum(map(events, .props?.ratio)) == 4":           0, "sum(map(events, .props?.ratio)) == 3": 0, "mean(map(events, .props?.ratio)) >= 1.0": 0,
	} {
		compiled, err := rules.Compile(rules.Shop(), rule)
		if err != nil {
			t.Fatalf("%s: %v", rule, err)
		}
		q := audience.Question{Conditions: []audience.Asked{{Rule: compiled, At: rules.Noon(t)}}, Members: true}
		agreeOnPushdown(t, s, image, q, &pushdownTally{reasons: map[string]int{}})
		found, err := audience.Reference{}.Find(context.Background(), s, q)
		if err != nil || want > 0 && found.Counts[0] != want || want == 0 && (found.Counts[0] == 0 || found.Counts[0] == 24) {
			t.Errorf("%s: %+v, %v", rule, found, err)
		}
	}
}
