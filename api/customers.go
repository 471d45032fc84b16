package api

import (
	"context"
	"encoding/json"
	"math"
	"strconv"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// customerBody is a customer as it is read. Missing values are left out.
type customerBody struct {
	ID              string         `json:"id"`
	Name            *string        `json:"name,omitempty"`
	Gender          *string        `json:"gender,omitempty"`
	Birthday        string         `json:"birthday,omitempty" format:"date"`
	Email           *string        `json:"email,omitempty"`
	Phone           *string        `json:"phone,omitempty" doc:"E.164"`
	City            *string        `json:"city,omitempty"`
	Language        *string        `json:"language,omitempty"`
	Timezone        *string        `json:"timezone,omitempty"`
	Tier            *string        `json:"tier,omitempty"`
	RegisteredAt    *time.Time     `json:"registered_at,omitempty"`
	SMSConsent      *bool          `json:"sms_consent,omitempty"`
	EmailConsent    *bool          `json:"email_consent,omitempty"`
	Tags            []string       `json:"tags" nullable:"false"`
	Attributes      map[string]any `json:"attributes"`
	PurchaseCount   int64          `json:"purchase_count" readOnly:"true" doc:"derived: orders that were not wholly refunded"`
	TotalSpend      string         `json:"total_spend" readOnly:"true" doc:"derived: net of refunds"`
	AvgBasket       string         `json:"avg_basket,omitempty" readOnly:"true" doc:"derived"`
	FirstPurchaseAt *time.Time     `json:"first_purchase_at,omitempty" readOnly:"true" doc:"derived"`
	LastPurchaseAt  *time.Time     `json:"last_purchase_at,omitempty" readOnly:"true" doc:"derived"`
	Points          *int64         `json:"points,omitempty" readOnly:"true" doc:"derived: what can be spent today; only when one customer is read"`
	LifetimePoints  int64          `json:"lifetime_points" readOnly:"true" doc:"derived"`
	Revision        int64          `json:"revision" readOnly:"true"`
	ChangedAt       time.Time      `json:"changed_at" readOnly:"true"`
}

// customerEdit is a profile as it is written: null and what PUT leaves out become missing. Derived fields may be repeated
// and change nothing.
type customerEdit struct {
	Name         optional[string]                     `json:"name,omitempty"`
	Gender       optional[string]                     `json:"gender,omitempty"`
	Birthday     optional[string]                     `json:"birthday,omitempty" format:"date"`
	Email        optional[string]                     `json:"email,omitempty"`
	Phone        optional[string]                     `json:"phone,omitempty" doc:"E.164, or a number of the workspace's country"`
	City         optional[string]                     `json:"city,omitempty"`
	Language     optional[string]                     `json:"language,omitempty"`
	Timezone     optional[string]                     `json:"timezone,omitempty" doc:"IANA"`
	Tier         optional[string]                     `json:"tier,omitempty"`
	RegisteredAt optional[time.Time]                  `json:"registered_at,omitempty"`
	SMSConsent   optional[bool]                       `json:"sms_consent,omitempty"`
	EmailConsent optional[bool]                       `json:"email_consent,omitempty"`
	Tags         optional[[]string]                   `json:"tags,omitempty"`
	Attributes   optional[map[string]json.RawMessage] `json:"attributes,omitempty" doc:"registered attributes by name; PATCH merges them one by one"`

	ID              any `json:"id,omitempty" readOnly:"true"`
	PurchaseCount   any `json:"purchase_count,omitempty" readOnly:"true"`
	TotalSpend      any `json:"total_spend,omitempty" readOnly:"true"`
	AvgBasket       any `json:"avg_basket,omitempty" readOnly:"true"`
	FirstPurchaseAt any `json:"first_purchase_at,omitempty" readOnly:"true"`
	LastPurchaseAt  any `json:"last_purchase_at,omitempty" readOnly:"true"`
	Points          any `json:"points,omitempty" readOnly:"true"`
	LifetimePoints  any `json:"lifetime_points,omitempty" readOnly:"true"`
	Revision        any `json:"revision,omitempty" readOnly:"true"`
	ChangedAt       any `json:"changed_at,omitempty" readOnly:"true"`
}

type customerWrite struct {
	ID string `path:"id" doc:"the caller's own id, 1 to 200 bytes"`
	Match
	Body customerEdit
}

type customerListing struct {
	Listing
	Rule string `query:"rule" maxLength:"10000" doc:"only those who match this rule now"`
}

func (s *Server) customer(ctx context.Context, in *byID) (*one[customerBody], error) {
	out := &one[customerBody]{}
	return out, s.store.View(ctx, func(tx *store.Tx) error {
		c, err := tx.Customer(ctx, in.ID)
		if err != nil {
			return err
		}
		view, err := newCustomerView(ctx, tx)
		if err != nil {
			return err
		}
		out.ETag, out.Body = etag(c.Revision), view.body(c)
		out.Body.Points, err = view.points(ctx, tx, c.No)
		return err
	})
}

func (s *Server) listCustomers(ctx context.Context, in *customerListing) (*listOf[customerBody], error) {
	after, err := in.afterNo()
	if err != nil {
		return nil, err
	}
	var view customerView
	if err := s.store.View(ctx, func(tx *store.Tx) (err error) {
		view, err = newCustomerView(ctx, tx)
		return err
	}); err != nil {
		return nil, err
	}
	if in.isWhole() {
		return s.wholeCustomers(ctx, in.Rule, after, view)
	}
	found, err := s.findCustomers(ctx, in, after)
	if err != nil {
		return nil, err
	}
	list := pageOf(in.Listing, found, func(c *campaigns.Customer) string { return strconv.FormatInt(c.No, 10) })
	return &listOf[customerBody]{Next: list.Next, Body: page[customerBody]{Next: list.Next, Items: view.bodies(list.Body.Items), own: sortedKeys(view.attributes)}}, nil
}

// wholeCustomers are all customers after one, or those of them who match a rule, as a table.
func (s *Server) wholeCustomers(ctx context.Context, rule string, after int64, view customerView) (*listOf[customerBody], error) {
	nos := []int64(nil)
	if rule != "" {
		var err error
		if nos, err = s.engine.Matching(ctx, rule, after, math.MaxInt); err != nil {
			return nil, err
		}
	}
	next := func(tx *store.Tx) (found []*campaigns.Customer, err error) {
		if rule == "" {
			found, err = tx.ListCustomers(ctx, after, wholeSpan)
			if len(found) > 0 {
				after = found[len(found)-1].No
			}
			return found, err
		}
		for len(found) == 0 && len(nos) > 0 && err == nil {
			n := min(len(nos), wholeSpan)
			found, err = tx.CustomersOf(ctx, nos[:n])
			nos = nos[n:]
		}
		return found, err
	}
	return tableOf(ctx, s, sortedKeys(view.attributes), func(give func([]customerBody) error) error {
		return s.store.View(ctx, func(tx *store.Tx) error {
			for {
				found, err := next(tx)
				if err != nil || len(found) == 0 {
					return err
				}
				if err := give(view.bodies(found)); err != nil {
					return err
				}
			}
		})
	}), nil
}

// findCustomers reads a page of all customers, or of those who match a rule.
func (s *Server) findCustomers(ctx context.Context, in *customerListing, after int64) (found []*campaigns.Customer, err error) {
	var nos []int64
	if in.Rule != "" {
		if nos, err = s.engine.Matching(ctx, in.Rule, after, in.more()); err != nil {
			return nil, err
		}
	}
	return found, s.store.View(ctx, func(tx *store.Tx) (err error) {
		if in.Rule == "" {
			found, err = tx.ListCustomers(ctx, after, in.more())
		} else {
			found, err = tx.CustomersOf(ctx, nos)
		}
		return err
	})
}

func (s *Server) putCustomer(ctx context.Context, in *customerWrite) (*one[customerBody], error) {
	return s.writeCustomer(ctx, in, false)
}

func (s *Server) patchCustomer(ctx context.Context, in *customerWrite) (*one[customerBody], error) {
	return s.writeCustomer(ctx, in, true)
}

func (s *Server) writeCustomer(ctx context.Context, in *customerWrite, merge bool) (*one[customerBody], error) {
	if err := campaigns.CheckID("id", in.ID); err != nil {
		return nil, err
	}
	out := &one[customerBody]{}
	return out, s.store.Update(ctx, func(tx *store.Tx) error {
		if _, err := tx.EnsureCustomers(ctx, []string{in.ID}); err != nil {
			return err
		}
		c, err := tx.LockCustomer(ctx, in.ID)
		if err != nil {
			return err
		}
		if err := in.check("customer", c.Revision); err != nil {
			return err
		}
		view, err := newCustomerView(ctx, tx)
		if err != nil {
			return err
		}
		before := view.body(c)
		if err := in.Body.apply(c, view, merge); err != nil {
			return err
		}
		if err := tx.SaveCustomer(ctx, c); err != nil {
			return err
		}
		out.ETag, out.Body = etag(c.Revision), view.body(c)
		if c.Revision == before.Revision {
			return nil
		}
		return tx.Audit(ctx, actor(ctx), "edit", "customer", c.ID, before, out.Body)
	})
}

// apply writes the fields over a customer and says all that is wrong with them at once.
func (e *customerEdit) apply(c *campaigns.Customer, view customerView, merge bool) error {
	var checks campaigns.Checks
	for _, f := range []struct {
		from optional[string]
		to   **string
	}{{e.Name, &c.Name}, {e.Gender, &c.Gender}, {e.City, &c.City}, {e.Language, &c.Language}, {e.Timezone, &c.Timezone}, {e.Tier, &c.Tier}} {
		textOf(f.from).put(f.to, merge)
	}
	e.applyAddresses(c, view, &checks, merge)
	e.RegisteredAt.put(&c.RegisteredAt, merge)
	e.SMSConsent.put(&c.SMSConsent, merge)
	e.EmailConsent.put(&c.EmailConsent, merge)
	if e.Birthday.Given || !merge {
		c.Birthday = nil
		if day := textOf(e.Birthday).Value; day != nil {
			at, err := time.Parse(time.DateOnly, *day)
			checks.Require(err == nil, "birthday", "should be a date that exists, such as 2026-11-21")
			c.Birthday = &at
		}
	}
	if e.Tags.Given || !merge {
		if c.Tags = nil; e.Tags.Value != nil {
			c.Tags = *e.Tags.Value
		}
	}
	e.applyAttributes(c, view, &checks, merge)
	checks.Add(c.Check())
	return checks.Err()
}

func (e *customerEdit) applyAddresses(c *campaigns.Customer, view customerView, checks *campaigns.Checks, merge bool) {
	email, phone := textOf(e.Email), textOf(e.Phone)
	if email.Value != nil {
		plain, err := campaigns.NormalEmail(*email.Value)
		checks.Add(err)
		email.Value = &plain
	}
	if phone.Value != nil {
		plain, err := campaigns.NormalPhone(*phone.Value, view.workspace.Country)
		checks.Add(err)
		phone.Value = &plain
	}
	email.put(&c.Email, merge)
	phone.put(&c.Phone, merge)
}

func (e *customerEdit) applyAttributes(c *campaigns.Customer, view customerView, checks *campaigns.Checks, merge bool) {
	if !merge || e.Attributes.Given && e.Attributes.Value == nil {
		c.Attributes = map[string]any{}
	}
	if e.Attributes.Value == nil {
		return
	}
	for name, raw := range *e.Attributes.Value {
		a, known := view.attributes[name]
		checks.Require(known, "attributes."+name, "is not registered: PUT /v1/attributes/{name} makes it known")
		if !known {
			continue
		}
		value, err := attributeValue(a, raw, view.workspace.Digits())
		checks.Add(err)
		c.Attributes[name] = value
	}
}

// textOf takes an empty text as missing.
func textOf(o optional[string]) optional[string] {
	if o.Value != nil && *o.Value == "" {
		o.Value = nil
	}
	return o
}
