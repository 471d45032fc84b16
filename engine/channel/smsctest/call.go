package smsctest

import (
	"bufio"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"
)

// A call is one connection. What is said on it goes through a queue of its own, so that it always listens.
type call struct {
	smsc  *SMSC
	conn  net.Conn
	out   chan []byte // nil: say what is left and hang up
	over  chan struct{}
	once  sync.Once
	bound atomic.Bool
}

// end hangs up at once.
func (c *call) end() {
	c.once.Do(func() {
		close(c.over)
		_ = c.conn.Close() // the other side sees it either way
	})
}

// finish hangs up after what was said.
func (c *call) finish() {
	select {
	case c.out <- nil:
	case <-c.over:
	}
}

func (c *call) say(octets []byte) {
	select {
	case c.out <- octets:
	case <-c.over:
	}
}

func (c *call) tell(p pdu.PDU) {
	buffer := pdu.NewBuffer(nil)
	p.Marshal(buffer)
	c.say(buffer.Bytes())
}

// write says what is queued, together what is there together.
func (c *call) write() {
	defer c.end()
	out := bufio.NewWriterSize(c.conn, 64<<10)
	for {
		var octets []byte
		select {
		case octets = <-c.out:
		default:
			if out.Flush() != nil {
				return
			}
			select {
			case octets = <-c.out:
			case <-c.over:
				return
			}
		}
		if octets == nil {
			_ = out.Flush() // whoever is gone hears nothing
			return
		}
		if _, err := out.Write(octets); err != nil {
			return
		}
	}
}

// take answers one PDU, and says whether the call goes on.
func (c *call) take(p pdu.PDU) bool {
	switch p := p.(type) {
	case *pdu.BindRequest:
		return c.bind(p)
	case *pdu.SubmitSM:
		return c.submit(p)
	case *pdu.QuerySM:
		c.query(p)
	case *pdu.EnquireLink:
		if !c.smsc.ordered().Mute {
			c.tell(p.GetResponse())
		}
	case *pdu.Unbind:
		c.tell(p.GetResponse())
		return false
	case *pdu.DeliverSMResp:
		c.smsc.mu.Lock()
		c.smsc.answers[uint32(p.CommandStatus)]++
		waiting := c.smsc.unacked[p.SequenceNumber]
		delete(c.smsc.unacked, p.SequenceNumber)
		c.smsc.mu.Unlock()
		if waiting != nil && p.CommandStatus != data.ESME_ROK {
			time.AfterFunc(putOff, func() { c.deliver(p.SequenceNumber, waiting.octets) })
		}
	}
	return true
}

func (c *SMSC) ordered() Orders {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.orders
}

func (c *call) bind(p *pdu.BindRequest) bool {
	o := c.smsc.ordered()
	answer := p.GetResponse().(*pdu.BindResp)
	answer.SystemID = "smsctest"
	switch {
	case o.Refuse != data.ESME_ROK:
		answer.CommandStatus = o.Refuse
	case o.Password != "" && p.Password != o.Password:
		answer.CommandStatus = data.ESME_RINVPASWD
	case o.Single && c.smsc.Bound() > 0:
		answer.CommandStatus = data.ESME_RALYBND
	}
	c.tell(answer)
	if answer.CommandStatus != data.ESME_ROK {
		return false
	}
	var again []int32
	c.smsc.mu.Lock()
	c.bound.Store(true) // under the lock, so that what is put off meanwhile is either given to it or found by it
	c.smsc.binds++
	for n, waiting := range c.smsc.unacked {
		if waiting.call == nil {
			waiting.call, again = c, append(again, n)
		}
	}
	left := make([][]byte, len(again))
	for i, n := range again {
		left[i] = c.smsc.unacked[n].octets
	}
	c.smsc.mu.Unlock()
	for _, octets := range left {
		c.say(octets)
	}
	return true
}

// query answers a query_sm as it was ordered, with a body also where it refuses, as some do.
func (c *call) query(p *pdu.QuerySM) {
	c.smsc.mu.Lock()
	c.smsc.queries = append(c.smsc.queries, p.MessageID)
	answer := c.smsc.orders.Query
	c.smsc.mu.Unlock()
	if answer == nil {
		return
	}
	state := answer(p.MessageID)
	response := p.GetResponse().(*pdu.QuerySMResp)
	response.MessageID, response.CommandStatus, response.MessageState, response.ErrorCode = p.MessageID, state.Refuse, state.State, state.Error
	c.tell(response)
}

// putOff is how long a receipt waits that nobody took.
const putOff = 100 * time.Millisecond

// deliver says something that comes again until it is acknowledged: on this call, on another when this one has ended, or on
// the next.
func (c *call) deliver(sequence int32, octets []byte) {
	waiting := &delivery{octets: octets, call: c}
	c.smsc.mu.Lock()
	if !c.smsc.calls[c] {
		waiting.call = c.smsc.anyBound()
	}
	c.smsc.unacked[sequence] = waiting
	c.smsc.mu.Unlock()
	if waiting.call != nil {
		waiting.call.say(octets)
	}
}

// anyBound is a call that has bound, nil when there is none. The caller holds the lock.
func (c *SMSC) anyBound() *call {
	for open := range c.calls {
		if open.bound.Load() {
			return open
		}
	}
	return nil
}

// submit answers a submit_sm as it was ordered.
func (c *call) submit(p *pdu.SubmitSM) bool {
	s, o, n := read(p), c.smsc.ordered(), c.smsc.ids.Add(1)
	answer := Answer{}
	if o.Answer != nil {
		answer = o.Answer(int(n), s)
	}
	answered := ""
	if answer.Status == data.ESME_ROK && !answer.HangUp && !answer.Nack {
		answered, s.ID = strconv.FormatInt(n, 10), strconv.FormatInt(n, 10)
		if o.ID != nil {
			answered, s.ID = o.ID(n)
		}
	}
	c.smsc.keep(s)
	switch {
	case answer.HangUp:
		c.end()
		return false
	case answer.Raw != nil:
		c.say(answer.Raw)
		return true
	case answer.Silent:
		return true
	}
	if o.Early {
		c.receipts(o, s)
	}
	c.answer(p, answer, answered)
	if !o.Early {
		c.receipts(o, s)
	}
	return !answer.HangUpThen
}

func (c *call) answer(p *pdu.SubmitSM, answer Answer, id string) {
	if answer.Nack {
		nack := pdu.NewGenericNack().(*pdu.GenericNack)
		nack.CommandStatus = answer.Status
		nack.SetSequenceNumber(p.SequenceNumber)
		c.tell(nack)
		return
	}
	response := p.GetResponse().(*pdu.SubmitSMResp)
	response.CommandStatus, response.MessageID = answer.Status, id
	c.tell(response)
}

// receipts says what was ordered of an accepted message.
func (c *call) receipts(o Orders, s Submit) {
	if o.Receipts == nil || s.ID == "" || s.Registered == 0 {
		return
	}
	for _, r := range o.Receipts(s) {
		d := pdu.NewDeliverSM().(*pdu.DeliverSM)
		d.EsmClass = data.SM_SMSC_DLV_RCPT_TYPE
		d.SourceAddr, _ = pdu.NewAddressWithTonNpiAddr(1, 1, s.To) // as it came
		d.DestAddr, _ = pdu.NewAddressWithTonNpiAddr(s.SourceTON, s.SourceNPI, s.From)
		text := r.Text
		if strings.Contains(text, "%s") {
			text = fmt.Sprintf(text, s.ID)
		}
		_ = d.Message.SetMessageDataWithEncoding([]byte(text), data.GSM7BIT) // short
		for tag, value := range r.TLVs {
			d.RegisterOptionalParam(pdu.Field{Tag: tag, Data: value})
		}
		if !o.Again {
			c.tell(d)
			continue
		}
		buffer := pdu.NewBuffer(nil)
		d.Marshal(buffer)
		c.deliver(d.SequenceNumber, buffer.Bytes())
	}
}

// keep remembers a submit.
func (c *SMSC) keep(s Submit) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.ID != "" {
		c.accepted++
	}
	if !c.forgets {
		c.got = append(c.got, s)
	}
}

func read(p *pdu.SubmitSM) Submit {
	s := Submit{From: p.SourceAddr.Address(), To: p.DestAddr.Address(), SourceTON: p.SourceAddr.Ton(), SourceNPI: p.SourceAddr.Npi(),
		ESMClass: p.EsmClass, Registered: p.RegisteredDelivery, Validity: p.ValidityPeriod}
	if p.Message.Encoding() != nil {
		s.Coding = p.Message.Encoding().DataCoding()
	}
	s.Header, _ = p.Message.UDH().MarshalBinary() // it was read from octets
	s.Octets, _ = p.Message.GetMessageData()      // it never fails
	if whole, has := p.OptionalParameters[pdu.TagMessagePayload]; has {
		s.Octets, s.Payload = whole.Data, true
	}
	return s
}
