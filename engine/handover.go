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

// handOver sends a message. What has begun is not interrupted by the end of the batch's time: the lease is renewed
// meanwhile. Only a node that stops interrupts it, after its grace. stop is closed when the node stops, nil for never.
//
// Why a goroutine: a Sender that hangs in spite of its context must not keep its node from ending. It is left alone then;
// abandoned says so, for its session must not be touched any more.
func handOver(stop <-chan struct{}, sender channel.Sender, m channel.Message) (o channel.Outcome, abandoned bool) {
	ctx, giveUp := context.WithCancel(context.Background())
	defer giveUp()
	done := make(chan channel.Outcome, 1)
	go func() { done <- sender.Send(ctx, m) }()
	select {
	case o = <-done:
		return o, false
	case <-stop:
	}
	grace := time.AfterFunc(stopGrace, giveUp)
	defer grace.Stop()
	last := time.NewTimer(stopGrace + stopLast)
	defer last.Stop()
	select {
	case o = <-done:
		if o.Status == channel.Unknown && ctx.Err() != nil {
			o.Detail = "the node stopped before the provider answered: " + o.Detail
		}
		return o, false
	case <-last.C:
		return channel.Outcome{Status: channel.Unknown, Detail: "the node stopped before the provider answered"}, true
	}
}
