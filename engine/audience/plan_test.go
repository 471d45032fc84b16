package audience

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"beckon/engine/rules"
)

func planShop() (*rules.Schema, rules.Instant) {
	schema := rules.NewSchema(2, []rules.Attribute{{Name: "score", Type: rules.Number}, {Name: "event.browse.seconds", Type: rules.Int}, {Name: "event.cart.labels", Type: rules.TextList},
		{Name: "event.cart.ratio", Type: rules.Number}})
	return schema, rules.Instant{Now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Zone: time.FixedZone("CST", 8*3600)}
}

func planOf(t *testing.T, source string) *vectorPlan {
	t.Helper()
	schema, at := planShop()
	rule, err := rules.Compile(schema, source)
	if err != nil {
		t.Fatal(err)
	}
	return plan(rule.Bind(at))
}

// TestPlansReadAsTheGoldenFilesSay reads testdata/plans/*.txt: the rule, and after --- its plan. With UPDATE_GOLDEN set it
// writes the plans as they are.
func TestPlansReadAsTheGoldenFilesSay(t *testing.T) {
	files, err := filepath.Glob("testdata/plans/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source, want, _ := strings.Cut(string(text), "\n---\n")
		got := planOf(t, source).String()
		if os.Getenv("UPDATE_GOLDEN") != "" {
			if err := os.WriteFile(file, []byte(source+"\n---\n"+got), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if got != want {
			t.Errorf("%s\n%s\ngot\n%s\nwant\n%s", file, source, got, want)
		}
	}
}

func TestAPlanNeedsWhatItReads(t *testing.T) {
	for source, want := range map[string]Needs{
		`city == "x" && "a" in tags`: {Columns: []string{"city", "tags"}},
		`avg_basket > 1`:             {Columns: []string{"purchase_count", "total_spend"}},
		`points > 3`:                 {Histories: []string{"lots"}, Fields: map[string][]string{"lots": {"active_from", "last_valid_on", "remaining"}}},
		`any(coupons, .state == "open")`: {Histories: []string{"coupons"},
			Fields: map[string][]string{"coupons": {"expires_at", "issued_at", "used"}}},
		`len(messages) == 0`: {Histories: []string{"messages"}, Fields: map[string][]string{"messages": {"sent_at"}}},
		`sum(events, .props?.ratio) > 1`: {Histories: []string{"events"}, Fields: map[string][]string{"events": {"at", "props.ratio"}},
			Strict: map[string]bool{"events": true}},
		`sum(events, .props?.seconds) > 1`: {Histories: []string{"events"}, Fields: map[string][]string{"events": {"at", "props.seconds"}}},
		`map(items, .sku) == map(purchases, .store)`: {Histories: []string{"items", "purchases"},
			Fields: map[string][]string{"items": {"at", "sku"}, "purchases": {"at", "store"}}, Strict: map[string]bool{"items": true, "purchases": true}},
		`score > 1 && any(events, "a" in .props.labels)`: {Columns: []string{"score"}},
	} {
		got := planOf(t, source).Needs()
		if len(got.Fields) == 0 {
			got.Fields = nil
		}
		if len(got.Strict) == 0 {
			got.Strict = nil
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", source, got, want)
		}
	}
}
