package channel

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"hash/fnv"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"

	"beckon/campaigns"
	"beckon/templates"
)

const (
	smppPort     = 2775
	rebindMin    = time.Second         // before a session is begun again
	rebindMax    = 30 * time.Second    // doubling up to here while that fails
	segmentsMax  = 255                 // what a header of one octet counts to
	segmentTries = 5                   // of a segment that follows an accepted one
	validityMax  = 30 * 24 * time.Hour // longer than providers keep a text, and within what every reading of the format allows
)

// texts sends text messages over one SMPP 3.4 session, which it keeps from Open to Close: receipts and what people write
// arrive also when nothing is sent. While there is none it says so at once, and who sends decides what to do.
//
// What is known when a session breaks: a submit of which some bytes never left was not accepted. One that left whole and
// has no answer may be accepted, and is unknown.
type texts struct {
	settings campaigns.ChannelSettings
	clock    func() time.Time
	listener Listener
	patience patience
	dial     func(ctx context.Context) (net.Conn, error)
	assembly assembly
	cutOff   atomic.Int32 // sessions that ended while something was asked

	mu      sync.Mutex
	session *binding           // nil: none is bound
	next    chan struct{}      // closed when the attempt to bind that is under way, or the session, has ended; nil: neither is there
	failure error              // why the last one failed, or the last session ended
	stop    context.CancelFunc // nil: nothing keeps a session
	stopped chan struct{}      // closed when nothing does any more
}

func openSMPP(s campaigns.ChannelSettings, o Options) (Sender, error) {
	t := newTexts(s, o)
	t.start()
	return t, nil
}

func newTexts(s campaigns.ChannelSettings, o Options) *texts {
	t := &texts{settings: s, clock: o.Clock, listener: o.Listener, patience: usualPatience()}
	port := s.Port
	if port == 0 {
		port = smppPort
	}
	address, dialer := net.JoinHostPort(s.Host, strconv.Itoa(port)), &net.Dialer{Timeout: t.patience.answer}
	t.dial = func(ctx context.Context) (net.Conn, error) {
		if s.TLS != "tls" {
			return dialer.DialContext(ctx, "tcp", address)
		}
		secure := tls.Dialer{NetDialer: dialer, Config: &tls.Config{ServerName: s.Host, MinVersion: tls.VersionTLS12}}
		return secure.DialContext(ctx, "tcp", address)
	}
	return t
}

// Window is how many submits may wait for their answers at once.
func (t *texts) Window() int { return t.settings.Submits() }

// start keeps a session from now on, if nothing does.
func (t *texts) start() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stop != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.stop, t.stopped = cancel, make(chan struct{})
	t.next = make(chan struct{})
	go t.keep(ctx, t.stopped)
}

// Close says goodbye to the provider, and returns when what it had said is given on.
func (t *texts) Close() error {
	t.mu.Lock()
	stop, stopped := t.stop, t.stopped
	t.mu.Unlock()
	if stop == nil {
		return nil
	}
	stop()
	<-stopped
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped == stopped {
		t.stop = nil
	}
	return nil
}

// keep binds one session after another until ctx ends: at once after one that answered a submit, else after a while that
// doubles, so that an SMSC which takes nobody, or hangs up on everybody, is not stormed.
func (t *texts) keep(ctx context.Context, stopped chan<- struct{}) {
	defer close(stopped)
	wait := t.patience.rebind
	for {
		bound, in, err := t.bind(ctx)
		t.became(bound, err, err == nil)
		atOnce := false
		if err == nil {
			t.serve(ctx, bound, in)
			if atOnce = bound.proven.Load() && ctx.Err() == nil; atOnce {
				wait = t.patience.rebind
			}
			t.became(nil, bound.why(), atOnce)
		}
		if atOnce {
			continue
		}
		pause := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			pause.Stop()
			soon, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.patience.part)
			t.assembly.flush(soon, t, 0)
			cancel()
			return
		case <-pause.C:
		}
		wait = min(2*wait, rebindMax)
		t.became(nil, nil, true)
	}
}

// became says that there is a session now or none, why, and whether something follows that is worth waiting for.
func (t *texts) became(bound *binding, err error, more bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.session, t.failure = bound, err
	if t.next != nil {
		close(t.next)
		t.next = nil
	}
	if more {
		t.next = make(chan struct{})
	}
}

// bind dials and logs in.
func (t *texts) bind(ctx context.Context) (*binding, *bufio.Reader, error) {
	within, cancel := context.WithTimeout(ctx, t.patience.answer)
	defer cancel()
	conn, err := t.dial(within)
	if err != nil {
		return nil, nil, fmt.Errorf("connecting: %w", err)
	}
	s, in := newBinding(conn, t.Window(), t.patience), bufio.NewReaderSize(conn, 64<<10)
	defer context.AfterFunc(ctx, func() { s.end(errSessionClosed) })() // it has nobody's messages yet
	if err := s.bind(t.settings.Username, campaigns.Text(t.settings.Password), t.settings.SystemType, in); err != nil {
		s.end(err)
		return nil, nil, err
	}
	return s, in, nil
}

// serve works on a session until it is over and what it brought is given on, or the listener had a moment for that.
func (t *texts) serve(ctx context.Context, s *binding, in *bufio.Reader) {
	hearing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var working sync.WaitGroup
	working.Go(func() { s.read(in) })
	working.Go(func() { t.hear(hearing, s) })
	s.keep(ctx)
	defer time.AfterFunc(t.patience.part, cancel).Stop()
	working.Wait()
}

// bound is the session, after waiting for an attempt to bind one that is under way, or follows at once upon a session that
// just ended.
func (t *texts) bound(ctx context.Context) (*binding, error) {
	t.start()
	for {
		t.mu.Lock()
		s, next, failure := t.session, t.next, t.failure
		t.mu.Unlock()
		switch {
		case s != nil && s.why() == nil:
			return s, nil
		case s != nil && !s.proven.Load():
			return nil, s.why()
		case next == nil:
			return nil, failure
		}
		select {
		case <-next:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Send submits a message's segments one after another. The context bounds the waiting for a session; what was submitted is
// waited for.
func (t *texts) Send(ctx context.Context, m Message) Outcome {
	if err := campaigns.CheckTextNumber(m.To); err != nil {
		return Outcome{Status: Permanent, Detail: err.Error()}
	}
	encoding, segments := templates.Split(m.Parts["text"])
	switch {
	case len(segments) == 0:
		return Outcome{Status: Permanent, Detail: "the message has no text"}
	case len(segments) > segmentsMax:
		return Outcome{Status: Permanent, Detail: fmt.Sprintf("the text has %d segments: a message has at most %d", len(segments), segmentsMax)}
	}
	submits := t.submits(m, encoding, segments)
	var ids []string
	for i, submit := range submits {
		one := t.handOver(ctx, submit)
		for try := 1; i > 0 && one.Status == Temporary && try < segmentTries; try++ {
			time.Sleep(t.patience.segment << (try - 1)) // what was accepted already must not stay alone
			one = t.handOver(context.WithoutCancel(ctx), submit)
		}
		if one.Status != Sent {
			return partly(one, ids, len(submits))
		}
		ids = append(ids, one.ProviderID)
	}
	return Outcome{Status: Sent, ProviderID: ids[0], MoreIDs: named(ids[1:]), Segments: len(segments), Detail: shorten("accepted as " + strings.Join(ids, ", "))}
}

// named are the ids of segments that got one.
func named(ids []string) []string {
	return slices.DeleteFunc(ids, func(id string) bool { return id == "" })
}

// partly is the outcome of a message of which one segment was not accepted, or may not have been. After an accepted one it
// cannot be sent again: the person would get that part twice.
func partly(failed Outcome, ids []string, of int) Outcome {
	if len(ids) == 0 {
		if failed.Status == Unknown && of > 1 {
			failed.Segments = 1
		}
		return failed
	}
	o := Outcome{Status: failed.Status, ProviderID: ids[0], MoreIDs: named(ids[1:]), Segments: len(ids), Hard: failed.Hard,
		Detail: fmt.Sprintf("%d of %d segments were accepted; of the next: %s", len(ids), of, failed.Detail)}
	switch o.Status {
	case Temporary:
		o.Status = Permanent
	case Unknown:
		o.Segments++
	}
	return o
}

// handOver submits one segment.
func (t *texts) handOver(ctx context.Context, submit *pdu.SubmitSM) Outcome {
	s, err := t.bound(ctx)
	if err != nil {
		return Outcome{Status: Temporary, Unavailable: true, Detail: shorten(err.Error())}
	}
	answer, went, err := s.ask(ctx, submit)
	switch {
	case err != nil && went:
		return Outcome{Status: Unknown, Detail: shorten("the answer was lost: " + err.Error())}
	case err != nil:
		return Outcome{Status: Temporary, Unavailable: true, Detail: shorten(err.Error())}
	case answer.header.CommandID == data.GENERIC_NACK && answer.header.CommandStatus == data.ESME_ROK:
		return Outcome{Status: Permanent, Detail: "the provider did not understand it: generic_nack"}
	case answer.header.CommandStatus != data.ESME_ROK:
		return submitRefusal(answer.header.CommandStatus)
	}
	o := Outcome{Status: Sent}
	if accepted, is := answer.body.(*pdu.SubmitSMResp); is { // else it was accepted under a name that cannot be read
		o.ProviderID = t.answeredID(shorten(accepted.MessageID))
	}
	return o
}

// submits are the PDUs of a message.
func (t *texts) submits(m Message, encoding string, segments [][]byte) []*pdu.SubmitSM {
	coding := data.GSM7BIT
	if encoding == templates.UCS2 {
		coding = data.UCS2
	}
	if len(segments) > 1 && t.settings.Long == campaigns.LongPayload {
		p := t.submit(m)
		_ = p.Message.SetMessageDataWithEncoding(nil, coding) // only long data fails
		whole := pdu.Field{Tag: pdu.TagMessagePayload}
		for _, octets := range segments {
			whole.Data = append(whole.Data, octets...)
		}
		p.RegisterOptionalParam(whole)
		return []*pdu.SubmitSM{p}
	}
	all := make([]*pdu.SubmitSM, len(segments))
	for i, octets := range segments {
		all[i] = t.submit(m)
		_ = all[i].Message.SetMessageDataWithEncoding(octets, coding) // at most 160 octets
		if len(segments) > 1 {
			all[i].EsmClass |= data.SM_UDH_GSM
			all[i].Message.SetUDH(pdu.UDH{pdu.NewIEConcatMessage(byte(len(segments)), byte(i+1), concatReference(m.ID))})
		}
	}
	return all
}

// concatReference joins the segments of a message at the phone; it follows from the message, so that an attempt repeats it.
func concatReference(id string) byte {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // a hash never fails
	return byte(h.Sum32())
}

// submit is a message's PDU without its text.
func (t *texts) submit(m Message) *pdu.SubmitSM {
	p := pdu.NewSubmitSM().(*pdu.SubmitSM)
	ton, npi, from := t.settings.Source()
	p.SourceAddr, _ = pdu.NewAddressWithTonNpiAddr(ton, npi, from) // its length was checked
	p.DestAddr, _ = pdu.NewAddressWithTonNpiAddr(data.GSM_TON_INTERNATIONAL, data.GSM_NPI_E164, strings.TrimPrefix(m.To, "+"))
	p.RegisteredDelivery = data.SM_SMSC_RECEIPT_REQUESTED
	if !m.NotAfter.IsZero() {
		p.ValidityPeriod = validityPeriod(m.NotAfter.Sub(t.clock()))
	}
	return p
}

// validityPeriod is a time from now as SMPP writes it (SMPP 3.4, 7.1.1.2): YYMMDDhhmmss000R. Relative, since nobody knows in which
// zone a provider reads an absolute one.
func validityPeriod(left time.Duration) string {
	seconds := int64(min(max(left, time.Second), validityMax) / time.Second)
	return fmt.Sprintf("0000%02d%02d%02d%02d000R", seconds/86400, seconds/3600%24, seconds/60%60, seconds%60)
}
