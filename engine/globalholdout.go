package engine

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/audience"
	"beckon/engine/lift"
	"beckon/engine/rules"
)

// A quarter is a global holdout at work: who is a member follows from a hash of its salt and a customer's arm key, until
// that was kept; from then on it is what was kept.
type quarter struct {
	campaigns.GlobalHoldout
	drawn   bool
	crowded map[string]map[string]bool // by kind: address hashes of more than sharersMax customers
}

// quarterNow is the quarter that the transaction's time is in. One that was not drawn yet has the settings' share.
func quarterNow(ctx context.Context, tx *store.Tx, w *campaigns.Workspace) (*quarter, error) {
	name, begins, ends := campaigns.QuarterOf(tx.Now, w.Location())
	found, drawn, err := tx.GlobalHoldout(ctx, name)
	if err != nil || drawn {
		return &quarter{GlobalHoldout: found, drawn: drawn}, err
	}
	secret, err := tx.Secret(ctx, "holdout")
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, secret)
	_, _ = mac.Write([]byte(name)) // a hash never fails
	return &quarter{GlobalHoldout: campaigns.GlobalHoldout{Quarter: name, Salt: hex.EncodeToString(mac.Sum(nil)[:12]), Share: w.GlobalHoldout,
		BeginsAt: begins, EndsAt: ends}}, nil
}

// armKey is what arms are drawn by: a hash of the phone, else of the e-mail, else of the number, so that people who share an
// address share an arm. An address of too many is nobody's.
func armKey(no int64, phone, email []byte, crowded map[string]map[string]bool) string {
	basis := fmt.Sprintf("no %d", no)
	switch {
	case len(phone) > 0 && !crowded[campaigns.SMS][string(phone)]:
		basis = "phone " + string(phone)
	case len(email) > 0 && !crowded[campaigns.Email][string(email)]:
		basis = "email " + string(email)
	}
	sum := sha256.Sum256([]byte(basis))
	return hex.EncodeToString(sum[:12])
}

// readCrowded reads which addresses belong to too many, unless that is known.
func (q *quarter) readCrowded(ctx context.Context, tx *store.Tx) (err error) {
	if q.crowded != nil {
		return nil
	}
	q.crowded, err = tx.AllCrowded(ctx, sharersMax)
	return err
}

// crowdedFrom is how many customers are worth reading all crowded addresses for; of fewer only their own are looked up.
const crowdedFrom = 4 * audience.SpanSize

// divide draws customers: those whom the quarter holds out, and the others.
func (q *quarter) divide(ctx context.Context, tx *store.Tx, of *roaring64.Bitmap) (held, free []int64, err error) {
	if of.GetCardinality() >= crowdedFrom {
		if err := q.readCrowded(ctx, tx); err != nil {
			return nil, nil, err
		}
	}
	ranges := lift.Ranges([]float64{q.Share, 1 - q.Share}, 1)
	return held, free, spans(of, func(nos []int64) error {
		some, err := addressesOf(ctx, tx, nos)
		if err != nil {
			return err
		}
		crowded := q.crowded
		if crowded == nil {
			if crowded, err = some.crowded(ctx, tx); err != nil {
				return err
			}
		}
		for i, no := range some.nos {
			key := armKey(no, some.hashes[campaigns.SMS][i], some.hashes[campaigns.Email][i], crowded)
			if lift.Choose(lift.KeyBucket(q.Salt, key), ranges) == 0 {
				held = append(held, no)
			} else {
				free = append(free, no)
			}
		}
		return nil
	})
}

// addressed are some customers and the hashes of their addresses by kind, nil where there is none.
type addressed struct {
	nos    []int64
	hashes map[string][][]byte
}

func addressesOf(ctx context.Context, tx *store.Tx, nos []int64) (addressed, error) {
	return (&plan{}).addressesOf(ctx, tx, nos)
}

// addressesOf are theirs of the shop's own kinds in a plan, too.
func (p *plan) addressesOf(ctx context.Context, tx *store.Tx, nos []int64) (addressed, error) {
	a := addressed{hashes: map[string][][]byte{}}
	columns, own := []string{"phone_hash", "email_hash"}, slices.Sorted(maps.Keys(p.own))
	for _, kind := range own {
		columns = append(columns, p.own[kind].Address)
	}
	err := eachOf(ctx, tx, nos, columns, func(no int64, values []any) error {
		phone, _ := values[0].([]byte)
		email, _ := values[1].([]byte)
		a.nos = append(a.nos, no)
		a.hashes[campaigns.SMS], a.hashes[campaigns.Email] = append(a.hashes[campaigns.SMS], phone), append(a.hashes[campaigns.Email], email)
		for i, kind := range own {
			a.hashes[kind] = append(a.hashes[kind], p.own[kind].hash(values[2+i]))
		}
		return nil
	})
	return a, err
}

// crowded are those of the addresses that belong to too many.
func (a addressed) crowded(ctx context.Context, tx *store.Tx) (map[string]map[string]bool, error) {
	crowded := map[string]map[string]bool{}
	for kind, hashes := range a.hashes {
		has := slices.DeleteFunc(slices.Clone(hashes), func(hash []byte) bool { return hash == nil })
		var err error
		if crowded[kind], err = tx.Crowded(ctx, kind, has, sharersMax); err != nil {
			return nil, err
		}
	}
	return crowded, nil
}

// heldGlobally says whether a global holdout applies to a plan's messages at all.
func (p *plan) heldGlobally() bool { return p.campaign.Purpose != "transactional" }

// gateGlobal stops the members of the quarter's holdout, and draws those whom it does not know yet.
func (s *sieve) gateGlobal(ctx context.Context, tx *store.Tx) error {
	if !s.heldGlobally() || s.rest.IsEmpty() {
		return nil
	}
	q, err := quarterNow(ctx, tx, s.workspace)
	if err != nil || q.Share == 0 {
		return err
	}
	s.quarter = q
	fresh := s.rest
	if q.drawn {
		members, known, err := tx.GlobalMembers(ctx, q.Quarter, nil)
		if err != nil {
			return err
		}
		s.stop(campaigns.GateGlobal, members)
		fresh = roaring64.AndNot(s.rest, known)
	}
	if s.newHeld, s.newcomers, err = q.divide(ctx, tx, fresh); err == nil {
		s.stop(campaigns.GateGlobal, setOf(s.newHeld))
	}
	return err
}

func setOf(nos []int64) *roaring64.Bitmap {
	set := roaring64.New()
	for _, no := range nos {
		set.Add(uint64(no))
	}
	return set
}

// gateGlobally divides a few customers by the quarter's holdout; meet keeps what it found.
func (p *plan) gateGlobally(ctx context.Context, from books, nos []int64) (held, free []int64, err error) {
	if !p.heldGlobally() || len(nos) == 0 {
		return nil, nos, nil
	}
	members, err := from.heldOut(ctx, p.workspace, nos)
	if err != nil {
		return nil, nil, err
	}
	for _, no := range nos {
		if members.Contains(uint64(no)) {
			held = append(held, no)
		} else {
			free = append(free, no)
		}
	}
	return held, free, nil
}

// meet keeps for ever whether customers whom campaigns came to that it applies to, and whom the quarter does not know yet,
// are members. It belongs into the transaction that enters them. Nothing is kept before the quarter is drawn.
func meet(ctx context.Context, tx *store.Tx, w *campaigns.Workspace, nos []int64) error {
	if len(nos) == 0 {
		return nil
	}
	q, err := quarterNow(ctx, tx, w)
	if err != nil || !q.drawn || q.Share == 0 {
		return err
	}
	_, known, err := tx.GlobalMembers(ctx, q.Quarter, nos)
	if err != nil {
		return err
	}
	held, free, err := q.divide(ctx, tx, roaring64.AndNot(setOf(nos), known))
	if err != nil {
		return err
	}
	return tx.KeepNewcomers(ctx, q.Quarter, held, free)
}

// DrawGlobalHoldout draws the present quarter's global holdout unless that was done, or the settings ask for none: of all
// whom a message could reach on any channel. It gives whether it drew.
func (e *Engine) DrawGlobalHoldout(ctx context.Context) (bool, error) {
	var q *quarter
	var at rules.Instant
	var everybody *rules.Rule
	err := e.store.View(ctx, func(tx *store.Tx) error {
		w, err := tx.Workspace(ctx)
		if err != nil {
			return err
		}
		if q, err = quarterNow(ctx, tx, w); err != nil {
			return err
		}
		at = rules.Instant{Now: tx.Now.Truncate(time.Second), Zone: w.Location()}
		everybody, err = rules.Compile(rules.NewSchema(w.Digits(), nil), "true")
		return err
	})
	if err != nil || q.drawn || q.Share == 0 {
		return false, err
	}
	question := audience.Question{Sets: true}
	for _, columns := range audience.ReachColumns() {
		question.Conditions = append(question.Conditions, audience.Asked{Rule: everybody, At: at, Where: columns[:]})
	}
	found, err := e.find(ctx, question)
	if err != nil {
		return false, err
	}
	population := roaring64.New()
	for _, set := range found.Sets {
		population.Or(set)
	}
	won := false
	err = e.store.Update(ctx, func(tx *store.Tx) error {
		held, free, err := q.divide(ctx, tx, population)
		if err != nil {
			return err
		}
		q.Population, q.Members = int64(len(held)+len(free)), int64(len(held))
		won, err = tx.CreateGlobalHoldout(ctx, &q.GlobalHoldout, setOf(held), setOf(free))
		return err
	})
	if won {
		e.log.Info("global holdout drawn", "quarter", q.Quarter, "population", q.Population, "members", q.Members)
	}
	return won, err
}

// rotateGlobalHoldout draws a quarter at its beginning where the one before was drawn; the first is drawn when a campaign
// first needs it, so that a share which is set on the first day counts.
func (e *Engine) rotateGlobalHoldout(ctx context.Context) error {
	has := false
	err := e.store.View(ctx, func(tx *store.Tx) (err error) {
		has, err = tx.HasGlobalHoldout(ctx)
		return err
	})
	if err == nil && has {
		_, err = e.DrawGlobalHoldout(ctx)
	}
	return err
}
