package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/rules"
)

// kinds are the kinds of address of the shop's own, by name: those that its gateways describe.
type kinds map[string]campaigns.Kind

func readKinds(ctx context.Context, tx *store.Tx) (kinds, error) {
	channels, err := tx.Channels(ctx)
	known := kinds{}
	for i := range channels {
		if kind, is := channels[i].OwnKind(); is {
			known[kind.Name] = kind
		}
	}
	return known, err
}

// listed names them after others, such as ", wechat".
func (k kinds) listed() string {
	var list strings.Builder
	for _, name := range slices.Sorted(maps.Keys(k)) {
		list.WriteString(", " + name)
	}
	return list.String()
}

// ownKind is a kind of address of the shop's own, as a plan asks about it.
type ownKind struct {
	campaigns.Kind
	known     *rules.Rule // who has an address
	consented *rules.Rule // who consented; nil where nobody can
	key       []byte      // of address hashes
}

// planKinds makes those of a plan's kinds ready that are the shop's own.
func (p *plan) planKinds(ctx context.Context, tx *store.Tx, s *rules.Schema, checks *campaigns.Checks) error {
	var known kinds
	for _, name := range p.kinds {
		if name == campaigns.Email || name == campaigns.SMS {
			continue
		}
		var err error
		if known == nil {
			if known, err = readKinds(ctx, tx); err != nil {
				return err
			}
			p.own = map[string]ownKind{}
		}
		kind, is := known[name]
		if !is {
			checks.Add(campaigns.Invalid("variants", "no gateway says any more where the address of %s is: its settings have to name it (sends, address, consent)", name))
			continue
		}
		own := ownKind{Kind: kind}
		if own.key, err = tx.Secret(ctx, "addresses"); err != nil {
			return err
		}
		own.known, err = rules.Compile(s, kind.Address+` != nil && `+kind.Address+` != ""`)
		checks.Add(problems("variants", err))
		if kind.Consent != "" {
			own.consented, err = rules.Compile(s, kind.Consent+" == true")
			checks.Add(problems("variants", err))
		}
		p.own[name] = own
	}
	return nil
}

// address is what a customer's value of the kind's attribute says.
func (o ownKind) address(value any) string {
	text, _ := value.(string)
	return strings.TrimSpace(text)
}

// hash stands for an address in look-ups; nil where there is none.
func (o ownKind) hash(value any) []byte {
	text := o.address(value)
	if text == "" {
		return nil
	}
	return campaigns.AddressHash(o.key, o.Name, text)
}

// columns are those that say whether the kind reaches somebody.
func (o ownKind) columns() []string {
	if o.Consent == "" {
		return []string{o.Address}
	}
	return []string{o.Address, o.Consent}
}

// ownColumns are those of all the shop's own kinds in a plan.
func (p *plan) ownColumns() (columns []string) {
	for _, name := range slices.Sorted(maps.Keys(p.own)) {
		columns = append(columns, p.own[name].columns()...)
	}
	return columns
}

// addressOf is where somebody is written to by a kind of address, empty for nowhere.
func (b *batch) addressOf(p *person, kind string) string {
	if own, is := b.own[kind]; is {
		return own.address(b.field(p, own.Address))
	}
	address, _ := b.field(p, addressColumn(kind)).(string)
	return address
}

// hashOf stands for that address.
func (b *batch) hashOf(p *person, kind string) []byte {
	if own, is := b.own[kind]; is {
		return own.hash(b.field(p, own.Address))
	}
	hash, _ := b.field(p, hashColumn(kind)).([]byte)
	return hash
}

// consents says whether somebody consented to a kind of address.
func (b *batch) consents(p *person, kind string) bool {
	column := consentColumn(kind)
	if own, is := b.own[kind]; is {
		column = own.Consent
	}
	consent, _ := b.field(p, column).(bool)
	return consent
}

// checkKind says what is wrong with the kind of address that a gateway names: its attributes have to be there, and all that
// carry the kind have to mean the same by it.
func checkKind(ctx context.Context, tx *store.Tx, c *campaigns.Channel) error {
	kind, is := c.OwnKind()
	if !is {
		return nil
	}
	var checks campaigns.Checks
	for _, a := range []struct{ field, name, kind string }{{"settings.address", kind.Address, "text"}, {"settings.consent", kind.Consent, "bool"}} {
		if a.name == "" {
			continue
		}
		found, err := tx.Attribute(ctx, a.name)
		if err != nil && campaigns.CodeOf(err) != campaigns.CodeNotFound {
			return err
		}
		checks.Require(err == nil && found.HasColumn() && found.Type == a.kind, a.field, "there is no %s attribute %q that is kept for each customer: register it first", a.kind, a.name)
	}
	channels, err := tx.Channels(ctx)
	if err != nil {
		return err
	}
	for i := range channels {
		other, is := channels[i].OwnKind()
		same := other.Address == kind.Address && other.Consent == kind.Consent && slices.Equal(other.Parts, kind.Parts)
		checks.Require(!is || channels[i].ID == c.ID || other.Name != kind.Name || same, "settings.sends",
			"%s sends %s by another address, consent or parts: say the same in both", channels[i].Name, kind.Name)
	}
	return checks.Err()
}

// withoutConsent notes of which messages the owner's consent was withdrawn, by each kind's own attribute. A kind that no
// gateway describes any more is nobody's consent.
func withoutConsent(ctx context.Context, tx *store.Tx, byKind map[string][]campaigns.Message, reasons map[campaigns.ID]string) error {
	var usual []campaigns.Message
	var known kinds
	for name, messages := range byKind {
		if name == campaigns.Email || name == campaigns.SMS {
			usual = append(usual, messages...)
			continue
		}
		if known == nil {
			var err error
			if known, err = readKinds(ctx, tx); err != nil {
				return err
			}
		}
		refused, err := tx.WithoutOwnConsent(ctx, known[name], messages)
		if err != nil {
			return err
		}
		for id := range refused {
			reasons[id] = "consent was withdrawn"
		}
	}
	if len(usual) == 0 {
		return nil
	}
	refused, err := tx.WithoutConsent(ctx, usual)
	for id := range refused {
		reasons[id] = "consent was withdrawn"
	}
	return err
}

// CheckCapKinds says which caps count a kind of address that nobody describes.
func CheckCapKinds(ctx context.Context, tx *store.Tx, caps []campaigns.Cap) error {
	var known kinds
	var checks campaigns.Checks
	for i, c := range caps {
		if slices.Contains([]string{campaigns.Email, campaigns.SMS, campaigns.AnyChannel}, c.Channel) {
			continue
		}
		if known == nil {
			var err error
			if known, err = readKinds(ctx, tx); err != nil {
				return err
			}
		}
		_, is := known[c.Channel]
		checks.Require(is, fmt.Sprintf("caps[%d].channel", i), "%q should be any, email, sms%s", c.Channel, known.listed())
	}
	return checks.Err()
}

// refuseKind is a conflict that names the gateways by whose kind of address an attribute is read.
func refuseKind(ctx context.Context, tx *store.Tx, done, attribute string) error {
	channels, err := tx.Channels(ctx)
	for i := range channels {
		if kind, is := channels[i].OwnKind(); is && (kind.Address == attribute || kind.Consent == attribute) {
			return campaigns.Conflict("it is used and cannot be %s: by the channel %s, which reads its kind of address from it; change that first", done, channels[i].Name)
		}
	}
	return err
}
