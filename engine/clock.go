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

// watchClock keeps the node from claiming anything while its clock is too far from PostgreSQL's.
func (e *Engine) watchClock(ctx context.Context) error {
	if !e.realClock {
		return nil
	}
	ahead, within, err := e.store.Skew(ctx)
	if err != nil {
		return err
	}
	apartNow := ahead.Abs()-within > skewToClaim
	switch was := e.skewed.Swap(apartNow); {
	case apartNow && !was:
		e.log.Error("nothing is sent: this machine's clock differs too much from PostgreSQL's; let both follow a time server", "clock", apart(ahead)+" PostgreSQL's")
	case was && !apartNow:
		e.log.Info("this machine's clock agrees with PostgreSQL's again: sending goes on")
	}
	return nil
}
