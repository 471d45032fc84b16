package api

import (
	"encoding/json"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"beckon/campaigns"
	"beckon/engine"
)

// registry knows how our types look in JSON where their Go type does not say it.
func registry() huma.Registry {
	r := huma.NewMapRegistry("#/components/schemas/", schemaName)
	r.RegisterTypeAlias(reflect.TypeFor[campaigns.ID](), reflect.TypeFor[idText]())
	r.RegisterTypeAlias(reflect.TypeFor[campaigns.Decimal](), reflect.TypeFor[money]())
	r.RegisterTypeAlias(reflect.TypeFor[campaigns.Duration](), reflect.TypeFor[durationText]())
	r.RegisterTypeAlias(reflect.TypeFor[campaigns.Workspace](), reflect.TypeFor[workspaceBody]())
	r.RegisterTypeAlias(reflect.TypeFor[engine.LiftReport](), reflect.TypeFor[liftReport]())
	return r
}

// schemaName makes an exported name of a type's own.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	if t == reflect.TypeFor[campaigns.Problem]() {
		return "FieldProblem"
	}
	if rest, is := strings.CutSuffix(name, "Body"); is {
		return rest
	}
	return name
}

type idText string

// Schema is a UUID.
func (idText) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "uuid"}
}

type durationText string

const durationPattern = `^\d{1,11}[dhms]$`

// Schema is a number and a unit.
func (durationText) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Pattern: durationPattern, Description: "a number with d, h, m or s, like 90d or 36h"}
}

// money is a decimal as it was sent, a string or an exact number; handlers read it in the workspace's currency.
type money string

// UnmarshalJSON keeps the digits as they are.
func (m *money) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err == nil {
		*m = money(text)
		return nil
	}
	*m = money(data)
	return nil
}

// Schema is a string or a number.
func (money) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Description: "a decimal: a string, or a number that is exact", AnyOf: []*huma.Schema{
		{Type: huma.TypeString, Pattern: `^-?\d{1,19}(\.\d{1,9})?$`}, {Type: huma.TypeNumber}}}
}

// minor reads the amount in minor units; what is wrong with it is added under the field.
func (m money) minor(checks *campaigns.Checks, field string, digits int) int64 {
	if m == "" || m == "null" {
		checks.Require(false, field, "is missing")
		return 0
	}
	minor, err := campaigns.ParseMoney(string(m), digits)
	if err != nil {
		checks.Add(campaigns.Invalid(field, "%s", wordsOf(err)))
	}
	return minor
}

// nullable is the schema of a type that may be null.
func nullable[T any](r huma.Registry) *huma.Schema {
	s := r.Schema(reflect.TypeFor[T](), true, "")
	if s.Ref != "" || s.AnyOf != nil {
		return &huma.Schema{AnyOf: []*huma.Schema{s, {Type: "null"}}}
	}
	s.Nullable = true
	return s
}

// liftReport is the schema of a lift, whose parts are null when they are refused.
type liftReport engine.LiftReport

// TransformSchema lets the parts be null.
func (liftReport) TransformSchema(r huma.Registry, s *huma.Schema) *huma.Schema {
	s.Properties["absolute"] = nullable[engine.Absolute](r)
	s.Properties["relative"] = nullable[engine.Relative](r)
	s.Properties["incremental"] = nullable[engine.Incremental](r)
	s.Properties["refused"] = nullable[engine.Refused](r)
	return s
}
