package engine

import (
	"context"
	"time"

	"beckon/engine/channel"
)

// A node that stops gives its providers stopGrace to answer what they were handed, and stopLast to a Sender that was told
// to give up and does not: a stop takes ten seconds, and what cannot be known by then is unknown, not forgotten.
const (
	stopGrace = 5 * time.Second
	stopLast  = time.Second
)

// A handover hands messages to a sender, one after another. What has begun is not interrupted by the end of the batch's time:
// the lease is renewed meanwhile. Only a node that stops interrupts it, after its grace.
//
// Why a goroutine: a Sender that hangs in spite of its context must not keep its node from ending. It is left alone then;
// its session must not be touched any more. One goroutine serves all messages of a batch that go one after another: a new one
// for each would grow its stack anew each time.
type handover struct {
	work   chan channel.Message
	done   chan channel.Outcome
	over   <-chan struct{} // closed when the sender was told to give up
	giveUp context.CancelFunc
}

func newHandover(sender channel.Sender) *handover {
	ctx, giveUp := context.WithCancel(context.Background())
	h := &handover{work: make(chan channel.Message), done: make(chan channel.Outcome, 1), over: ctx.Done(), giveUp: giveUp}
	go func() {
		for m := range h.work {
			h.done <- sender.Send(ctx, m)
		}
	}()
	return h
}

func (h *handover) gaveUp() bool {
	select {
	case <-h.over:
		return true
	default:
		return false
	}
}

// close lets the sender go, and interrupts it where it was left alone.
func (h *handover) close() {
	close(h.work)
	h.giveUp()
}

// send sends a message. stop is closed when the node stops, nil for never. Abandoned says that the sender was left alone with
// it: nothing more can be sent.
func (h *handover) send(stop <-chan struct{}, m channel.Message) (o channel.Outcome, abandoned bool) {
	h.work <- m
	select {
	case o = <-h.done:
		return o, false
	case <-stop:
	}
	grace := time.AfterFunc(stopGrace, h.giveUp)
	defer grace.Stop()
	last := time.NewTimer(stopGrace + stopLast)
	defer last.Stop()
	select {
	case o = <-h.done:
		if o.Status == channel.Unknown && h.gaveUp() {
			o.Detail = "the node stopped before the provider answered: " + o.Detail
		}
		return o, false
	case <-last.C:
		return channel.Outcome{Status: channel.Unknown, Detail: "the node stopped before the provider answered"}, true
	}
}
