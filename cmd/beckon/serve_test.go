package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// typed runs a command in this process and gives its exit code and what it wrote.
func typed(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, log bytes.Buffer
	code = run(context.Background(), args, &out, &log)
	return code, out.String(), log.String()
}

func TestAWrongCommandLineSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"serve", "--adr", "127.0.0.1:1"}, "unknown flag --adr"},
		{[]string{"sevre"}, "unexpected argument sevre"},
		{[]string{"import", "sales", "x.csv"}, "must be one of"},
		{[]string{"import", "customers"}, "expected"},
	} {
		code, _, stderr := typed(t, c.args...)
		if code == 0 || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: code %d, %q does not say %q", c.args, code, stderr, c.want)
		}
	}
}

func TestAFileThatCannotBeReadIsNamed(t *testing.T) {
	folder := t.TempDir()
	for _, file := range []string{filepath.Join(folder, "none.csv"), folder} {
		code, _, stderr := typed(t, "import", "customers", file, "--data", filepath.Join(folder, "data"))
		if code != 1 || !strings.Contains(stderr, file) {
			t.Errorf("%s: code %d, %q", file, code, stderr)
		}
	}
	if _, err := os.Stat(filepath.Join(folder, "data")); err == nil {
		t.Error("a database was made for a file that cannot be read")
	}
}

func TestATakenPortAndATakenFolderAreSaidBeforeAnythingIsTouched(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	data := filepath.Join(t.TempDir(), "data")
	code, _, stderr := typed(t, "serve", "--addr", listener.Addr().String(), "--data", data)
	if code != 1 || !strings.Contains(stderr, "is taken by another program") {
		t.Errorf("code %d, %q", code, stderr)
	}
	if _, err := os.Stat(data); err == nil {
		t.Error("the data folder was made although the port is taken")
	}
	p := serve(t, freeAddress(t), data)
	code, _, stderr = typed(t, "serve", "--addr", freeAddress(t), "--data", data)
	if code != 1 || !strings.Contains(stderr, "in use by another beckon (process "+strconv.Itoa(p.cmd.Process.Pid)+")") {
		t.Errorf("code %d, %q", code, stderr)
	}
}

func TestAStoppedServiceStartsAgainWithWhatItHad(t *testing.T) {
	data, addr := t.TempDir(), freeAddress(t)
	p := serve(t, addr, data)
	p.call("PUT", "/v1/customers/c1", "application/json", `{"name":"Ann","email":"ann@example.com"}`, 200)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.wait(15 * time.Second); err != nil {
		t.Fatalf("a stop that was asked for is no failure: %v\n%s", err, p.output())
	}
	if _, err := os.Stat(filepath.Join(data, "postgres", "postmaster.pid")); err == nil {
		t.Error("PostgreSQL still runs")
	}
	p = serve(t, addr, data)
	if got := p.get("/v1/customers/c1"); got["name"] != "Ann" {
		t.Errorf("customer %v", got)
	}
}

func TestAPostgreSQLThatGoesAwayComesBackAndNothingIsLost(t *testing.T) {
	data := t.TempDir()
	p := serve(t, freeAddress(t), data)
	p.call("PUT", "/v1/customers/c1", "application/json", `{"name":"Ann"}`, 200)
	content, err := os.ReadFile(filepath.Join(data, "postgres", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.SplitN(string(content), "\n", 2)[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	p.until(30*time.Second, "PostgreSQL to be started again", func() bool { return strings.Contains(p.output(), "starting it again") })
	p.until(30*time.Second, "the service to be ready", func() bool { return ready(p.url) })
	if got := p.get("/v1/customers/c1"); got["name"] != "Ann" {
		t.Errorf("customer %v", got)
	}
}
