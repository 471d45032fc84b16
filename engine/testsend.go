package engine

import (
	"context"
	"slices"
	"strings"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/audience"
	"beckon/engine/channel"
	"beckon/templates"
)

// A TestAsk says to whom test messages go, and whose message they show.
type TestAsk struct {
	To         []string // addresses: e-mail, phone numbers, or of a gateway's own kind
	CustomerID string   // whose message it is; empty: the first who matches the campaign's rule, or the first of all
	Variant    string   // of the campaign; empty for each
}

// A TestSent is what became of one test message.
type TestSent struct {
	To         string            `json:"to"`
	Variant    string            `json:"variant,omitempty"`
	ChannelID  string            `json:"channel_id,omitempty"`
	Status     string            `json:"status" enum:"sent,temporary,permanent,unknown,refused" doc:"what the provider said; refused where nothing was handed to it"`
	Detail     string            `json:"detail,omitempty"`
	ProviderID string            `json:"provider_id,omitempty"`
	Language   string            `json:"language,omitempty"`
	Parts      map[string]string `json:"parts,omitempty"`
	SMS        *templates.SMS    `json:"-"`
}

const (
	testsMax   = 10 // addresses of one test
	testMark   = "[Test] "
	testRefuse = "refused"
)

// TestCampaign sends a campaign's newest version to named addresses only, marked as a test. It enters nobody, is counted
// nowhere and issues no code: what stands for one is as long as one.
func (e *Engine) TestCampaign(ctx context.Context, actor string, id campaigns.ID, ask TestAsk) ([]TestSent, error) {
	p, err := e.planNewest(ctx, id)
	if err != nil {
		return nil, err
	}
	if len(p.variants) == 0 {
		return nil, campaigns.Conflict("an imported campaign was sent elsewhere: there is nothing to test")
	}
	if ask.Variant != "" && p.variantNamed(ask.Variant) == nil {
		return nil, campaigns.Invalid("variant", "there is no variant %q", ask.Variant)
	}
	no, err := e.testCustomer(ctx, p, ask.CustomerID)
	if err != nil {
		return nil, err
	}
	return e.test(ctx, actor, p, no, ask, "campaign", id)
}

// TestTemplate sends a template through a channel to named addresses only.
func (e *Engine) TestTemplate(ctx context.Context, actor string, t Trial, ask TestAsk) ([]TestSent, error) {
	var p *plan
	err := e.store.View(ctx, func(tx *store.Tx) (err error) {
		p, err = e.trialPlan(ctx, tx, t)
		return err
	})
	if err != nil {
		return nil, err
	}
	no, err := e.testCustomer(ctx, p, ask.CustomerID)
	if err != nil {
		return nil, err
	}
	return e.test(ctx, actor, p, no, ask, "template", t.Template)
}

// testCustomer is whose message a test shows.
func (e *Engine) testCustomer(ctx context.Context, p *plan, id string) (no int64, err error) {
	if id == "" && p.rule != nil {
		found, err := e.findSoon(ctx, audience.Question{Conditions: []audience.Asked{{Rule: p.rule, At: p.at}}, Members: true})
		if err != nil {
			return 0, err
		}
		if !found.Members.IsEmpty() {
			return int64(found.Members.Minimum()), nil
		}
	}
	err = e.store.View(ctx, func(tx *store.Tx) error {
		if id != "" {
			c, err := tx.Customer(ctx, id)
			if err == nil {
				no = c.No
			}
			return err
		}
		first, err := tx.ListCustomers(ctx, 0, 1)
		if err == nil && len(first) == 0 {
			return campaigns.Conflict("there is no customer whose message could be shown: create one first")
		}
		if err == nil {
			no = first[0].No
		}
		return err
	})
	return no, err
}

// test renders what a customer would get by each way that reaches one of the addresses, and hands it over.
func (e *Engine) test(ctx context.Context, actor string, p *plan, no int64, ask TestAsk, subject string, id campaigns.ID) ([]TestSent, error) {
	to, err := testAddresses(p, ask.To)
	if err != nil {
		return nil, err
	}
	links, err := e.links(ctx, p.workspace)
	if err != nil {
		return nil, err
	}
	links.inert = true // whoever tries a test's link changes nobody's consent
	var sent []TestSent
	err = e.store.View(ctx, func(tx *store.Tx) error {
		b := p.showing(tx, links)
		if err := b.load(ctx, []int64{no}); err != nil {
			return err
		}
		if len(b.people) == 0 {
			return campaigns.NotFound("customer", ask.CustomerID)
		}
		for i := range p.variants {
			if v := &p.variants[i]; ask.Variant == "" || v.Name == ask.Variant {
				for _, address := range to {
					sent = append(sent, b.tested(v, address))
				}
			}
		}
		return e.refuseSuppressed(ctx, tx, to, sent)
	})
	if err != nil {
		return nil, err
	}
	e.handTests(ctx, sent)
	said := map[string]any{"to": ask.To, "customer_no": no, "outcomes": testOutcomes(sent)}
	return sent, e.store.Update(ctx, func(tx *store.Tx) error { return tx.Audit(ctx, actor, "test", subject, id.String(), nil, said) })
}

// a testAddress is one of the addresses, in the form in which its kind is kept.
type testAddress struct{ kind, text string }

// testAddresses reads addresses: with an @ they are e-mail, of digits phone numbers, else of a kind of their own that one of
// the ways carries.
func testAddresses(p *plan, texts []string) (to []testAddress, err error) {
	var checks campaigns.Checks
	checks.Require(len(texts) > 0 && len(texts) <= testsMax, "to", "should name 1 to %d addresses", testsMax)
	for _, text := range texts {
		if strings.Contains(text, "@") {
			normal, err := campaigns.NormalEmail(text)
			if err == nil {
				err = campaigns.CheckBareAddress(normal)
			}
			checks.Require(err == nil, "to", "%.60q is not a bare e-mail address", text)
			to = append(to, testAddress{campaigns.Email, normal})
			continue
		}
		if normal, err := campaigns.NormalPhone(text, p.workspace.Country); err == nil {
			to = append(to, testAddress{campaigns.SMS, normal})
			continue
		}
		own := ""
		for i := range p.variants {
			for _, w := range p.variants[i].ways {
				if w.kind != campaigns.Email && w.kind != campaigns.SMS {
					own = w.kind
				}
			}
		}
		checks.Require(own != "", "to", "%.60q is neither an e-mail address nor a phone number", text)
		checks.Add(campaigns.CheckID("to", text))
		to = append(to, testAddress{own, text})
	}
	slices.SortFunc(to, func(a, b testAddress) int { return strings.Compare(a.kind+a.text, b.kind+b.text) })
	return slices.Compact(to), checks.Err()
}

// tested is the first person's message by the way of a variant that goes to a kind of address, not handed over yet.
func (b *batch) tested(v *variant, to testAddress) TestSent {
	t := TestSent{To: to.text, Variant: v.Name, Status: testRefuse}
	i := slices.IndexFunc(v.ways, func(w way) bool { return w.kind == to.kind })
	if i < 0 {
		t.Detail = "no way of this variant goes to this kind of address"
		return t
	}
	w := &v.ways[i]
	m, parts, err := b.show(&b.people[0], v, w)
	if err != nil {
		t.Detail = "this customer would get no message: " + plainly(err).Error()
		return t
	}
	for _, name := range []string{"subject", "text"} { // an e-mail is marked where lists show it, a text message where it begins
		if _, has := parts[name]; has {
			parts[name] = testMark + parts[name]
			break
		}
	}
	t.ChannelID, t.Language, t.Parts, t.Status, t.SMS = w.ChannelID, m.Language, parts, "", travels(w.kind, parts)
	return t
}

// refuseSuppressed stops tests to addresses that are never sent to.
func (e *Engine) refuseSuppressed(ctx context.Context, tx *store.Tx, to []testAddress, sent []TestSent) error {
	for _, address := range to {
		hash, err := e.store.AddressHash(ctx, address.kind, address.text)
		if err != nil {
			return err
		}
		listed, err := tx.Suppressed(ctx, address.kind, [][]byte{hash})
		if err != nil {
			return err
		}
		for i := range sent {
			if sent[i].To == address.text && len(listed) > 0 {
				sent[i].Status, sent[i].Detail = testRefuse, "the address is on the suppression list: it is never sent to"
			}
		}
	}
	return nil
}

// handTests hands over what is to be sent, channel by channel.
func (e *Engine) handTests(ctx context.Context, sent []TestSent) {
	open := map[string]channel.Sender{}
	defer func() {
		for _, sender := range open {
			_ = sender.Close() // the session ends either way
		}
	}()
	for i := range sent {
		t := &sent[i]
		if t.Status == testRefuse {
			continue
		}
		if open[t.ChannelID] == nil {
			sender, err := e.openForTest(ctx, t.ChannelID)
			if err != nil {
				t.Status, t.Detail = testRefuse, err.Error()
				continue
			}
			open[t.ChannelID] = sender
		}
		o := open[t.ChannelID].Send(ctx, channel.Message{ID: campaigns.NewID(e.store.Now()).String(), To: t.To, Parts: t.Parts})
		t.Status, t.Detail, t.ProviderID = string(o.Status), o.Detail, o.ProviderID
	}
}

func (e *Engine) openForTest(ctx context.Context, id string) (sender channel.Sender, err error) {
	var c campaigns.Channel
	err = e.store.View(ctx, func(tx *store.Tx) (err error) {
		c, err = tx.Channel(ctx, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return channel.Open(c, channel.Options{Clock: e.store.Now})
}

// testOutcomes are what the audit log keeps of tests: whom they went to and what came of it, without their words.
func testOutcomes(sent []TestSent) []TestSent {
	kept := slices.Clone(sent)
	for i := range kept {
		kept[i].Parts = nil
	}
	return kept
}
