package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"beckon/campaigns/store"
	"beckon/engine/audience"
	"beckon/engine/rules"
)

// audienceBars are the rows of n customers without HTTP, and their bars.
func audienceBars(n int) map[string]float64 {
	return map[string]float64{
		"load: columns, COPY thrown away":                       0.60,
		"memory of a customer, 20 attributes":                   1,
		"memory of a purchase: at, store, amount":               1,
		"4 clauses, one core: columns, VM":                      50,
		"4 clauses, one core: columns, loop by hand":            0.67,
		"count over purchases, one core: columns, VM":           60,
		"count over purchases, one core: columns, loop by hand": 0.5,
		"sum over purchases, one core: columns, VM":             60,
		"sum over purchases, one core: columns, loop by hand":   0.5,
		"4 clauses, all cores: columns, PostgreSQL":             25,
		"4 clauses, one core: columns read, plain sum":          0,
		fmt.Sprintf("catching up with %d changes", 2*n):         1,
		"an event: 1000 rules without closures":                 1,
		"an event: 1000 rules with a closure each":              1,
	}
}

func newGathering(t *testing.T, n int) *gathering {
	t.Helper()
	a, err := newGround(t, n).gather(t.Context(), audienceDatabase, n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return a
}

func TestEverySideCountsTheSameCrowd(t *testing.T) {
	const n = 3000
	a := newGathering(t, n)
	rows := map[string]float64{}
	for _, part := range []func(context.Context) ([]Row, error){a.measureLoad, a.measureScans, a.measureFollowing, a.measureEvents} {
		some, err := part(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range some {
			rows[row.Name] = row.Bar
		}
	}
	if want := audienceBars(n); !maps.Equal(rows, want) {
		t.Errorf("the rows are %v", rows)
	}
	for _, s := range scannedRules() {
		if count := s.loop(a.bare, a.at); count == 0 || count == n {
			t.Errorf("%s matches %d of %d customers: it measures nothing", s.source, count, n)
		}
	}
}

func TestACountThatDiffersFailsTheMeasure(t *testing.T) {
	a := &gathering{ground: &ground{Options: Options{Clock: time.Now}}, n: 10}
	if _, err := a.steady(10, 5, a.timed(func() (int64, error) { return 6, nil }))(t.Context(), 0); err == nil {
		t.Error("6 is taken for 5")
	}
	if rate, err := a.steady(10, 5, a.timed(func() (int64, error) { return 5, nil }))(t.Context(), 0); err != nil || rate <= 0 {
		t.Errorf("%f, %v", rate, err)
	}
}

func TestACrowdHasItsTwentyAttributesATenthOfEachMissing(t *testing.T) {
	const n = 4000
	a := newGathering(t, n)
	if names := crowdColumns(); len(names) != 20 {
		t.Fatalf("%d attributes: %v", len(names), names)
	}
	missing, rows := map[string]int{}, 0
	err := a.store.View(t.Context(), func(tx *store.Tx) error {
		return audience.All(t.Context(), tx, audience.Needs{Columns: crowdColumns(), Histories: []string{"purchases"}}, a.at, func(_ int64, record rules.Record) error {
			for _, name := range crowdColumns() {
				if record[name] == nil {
					missing[name]++
				}
			}
			bought, _ := record["purchases"].([]rules.Record)
			rows += len(bought)
			return nil
		}, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	kept := []string{"purchase_count", "total_spend", "lifetime_points"} // 0 where there is nothing
	for _, name := range crowdColumns() {
		if share := float64(missing[name]) / n; slices.Contains(kept, name) != (share == 0) || share > 0.13 || share > 0 && share < 0.07 {
			t.Errorf("%s is missing in %.3f of all customers", name, share)
		}
	}
	if share := float64(rows) / n; share < 0.9*crowdPurchases || share > 1.1*crowdPurchases {
		t.Errorf("%.2f purchases a customer", share)
	}
}

func TestWhatIsTypedIsAskedThroughHTTPAndNothingElsePassesForIt(t *testing.T) {
	const n = 50
	a := newGathering(t, n)
	executor, asked := audience.ByVector, 0
	a.Serve = func(*store.Store) (http.Handler, func(), error) {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked++
			if key := r.Header.Get("Authorization"); !strings.HasPrefix(key, "Bearer bk_") || r.URL.Path != "/v1/rules/count" {
				t.Errorf("%s with the key %q", r.URL, key)
			}
			if err := json.NewEncoder(w).Encode(map[string]any{"total": n, "executor": executor}); err != nil {
				t.Error(err)
			}
		}), func() {}, nil
	}
	rows, err := a.measureTyping(t.Context())
	if err != nil || len(rows) != 1 || rows[0].Value <= 0 || asked != typingRequests+len(typedRules()) {
		t.Errorf("%+v, %d requests, %v", rows, asked, err)
	}
	executor = audience.ByPushdown
	if _, err := a.measureTyping(t.Context()); err == nil {
		t.Error("PostgreSQL's counts are taken for the columns'")
	}
	if got := percentile([]float64{4, 1, 3, 2}, 50); got != 2 {
		t.Errorf("%f", got)
	}
}
