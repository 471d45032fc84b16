package store

import (
	"context"
	"fmt"
	"strings"

	"beckon/campaigns"
)

// CustomerStage are the staged columns of customers after key and row: the caller's id, given (a bit for each column that
// follows, set where the row says something of it, missing when it says something of all), and the columns that the file
// has. With an address comes its hash, as the next column.
func CustomerStage(columns []StageColumn) []StageColumn {
	return append([]StageColumn{{"customer_id", "text"}, {"given", "bytea"}}, columns...)
}

// ProfileColumns are the columns of a customer's profile that a file may have, by the names of its fields.
func ProfileColumns() []StageColumn {
	return []StageColumn{{"name", "text"}, {"gender", "text"}, {"birthday", "date"}, {"city", "text"}, {"language", "text"}, {"timezone", "text"},
		{"tier", "text"}, {"registered_at", "timestamptz"}, {"email", "text"}, {"phone", "text"}, {"sms_consent", "boolean"},
		{"email_consent", "boolean"}, {"tags", "text[]"}}
}

// AttributeStage is the staged column of a registered attribute.
func AttributeStage(a campaigns.Attribute) StageColumn {
	return StageColumn{a.Column, columnType(a.Type)}
}

// customerMerge writes profiles: the columns are those that the file has.
type customerMerge []StageColumn

func (c customerMerge) columns() []StageColumn { return c[2:] }

func (c customerMerge) has(name string) bool {
	for _, column := range c.columns() {
		if column.Name == name {
			return true
		}
	}
	return false
}

// value is what a profile's column becomes: the file's, or where the row says nothing of it what is there.
func (c customerMerge) value(i int) string {
	name := c.columns()[i].Name
	return fmt.Sprintf("CASE WHEN COALESCE(get_bit(f.given, %d) = 1, true) THEN f.%s ELSE c.%s END", i, name, name)
}

// said is the condition that a row says something of a column.
func (c customerMerge) said(name string) string {
	for i, column := range c.columns() {
		if column.Name == name {
			return fmt.Sprintf("COALESCE(get_bit(f.given, %d) = 1, true)", i)
		}
	}
	return "false"
}

// merge makes the customers of a slice that are new with all they have, and then changes those that differ. Of several
// rows of one customer the last stands.
func (c customerMerge) merge(ctx context.Context, tx *Tx, from string) (MergeCounts, error) {
	made, all, err := tx.counted(ctx, c.createSQL(from), wholeSecond(tx.Now), changedProfile)
	if err != nil {
		return MergeCounts{}, err
	}
	counts := MergeCounts{Written: made, Unchanged: all - made}
	if made == all || len(c.columns()) == 0 {
		return counts, nil
	}
	rows := fmt.Sprintf(`SELECT DISTINCT ON (i.no) i.no, s.* FROM %s s JOIN customer_ids i ON i.id = s.customer_id ORDER BY i.no, s.row DESC`, from)
	if _, err := tx.exec(ctx, "locking customers", fmt.Sprintf(`SELECT c.no FROM customers c JOIN (%s) f ON f.no = c.no ORDER BY c.no FOR UPDATE OF c`, rows)); err != nil {
		return MergeCounts{}, err
	}
	for _, follow := range c.followSQL(rows) {
		if _, err := tx.exec(ctx, "following profiles", follow.sql, follow.args(tx)...); err != nil {
			return MergeCounts{}, err
		}
	}
	changed, err := tx.exec(ctx, "changing customers", c.updateSQL(rows), wholeSecond(tx.Now), changedProfile)
	counts.Written += changed
	counts.Unchanged -= changed
	return counts, err
}

// createSQL makes the customers that are new. Their consents and addresses go with them.
func (c customerMerge) createSQL(from string) string {
	var names, values strings.Builder
	for _, column := range c.columns() {
		fmt.Fprintf(&names, ", %s", column.Name)
		fmt.Fprintf(&values, ", f.%s", column.Name)
	}
	sql := fmt.Sprintf(`WITH f AS MATERIALIZED (SELECT DISTINCT ON (s.customer_id) s.* FROM %s s
			WHERE NOT EXISTS (SELECT FROM customer_ids i WHERE i.id = s.customer_id) ORDER BY s.customer_id, s.row DESC),
		made AS (INSERT INTO customer_ids (id, no) SELECT customer_id, nextval('customer_nos') FROM f ORDER BY customer_id ON CONFLICT DO NOTHING RETURNING id, no),
		profiles AS (INSERT INTO customers (no, id, changed_at%s) SELECT m.no, m.id, $1%s FROM f JOIN made m ON m.id = f.customer_id ORDER BY m.no),
		noted AS (INSERT INTO changes (xid, no, kind) SELECT pg_current_xact_id(), no, $2::smallint FROM made)`, from, names.String(), values.String())
	for _, channel := range []string{campaigns.Email, campaigns.SMS} {
		if hash := hashColumn(channel); c.has(hash) {
			sql += fmt.Sprintf(`, %[1]s_addresses AS (INSERT INTO addresses (hash, channel, no) SELECT f.%[2]s, '%[1]s', m.no FROM f JOIN made m ON m.id = f.customer_id
				WHERE f.%[2]s IS NOT NULL ORDER BY 1 ON CONFLICT DO NOTHING)`, channel, hash)
		}
		if consent := consentColumn(channel); c.has(consent) {
			sql += fmt.Sprintf(`, %[1]s_consents AS (INSERT INTO consents (no, channel, at, granted, source) SELECT m.no, '%[1]s', $1, f.%[2]s, 'import'
				FROM f JOIN made m ON m.id = f.customer_id WHERE f.%[2]s IS NOT NULL)`, channel, consent)
		}
	}
	return sql + fmt.Sprintf(` SELECT (SELECT count(*) FROM made), (SELECT count(*) FROM %s s)`, from)
}

type followStatement struct {
	sql  string
	args func(tx *Tx) []any
}

// followSQL keeps consents and addresses of the customers that will change, while their old ones are still there.
func (c customerMerge) followSQL(rows string) []followStatement {
	var follow []followStatement
	none := func(*Tx) []any { return nil }
	for _, channel := range []string{campaigns.Email, campaigns.SMS} {
		if hash := hashColumn(channel); c.has(hash) {
			moved := fmt.Sprintf(`(%s) f JOIN customers c ON c.no = f.no WHERE %s AND c.%s IS DISTINCT FROM f.%s`, rows, c.said(hash), hash, hash)
			follow = append(follow,
				followStatement{fmt.Sprintf(`DELETE FROM addresses a USING (SELECT c.no, c.%s AS hash FROM %s) m WHERE a.hash = m.hash AND a.channel = '%s' AND a.no = m.no`, hash, moved, channel), none},
				followStatement{fmt.Sprintf(`INSERT INTO addresses (hash, channel, no) SELECT f.%[1]s, '%[2]s', c.no FROM %[3]s AND f.%[1]s IS NOT NULL ON CONFLICT DO NOTHING`, hash, channel, moved), none})
		}
		if consent := consentColumn(channel); c.has(consent) {
			follow = append(follow, followStatement{fmt.Sprintf(`INSERT INTO consents AS k (no, channel, at, granted, source)
				SELECT c.no, '%[1]s', $1, COALESCE(f.%[2]s, false), 'import' FROM (%[3]s) f JOIN customers c ON c.no = f.no
				WHERE %[4]s AND c.%[2]s IS DISTINCT FROM f.%[2]s
				ON CONFLICT (no, channel, topic, at) DO UPDATE SET granted = excluded.granted, source = excluded.source`, channel, consent, rows, c.said(consent)),
				func(tx *Tx) []any { return []any{wholeSecond(tx.Now)} }})
		}
	}
	return follow
}

// updateSQL changes the customers that differ, and only those.
func (c customerMerge) updateSQL(rows string) string {
	var set, before, after []string
	for i, column := range c.columns() {
		value := c.value(i)
		set = append(set, column.Name+" = "+value)
		before, after = append(before, "c."+column.Name), append(after, value)
	}
	return fmt.Sprintf(`WITH changed AS (UPDATE customers c SET %s, revision = c.revision + 1, changed_at = $1 FROM (%s) f
			WHERE c.no = f.no AND (%s) IS DISTINCT FROM (%s) RETURNING c.no)
		INSERT INTO changes (xid, no, kind) SELECT pg_current_xact_id(), no, $2::smallint FROM changed`,
		strings.Join(set, ", "), rows, strings.Join(before, ", "), strings.Join(after, ", "))
}

// hashColumn is the column that finds a channel's address.
func hashColumn(channel string) string {
	if channel == campaigns.SMS {
		return "phone_hash"
	}
	return "email_hash"
}
