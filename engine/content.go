package engine

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/templates"
)

// content is what a message says: its template's words with its own values, and what its channel and campaign add to them.
// Sending and reading again go through it alike, so that a message read later is what was sent, byte for byte.
func (e *Engine) content(ctx context.Context, m *campaigns.Message) (templates.Parts, error) {
	parsed := e.words.cached(m.TemplateID, m.TemplateRevision)
	if parsed == nil {
		err := e.store.View(ctx, func(tx *store.Tx) (err error) {
			parsed, _, err = e.words.template(ctx, tx, m.TemplateID, m.TemplateRevision)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	parts, err := say(parsed, m)
	if err != nil {
		return nil, err
	}
	return e.tracked(ctx, m, parts)
}

// say renders the words of a message in its language with its values, and finishes them. Whatever shows, counts or prices a
// message goes through it, also before there is one: previews, checks, test sends and budgets make a message of what is
// known and ask it.
func say(t *templates.Template, m *campaigns.Message) (templates.Parts, error) {
	parts, err := t.In(m.Language).Render(m.Vars)
	if err != nil {
		return nil, err
	}
	return finish(parts, m), nil
}

// finish adds to rendered parts what the message's channel and campaign add: all of it follows from the message alone (its
// id, number, channel and values), never from settings, which may have changed when the message is read again.
func finish(parts templates.Parts, m *campaigns.Message) templates.Parts {
	return withChannelWords(parts, m)
}

// contentHash fixes what was sent: the content can be made again from revision and variables, and this proves it.
func contentHash(parts templates.Parts) []byte {
	text, err := json.Marshal(parts)
	if err != nil {
		return nil
	}
	sum := sha256.Sum256(text)
	return sum[:]
}

func isMissing(err error) bool {
	var missing *templates.MissingError
	return errors.As(err, &missing)
}
