package engine

import (
	"context"
	"slices"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// RegisterAttribute makes a stored attribute known; the same type again is no change. taken are the names that mean
// something else in rules. A name that would break a rule in use is refused.
func (e *Engine) RegisterAttribute(ctx context.Context, actor string, a campaigns.Attribute, taken []string) (campaigns.Attribute, error) {
	err := e.changeAttribute(ctx, a.Name, func(tx *store.Tx, old *campaigns.Attribute, before definitions) error {
		switch {
		case old != nil && old.Computed != "":
			return campaigns.Conflict("the attribute %q is computed: change its expression, or register another name", a.Name)
		case old != nil && old.Type != a.Type && slices.Contains(campaigns.AttributeTypes(), a.Type):
			return campaigns.Conflict("the attribute %q is of type %s and stays so: register another name for another type", a.Name, old.Type)
		case old != nil && old.Type == a.Type:
			a = *old
			return nil
		}
		if err := a.Check(taken); err != nil {
			return err
		}
		if err := tx.CreateAttribute(ctx, &a); err != nil {
			return err
		}
		if err := before.refuseChange(ctx, tx); err != nil {
			return err
		}
		return tx.Audit(ctx, actor, "create", "attribute", a.Name, nil, a)
	})
	return a, err
}

// DefineAttribute gives a computed attribute its expression; its type follows from it. taken are the names that mean
// something else in rules. A change that would break a rule in use is refused.
func (e *Engine) DefineAttribute(ctx context.Context, actor string, a campaigns.Attribute, taken []string) (campaigns.Attribute, error) {
	a, _, err := e.SpreadAttribute(ctx, campaigns.Actor{Name: actor}, a, taken)
	return a, err
}

// SpreadAttribute is DefineAttribute, and tells which campaigns use the attribute; those that were launched get a draft with
// it.
func (e *Engine) SpreadAttribute(ctx context.Context, by campaigns.Actor, a campaigns.Attribute, taken []string) (campaigns.Attribute, []CampaignUse, error) {
	uses := []CampaignUse{}
	err := e.changeAttribute(ctx, a.Name, func(tx *store.Tx, old *campaigns.Attribute, before definitions) error {
		if old != nil && old.Computed == "" {
			return campaigns.Conflict("the attribute %q is kept for each customer and stays so: choose another name for a computed one", a.Name)
		}
		if old == nil {
			if err := a.Check(taken); err != nil {
				return err
			}
		}
		if err := before.typeComputed(ctx, tx, &a); err != nil {
			return err
		}
		if old == nil {
			if err := tx.CreateAttribute(ctx, &a); err != nil {
				return err
			}
			return tx.Audit(ctx, by.Name, "create", "attribute", a.Name, nil, a)
		}
		a.CreatedAt = old.CreatedAt
		if err := tx.SaveComputed(ctx, &a); err != nil {
			return err
		}
		if a.Computed != old.Computed {
			var err error
			if uses, err = e.Spread(ctx, tx, by, Edited{Attribute: a.Name}); err != nil {
				return err
			}
		}
		return tx.Audit(ctx, by.Name, "edit", "attribute", a.Name, old, a)
	})
	return a, uses, err
}

// RenameAttribute gives an attribute that nothing uses another name; every customer keeps their value. taken are the names
// that mean something else in rules.
func (e *Engine) RenameAttribute(ctx context.Context, actor, name, to string, taken []string) (campaigns.Attribute, error) {
	var a campaigns.Attribute
	err := e.changeAttribute(ctx, name, func(tx *store.Tx, old *campaigns.Attribute, before definitions) error {
		if old == nil {
			return campaigns.NotFound("attribute", name)
		}
		if a = *old; to == name {
			return nil
		}
		a.Name = to
		if err := a.MayBeNamed(taken); err != nil {
			return err
		}
		if a.IsEventProperty() != old.IsEventProperty() {
			return campaigns.Invalid("name", "stays a property of an event, or an attribute of customers: register another one")
		}
		if err := before.refuseAttribute(ctx, tx, "renamed", *old); err != nil {
			return err
		}
		if err := tx.RenameAttribute(ctx, name, to); err != nil {
			return err
		}
		if err := before.refuseChange(ctx, tx); err != nil {
			return err
		}
		return tx.Audit(ctx, actor, "rename", "attribute", name, old, a)
	})
	return a, err
}

// DeleteAttribute removes an attribute that nothing uses, and every customer's value of it.
func (e *Engine) DeleteAttribute(ctx context.Context, actor, name string) error {
	return e.changeAttribute(ctx, name, func(tx *store.Tx, old *campaigns.Attribute, before definitions) error {
		if old == nil {
			return campaigns.NotFound("attribute", name)
		}
		if err := before.refuseAttribute(ctx, tx, "deleted", *old); err != nil {
			return err
		}
		if err := tx.DeleteAttribute(ctx, old); err != nil {
			return err
		}
		if err := before.refuseChange(ctx, tx); err != nil {
			return err
		}
		return tx.Audit(ctx, actor, "delete", "attribute", name, old, nil)
	})
}

// changeAttribute is a change of one attribute, nil for a name that is new, while all definitions stand still.
func (e *Engine) changeAttribute(ctx context.Context, name string, change func(tx *store.Tx, old *campaigns.Attribute, before definitions) error) error {
	return e.store.Update(ctx, func(tx *store.Tx) error {
		if err := tx.LockDefinitions(ctx); err != nil {
			return err
		}
		before, err := readDefinitions(ctx, tx)
		if err != nil {
			return err
		}
		old, err := tx.Attribute(ctx, name)
		switch {
		case campaigns.CodeOf(err) == campaigns.CodeNotFound:
			return change(tx, nil, before)
		case err != nil:
			return err
		}
		return change(tx, &old, before)
	})
}

// refuseAttribute is a conflict that names who uses an attribute.
func (d definitions) refuseAttribute(ctx context.Context, tx *store.Tx, done string, a campaigns.Attribute) error {
	if err := refuseKind(ctx, tx, done, a.Name); err != nil {
		return err
	}
	all, err := tx.AllAttributes(ctx)
	if err != nil {
		return err
	}
	return d.refuseUse(ctx, tx, done, attributeUse(a, all))
}

// refuseChange is a conflict that names what worked before and does not with the definitions as this transaction has made
// them.
func (d definitions) refuseChange(ctx context.Context, tx *store.Tx) error {
	after, err := readDefinitions(ctx, tx)
	if err != nil {
		return err
	}
	return d.refuseBreaking(ctx, tx, after)
}

// typeComputed infers the type of a computed attribute, as all definitions stand with it. A type that was named beside the
// expression must be that one.
func (d definitions) typeComputed(ctx context.Context, tx *store.Tx, a *campaigns.Attribute) error {
	after := d.clone()
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
	return d.refuseBreaking(ctx, tx, after)
}
