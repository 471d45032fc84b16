package engine

import (
	"context"
	"slices"

	"beckon/campaigns/store"
)

// inGroups leads visits through the gates in as few groups as there can be: all together, unless what a campaign asks about its
// visitors is among what is written of them on the way. Then it reads what those before it left, as a run would.
func (e *Engine) inGroups(ctx context.Context, tx *store.Tx, visits []*visit) (broken []*brokenCampaign, err error) {
	for _, group := range grouped(visits) {
		own, err := e.through(ctx, tx, group, shareBooks)
		if err != nil {
			return nil, err
		}
		broken = append(broken, own...)
	}
	return broken, nil
}

// grouped are visits in their order, in groups that share their books. One that reads what is written goes by itself, and
// each further arrival of a customer after the one before.
func grouped(visits []*visit) (groups [][]*visit) {
	written, open := writtenBy(visits), false
	for _, v := range visits {
		switch {
		case v.reads(written):
			for _, arrivals := range v.rounds() {
				round := *v
				round.arrivals = arrivals
				groups = append(groups, []*visit{&round})
			}
			open = false
		case open:
			groups[len(groups)-1] = append(groups[len(groups)-1], v)
		default:
			groups, open = append(groups, []*visit{v}), true
		}
	}
	return groups
}

// writtenBy are the histories that have more rows of visitors once they were let in: a coupon is there at once, and so is the
// message that a ghost would have got. Others' messages are in their history when they were sent.
func writtenBy(visits []*visit) (histories []string) {
	if slices.ContainsFunc(visits, func(v *visit) bool { return len(v.plan.offers()) > 0 }) {
		histories = append(histories, "coupons")
	}
	if slices.ContainsFunc(visits, func(v *visit) bool { return v.plan.campaign.HoldoutShare() > 0 }) {
		histories = append(histories, "messages")
	}
	return histories
}

// reads says whether a visit's gates or messages look at one of some histories.
func (v *visit) reads(histories []string) bool {
	return len(histories) > 0 && slices.ContainsFunc(v.plan.asked().Histories, func(name string) bool { return slices.Contains(histories, name) })
}

// rounds are a visit's arrivals in their order, in rounds where nobody is twice.
func (v *visit) rounds() (rounds [][]arrival) {
	times := map[int64]int{}
	for _, a := range v.arrivals {
		if times[a.no] == len(rounds) {
			rounds = append(rounds, nil)
		}
		rounds[times[a.no]] = append(rounds[times[a.no]], a)
		times[a.no]++
	}
	return rounds
}
