package engine

import (
	"context"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// DefineAttribute gives a computed attribute its expression; its type follows from it. taken are the names that mean
// something else in rules. A change that would break a rule in use is refused.
func (e *Engine) DefineAttribute(ctx context.Context, actor string, a campaigns.Attribute, taken []string) (campaigns.Attribute, error) {
	err := e.store.Update(ctx, func(tx *store.Tx) error {
		if err := tx.LockDefinitions(ctx); err != nil {
			return err
		}
		old, err := knownAttribute(ctx, tx, a.Name)
		if err != nil {
			return err
		}
		if old != nil && old.Computed == "" {
			return campaigns.Conflict("the attribute %q is kept for each customer and stays so: choose another name for a computed one", a.Name)
		}
		if old == nil {
			if err := a.Check(taken); err != nil {
				return err
			}
		}
		if err := typeComputed(ctx, tx, &a); err != nil {
			return err
		}
		if old == nil {
			if err := tx.CreateAttribute(ctx, &a); err != nil {
				return err
			}
			return tx.Audit(ctx, actor, "create", "attribute", a.Name, nil, a)
		}
		a.CreatedAt = old.CreatedAt
		if err := tx.SaveComputed(ctx, &a); err != nil {
			return err
		}
		return tx.Audit(ctx, actor, "edit", "attribute", a.Name, old, a)
	})
	return a, err
}

// knownAttribute is the attribute that has a name already, or nil.
func knownAttribute(ctx context.Context, tx *store.Tx, name string) (*campaigns.Attribute, error) {
	old, err := tx.Attribute(ctx, name)
	switch {
	case campaigns.CodeOf(err) == campaigns.CodeNotFound:
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &old, nil
}

// typeComputed infers the type of a computed attribute, as all definitions stand with it. A type that was named beside the
// expression must be that one.
func typeComputed(ctx context.Context, tx *store.Tx, a *campaigns.Attribute) error {
	before, err := readDefinitions(ctx, tx)
	if err != nil {
		return err
	}
	after := before.clone()
	after.Computed[a.Name] = a.Computed
	value, err := after.schema().Computed(a.Name)
	if err != nil {
		return problems("computed", err)
	}
	found := value.Type().String()
	if a.Type != "" && a.Type != found {
		return campaigns.Invalid("type", "is %s: it follows from the expression and may be left out", found)
	}
	a.Type = found
	return before.refuseBreaking(ctx, tx, after)
}
