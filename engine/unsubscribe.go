package engine

import (
	"context"
	"fmt"
	"slices"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// Where words come from that are given by way of a link.
const (
	sourceLink = "unsubscribe link"
	sourcePage = "preferences page"
)

// Preferences are what the page of a link shows: the channel, whether its customer gets anything of it, and the topics.
type Preferences struct {
	Channel string
	Wanted  bool // the latest word on the channel as a whole is yes
	Left    bool // it is no
	Topics  []Preference
}

// A Preference is a topic of the workspace, and whether a link's customer gets campaigns on it by the channel.
type Preference struct {
	campaigns.Topic
	Wanted bool
}

// A Choice is what somebody chose on the page: the channel, and those of its topics that they want.
type Choice struct {
	Wanted bool
	Topics []string
}

// Preferences reads what a link's page shows. It changes nothing, so that link scanners cannot.
func (e *Engine) Preferences(ctx context.Context, token string) (Preferences, error) {
	of, err := e.readToken(ctx, token)
	if err != nil {
		return Preferences{}, err
	}
	p := Preferences{Channel: of.channel}
	return p, e.store.View(ctx, func(tx *store.Tx) error { return p.read(ctx, tx, of.no) })
}

// read fills in a customer's words.
func (p *Preferences) read(ctx context.Context, tx *store.Tx, no int64) error {
	w, err := tx.Workspace(ctx)
	if err != nil {
		return err
	}
	history, err := tx.Consents(ctx, no)
	if err != nil {
		return err
	}
	said := map[string]bool{}
	for _, c := range slices.Backward(history) { // the latest last
		if c.Channel == p.Channel {
			said[c.Topic] = c.Granted
		}
	}
	ofChannel, is := said[""]
	if p.Channel != campaigns.Email && p.Channel != campaigns.SMS { // its attribute counts, and may be written as any other
		if ofChannel, is, err = tx.OwnConsent(ctx, no, p.Channel); err != nil {
			return err
		}
	}
	p.Wanted, p.Left, p.Topics = ofChannel, is && !ofChannel, nil
	for _, t := range w.Topics {
		wanted, is := said[t.Name]
		p.Topics = append(p.Topics, Preference{t, !p.Left && (wanted || !is && ofChannel)})
	}
	return nil
}

// Unsubscribe withdraws the consent of a link's customer for its channel as a whole: no message that is claimed from now on
// is sent. agent is the program that asked, for the proof.
func (e *Engine) Unsubscribe(ctx context.Context, token, agent string) (Preferences, error) {
	return e.choose(ctx, token, agent, sourceLink, Choice{})
}

// Choose keeps what somebody chose on the page of a link, each word that is new: leaving the channel, coming back to it, and
// the topics. Topics count for nothing to somebody who leaves the channel, and are left as they are.
func (e *Engine) Choose(ctx context.Context, token, agent string, choice Choice) (Preferences, error) {
	return e.choose(ctx, token, agent, sourcePage, choice)
}

func (e *Engine) choose(ctx context.Context, token, agent, source string, choice Choice) (Preferences, error) {
	of, err := e.readToken(ctx, token)
	if err != nil {
		return Preferences{}, err
	}
	p := Preferences{Channel: of.channel}
	return p, e.store.Update(ctx, func(tx *store.Tx) error {
		if err := p.read(ctx, tx, of.no); err != nil {
			return err
		}
		words := p.words(source, choice)
		left := false
		for _, word := range words {
			word.Channel, word.At, word.Source, word.Proof = of.channel, tx.Now, source, proofOf(of, agent)
			if err := tx.AddConsent(ctx, of.no, word); err != nil {
				return err
			}
			left = left || !word.Granted
		}
		if left && of.message != (campaigns.ID{}) {
			track := campaigns.Track{No: of.no, MessageID: of.message, Kind: campaigns.Unsubscribed, Agent: campaigns.AgentPerson}
			if err := tx.AddTrack(ctx, &track); err != nil {
				return err
			}
		}
		return p.read(ctx, tx, of.no)
	})
}

// words are what a choice says that is not said already: a link that is posted over and over leaves one line.
func (p *Preferences) words(source string, choice Choice) (words []campaigns.Consent) {
	if !choice.Wanted && (p.Wanted || source == sourceLink) {
		if p.Left {
			return nil
		}
		return []campaigns.Consent{{}}
	}
	if !choice.Wanted && p.Left {
		return nil // still away: its topics say nothing
	}
	back := choice.Wanted && !p.Wanted
	if back {
		words = append(words, campaigns.Consent{Granted: true})
	}
	for _, t := range p.Topics { // who comes back says all that the page shows: what was said before they left is old
		if wants := slices.Contains(choice.Topics, t.Name); back || wants != t.Wanted {
			words = append(words, campaigns.Consent{Topic: t.Name, Granted: wants})
		}
	}
	return words
}

// agentMax is how much of a program's name a proof keeps.
const agentMax = 300

// proofOf says by what somebody gave their word.
func proofOf(of leaving, agent string) string {
	proof := "link"
	if of.message != (campaigns.ID{}) {
		proof = fmt.Sprintf("link in message %s", of.message)
	}
	if agent != "" {
		proof += ", by " + printable(agent, agentMax)
	}
	return proof
}

func (e *Engine) readToken(ctx context.Context, token string) (leaving, error) {
	links, err := e.previewLinks(ctx)
	if err != nil {
		return leaving{}, err
	}
	of, ok := links.readLeaving(token)
	if !ok {
		return of, campaigns.NotFound("link", "…")
	}
	return of, nil
}
