package store

import "beckon/campaigns"

// history is where one of a customer's lists is kept: p is the table with the customer's number, order the keys of
// (at, id), columns the SQL of those columns that are not p's column of the same name.
type history struct {
	from    string
	order   []sortKey
	columns map[string]string
	named   bool // some of its columns are names of offers and campaigns, which change elsewhere
}

// A sortKey puts rows of one customer in order; text by code point.
type sortKey struct {
	sql  string
	text bool
}

// histories has the SQL of what campaigns.HistorySources describes.
func histories() map[string]history {
	at := sortKey{"p.at", false}
	return map[string]history{
		"purchases": {from: "purchases p", order: []sortKey{at, {"p.order_id", true}}, columns: map[string]string{"amount": "p.amount - p.refunded"}},
		"items": {from: "purchases p CROSS JOIN LATERAL unnest(coalesce(p.net_lines, p.lines)) WITH ORDINALITY AS l(sku, brand, category, qty, amount, line)",
			order:   []sortKey{at, {"p.order_id", true}, {"l.line", false}},
			columns: map[string]string{"sku": "l.sku", "brand": "l.brand", "category": "l.category", "qty": "l.qty::bigint", "amount": "l.amount"}},
		"lots":   {from: "lots p", order: []sortKey{{"p.earned_on", false}, {"p.lot_id", true}}},
		"events": {from: "events p", order: []sortKey{at, {"p.event_id", true}}, columns: map[string]string{"props": "p.props::text"}},
		"messages": {from: `messages p JOIN campaign_versions v ON v.campaign_id = p.campaign_id AND v.version = p.version
			AND p.status IN ('sent', 'delivered', 'bounced', 'unknown', 'ghost')`,
			order: []sortKey{{"p.finished_at", false}, {"p.id::text", true}},
			columns: map[string]string{"campaign": "v.definition->>'name'", "sent_at": "p.finished_at", "opened_at": firstTrack(campaigns.Opened),
				"clicked_at": firstTrack(campaigns.Clicked), "converted_at": "NULL::timestamptz"}},
		"redemptions": {from: `redemption_offers p JOIN offers o ON o.id = p.offer_id JOIN offer_revisions r ON r.offer_id = o.id AND r.revision = o.revision
				AND p.reversed_at IS NULL LEFT JOIN campaigns k ON k.id = p.campaign_id LEFT JOIN campaign_versions v ON v.campaign_id = k.id AND v.version = k.version`,
			order:   []sortKey{at, {"p.order_id", true}, {"p.offer_id::text", true}},
			columns: map[string]string{"offer": "r.definition->>'name'", "campaign": "v.definition->>'name'"}, named: true},
		"coupons": {from: `coupons p JOIN offer_revisions r ON r.offer_id = p.offer_id AND r.revision = p.offer_revision
				LEFT JOIN campaigns k ON k.id = p.campaign_id LEFT JOIN campaign_versions v ON v.campaign_id = k.id AND v.version = k.version`,
			order: []sortKey{{"p.issued_at", false}, {"p.code", true}},
			columns: map[string]string{"offer": "r.definition->>'name'", "campaign": "v.definition->>'name'", "used": "p.uses >= p.uses_max",
				"state": "CASE WHEN p.uses >= p.uses_max THEN 'used' WHEN date_trunc('second', p.expires_at) <= $3 THEN 'lapsed' ELSE 'open' END"}, named: true},
	}
}

// firstTrack is when a message was first opened, or clicked. It is no join: PostgreSQL does not drop one whose columns nobody
// uses, because the index that makes the first of a kind unique is partial.
func firstTrack(kind campaigns.TrackKind) string {
	return "(SELECT o.at FROM tracks o WHERE o.no = p.no AND o.message_id = p.id AND o.kind = '" + string(kind) + "' AND o.first)"
}

// sql is where a column is read from.
func (h history) sql(name string) string {
	if sql, is := h.columns[name]; is {
		return sql
	}
	return "p." + name
}

// HistoryFields are the names of a history's fields that rules can name, in the order in which EachRow gives them.
func HistoryFields(name string) []string {
	source, _ := campaigns.HistorySource(name)
	var names []string
	for _, c := range source.Visible() {
		names = append(names, c.Name)
	}
	return names
}
