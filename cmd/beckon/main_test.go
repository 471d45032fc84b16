package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// An empty folder and a time limit: a help that ran its subcommand would make a database there and go on for ever.
func TestHelpOfASubcommandIsPrintedAndNothingIsRun(t *testing.T) {
	for _, name := range []string{"", "serve", "demo", "import", "migrate", "keys", "bench"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("BECKON_DATA", filepath.Join(t.TempDir(), "data"))
			var out, log bytes.Buffer
			ended := make(chan int, 1)
			args := strings.Fields(name + " --help")
			go func() { ended <- run(t.Context(), args, &out, &log) }()
			select {
			case code := <-ended:
				if code != 0 || !strings.HasPrefix(out.String(), strings.TrimSpace("Usage: beckon "+name)) || log.Len() > 0 {
					t.Errorf("beckon %s ended with %d, printed %q and wrote %q", strings.Join(args, " "), code, out.String(), log.String())
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("beckon %s runs on after the help", strings.Join(args, " "))
			}
		})
	}
}
