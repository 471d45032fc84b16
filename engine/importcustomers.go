package engine

import (
	"fmt"
	"slices"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// customerStaging stages profiles: the columns that the file has, and for JSON objects, which may each have others, all
// of them with a note of which the object has.
type customerStaging struct {
	r          *importReader
	stage      *store.Stage
	row        store.StageRow
	attributes []campaigns.Attribute
	hash       func(channel, address string) ([]byte, error)
	profile    []store.StageColumn
	staged     []int // places of the fields that are staged; 0 is the id
}

func customerImport(r *importReader, attributes []campaigns.Attribute, hash func(channel, address string) ([]byte, error)) (importShape, importKind) {
	c := &customerStaging{r: r, hash: hash, profile: store.ProfileColumns()}
	c.attributes = slices.DeleteFunc(slices.Clone(attributes), func(a campaigns.Attribute) bool { return a.Column == "" })
	shape := importShape{fields: []string{"id"}, required: []string{"id"}, aliases: map[string]string{"customer_id": "id"}}
	for _, p := range c.profile {
		shape.fields = append(shape.fields, p.Name)
	}
	for _, a := range c.attributes {
		shape.fields = append(shape.fields, a.Name)
	}
	return shape, importKind{
		columns: c.columns,
		open:    func(st *store.Stage) error { c.stage = st; return nil },
		take:    c.take,
	}
}

func (c *customerStaging) columns() []store.StageColumn {
	for at := 1; at < len(c.r.columns.shape.fields); at++ {
		if c.r.options.Format == "ndjson" || slices.Contains(c.r.columns.cells, at) {
			c.staged = append(c.staged, at)
		}
	}
	var columns []store.StageColumn
	for _, at := range c.staged {
		column := c.column(at)
		columns = append(columns, column)
		if column.Name == "email" || column.Name == "phone" {
			columns = append(columns, store.StageColumn{Name: column.Name + "_hash", Type: "bytea"})
		}
	}
	return store.CustomerStage(columns)
}

func (c *customerStaging) column(at int) store.StageColumn {
	if at <= len(c.profile) {
		return c.profile[at-1]
	}
	return store.AttributeStage(c.attributes[at-1-len(c.profile)])
}

func (c *customerStaging) take(row *importRow) error {
	id := row.cells[0]
	if err := c.r.values.id(row, "id", id); err != nil {
		return err
	}
	spread := c.stage.Key(id)
	c.row.Reset()
	c.row.Int4(spread)
	c.row.Int8(row.number)
	c.row.Text(id)
	c.row.Bytes(c.given(row))
	for _, at := range c.staged {
		var err error
		if at <= len(c.profile) {
			err = c.field(row, c.profile[at-1].Name, row.cells[at])
		} else {
			err = c.attribute(c.attributes[at-1-len(c.profile)], row.cells[at])
		}
		if err != nil {
			return err
		}
	}
	return c.stage.Add(spread, &c.row)
}

// given has a bit for each staged column, set where a JSON object says something of it; nil for CSV.
func (c *customerStaging) given(row *importRow) []byte {
	if !row.object {
		return nil
	}
	bits := make([]byte, (len(c.staged)+2+7)/8) // two more for the hashes
	n := 0
	set := func(given bool) {
		if given {
			bits[n/8] |= 1 << (n % 8)
		}
		n++
	}
	for _, at := range c.staged {
		set(row.given[at])
		if name := c.column(at).Name; name == "email" || name == "phone" {
			set(row.given[at])
		}
	}
	return bits
}

// field stages one field of a profile; an empty one is missing.
func (c *customerStaging) field(row *importRow, name, text string) error {
	v := &c.r.values
	if text == "" {
		c.row.Null()
		if name == "email" || name == "phone" {
			c.row.Null()
		}
		return nil
	}
	switch name {
	case "birthday":
		day, err := campaigns.ParseDate(name, text)
		if err == nil && (day.Year() < 1900 || day.Year() > 2100) {
			err = campaigns.Invalid(name, "lies outside 1900 to 2100")
		}
		c.row.Date(day)
		return err
	case "registered_at":
		at, err := v.time(name, text, c.r.now)
		c.row.Time(at)
		return err
	case "sms_consent", "email_consent":
		granted, err := campaigns.ParseBool(name, text)
		c.row.Bool(granted)
		return err
	case "tags":
		tags, err := campaigns.ParseList(name, text)
		c.row.Texts(tags)
		return err
	case "email":
		address, err := campaigns.NormalEmail(text)
		return c.address(campaigns.Email, address, err)
	case "phone":
		address, err := campaigns.NormalPhone(text, v.country)
		return c.address(campaigns.SMS, address, err)
	case "timezone":
		c.row.Text(text)
		return v.zoneName(name, text)
	}
	c.row.Text(text)
	return v.plain(row, name, text)
}

func (c *customerStaging) address(channel, address string, err error) error {
	if err != nil {
		return err
	}
	hash, err := c.hash(channel, address)
	c.row.Text(address)
	c.row.Bytes(hash)
	return err
}

// attribute stages the value of a registered attribute.
func (c *customerStaging) attribute(a campaigns.Attribute, text string) error {
	value, err := a.Parse(text, c.r.values.digits, c.r.values.zone)
	if err != nil {
		return err
	}
	switch v := value.(type) {
	case nil:
		c.row.Null()
	case string:
		if a.Type != "date" {
			c.row.Text(v)
			return nil
		}
		day, err := campaigns.ParseDate(a.Name, v)
		c.row.Date(day)
		return err
	case int64:
		c.row.Int8(v)
	case float64:
		c.row.Float8(v)
	case bool:
		c.row.Bool(v)
	case time.Time:
		c.row.Time(v)
	case []string:
		c.row.Texts(v)
	default:
		return fmt.Errorf("the attribute %s has a value of type %T", a.Name, value)
	}
	return nil
}
