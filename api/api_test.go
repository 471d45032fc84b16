package api_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"beckon/api"
	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/storetest"
	"beckon/engine"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

// a site is everything behind one address, with a key that may do all.
type site struct {
	*testing.T
	store  *store.Store
	engine *engine.Engine
	api    *api.Server
	clock  *storetest.Clock
	log    *journal
	key    string
	spec   *contract
}

// serve starts a service on a fresh database.
func serve(t *testing.T) *site {
	t.Helper()
	clock := storetest.NewClock(t, "2026-11-21T10:00:00Z")
	s := storetest.Open(t, clock.Now)
	for _, table := range []string{"messages", "idempotency"} {
		if err := s.EnsureMonths(t.Context(), table, clock.Now(), clock.Now().AddDate(0, 1, 0)); err != nil {
			t.Fatal(err)
		}
	}
	log := &journal{}
	e := engine.New(s, engine.Options{BaseURL: "http://beckon.test"})
	server := api.New(s, e, api.Options{Version: "test", Log: slog.New(slog.NewTextHandler(log, nil))})
	t.Cleanup(server.Close)
	sv := &site{T: t, store: s, engine: e, api: server, clock: clock, log: log}
	sv.key = sv.newKey("admin", campaigns.ScopeAdmin)
	var err error
	if sv.spec, err = readContract(server); err != nil {
		t.Fatal(err)
	}
	return sv
}

// newKey makes a key beside the API, as `beckon keys` does.
func (sv *site) newKey(name string, scopes ...string) string {
	sv.Helper()
	key, secret := campaigns.NewKey(name, scopes, sv.clock.Now())
	if err := sv.store.Update(sv.Context(), func(tx *store.Tx) error { return tx.CreateKey(sv.Context(), &key) }); err != nil {
		sv.Fatal(err)
	}
	return secret
}

// answer is a response that was read.
type answer struct {
	t      testing.TB
	Status int
	Header http.Header
	Text   string
	body   map[string]any
}

// do asks with the key of the service; headers come in pairs. Every answer is held against the OpenAPI document.
func (sv *site) do(method, path string, body any, headers ...string) *answer {
	sv.Helper()
	var reader io.Reader
	kind := ""
	switch b := body.(type) {
	case nil:
	case string:
		reader, kind = strings.NewReader(b), "application/json"
	case []byte:
		reader, kind = bytes.NewReader(b), "application/json"
	default:
		text, err := json.Marshal(b)
		if err != nil {
			sv.Fatal(err)
		}
		reader, kind = bytes.NewReader(text), "application/json"
	}
	r := httptest.NewRequestWithContext(sv.Context(), method, path, reader)
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	r.Header.Set("Authorization", "Bearer "+sv.key)
	for i := 0; i < len(headers); i += 2 {
		if r.Header.Set(headers[i], headers[i+1]); headers[i+1] == "" {
			r.Header.Del(headers[i])
		}
	}
	w := httptest.NewRecorder()
	sv.api.ServeHTTP(w, r)
	a := &answer{t: sv, Status: w.Code, Header: w.Result().Header, Text: w.Body.String()}
	if strings.Contains(a.Header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(w.Body.Bytes(), &a.body); err != nil {
			sv.Fatalf("%s %s: the answer is not JSON: %v\n%s", method, path, err, a.Text)
		}
	}
	if a.Status >= 500 && a.Status != http.StatusServiceUnavailable {
		sv.Errorf("%s %s: %d %s\n%s", method, path, a.Status, a.Text, sv.log)
	}
	sv.spec.check(sv.T, r, w)
	return a
}

func (sv *site) get(path string, headers ...string) *answer {
	sv.Helper()
	return sv.do("GET", path, nil, headers...)
}

func (sv *site) post(path string, body any, headers ...string) *answer {
	sv.Helper()
	return sv.do("POST", path, body, headers...)
}

func (sv *site) put(path string, body any, headers ...string) *answer {
	sv.Helper()
	return sv.do("PUT", path, body, headers...)
}

// want fails the test unless the answer has the status.
func (a *answer) want(status int) *answer {
	a.t.Helper()
	if a.Status != status {
		a.t.Fatalf("status %d, want %d\n%s", a.Status, status, a.Text)
	}
	return a
}

// names fails the test unless the problem names a field.
func (a *answer) names(field string) *answer {
	a.t.Helper()
	problems, _ := a.body["errors"].([]any)
	for _, p := range problems {
		if p.(map[string]any)["field"] == field {
			return a
		}
	}
	a.t.Errorf("the problem does not name %q:\n%s", field, a.Text)
	return a
}

// at is the value under a path of keys and indexes; nil when there is none.
func (a *answer) at(path ...any) any {
	var value any = a.body
	for _, step := range path {
		switch s := step.(type) {
		case string:
			object, _ := value.(map[string]any)
			value = object[s]
		case int:
			list, _ := value.([]any)
			if s >= len(list) {
				return nil
			}
			value = list[s]
		}
	}
	return value
}

// text is the string under a path.
func (a *answer) text(path ...any) string {
	text, _ := a.at(path...).(string)
	return text
}

// is fails the test unless the value under a path is as wanted.
func (a *answer) is(want any, path ...any) *answer {
	a.t.Helper()
	if n, whole := want.(int); whole {
		want = float64(n)
	}
	if got := a.at(path...); got != want {
		a.t.Errorf("%v is %v, want %v\n%s", path, got, want, a.Text)
	}
	return a
}

type object = map[string]any

type list = []any

// journal is a log that many requests write to.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}
