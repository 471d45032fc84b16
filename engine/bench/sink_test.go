package bench

import (
	"fmt"
	"net/smtp"
	"testing"
)

func TestTheSinkOffersPipeliningUnlessItIsPlain(t *testing.T) {
	for _, offers := range []bool{true, false} {
		s, err := newSink(sinkOptions{pipelining: offers})
		if err != nil {
			t.Fatal(err)
		}
		session, err := smtp.Dial(fmt.Sprintf("127.0.0.1:%d", s.port()))
		if err != nil {
			t.Fatal(err)
		}
		if found, _ := session.Extension("PIPELINING"); found != offers {
			t.Errorf("a client finds PIPELINING offered: %v, and should find %v", found, offers)
		}
		if found, _ := session.Extension("8BITMIME"); !found {
			t.Error("a client does not find 8BITMIME offered")
		}
		if err := session.Quit(); err != nil {
			t.Error(err)
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}
}
