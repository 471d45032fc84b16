package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A sink is the smallest SMTP server that a sender can work with: it accepts everything, remembers who got how many and
// answers as fast as it can, commands that came together together. It remembers a byte for each recipient and no more, so
// that its memory is not taken for the sender's.
type sink struct {
	sinkOptions
	listener net.Listener
	serving  sync.WaitGroup

	mu        sync.Mutex
	open      map[net.Conn]bool
	accepted  []uint8 // messages of each recipient, by their number
	signed    int     // of them with a DKIM signature
	strangers int     // messages to somebody else
}

// sinkOptions are how many recipients are known, whether the sink offers PIPELINING (RFC 2920), as go-smtp, Postfix and
// the large providers do, and how long it takes over each message.
type sinkOptions struct {
	recipients int
	pipelining bool
	wait       time.Duration
}

func newSink(o sinkOptions) (*sink, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("opening the sink: %w", err)
	}
	s := &sink{sinkOptions: o, listener: listener, open: map[net.Conn]bool{}, accepted: make([]uint8, o.recipients)}
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

// arrived says whether each recipient got exactly one message since it was last asked, all of them signed or none.
func (s *sink) arrived(signed bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	for i, n := range s.accepted {
		if n != 1 && err == nil {
			err = fmt.Errorf("%s got %d messages, not 1", emailOf(i), n)
		}
	}
	if s.strangers > 0 {
		err = errors.Join(err, fmt.Errorf("%d messages went to strangers", s.strangers))
	}
	if want := len(s.accepted); signed && s.signed != want || !signed && s.signed != 0 {
		err = errors.Join(err, fmt.Errorf("%d of %d messages were signed", s.signed, want))
	}
	clear(s.accepted)
	s.signed, s.strangers = 0, 0
	return err
}

// accept remembers a message.
func (s *sink) accept(to int, signed bool) {
	if s.wait > 0 {
		time.Sleep(s.wait)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if signed {
		s.signed++
	}
	if to < 0 || to >= len(s.accepted) {
		s.strangers++
		return
	}
	s.accepted[to]++
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
	to := -1
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
			answer = "250-ENHANCEDSTATUSCODES\r\n250 8BITMIME\r\n"
			if s.pipelining {
				answer = "250-PIPELINING\r\n" + answer
			}
			answer = "250-sink\r\n" + answer // the first line is a greeting: what it names is not offered
		case "RCPT":
			to = recipient(line)
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
func (s *sink) data(in *bufio.Reader, out *bufio.Writer, to int) (string, error) {
	_, _ = out.WriteString("354 Go ahead\r\n")
	if err := out.Flush(); err != nil {
		return "", err
	}
	signed := false
	for whole := true; ; {
		line, err := in.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return "", err
		}
		if whole && bytes.Equal(line, []byte(".\r\n")) {
			break
		}
		signed = signed || whole && bytes.HasPrefix(line, []byte("DKIM-Signature:"))
		whole = err == nil
	}
	s.accept(to, signed)
	return "250 2.0.0 Ok: queued\r\n", nil
}

func verb(line []byte) string {
	if len(line) < 4 {
		return ""
	}
	return strings.ToUpper(string(line[:4]))
}

// recipient is the number in RCPT TO:<customer.7@example.com>, -1 where there is none.
func recipient(line []byte) int {
	_, rest, _ := bytes.Cut(line, []byte("<customer."))
	digits, domain, _ := bytes.Cut(rest, []byte("@"))
	n, err := strconv.Atoi(string(digits))
	if err != nil || !bytes.HasPrefix(domain, []byte("example.com>")) {
		return -1
	}
	return n
}
