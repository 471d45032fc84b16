package engine

import (
	"context"
	"slices"
	"strconv"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/lift"
)

// sharersMax is the most customers whom one address makes an arm of their own; an address of more is nobody's, such as a
// shop's own number typed in for a thousand customers, and would put them all into one arm.
const sharersMax = 5

// reachAny is what a campaign says that sends also to those whom only some of its variants reach.
const reachAny = "any"

// assign draws the arms of those who have none in this period, and a variant for those outside the comparison.
func (b *batch) assign(ctx context.Context, nos []int64) error {
	var existing map[int64]store.Assignment
	if b.others {
		var err error
		if existing, err = b.books.Assignments(ctx, b.campaign.ID, b.period, nos); err != nil {
			return err
		}
	}
	keys, crowded, err := b.armBases(ctx, nos, existing)
	if err != nil {
		return err
	}
	for i := range b.people {
		p := &b.people[i]
		if p.gate != "" {
			continue
		}
		arm, has := existing[p.no]
		if b.neverHolds(p) && (!has || arm.Arm == campaigns.Holdout) || !has && b.misses(p) {
			b.assignOutside(p)
			continue
		}
		if !has {
			arm = store.Assignment{No: p.no}
			key, known := keys[p.no]
			if !known {
				key = b.armKey(p, crowded)
				arm.Key = key
			}
			name, bucket := b.armOf(key)
			arm.Arm, arm.Bucket = name, int16(bucket)
		}
		p.arm = arm
		b.standFor(p)
	}
	return nil
}

// armBases are the keys that people have from other arms, and which addresses are crowded: as far as somebody has no arm yet,
// and no key.
func (b *batch) armBases(ctx context.Context, nos []int64, existing map[int64]store.Assignment) (keys map[int64]string, crowded map[string]map[string]bool, err error) {
	lacks := func(has func(no int64) bool) bool {
		return slices.ContainsFunc(b.people, func(p person) bool { return p.gate == "" && !has(p.no) })
	}
	if !lacks(func(no int64) bool { _, has := existing[no]; return has }) {
		return nil, nil, nil
	}
	if keys, err = b.books.ArmKeys(ctx, nos); err != nil {
		return nil, nil, err
	}
	if lacks(func(no int64) bool { _, has := existing[no]; _, known := keys[no]; return has || known }) {
		crowded, err = b.crowdedAddresses(ctx)
	}
	return keys, crowded, err
}

// standFor finds the variant that somebody in an arm gets: a ghost's is drawn among the variants as if nobody were held out,
// so that ghosts count for the caps of the same channels as messages do.
func (b *batch) standFor(p *person) {
	p.variant = b.variantNamed(p.arm.Arm)
	if p.variant == nil { // held out, or a variant that this version no longer has
		p.variant = b.drawVariant(p.no, "ghost", func(*variant) bool { return true })
	}
	p.ways = append(p.ways, b.wayOf(p, p.variant))
	for i := range b.variants {
		if v := &b.variants[i]; v != p.variant {
			p.ways = append(p.ways, b.wayOf(p, v))
		}
	}
}

// neverHolds says whether somebody is sent to outside the comparison because the campaign never holds them out.
func (b *batch) neverHolds(p *person) bool {
	return b.neverHeldOut != nil && b.neverHeldOut.Matches(p.record, b.at)
}

// misses says whether somebody is sent to outside the comparison because only some of the variants reach them. Who has an arm
// keeps it, whatever reaches them later: those held out would else be sent to and still be compared.
func (b *batch) misses(p *person) bool {
	if b.campaign.Reach != reachAny {
		return false
	}
	for i := range b.variants {
		if !b.reaches(p, &b.variants[i]) {
			return true
		}
	}
	return false
}

func (b *batch) assignOutside(p *person) {
	p.outside = true
	p.variant = b.drawVariant(p.no, "outside", func(v *variant) bool { return b.reaches(p, v) })
	p.arm = store.Assignment{No: p.no, Arm: p.variant.Name}
	p.ways = append(p.ways, b.wayOf(p, p.variant))
}

// drawVariant draws among the variants that may be, by their weights and a hash that has nothing to do with the arm's.
func (b *batch) drawVariant(no int64, salt string, may func(v *variant) bool) *variant {
	weights, any := make([]float64, len(b.variants)), false
	for i := range b.variants {
		if may(&b.variants[i]) {
			weights[i] = b.variants[i].Weight
			any = any || weights[i] > 0
		}
	}
	if !any {
		return &b.variants[0]
	}
	shares, err := lift.Arms(0, weights)
	if err != nil {
		return &b.variants[0] // weights were checked when the campaign was saved
	}
	bucket := lift.KeyBucket(b.campaign.Salt+" "+b.period+" "+salt, "no "+strconv.FormatInt(no, 10))
	i := lift.Choose(bucket, lift.Ranges(shares[1:], 1))
	if i < 0 { // beyond the last range by rounding
		for i = len(weights) - 1; weights[i] == 0; i-- {
		}
	}
	return &b.variants[i]
}

// armKey is what somebody's arm is drawn by, where no arm of theirs has a key yet.
func (b *batch) armKey(p *person, crowded map[string]map[string]bool) string {
	phone, _ := b.field(p, "phone_hash").([]byte)
	email, _ := b.field(p, "email_hash").([]byte)
	return armKey(p.no, phone, email, crowded)
}

// crowdedAddresses are those of too many customers: of the whole shop where the run knows them, else of the batch's people.
func (b *batch) crowdedAddresses(ctx context.Context) (map[string]map[string]bool, error) {
	if b.crowded != nil {
		return b.crowded, nil
	}
	crowded := map[string]map[string]bool{}
	for _, kind := range []string{campaigns.SMS, campaigns.Email} {
		hashes := b.hashes(kind)
		var err error
		if crowded[kind], err = b.books.Crowded(ctx, kind, hashes, sharersMax); err != nil {
			return nil, err
		}
	}
	return crowded, nil
}

// hashes are those of the addresses that the batch's people have of a kind.
func (b *batch) hashes(kind string) (hashes [][]byte) {
	for i := range b.people {
		if hash := b.hashOf(&b.people[i], kind); len(hash) > 0 {
			hashes = append(hashes, hash)
		}
	}
	return hashes
}

// reachAgain reads which addresses may not be written to, where the way to somebody depends on it.
func (b *batch) reachAgain(ctx context.Context, nos []int64) (err error) {
	if !b.choosesWays() {
		return nil
	}
	if b.topic, err = b.readTopic(ctx, b.books, nos); err != nil || b.listed != nil {
		return err
	}
	b.suppressed = map[string]map[string]bool{}
	for _, kind := range b.kinds {
		var err error
		if b.suppressed[kind], err = b.books.Suppressed(ctx, kind, b.hashes(kind)); err != nil {
			return err
		}
	}
	return nil
}

// choosesWays says whether people may be reached in more than one way, or by some variants only.
func (p *plan) choosesWays() bool {
	for i := range p.variants {
		if len(p.variants[i].ways) > 1 {
			return true
		}
	}
	return p.campaign.Reach == reachAny
}

// wayOf is the first way of a variant that reaches somebody; its own when none does any more, for the sender to refuse.
func (b *batch) wayOf(p *person, v *variant) *way {
	for i := range v.ways {
		if len(v.ways) > 1 && b.reachesBy(p, v.ways[i].kind) {
			return &v.ways[i]
		}
	}
	return &v.ways[0]
}

func (b *batch) reaches(p *person, v *variant) bool {
	for i := range v.ways {
		if b.reachesBy(p, v.ways[i].kind) {
			return true
		}
	}
	return false
}

// reachesBy says whether somebody has an address of a kind that may be written to. Transactional messages need no consent.
func (b *batch) reachesBy(p *person, kind string) bool {
	hash := b.hashOf(p, kind)
	return (b.isTransactional() || b.topic.consents(kind, p.no, b.consents(p, kind))) && len(hash) > 0 && !b.isSuppressed(p, kind, hash)
}

func (b *batch) isSuppressed(p *person, kind string, hash []byte) bool {
	if b.listed != nil {
		return b.listed[kind].Contains(uint64(p.no))
	}
	return b.suppressed[kind][string(hash)]
}

func hashColumn(kind string) string {
	if kind == campaigns.SMS {
		return "phone_hash"
	}
	return "email_hash"
}

func consentColumn(kind string) string {
	if kind == campaigns.SMS {
		return "sms_consent"
	}
	return "email_consent"
}

func addressColumn(kind string) string {
	if kind == campaigns.SMS {
		return "phone"
	}
	return "email"
}
