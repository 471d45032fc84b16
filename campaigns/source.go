package campaigns

import "slices"

// A Source describes what rules read: the customers, or one of a customer's histories. It is written once, here: the
// types of rules follow from it, and the store adds where each column is kept.
type Source struct {
	Name    string
	SeenAt  string // of a history: the column that says since when a row is seen; empty: always
	Columns []SourceColumn
}

// A SourceColumn has a type as the API names it, or is the "properties" of an event. A hidden one is read by executors and
// cannot be named in a rule; a derived one is kept nowhere, it follows from others and the instant of an evaluation.
type SourceColumn struct {
	Name    string
	Type    string
	Hidden  bool
	Derived bool
}

// EventProperties is the type of the column that holds all properties of an event.
const EventProperties = "properties"

// CustomerSource describes the columns of customers that every workspace has. has_email and has_phone say whether there is
// an address; they are never missing.
func CustomerSource() Source {
	return Source{Name: "customers", Columns: slices.Concat(
		columnsOf("text", "id", "name", "gender", "city", "language", "timezone", "tier", "email", "phone"),
		columnsOf("date", "birthday", "tier_until"), columnsOf("time", "registered_at", "first_purchase_at", "last_purchase_at"),
		columnsOf("bool", "sms_consent", "email_consent"), columnsOf("text_list", "tags"), columnsOf("int", "purchase_count", "lifetime_points"),
		columnsOf("money", "total_spend"), columnsOf("number", "tier_shortfall"),
		[]SourceColumn{{Name: "has_email", Type: "bool", Hidden: true}, {Name: "has_phone", Type: "bool", Hidden: true}})}
}

// HistorySources describes a customer's histories. Of messages, opened_at and clicked_at are the first time that a person
// did, and converted_at is always missing for now. Of coupons, used says that no use is left; state is "used", or else "lapsed" once expires_at has come, or "open".
func HistorySources() []Source {
	return []Source{
		{Name: "purchases", SeenAt: "at", Columns: slices.Concat(columnsOf("time", "at"), columnsOf("text", "order_id", "store"), columnsOf("money", "amount"))},
		{Name: "items", SeenAt: "at", Columns: slices.Concat(columnsOf("time", "at"), columnsOf("text", "sku", "brand", "category"), columnsOf("int", "qty"), columnsOf("money", "amount"))},
		{Name: "lots", Columns: slices.Concat(columnsOf("date", "earned_on", "active_from", "last_valid_on"), columnsOf("int", "points", "remaining"))},
		{Name: "events", SeenAt: "at", Columns: slices.Concat(columnsOf("time", "at"), columnsOf("text", "name"), columnsOf(EventProperties, "props"))},
		{Name: "messages", SeenAt: "sent_at", Columns: slices.Concat(columnsOf("text", "campaign", "channel"),
			columnsOf("time", "sent_at", "opened_at", "clicked_at", "converted_at"), columnsOf("bool", "ghost"))},
		{Name: "redemptions", SeenAt: "at", Columns: slices.Concat(columnsOf("time", "at"), columnsOf("text", "offer", "campaign"), columnsOf("money", "discount"))},
		{Name: "coupons", SeenAt: "issued_at", Columns: slices.Concat(columnsOf("text", "offer", "campaign"), columnsOf("time", "issued_at", "expires_at", "used_at"),
			[]SourceColumn{{Name: "state", Type: "text", Derived: true}, {Name: "used", Type: "bool", Hidden: true}})},
	}
}

// HistorySource describes one history; false when there is none of that name.
func HistorySource(name string) (Source, bool) {
	all := HistorySources()
	i := slices.IndexFunc(all, func(s Source) bool { return s.Name == name })
	if i < 0 {
		return Source{}, false
	}
	return all[i], true
}

// Column describes one column; false when there is none of that name.
func (s Source) Column(name string) (SourceColumn, bool) {
	i := slices.IndexFunc(s.Columns, func(c SourceColumn) bool { return c.Name == name })
	if i < 0 {
		return SourceColumn{}, false
	}
	return s.Columns[i], true
}

// Visible are the columns that rules can name.
func (s Source) Visible() []SourceColumn {
	return slices.DeleteFunc(slices.Clone(s.Columns), func(c SourceColumn) bool { return c.Hidden })
}

func columnsOf(kind string, names ...string) []SourceColumn {
	columns := make([]SourceColumn, len(names))
	for i, name := range names {
		columns[i] = SourceColumn{Name: name, Type: kind}
	}
	return columns
}
