package channel

import (
	"context"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"

	"beckon/campaigns"
)

// Ask asks about each of a message's ids by query_sm (SMPP 3.4, 4.8). A message without one cannot be asked about: SMPP
// knows messages by the SMSC's names alone.
func (t *texts) Ask(ctx context.Context, q Question) ([]campaigns.Receipt, error) {
	var receipts []campaigns.Receipt
	for _, id := range q.ProviderIDs {
		for _, form := range t.queriedIDs(id) {
			r, knows, err := t.query(ctx, form)
			if err != nil {
				return nil, err
			}
			if knows {
				r.ProviderID = id
				receipts = append(receipts, r)
				break
			}
		}
	}
	return receipts, nil
}

// cutOffMax is after how many sessions that ended while something was asked nothing is asked any more.
const cutOffMax = 2

// query asks about one id. A session that leaves a query without an answer is not asked again: it would stand in the way of
// what is sent.
//
// Nor is an SMSC asked again that ended its session more than once while it was asked: all that was under way with it became
// unknown.
//
// Why a query that is not answered ends nothing: many SMSCs leave query_sm out, and what is under way would become unknown.
func (t *texts) query(ctx context.Context, id string) (r campaigns.Receipt, knows bool, err error) {
	s, err := t.bound(ctx)
	if err != nil || s.mum.Load() || t.cutOff.Load() >= cutOffMax {
		return r, false, err
	}
	p := pdu.NewQuerySM().(*pdu.QuerySM)
	p.MessageID = id
	ton, npi, from := t.settings.Source()
	p.SourceAddr, _ = pdu.NewAddressWithTonNpiAddr(ton, npi, from) // its length was checked
	answered, _, done, err := s.begin(ctx, p)
	if err != nil {
		return r, false, err
	}
	defer done()
	late := time.NewTimer(s.patience.answer)
	defer late.Stop()
	select {
	case f := <-answered:
		r, knows, err = queryAnswer(f)
	case <-late.C:
		s.mum.Store(true)
	case <-ctx.Done():
		err = ctx.Err()
	case <-s.over:
		t.cutOff.Add(1)
		err = s.why()
	}
	r.At = t.clock()
	return r, knows, err
}

// queryAnswer reads an answer to query_sm. What the SMSC has never heard of, has forgotten or will not tell is nothing known;
// only what says to ask later is an error.
func queryAnswer(f frame) (r campaigns.Receipt, knows bool, err error) {
	switch f.header.CommandStatus {
	case data.ESME_ROK:
	case data.ESME_RTHROTTLED, data.ESME_RMSGQFUL, data.ESME_RSYSERR, data.ESME_RX_T_APPN:
		return r, false, fmt.Errorf("the provider answers no question now: %s", f.header.CommandStatus)
	default:
		return r, false, nil
	}
	body, is := f.body.(*pdu.QuerySMResp)
	if !is {
		return r, false, nil
	}
	switch body.MessageState {
	case data.SM_STATE_EN_ROUTE, data.SM_STATE_ACCEPTED:
	case data.SM_STATE_DELIVERED, data.SM_STATE_EXPIRED, data.SM_STATE_DELETED, data.SM_STATE_UNDELIVERABLE, data.SM_STATE_REJECTED:
		r.Status = messageState(body.MessageState)
	default: // "unknown" is a state too
		return r, false, nil
	}
	r.Detail = shorten(fmt.Sprintf("the provider was asked: state %d, error %d, final date %s", body.MessageState, body.ErrorCode, firstOf(strings.ToValidUTF8(body.FinalDate, "?"), "none")))
	return r, true, nil
}

// queriedIDs are the forms in which the SMSC may know an id: that of its answer to the submit. Where that was hexadecimal it is
// kept in decimal, and neither its letters' case nor its zeros are: both cases are asked about.
func (t *texts) queriedIDs(id string) []string {
	n, is := new(big.Int).SetString(id, 10)
	if t.settings.ReceiptIDs != campaigns.ReceiptIDsDecimal || !is || len(id) > 64 {
		return []string{id}
	}
	lower := n.Text(16)
	if upper := strings.ToUpper(lower); upper != lower {
		return []string{lower, upper}
	}
	return []string{lower}
}
