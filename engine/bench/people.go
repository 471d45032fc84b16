package bench

import (
	"context"
	"fmt"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

func customerID(n int) string { return fmt.Sprintf("c%06d", n) }

func emailOf(n int) string { return fmt.Sprintf("customer.%d@example.com", n) }

// people makes n customers who may be written to, each at an address of their own.
func (g *ground) people(ctx context.Context, s *store.Store, n int) error {
	g.Say("making %d customers", n)
	return s.Update(ctx, func(tx *store.Tx) error {
		for i := range n {
			yes, name, email, city := true, fmt.Sprintf("Customer %d", i), emailOf(i), "Shanghai"
			if err := tx.SaveCustomer(ctx, &campaigns.Customer{ID: customerID(i), Name: &name, Email: &email, City: &city, EmailConsent: &yes}); err != nil {
				return err
			}
		}
		return nil
	})
}
