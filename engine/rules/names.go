package rules

import "beckon/campaigns"

// histories are the lists of a customer, in the order of an evaluation's cache.
func histories() []*table {
	var all []*table
	for _, source := range campaigns.HistorySources() {
		t := &table{name: source.Name, seenAt: source.SeenAt, fields: map[string]Type{}}
		for _, c := range source.Visible() {
			t.fields[c.Name] = sourceType(c)
		}
		all = append(all, t)
	}
	return all
}

// sourceType is the type of a described column.
func sourceType(c campaigns.SourceColumn) Type {
	if c.Type == campaigns.EventProperties {
		return object
	}
	t, _ := ParseType(c.Type)
	return t
}

// Reserved are the words of the language that can never be names. The names of functions can: age is an attribute beside
// age(birthday).
func Reserved() []string {
	return []string{"true", "false", "nil", "let", "if", "else", "in", "not", "and", "or", "contains", "matches"}
}

// historiesMax is how many histories there are, and the size of an evaluation's cache.
const historiesMax = 7

// builtinAttributes are the stored columns that every workspace has.
func builtinAttributes() []Attribute {
	var all []Attribute
	for _, c := range campaigns.CustomerSource().Visible() {
		all = append(all, Attribute{c.Name, sourceType(c)})
	}
	return all
}

// lineAttributes are the names of a rule over one line of a purchase.
func lineAttributes() []Attribute {
	return []Attribute{{"sku", Text}, {"brand", Text}, {"category", Text}, {"qty", Int}, {"amount", Money}}
}

// derivedAttributes are worked out from stored columns, live at the evaluation's instant.
func derivedAttributes() []*attribute {
	return []*attribute{
		{name: "next_birthday", kind: DateType, columns: []string{"birthday"}, derive: (*evaluation).nextBirthday},
		{name: "avg_basket", kind: Money, columns: []string{"purchase_count", "total_spend"}, derive: (*evaluation).avgBasket},
		{name: "points", kind: Int, lists: []string{"lots"}, derive: (*evaluation).points},
	}
}

// clockAttributes are constants of one evaluation.
func clockAttributes() []*attribute {
	return []*attribute{
		{name: "now", kind: Time, derive: func(e *evaluation) any { return e.at.Now }},
		{name: "today", kind: DateType, derive: func(e *evaluation) any { return e.today }},
	}
}
