package rules

// histories are the lists of a customer, in the order of an evaluation's cache.
func histories() []*table {
	return []*table{
		{name: "purchases", seenAt: "at", fields: map[string]Type{"at": Time, "order_id": Text, "store": Text, "amount": Money}},
		{name: "items", seenAt: "at", fields: map[string]Type{"at": Time, "sku": Text, "brand": Text, "category": Text, "qty": Int, "amount": Money}},
		{name: "lots", fields: map[string]Type{"earned_on": DateType, "active_from": DateType, "last_valid_on": DateType, "points": Int, "remaining": Int}},
		{name: "events", seenAt: "at", fields: map[string]Type{"at": Time, "name": Text, "props": object}},
		{name: "messages", seenAt: "sent_at", fields: map[string]Type{"campaign": Text, "channel": Text, "sent_at": Time, "opened_at": Time,
			"clicked_at": Time, "converted_at": Time, "ghost": Bool}},
		{name: "redemptions", seenAt: "at", fields: map[string]Type{"at": Time, "offer": Text, "campaign": Text, "discount": Money}},
		{name: "coupons", seenAt: "issued_at", fields: map[string]Type{"offer": Text, "campaign": Text, "issued_at": Time, "expires_at": Time,
			"used_at": Time, "state": Text}},
	}
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
	return []Attribute{
		{"id", Text}, {"name", Text}, {"gender", Text}, {"birthday", DateType}, {"city", Text}, {"language", Text}, {"timezone", Text},
		{"tier", Text}, {"registered_at", Time}, {"email", Text}, {"phone", Text}, {"sms_consent", Bool}, {"email_consent", Bool},
		{"tags", TextList}, {"purchase_count", Int}, {"total_spend", Money}, {"first_purchase_at", Time}, {"last_purchase_at", Time},
		{"lifetime_points", Int}, {"tier_until", DateType}, {"tier_shortfall", Number},
	}
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
