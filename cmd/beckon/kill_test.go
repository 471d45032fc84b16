package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// A sink is a real SMTP server that counts what it accepted by recipient.
type sink struct {
	mu       sync.Mutex
	accepted map[string]int
	total    int
	port     int
}

func newSink(t *testing.T) *sink {
	t.Helper()
	s := &sink{accepted: map[string]int{}}
	server := smtp.NewServer(s)
	server.Domain, server.AllowInsecureAuth = "localhost", true
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.port = listener.Addr().(*net.TCPAddr).Port
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(listener); err != nil && !errors.Is(err, smtp.ErrServerClosed) {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { server.Close(); <-ended })
	return s
}

// NewSession begins a session of the sink.
func (s *sink) NewSession(*smtp.Conn) (smtp.Session, error) { return &sinkSession{sink: s}, nil }

func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

type sinkSession struct {
	sink *sink
	to   string
}

func (s *sinkSession) Mail(string, *smtp.MailOptions) error      { return nil }
func (s *sinkSession) Rcpt(to string, _ *smtp.RcptOptions) error { s.to = to; return nil }
func (s *sinkSession) Reset()                                    {}
func (s *sinkSession) Logout() error                             { return nil }
func (s *sinkSession) Data(r io.Reader) error {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	s.sink.mu.Lock()
	defer s.sink.mu.Unlock()
	s.sink.accepted[s.to]++
	s.sink.total++
	return nil
}

// TestAKilledServiceSendsEveryMessageOnceAfterItsRestart kills the service twice in the middle of 5,000 messages. What the
// provider accepted is compared with what the service says: nobody got two, and who got none is listed as unknown.
func TestAKilledServiceSendsEveryMessageOnceAfterItsRestart(t *testing.T) {
	const customers = 5000
	s := newSink(t)
	data, addr := t.TempDir(), freeAddress(t)
	p := serve(t, addr, data)
	var file strings.Builder
	file.WriteString("id,name,email,email_consent\n")
	for i := range customers {
		fmt.Fprintf(&file, "c%d,Customer %d,c%d@example.com,true\n", i, i, i)
	}
	p.bringIn("customers", file.String())
	channel := p.post("/v1/channels", fmt.Sprintf(`{"name":"main","kind":"smtp","settings":{"host":"127.0.0.1","port":%d,"tls":"none","from":"shop@example.com","connections":3}}`, s.port), 201)
	template := p.post("/v1/templates", `{"name":"Hello","channel":"email","parts":{"subject":"Hello {{ customer.name }}","text":"Hi {{ customer.name }}\n{{ links.unsubscribe }}"}}`, 201)
	campaign := p.post("/v1/campaigns", fmt.Sprintf(`{"name":"Kill","kind":"once","rule":"true","holdout":0,"purpose":"transactional","goal":{"metric":"purchase","window":"14d"},
		"variants":[{"name":"A","weight":1,"channel_id":%q,"template_id":%q}]}`, channel["id"], template["id"]), 201)
	id := campaign["id"].(string)
	p.post("/v1/campaigns/"+id+"/launch", "", 200)

	for _, after := range []int{1000, 2500} {
		p.until(120*time.Second, fmt.Sprintf("%d messages", after), func() bool { return s.count() >= after })
		if err := p.cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		p.wait(10 * time.Second)
		p = serve(t, addr, data)
	}
	var run map[string]any
	p.until(180*time.Second, "the run to end", func() bool {
		run = p.get("/v1/campaigns/" + id + "/runs")["items"].([]any)[0].(map[string]any)
		return run["status"] == "done"
	})
	counts := run["messages"].(map[string]any)
	unknown := map[string]bool{}
	for _, item := range p.get("/v1/messages?status=unknown&limit=1000&campaign_id=" + id)["items"].([]any) {
		unknown[item.(map[string]any)["address"].(string)] = true
	}
	twice, lost := 0, 0
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range customers {
		address := fmt.Sprintf("c%d@example.com", i)
		switch n := s.accepted[address]; {
		case n > 1:
			twice++
		case n == 0 && !unknown[address]:
			lost++
		}
	}
	t.Logf("2 kills, %d accepted by the provider, %v sent, twice %d, lost %d, unknown %d (window 2 × 192)", s.total, counts["sent"], twice, lost, len(unknown))
	if twice != 0 || lost != 0 || len(unknown) > 2*192 || float64(len(unknown)) != counts["unknown"].(float64) {
		t.Errorf("counts %v", counts)
	}
	if counts["sent"].(float64)+counts["unknown"].(float64) != customers {
		t.Errorf("the run's counts do not add up to its audience: %v", counts)
	}
}
