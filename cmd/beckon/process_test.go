package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"beckon/campaigns/store/local"
	"beckon/campaigns/store/storetest"
)

const adminKey = "an-admin-key-for-tests"

// TestMain lets the test program be the beckon command itself, so that a real process can be killed.
func TestMain(m *testing.M) {
	if os.Getenv("BECKON_TEST_AS_COMMAND") != "" {
		main()
		return
	}
	for _, set := range os.Environ() { // else a service that somebody has running would get what tests import
		if name, _, _ := strings.Cut(set, "="); name == "DATABASE_URL" || strings.HasPrefix(name, "BECKON_") && !strings.HasPrefix(name, "BECKON_TEST_") {
			os.Unsetenv(name)
		}
	}
	storetest.InMemory()
	if err := local.Install(func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }); err != nil {
		fmt.Fprintln(os.Stderr, "the tests need a real PostgreSQL:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// A process is a beckon command that runs beside the test.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	url  string
	mu   sync.Mutex
	log  bytes.Buffer
	done chan error
}

// Write takes the process's log.
func (p *process) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(text)
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// command prepares a beckon process with the environment that a test wants and no other.
func command(t *testing.T, environment []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(os.Args[0], args...), done: make(chan error, 1)}
	p.cmd.Env = append([]string{"BECKON_TEST_AS_COMMAND=1", "PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, environment...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	return p
}

func (p *process) start() *process {
	p.t.Helper()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	p.t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Signal(syscall.SIGTERM)
			p.wait(30 * time.Second)
		}
		if p.t.Failed() {
			p.t.Logf("the process wrote:\n%s", p.output())
		}
	})
	return p
}

// wait gives the process's end.
func (p *process) wait(limit time.Duration) error {
	p.t.Helper()
	select {
	case err := <-p.done:
		p.done <- err
		return err
	case <-time.After(limit):
		_ = p.cmd.Process.Kill()
		p.t.Errorf("the process did not end in %s; it wrote:\n%s", limit, p.output())
		return <-p.done
	}
}

// serve starts the service on an address, with further settings, and waits until it is ready.
func serve(t *testing.T, addr, data string, settings ...string) *process {
	t.Helper()
	settings = append(settings, "BECKON_ADMIN_KEY="+adminKey, "BECKON_PUBLIC_URL=https://shop.example.com")
	p := command(t, settings, "serve", "--addr", addr, "--data", data).start()
	p.url = "http://" + addr
	p.until(60*time.Second, "the service to be ready", func() bool { return ready(p.url) })
	return p
}

func ready(url string) bool {
	response, err := http.Get(url + "/readyz")
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// until waits for something to become true; the process must live meanwhile.
func (p *process) until(limit time.Duration, what string, is func() bool) {
	p.t.Helper()
	deadline := time.After(limit)
	for !is() {
		select {
		case err := <-p.done:
			p.done <- err
			p.t.Fatalf("waiting for %s: the process ended (%v); it wrote:\n%s", what, err, p.output())
		case <-deadline:
			p.t.Fatalf("waited %s for %s; the process wrote:\n%s", limit, what, p.output())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// call asks the service and decodes the answer into an untyped map; other statuses than wanted end the test.
func (p *process) call(method, path, kind, body string, want int) map[string]any {
	p.t.Helper()
	request, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+adminKey)
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if response.StatusCode != want {
		p.t.Fatalf("%s %s: %d, want %d: %s", method, path, response.StatusCode, want, text)
	}
	answer := map[string]any{}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &answer); err != nil {
			p.t.Fatalf("%s %s: %v: %s", method, path, err, text)
		}
	}
	return answer
}

func (p *process) post(path, body string, want int) map[string]any {
	p.t.Helper()
	return p.call(http.MethodPost, path, "application/json", body, want)
}

func (p *process) get(path string) map[string]any {
	p.t.Helper()
	return p.call(http.MethodGet, path, "", "", http.StatusOK)
}

// bringIn imports a CSV file through the API and waits for it.
func (p *process) bringIn(kind, file string) map[string]any {
	p.t.Helper()
	id := p.call(http.MethodPost, "/v1/imports?kind="+kind, "text/csv", file, http.StatusAccepted)["id"].(string)
	var state map[string]any
	p.until(60*time.Second, "the import", func() bool {
		state = p.get("/v1/imports/" + id)
		return state["status"] != "running"
	})
	if state["status"] != "done" {
		p.t.Fatalf("import %v", state)
	}
	return state
}

// freeAddress is a loopback address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
