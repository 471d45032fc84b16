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
	var parsed *templates.Template
	if found := e.words.cached(m.TemplateID, m.TemplateRevision); found != nil {
		parts, err := found.Render(m.Vars)
		if err != nil {
			return nil, err
		}
		return e.tracked(ctx, m, parts)
	}
	err := e.store.View(ctx, func(tx *store.Tx) (err error) {
		parsed, _, err = e.words.template(ctx, tx, m.TemplateID, m.TemplateRevision)
		return err
	})
	if err != nil {
		return nil, err
	}
	parts, err := parsed.Render(m.Vars)
	if err != nil {
		return nil, err
	}
	return e.tracked(ctx, m, parts)
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
