package engine

import (
	"context"
	"sync"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/templates"
)

// words caches parsed templates: a revision never changes.
type words struct {
	mu     sync.Mutex
	parsed map[wordsOf]parsedTemplate
}

type wordsOf struct {
	template campaigns.ID
	revision int
}

type parsedTemplate struct {
	template   *templates.Template
	definition campaigns.TemplateDefinition
}

// wordsMax bounds the cache; it is emptied when it is full.
const wordsMax = 1000

// cached is a revision that was parsed before, else nil.
func (w *words) cached(id campaigns.ID, revision int) *templates.Template {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.parsed[wordsOf{id, revision}].template
}

// defined is the definition of a revision that was parsed before.
func (w *words) defined(id campaigns.ID, revision int) (campaigns.TemplateDefinition, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	found, known := w.parsed[wordsOf{id, revision}]
	return found.definition, known
}

func (w *words) template(ctx context.Context, tx *store.Tx, id campaigns.ID, revision int) (*templates.Template, campaigns.TemplateDefinition, error) {
	key := wordsOf{id, revision}
	w.mu.Lock()
	found, ok := w.parsed[key]
	w.mu.Unlock()
	if ok {
		return found.template, found.definition, nil
	}
	definition, err := tx.TemplateRevision(ctx, id, revision)
	if err != nil {
		return nil, definition, err
	}
	parsed, err := parseRevision(ctx, tx, &definition)
	if err != nil {
		return nil, definition, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.parsed == nil || len(w.parsed) >= wordsMax {
		w.parsed = map[wordsOf]parsedTemplate{}
	}
	w.parsed[key] = parsedTemplate{parsed, definition}
	return parsed, definition, nil
}
