package engine

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"beckon/campaigns"
	"beckon/engine/audience"
	"beckon/engine/offers"
	"beckon/engine/rules"
	"beckon/templates"
)

// compute compiles the computed attributes that a template prints.
func (d definitions) compute(t *templates.Template, into map[string]*rules.Value) error {
	s := d.schema()
	for _, variable := range t.Variables() {
		name, of := strings.CutPrefix(variable, "customer.")
		if _, is := d.Computed[name]; !of || !is || into[name] != nil {
			continue
		}
		value, err := s.Computed(name)
		if err != nil {
			return campaigns.Invalid("template_id", "the template prints %s: %s", variable, firstProblem(err))
		}
		if len(value.Ranks()) > 0 {
			return campaigns.Invalid("template_id", "the template prints %s, which is worked out with percentile or ntile: a message says what depends on one customer alone", variable)
		}
		into[name] = value
	}
	return nil
}

// variablesNeed are the columns and histories that a way's template prints from.
func (p *plan) variablesNeed(w *way) (columns, histories []string) {
	for _, name := range w.template.Variables() {
		if column, is := strings.CutPrefix(name, "customer."); is {
			if value := p.computed[column]; value != nil {
				columns, histories = append(columns, value.Columns()...), append(histories, value.Histories()...)
				continue
			}
			switch column {
			case "next_birthday":
				columns = append(columns, "birthday")
			case "avg_basket":
				columns = append(columns, "purchase_count", "total_spend")
			case "points":
				histories = append(histories, "lots")
			default:
				columns = append(columns, column)
			}
		}
		if strings.HasPrefix(name, "points.") {
			histories = append(histories, "lots")
		}
	}
	return columns, histories
}

// batchNeeds are the columns and histories that a batch reads: for arms, ways, zones and entry keys, and for the templates'
// variables. A batch that only decides needs the variables that somebody may lack.
func (b *batch) batchNeeds() audience.Needs {
	if b.shows {
		return b.wordsNeed(audience.Needs{}.With([]string{"timezone"}, nil))
	}
	columns := []string{"phone_hash", "email_hash"}
	if b.choosesWays() {
		columns = append(columns, "email_consent", "sms_consent")
	}
	if !b.isTransactional() || b.campaign.SendAt != nil || !b.dry {
		columns = append(columns, "timezone")
	}
	needs := audience.Needs{}.With(columns, nil).With(b.ownColumns(), nil)
	for _, kind := range b.kinds {
		if _, own := b.own[kind]; !b.dry && !own {
			needs = needs.With([]string{addressColumn(kind)}, nil)
		}
	}
	if b.onceFor != nil {
		needs = needs.With(b.onceFor.Columns(), b.onceFor.Histories())
	}
	if b.neverHeldOut != nil {
		needs = needs.With(b.neverHeldOut.Columns(), b.neverHeldOut.Histories())
	}
	return b.wordsNeed(needs)
}

// wordsNeed adds what the templates ask for: all that they print, or what somebody may lack where nothing is printed.
func (b *batch) wordsNeed(needs audience.Needs) audience.Needs {
	for i := range b.variants {
		for j := range b.variants[i].ways {
			w := &b.variants[i].ways[j]
			if w.isSpoken() {
				needs = needs.With([]string{"language"}, nil)
			}
			if !b.dry || w.hasRequired || w.cost.perSegment > 0 {
				needs = needs.With(b.variablesNeed(w))
			}
		}
	}
	return needs
}

// needsRecords says whether expressions or histories are asked for, which want records by name.
func (b *batch) needsRecords() bool {
	return b.onceFor != nil || b.neverHeldOut != nil || len(b.computed) > 0 || len(b.batchNeeds().Histories) > 0
}

// saying are a way's words in somebody's language.
func (b *batch) saying(p *person, w *way) *saying {
	if !w.isSpoken() {
		return w.sayings[""]
	}
	preferred, _ := b.field(p, "language").(string)
	if b.language != nil {
		preferred = *b.language
	}
	return w.sayings[w.template.Language(preferred)]
}

// would is the message that somebody would get, as far as its words follow from it.
func (b *batch) would(p *person, v *variant, w *way, code string) *campaigns.Message {
	return &campaigns.Message{No: p.no, Channel: w.kind, ChannelID: w.ChannelID, Language: b.saying(p, w).language, Vars: b.values(p, v, w, code), Code: code}
}

// values are what the template of one of a variant's ways may print for a person, nested by the dots of the variables' names. A missing one
// is absent.
func (b *batch) values(p *person, v *variant, w *way, code string) map[string]any {
	vars := map[string]any{}
	if len(w.around) > 0 {
		vars[channelGroup] = w.around
	}
	for _, name := range b.saying(p, w).variables {
		value := b.value(p, v, w, name, code)
		if value == nil {
			continue
		}
		group, rest, nested := strings.Cut(name, ".")
		if !nested {
			vars[name] = value
			continue
		}
		inner, _ := vars[group].(map[string]any)
		if inner == nil {
			inner = map[string]any{}
			vars[group] = inner
		}
		inner[rest] = value
	}
	return vars
}

func (b *batch) value(p *person, v *variant, w *way, name, code string) any {
	group, rest, _ := strings.Cut(name, ".")
	switch group {
	case "customer":
		return b.customerValue(p, rest)
	case "points":
		return b.pointsValue(p.record, rest)
	case "offer":
		return b.offerNamed(v, w, rest)
	}
	switch name {
	case "code":
		if code != "" {
			return offers.Group(code)
		}
	case "campaign.name":
		return b.campaign.Name
	case "links.unsubscribe":
		return b.links.unsubscribeFrom(p.message, p.no, w.kind)
	case linksGroup + "." + trackName:
		if !b.links.inert {
			return b.links.base
		}
	case linksGroup + "." + hostsName:
		if !b.links.inert {
			return b.hosts(b.saying(p, w))
		}
	case linksGroup + "." + shortName:
		if prefix := shortPrefix(b.workspace, b.links.base); prefix != "" && !b.links.inert {
			return prefix
		}
	}
	return nil
}

// customerValue is an attribute as a template prints it: days as 2026-01-31, instants in the customer's zone, money as a
// decimal.
func (b *batch) customerValue(p *person, name string) any {
	switch name {
	case "avg_basket":
		count, _ := b.field(p, "purchase_count").(int64)
		spend, _ := b.field(p, "total_spend").(int64)
		if count <= 0 {
			return nil
		}
		return campaigns.FormatMoney((2*spend+count)/(2*count), b.workspace.Digits())
	case "points":
		return b.pointsValue(p.record, "balance")
	}
	if computed := b.computed[name]; computed != nil {
		return b.printed(p, computed.Of(p.record, b.at), computed.Type() == rules.Money)
	}
	return b.printed(p, b.field(p, name), b.moneyNames[name])
}

func (b *batch) printed(p *person, value any, isMoney bool) any {
	if isMoney {
		if minor, ok := value.(int64); ok {
			return campaigns.FormatMoney(minor, b.workspace.Digits())
		}
		return nil
	}
	switch value := value.(type) {
	case rules.Date:
		return value.String()
	case time.Time:
		return value.In(b.zoneOf(p)).Format(time.RFC3339)
	case []string:
		return strings.Join(value, ", ")
	case []byte:
		return nil
	default:
		return value
	}
}

// pointsValue is what a customer's live lots say as of the run: the balance, and the next day on which any lapse.
func (b *batch) pointsValue(record rules.Record, name string) any {
	lots, _ := record["lots"].([]rules.Record)
	today := rules.DateOf(b.at.Now, b.at.Zone)
	balance, expiring := int64(0), map[rules.Date]int64{}
	for _, lot := range lots {
		remaining, _ := lot["remaining"].(int64)
		from, _ := lot["active_from"].(rules.Date)
		last, ends := lot["last_valid_on"].(rules.Date)
		if from > today || (ends && last < today) || remaining == 0 {
			continue
		}
		balance += remaining
		if ends {
			expiring[last] += remaining
		}
	}
	if name == "balance" {
		return strconv.FormatInt(balance, 10)
	}
	var days []rules.Date
	for day := range expiring {
		days = append(days, day)
	}
	if len(days) == 0 {
		return nil
	}
	soonest := slices.Min(days)
	if name == "expires_on" {
		return soonest.String()
	}
	return strconv.FormatInt(expiring[soonest], 10)
}

// offerNamed is what a variant's offer says, the same for everybody in a batch.
func (b *batch) offerNamed(v *variant, w *way, name string) any {
	known, is := b.constants[w][name]
	if !is {
		known = b.offerValue(v.offer, name)
		if b.constants[w] == nil {
			b.constants[w] = map[string]any{}
		}
		b.constants[w][name] = known
	}
	return known
}

func (b *batch) offerValue(offer *campaigns.Offer, name string) any {
	if offer == nil {
		return nil
	}
	switch name {
	case "name":
		return offer.Name
	case "value":
		if offer.Effect.Kind == "percent_off" {
			return string(offer.Effect.Value) + "%"
		}
		return string(offer.Effect.Value)
	case "expires_on":
		if at := offer.ExpiresAt(b.tx.Now, b.workspace.Location()); at != nil {
			return at.Add(-time.Second).In(b.workspace.Location()).Format("2006-01-02")
		}
	}
	return nil
}
