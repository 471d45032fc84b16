package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

const customerColumns = `c.no, COALESCE(c.id, ''), c.name, c.gender, c.birthday, c.city, c.language, c.timezone, c.tier, c.registered_at,
	c.email, c.phone, c.sms_consent, c.email_consent, c.tags, c.revision, c.changed_at,
	COALESCE(f.purchase_count, 0), COALESCE(f.total_spend, 0), f.first_purchase_at, f.last_purchase_at, COALESCE(f.lifetime_points, 0)`

// Customer reads a customer by the caller's id, with figures and attributes.
func (tx *Tx) Customer(ctx context.Context, id string) (*campaigns.Customer, error) {
	return tx.customer(ctx, id, `c.no = (SELECT i.no FROM customer_ids i WHERE i.id = $1)`, id)
}

// CustomerByNo reads a customer by Beckon's own number.
func (tx *Tx) CustomerByNo(ctx context.Context, no int64) (*campaigns.Customer, error) {
	return tx.customer(ctx, fmt.Sprint(no), `c.no = $1`, no)
}

// LockCustomer reads a customer for update. Who wants to write one that may not exist yet calls EnsureCustomers first:
// of two who do so at once, the second waits here and sees what the first wrote.
func (tx *Tx) LockCustomer(ctx context.Context, id string) (*campaigns.Customer, error) {
	return tx.customer(ctx, id, `c.no = (SELECT i.no FROM customer_ids i WHERE i.id = $1) FOR UPDATE OF c`, id)
}

func (tx *Tx) customer(ctx context.Context, id, where string, arg any) (*campaigns.Customer, error) {
	attributes, err := tx.customerAttributes(ctx)
	if err != nil {
		return nil, err
	}
	return one(ctx, tx, "customer", id, selectCustomers(attributes)+where, customerScan(attributes), arg)
}

// ListCustomers pages through all customers by number: those after afterNo, at most limit.
func (tx *Tx) ListCustomers(ctx context.Context, afterNo int64, limit int) ([]*campaigns.Customer, error) {
	attributes, err := tx.customerAttributes(ctx)
	if err != nil {
		return nil, err
	}
	return many(ctx, tx, "customers", selectCustomers(attributes)+`c.no > $1 ORDER BY c.no LIMIT $2`, customerScan(attributes), afterNo, limit)
}

// CustomersOf reads customers by their numbers, in order of those; numbers of nobody are left out.
func (tx *Tx) CustomersOf(ctx context.Context, nos []int64) ([]*campaigns.Customer, error) {
	attributes, err := tx.customerAttributes(ctx)
	if err != nil {
		return nil, err
	}
	return many(ctx, tx, "customers", selectCustomers(attributes)+`c.no = ANY($1) ORDER BY c.no`, customerScan(attributes), nos)
}

// customerAttributes are the registered attributes that are columns of customers.
func (tx *Tx) customerAttributes(ctx context.Context) ([]campaigns.Attribute, error) {
	all, err := tx.Attributes(ctx)
	return slices.DeleteFunc(all, func(a campaigns.Attribute) bool { return a.Column == "" }), err
}

func selectCustomers(attributes []campaigns.Attribute) string {
	var sql strings.Builder
	sql.WriteString("SELECT " + customerColumns)
	for _, a := range attributes {
		sql.WriteString(", c." + a.Column)
	}
	sql.WriteString(" FROM customers c LEFT JOIN customer_figures f ON f.no = c.no WHERE ")
	return sql.String()
}

func customerScan(attributes []campaigns.Attribute) func(row pgx.CollectableRow) (*campaigns.Customer, error) {
	return func(row pgx.CollectableRow) (*campaigns.Customer, error) {
		c := &campaigns.Customer{Attributes: map[string]any{}}
		f := &c.Figures
		targets := []any{&c.No, &c.ID, &c.Name, &c.Gender, &c.Birthday, &c.City, &c.Language, &c.Timezone, &c.Tier, &c.RegisteredAt,
			&c.Email, &c.Phone, &c.SMSConsent, &c.EmailConsent, &c.Tags, &c.Revision, &c.ChangedAt,
			&f.PurchaseCount, &f.TotalSpend, &f.FirstPurchaseAt, &f.LastPurchaseAt, &f.LifetimePoints}
		values := make([]any, len(attributes))
		for i := range values {
			targets = append(targets, &values[i])
		}
		if err := row.Scan(targets...); err != nil {
			return nil, err
		}
		for i, a := range attributes {
			if values[i] != nil {
				c.Attributes[a.Name] = keptValue(a.Type, values[i])
			}
		}
		return c, nil
	}
}

// keptValue turns what PostgreSQL's driver gives for a column of a registered type into the noun's type.
func keptValue(kind string, value any) any {
	switch v := value.(type) {
	case time.Time:
		if kind == "date" {
			return v.Format(time.DateOnly)
		}
		return v.UTC()
	case []any:
		texts := make([]string, 0, len(v))
		for _, e := range v {
			if text, ok := e.(string); ok {
				texts = append(texts, text)
			}
		}
		return texts
	}
	return value
}

// EnsureCustomers gives the number of each id and makes a customer without a profile for those that are unknown. Ids
// that somebody else makes at the same time are waited for, in the order of their bytes, so that nobody waits in a ring.
func (tx *Tx) EnsureCustomers(ctx context.Context, ids []string) (map[string]int64, error) {
	nos := make(map[string]int64, len(ids))
	missing := slices.Compact(slices.Sorted(slices.Values(ids)))
	for _, sql := range []string{
		`SELECT id, no FROM customer_ids WHERE id = ANY($1)`,
		`INSERT INTO customer_ids (id, no) SELECT id, nextval('customer_nos') FROM unnest($1::text[]) id ON CONFLICT DO NOTHING RETURNING id, no`,
		`SELECT id, no FROM customer_ids WHERE id = ANY($1)`, // those that another transaction made meanwhile
	} {
		if len(missing) == 0 {
			break
		}
		found, err := tx.customerNos(ctx, sql, missing)
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(sql, "INSERT") {
			if err := tx.createStubs(ctx, found); err != nil {
				return nil, err
			}
		}
		for id, no := range found {
			nos[id] = no
		}
		missing = slices.DeleteFunc(missing, func(id string) bool { return nos[id] != 0 })
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("the customer %q could be neither made nor found", missing[0])
	}
	return nos, nil
}

func (tx *Tx) customerNos(ctx context.Context, sql string, ids []string) (map[string]int64, error) {
	rows, err := tx.tx.Query(ctx, sql, ids)
	if err != nil {
		return nil, fmt.Errorf("finding customers: %w", err)
	}
	nos := map[string]int64{}
	var id string
	var no int64
	_, err = pgx.ForEachRow(rows, []any{&id, &no}, func() error { nos[id] = no; return nil })
	if err != nil {
		return nil, fmt.Errorf("finding customers: %w", err)
	}
	return nos, nil
}

func (tx *Tx) createStubs(ctx context.Context, made map[string]int64) error {
	if len(made) == 0 {
		return nil
	}
	ids, nos := make([]string, 0, len(made)), make([]int64, 0, len(made))
	for id, no := range made {
		ids, nos = append(ids, id), append(nos, no)
	}
	_, err := tx.exec(ctx, "creating customers", `INSERT INTO customers (no, id, changed_at)
		SELECT no, id, $3 FROM unnest($1::bigint[], $2::text[]) made(no, id)`, nos, ids, wholeSecond(tx.Now))
	if err != nil {
		return err
	}
	if err := tx.signalCreated(ctx, nos...); err != nil {
		return err
	}
	return tx.noteChanges(ctx, changedProfile, nos...)
}

// wholeSecond is how times of customers are kept: a rule that counts seconds and a file that has none agree.
func wholeSecond(at time.Time) time.Time { return at.UTC().Truncate(time.Second) }

func wholeSecondOf(at *time.Time) *time.Time {
	if at == nil {
		return nil
	}
	t := wholeSecond(*at)
	return &t
}

// textOrMissing keeps an empty text as a missing value.
func textOrMissing(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
