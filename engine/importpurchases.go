package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// Places of the fields of purchases.
const (
	purchaseOrder = iota
	purchaseCustomer
	purchaseAt
	purchaseStore
	purchaseSKU
	purchaseBrand
	purchaseCategory
	purchaseQty
	purchaseAmount
	purchaseLines
)

// purchaseStaging stages orders. Rows of one order that stand together become one staged row; pieces of it elsewhere in
// the file are put to it when it is merged.
type purchaseStaging struct {
	r     *importReader
	stage *store.Stage
	row   store.StageRow
	lines *store.StageLines

	order, customer, store string
	at                     time.Time
	amount                 int64
	first, rows            int64
	derived                string // the customer and time text that order was made from
}

func purchaseImport(r *importReader) (importShape, importKind) {
	p := &purchaseStaging{r: r}
	shape := importShape{
		fields:   []string{"order_id", "customer_id", "at", "store", "sku", "brand", "category", "qty", "amount", "lines"},
		required: []string{"at", "amount"},
	}
	return shape, importKind{
		columns:  store.PurchaseStage,
		open:     func(st *store.Stage) error { p.stage, p.lines = st, st.Lines(); return p.hasKey() },
		take:     p.take,
		rejected: p.rejected,
		finish:   p.flush,
	}
}

// hasKey says whether the columns of a CSV file tell orders apart.
func (p *purchaseStaging) hasKey() error {
	if p.r.options.Format == "csv" && !p.has(purchaseOrder) && !p.has(purchaseCustomer) {
		return campaigns.Invalid("order_id", "there is no such column, and no customer_id: without an order_id the order is the customer and the time")
	}
	return nil
}

func (p *purchaseStaging) has(field int) bool {
	for _, at := range p.r.columns.cells {
		if at == field {
			return true
		}
	}
	return false
}

// key gives a row's order, customer and time: what can be known of it even when the rest is wrong.
func (p *purchaseStaging) key(row *importRow) (order, customer string, at time.Time, err error) {
	v := &p.r.values
	order, customer = row.cells[purchaseOrder], row.cells[purchaseCustomer]
	if customer != "" {
		if err = v.id(row, "customer_id", customer); err != nil {
			return order, customer, at, err
		}
	}
	at, err = v.time("at", row.cells[purchaseAt], p.r.now)
	if order != "" || (!row.object && p.has(purchaseOrder)) {
		if wrong := v.id(row, "order_id", order); wrong != nil {
			return "", customer, at, wrong
		}
		return order, customer, at, err
	}
	if err == nil && customer == "" {
		err = campaigns.Invalid("customer_id", "is missing: without an order_id the order is the customer and the time")
	}
	if err != nil {
		return "", customer, at, err
	}
	if p.rows > 0 && p.derived != "" && p.customer == customer && p.at.Equal(at) {
		return p.order, customer, at, nil
	}
	return derivedOrder(customer, at), customer, at, nil
}

// derivedOrder is the order_id of a purchase that has none.
func derivedOrder(customer string, at time.Time) string {
	order := customer + "@" + at.UTC().Format(time.RFC3339)
	if len(order) > campaigns.IDMax {
		sum := sha256.Sum256([]byte(order))
		return hex.EncodeToString(sum[:])
	}
	return order
}

func (p *purchaseStaging) take(row *importRow) error {
	order, customer, at, err := p.key(row)
	if err != nil {
		return err
	}
	shop := row.cells[purchaseStore]
	if err := p.r.values.plain(row, "store", shop); err != nil {
		return err
	}
	if p.rows > 0 && (order != p.order || customer != p.customer || row.number != p.first+p.rows || row.object || p.lines.Len >= campaigns.LinesMax) {
		if err := p.flush(); err != nil {
			return err
		}
	}
	amount, err := p.line(row)
	if err != nil {
		return err
	}
	if p.rows == 0 {
		p.order, p.customer, p.store, p.at, p.amount, p.first = order, customer, shop, at, 0, row.number
		p.derived = ""
		if row.cells[purchaseOrder] == "" {
			p.derived = order
		}
	}
	p.rows++
	p.amount += amount
	if at.Before(p.at) {
		p.at = at
	}
	return nil
}

// line adds a row's line, or the lines of a whole purchase, and gives what they come to. When one is wrong, none is added.
func (p *purchaseStaging) line(row *importRow) (int64, error) {
	if row.cells[purchaseLines] != "" {
		return p.wholeLines(row)
	}
	v := &p.r.values
	sku, brand, category := row.cells[purchaseSKU], row.cells[purchaseBrand], row.cells[purchaseCategory]
	if !row.clean {
		for _, f := range [...]struct{ name, text string }{{"sku", sku}, {"brand", brand}, {"category", category}} {
			if err := v.plain(row, f.name, f.text); err != nil {
				return 0, err
			}
		}
	}
	qty, err := v.qty(row.cells[purchaseQty])
	if err != nil {
		return 0, err
	}
	amount, err := v.amount(row.cells[purchaseAmount])
	if err != nil {
		return 0, err
	}
	p.lines.Add(sku, brand, category, qty, amount)
	return amount, nil
}

// importText is a JSON string or number, as its text.
type importText string

// UnmarshalJSON takes a string, a number or null.
func (t *importText) UnmarshalJSON(raw []byte) error {
	if raw[0] == '"' {
		return json.Unmarshal(raw, (*string)(t))
	}
	if string(raw) != "null" {
		*t = importText(raw)
	}
	return nil
}

func (p *purchaseStaging) wholeLines(row *importRow) (int64, error) {
	var lines []struct {
		SKU      importText `json:"sku"`
		Brand    importText `json:"brand"`
		Category importText `json:"category"`
		Qty      importText `json:"qty"`
		Amount   importText `json:"amount"`
	}
	if err := json.Unmarshal([]byte(row.cells[purchaseLines]), &lines); err != nil {
		return 0, campaigns.Invalid("lines", "should be a list of objects with sku, brand, category, qty and amount")
	}
	if len(lines) == 0 || len(lines) > campaigns.LinesMax {
		return 0, campaigns.Invalid("lines", "should be 1 to %d", campaigns.LinesMax)
	}
	var total int64
	added := make([]campaigns.Line, len(lines))
	for i, l := range lines {
		qty, err := p.r.values.qty(string(l.Qty))
		if err != nil {
			return 0, err
		}
		amount, err := p.r.values.amount(string(l.Amount))
		if err != nil {
			return 0, err
		}
		added[i] = campaigns.Line{SKU: string(l.SKU), Brand: string(l.Brand), Category: string(l.Category), Qty: qty, Amount: amount}
		if err := added[i].Check(); err != nil {
			return 0, err
		}
		total += amount
	}
	for _, l := range added {
		p.lines.Add(l.SKU, l.Brand, l.Category, l.Qty, l.Amount)
	}
	return total, nil
}

// flush stages the rows that stand together.
func (p *purchaseStaging) flush() error {
	if p.rows == 0 {
		return nil
	}
	key := p.customer
	if key == "" {
		key = p.order
	}
	spread := p.stage.Key(key)
	p.row.Reset()
	p.row.Int4(spread)
	p.row.Int8(p.first)
	p.row.Int4(int32(p.rows))
	p.row.Int4(p.stage.Key(p.order))
	p.row.Text(p.order)
	p.row.TextOrNull(p.customer)
	p.row.Time(p.at)
	p.row.TextOrNull(p.store)
	p.row.Int8(p.amount)
	p.row.Lines(p.lines)
	p.rows = 0
	p.lines.Reset()
	return p.stage.Add(spread, &p.row)
}

// rejected makes sure that no part of an order is kept when one of its rows is not.
func (p *purchaseStaging) rejected(row *importRow) error {
	if err := p.flush(); err != nil {
		return err
	}
	order, _, _, err := p.key(row)
	if order == "" || (err != nil && row.cells[purchaseOrder] == "") || campaigns.CheckID("order_id", order) != nil {
		return nil
	}
	return p.stage.AddBad(order, row.number)
}
