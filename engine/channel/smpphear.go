package channel

import (
	"context"
	"errors"
	"time"

	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"

	"beckon/campaigns"
)

const (
	hearMax      = 200                   // deliveries given to the listener at once
	hearWait     = 50 * time.Millisecond // the longest that one waits for others
	assemblyBeat = time.Second           // how often parts that wait for others are looked at
	listening    = 30 * time.Second      // within which the listener keeps what it is given
)

var errDeaf = errors.New("nobody listens")

// hear gives a session's deliveries to the listener until it is over, and answers each when what it says is durable.
func (t *texts) hear(ctx context.Context, s *binding) {
	beat := time.NewTicker(assemblyBeat)
	defer beat.Stop()
	for {
		select {
		case d := <-s.deliveries:
			t.give(ctx, s, s.gather(d))
		case <-beat.C:
			t.assembly.flush(ctx, t, partsWait)
		case <-s.over:
			t.rest(ctx, s)
			return
		}
	}
}

// rest gives on what a session that is over had brought. The peer learns nothing of it and says it again.
func (t *texts) rest(ctx context.Context, s *binding) {
	for batch := []*pdu.DeliverSM(nil); ; {
		select {
		case d := <-s.deliveries:
			if batch = append(batch, d); len(batch) == hearMax {
				t.give(ctx, s, batch)
				batch = nil
			}
		default:
			if len(batch) > 0 {
				t.give(ctx, s, batch)
			}
			return
		}
	}
}

// gather takes what comes close upon a first delivery: one alone is given on at once, a stream in batches.
func (s *binding) gather(first *pdu.DeliverSM) []*pdu.DeliverSM {
	batch := []*pdu.DeliverSM{first}
	longest := time.NewTimer(hearWait)
	defer longest.Stop()
	linger := time.NewTimer(s.patience.linger)
	defer linger.Stop()
	for len(batch) < hearMax {
		select {
		case d := <-s.deliveries:
			batch = append(batch, d)
			linger.Reset(s.patience.linger)
			continue
		case <-linger.C:
		case <-longest.C:
		case <-s.over:
		}
		break
	}
	return batch
}

// give hands a batch to the listener. What it does not take the provider is asked to say again.
func (t *texts) give(ctx context.Context, s *binding, batch []*pdu.DeliverSM) {
	now := t.clock()
	var receipts []campaigns.Receipt
	var receipted []int32
	for _, d := range batch {
		r, is := t.receipt(d, now)
		if !is {
			s.answerDelivery(d.SequenceNumber, t.assembly.take(ctx, t, d))
			continue
		}
		receipted = append(receipted, d.SequenceNumber)
		if r.ProviderID != "" { // else it is about nothing that could be found
			receipts = append(receipts, r)
		}
	}
	err := t.giveReceipts(ctx, receipts)
	for _, n := range receipted {
		s.answerDelivery(n, err)
	}
}

func (t *texts) giveReceipts(ctx context.Context, receipts []campaigns.Receipt) error {
	if t.listener.Receipts == nil {
		return errDeaf
	}
	if len(receipts) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, listening)
	defer cancel()
	return t.listener.Receipts(ctx, receipts)
}

func (t *texts) giveInbound(ctx context.Context, in campaigns.Inbound) error {
	if t.listener.Inbound == nil {
		return errDeaf
	}
	ctx, cancel := context.WithTimeout(ctx, listening)
	defer cancel()
	return t.listener.Inbound(ctx, []campaigns.Inbound{in})
}

// answerDelivery tells the peer that a delivery is kept, or that it should come again.
func (s *binding) answerDelivery(sequence int32, err error) {
	status := data.ESME_ROK
	if err != nil {
		status = data.ESME_RX_T_APPN
	}
	s.reply(pdu.NewDeliverSMResp(), status, sequence)
}
