package engine

import (
	"slices"
	"strings"

	"beckon/campaigns"
)

// importShape is what a kind of import takes: the fields by name, those that a file must have, other names that a field
// goes by, and whether it takes fields with the prefix "props.".
type importShape struct {
	fields   []string
	required []string
	aliases  map[string]string
	props    bool
}

// importColumns is where the columns of a file go: by column the place of its field, -1 for one that is left out.
type importColumns struct {
	shape   importShape
	fields  []string // the shape's, and the props. ones that the file has
	by      map[string]int
	options campaigns.ImportOptions
	cells   []int // by column of a CSV file
	ignored []string
}

func newImportColumns(shape importShape, options campaigns.ImportOptions) *importColumns {
	c := &importColumns{shape: shape, fields: slices.Clone(shape.fields), by: map[string]int{}, options: options}
	for i, field := range c.fields {
		c.by[field] = i
	}
	return c
}

// place finds a field by name; a props. one is made when it is first asked for.
func (c *importColumns) place(field string) (int, bool) {
	if alias, is := c.shape.aliases[field]; is {
		field = alias
	}
	if i, known := c.by[field]; known {
		return i, true
	}
	if name, is := strings.CutPrefix(field, "props."); is && c.shape.props && name != "" && len(c.fields) < 200 {
		c.fields = append(c.fields, field)
		c.by[field] = len(c.fields) - 1
		return len(c.fields) - 1, true
	}
	return 0, false
}

// columnsMax bounds a header, each of whose columns is held against all fields and the whole map.
const columnsMax = 2000

// header matches the columns of a CSV file by name.
func (c *importColumns) header(columns []string) error {
	if len(columns) > columnsMax {
		return campaigns.Invalid("header", "has %d columns: a file has at most %d", len(columns), columnsMax)
	}
	names := make([]string, len(columns))
	for i, column := range columns {
		if err := campaigns.CheckText("header", column); err != nil {
			return err
		}
		names[i] = strings.TrimSpace(column)
	}
	renamed, err := c.renames(names)
	if err != nil {
		return err
	}
	taken := map[int]string{}
	for _, name := range names {
		at, err := c.column(name, renamed)
		if err != nil {
			return err
		}
		if at >= 0 && taken[at] != "" {
			return campaigns.Invalid(name, "and %s are both read as %s: leave one out with the map %s → -", taken[at], c.fields[at], name)
		}
		if at >= 0 {
			taken[at] = name
		}
		c.cells = append(c.cells, at)
	}
	return c.missing(func(at int) bool { return taken[at] != "" })
}

func (c *importColumns) missing(has func(at int) bool) error {
	for _, field := range c.shape.required {
		if !has(c.by[field]) {
			return campaigns.Invalid(field, "there is no such column: the file needs %s", strings.Join(c.shape.required, ", "))
		}
	}
	return nil
}

// column is the place of one column's field.
func (c *importColumns) column(name string, renamed map[string]string) (int, error) {
	field, mapped := renamed[name]
	if mapped && field == "-" {
		c.ignored = append(c.ignored, name)
		return -1, nil
	}
	if !mapped {
		field = name
		for _, to := range renamed { // a column that is meant goes before one that happens to have the field's name
			if to == field && to != "-" {
				c.ignored = append(c.ignored, name)
				return -1, nil
			}
		}
	}
	at, known := c.place(field)
	if !known {
		at, known = c.place(strings.ToLower(field))
	}
	switch {
	case known:
		return at, nil
	case len(c.options.Map) > 0 && !mapped:
		c.ignored = append(c.ignored, name)
		return -1, nil
	}
	return -1, c.unknown(name)
}

func (c *importColumns) unknown(name string) *campaigns.Error {
	advice := "a map renames columns, and - leaves one out"
	if c.options.Kind == campaigns.ImportCustomers {
		advice += "; a fact of your own is registered first, with PUT /v1/attributes/{name}"
	}
	near := importNearest(name, c.shape.fields)
	if near == "" {
		return campaigns.Invalid(name, "is not a column of %s: %s", c.options.Kind, advice)
	}
	err := campaigns.Invalid(name, "is not a column of %s: did you mean %s? Or else %s", c.options.Kind, near, advice)
	err.Problems[0].Hint = near
	return err
}

// renames turns the map into file column → field. It may be written either way round: each pair is read as file column →
// field when the file has such a column and there is such a field, else as field → file column.
func (c *importColumns) renames(names []string) (map[string]string, error) {
	renamed := make(map[string]string, len(c.options.Map))
	for from, to := range c.options.Map {
		_, toField := c.place(to)
		_, fromField := c.place(from)
		switch {
		case slices.Contains(names, from) && (to == "-" || toField):
			renamed[from] = to
		case slices.Contains(names, to) && fromField:
			renamed[to] = from
		case slices.Contains(names, from):
			return nil, campaigns.Invalid("map", "%s is not a field of %s: there are %s", to, c.options.Kind, strings.Join(c.shape.fields, ", "))
		default:
			return nil, campaigns.Invalid("map", "the file has no column %s: it has %s", from, strings.Join(names, ", "))
		}
	}
	return renamed, nil
}

// objectField is the place of a field of a JSON object.
func (c *importColumns) objectField(name string, renamed map[string]string) (int, *campaigns.Error) {
	field, mapped := renamed[name]
	if field == "-" {
		return -1, nil
	}
	if !mapped {
		field = name
	}
	if at, known := c.place(field); known {
		return at, nil
	}
	if len(c.options.Map) == 0 {
		return -1, c.unknown(name)
	}
	if !slices.Contains(c.ignored, name) && len(c.ignored) < 1000 {
		c.ignored = append(c.ignored, name)
	}
	return -1, nil
}

// objectRenames is the map for JSON objects, whose fields are not known beforehand.
func (c *importColumns) objectRenames() map[string]string {
	renamed := make(map[string]string, len(c.options.Map))
	for from, to := range c.options.Map {
		_, toField := c.place(to)
		_, fromField := c.place(from)
		if to != "-" && !toField && fromField {
			from, to = to, from
		}
		renamed[from] = to
	}
	return renamed
}

// importNearest is the name that takes the fewest edits to reach, empty when none is near enough to be meant.
func importNearest(name string, names []string) string {
	best, edits := "", max(2, len(name)/3)+1
	name = strings.ToLower(name)
	if len(name) > 100 {
		name = name[:100]
	}
	for _, candidate := range names {
		d := importEdits(name, candidate)
		if strings.Contains(name, candidate) || strings.Contains(candidate, name) {
			d = min(d, 2)
		}
		if d < edits {
			best, edits = candidate, d
		}
	}
	return best
}

// importEdits is the Levenshtein distance of two names.
func importEdits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
