package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"beckon/engine"
)

const (
	sendRows        = 100_000
	sendRowsFew     = 10_000 // where it is one of several measures
	sendRounds      = 5
	sendConnections = 3 // what a channel has when it names none
	sendBar         = 0.85

	memoryRows    = 1_000_000
	memoryRowsFew = 100_000
	memoryMax     = 200 // MB

	nodesRows = 3_000
	nodesWait = 20 * time.Millisecond // of a provider that is the limit: a node sends 150 a second through three sessions
	nodesBar  = 1.6
)

// measureSend compares messages claimed, rendered, sent and recorded with a bare go-mail loop that sends the same finished
// messages over as many connections to the same sink; it measures the memory that sending takes, and what a second node
// brings where the provider is the limit.
func measureSend(ctx context.Context, g *ground) (rows []Row, err error) {
	rounds := g.Rounds
	defer func() { g.Rounds = rounds }()
	if !g.chosen {
		g.Rounds = sendRounds
	}
	for i, how := range shapes() {
		row, err := g.sendBeside(ctx, fmt.Sprintf("send_%d", i), how)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", how.name, err)
		}
		if !how.plain {
			rows = append(rows, row)
			continue
		}
		g.note("Through a sink that offers no PIPELINING, which a bare loop makes no use of: %.0f messages/s beside %.0f, %.2f", row.Value, row.Beside, down(row.Ratio))
	}
	g.Rounds = min(g.Rounds, rounds)
	memory, err := g.sendMemory(ctx)
	if err != nil {
		return nil, err
	}
	nodes, err := g.sendNodes(ctx)
	if err != nil {
		return nil, err
	}
	g.note("Queueing 1,000,000 is measured by beckon bench campaigns")
	return append(append(rows, memory...), nodes), nil
}

func shapes() []shape {
	return []shape{
		{name: "e-mail sent, state durable"},
		{name: "e-mail signed with Ed25519 and sent, state durable", signed: true},
		{name: "e-mail sent through a sink without PIPELINING", plain: true},
	}
}

// few is how many a round has: fewer where it is one of several measures.
func (g *ground) few(usual, few int) int {
	if g.several {
		usual = few
	}
	return g.rows(usual)
}

// sendBeside measures one shape beside the bare loop.
func (g *ground) sendBeside(ctx context.Context, database string, how shape) (row Row, err error) {
	s, err := newSending(ctx, g, database, g.few(sendRows, sendRowsFew), how)
	if err != nil {
		return row, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	measured, err := g.alternate(ctx, "send", s.ours, s.bare)
	if err != nil {
		return row, err
	}
	return measured.row(how.name, "messages/s", 0, 1, sendBar), nil
}

// sendMemory measures the most memory that this process has while a million messages are sent: all of it, with no
// customers kept in memory. It is not known everywhere.
func (g *ground) sendMemory(ctx context.Context) (rows []Row, err error) {
	s, err := newSending(ctx, g, "send_memory", g.few(memoryRows, memoryRowsFew), shape{lean: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if _, err := s.queue(ctx, 0); err != nil {
		return nil, err
	}
	debug.FreeOSMemory() // what making the customers took
	before := resident()
	if before == 0 {
		g.note("How much memory sending takes is not known here: the system does not say it")
		return nil, nil
	}
	end, most := make(chan struct{}), make(chan int64)
	go func() {
		highest := before
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-end:
				most <- max(highest, resident())
				return
			case <-ticker.C:
				highest = max(highest, resident())
			}
		}
	}()
	rate, err := s.ours(ctx, 0)
	close(end)
	highest := float64(<-most) / 1e6
	if err != nil {
		return nil, err
	}
	g.note("%d messages were sent in one go at %.0f a second; the process had %.0f MB before", s.n, rate, float64(before)/1e6)
	return []Row{below(fmt.Sprintf("memory while sending %d", s.n), "MB", highest, memoryMax)}, nil
}

// resident is how many bytes of memory this process has, 0 where Linux does not say it.
func resident() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(text))
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// sendNodes compares two nodes with one. A node is an engine with connections and leases of its own; that both live in one
// process changes nothing where the provider is the limit.
func (g *ground) sendNodes(ctx context.Context) (row Row, err error) {
	s, err := newSending(ctx, g, "send_nodes", min(g.rows(nodesRows), nodesRows), shape{wait: nodesWait})
	if err != nil {
		return row, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	second, err := g.again(ctx, "send_nodes", 4*sendConnections)
	if err != nil {
		return row, err
	}
	defer second.Close()
	other := engine.New(second, s.shape.options())
	two := func(ctx context.Context, round int) (float64, error) { return s.through(ctx, 2*round, s.engine, other) }
	one := func(ctx context.Context, round int) (float64, error) { return s.through(ctx, 2*round+1, s.engine) }
	measured, err := g.alternate(ctx, "send, two nodes", two, one)
	if err != nil {
		return row, err
	}
	return measured.row(fmt.Sprintf("two nodes, a provider that takes %s a message", nodesWait), "messages/s", 0, 1, nodesBar), nil
}
