package bench

import (
	"context"
	"errors"
	"fmt"

	"beckon/engine/rules"
)

const (
	eventRules     = 1000
	eventPlainMS   = 1
	eventClosureMS = 20
	eventPasses    = 50
	eventPurchases = 10
)

// eventSources are rules as campaigns have them that wait for an event, each with its own numbers.
func eventSources(closures bool) []string {
	patterns := []string{
		`tier in ["gold", "platinum"] && total_spend >= %d`,
		`city == "City %02d" || total_spend > 100`,
		`days_since(last_purchase_at) > %d && tier != "none"`,
		`total_spend >= %d && days_since(last_purchase_at) <= 90 && city == "Shanghai"`,
		`purchase_count >= 3 && total_spend / 1 >= (tier == "silver" ? 200 : 100) + %d`,
	}
	if closures {
		patterns = []string{
			`count(purchases, days_since(.at) <= %d) >= 4`,
			`any(purchases, .amount >= %d && days_since(.at) <= 365)`,
			`sum(filter(purchases, .store == "S%d"), .amount) >= 300`,
			`none(purchases, days_since(.at) <= %d) && tier == "gold"`,
			`all(purchases, .amount > %d)`,
		}
	}
	sources := make([]string, eventRules)
	for i := range sources {
		sources[i] = fmt.Sprintf(patterns[i%len(patterns)], i/len(patterns))
	}
	return sources
}

// measureEvents asks the reference about one customer whose record is loaded, as a trigger does.
func (a *gathering) measureEvents(ctx context.Context) (rows []Row, err error) {
	var customer rules.Record
	most := 0
	for _, record := range a.records {
		if bought, _ := record["purchases"].([]rules.Record); len(bought) > most && len(bought) <= eventPurchases {
			customer, most = record, len(bought)
		}
	}
	if customer == nil {
		return nil, errors.New("nobody has purchases")
	}
	for _, kind := range []struct {
		name     string
		closures bool
		most     float64
	}{{"without closures", false, eventPlainMS}, {"with a closure each", true, eventClosureMS}} {
		var compiled []*rules.Rule
		for _, source := range eventSources(kind.closures) {
			rule, err := rules.Compile(a.schema, source)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", source, err)
			}
			compiled = append(compiled, rule)
		}
		var millis []float64
		for range eventPasses {
			began := a.Clock()
			for _, rule := range compiled {
				if _, err := rule.Decide(ctx, customer, a.at); err != nil {
					return nil, err
				}
			}
			millis = append(millis, ms(a.Clock().Sub(began)))
		}
		a.Say("%d rules %s for one customer with %d purchases: %.2f ms", eventRules, kind.name, most, median(millis))
		rows = append(rows, below(fmt.Sprintf("an event: %d rules %s", eventRules, kind.name), "ms", median(millis), kind.most))
	}
	return rows, nil
}
