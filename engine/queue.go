package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/audience"
	"beckon/engine/offers"
	"beckon/engine/rules"
)

// Queue draws arms and writes messages for one run, a part of its audience at a time. A part is taken out of the eligible
// and put at its gates in the same transaction that enters, assigns, issues and queues: a crash leaves it eligible, and
// two nodes may queue the same run.
func (e *Engine) Queue(ctx context.Context) (int, error) {
	run, err := e.claimRun(ctx, campaigns.Queueing, campaigns.Queueing)
	if err != nil || run == nil {
		return 0, err
	}
	return 1, e.stopOnFault(ctx, run, e.queueRun(ctx, run))
}

func (e *Engine) queueRun(ctx context.Context, run *campaigns.Run) error {
	var p *plan
	err := e.store.View(ctx, func(tx *store.Tx) error {
		c, err := tx.CampaignVersion(ctx, run.CampaignID, run.Version)
		if err != nil {
			return err
		}
		p, err = e.newPlan(ctx, tx, c, run.Occurrence)
		return err
	})
	if err != nil {
		return err
	}
	cipher, err := e.cipher(ctx)
	if err != nil {
		return err
	}
	links, err := e.links(ctx, p.workspace)
	if err != nil {
		return err
	}
	if err := e.store.MonthsOfMessages(ctx); err != nil {
		return err
	}
	for ctx.Err() == nil {
		left := true
		err := e.store.Update(ctx, func(tx *store.Tx) error {
			b := &batch{plan: p, run: run, tx: tx, cipher: cipher, links: links, gates: map[campaigns.Gate][]int64{}}
			left, err = b.queuePart(ctx)
			if err != nil {
				return err
			}
			if !left {
				run.Status, run.QueuedAt = campaigns.Sending, &tx.Now
			}
			return tx.SaveRun(ctx, run, campaigns.Queueing, e.node, tx.Now.Add(Lease))
		})
		if err != nil {
			run.Status = campaigns.Queueing
			return err
		}
		e.nudge()
		if !left {
			return nil
		}
	}
	return ctx.Err()
}

// cipher makes unique codes; its key is the workspace's.
func (e *Engine) cipher(ctx context.Context) (*offers.Cipher, error) {
	key, err := e.store.Secret(ctx, "codes")
	if err != nil {
		return nil, err
	}
	return offers.NewCipher(key)
}

// A batch is one part of a run's audience on its way through the gates after the arms.
type batch struct {
	*plan
	run      *campaigns.Run
	tx       *store.Tx
	cipher   *offers.Cipher
	links    links
	gates    map[campaigns.Gate][]int64
	people   []*person
	messages []campaigns.Message
	coupons  []campaigns.Coupon
}

// A person is one customer of a batch.
type person struct {
	no      int64
	record  rules.Record
	arm     store.Assignment
	variant *variant // the one they get; a ghost's is the one its message stands for
	gate    campaigns.Gate
}

func (b *batch) queuePart(ctx context.Context) (bool, error) {
	part, err := b.tx.TakePart(ctx, b.run.ID)
	if err != nil || len(part.Nos) == 0 {
		return false, err
	}
	for _, do := range []func(context.Context, []int64) error{b.load, b.enter, b.assign, b.walk} {
		if err := do(ctx, part.Nos); err != nil {
			return false, err
		}
	}
	if err := b.write(ctx); err != nil {
		return false, err
	}
	return true, b.tx.PutPart(ctx, b.run.ID, part, b.gates)
}

// load reads what entry keys, arm keys and the templates' variables need.
func (b *batch) load(ctx context.Context, nos []int64) error {
	needs := b.needs().With([]string{"id", "email", "phone"}, nil)
	for _, v := range b.variants {
		for i := range v.ways {
			needs = needs.With(b.variablesNeed(&v.ways[i]))
		}
	}
	found := map[int64]bool{}
	err := audience.Each(ctx, b.tx, store.Span{Nos: nos}, needs, b.at, func(no int64, record rules.Record) error {
		kept := make(rules.Record, len(record))
		for name, value := range record {
			kept[name] = value
		}
		b.people = append(b.people, &person{no: no, record: kept})
		found[no] = true
		return nil
	})
	for _, no := range nos {
		if !found[no] { // erased since it was selected
			b.gates[campaigns.GateAddress] = append(b.gates[campaigns.GateAddress], no)
		}
	}
	return err
}

// enter lets in who is inside the entry limit: the insert decides between two runs that want the same customer.
func (b *batch) enter(ctx context.Context, nos []int64) error {
	var earlier map[int64]store.EntryHistory
	if e := b.campaign.Entry; e != nil && e.Every != nil {
		var err error
		if earlier, err = b.tx.EntryHistoriesOf(ctx, b.campaign.ID, nos); err != nil {
			return err
		}
	}
	keys := make(map[int64]string, len(b.people))
	for _, p := range b.people {
		if b.mayEnter(p.no, p.record, earlier[p.no]) {
			keys[p.no] = b.entryKey(p.no, p.record, earlier[p.no])
		}
	}
	entered, err := b.tx.Enter(ctx, b.run, keys)
	if err != nil {
		return err
	}
	b.people = slices.DeleteFunc(b.people, func(p *person) bool {
		if !entered[p.no] {
			b.gates[campaigns.GateEntry] = append(b.gates[campaigns.GateEntry], p.no)
		}
		return !entered[p.no]
	})
	return nil
}

// assign draws the arms of those who have none in this period.
func (b *batch) assign(ctx context.Context, _ []int64) error {
	nos := make([]int64, len(b.people))
	for i, p := range b.people {
		nos[i] = p.no
	}
	proposed, err := b.armKeys(ctx)
	if err != nil {
		return err
	}
	existing, err := b.tx.Assignments(ctx, b.campaign.ID, b.period, nos)
	if err != nil {
		return err
	}
	keys, err := b.tx.ArmKeys(ctx, proposed)
	if err != nil {
		return err
	}
	for _, p := range b.people {
		arm, has := existing[p.no]
		if !has {
			name, bucket := b.armOf(keys[p.no])
			arm = store.Assignment{No: p.no, Arm: name, Bucket: int16(bucket)}
		}
		p.arm = arm
		p.variant = b.variantNamed(arm.Arm)
		if p.variant == nil { // held out, or a variant that this version no longer has
			p.variant = &b.variants[0]
		}
	}
	return nil
}

// sharersMax is the most customers whom one address makes an arm of their own; an address of more is nobody's, such as a
// shop's own number typed in for a thousand customers, and would put them all into one arm.
const sharersMax = 5

// armKeys are hashes of the phone, else the e-mail, else the number: people who share an address share an arm.
func (b *batch) armKeys(ctx context.Context) (map[int64]string, error) {
	kinds := []struct{ name, column, prefix string }{{campaigns.SMS, "phone_hash", "phone "}, {campaigns.Email, "email_hash", "email "}}
	crowded := map[string]map[string]bool{}
	for _, kind := range kinds {
		var hashes [][]byte
		for _, p := range b.people {
			if hash, ok := p.record[kind.column].([]byte); ok {
				hashes = append(hashes, hash)
			}
		}
		var err error
		if crowded[kind.name], err = b.tx.Crowded(ctx, kind.name, hashes, sharersMax); err != nil {
			return nil, err
		}
	}
	keys := make(map[int64]string, len(b.people))
	for _, p := range b.people {
		basis := fmt.Sprintf("no %d", p.no)
		for _, kind := range kinds {
			if hash, ok := p.record[kind.column].([]byte); ok && len(hash) > 0 && !crowded[kind.name][string(hash)] {
				basis = kind.prefix + string(hash)
				break
			}
		}
		sum := sha256.Sum256([]byte(basis))
		keys[p.no] = hex.EncodeToString(sum[:12])
	}
	return keys, nil
}

// walk takes everybody through the gates after the arm, ghosts alike. Those gates never see the arm: whoever could not be
// sent one of the variants is stopped in every arm, or the arms would differ in more than their messages.
func (b *batch) walk(ctx context.Context, _ []int64) error {
	closed := slices.ContainsFunc(b.variants, b.isClosed)
	var withCode []*person
	for _, p := range b.people {
		switch {
		case closed:
			p.gate = campaigns.GateCode
		case !b.isPrintable(p):
			p.gate = campaigns.GateTemplate
		case p.variant.offer != nil && !b.isGhost(p):
			withCode = append(withCode, p)
		}
	}
	serials, err := b.tx.NextSerials(ctx, len(withCode))
	if err != nil {
		return err
	}
	codes := make(map[int64]string, len(withCode))
	for i, p := range withCode {
		codes[p.no] = strings.ReplaceAll(b.cipher.Code(serials[i]), "-", "")
	}
	for _, p := range b.people {
		if p.gate == "" {
			b.message(p, codes[p.no])
		}
	}
	return nil
}

func (b *batch) isGhost(p *person) bool { return p.arm.Arm == campaigns.Holdout }

// isClosed says whether a variant's offer cannot be used now.
func (b *batch) isClosed(v variant) bool {
	if v.offer == nil {
		return false
	}
	expires := v.offer.ExpiresAt(b.tx.Now, b.workspace.Location())
	return v.offer.Status != campaigns.OfferLive || (expires != nil && !b.tx.Now.Before(*expires))
}

// message writes the message and the coupon of somebody who passed all gates.
func (b *batch) message(p *person, code string) {
	w := &p.variant.ways[0]
	vars := b.values(p, p.variant, w, code)
	address, _ := p.record["email"].(string)
	if w.kind == campaigns.SMS {
		address, _ = p.record["phone"].(string)
	}
	now := b.tx.Now
	m := campaigns.Message{ID: campaigns.NewID(now), No: p.no, CampaignID: b.campaign.ID, RunID: b.run.ID, Version: b.run.Version, Variant: p.arm.Arm,
		Ghost: b.isGhost(p), Channel: w.kind, ChannelID: w.ChannelID, TemplateID: w.TemplateID,
		TemplateRevision: w.revision, Address: address, Vars: vars, Code: code, DueAt: now, NotAfter: now.Add(b.campaign.UsefulTime()), PlannedAt: now, Exempt: b.campaign.Purpose == "transactional"}
	if m.Ghost {
		m.Vars, m.Address = nil, ""
	}
	b.messages = append(b.messages, m)
	if code != "" {
		offer := p.variant.offer
		b.coupons = append(b.coupons, campaigns.Coupon{No: p.no, Code: code, OfferID: offer.ID, OfferRevision: offer.Revision, CampaignID: &b.campaign.ID,
			RunID: &b.run.ID, MessageID: &m.ID, ExpiresAt: offer.ExpiresAt(now, b.workspace.Location()), UsesMax: offer.UsesPerCode()})
	}
	p.gate = campaigns.GatePassed
	if p.arm.DueAt == nil {
		due := now.Truncate(time.Second)
		p.arm.DueAt = &due
	}
}

// write keeps arms, messages and coupons, and puts everybody at a gate: a ghost at the holdout, its later gate beside.
func (b *batch) write(ctx context.Context) error {
	assignments := make([]store.Assignment, 0, len(b.people))
	for _, p := range b.people {
		assignments = append(assignments, p.arm)
		gate := p.gate
		if b.isGhost(p) {
			if gate != campaigns.GatePassed {
				b.gates[campaigns.GhostGate(gate)] = append(b.gates[campaigns.GhostGate(gate)], p.no)
			}
			gate = campaigns.GateHoldout
		}
		b.gates[gate] = append(b.gates[gate], p.no)
	}
	slices.SortFunc(assignments, func(x, y store.Assignment) int { return int(x.No - y.No) })
	if err := b.tx.SaveAssignments(ctx, b.run, b.period, assignments); err != nil {
		return err
	}
	if err := b.tx.QueueMessages(ctx, b.messages); err != nil {
		return err
	}
	return b.tx.IssueCoupons(ctx, b.coupons)
}

// varsMax is the most bytes that one message's variables may take as JSON.
const varsMax = 4096

// someCode stands for a code where none is used: it is as long as one.
const someCode = "0000000000000"

// isPrintable says whether every variant's template can be printed for somebody: none of its variables is missing without
// a default, and together they are not too long.
func (b *batch) isPrintable(p *person) bool {
	for i := range b.variants {
		v := &b.variants[i]
		w := &v.ways[0]
		vars := b.values(p, v, w, someCode)
		if _, err := w.template.Render(vars); err != nil {
			return false
		}
		if text, err := json.Marshal(vars); err != nil || len(text) > varsMax || strings.Contains(string(text), `\u0000`) {
			return false
		}
	}
	return true
}
