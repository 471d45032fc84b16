package audience

import "context"

// A gate lets many read or one change. Who changes can go on as a reader, without anybody changing in between; that and
// waiting that ends with a context are why this is no sync.RWMutex.
type gate struct {
	turn  chan struct{} // held by who changes, or waits to
	seats chan struct{} // a reader takes one, who changes all
}

const gateSeats = 64

func newGate() gate {
	g := gate{turn: make(chan struct{}, 1), seats: make(chan struct{}, gateSeats)}
	g.turn <- struct{}{}
	for range gateSeats {
		g.seats <- struct{}{}
	}
	return g
}

// take waits for a token or the end of ctx.
func take(ctx context.Context, tokens <-chan struct{}) error {
	select {
	case <-tokens:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// share waits to read; leave ends it.
func (g gate) share(ctx context.Context) error { return take(ctx, g.seats) }

func (g gate) leave() { g.seats <- struct{}{} }

// exclude waits to be alone; open ends it, and admit goes on as a reader.
func (g gate) exclude(ctx context.Context) error {
	if err := take(ctx, g.turn); err != nil {
		return err
	}
	for taken := range gateSeats {
		if err := take(ctx, g.seats); err != nil {
			g.giveBack(taken)
			return err
		}
	}
	return nil
}

func (g gate) open() { g.giveBack(gateSeats) }

func (g gate) admit() { g.giveBack(gateSeats - 1) }

func (g gate) giveBack(seats int) {
	for range seats {
		g.seats <- struct{}{}
	}
	g.turn <- struct{}{}
}

// busy says whether somebody reads or changes.
func (g gate) busy() bool { return len(g.seats) < gateSeats }
