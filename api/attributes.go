package api

import (
	"context"
	"encoding/json"
	"math"
	"strconv"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/rules"
)

type attributeEdit struct {
	Name string `path:"name" doc:"lower-case letters, digits and _; or event.<event>.<property>"`
	Body struct {
		Name      any        `json:"name,omitempty" readOnly:"true"`
		Type      string     `json:"type,omitempty" enum:"text,int,number,money,bool,date,time,text_list" doc:"of a value that each customer has; it follows from computed"`
		Computed  string     `json:"computed,omitempty" maxLength:"10000" doc:"instead of a value of their own: an expression over a customer, such as 0.5 * purchase_count"`
		CreatedAt *time.Time `json:"created_at,omitempty" readOnly:"true"`
		UsedBy    any        `json:"used_by,omitempty" readOnly:"true"`
	}
}

type byName struct {
	Name string `path:"name"`
}

func (s *Server) listAttributes(ctx context.Context, in *struct{ Listing }) (*listOf[campaigns.Attribute], error) {
	var all []campaigns.Attribute
	err := s.store.View(ctx, func(tx *store.Tx) (err error) {
		all, err = tx.AllAttributes(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return slice(in.Listing, all, func(a campaigns.Attribute) string { return a.Name })
}

func (s *Server) attribute(ctx context.Context, in *byName) (*some[campaigns.Attribute], error) {
	out := &some[campaigns.Attribute]{}
	return out, s.store.View(ctx, func(tx *store.Tx) (err error) {
		out.Body, err = tx.Attribute(ctx, in.Name)
		return err
	})
}

// putAttribute registers an attribute. The same type again is no change; another type would rewrite a column under rules
// that use it, and is refused. The expression of a computed one may change.
func (s *Server) putAttribute(ctx context.Context, in *attributeEdit) (*some[editedAttribute], error) {
	a := campaigns.Attribute{Name: in.Name, Type: in.Body.Type, Computed: in.Body.Computed}
	if a.Computed != "" {
		defined, uses, err := s.engine.SpreadAttribute(ctx, person(ctx), a, takenNames())
		return &some[editedAttribute]{editedAttribute{defined, usedBy(uses)}}, err
	}
	registered, err := s.engine.RegisterAttribute(ctx, actor(ctx), a, takenNames())
	return &some[editedAttribute]{editedAttribute{registered, usedBy(nil)}}, err
}

// editedAttribute is an attribute after an edit.
type editedAttribute struct {
	campaigns.Attribute
	Used
}

// renameAttribute keeps every customer's value.
func (s *Server) renameAttribute(ctx context.Context, in *struct {
	Name string `path:"name"`
	Body struct {
		Name string `json:"name" minLength:"1" doc:"the new name"`
	}
}) (*some[campaigns.Attribute], error) {
	renamed, err := s.engine.RenameAttribute(ctx, actor(ctx), in.Name, in.Body.Name, takenNames())
	return &some[campaigns.Attribute]{renamed}, err
}

func (s *Server) deleteAttribute(ctx context.Context, in *byName) (*nothing, error) {
	return nil, s.engine.DeleteAttribute(ctx, actor(ctx), in.Name)
}

// takenNames are the names that rules know without the shop's own attributes.
func takenNames() []string {
	var taken []string
	for _, a := range rules.NewSchema(2, nil).Names() {
		taken = append(taken, a.Name)
	}
	taken = append(taken, rules.Reserved()...)
	return append(taken, "purchases", "items", "lots", "events", "messages", "redemptions", "coupons", "attributes")
}

// attributeValue reads a value of a registered type from its JSON as the store takes it; null is missing.
func attributeValue(a campaigns.Attribute, raw json.RawMessage, digits int) (any, error) {
	field := "attributes." + a.Name
	if string(raw) == "null" {
		return nil, nil
	}
	switch a.Type {
	case "int":
		n, err := strconv.ParseInt(string(raw), 10, 64)
		if err != nil {
			return nil, campaigns.Invalid(field, "should be a whole number")
		}
		return n, nil
	case "number":
		n, err := strconv.ParseFloat(string(raw), 64)
		if err != nil || math.IsInf(n, 0) || math.IsNaN(n) {
			return nil, campaigns.Invalid(field, "should be a number")
		}
		return n, nil
	case "money":
		var amount money
		var checks campaigns.Checks
		if err := amount.UnmarshalJSON(raw); err != nil {
			return nil, campaigns.Invalid(field, "should be an amount of money such as 199.90")
		}
		minor := amount.minor(&checks, field, digits)
		return minor, checks.Err()
	case "bool":
		var is bool
		if err := json.Unmarshal(raw, &is); err != nil {
			return nil, campaigns.Invalid(field, "should be true or false")
		}
		return is, nil
	case "text_list":
		return textList(field, raw)
	}
	return textValue(a, field, raw)
}

func textValue(a campaigns.Attribute, field string, raw json.RawMessage) (any, error) {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return nil, campaigns.Invalid(field, "should be a string")
	}
	switch a.Type {
	case "date":
		if _, err := time.Parse(time.DateOnly, text); err != nil {
			return nil, campaigns.Invalid(field, "should be a date that exists, such as 2026-11-21")
		}
		return text, nil
	case "time":
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return nil, campaigns.Invalid(field, "should be a time that exists, such as 2026-11-21T10:00:00+08:00")
		}
		return at, nil
	}
	return text, campaigns.CheckText(field, text)
}

func textList(field string, raw json.RawMessage) (any, error) {
	var texts []string
	if err := json.Unmarshal(raw, &texts); err != nil {
		return nil, campaigns.Invalid(field, "should be a list of strings")
	}
	if len(texts) > campaigns.TagsMax {
		return nil, campaigns.Invalid(field, "has more than %d texts", campaigns.TagsMax)
	}
	for _, text := range texts {
		if err := campaigns.CheckText(field, text); err != nil {
			return nil, err
		}
	}
	return texts, nil
}
