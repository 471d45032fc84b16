package rules

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestErrorsReadAsTheGoldenFilesSay reads testdata/errors/*.txt: a title after ###, the rule, and after --- the error.
// With UPDATE_GOLDEN set it writes the errors as they are.
func TestErrorsReadAsTheGoldenFilesSay(t *testing.T) {
	files, err := filepath.Glob("testdata/errors/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var rewritten strings.Builder
		for _, block := range strings.Split(string(text), "### ")[1:] {
			title, rest, _ := strings.Cut(block, "\n")
			source, want, _ := strings.Cut(rest, "\n---\n")
			source, want = strings.TrimSuffix(source, "\n"), strings.TrimSuffix(want, "\n")
			_, err := Compile(shop(), source)
			got := "accepted"
			if err != nil {
				got = err.Error()
			}
			rewritten.WriteString("### " + title + "\n" + source + "\n---\n" + got + "\n")
			if os.Getenv("UPDATE_GOLDEN") == "" && got != want {
				t.Errorf("%s: %s\n%s\ngot\n%s\nwant\n%s", file, title, source, got, want)
			}
		}
		if os.Getenv("UPDATE_GOLDEN") != "" {
			if err := os.WriteFile(file, []byte(rewritten.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}
