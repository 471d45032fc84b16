package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestBenchPrintsOneObjectAndItsProgressElsewhere(t *testing.T) {
	var out, log strings.Builder
	if code := run(t.Context(), []string{"bench", "import", "--json", "--rows", "100", "--rounds", "1"}, &out, &log); code != 0 {
		t.Fatalf("%d: %s", code, log.String())
	}
	var report struct {
		Machine map[string]any
		Rows    []struct {
			Name                      string
			Value, Beside, Ratio, Bar float64
			Met                       bool
		}
	}
	if err := json.Unmarshal([]byte(out.String()), &report); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	if len(report.Rows) != 1 || report.Rows[0].Bar != 0.4 || report.Rows[0].Value <= 0 || report.Machine["postgres"] == "" {
		t.Errorf("%s", out.String())
	}
	if !strings.Contains(log.String(), "round 1 of 1") {
		t.Errorf("the log tells nothing of the rounds: %s", log.String())
	}
	if code := run(t.Context(), []string{"bench", "nothing"}, &out, &log); code != 2 {
		t.Errorf("an unknown measure gives %d", code)
	}
}

func TestBenchCountsThroughTheServiceItself(t *testing.T) {
	var out, log strings.Builder
	if code := run(t.Context(), []string{"bench", "audience", "--rows", "100", "--rounds", "1"}, &out, &log); code != 0 {
		t.Fatalf("%d: %s", code, log.String())
	}
	if !strings.Contains(out.String(), "count by HTTP, 100 customers, p99") || !strings.Contains(out.String(), "HTTP: 400 counts over 100 customers") {
		t.Errorf("the table has no counts through HTTP:\n%s", out.String())
	}
}
