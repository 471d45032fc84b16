package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/templates"
)

// ReadyMade is a campaign that a marketer takes from the shelf, as it would be made with the answers left out.
type ReadyMade struct {
	Name       string            `json:"name"`
	Title      string            `json:"title"`
	Does       string            `json:"does" doc:"who gets it and when"`
	Needs      string            `json:"needs" doc:"what the workspace must know for it"`
	Step       int               `json:"step,omitempty" doc:"how many days before or after what it is about"`
	Minimum    int64             `json:"minimum,omitempty" doc:"least points, or least that is missing, worth a message; may be chosen"`
	Spreads    bool              `json:"spreads" doc:"whether it may be spread over days before the step"`
	Campaign   ReadyCampaign     `json:"campaign"`
	Attributes map[string]string `json:"attributes,omitempty" doc:"computed attributes that its words print; made with it where they are missing"`
	Email      map[string]string `json:"email" doc:"the parts of its e-mail"`
	SMS        map[string]string `json:"sms" doc:"the part of its SMS"`
}

// ReadyCampaign is what a ready-made campaign says about whom, when and how often.
type ReadyCampaign struct {
	Kind     string              `json:"kind" enum:"recurring,triggered"`
	Purpose  string              `json:"purpose" enum:"marketing,service"`
	Rule     string              `json:"rule"`
	Still    string              `json:"still,omitempty"`
	Schedule *campaigns.Schedule `json:"schedule,omitempty"`
	Trigger  *campaigns.Trigger  `json:"trigger,omitempty"`
	Entry    *campaigns.Entry    `json:"entry"`
	SendAt   *campaigns.SendAt   `json:"send_at,omitempty"`
	Late     *campaigns.Late     `json:"late,omitempty"`
	ValidFor *campaigns.Duration `json:"valid_for,omitempty"`
	Holdout  *float64            `json:"holdout,omitempty"`
	Priority int                 `json:"priority,omitempty"`
	Guards   *campaigns.Guards   `json:"guards,omitempty"`
}

// ReadyChoice is what a marketer says when a ready-made campaign is made.
type ReadyChoice struct {
	Channel    string        `json:"channel" enum:"email,sms"`
	Language   string        `json:"language" enum:"zh,en,both" doc:"both: by each customer's language, else in the workspace's first"`
	ChannelID  string        `json:"channel_id,omitempty" doc:"catcher if left out: messages stay in the database"`
	Holdout    *float64      `json:"holdout,omitempty" doc:"marketing: 0.1 if left out; the others hold out nobody unless it is named"`
	OfferID    *campaigns.ID `json:"offer_id,omitempty" doc:"marketing: what the message offers, with a code of each customer's own"`
	Minimum    *int64        `json:"minimum,omitempty" minimum:"1" doc:"least points, or least that is missing, worth a message"`
	SpreadDays int           `json:"spread_days,omitempty" minimum:"0" maximum:"14" doc:"begins so many days earlier and spreads the messages evenly until the step"`
	Title      string        `json:"title,omitempty" maxLength:"200" doc:"what the campaign is called; its usual title if left out"`
}

// ReadyMadeCampaign is what was made: a draft, its words, and the computed attributes that were missing.
type ReadyMadeCampaign struct {
	Campaign   campaigns.Campaign    `json:"campaign"`
	Templates  []campaigns.Template  `json:"templates"`
	Attributes []campaigns.Attribute `json:"attributes"`
}

// readyHoldout is the share that a ready-made marketing campaign holds out unless another is named.
const readyHoldout = 0.1

// spreadMax is over how many days at most a reminder is spread.
const spreadMax = 14

// ReadyMade lists the ready-made campaigns with the words of a language ("zh" or "en").
func (e *Engine) ReadyMade(ctx context.Context, language string) ([]ReadyMade, error) {
	if !slices.Contains(templates.ReadyLanguages(), language) {
		return nil, campaigns.Invalid("language", "%q should be %s", language, strings.Join(templates.ReadyLanguages(), " or "))
	}
	var w *campaigns.Workspace
	err := e.store.View(ctx, func(tx *store.Tx) (err error) {
		w, err = tx.Workspace(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	var all []ReadyMade
	for _, r := range reminders() {
		m := making{r, ReadyChoice{Channel: campaigns.Email, Language: language}, w}
		ready, err := m.shown()
		if err != nil {
			return nil, err
		}
		all = append(all, ready)
	}
	return all, nil
}

// MakeReady makes the draft of a ready-made campaign with its words, in one transaction. It can be made again: each time is
// a campaign of its own.
func (e *Engine) MakeReady(ctx context.Context, actor, name string, choice ReadyChoice) (ReadyMadeCampaign, error) {
	all := reminders()
	i := slices.IndexFunc(all, func(r reminder) bool { return r.name == name })
	if i < 0 {
		return ReadyMadeCampaign{}, campaigns.NotFound("ready-made campaign", name)
	}
	made := ReadyMadeCampaign{Attributes: []campaigns.Attribute{}}
	err := e.store.Update(ctx, func(tx *store.Tx) error {
		if err := tx.LockDefinitions(ctx); err != nil {
			return err
		}
		w, err := tx.Workspace(ctx)
		if err != nil {
			return err
		}
		m := making{all[i], choice, w}
		if err := m.check(); err != nil {
			return err
		}
		if made.Attributes, err = m.makeAttributes(ctx, tx, actor); err != nil {
			return err
		}
		t, err := m.makeTemplate(ctx, tx, actor)
		if err != nil {
			return err
		}
		made.Templates = []campaigns.Template{t}
		made.Campaign, err = e.makeDraft(ctx, tx, actor, m, t.ID)
		return err
	})
	return made, err
}

// makeDraft keeps the campaign itself.
func (e *Engine) makeDraft(ctx context.Context, tx *store.Tx, actor string, m making, template campaigns.ID) (campaigns.Campaign, error) {
	d, err := m.definition(template)
	if err != nil {
		return campaigns.Campaign{}, err
	}
	d.Defaults()
	d.CreatedBy = actor
	c := campaigns.Campaign{Status: campaigns.Draft, Definition: d}
	if err := e.checkCampaign(ctx, tx, &c); err != nil {
		return c, asChosen(err)
	}
	if err := tx.CreateCampaign(ctx, &c); err != nil {
		return c, err
	}
	return c, tx.Audit(ctx, actor, "create", "campaign", c.ID.String(), nil, c.Definition)
}

// asChosen names what is wrong by the fields of a choice, which knows no variants.
func asChosen(err error) error {
	var wrong *campaigns.Error
	if !errors.As(err, &wrong) {
		return err
	}
	var checks campaigns.Checks
	for _, p := range wrong.Problems {
		p.Field = strings.TrimPrefix(p.Field, "variants[0].")
		checks = append(checks, p)
	}
	if checks.Err() == nil {
		return err
	}
	return checks.Err()
}

// A making is a reminder with what a marketer chose, in a workspace.
type making struct {
	reminder
	choice    ReadyChoice
	workspace *campaigns.Workspace
}

func (m *making) check() error {
	c := &m.choice
	var checks campaigns.Checks
	checks.Require(c.Channel == campaigns.Email || c.Channel == campaigns.SMS, "channel", "%q should be email or sms", c.Channel)
	checks.Require(c.Language == "both" || slices.Contains(templates.ReadyLanguages(), c.Language), "language", "%q should be zh, en or both", c.Language)
	checks.Require(c.OfferID == nil || m.purpose == "marketing", "offer_id", "%s is a service message, which offers nothing: leave it out", m.name)
	checks.Require(c.Minimum == nil || m.minimum > 0, "minimum", "%s has none: leave it out", m.name)
	checks.Require(c.Minimum == nil || *c.Minimum > 0, "minimum", "should be above 0")
	checks.Require(c.SpreadDays == 0 || m.spreads, "spread_days", "%s goes out on its day: leave it out", m.name)
	checks.Require(c.SpreadDays >= 0 && c.SpreadDays <= spreadMax, "spread_days", "should be from 0 to %d", spreadMax)
	if c.ChannelID == "" {
		c.ChannelID = campaigns.Catcher
	}
	return checks.Err()
}

// filled writes a text of the table or of the words with what was chosen.
func (m *making) filled(text string) string {
	least := m.minimum
	if m.choice.Minimum != nil {
		least = *m.choice.Minimum
	}
	ahead := m.step + m.choice.SpreadDays
	braces := strings.NewReplacer("{{", "", "{%", "", "\n", " ")
	inDays := strconv.Itoa(m.step) + " days"
	if m.step == 1 {
		inDays = "1 day"
	}
	return strings.NewReplacer("[step] days", inDays, "[days]", strconv.Itoa(ahead), "[late]", strconv.Itoa(ahead+6), "[early]", strconv.Itoa(max(0, m.step-1)), "[step]", strconv.Itoa(m.step),
		"[minimum]", strconv.FormatInt(least, 10), "[zone]", m.workspace.Zone, "[shop]", braces.Replace(m.workspace.Name)).Replace(text)
}

// first is the language of the campaign's title.
func (m *making) first() string {
	if m.choice.Language != "both" {
		return m.choice.Language
	}
	if m.workspace.Languages[0] == "en" {
		return "en"
	}
	return "zh"
}

func (m *making) wordsIn(language, channel string) (templates.Parts, templates.ReadyWords, error) {
	all, shared, err := templates.Ready(language)
	if err != nil {
		return nil, templates.ReadyWords{}, err
	}
	words, ok := all[m.words]
	if !ok {
		return nil, words, fmt.Errorf("there are no words for %s in %s", m.words, language)
	}
	parts := words.Text(shared, m.choice.OfferID != nil)
	if channel == campaigns.Email {
		if parts, err = words.Email(shared, m.choice.OfferID != nil); err != nil {
			return nil, words, err
		}
	}
	for name, text := range parts {
		parts[name] = m.filled(text)
	}
	words.Title, words.Does, words.Needs = m.filled(words.Title), m.filled(words.Does), m.filled(words.Needs)
	return parts, words, nil
}

// parts are the words of a channel in the language that was chosen, or in both.
func (m *making) parts(channel string) (templates.Parts, error) {
	first := m.first()
	parts, _, err := m.wordsIn(first, channel)
	if err != nil || m.choice.Language != "both" {
		return parts, err
	}
	second := "en"
	if first == "en" {
		second = "zh"
	}
	others, _, err := m.wordsIn(second, channel)
	return templates.EitherLanguage(second, others, parts), err
}

func (m *making) shown() (ReadyMade, error) {
	_, words, err := m.wordsIn(m.choice.Language, campaigns.SMS)
	if err != nil {
		return ReadyMade{}, err
	}
	d, err := m.definition(campaigns.ID{})
	if err != nil {
		return ReadyMade{}, err
	}
	email, err := m.parts(campaigns.Email)
	if err != nil {
		return ReadyMade{}, err
	}
	sms, err := m.parts(campaigns.SMS)
	return ReadyMade{Name: m.name, Title: words.Title, Does: words.Does, Needs: words.Needs, Step: m.step, Minimum: m.minimum, Spreads: m.spreads,
		Campaign: ReadyCampaign{Kind: d.Kind, Purpose: d.Purpose, Rule: d.Rule, Still: d.Still, Schedule: d.Schedule, Trigger: d.Trigger, Entry: d.Entry,
			SendAt: d.SendAt, Late: d.Late, ValidFor: d.ValidFor, Holdout: d.Holdout, Priority: d.Priority, Guards: d.Guards},
		Attributes: m.attributes(), Email: email, SMS: sms}, err
}

// attributes are the computed attributes that the words print, name → expression.
func (m *making) attributes() map[string]string {
	all := map[string]string{}
	for name, expression := range m.prints {
		all[m.filled(name)] = m.filled(expression)
	}
	return all
}

// definition is the campaign with words that are kept already.
func (m *making) definition(template campaigns.ID) (campaigns.Definition, error) {
	_, words, err := m.wordsIn(m.first(), campaigns.SMS)
	entry := m.entry
	entry.OnceFor = m.filled(entry.OnceFor)
	d := campaigns.Definition{Name: words.Title, Kind: campaigns.Recurring, Purpose: m.purpose, Rule: m.filled(m.rule), Still: m.filled(m.still), Entry: &entry,
		Late: m.late, Priority: m.priority, Holdout: m.choice.Holdout, OfferID: m.choice.OfferID,
		Variants: []campaigns.Variant{{Name: "A", Weight: 1, ChannelID: m.choice.ChannelID, TemplateID: template}}}
	if m.choice.Title != "" {
		d.Name = m.choice.Title
	}
	none := 0.0 // many lots lapse on one day and none on the day before: an audience that grows says nothing here
	d.Guards = &campaigns.Guards{Growth: &none}
	if m.purpose == "marketing" && d.Holdout == nil {
		share := readyHoldout
		d.Holdout = &share
	}
	if m.event == "" {
		d.Schedule = &campaigns.Schedule{Cron: m.cron, Zone: m.workspace.Zone}
	} else {
		d.Kind, d.Trigger = campaigns.Triggered, &campaigns.Trigger{Event: m.event, Unless: m.drops, After: durationOf(m.after)}
	}
	if m.utc {
		d.Schedule.Zone = "UTC"
	}
	if m.local != "" {
		d.SendAt = &campaigns.SendAt{Local: m.local}
	}
	if n := m.choice.SpreadDays; n > 0 {
		d.Pace = &campaigns.Pace{SpreadOver: days(n)}
	}
	d.ValidFor = durationOf(m.validFor)
	return d, err
}

// durationOf is a duration, nil for none.
func durationOf(d time.Duration) *campaigns.Duration {
	if d == 0 {
		return nil
	}
	long := campaigns.Duration(d)
	return &long
}

// makeAttributes defines what the words print and is not there yet. Somebody may have changed one meanwhile: it stays.
func (m *making) makeAttributes(ctx context.Context, tx *store.Tx, actor string) ([]campaigns.Attribute, error) {
	made := []campaigns.Attribute{}
	wanted := m.attributes()
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		known, err := readDefinitions(ctx, tx)
		if err != nil {
			return nil, err
		}
		old, err := tx.Attribute(ctx, name)
		switch {
		case err == nil && old.Computed != "":
			continue
		case err == nil:
			return nil, campaigns.Conflict("the words print the computed attribute %q, and customers have an attribute of this name: rename it first", name)
		case campaigns.CodeOf(err) != campaigns.CodeNotFound:
			return nil, err
		}
		a := campaigns.Attribute{Name: name, Computed: wanted[name]}
		if err := known.typeComputed(ctx, tx, &a); err != nil {
			return nil, err
		}
		if err := tx.CreateAttribute(ctx, &a); err != nil {
			return nil, err
		}
		if err := tx.Audit(ctx, actor, "create", "attribute", name, nil, a); err != nil {
			return nil, err
		}
		made = append(made, a)
	}
	return made, nil
}

func (m *making) makeTemplate(ctx context.Context, tx *store.Tx, actor string) (campaigns.Template, error) {
	parts, err := m.parts(m.choice.Channel)
	if err != nil {
		return campaigns.Template{}, err
	}
	_, words, err := m.wordsIn(m.first(), campaigns.SMS)
	if err != nil {
		return campaigns.Template{}, err
	}
	t := campaigns.Template{TemplateDefinition: campaigns.TemplateDefinition{Name: words.Title, Channel: m.choice.Channel, Parts: parts}}
	if m.choice.Title != "" {
		t.Name = m.choice.Title
	}
	if _, err := ParseTemplate(ctx, tx, &t.TemplateDefinition); err != nil {
		return t, err
	}
	if err := tx.CreateTemplate(ctx, &t); err != nil {
		return t, err
	}
	return t, tx.Audit(ctx, actor, "create", "template", t.ID.String(), nil, t.TemplateDefinition)
}
