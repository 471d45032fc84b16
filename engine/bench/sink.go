package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
)

// A sink is the smallest SMTP server that a sender can work with: it accepts everything, remembers who got how many and
// answers as fast as it can, commands that came together together (PIPELINING, RFC 2920).
type sink struct {
	listener net.Listener
	serving  sync.WaitGroup

	mu       sync.Mutex
	open     map[net.Conn]bool
	accepted map[string]int // messages by recipient
}

func newSink() (*sink, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("opening the sink: %w", err)
	}
	s := &sink{listener: listener, open: map[net.Conn]bool{}, accepted: map[string]int{}}
	s.serving.Go(s.serve)
	return s, nil
}

func (s *sink) port() int { return s.listener.Addr().(*net.TCPAddr).Port }

// close hangs up on everybody.
func (s *sink) close() error {
	err := s.listener.Close()
	s.mu.Lock()
	for conn := range s.open {
		_ = conn.Close()
	}
	s.mu.Unlock()
	s.serving.Wait()
	return err
}

// take gives how many messages each recipient got since it was last asked.
func (s *sink) take() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.accepted
	s.accepted = map[string]int{}
	return taken
}

func (s *sink) serve() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.open[conn] = true
		s.mu.Unlock()
		s.serving.Go(func() {
			_ = s.talk(conn) // whoever sends sees a broken session as well
			s.mu.Lock()
			delete(s.open, conn)
			s.mu.Unlock()
			_ = conn.Close()
		})
	}
}

var errGoodbye = errors.New("the client said goodbye")

// talk serves one session.
func (s *sink) talk(conn net.Conn) error {
	in, out := bufio.NewReaderSize(conn, 64<<10), bufio.NewWriter(conn)
	_, _ = out.WriteString("220 sink ESMTP\r\n") // an error shows at Flush
	to := ""
	for {
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		answer := "250 2.0.0 Ok\r\n"
		switch verb(line) {
		case "EHLO":
			answer = "250-sink\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n250 8BITMIME\r\n"
		case "RCPT":
			to = address(line)
		case "DATA":
			if answer, err = s.data(in, out, to); err != nil {
				return err
			}
		case "QUIT":
			_, _ = out.WriteString("221 2.0.0 Bye\r\n")
			return errors.Join(out.Flush(), errGoodbye)
		}
		if _, err := out.WriteString(answer); err != nil {
			return err
		}
	}
}

// data takes the content of a message and gives the answer to it.
func (s *sink) data(in *bufio.Reader, out *bufio.Writer, to string) (string, error) {
	_, _ = out.WriteString("354 Go ahead\r\n")
	if err := out.Flush(); err != nil {
		return "", err
	}
	for whole := true; ; {
		line, err := in.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return "", err
		}
		if whole && bytes.Equal(line, []byte(".\r\n")) {
			break
		}
		whole = err == nil
	}
	s.mu.Lock()
	s.accepted[to]++
	s.mu.Unlock()
	return "250 2.0.0 Ok: queued\r\n", nil
}

func verb(line []byte) string {
	if len(line) < 4 {
		return ""
	}
	return strings.ToUpper(string(line[:4]))
}

// address is what stands between the angle brackets of RCPT TO:<ann@example.com>.
func address(line []byte) string {
	_, rest, _ := bytes.Cut(line, []byte("<"))
	inner, _, _ := bytes.Cut(rest, []byte(">"))
	return string(inner)
}
