package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
)

func customerID(n int) string { return fmt.Sprintf("c%06d", n) }

func emailOf(n int) string { return fmt.Sprintf("customer.%d@example.com", n) }

// people makes n customers who may be written to, each at an address of their own.
func (g *ground) people(ctx context.Context, s *store.Store, n int) error {
	g.Say("making %d customers", n)
	var file bytes.Buffer
	file.WriteString("id,name,city,email,email_consent\n")
	for i := range n {
		fmt.Fprintf(&file, "%s,Customer %d,Shanghai,%s,true\n", customerID(i), i, emailOf(i))
	}
	return g.bring(ctx, s, campaigns.ImportCustomers, &file, n)
}

// bring imports a CSV file of n rows, all of them new.
func (g *ground) bring(ctx context.Context, s *store.Store, kind string, file io.Reader, n int) error {
	done, err := engine.Import(ctx, s, campaigns.NewID(s.Now()), campaigns.ImportOptions{Kind: kind, Format: "csv"}, file, nil)
	if err == nil && done.RowsWritten != int64(n) {
		err = fmt.Errorf("importing %s: %d rows were written of %d, %d rejected: %v", kind, done.RowsWritten, n, done.RowsRejected, done.Rejected)
	}
	return err
}
