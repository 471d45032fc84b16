package shop

import (
	"bufio"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"beckon/campaigns"
)

// digits of the shop's currency, the yuan.
const digits = 2

// WriteCustomers writes all customers as CSV for an import of kind customers.
func (s *Shop) WriteCustomers(to io.Writer) error {
	return s.write(to, "id,name,gender,birthday,city,language,timezone,tier,registered_at,email,phone,email_consent,sms_consent,tags", func(row []byte, i int) []byte {
		c := s.Customer(i)
		birthday := ""
		if c.Birthday != nil {
			birthday = c.Birthday.Format(time.DateOnly)
		}
		for _, text := range []string{c.ID, *c.Name, *c.Gender, birthday, *c.City, *c.Language, *c.Timezone, *c.Tier, c.RegisteredAt.Format(time.RFC3339),
			textOf(c.Email), textOf(c.Phone), wordOf(c.EmailConsent), wordOf(c.SMSConsent)} {
			row = append(append(row, cell(text)...), ',')
		}
		return append(append(row, strings.Join(c.Tags, "|")...), '\n')
	})
}

// WritePurchases writes the purchases of the past as CSV for an import of kind purchases, a row for each line.
func (s *Shop) WritePurchases(to io.Writer) error {
	return s.write(to, "order_id,customer_id,at,store,sku,brand,category,qty,amount", func(row []byte, i int) []byte {
		s.eachPurchase(i, func(n int, at time.Time, r *rand.Rand, h *habit) {
			if at.Before(s.options.Start) {
				p := s.purchase(i, n, at, r, h)
				row = appendPurchase(row, &p)
			}
		})
		return row
	})
}

// PastPurchases is how many orders WritePurchases writes.
func (s *Shop) PastPurchases() int64 {
	n := int64(0)
	for i := range s.options.Customers {
		s.eachPurchase(i, func(_ int, at time.Time, _ *rand.Rand, _ *habit) {
			if at.Before(s.options.Start) {
				n++
			}
		})
	}
	return n
}

func appendPurchase(row []byte, p *campaigns.Purchase) []byte {
	start := len(row)
	row = append(append(row, p.OrderID...), ',')
	row = append(append(row, p.CustomerID...), ',')
	row = p.At.AppendFormat(row, time.RFC3339)
	row = append(append(append(row, ','), p.Store...), ',')
	head := string(row[start:])
	for n, line := range p.Lines {
		if n > 0 {
			row = append(row, head...)
		}
		for _, text := range [...]string{line.SKU, line.Brand, line.Category} {
			row = append(append(row, text...), ',')
		}
		row = append(strconv.AppendInt(row, int64(line.Qty), 10), ',')
		row = append(append(row, campaigns.FormatMoney(line.Amount, digits)...), '\n')
	}
	return row
}

// WritePoints writes the live lots as CSV for an import of kind points.
func (s *Shop) WritePoints(to io.Writer) error {
	return s.write(to, "entry_id,customer_id,points,earned_on,last_valid_on,reason", func(row []byte, i int) []byte {
		for _, lot := range s.Lots(i) {
			row = append(append(row, lot.EntryID...), ',')
			row = append(append(row, lot.CustomerID...), ',')
			row = append(strconv.AppendInt(row, lot.Points, 10), ',')
			row = append(lot.EarnedOn.AppendFormat(row, time.DateOnly), ',')
			row = append(lot.LastValidOn.AppendFormat(row, time.DateOnly), ',')
			row = append(append(row, lot.Reason...), '\n')
		}
		return row
	})
}

// write gives a file its head and the rows of one customer after the other.
func (s *Shop) write(to io.Writer, head string, rows func(row []byte, i int) []byte) error {
	out := bufio.NewWriterSize(to, 256<<10)
	if _, err := out.WriteString(head + "\n"); err != nil {
		return err
	}
	var row []byte
	for i := range s.options.Customers {
		row = rows(row[:0], i)
		if _, err := out.Write(row); err != nil {
			return err
		}
	}
	return out.Flush()
}

func textOf(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

func wordOf(word *bool) string {
	if word == nil {
		return ""
	}
	return strconv.FormatBool(*word)
}
