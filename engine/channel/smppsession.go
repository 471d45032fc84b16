package channel

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"
)

// patience is how long a session waits for what.
type patience struct {
	answer  time.Duration // for the answer to a submit, for the bind, and for a write
	enquire time.Duration // between two enquire_link
	part    time.Duration // for the answer to unbind, and for what is under way when the peer says it
	linger  time.Duration // for more receipts before those at hand are given on
	rebind  time.Duration // before a session is begun again; doubling while that fails
	segment time.Duration // before a segment is tried again that follows an accepted one; likewise
}

func usualPatience() patience {
	return patience{answer: 10 * time.Second, enquire: 30 * time.Second, part: 2 * time.Second, linger: 2 * time.Millisecond,
		rebind: time.Second, segment: 250 * time.Millisecond}
}

const (
	enquiriesMax  = 2    // enquire_link without an answer after which a session is dead
	deliveriesMax = 1000 // of the peer's that wait for the listener; more are put off
)

var (
	errUnanswered    = errors.New("the provider does not answer")
	errUnbound       = errors.New("the provider ended the session")
	errSessionClosed = errors.New("the session was closed")
)

// A binding is one bound connection. Its reader never waits: not for the listener, not for who asked. What it cannot hand
// on it puts off, for while it stood still no answer would be read, and each of them would become unknown.
type binding struct {
	conn     net.Conn
	patience patience
	window   chan struct{} // one for each submit under way

	writing  sync.Mutex
	sequence atomic.Int32
	enquired atomic.Int32 // enquire_link since the peer was last heard
	proven   atomic.Bool  // it answered a submit
	mum      atomic.Bool  // it left a query without an answer

	mu      sync.Mutex
	pending map[int32]chan frame
	ending  error         // why nothing may be begun any more; nil while it may
	over    chan struct{} // closed when the connection is

	deliveries chan *pdu.DeliverSM
	unbound    chan struct{} // gets the answer to our unbind
}

func newBinding(conn net.Conn, window int, patience patience) *binding {
	return &binding{conn: conn, patience: patience, window: make(chan struct{}, window), pending: map[int32]chan frame{}, over: make(chan struct{}),
		deliveries: make(chan *pdu.DeliverSM, deliveriesMax), unbound: make(chan struct{}, 1)}
}

// end closes the connection, once; what waits for an answer learns why.
func (s *binding) end(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending == nil {
		s.ending = why
	}
	select {
	case <-s.over:
	default:
		close(s.over)
		_ = s.conn.Close() // the session is over either way
	}
}

// retire lets nothing new begin.
func (s *binding) retire(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending == nil {
		s.ending = why
	}
}

// why is why nothing may be begun any more, nil while it may.
func (s *binding) why() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ending
}

// next is a sequence number: 1 to 0x7FFFFFFF (SMPP 3.4, 5.1.4).
func (s *binding) next() int32 {
	for {
		if n := s.sequence.Add(1) & 0x7FFFFFFF; n != 0 {
			return n
		}
	}
}

// write hands over a PDU, and says whether all of its bytes went: what went in part nobody can have taken for a PDU.
func (s *binding) write(p pdu.PDU) (whole bool, err error) {
	buffer := pdu.NewBuffer(nil)
	p.Marshal(buffer)
	s.writing.Lock()
	defer s.writing.Unlock()
	late := time.AfterFunc(s.patience.answer, func() { s.end(fmt.Errorf("%w: it takes no more bytes", errUnanswered)) })
	n, err := s.conn.Write(buffer.Bytes())
	late.Stop()
	if err != nil {
		s.end(fmt.Errorf("writing: %w", err))
	}
	return n == buffer.Len(), err
}

// reply writes an answer; who asked sees a session that ended by itself.
func (s *binding) reply(p pdu.PDU, status data.CommandStatusType, sequence int32) {
	switch p := p.(type) {
	case *pdu.DeliverSMResp:
		p.CommandStatus = status
	case *pdu.GenericNack:
		p.CommandStatus = status
	}
	p.SetSequenceNumber(sequence)
	_, _ = s.write(p)
}

// ask writes a submit and waits for its answer. Without one, went says whether the peer may have got it, and the session
// ends: nobody can know what else it lost.
func (s *binding) ask(ctx context.Context, p pdu.PDU) (answer frame, went bool, err error) {
	answered, went, done, err := s.begin(ctx, p)
	if err != nil {
		return answer, went, err
	}
	defer done()
	late := time.NewTimer(s.patience.answer)
	defer late.Stop()
	select {
	case answer = <-answered:
		return answer, true, nil
	case <-s.over:
	case <-late.C:
		s.end(fmt.Errorf("%w a submit within %v", errUnanswered, s.patience.answer))
	}
	select { // an answer that came before the session ended counts
	case answer = <-answered:
		return answer, true, nil
	default:
		return answer, true, s.why()
	}
}

// begin writes a request when the window has room for it; what is given hears the answer, and done ends the waiting. An
// error says whether the peer may have got the request: one that went in part nobody can have taken.
func (s *binding) begin(ctx context.Context, p pdu.PDU) (answered <-chan frame, went bool, done func(), err error) {
	select {
	case s.window <- struct{}{}:
	case <-ctx.Done():
		return nil, false, nil, ctx.Err()
	case <-s.over:
		return nil, false, nil, s.why()
	}
	n, heard := s.next(), make(chan frame, 1)
	done = func() {
		s.mu.Lock()
		delete(s.pending, n)
		s.mu.Unlock()
		<-s.window
	}
	s.mu.Lock()
	err = s.ending
	s.pending[n] = heard
	s.mu.Unlock()
	if err == nil {
		p.SetSequenceNumber(n)
		var whole bool
		if whole, err = s.write(p); whole {
			return heard, true, done, nil
		}
	}
	done()
	return nil, false, nil, err
}

// bind logs in as a transceiver, before anything else reads the connection.
func (s *binding) bind(systemID, password, systemType string, in io.Reader) error {
	late := time.AfterFunc(s.patience.answer, func() { s.end(fmt.Errorf("%w the bind within %v", errUnanswered, s.patience.answer)) })
	defer late.Stop()
	request := pdu.NewBindRequest(pdu.Transceiver)
	request.SystemID, request.Password, request.SystemType = systemID, password, systemType
	request.SetSequenceNumber(s.next())
	if _, err := s.write(request); err != nil {
		return fmt.Errorf("binding: %w", s.why())
	}
	for {
		f, err := readFrame(in)
		if err != nil {
			if why := s.why(); why != nil {
				err = why
			}
			return fmt.Errorf("binding: %w", err)
		}
		if f.header.CommandID != data.BIND_TRANSCEIVER_RESP && f.header.CommandID != data.GENERIC_NACK {
			continue // an outbind or an enquire_link before its time
		}
		if status := f.header.CommandStatus; status != data.ESME_ROK {
			return fmt.Errorf("the bind was refused: %s (0x%08X)", status, uint32(status))
		}
		return nil
	}
}

// read takes what the peer says until the session is over.
func (s *binding) read(in *bufio.Reader) {
	for {
		f, err := readFrame(in)
		if err != nil {
			s.end(fmt.Errorf("reading: %w", err))
			return
		}
		s.enquired.Store(0)
		s.take(f)
	}
}

// take deals with one PDU of the peer's.
func (s *binding) take(f frame) {
	n := f.header.SequenceNumber
	switch f.header.CommandID {
	case data.SUBMIT_SM_RESP, data.QUERY_SM_RESP, data.GENERIC_NACK:
		s.mu.Lock()
		answered := s.pending[n]
		delete(s.pending, n) // the first answer counts
		s.mu.Unlock()
		if answered != nil {
			s.proven.Store(s.proven.Load() || f.header.CommandID != data.QUERY_SM_RESP)
			answered <- f
		}
	case data.DELIVER_SM:
		s.takeDelivery(f)
	case data.ENQUIRE_LINK:
		s.reply(pdu.NewEnquireLinkResp(), data.ESME_ROK, n)
	case data.UNBIND:
		go s.part(n)
	case data.UNBIND_RESP:
		select {
		case s.unbound <- struct{}{}:
		default: // it was not asked for twice
		}
	default:
		if isRequest(f.header.CommandID) && f.header.CommandID != data.ALERT_NOTIFICATION && f.header.CommandID != data.OUTBIND {
			s.reply(pdu.NewGenericNack(), data.ESME_RINVCMDID, n)
		}
	}
}

// takeDelivery hands a delivery on to whoever gives it to the listener. One that cannot be read is refused for good and
// ends nothing: anybody can send a text with a broken header, and it would come again with every session.
func (s *binding) takeDelivery(f frame) {
	d, is := f.body.(*pdu.DeliverSM)
	if !is {
		s.reply(pdu.NewDeliverSMResp(), data.ESME_RX_P_APPN, f.header.SequenceNumber)
		return
	}
	select {
	case s.deliveries <- d:
	default:
		s.reply(pdu.NewDeliverSMResp(), data.ESME_RX_T_APPN, f.header.SequenceNumber)
	}
}

// part ends the session at the peer's wish: nothing new begins, and what is under way has a moment for its answer.
func (s *binding) part(sequence int32) {
	s.retire(errUnbound)
	late := time.NewTimer(s.patience.part)
	defer late.Stop()
	for range cap(s.window) { // all slots taken: nothing is under way
		select {
		case s.window <- struct{}{}:
			continue
		case <-late.C:
		case <-s.over:
		}
		break
	}
	s.reply(pdu.NewUnbindResp(), data.ESME_ROK, sequence)
	s.end(errUnbound)
}

// keep asks the peer whether it is there until the session is over, or ends it politely when ctx does.
func (s *binding) keep(ctx context.Context) {
	ticker := time.NewTicker(s.patience.enquire)
	defer ticker.Stop()
	for {
		select {
		case <-s.over:
			return
		case <-ctx.Done():
			s.unbind()
			return
		case <-ticker.C:
		}
		if s.enquired.Load() >= enquiriesMax {
			s.end(fmt.Errorf("%w enquire_link", errUnanswered))
			return
		}
		s.enquired.Add(1)
		p := pdu.NewEnquireLink()
		p.SetSequenceNumber(s.next())
		_, _ = s.write(p) // a failure ends the session
	}
}

// unbind says goodbye and waits a moment for the answer.
func (s *binding) unbind() {
	s.retire(errSessionClosed)
	p := pdu.NewUnbind()
	p.SetSequenceNumber(s.next())
	late := time.NewTimer(s.patience.part)
	defer late.Stop()
	written := make(chan struct{})
	go func() { defer close(written); _, _ = s.write(p) }()
	select {
	case <-s.unbound:
	case <-s.over:
	case <-late.C:
	}
	s.end(errSessionClosed)
	<-written
}
