package channel

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"
	"pgregory.net/rapid"

	"beckon/campaigns"
	"beckon/engine/channel/smsctest"
	"beckon/templates"
)

// Ears are who listens to what the provider says by itself.
type ears struct {
	receipts chan campaigns.Receipt
	inbound  chan campaigns.Inbound

	mu   sync.Mutex
	deaf int // how often nothing is taken
}

func newEars() *ears {
	return &ears{receipts: make(chan campaigns.Receipt, 1000), inbound: make(chan campaigns.Inbound, 1000)}
}

func (e *ears) refuses() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.deaf--
	return e.deaf >= 0
}

func (e *ears) listener() Listener {
	return Listener{
		Receipts: func(_ context.Context, receipts []campaigns.Receipt) error {
			if e.refuses() {
				return errors.New("the database is away")
			}
			for _, r := range receipts {
				e.receipts <- r
			}
			return nil
		},
		Inbound: func(_ context.Context, inbound []campaigns.Inbound) error {
			if e.refuses() {
				return errors.New("the database is away")
			}
			for _, in := range inbound {
				e.inbound <- in
			}
			return nil
		},
	}
}

func within[T any](t *testing.T, c <-chan T, what string) (got T) {
	t.Helper()
	select {
	case got = <-c:
	case <-time.After(20 * time.Second):
		t.Fatalf("no %s came", what)
	}
	return got
}

func newSMSC(t *testing.T) *smsctest.SMSC {
	t.Helper()
	c, err := smsctest.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// texter opens a sender that loses no time over beginning sessions.
func texter(t *testing.T, c *smsctest.SMSC, e *ears, change func(s *campaigns.ChannelSettings)) *texts {
	t.Helper()
	settings := campaigns.ChannelSettings{Host: "127.0.0.1", Port: c.Port(), Username: "shop", Password: new("secret"), EmailSettings: campaigns.EmailSettings{From: "Shop"}}
	if change != nil {
		change(&settings)
	}
	if err := (&campaigns.Channel{ID: "test", Name: "Test", Kind: campaigns.KindSMPP, Settings: settings}).Check(); err != nil {
		t.Fatal(err)
	}
	o := Options{Clock: noon}
	if e != nil {
		o.Listener = e.listener()
	}
	s := newTexts(settings, o)
	s.patience.rebind, s.patience.segment = 10*time.Millisecond, 5*time.Millisecond
	s.start()
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// bound sends a first message, so that there is a session.
func bound(t *testing.T, s *texts) {
	t.Helper()
	if got := s.Send(t.Context(), text("hello")); got.Status != Sent {
		t.Fatalf("%+v", got)
	}
}

// sessionOf is a sender's session, nil for none.
func sessionOf(s *texts) *binding {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.session
}

func text(words string) Message {
	return Message{ID: "0190", To: "+8613812345678", Parts: templates.Parts{"text": words}}
}

func TestATextIsAcceptedUnderTheProvidersName(t *testing.T) {
	c := newSMSC(t)
	c.Order(smsctest.Orders{Password: "secret"})
	m := text("10 € off, Ann")
	m.NotAfter = noon().Add(26*time.Hour + 3*time.Minute + 4*time.Second)
	if got := texter(t, c, nil, nil).Send(t.Context(), m); got.Status != Sent || got.ProviderID != "1" || len(got.MoreIDs) != 0 || got.Segments != 1 {
		t.Errorf("%+v", got)
	}
	s := c.Submits()[0]
	if s.To != "8613812345678" || s.From != "Shop" || s.SourceTON != 5 || s.SourceNPI != 0 || s.Coding != 0 || s.Registered != 1 ||
		s.Validity != "000001020304000R" || templates.ReadGSM7(s.Octets) != "10 € off, Ann" || len(s.Header) != 0 {
		t.Errorf("%+v", s)
	}
}

func TestEveryStatusHasItsMeaning(t *testing.T) {
	cases := map[data.CommandStatusType]Outcome{
		data.ESME_ROK:         {Status: Sent},
		data.ESME_RTHROTTLED:  {Status: Temporary, Throttled: true},
		data.ESME_RMSGQFUL:    {Status: Temporary, Throttled: true},
		data.ESME_RSYSERR:     {Status: Temporary},
		data.ESME_RSUBMITFAIL: {Status: Temporary},
		data.ESME_RX_T_APPN:   {Status: Temporary},
		data.ESME_RUNKNOWNERR: {Status: Temporary},
		data.ESME_RINVBNDSTS:  {Status: Temporary, Unavailable: true},
		data.ESME_RINVDSTADR:  {Status: Permanent, Hard: true},
		data.ESME_RINVDSTTON:  {Status: Permanent},
		data.ESME_RINVDSTNPI:  {Status: Permanent},
		data.ESME_RINVSRCADR:  {Status: Permanent},
		data.ESME_RINVMSGLEN:  {Status: Permanent},
		data.ESME_RINVEXPIRY:  {Status: Permanent},
		0x0410:                {Status: Permanent}, // a vendor's own
	}
	c := newSMSC(t)
	s := texter(t, c, nil, nil)
	for status, want := range cases {
		t.Run(fmt.Sprintf("%08X", uint32(status)), func(t *testing.T) {
			for _, nack := range []bool{false, true} {
				if nack && status == data.ESME_ROK {
					want.Status = Permanent
				}
				c.Order(smsctest.Orders{Answer: func(int, smsctest.Submit) smsctest.Answer { return smsctest.Answer{Status: status, Nack: nack} }})
				got := s.Send(t.Context(), text("hi"))
				if got.Status != want.Status || got.Throttled != want.Throttled || got.Unavailable != want.Unavailable || got.Hard != want.Hard || got.Detail == "" {
					t.Errorf("nack %v: %+v, want %+v", nack, got, want)
				}
			}
		})
	}
}

func TestWhatNoPhoneTakesIsPermanentAndNeverSubmitted(t *testing.T) {
	c := newSMSC(t)
	s := texter(t, c, nil, nil)
	cases := map[string]struct{ to, words, says string }{
		"a landline":        {"+861065529988", "hi", "landline"},
		"a German landline": {"+493012345678", "hi", "landline"},
		"no plus":           {"8613812345678", "hi", "country code"},
		"a name":            {"ann", "hi", "country code"},
		"a line break":      {"+86138\n12345678", "hi", "country code"},
		"nothing to say":    {"+8613812345678", "", "no text"},
		"a novel":           {"+8613812345678", strings.Repeat("a", 255*153+1), "256 segments"},
	}
	for name, bad := range cases {
		t.Run(name, func(t *testing.T) {
			m := text(bad.words)
			m.To = bad.to
			if got := s.Send(t.Context(), m); got.Status != Permanent || got.Hard || !strings.Contains(got.Detail, bad.says) {
				t.Errorf("%+v", got)
			}
		})
	}
	m := text("bytes \xff of no text")
	if got := s.Send(t.Context(), m); got.Status != Sent || len(c.Submits()) != 1 || readUCS2(c.Submits()[0].Octets) != "bytes \uFFFD of no text" {
		t.Errorf("%+v, %v", got, c.Submits())
	}
}

// read is what a phone shows of a message's submits.
func read(t fatal, submits []smsctest.Submit) string {
	whole := ""
	for i, s := range submits {
		if len(submits) > 1 && (len(s.Header) != 6 || s.ESMClass&0x40 == 0 || string(s.Header[:3]) != "\x05\x00\x03" || s.Header[3] != submits[0].Header[3] ||
			int(s.Header[4]) != len(submits) || int(s.Header[5]) != i+1) {
			t.Fatalf("segment %d has the header %x", i, s.Header)
		}
		most := 140
		if s.Coding == 8 {
			whole += readUCS2(s.Octets)
			most -= len(s.Header)
		} else {
			whole += templates.ReadGSM7(s.Octets)
			most = (most - len(s.Header)) * 8 / 7
		}
		if len(s.Octets) > most && !s.Payload {
			t.Fatalf("segment %d has %d octets of text", i, len(s.Octets))
		}
	}
	return whole
}

type fatal interface{ Fatalf(string, ...any) }

func TestALongTextIsReadAsItWasWritten(t *testing.T) {
	c := newSMSC(t)
	s := texter(t, c, nil, nil)
	before := 0
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.StringOfN(rapid.SampledFrom([]rune("abc é€[]{}~^|\\ΔΩ")), 1, 700, -1).Draw(t, "gsm")
		if rapid.Bool().Draw(t, "wide") {
			words = rapid.StringOfN(rapid.SampledFrom([]rune("abc中文😀€é")), 1, 400, -1).Draw(t, "words")
		}
		got := s.Send(context.Background(), text(words))
		submits := c.Submits()[before:]
		before += len(submits)
		if got.Status != Sent || got.Segments != templates.Segments(words).Segments || len(submits) != got.Segments || len(got.MoreIDs) != got.Segments-1 {
			t.Fatalf("%+v of %d submits", got, len(submits))
		}
		if shown := read(t, submits); shown != words {
			t.Fatalf("%q is shown as %q", words, shown)
		}
	})
}

func TestALongTextMayTravelWhole(t *testing.T) {
	c := newSMSC(t)
	s := texter(t, c, nil, func(s *campaigns.ChannelSettings) { s.Long = campaigns.LongPayload })
	for _, words := range []string{strings.Repeat("ab€", 100), strings.Repeat("中😀", 100)} {
		got := s.Send(t.Context(), text(words))
		last := c.Submits()[len(c.Submits())-1]
		if got.Status != Sent || got.Segments != templates.Segments(words).Segments || len(got.MoreIDs) != 0 || !last.Payload || read(t, []smsctest.Submit{last}) != words {
			t.Errorf("%+v: %+v", got, last)
		}
	}
}

func TestASegmentThatIsRefusedForNowIsTriedAlone(t *testing.T) {
	c := newSMSC(t)
	s := texter(t, c, nil, nil)
	refused := 0
	c.Order(smsctest.Orders{Answer: func(_ int, s smsctest.Submit) smsctest.Answer {
		if s.Header[5] == 2 && refused < 2 {
			refused++
			return smsctest.Answer{Status: data.ESME_RTHROTTLED}
		}
		return smsctest.Answer{}
	}})
	got := s.Send(t.Context(), text(strings.Repeat("a", 400)))
	if got.Status != Sent || got.ProviderID != "1" || strings.Join(got.MoreIDs, " ") != "4 5" {
		t.Errorf("%+v", got)
	}
}

func TestAMessageOfWhichAPartWasAcceptedIsNeverSentAgain(t *testing.T) {
	cases := map[string]struct {
		answer   smsctest.Answer
		want     Status
		segments int // that were accepted, or may have been
	}{
		"refused for ever":        {smsctest.Answer{Status: data.ESME_RINVMSGLEN}, Permanent, 2},
		"refused again and again": {smsctest.Answer{Status: data.ESME_RTHROTTLED}, Permanent, 2},
		"no answer":               {smsctest.Answer{HangUp: true}, Unknown, 3},
	}
	for name, bad := range cases {
		t.Run(name, func(t *testing.T) {
			c := newSMSC(t)
			s := texter(t, c, nil, nil)
			c.Order(smsctest.Orders{Answer: func(_ int, s smsctest.Submit) smsctest.Answer {
				if s.Header[5] == 3 {
					return bad.answer
				}
				return smsctest.Answer{}
			}})
			got := s.Send(t.Context(), text(strings.Repeat("a", 400)))
			if got.Status != bad.want || !strings.Contains(got.Detail, "2 of 3 segments were accepted") || got.ProviderID != "1" || got.Segments != bad.segments {
				t.Errorf("%+v", got)
			}
			c.Order(smsctest.Orders{Answer: func(int, smsctest.Submit) smsctest.Answer { return smsctest.Answer{Status: data.ESME_RTHROTTLED} }})
			if got := s.Send(t.Context(), text(strings.Repeat("a", 400))); got.Status != Temporary {
				t.Errorf("none accepted: %+v", got)
			}
		})
	}
}

func TestAWindowOfMessagesIsOnItsWayAtOnce(t *testing.T) {
	c := newSMSC(t)
	s := texter(t, c, nil, func(s *campaigns.ChannelSettings) { s.Window = 20 })
	var submitted sync.WaitGroup
	submitted.Add(s.Window())
	c.Order(smsctest.Orders{Answer: func(n int, _ smsctest.Submit) smsctest.Answer {
		submitted.Done()
		return smsctest.Answer{Silent: true}
	}})
	outcomes := make(chan Outcome, s.Window())
	for i := range s.Window() {
		go func() {
			m := text("hi")
			m.ID = fmt.Sprint(i)
			outcomes <- s.Send(context.Background(), m)
		}()
	}
	submitted.Wait() // all of them, though none is answered
	c.HangUp()
	for range s.Window() {
		if got := within(t, outcomes, "outcome"); got.Status != Unknown || got.Detail == "" {
			t.Errorf("%+v", got)
		}
	}
	eventually(t, func() bool { return len(c.Submits()) == s.Window() })
}

func TestOnlyWhatWasSubmittedIsUnknownWhenASessionBreaks(t *testing.T) {
	c := newSMSC(t)
	s := texter(t, c, nil, nil)
	hangUp := smsctest.Orders{Answer: func(n int, _ smsctest.Submit) smsctest.Answer {
		return smsctest.Answer{HangUp: n == 1, HangUpThen: n == 2}
	}}
	c.Order(hangUp)
	if got := s.Send(t.Context(), text("hi")); got.Status != Unknown {
		t.Errorf("hung up before the answer: %+v", got)
	}
	again := func() (got Outcome) {
		for range 10_000 {
			if got = s.Send(t.Context(), text("hi")); !got.Unavailable {
				break
			}
			time.Sleep(time.Millisecond) // until there is a session again
		}
		return got
	}
	if got := again(); got.Status != Sent || got.ProviderID != "2" {
		t.Errorf("hung up after the answer: %+v", got)
	}
	if broken := sessionOf(s); broken != nil {
		within(t, broken.over, "end of the session")
	}
	if got := again(); got.Status != Sent || got.ProviderID != "3" || len(c.Submits()) != 3 {
		t.Errorf("%+v", got)
	}
}

func TestWithoutASessionNothingWasAttempted(t *testing.T) {
	c := newSMSC(t)
	cases := map[string]struct {
		orders smsctest.Orders
		gone   bool
		tls    string
		says   string
	}{
		"a wrong password": {orders: smsctest.Orders{Password: "another"}, says: "ESME_RINVPASWD"},
		"a refused bind":   {orders: smsctest.Orders{Refuse: data.ESME_RBINDFAIL}, says: "ESME_RBINDFAIL"},
		"nobody there":     {gone: true, says: "connecting"},
		"no TLS there":     {tls: "tls", says: "connecting"},
	}
	for name, bad := range cases {
		t.Run(name, func(t *testing.T) {
			c.Order(bad.orders)
			s := texter(t, c, nil, func(s *campaigns.ChannelSettings) {
				s.TLS = bad.tls
				if bad.gone {
					s.Port = 1
				}
			})
			if got := s.Send(t.Context(), text("hi")); got.Status != Temporary || !got.Unavailable || !strings.Contains(got.Detail, bad.says) || strings.Contains(got.Detail, "secret") {
				t.Errorf("%+v", got)
			}
		})
	}
	if n := len(c.Submits()); n != 0 {
		t.Errorf("%d submits", n)
	}
}

func TestAClosedSenderBeginsAnew(t *testing.T) {
	c := newSMSC(t)
	s := texter(t, c, nil, nil)
	bound(t, s)
	if err := s.Close(); err != nil || c.Bound() != 0 {
		t.Errorf("%v, %d bound", err, c.Bound())
	}
	bound(t, s)
	if c.Binds() != 2 {
		t.Errorf("%d binds", c.Binds())
	}
}

func TestClosingWaitsForTheListenerAndNoLongerThanAMoment(t *testing.T) {
	c := newSMSC(t)
	c.Order(smsctest.Orders{Receipts: func(smsctest.Submit) []smsctest.Receipt { return []smsctest.Receipt{smsctest.Delivered()} }})
	s := newTexts(campaigns.ChannelSettings{Host: "127.0.0.1", Port: c.Port()}, Options{Clock: noon})
	s.patience.part = 100 * time.Millisecond
	begun, ended := make(chan bool, 1), make(chan error, 1)
	s.listener.Receipts = func(ctx context.Context, _ []campaigns.Receipt) error {
		begun <- true
		<-ctx.Done() // a database that does not answer
		ended <- ctx.Err()
		return ctx.Err()
	}
	bound(t, s)
	within(t, begun, "receipt")
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if len(ended) != 1 {
		t.Error("the listener was left alone")
	}
}

func TestAPeerThatPartsGetsNothingMore(t *testing.T) {
	c := newSMSC(t)
	s := texter(t, c, nil, nil)
	bound(t, s)
	first := sessionOf(s)
	if err := c.Say(pdu.NewUnbind()); err != nil {
		t.Fatal(err)
	}
	within(t, first.over, "end of the session")
	if why := first.why(); !errors.Is(why, errUnbound) {
		t.Error(why)
	}
}
