package store

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"beckon/campaigns"
)

// SaveCustomer writes a whole profile; what is nil becomes missing. With No 0 it creates the customer and sets No. It
// keeps the look-up of addresses and writes a line of history for each consent that changed. Nothing is written when
// nothing changed. Email and Phone are expected as campaigns.NormalEmail and NormalPhone give them.
func (tx *Tx) SaveCustomer(ctx context.Context, c *campaigns.Customer) error {
	columns, values, err := tx.profileColumns(ctx, c)
	if err != nil {
		return err
	}
	if c.No == 0 {
		return tx.createCustomer(ctx, c, columns, values)
	}
	before, err := tx.lockAddresses(ctx, c.No)
	if err != nil {
		return err
	}
	fields, err := tx.changedAttributes(ctx, c.No, columns, values)
	if err != nil {
		return err
	}
	var set, kept, given strings.Builder
	for i, column := range columns {
		fmt.Fprintf(&set, "%s = $%d, ", column, i+3)
		fmt.Fprintf(&kept, ", %s", column)
		fmt.Fprintf(&given, ", $%d", i+3)
	}
	sql := fmt.Sprintf(`UPDATE customers SET %srevision = revision + 1, changed_at = $2 WHERE no = $1 AND (%s) IS DISTINCT FROM (%s)`,
		set.String(), kept.String()[2:], given.String()[2:])
	changed, err := tx.exec(ctx, "saving a customer", sql, append([]any{c.No, wholeSecond(tx.Now)}, values...)...)
	if err != nil || changed == 0 {
		c.Revision = before.revision
		return err
	}
	c.Revision, c.ChangedAt = before.revision+1, wholeSecond(tx.Now)
	if err := tx.signalUpdate(ctx, c.No, c.Revision, fields); err != nil {
		return err
	}
	return tx.followProfile(ctx, c, before)
}

func (tx *Tx) createCustomer(ctx context.Context, c *campaigns.Customer, columns []string, values []any) error {
	made, err := tx.customerNos(ctx, `INSERT INTO customer_ids (id, no) SELECT id, nextval('customer_nos') FROM unnest($1::text[]) id
		ON CONFLICT DO NOTHING RETURNING id, no`, []string{c.ID})
	if err != nil {
		return err
	}
	if len(made) == 0 {
		return campaigns.Conflict("the customer %q exists already", c.ID)
	}
	no := made[c.ID]
	var names, given strings.Builder
	for i, column := range columns {
		fmt.Fprintf(&names, ", %s", column)
		fmt.Fprintf(&given, ", $%d", i+4)
	}
	sql := fmt.Sprintf(`INSERT INTO customers (no, id, changed_at%s) VALUES ($1, $2, $3%s)`, names.String(), given.String())
	if _, err := tx.exec(ctx, "creating a customer", sql, append([]any{no, c.ID, wholeSecond(tx.Now)}, values...)...); err != nil {
		return err
	}
	c.No, c.Revision, c.ChangedAt = no, 1, wholeSecond(tx.Now)
	if err := tx.signalCreated(ctx, no); err != nil {
		return err
	}
	return tx.followProfile(ctx, c, addressesBefore{})
}

// profileColumns are the columns of a profile and their values, attributes included.
func (tx *Tx) profileColumns(ctx context.Context, c *campaigns.Customer) ([]string, []any, error) {
	emailHash, err := tx.addressHash(ctx, campaigns.Email, textOrEmpty(c.Email))
	if err != nil {
		return nil, nil, err
	}
	phoneHash, err := tx.addressHash(ctx, campaigns.SMS, textOrEmpty(c.Phone))
	if err != nil {
		return nil, nil, err
	}
	columns := []string{"name", "gender", "birthday", "city", "language", "timezone", "tier", "registered_at",
		"email", "phone", "email_hash", "phone_hash", "sms_consent", "email_consent", "tags"}
	tags := c.Tags
	if len(tags) == 0 {
		tags = nil
	}
	values := []any{c.Name, c.Gender, c.Birthday, c.City, c.Language, c.Timezone, c.Tier, wholeSecondOf(c.RegisteredAt),
		c.Email, c.Phone, emailHash, phoneHash, c.SMSConsent, c.EmailConsent, tags}
	attributes, err := tx.customerAttributes(ctx)
	if err != nil {
		return nil, nil, err
	}
	known := 0
	for _, a := range attributes {
		value, given := c.Attributes[a.Name]
		if given {
			known++
		}
		value, err := columnValue(a, value)
		if err != nil {
			return nil, nil, err
		}
		columns, values = append(columns, a.Column), append(values, value)
	}
	if known < len(c.Attributes) {
		return nil, nil, unknownAttribute(c.Attributes, attributes)
	}
	return columns, values, nil
}

func unknownAttribute(given map[string]any, attributes []campaigns.Attribute) error {
	known := map[string]bool{}
	for _, a := range attributes {
		known[a.Name] = true
	}
	var checks campaigns.Checks
	for name := range given {
		checks.Require(known[name], "attributes."+name, "is not registered: PUT /v1/attributes/{name} makes it known")
	}
	return checks.Err()
}

// columnValue checks that a value has the noun's type for its attribute and turns it into what the column takes.
func columnValue(a campaigns.Attribute, value any) (any, error) {
	ok := true
	switch a.Type {
	case "text":
		_, ok = value.(string)
	case "int", "money":
		_, ok = value.(int64)
	case "number":
		_, ok = value.(float64)
	case "bool":
		_, ok = value.(bool)
	case "text_list":
		_, ok = value.([]string)
	case "date":
		day, isText := value.(string)
		at, err := time.Parse(time.DateOnly, day)
		if isText && err == nil {
			return at, nil
		}
		ok = false
	case "time":
		at, isTime := value.(time.Time)
		if isTime {
			return wholeSecond(at), nil
		}
		ok = false
	}
	if !ok && value != nil {
		return nil, campaigns.Invalid("attributes."+a.Name, "is not a value of type %s", a.Type)
	}
	return value, nil
}

// addressesBefore is what a profile had before it was written.
type addressesBefore struct {
	email, phone []byte
	sms, mail    *bool
	revision     int64
}

func (tx *Tx) lockAddresses(ctx context.Context, no int64) (addressesBefore, error) {
	var b addressesBefore
	err := tx.tx.QueryRow(ctx, `SELECT email_hash, phone_hash, sms_consent, email_consent, revision FROM customers WHERE no = $1 FOR UPDATE`, no).
		Scan(&b.email, &b.phone, &b.sms, &b.mail, &b.revision)
	if err != nil {
		return b, fmt.Errorf("locking customer %d: %w", no, err)
	}
	return b, nil
}

// followProfile keeps what hangs on a profile: the look-up of addresses, the history of consents, the changes.
func (tx *Tx) followProfile(ctx context.Context, c *campaigns.Customer, before addressesBefore) error {
	for _, address := range []struct {
		channel, now string
		before       []byte
	}{{campaigns.Email, textOrEmpty(c.Email), before.email}, {campaigns.SMS, textOrEmpty(c.Phone), before.phone}} {
		hash, err := tx.addressHash(ctx, address.channel, address.now)
		if err != nil {
			return err
		}
		if err := tx.moveAddress(ctx, c.No, address.channel, address.before, hash); err != nil {
			return err
		}
	}
	for _, consent := range []struct {
		channel     string
		before, now *bool
	}{{campaigns.SMS, before.sms, c.SMSConsent}, {campaigns.Email, before.mail, c.EmailConsent}} {
		if sameWord(consent.before, consent.now) {
			continue
		}
		source := c.ConsentSource
		if source == "" {
			source = "profile"
		}
		granted := consent.now != nil && *consent.now
		if err := tx.writeConsent(ctx, c.No, campaigns.Consent{Channel: consent.channel, Granted: granted, At: tx.Now, Source: source}, true); err != nil {
			return err
		}
	}
	return tx.noteChanges(ctx, changedProfile, c.No)
}

func (tx *Tx) moveAddress(ctx context.Context, no int64, channel string, before, now []byte) error {
	if bytes.Equal(before, now) {
		return nil
	}
	if before != nil {
		if _, err := tx.exec(ctx, "forgetting an address", `DELETE FROM addresses WHERE hash = $1 AND channel = $2 AND no = $3`, before, channel, no); err != nil {
			return err
		}
	}
	if now == nil {
		return nil
	}
	_, err := tx.exec(ctx, "keeping an address", `INSERT INTO addresses (hash, channel, no) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, now, channel, no)
	return err
}

func textOrEmpty(pointer *string) string {
	if pointer == nil {
		return ""
	}
	return *pointer
}

func sameWord(a, b *bool) bool { return (a == nil) == (b == nil) && (a == nil || *a == *b) }
