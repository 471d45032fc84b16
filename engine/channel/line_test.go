package channel

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"
)

func TestAnAnswerWithoutAnEndIsCutOffAndTheNextMessageLeaves(t *testing.T) {
	p := open(t, "127.0.0.1:0")
	p.order(orders{rcpt: func(c *smtp.Conn, _ string) error {
		for {
			if _, err := io.WriteString(c.Conn(), strings.Repeat("250-and so on\r\n", 1000)); err != nil {
				return err
			}
		}
	}})
	s := sender(t, p.settings())
	if got := s.Send(t.Context(), message("a")); got.Status != Temporary || !strings.Contains(got.Detail, "no end") {
		t.Errorf("%+v", got)
	}
	p.order(orders{})
	if got := s.Send(t.Context(), message("b")); got.Status != Sent {
		t.Errorf("%+v", got)
	}
}

func TestTheEndOfTheContextInterruptsAHandoverAndOnlyWhatWasHandedOverIsUnknown(t *testing.T) {
	for name, c := range map[string]struct {
		hold func(wait func()) orders
		want Status
	}{
		"before the content": {func(wait func()) orders {
			return orders{rcpt: func(*smtp.Conn, string) error { wait(); return nil }}
		}, Temporary},
		"after the content": {func(wait func()) orders { return orders{taken: func(*smtp.Conn) { wait() }} }, Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t, "127.0.0.1:0")
			ctx, cancel := context.WithCancel(t.Context())
			goOn := make(chan struct{})
			defer close(goOn)
			p.order(c.hold(func() { cancel(); <-goOn }))
			if got := sender(t, p.settings()).Send(ctx, message("a")); got.Status != c.want {
				t.Errorf("%+v", got)
			}
		})
	}
}
