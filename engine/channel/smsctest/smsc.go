// Package smsctest is an SMSC in the process: what text messages are sent to in tests and in the bench. It speaks SMPP 3.4
// on real connections, takes what it is given and says of each message later that it arrived, and does on order what real
// ones do as well: throttle, hang up before or after an answer, keep silent, talk nonsense, say things twice or too early.
//
// Why beside the sender's own code: it reads and writes PDUs with the library alone, so that a mistake of the sender's is
// not made on both sides.
package smsctest

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"
)

// An SMSC listens until Close. Its methods may be called at once.
type SMSC struct {
	listener net.Listener
	serving  sync.WaitGroup
	ids      atomic.Int64

	mu       sync.Mutex
	orders   Orders
	calls    map[*call]bool
	binds    int
	got      []Submit
	queries  []string
	answers  map[uint32]int // to our deliveries, by status
	unacked  map[int32]*delivery
	forgets  bool
	accepted int
}

// A delivery waits for its answer; its call is nil when that ended.
type delivery struct {
	octets []byte
	call   *call
}

// Orders say what the SMSC does; the zero value takes everything and sends no receipts.
type Orders struct {
	Password string                              // of the bind; empty: any
	Refuse   data.CommandStatusType              // every bind is refused with it
	Answer   func(n int, s Submit) Answer        // to the n-th submit it got, from 1; nil: accept
	Receipts func(s Submit) []Receipt            // what it says of an accepted message, right after the answer; nil: nothing
	Early    bool                                // receipts come before the answer
	ID       func(n int64) (answered, of string) // how the answer and the receipts name the n-th message; nil: both decimal
	Mute     bool                                // it answers no enquire_link
	Again    bool                                // receipts that are put off, or whose session ended without an answer, come again
	Query    func(id string) *State              // what it answers to a query_sm about an id; nil: it answers no query_sm at all
	Single   bool                                // a second session beside one that is bound is refused
}

// Answer is how a submit ends. Raw bytes are written instead of an answer.
type Answer struct {
	Status     data.CommandStatusType
	Silent     bool // no answer
	HangUp     bool // before an answer
	HangUpThen bool // after it
	Nack       bool // generic_nack instead of submit_sm_resp
	Raw        []byte
}

// A State is what the SMSC says of a message that it is asked about: a message_state, or a status of refusal.
type State struct {
	Refuse data.CommandStatusType
	State  byte
	Error  byte
}

// A Receipt is one that the SMSC sends: Text as it stands in the message, in which %s is the message's id. TLVs stand
// beside it.
type Receipt struct {
	Text string
	TLVs map[pdu.Tag][]byte
}

// Delivered is the receipt of a message that arrived.
func Delivered() Receipt {
	return Receipt{Text: "id:%s sub:001 dlvrd:001 submit date:2611201200 done date:2611201200 stat:DELIVRD err:000 text:hello"}
}

// A Submit is a submit_sm that the SMSC took or refused.
type Submit struct {
	ID         string // as receipts name it; empty for what was refused
	From, To   string
	SourceTON  byte
	SourceNPI  byte
	Coding     byte
	ESMClass   byte
	Registered byte
	Validity   string
	Header     []byte // the user data header, with its length
	Octets     []byte // the text, without the header, from message_payload where it stands there
	Payload    bool
}

// New starts an SMSC on a free port of this machine.
func New() (*SMSC, error) { return Listen("127.0.0.1:0") }

// Listen starts one on an address.
func Listen(address string) (*SMSC, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("starting an SMSC: %w", err)
	}
	c := Silent()
	c.listener = listener
	c.serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			c.serving.Go(func() { c.Serve(conn) })
		}
	})
	return c, nil
}

// Silent is an SMSC that listens nowhere: it speaks on what it is given to Serve.
func Silent() *SMSC {
	return &SMSC{calls: map[*call]bool{}, answers: map[uint32]int{}, unacked: map[int32]*delivery{}}
}

// Address is where it listens.
func (c *SMSC) Address() string { return c.listener.Addr().String() }

// Port is the one on which it listens.
func (c *SMSC) Port() int { return c.listener.Addr().(*net.TCPAddr).Port }

// Close hangs up on everybody.
func (c *SMSC) Close() error {
	var err error
	if c.listener != nil {
		err = c.listener.Close()
	}
	c.HangUp()
	c.serving.Wait()
	return err
}

// HangUp ends all connections; it goes on listening.
func (c *SMSC) HangUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for open := range c.calls {
		open.end()
	}
}

// Order changes what it does.
func (c *SMSC) Order(o Orders) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.orders = o
}

// Forget makes it count what it gets and keep none of it: a bench sends millions.
func (c *SMSC) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgets = true
}

// Submits are all that it got, also those that it refused.
func (c *SMSC) Submits() []Submit {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Submit(nil), c.got...)
}

// Queries are the ids that it was asked about, in order.
func (c *SMSC) Queries() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.queries...)
}

// Accepted is how many messages it took.
func (c *SMSC) Accepted() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.accepted
}

// Binds is how many sessions were begun.
func (c *SMSC) Binds() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.binds
}

// Bound is how many sessions there are.
func (c *SMSC) Bound() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for open := range c.calls {
		if open.bound.Load() {
			n++
		}
	}
	return n
}

// Answers is how many of its deliveries were answered with a status.
func (c *SMSC) Answers(status data.CommandStatusType) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answers[uint32(status)]
}

var errNobody = errors.New("nobody is bound")

// Deliver sends a deliver_sm over one of the sessions.
func (c *SMSC) Deliver(d *pdu.DeliverSM) error { return c.Say(d) }

// Say sends any PDU over one of the sessions.
func (c *SMSC) Say(p pdu.PDU) error {
	buffer := pdu.NewBuffer(nil)
	p.Marshal(buffer)
	return c.Raw(buffer.Bytes())
}

// Raw sends bytes over one of the sessions.
func (c *SMSC) Raw(octets []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for open := range c.calls {
		if open.bound.Load() {
			open.say(octets)
			return nil
		}
	}
	return errNobody
}

// Serve speaks on a connection until that ends.
func (c *SMSC) Serve(conn net.Conn) {
	open := &call{smsc: c, conn: conn, out: make(chan []byte, 1<<16), over: make(chan struct{})}
	c.mu.Lock()
	c.calls[open] = true
	c.mu.Unlock()
	var writing sync.WaitGroup
	writing.Go(open.write)
	in := bufio.NewReaderSize(conn, 64<<10)
	for {
		p, err := pdu.Parse(in)
		if err != nil || !open.take(p) {
			break
		}
	}
	open.finish()
	writing.Wait()
	c.mu.Lock()
	delete(c.calls, open)
	next := c.anyBound() // it may have bound before this one was over
	var left [][]byte
	for _, waiting := range c.unacked {
		if waiting.call == open {
			waiting.call, left = next, append(left, waiting.octets)
		}
	}
	c.mu.Unlock()
	for _, octets := range left {
		if next != nil {
			next.say(octets)
		}
	}
}
