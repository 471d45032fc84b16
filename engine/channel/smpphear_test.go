package channel

import (
	"bytes"
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"

	"beckon/campaigns"
	"beckon/engine/channel/smsctest"
)

func TestAReceiptSaysWhatBecameOfAMessage(t *testing.T) {
	const named = "id:%s sub:001 dlvrd:001 submit date:2611201200 done date:2611201201 "
	cases := map[string]struct {
		receipt smsctest.Receipt
		status  campaigns.MessageStatus
		hard    bool
	}{
		"delivered":                 {smsctest.Delivered(), campaigns.MessageDelivered, false},
		"undeliverable":             {smsctest.Receipt{Text: named + "stat:UNDELIV err:027 text:hi"}, campaigns.MessageFailed, false},
		"an unknown subscriber":     {smsctest.Receipt{Text: named + "stat:UNDELIV err:001 text:hi"}, campaigns.MessageFailed, true},
		"rejected":                  {smsctest.Receipt{Text: named + "stat:REJECTD err:001 text:hi"}, campaigns.MessageFailed, false},
		"expired":                   {smsctest.Receipt{Text: named + "stat:EXPIRED err:000 text:hi"}, campaigns.MessageFailed, false},
		"deleted, in small":         {smsctest.Receipt{Text: "ID:%s STAT:deleted"}, campaigns.MessageFailed, false},
		"on its way":                {smsctest.Receipt{Text: named + "stat:ENROUTE err:000"}, "", false},
		"accepted":                  {smsctest.Receipt{Text: named + "stat:ACCEPTD err:000"}, "", false},
		"nobody knows":              {smsctest.Receipt{Text: named + "stat:UNKNOWN err:000"}, "", false},
		"a text that says id:":      {smsctest.Receipt{Text: named + "stat:DELIVRD err:000 text:id:99 stat:UNDELIV"}, campaigns.MessageDelivered, false},
		"TLVs alone":                {smsctest.Receipt{TLVs: map[pdu.Tag][]byte{pdu.TagReceiptedMessageID: []byte("1\x00"), pdu.TagMessageStateOption: {5}}}, campaigns.MessageFailed, false},
		"TLVs of another network":   {smsctest.Receipt{Text: "stat:UNDELIV err:001", TLVs: map[pdu.Tag][]byte{pdu.TagReceiptedMessageID: []byte("1"), pdu.TagNetworkErrorCode: {2, 0, 1}}}, campaigns.MessageFailed, false},
		"TLVs of no subscriber":     {smsctest.Receipt{TLVs: map[pdu.Tag][]byte{pdu.TagReceiptedMessageID: []byte("1"), pdu.TagMessageStateOption: {5}, pdu.TagNetworkErrorCode: {3, 0, 1}}}, campaigns.MessageFailed, true},
		"a TLV that says delivered": {smsctest.Receipt{TLVs: map[pdu.Tag][]byte{pdu.TagReceiptedMessageID: []byte("1"), pdu.TagMessageStateOption: {2}}}, campaigns.MessageDelivered, false},
	}
	for name, said := range cases {
		t.Run(name, func(t *testing.T) {
			c, e := newSMSC(t), newEars()
			c.Order(smsctest.Orders{Receipts: func(smsctest.Submit) []smsctest.Receipt { return []smsctest.Receipt{said.receipt} }})
			bound(t, texter(t, c, e, nil))
			if got := within(t, e.receipts, "receipt"); got.ProviderID != "1" || got.Status != said.status || got.Hard != said.hard || got.Detail == "" || !got.At.Equal(noon()) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestAReceiptNamesTheMessageAsItsAnswerDid(t *testing.T) {
	cases := map[string]struct{ setting, answered, receipted, want string }{
		"alike":                      {"", "00Ab", "00Ab", "00Ab"},
		"answers decimal":            {campaigns.ReceiptIDsHex, "0012345678901234567890", "AB54A98CEB1F0AD2", "12345678901234567890"},
		"answers in hex":             {campaigns.ReceiptIDsDecimal, "ab54a98ceb1f0ad2", "12345678901234567890", "12345678901234567890"},
		"answers that are no number": {campaigns.ReceiptIDsDecimal, "x-1", "x-1", "x-1"},
	}
	for name, said := range cases {
		t.Run(name, func(t *testing.T) {
			c, e := newSMSC(t), newEars()
			c.Order(smsctest.Orders{ID: func(int64) (string, string) { return said.answered, said.receipted },
				Receipts: func(smsctest.Submit) []smsctest.Receipt { return []smsctest.Receipt{smsctest.Delivered()} }})
			s := texter(t, c, e, func(s *campaigns.ChannelSettings) { s.ReceiptIDs = said.setting })
			if got := s.Send(t.Context(), text("hi")); got.ProviderID != said.want {
				t.Errorf("answered: %+v", got)
			}
			if got := within(t, e.receipts, "receipt"); got.ProviderID != said.want {
				t.Errorf("receipted: %+v", got)
			}
		})
	}
}

func TestAReceiptIsAcknowledgedOnlyWhenItIsKept(t *testing.T) {
	c, e := newSMSC(t), newEars()
	e.deaf = 1
	c.Order(smsctest.Orders{Early: true, Receipts: func(smsctest.Submit) []smsctest.Receipt { return []smsctest.Receipt{smsctest.Delivered()} }})
	s := texter(t, c, e, nil)
	bound(t, s)
	eventually(t, func() bool { return c.Answers(data.ESME_RX_T_APPN) == 1 })
	if n := c.Answers(data.ESME_ROK); n != 0 || len(e.receipts) != 0 {
		t.Fatalf("%d acknowledged, %d kept", n, len(e.receipts))
	}
	bound(t, s)
	within(t, e.receipts, "receipt")
	eventually(t, func() bool { return c.Answers(data.ESME_ROK) == 1 })
}

func TestAReceiptThatWasPutOffOrCutOffComesAgain(t *testing.T) {
	c, e := newSMSC(t), newEars()
	e.deaf = 2
	c.Order(smsctest.Orders{Again: true, Answer: func(n int, _ smsctest.Submit) smsctest.Answer { return smsctest.Answer{HangUpThen: n == 1} },
		Receipts: func(smsctest.Submit) []smsctest.Receipt { return []smsctest.Receipt{smsctest.Delivered()} }})
	bound(t, texter(t, c, e, nil))
	if got := within(t, e.receipts, "receipt"); got.ProviderID != "1" {
		t.Errorf("%+v", got)
	}
	eventually(t, func() bool { return c.Answers(data.ESME_ROK) == 1 })
}

func TestWhatASessionBroughtIsGivenOnThoughItBroke(t *testing.T) {
	const said = 5
	c := newSMSC(t)
	c.Order(smsctest.Orders{Answer: func(int, smsctest.Submit) smsctest.Answer { return smsctest.Answer{HangUpThen: true} },
		Receipts: func(smsctest.Submit) []smsctest.Receipt {
			return slices.Repeat([]smsctest.Receipt{smsctest.Delivered()}, said)
		}})
	s := newTexts(campaigns.ChannelSettings{Host: "127.0.0.1", Port: c.Port()}, Options{Clock: noon})
	s.patience.linger = 0
	heard := make(chan campaigns.Receipt, said)
	s.listener.Receipts = func(_ context.Context, receipts []campaigns.Receipt) error {
		if first := sessionOf(s); first != nil {
			<-first.over // it listens slowly
		}
		for _, r := range receipts {
			heard <- r
		}
		return nil
	}
	s.start()
	defer s.Close()
	bound(t, s)
	for range said {
		within(t, heard, "receipt")
	}
}

func TestWhereNobodyListensNothingIsTaken(t *testing.T) {
	c := newSMSC(t)
	c.Order(smsctest.Orders{Receipts: func(smsctest.Submit) []smsctest.Receipt { return []smsctest.Receipt{smsctest.Delivered()} }})
	bound(t, texter(t, c, nil, nil))
	eventually(t, func() bool { return c.Answers(data.ESME_RX_T_APPN) == 1 })
}

// eventually waits for what another process does in its own time.
func eventually(t *testing.T, is func() bool) {
	t.Helper()
	for range 20_000 {
		if is() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("it never came true")
}

// written is what somebody sends us.
func written(coding byte, header pdu.UDH, octets []byte, tlvs map[pdu.Tag][]byte) *pdu.DeliverSM {
	d := pdu.NewDeliverSM().(*pdu.DeliverSM)
	d.SourceAddr, _ = pdu.NewAddressWithTonNpiAddr(1, 1, "8613812345678")
	d.DestAddr, _ = pdu.NewAddressWithTonNpiAddr(0, 1, "10690001")
	_ = d.Message.SetMessageDataWithEncoding(octets, data.FromDataCoding(coding))
	if header != nil {
		d.EsmClass |= data.SM_UDH_GSM
		d.Message.SetUDH(header)
	}
	for tag, value := range tlvs {
		d.RegisterOptionalParam(pdu.Field{Tag: tag, Data: value})
	}
	return d
}

func wide(text string) []byte {
	octets, _ := data.UCS2.Encode(text)
	return octets
}

func TestWhatPeopleWriteIsReadInItsAlphabet(t *testing.T) {
	cases := map[string]struct {
		d    *pdu.DeliverSM
		want string
	}{
		"GSM":                {written(0, nil, []byte("STOP \x1b\x65"), nil), "STOP €"},
		"Latin as default":   {written(0, nil, []byte("caf\xe9"), nil), "café"},
		"ASCII":              {written(1, nil, []byte("STOP"), nil), "STOP"},
		"Latin":              {written(3, nil, []byte("caf\xe9"), nil), "café"},
		"Chinese":            {written(8, nil, wide("退订"), nil), "退订"},
		"an emoji":           {written(8, nil, []byte{0xD8, 0x3D, 0xDE, 0x00}, nil), "😀"},
		"half an emoji":      {written(8, nil, []byte{0xD8, 0x3D, 0, 'a'}, nil), "\uFFFDa"},
		"Cyrillic":           {written(6, nil, []byte{0xC1, 0xC2}, nil), "СТ"},
		"a zero within":      {written(1, nil, []byte("ST\x00OP"), nil), "STOP"},
		"in message_payload": {written(1, nil, nil, map[pdu.Tag][]byte{pdu.TagMessagePayload: []byte("STOP")}), "STOP"},
	}
	c, e := newSMSC(t), newEars()
	bound(t, texter(t, c, e, nil))
	for name, said := range cases {
		t.Run(name, func(t *testing.T) {
			if err := c.Deliver(said.d); err != nil {
				t.Fatal(err)
			}
			got := within(t, e.inbound, "text")
			if got.Text != said.want || got.From != "+8613812345678" || got.To != "10690001" || !got.At.Equal(noon()) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestATextInPartsIsPutTogether(t *testing.T) {
	part := func(total, n byte, words string) *pdu.DeliverSM {
		return written(8, pdu.UDH{{ID: 0, Data: []byte{7, total, n}}}, wide(words), nil)
	}
	long := func(n byte, words string) *pdu.DeliverSM {
		return written(1, pdu.UDH{{ID: 8, Data: []byte{1, 7, 2, n}}}, []byte(words), nil)
	}
	sar := func(n byte, words string) *pdu.DeliverSM {
		return written(1, nil, []byte(words), map[pdu.Tag][]byte{pdu.TagSarMsgRefNum: {0, 9}, pdu.TagSarTotalSegments: {2}, pdu.TagSarSegmentSeqnum: {n}})
	}
	cases := map[string]struct {
		parts []*pdu.DeliverSM
		want  string
	}{
		"in order":              {[]*pdu.DeliverSM{part(2, 1, "退"), part(2, 2, "订")}, "退订"},
		"in another order":      {[]*pdu.DeliverSM{part(3, 3, "c"), part(3, 1, "a"), part(3, 2, "b")}, "abc"},
		"one of them twice":     {[]*pdu.DeliverSM{part(2, 2, "b"), part(2, 2, "b"), part(2, 1, "a")}, "ab"},
		"a long reference":      {[]*pdu.DeliverSM{long(2, "b"), long(1, "a")}, "ab"},
		"by TLV":                {[]*pdu.DeliverSM{sar(1, "a"), sar(2, "b")}, "ab"},
		"a part beyond the end": {[]*pdu.DeliverSM{part(2, 3, "alone")}, "alone"},
		"part zero":             {[]*pdu.DeliverSM{part(2, 0, "alone")}, "alone"},
	}
	for name, said := range cases {
		t.Run(name, func(t *testing.T) {
			c, e := newSMSC(t), newEars()
			bound(t, texter(t, c, e, nil))
			for _, d := range said.parts {
				if err := c.Deliver(d); err != nil {
					t.Fatal(err)
				}
			}
			if got := within(t, e.inbound, "text"); got.Text != said.want {
				t.Errorf("%+v", got)
			}
			eventually(t, func() bool { return c.Answers(data.ESME_ROK) == len(said.parts) })
		})
	}
}

func TestATextThatWasNotKeptComesAgainWhole(t *testing.T) {
	c, e := newSMSC(t), newEars()
	s := texter(t, c, e, nil)
	bound(t, s)
	e.mu.Lock()
	e.deaf = 1
	e.mu.Unlock()
	last := written(1, pdu.UDH{{ID: 0, Data: []byte{7, 2, 2}}}, []byte("OP"), nil)
	for _, d := range []*pdu.DeliverSM{written(1, pdu.UDH{{ID: 0, Data: []byte{7, 2, 1}}}, []byte("ST"), nil), last} {
		if err := c.Deliver(d); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, func() bool { return c.Answers(data.ESME_RX_T_APPN) == 1 })
	if err := c.Deliver(last); err != nil {
		t.Fatal(err)
	}
	if got := within(t, e.inbound, "text"); got.Text != "STOP" {
		t.Errorf("%+v", got)
	}
}

func TestABrokenTextEndsNoSession(t *testing.T) {
	c, e := newSMSC(t), newEars()
	s := texter(t, c, e, nil)
	bound(t, s)
	broken := written(0, nil, []byte{200, 1, 2}, nil) // a header longer than the text
	broken.EsmClass |= data.SM_UDH_GSM
	if err := c.Deliver(broken); err != nil {
		t.Fatal(err)
	}
	if err := c.Deliver(written(4, nil, []byte{1, 2, 3}, nil)); err != nil { // binary
		t.Fatal(err)
	}
	unknown := []byte{0, 0, 0, 16, 0, 0, 1, 0x55, 0, 0, 0, 0, 0, 0, 0, 9}
	if err := c.Raw(unknown); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return c.Answers(data.ESME_RX_P_APPN) == 1 && c.Answers(data.ESME_ROK) == 1 })
	bound(t, s)
	if c.Binds() != 1 || len(e.inbound) != 0 {
		t.Errorf("%d binds, %d texts", c.Binds(), len(e.inbound))
	}
}

func TestNonsenseEndsTheSessionAndAnotherBegins(t *testing.T) {
	c := newSMSC(t)
	s := texter(t, c, nil, nil)
	for name, octets := range map[string][]byte{"a page of HTML": []byte("HTTP/1.1 400 Bad Request\r\n\r\n<html>no</html>"), "a PDU of no length": make([]byte, 64)} {
		t.Run(name, func(t *testing.T) {
			c.Order(smsctest.Orders{Answer: func(int, smsctest.Submit) smsctest.Answer { return smsctest.Answer{Raw: octets} }})
			eventually(t, func() bool { return s.Send(t.Context(), text("hi")).Status == Unknown })
			c.Order(smsctest.Orders{})
			eventually(t, func() bool { return s.Send(t.Context(), text("hi")).Status == Sent })
		})
	}
}

// piped is a sender in a bubble of time of its own, whose connections lead to an SMSC in it.
func piped(t *testing.T, c *smsctest.SMSC, e *ears, dialled *[]time.Duration) *texts {
	start := time.Now()
	s := newTexts(campaigns.ChannelSettings{}, Options{Clock: func() time.Time { return time.Now() }, Listener: e.listener()})
	s.dial = func(context.Context) (net.Conn, error) {
		*dialled = append(*dialled, time.Since(start).Round(time.Second))
		if c == nil {
			return nil, errors.New("refused")
		}
		ours, theirs := net.Pipe()
		go c.Serve(theirs)
		return ours, nil
	}
	s.start()
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestASubmitWithoutAnAnswerIsUnknownAndItsSessionOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dialled []time.Duration
		c := smsctest.Silent()
		c.Order(smsctest.Orders{Answer: func(int, smsctest.Submit) smsctest.Answer { return smsctest.Answer{Silent: true} }})
		s := piped(t, c, newEars(), &dialled)
		start := time.Now()
		got := s.Send(t.Context(), text("hi"))
		if took := time.Since(start); got.Status != Unknown || took != 10*time.Second || !strings.Contains(got.Detail, "does not answer") {
			t.Errorf("%+v after %v", got, took)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if len(dialled) != 2 || dialled[1] != 11*time.Second || s.Close() != nil {
			t.Errorf("dialled at %v", dialled)
		}
		synctest.Wait()
	})
}

func TestASessionThatAnswersNoEnquiryIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dialled []time.Duration
		c := smsctest.Silent()
		s := piped(t, c, newEars(), &dialled)
		time.Sleep(605 * time.Second)
		synctest.Wait()
		if len(dialled) != 1 || c.Bound() != 1 {
			t.Errorf("while it answers: dialled at %v, %d bound", dialled, c.Bound())
		}
		c.Order(smsctest.Orders{Mute: true})
		time.Sleep(95 * time.Second)
		synctest.Wait()
		if len(dialled) != 2 || dialled[1] != 691*time.Second || s.Close() != nil {
			t.Errorf("dialled at %v", dialled)
		}
		synctest.Wait()
	})
}

func TestSessionsAreTriedAgainLessAndLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dialled []time.Duration
		s := piped(t, nil, newEars(), &dialled)
		time.Sleep(100 * time.Second)
		synctest.Wait()
		want := []time.Duration{0, 1, 3, 7, 15, 31, 61, 91}
		for i := range want {
			want[i] *= time.Second
		}
		if got := s.Send(t.Context(), text("hi")); !got.Unavailable || s.Close() != nil || len(dialled) != len(want) {
			t.Fatalf("%+v, dialled at %v", got, dialled)
		}
		for i := range want {
			if dialled[i] != want[i] {
				t.Errorf("dialled at %v, want %v", dialled, want)
			}
		}
		synctest.Wait()
	})
}

func TestPartsWaitAMinuteForTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dialled []time.Duration
		c, e := smsctest.Silent(), newEars()
		s := piped(t, c, e, &dialled)
		time.Sleep(time.Second)
		deliver := func(reference, n byte, words string) {
			if err := c.Deliver(written(1, pdu.UDH{{ID: 0, Data: []byte{reference, 3, n}}}, []byte(words), nil)); err != nil {
				t.Fatal(err)
			}
		}
		deliver(1, 3, "c")
		deliver(1, 1, "a")
		time.Sleep(59 * time.Second)
		if len(e.inbound) != 0 {
			t.Error("it did not wait")
		}
		time.Sleep(3 * time.Second)
		if len(e.inbound) != 1 || (<-e.inbound).Text != "ac" {
			t.Error("what was there was not given on")
		}
		deliver(2, 1, "closing")
		time.Sleep(time.Second)
		if err := s.Close(); err != nil || len(e.inbound) != 1 || (<-e.inbound).Text != "closing" {
			t.Error("closing lost a part")
		}
		synctest.Wait()
	})
}

func TestCloseSaysGoodbyeAndWaitsNoLongerThanTwoSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTexts(campaigns.ChannelSettings{}, Options{Clock: noon})
		ours, theirs := net.Pipe()
		defer theirs.Close()
		s.dial = func(context.Context) (net.Conn, error) { return ours, nil }
		s.start()
		f, err := readFrame(theirs)
		if err != nil || f.header.CommandID != data.BIND_TRANSCEIVER {
			t.Fatal(f, err)
		}
		b := pdu.NewBuffer(nil)
		f.body.GetResponse().Marshal(b)
		_, _ = theirs.Write(b.Bytes())
		synctest.Wait()
		heard := make(chan frame, 1)
		go func() { f, _ := readFrame(theirs); heard <- f }() // and answers nothing
		start := time.Now()
		if err := s.Close(); err != nil || time.Since(start) != 2*time.Second || (<-heard).header.CommandID != data.UNBIND {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// FuzzAPeer gives a session whatever bytes a peer may send.
func FuzzAPeer(f *testing.F) {
	for _, p := range []pdu.PDU{pdu.NewDeliverSM(), pdu.NewSubmitSMResp(), pdu.NewEnquireLink(), pdu.NewUnbindResp(), pdu.NewGenericNack(), pdu.NewAlertNotification(),
		written(8, pdu.UDH{{ID: 0, Data: []byte{7, 2, 1}}}, wide("退"), map[pdu.Tag][]byte{pdu.TagSarMsgRefNum: {0}, pdu.TagMessageStateOption: {2}, pdu.TagNetworkErrorCode: {3, 0, 1}})} {
		b := pdu.NewBuffer(nil)
		p.Marshal(b)
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, octets []byte) {
		s := newTexts(campaigns.ChannelSettings{}, Options{Clock: noon, Listener: newEars().listener()})
		in := bytes.NewReader(octets)
		for {
			f, err := readFrame(in)
			if err != nil {
				return
			}
			if d, is := f.body.(*pdu.DeliverSM); is {
				if _, is := s.receipt(d, noon()); !is {
					_ = s.assembly.take(t.Context(), s, d)
				}
			}
		}
	})
}
