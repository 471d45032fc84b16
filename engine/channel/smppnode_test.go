package channel

import (
	"bufio"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"beckon/campaigns"
)

// An SMSC that nothing of ours had a hand in: npm's smpp.
//
//go:embed testdata/smsc.js
var nodeSMSC string

// nodeServer starts it on a free port of 127.0.0.1 and gives its lines; the test is skipped where Node or the registry is
// not there.
func nodeServer(t *testing.T) (port int, lines <-chan string) {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed here: an independent SMSC cannot be tried", program)
		}
	}
	folder := t.TempDir()
	install := exec.Command("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder, "smpp@0.5.1")
	install.WaitDelay = time.Second
	stuck := time.AfterFunc(2*time.Minute, func() { _ = install.Process.Kill() })
	output, err := install.CombinedOutput()
	stuck.Stop()
	if err != nil {
		t.Skipf("npm cannot bring smpp@0.5.1: an independent SMSC cannot be tried: %v\n%s", err, output)
	}
	script := filepath.Join(folder, "smsc.js")
	if err := os.WriteFile(script, []byte(nodeSMSC), 0o600); err != nil {
		t.Fatal(err)
	}
	server := exec.Command("node", script)
	server.Dir, server.Stderr = folder, os.Stderr
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 1000)
	go func() {
		defer close(said)
		for in := bufio.NewScanner(out); in.Scan(); {
			said <- in.Text()
		}
	}()
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	port, err = strconv.Atoi(strings.TrimPrefix(within(t, said, "port"), "port "))
	if err != nil {
		t.Fatal(err)
	}
	return port, said
}

func TestAnIndependentSMSCReadsWhatWeSendAndIsUnderstood(t *testing.T) {
	if testing.Short() {
		t.Skip("it installs a package")
	}
	port, lines := nodeServer(t)
	e := newEars()
	s := newTexts(campaigns.ChannelSettings{Host: "127.0.0.1", Port: port, Username: "shop", Password: new("secret"), EmailSettings: campaigns.EmailSettings{From: "+4915112345678"}},
		Options{Clock: noon, Listener: e.listener()})
	s.start()
	defer s.Close()
	long := "【晨光】" + strings.Repeat("周末全场八折😀", 12)
	for _, words := range []string{"Hi Ann: 10 € [off] {today}", long, strings.Repeat("abc€", 60)} {
		m := text(words)
		m.To = "+8613812345678"
		m.NotAfter = noon().Add(time.Hour)
		got := s.Send(t.Context(), m)
		if got.Status != Sent || got.ProviderID == "" || len(got.MoreIDs) != got.Segments-1 {
			t.Fatalf("%+v", got)
		}
		whole := ""
		for i := range got.Segments {
			// from and to with type and plan, minutes it is valid for, part, of how many, and its text in JSON
			fields := strings.SplitN(within(t, lines, "submit"), "\t", 6)
			part := i + 1
			if got.Segments == 1 {
				part = 0
			}
			if want := fmt.Sprint("4915112345678 1 1\t8613812345678 1 1\t60\t", part, "\t", got.Segments); strings.Join(fields[:5], "\t") != want {
				t.Errorf("it read %q, want %q", fields[:5], want)
			}
			words, err := strconv.Unquote(fields[5])
			if err != nil {
				t.Fatalf("%q: %v", fields[5], err)
			}
			whole += words
			if r := within(t, e.receipts, "receipt"); r.Status != campaigns.MessageDelivered || r.ProviderID != append([]string{got.ProviderID}, got.MoreIDs...)[i] {
				t.Errorf("%+v of %+v", r, got)
			}
		}
		if whole != words {
			t.Errorf("it read %q, not %q", whole, words)
		}
	}
	if in := within(t, e.inbound, "text"); in.Text != "退订" || in.From != "+8613812345678" {
		t.Errorf("%+v", in)
	}
	m := text("throttle me")
	if got := s.Send(t.Context(), m); got.Status != Temporary || !got.Throttled {
		t.Errorf("%+v", got)
	}
	wrong := newTexts(campaigns.ChannelSettings{Host: "127.0.0.1", Port: port, Username: "shop", Password: new("guess")}, Options{Clock: noon})
	defer wrong.Close()
	if got := wrong.Send(t.Context(), m); !got.Unavailable || !strings.Contains(got.Detail, "ESME_RINVPASWD") {
		t.Errorf("%+v", got)
	}
}
