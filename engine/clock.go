package engine

import (
	"context"
	"fmt"
	"time"

	"beckon/campaigns/store"
)

// Leases are times that all nodes compare, so their clocks have to agree: with PostgreSQL's, which all of them ask.
const (
	skewToStart = time.Second
	skewToClaim = 4 * time.Second // less than leaseMargin: nobody takes a lease for over while its owner still sends
)

// CheckClock says whether this node's clock is close enough to PostgreSQL's to serve. What asking took is taken off.
func CheckClock(ctx context.Context, s *store.Store) error {
	ahead, within, err := s.Skew(ctx)
	if err != nil {
		return err
	}
	if ahead.Abs()-within > skewToStart {
		return fmt.Errorf("this machine's clock is %s PostgreSQL's: nodes whose clocks differ by more than %s could send a message twice. Let both follow a time server (timedatectl set-ntp true) and start again",
			apart(ahead), skewToStart)
	}
	return nil
}

func apart(ahead time.Duration) string {
	if ahead < 0 {
		return fmt.Sprintf("%s behind", (-ahead).Round(time.Millisecond))
	}
	return fmt.Sprintf("%s ahead of", ahead.Round(time.Millisecond))
}

// sound says whether this node's clock agrees with PostgreSQL's, and keeps the node from claiming anything while it does
// not. Whatever takes over what others have in hand, because its time seems to be over, asks first: a clock that jumps ahead
// between two looks at it would take what living nodes are sending for lost, and one that jumps back would lease nothing.
func (e *Engine) sound(ctx context.Context, by clocked) (bool, error) {
	_, sound, err := e.ahead(ctx, by)
	return sound, err
}

// clocked is what says how far this node's clock is from PostgreSQL's: the store, or within a transaction that transaction,
// which has its connection already.
type clocked interface {
	Skew(ctx context.Context) (ahead, within time.Duration, err error)
}

// ahead is by how much this node's clock is ahead of PostgreSQL's, zero while they agree.
func (e *Engine) ahead(ctx context.Context, asked clocked) (by time.Duration, sound bool, err error) {
	if !e.realClock {
		return 0, true, nil
	}
	by, within, err := asked.Skew(ctx)
	if err != nil {
		return 0, false, err
	}
	apartNow := by.Abs()-within > skewToClaim
	switch was := e.skewed.Swap(apartNow); {
	case apartNow && !was:
		e.log.Error("nothing is sent: this machine's clock differs too much from PostgreSQL's; let both follow a time server", "clock", apart(by)+" PostgreSQL's")
	case was && !apartNow:
		e.log.Info("this machine's clock agrees with PostgreSQL's again: sending goes on")
	}
	if !apartNow {
		by = 0
	}
	return by, !apartNow, nil
}

// IsSkewed says whether this machine's clock was, when it was last compared, too far from PostgreSQL's to send anything.
func (e *Engine) IsSkewed() bool { return e.skewed.Load() }

// decidedMax is how long a message is in hand at most, by a clock that runs as it should.
const decidedMax = 2 * time.Minute

// decided is when what becomes of a claimed message counts as decided: now, unless the clock jumped since it was claimed, for
// what waits would wait by as much longer.
func decided(now, claimed time.Time) time.Time {
	if since := now.Sub(claimed); !claimed.IsZero() && (since < -skewToClaim || since > decidedMax) {
		return claimed
	}
	return now
}
