package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// Bounds of an event's properties.
const (
	eventPropsMax = 100
	eventDepthMax = 16
	eventBytesMax = 64 << 10
)

// eventStaging stages events. types are the registered types of properties, by event and property.
type eventStaging struct {
	r      *importReader
	stage  *store.Stage
	row    store.StageRow
	types  map[string]string
	months func(at time.Time) error
	month  time.Time
}

func eventImport(r *importReader, attributes []campaigns.Attribute, months func(at time.Time) error) (importShape, importKind) {
	e := &eventStaging{r: r, types: map[string]string{}, months: months}
	for _, a := range attributes {
		if name, is := strings.CutPrefix(a.Name, "event."); is {
			e.types[name] = a.Type
		}
	}
	shape := importShape{fields: []string{"event_id", "customer_id", "name", "at", "props"}, required: []string{"customer_id", "name", "at"}, props: true}
	return shape, importKind{columns: store.EventStage, open: func(st *store.Stage) error { e.stage = st; return nil }, take: e.take}
}

func (e *eventStaging) take(row *importRow) error {
	v := &e.r.values
	id, customer, name := row.cells[0], row.cells[1], row.cells[2]
	if err := v.id(row, "customer_id", customer); err != nil {
		return err
	}
	if err := v.id(row, "name", name); err != nil {
		return err
	}
	at, err := v.time("at", row.cells[3], e.r.now)
	if err != nil {
		return err
	}
	props, err := e.props(row, name)
	if err != nil {
		return err
	}
	if id == "" {
		sum := sha256.Sum256([]byte(strings.Join([]string{customer, name, strconv.FormatInt(at.Unix(), 10), string(props)}, "\x1f")))
		id = "event-" + hex.EncodeToString(sum[:16])
	} else if err := v.id(row, "event_id", id); err != nil {
		return err
	}
	if month := time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC); !month.Equal(e.month) {
		if err := e.months(at); err != nil {
			return err
		}
		e.month = month
	}
	spread := e.stage.Key(customer)
	e.row.Reset()
	e.row.Int4(spread)
	e.row.Int8(row.number)
	e.row.Text(id)
	e.row.Text(customer)
	e.row.Text(name)
	e.row.Time(at)
	e.row.TextOrNull(string(props))
	return e.stage.Add(spread, &e.row)
}

// props is the JSON object of an event's properties in one spelling, nil when it has none.
func (e *eventStaging) props(row *importRow, event string) ([]byte, error) {
	props := map[string]any{}
	if text := row.cells[4]; text != "" {
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		if err := decoder.Decode(&props); err != nil || decoder.More() || props == nil {
			return nil, campaigns.Invalid("props", "is not a JSON object")
		}
	}
	for at := 5; at < len(row.cells); at++ {
		if text := row.cells[at]; text != "" {
			name := strings.TrimPrefix(e.r.columns.fields[at], "props.")
			props[name] = e.propValue(event+"."+name, text)
		}
	}
	if len(props) == 0 {
		return nil, nil
	}
	if len(props) > eventPropsMax {
		return nil, campaigns.Invalid("props", "has more than %d properties", eventPropsMax)
	}
	if err := checkProps(props, 0); err != nil {
		return nil, err
	}
	kept, err := json.Marshal(props)
	if err != nil {
		return nil, campaigns.Invalid("props", "cannot be kept: %v", err)
	}
	if len(kept) > eventBytesMax {
		return nil, campaigns.Invalid("props", "is longer than %d bytes", eventBytesMax)
	}
	return kept, nil
}

// propValue is a cell as a property: a number, true or false where it reads like one, unless it is registered as text.
func (e *eventStaging) propValue(name, text string) any {
	if kind := e.types[name]; kind == "text" || kind == "date" || kind == "time" {
		return text
	}
	var value any
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if decoder.Decode(&value) != nil || decoder.InputOffset() != int64(len(text)) {
		return text
	}
	switch value.(type) {
	case json.Number, bool:
		return value
	}
	return text
}

// checkProps refuses what PostgreSQL's jsonb cannot hold: NUL characters, numbers out of all bounds, endless depth.
func checkProps(value any, depth int) error {
	if depth > eventDepthMax {
		return campaigns.Invalid("props", "is nested more than %d deep", eventDepthMax)
	}
	switch v := value.(type) {
	case string:
		if strings.ContainsRune(v, 0) {
			return campaigns.Invalid("props", "contains a NUL character, which cannot be kept")
		}
	case json.Number:
		if _, err := strconv.ParseFloat(v.String(), 64); err != nil {
			return campaigns.Invalid("props", "has a number that is too large")
		}
	case []any:
		for _, element := range v {
			if err := checkProps(element, depth+1); err != nil {
				return err
			}
		}
	case map[string]any:
		for name, element := range v {
			if strings.ContainsRune(name, 0) {
				return campaigns.Invalid("props", "contains a NUL character, which cannot be kept")
			}
			if err := checkProps(element, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// pointImport stages lots of points.
func pointImport(r *importReader) (importShape, importKind) {
	var stage *store.Stage
	var out store.StageRow
	today := time.Date(r.now.In(r.values.zone).Year(), r.now.In(r.values.zone).Month(), r.now.In(r.values.zone).Day(), 0, 0, 0, 0, time.UTC)
	take := func(row *importRow) error {
		entry := row.cells[5]
		lot := campaigns.Lot{CustomerID: row.cells[0], EntryID: entry, Reason: row.cells[6], EarnedOn: today}
		if entry == "" {
			lot.EntryID = "derived"
		}
		points, err := strconv.ParseInt(row.cells[1], 10, 64)
		if err != nil {
			return campaigns.Invalid("points", "%.60q is not a whole number", row.cells[1])
		}
		lot.Points = points
		if err := lotDays(&lot, row.cells); err != nil {
			return err
		}
		if err := lot.Check(); err != nil {
			return err
		}
		spread := stage.Key(lot.CustomerID)
		out.Reset()
		out.Int4(spread)
		out.Int8(row.number)
		out.TextOrNull(entry)
		out.Text(lot.CustomerID)
		out.Int8(lot.Points)
		out.Date(lot.EarnedOn)
		out.Bool(row.cells[2] != "")
		out.Date(lot.ActiveFrom)
		if lot.LastValidOn == nil {
			out.Null()
		} else {
			out.Date(*lot.LastValidOn)
		}
		out.TextOrNull(lot.Reason)
		return stage.Add(spread, &out)
	}
	shape := importShape{fields: []string{"customer_id", "points", "earned_on", "active_from", "last_valid_on", "entry_id", "reason"}, required: []string{"customer_id", "points"}}
	return shape, importKind{columns: store.PointStage, open: func(st *store.Stage) error { stage = st; return nil }, take: take}
}

// lotDays reads the days of a lot: earned today and live at once, unless the row says otherwise.
func lotDays(lot *campaigns.Lot, cells []string) error {
	for _, f := range [...]struct {
		name, text string
		set        func(day time.Time)
	}{
		{"earned_on", cells[2], func(day time.Time) { lot.EarnedOn = day }},
		{"active_from", cells[3], func(day time.Time) { lot.ActiveFrom = day }},
		{"last_valid_on", cells[4], func(day time.Time) { lot.LastValidOn = &day }},
	} {
		if f.text == "" {
			continue
		}
		day, err := campaigns.ParseDate(f.name, f.text)
		if err != nil {
			return err
		}
		f.set(day)
	}
	if cells[3] == "" {
		lot.ActiveFrom = lot.EarnedOn
	}
	return nil
}

// assignmentImport stages who was assigned to which of the arms.
func assignmentImport(r *importReader, arms []string) (importShape, importKind) {
	var stage *store.Stage
	var out store.StageRow
	take := func(row *importRow) error {
		if err := r.values.id(row, "customer_id", row.cells[0]); err != nil {
			return err
		}
		if !slices.Contains(arms, row.cells[1]) {
			return campaigns.Invalid("arm", "%.60q is not one of the campaign's arms: %s", row.cells[1], strings.Join(arms, ", "))
		}
		at, err := r.values.time("at", row.cells[2], r.now)
		if err != nil {
			return err
		}
		spread := stage.Key(row.cells[0])
		out.Reset()
		out.Int4(spread)
		out.Int8(row.number)
		out.Text(row.cells[0])
		out.Text(row.cells[1])
		out.Time(at)
		return stage.Add(spread, &out)
	}
	shape := importShape{fields: []string{"customer_id", "arm", "at"}, required: []string{"customer_id", "arm", "at"}}
	return shape, importKind{columns: store.AssignmentStage, open: func(st *store.Stage) error { stage = st; return nil }, take: take}
}
