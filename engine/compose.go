package engine

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"beckon/campaigns"
)

// varsMax is the most bytes that one message's variables may take as JSON, besides the hosts of its links.
const varsMax = 4096

// someCode stands for a code where none is used: it is as long as one.
const someCode = "0000000000000"

// isPrintable says whether the templates of all variants can be printed for somebody: they lack none of the variables
// without a default, and all together are not too long. Where one is lacking the template is rendered: it may stand in a
// branch that is not taken.
func (b *batch) isPrintable(p *person) bool {
	for _, w := range p.ways {
		v, says, code := b.variantOf(w), b.saying(p, w), ""
		if v.offer != nil {
			code = someCode
		}
		lacking, texts := false, 40+len(w.signOff)+len(w.optOut)
		for _, name := range says.variables {
			if strings.HasPrefix(name, linksGroup+".") || name == "code" {
				texts += 120
				continue
			}
			if b.dry && !says.required[name] {
				continue
			}
			value := b.value(p, v, w, name, code)
			text, isText := value.(string)
			lacking = lacking || says.required[name] && (value == nil || isText && text == "")
			texts += len(name) + len(text) + 40
			if isText && strings.IndexByte(text, 0) >= 0 {
				return false
			}
		}
		if texts > varsMax/6 && b.isTooMuch(p, v, w, code) { // a character takes at most six bytes of JSON
			return false
		}
		if lacking {
			if _, err := says.words.Render(b.values(p, v, w, code)); err != nil {
				return false
			}
		}
	}
	return true
}

// isTooMuch says whether the variables of somebody's message take more than may be kept. The hosts of its links do not count: a
// newsletter that links to many shops would reach nobody.
func (b *batch) isTooMuch(p *person, v *variant, w *way, code string) bool {
	text := b.varsText(p, v, w, code)
	return len(text) > varsMax && len(text)-len(b.hosts(b.saying(p, w))) > varsMax
}

// codes are how many of those who passed get one.
func (b *batch) codes() (n int) {
	for i := range b.people {
		if p := &b.people[i]; p.gate == campaigns.GatePassed && b.getsCode(p) {
			n++
		}
	}
	return n
}

// compose makes the messages and coupons of those who passed, and gives the serials that it did not use. Ids ascend with
// the walk, as indexes like it.
func (b *batch) compose(serials []int64) []int64 {
	passed := 0
	for i := range b.people {
		if b.people[i].gate == campaigns.GatePassed {
			passed++
		}
	}
	ids := make([]campaigns.ID, passed)
	for i := range ids {
		ids[i] = campaigns.NewID(b.tx.Now)
	}
	slices.SortFunc(ids, func(x, y campaigns.ID) int { return bytes.Compare(x[:], y[:]) })
	b.messages = make([]campaigns.Message, 0, passed)
	for i := range b.people {
		p := &b.people[i]
		if p.gate != campaigns.GatePassed {
			continue
		}
		code := ""
		if b.getsCode(p) {
			code = strings.ReplaceAll(b.cipher.Code(serials[0]), "-", "")
			serials = serials[1:]
		}
		b.message(p, ids[len(b.messages)], code)
	}
	return serials
}

func (b *batch) getsCode(p *person) bool { return p.variant.offer != nil && !b.isGhost(p) }

// message writes the message and the coupon of somebody who passed all gates.
func (b *batch) message(p *person, id campaigns.ID, code string) {
	w, now := p.ways[0], b.tx.Now
	p.message = id
	m := campaigns.Message{ID: id, No: p.no, CampaignID: b.campaign.ID, RunID: b.run.ID, Version: b.run.Version, Variant: p.arm.Arm,
		Ghost: b.isGhost(p), Channel: w.kind, ChannelID: w.ChannelID, TemplateID: w.TemplateID, TemplateRevision: w.revision, Code: code,
		DueAt: p.planned, PlannedAt: p.planned, ClosesAt: p.closes, Moved: p.planned.After(b.start), NotAfter: p.planned.Add(b.campaign.UsefulTime()),
		Exempt: b.isTransactional(), CostMicros: p.price}
	if !m.Ghost {
		m.Address = b.addressOf(p, w.kind)
		m.VarsText = b.varsText(p, p.variant, w, code)
		m.Language = b.saying(p, w).language
	}
	b.messages = append(b.messages, m)
	if code != "" {
		offer := p.variant.offer
		b.coupons = append(b.coupons, campaigns.Coupon{No: p.no, Code: code, OfferID: offer.ID, OfferRevision: offer.Revision, CampaignID: &b.campaign.ID,
			RunID: &b.run.ID, MessageID: &m.ID, ExpiresAt: offer.ExpiresAt(now, b.workspace.Location()), UsesMax: offer.UsesPerCode()})
	}
	b.opens(p)
}

// opens begins the window of somebody's arm with their first message of its period; a resend opens none.
func (b *batch) opens(p *person) {
	if p.arm.DueAt != nil || b.holders[p.no] {
		return
	}
	due := p.planned
	if due.Before(b.tx.Now) {
		due = b.tx.Now
	}
	due = due.Truncate(time.Second)
	p.arm.DueAt = &due
}

// varsText is values as JSON, written directly: variables are sorted, so that those of a group stand together.
func (b *batch) varsText(p *person, v *variant, w *way, code string) []byte {
	text := append(make([]byte, 0, 256), '{')
	if len(w.around) > 0 {
		text = appendJSON(append(text, `"`+channelGroup+`":`...), w.around)
	}
	open := ""
	for _, name := range b.saying(p, w).variables {
		value := b.value(p, v, w, name, code)
		if value == nil {
			continue
		}
		group, rest, nested := strings.Cut(name, ".")
		if open != "" && (!nested || group != open) {
			text, open = append(text, '}'), ""
		}
		if last := text[len(text)-1]; last != '{' {
			text = append(text, ',')
		}
		if nested && open == "" {
			text = append(append(append(text, '"'), group...), `":{`...)
			open = group
		}
		if !nested {
			rest = name
		}
		text = append(append(append(text, '"'), rest...), `":`...)
		text = appendJSON(text, value)
	}
	if open != "" {
		text = append(text, '}')
	}
	return append(text, '}')
}

// appendJSON writes a value of a variable; plain texts, which nearly all are, without a look at their type's encoder.
func appendJSON(text []byte, value any) []byte {
	if s, is := value.(string); is && isPlain(s) {
		return append(append(append(text, '"'), s...), '"')
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return append(text, "null"...) // numbers that JSON has no word for
	}
	return append(text, encoded...)
}

// isPlain says whether a text stands in JSON as it is.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == '"' || s[i] == '\\' {
			return false
		}
	}
	return utf8.ValidString(s)
}
