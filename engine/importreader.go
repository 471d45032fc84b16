package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// importReader reads the rows of one file and hands them to its kind.
type importReader struct {
	options campaigns.ImportOptions
	columns *importColumns
	renames map[string]string // of JSON objects
	kind    importKind
	now     time.Time
	values  importValues
	nested  string // the field of JSON objects whose own fields count as the row's: attributes
}

// importKind is what a kind of import does with its rows. open is called when the columns are known; take stages a row or
// says with an error of campaigns why not; rejected hears of a row that was not taken; finish stages what it kept back.
type importKind struct {
	open     func(st *store.Stage) error
	columns  func() []store.StageColumn
	take     func(row *importRow) error
	rejected func(row *importRow) error
	finish   func() error
}

// importRow is a row by the places of its fields. Clean rows are ASCII without control characters.
type importRow struct {
	number int64
	cells  []string
	given  []bool // by field, what a JSON object says something of; nil for CSV, where the columns say it
	object bool
	clean  bool
}

func newImportReader(ctx context.Context, s *store.Store, tx *store.Tx, options campaigns.ImportOptions) (*importReader, error) {
	w, err := tx.Workspace(ctx)
	if err != nil {
		return nil, err
	}
	attributes, err := tx.Attributes(ctx)
	if err != nil {
		return nil, err
	}
	r := &importReader{options: options, now: tx.Now, values: importValues{zone: w.Location(), digits: w.Digits(), country: w.Country, zones: map[string]bool{}}}
	var shape importShape
	switch options.Kind {
	case campaigns.ImportPurchases:
		shape, r.kind = purchaseImport(r)
	case campaigns.ImportCustomers:
		r.nested = "attributes"
		hash := func(channel, address string) ([]byte, error) { return s.AddressHash(ctx, channel, address) }
		shape, r.kind = customerImport(r, attributes, hash)
	case campaigns.ImportEvents:
		months := func(at time.Time) error { return s.EnsureMonths(ctx, "events", at) }
		shape, r.kind = eventImport(r, attributes, months)
	case campaigns.ImportPoints:
		shape, r.kind = pointImport(r)
	case campaigns.ImportSuppressions:
		own, err := tx.OwnKindNames(ctx)
		if err != nil {
			return nil, err
		}
		hash := func(channel, address string) ([]byte, error) { return s.AddressHash(ctx, channel, address) }
		shape, r.kind = suppressionImport(r, own, hash, func(text string) ([]byte, error) { return s.ReadListedHash(ctx, text) })
	case campaigns.ImportAssignments:
		arms, err := tx.AssignmentArms(ctx, *options.CampaignID)
		if err != nil {
			return nil, err
		}
		shape, r.kind = assignmentImport(r, arms)
	}
	if r.kind.rejected == nil {
		r.kind.rejected = func(*importRow) error { return nil }
	}
	if r.kind.finish == nil {
		r.kind.finish = func() error { return nil }
	}
	r.columns = newImportColumns(shape, options)
	return r, nil
}

// stage reads the body and stages its rows.
func (r *importReader) stage(ctx context.Context, run *importRun, st *store.Stage, body io.Reader) error {
	in, err := importBody(body)
	if err != nil {
		return err
	}
	rows, err := r.open(newRowBuffer(in))
	if err != nil {
		return err
	}
	run.at.IgnoredColumns = slices.Clone(r.columns.ignored)
	st.Columns(r.kind.columns())
	if err := r.kind.open(st); err != nil {
		return err
	}
	if err := r.readAll(ctx, run, st, rows); err != nil {
		return err
	}
	run.at.IgnoredColumns = slices.Clone(r.columns.ignored)
	return r.kind.finish()
}

// rejectedMax is how many rows a file may have that are rejected while they are most of it: gzip of a hundred kilobytes
// holds ten million lines of nothing, and each would be kept.
const rejectedMax = 100_000

func (r *importReader) readAll(ctx context.Context, run *importRun, st *store.Stage, rows func(row *importRow) error) error {
	var row importRow
	for {
		err := rows(&row)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = r.kind.take(&row)
		}
		run.at.RowsRead++
		if err != nil {
			var problem campaigns.Problem
			if problem, err = importProblem(err); err != nil {
				return err
			}
			run.at.RowsRejected++
			if run.at.RowsRejected > rejectedMax && run.at.RowsRejected > run.at.RowsRead/2 {
				return campaigns.Invalid("row", "more than %d rows cannot be taken, which is most of the file so far: is it a file of %s?", rejectedMax, r.options.Kind)
			}
			if err := st.Reject(ctx, campaigns.Reject{Row: row.number, Field: problem.Field, Message: problem.Message}); err != nil {
				return err
			}
			if err := r.kind.rejected(&row); err != nil {
				return err
			}
		}
		if run.at.RowsRead%importProgressRows == 0 {
			if err := run.report(ctx, func(*campaigns.Import) {}); err != nil {
				return err
			}
		}
	}
}

// importProblem is the first thing that is wrong with a row; an error that is not about the row is given back.
func importProblem(err error) (campaigns.Problem, error) {
	var wrong *campaigns.Error
	var broken *brokenRow
	switch {
	case errors.As(err, &broken):
		return campaigns.Problem{Field: "row", Message: broken.reason}, nil
	case errors.As(err, &wrong) && wrong.Code == campaigns.CodeInvalid && len(wrong.Problems) > 0:
		return wrong.Problems[0], nil
	}
	return campaigns.Problem{}, fmt.Errorf("reading the file: %w", err)
}

// open reads what comes before the rows and gives the way to read them.
func (r *importReader) open(in *rowBuffer) (func(row *importRow) error, error) {
	if r.options.Format == "ndjson" {
		r.renames = r.columns.objectRenames()
		lines := &lineRows{in: in}
		return func(row *importRow) error { return r.object(lines, row) }, nil
	}
	records := &csvRows{in: in}
	header, err := records.next()
	var broken *brokenRow
	switch {
	case errors.Is(err, io.EOF):
		return nil, campaigns.Invalid("header", "is missing: the file is empty")
	case errors.As(err, &broken):
		return nil, campaigns.Invalid("header", "%s", broken.reason)
	case err != nil:
		return nil, fmt.Errorf("reading the file: %w", err)
	}
	if err := r.columns.header(slices.Clone(header)); err != nil {
		return nil, err
	}
	number := int64(0)
	return func(row *importRow) error {
		number++
		row.number = number
		return r.record(records, row)
	}, nil
}

// record reads one record of a CSV file into a row.
func (r *importReader) record(records *csvRows, row *importRow) error {
	row.cells = slices.Grow(row.cells[:0], len(r.columns.fields))[:len(r.columns.fields)]
	clear(row.cells)
	cells, err := records.next()
	if err == nil && len(cells) != len(r.columns.cells) {
		err = &brokenRow{reason: fmt.Sprintf("has %d columns where the header has %d", len(cells), len(r.columns.cells)), cells: cells}
	}
	var broken *brokenRow
	if errors.As(err, &broken) {
		cells = broken.cells
	} else if err != nil {
		return err
	}
	row.clean = true
	for i, at := range r.columns.cells {
		if at >= 0 && i < len(cells) {
			row.cells[at] = cells[i]
			row.clean = row.clean && importClean(cells[i])
		}
	}
	return err
}

// importClean says whether a text is ASCII without control characters and not too long, so that nothing can be wrong with
// it as text.
func importClean(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' {
			return false
		}
	}
	return len(text) <= campaigns.IDMax
}

// object reads one JSON object into a row.
func (r *importReader) object(lines *lineRows, row *importRow) error {
	line, err := lines.next()
	row.number, row.object, row.clean = lines.number, true, false
	row.cells, row.given = make([]string, len(r.columns.fields)), make([]bool, len(r.columns.fields))
	if err != nil {
		return err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(line, &fields); err != nil || fields == nil {
		return &brokenRow{reason: fmt.Sprintf("is not a JSON object: %v", err)}
	}
	if inner, has := fields[r.nested]; has && r.nested != "" {
		delete(fields, r.nested)
		var own map[string]json.RawMessage
		if err := json.Unmarshal(inner, &own); err != nil {
			return campaigns.Invalid(r.nested, "is not a JSON object")
		}
		for name, value := range own {
			if _, twice := fields[name]; !twice {
				fields[name] = value
			}
		}
	}
	var wrong error
	for name, value := range fields {
		if err := r.objectCell(row, name, value); err != nil && wrong == nil {
			wrong = err
		}
	}
	return wrong
}

func (r *importReader) objectCell(row *importRow, name string, value json.RawMessage) error {
	if err := campaigns.CheckText("field", name); err != nil {
		return err
	}
	at, unknown := r.columns.objectField(name, r.renames)
	if unknown != nil {
		return unknown
	}
	if at < 0 {
		return nil
	}
	for at >= len(row.cells) { // a props. field that was never seen before
		row.cells, row.given = append(row.cells, ""), append(row.given, false)
	}
	row.given[at] = true
	switch value[0] {
	case '"':
		return json.Unmarshal(value, &row.cells[at])
	case 'n': // null: missing
	default:
		row.cells[at] = string(value)
	}
	return nil
}
