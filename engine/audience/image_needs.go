package audience

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/rules"
)

// A columnSpec is a column of customers that an image holds or is to hold. One with another database column is another.
type columnSpec struct {
	name   string
	kind   rules.Type
	column string // of a registered attribute
}

// A fieldSpec is a field of a history; digits are those of the currency, of a property that is money.
type fieldSpec struct {
	name   string
	kind   rules.Type
	digits int
}

// A tableSpec is a history with some of its fields, in order of their names.
type tableSpec struct {
	name   string
	fields []fieldSpec
	strict bool
}

// wanted is what needs come to in a database.
type wanted struct {
	columns map[string]columnSpec
	tables  map[string]tableSpec
}

// A catalog knows what there is to hold.
type catalog struct {
	columns    map[string]columnSpec
	properties map[string]rules.Type
	digits     int
	settings   string // the mark under which it was read
}

// catalogAt is the catalog of the snapshot of tx, read anew where attributes or settings have changed since the last time.
func (im *Image) catalogAt(ctx context.Context, tx *store.Tx, standing store.Standing) (*catalog, error) {
	if known := im.catalog.Load(); known != nil && known.settings == standing.Settings {
		return known, nil
	}
	read, err := readCatalog(ctx, tx)
	if err != nil {
		return nil, err
	}
	read.settings = standing.Settings
	im.catalog.Store(read)
	return read, nil
}

// readCatalog reads what the shop has registered.
func readCatalog(ctx context.Context, tx *store.Tx) (*catalog, error) {
	c := &catalog{columns: map[string]columnSpec{}, properties: map[string]rules.Type{}}
	attributes, err := tx.Attributes(ctx)
	if err != nil {
		return nil, err
	}
	workspace, err := tx.Workspace(ctx)
	if err != nil {
		return nil, err
	}
	c.digits = workspace.Digits()
	for _, a := range attributes {
		kind, _ := rules.ParseType(a.Type)
		property, is := rules.EventProperty(a.Name)
		if _, known := c.properties[property]; is && !known {
			c.properties[property] = kind
		} else if !is {
			c.columns[a.Name] = columnSpec{a.Name, kind, a.Column}
		}
	}
	for _, b := range campaigns.CustomerSource().Columns {
		kind, _ := rules.ParseType(b.Type)
		c.columns[b.Name] = columnSpec{name: b.Name, kind: kind}
	}
	return c, nil
}

// resolve says what needs come to; what is not known is an error.
func (c *catalog) resolve(needs Needs) (wanted, error) {
	w := wanted{map[string]columnSpec{}, map[string]tableSpec{}}
	for _, name := range needs.Columns {
		spec, known := c.columns[name]
		if !known {
			return w, fmt.Errorf("there is no column %q to hold in memory", name)
		}
		w.columns[name] = spec
	}
	for _, name := range needs.Histories {
		if err := c.want(&w, name, needs); err != nil {
			return w, err
		}
	}
	for name := range needs.Fields {
		if err := c.want(&w, name, needs); err != nil {
			return w, err
		}
	}
	return w, nil
}

func (c *catalog) want(w *wanted, name string, needs Needs) error {
	source, known := campaigns.HistorySource(name)
	if !known {
		return fmt.Errorf("there is no history %q to hold in memory", name)
	}
	t := tableSpec{name: name, strict: needs.Strict[name]}
	for _, field := range append(needs.Fields[name], orderField(source)) {
		names := []string{field}
		if found, _ := source.Column(field); found.Derived {
			names = []string{"used", "expires_at"} // the state of a coupon follows from these
		}
		for _, name := range names {
			spec, err := c.field(source, name)
			if err != nil {
				return err
			}
			t = t.with(spec)
		}
	}
	w.tables[name] = t
	return nil
}

// orderField is the field by which the rows of a customer go.
func orderField(s campaigns.Source) string {
	if s.SeenAt == "" {
		return "earned_on"
	}
	return s.SeenAt
}

func (c *catalog) field(source campaigns.Source, name string) (fieldSpec, error) {
	property, is := strings.CutPrefix(name, store.PropertyPrefix)
	kind, registered := c.properties[property]
	switch {
	case is && source.Name == "events" && registered && kind != rules.TextList:
		spec := fieldSpec{name: name, kind: kind}
		if kind == rules.Money {
			spec.digits = c.digits
		}
		return spec, nil
	case !is:
		if column, known := source.Column(name); known && column.Type != campaigns.EventProperties {
			kind, _ := rules.ParseType(column.Type)
			return fieldSpec{name: name, kind: kind}, nil
		}
	}
	return fieldSpec{}, fmt.Errorf("there is no field %q of %s to hold in memory", name, source.Name)
}

// holds says whether a held table serves a wanted one.
func (t tableSpec) holds(want tableSpec) bool {
	for _, f := range want.fields {
		if !slices.Contains(t.fields, f) {
			return false
		}
	}
	return t.strict || !want.strict
}

// with adds a field, in place of one of the same name.
func (t tableSpec) with(field fieldSpec) tableSpec {
	fields := slices.DeleteFunc(slices.Clone(t.fields), func(f fieldSpec) bool { return f.name == field.name })
	t.fields = append(fields, field)
	slices.SortFunc(t.fields, func(a, b fieldSpec) int { return strings.Compare(a.name, b.name) })
	return t
}

// and is a table that serves both; where a field has changed its type, as want has it.
func (t tableSpec) and(want tableSpec) tableSpec {
	both := t
	for _, f := range want.fields {
		both = both.with(f)
	}
	both.name, both.strict = want.name, t.strict || want.strict
	return both
}

func (t tableSpec) names() []string {
	names := make([]string, len(t.fields))
	for i, f := range t.fields {
		names[i] = f.name
	}
	return names
}

func (t tableSpec) kinds() []rules.Type {
	kinds := make([]rules.Type, len(t.fields))
	for i, f := range t.fields {
		kinds[i] = f.kind
	}
	return kinds
}

// stage gathers rows of the table.
func (t tableSpec) stage() *stage {
	source, _ := campaigns.HistorySource(t.name)
	return newStage(t.names(), t.kinds(), slices.Index(t.names(), orderField(source)))
}

// namesElsewhere says whether a field is a name that can change without its row.
func (t tableSpec) namesElsewhere() bool {
	return slices.ContainsFunc(t.fields, func(f fieldSpec) bool { return store.NamesElsewhere(t.name, f.name) })
}

// listStage gathers the elements of a text list.
func listStage() *stage {
	s := newStage([]string{""}, []rules.Type{rules.Text}, -1)
	s.present = make([]uint64, words(chunkRows))
	return s
}
