package store

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"beckon/campaigns"
)

// someJSON draws JSON, some of it broken.
func someJSON(t *rapid.T) string {
	pieces := []string{"{", "}", "{}", "[", "]", ":", ",", " ", "\n", `"a"`, `"b"`, `"a": "x"`, `"b":{"c":"退订"}`, `"at": "2026-11-22T10:00:00.123Z"`, `"At": "2026-11-22T10:00:00Z"`, `"at": "yesterday"`,
		`"status": "queued"`, `"detail": "x"`, `"detail": 1`, `[{"at": "2026-11-22T10:00:00+08:00", "status": "queued"}]`, `"\n"`, "\"\xff\"", "12", "null", "true", "\x00", `"`, `"a":[]`}
	text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 4).Draw(t, "pieces"), "")
	whole := rapid.SampledFrom([]string{`{"a": "x", "b": {"c": "退订", "d": {}}}`, `{"a":{"b":{"c":{"d":{"e":"deep"}}}}}`, `{"a": "x", "a": {"b": 1}}`, `[]`, `null`,
		`[{"at": "2026-11-22T10:00:00.123Z", "status": "queued"}, {"status": "sent", "detail": "ok"}]`}).Draw(t, "whole")
	return rapid.SampledFrom([]string{"", "{", "[{", whole}).Draw(t, "begins") + text + rapid.SampledFrom([]string{"", "}", "}]"}).Draw(t, "ends")
}

func TestPlainJSONIsReadAsAnyOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := someJSON(t)
		var vars, wantVars map[string]any
		gotErr, wantErr := varsColumn{&vars}.ScanBytes([]byte(text)), json.Unmarshal([]byte(text), &wantVars)
		if (gotErr == nil) != (wantErr == nil) || wantErr == nil && !reflect.DeepEqual(vars, wantVars) {
			t.Fatalf("%q is read as %v (%v), want %v (%v)", text, vars, gotErr, wantVars, wantErr)
		}
		var history, wantHistory []campaigns.Change
		gotErr = historyColumn{&history}.ScanBytes([]byte(text))
		if err := json.Unmarshal([]byte(text), &wantHistory); (gotErr == nil) != (err == nil) || err == nil && !reflect.DeepEqual(history, wantHistory) {
			t.Fatalf("%q is read as %v (%v), want %v (%v)", text, history, gotErr, wantHistory, err)
		}
	})
}

func TestValuesAreReadAsTheyWereWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		group := rapid.MapOf(rapid.StringMatching(`[a-z_]{1,8}`), rapid.OneOf(rapid.String().AsAny(), rapid.Float64Range(0, 1e6).AsAny()))
		want := map[string]any{"customer": map[string]any(group.Draw(t, "customer")), "code": rapid.String().Draw(t, "code")}
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := (varsColumn{&got}).ScanBytes(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%s is read as %v (%v)", text, got, err)
		}
	})
}

func TestStepsAreWrittenAsAnyJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) campaigns.Change {
			zone := rapid.SampledFrom([]*time.Location{time.UTC, time.FixedZone("", 8*3600)}).Draw(t, "zone")
			return campaigns.Change{At: time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "at")).In(zone), Status: campaigns.MessageSent,
				Detail: rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "250 2.0.0 Ok: queued as 4F0C1", "a <b> & \"c\""})).Draw(t, "detail")}
		}), 1, 3).Draw(t, "steps")
		want, err := json.Marshal(steps)
		if err != nil || string(appendSteps(nil, steps)) != string(want) {
			t.Fatalf("%s, want %s (%v)", appendSteps(nil, steps), want, err)
		}
	})
}

// BenchmarkPlainJSON reads what is claimed of a message of a usual newsletter, and writes what is recorded of it.
func BenchmarkPlainJSON(b *testing.B) {
	vars := []byte(`{"links": {"track": "https://shop.example.com", "unsubscribe": "https://shop.example.com/u/ZbngARm5PB__fHzBigEjRWeJqwEjRWeJqwEjRQ"}, "customer": {"city": "Shanghai", "name": "Customer 12345"}}`)
	history := []byte(`[{"at": "2026-11-22T10:00:00.123Z", "status": "queued"}]`)
	at := time.UnixMilli(1_800_000_000_000).UTC()
	steps := []campaigns.Change{{At: at, Status: campaigns.MessageSending}, {At: at, Status: campaigns.MessageSent, Detail: "2.0.0 Ok: queued as 4F0C1"}}
	b.Run("plainly", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var m campaigns.Message
			if (varsColumn{&m.Vars}).ScanBytes(vars) != nil || (historyColumn{&m.History}).ScanBytes(history) != nil {
				b.Fatal("not read")
			}
			_ = string(appendSteps(nil, steps))
		}
	})
	b.Run("by encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var m campaigns.Message
			if json.Unmarshal(vars, &m.Vars) != nil || json.Unmarshal(history, &m.History) != nil {
				b.Fatal("not read")
			}
			_ = *jsonText(steps)
		}
	})
}
