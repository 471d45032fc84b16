package channel

import (
	"bufio"
	"bytes"
	"net"
	"net/textproto"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"beckon/campaigns"
)

// A script answers commands as a server that offers PIPELINING; what it says to DATA, and whether it hangs up within the
// content, is the test's.
type script struct {
	rcpt, data string
	hangUp     bool
	heard      strings.Builder
}

// serve plays one session and ends when the client is gone.
func (s *script) serve(listener net.Listener) {
	conn, err := listener.Accept()
	if err != nil {
		return
	}
	_ = listener.Close()
	defer conn.Close()
	in := bufio.NewReader(conn)
	say := func(text string) { _, _ = conn.Write([]byte(text + "\r\n")) }
	say("220 hi")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		s.heard.WriteString(line)
		switch {
		case strings.HasPrefix(line, "EHLO"):
			say("250-hi\r\n250 PIPELINING")
		case strings.HasPrefix(line, "RCPT"):
			say(s.rcpt)
		case strings.HasPrefix(line, "DATA"):
			say(s.data)
			for s.hangUp && s.heard.Len() < 100_000 {
				content, err := in.ReadString('\n')
				if err != nil {
					return
				}
				s.heard.WriteString(content)
			}
			if s.hangUp {
				return
			}
		default:
			say("250 ok")
		}
	}
}

// play sends one message to a script and gives the outcome and what the script heard.
func play(t *testing.T, s *script, m Message) (Outcome, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); s.serve(listener) }()
	opened, err := openWith("smtp", campaigns.ChannelSettings{Host: "127.0.0.1", Port: listener.Addr().(*net.TCPAddr).Port, TLS: "none", EmailSettings: campaigns.EmailSettings{From: "shop@example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	got := opened.Send(t.Context(), m)
	if err := opened.Close(); err != nil {
		t.Error(err)
	}
	<-ended
	return got, s.heard.String()
}

func TestAServerThatWantsTheContentForARefusedRecipientGetsNone(t *testing.T) {
	got, heard := play(t, &script{rcpt: "550 no such mailbox", data: "354 go"}, message("a"))
	if got.Status != Permanent || !strings.Contains(got.Detail, "no such mailbox") {
		t.Errorf("%+v", got)
	}
	if !strings.HasSuffix(heard, "DATA\r\n") {
		t.Errorf("after DATA it heard %q", heard)
	}
}

func TestARefusedRecipientIsTakenBackBeforeTheNext(t *testing.T) {
	_, heard := play(t, &script{rcpt: "450 later", data: "503 no recipient"}, message("a"))
	if !strings.Contains(heard, "DATA\r\nRSET\r\n") {
		t.Errorf("it heard %q", heard)
	}
}

func TestAPipelinedSessionThatBreaksWithinTheContentDeliversNothing(t *testing.T) {
	m := message("a")
	m.Parts["text"] = strings.Repeat("long line of text\r\n", 1<<18)
	got, heard := play(t, &script{rcpt: "250 ok", data: "354 go", hangUp: true}, m)
	if got.Status != Temporary && got.Status != Unknown {
		t.Errorf("%+v", got)
	}
	if strings.Contains(heard, "\r\n.\r\n") {
		t.Errorf("it heard the end of the content")
	}
}

func TestAContentIsDottedAsTheLibraryDoesIt(t *testing.T) {
	piece := rapid.SampledFrom([]string{".", "..", "a", "\r\n", "\n", "Grüße", " ", ".\r\n"})
	rapid.Check(t, func(t *rapid.T) {
		content := strings.Join(rapid.SliceOfN(piece, 1, 20).Draw(t, "content"), "")
		var want bytes.Buffer
		out := textproto.NewWriter(bufio.NewWriter(&want)).DotWriter()
		_, _ = out.Write([]byte(content))
		_ = out.Close()
		if got := string(appendDotted(nil, []byte(content))) + ".\r\n"; got != want.String() {
			t.Errorf("%q, not %q", got, want.String())
		}
	})
}
