package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

func scanAttribute(row pgx.CollectableRow) (campaigns.Attribute, error) {
	var a campaigns.Attribute
	var column, computed *string
	err := row.Scan(&a.Name, &a.Type, &column, &computed, &a.CreatedAt)
	if column != nil {
		a.Column = *column
	}
	if computed != nil {
		a.Computed = *computed
	}
	return a, err
}

const attributeColumns = `SELECT name, type, column_name, computed, created_at FROM attributes`

// Attributes lists what the shop registered and keeps, by name: columns of customers and properties of events.
func (tx *Tx) Attributes(ctx context.Context) ([]campaigns.Attribute, error) {
	return many(ctx, tx, "attributes", attributeColumns+` WHERE computed IS NULL ORDER BY name COLLATE "C"`, scanAttribute)
}

// AllAttributes lists the computed ones too.
func (tx *Tx) AllAttributes(ctx context.Context) ([]campaigns.Attribute, error) {
	return many(ctx, tx, "attributes", attributeColumns+` ORDER BY name COLLATE "C"`, scanAttribute)
}

// ComputedAttributes lists those alone.
func (tx *Tx) ComputedAttributes(ctx context.Context) ([]campaigns.Attribute, error) {
	return many(ctx, tx, "attributes", attributeColumns+` WHERE computed IS NOT NULL ORDER BY name COLLATE "C"`, scanAttribute)
}

// Attribute reads one.
func (tx *Tx) Attribute(ctx context.Context, name string) (campaigns.Attribute, error) {
	return one(ctx, tx, "attribute", name, attributeColumns+` WHERE name = $1`, scanAttribute, name)
}

// CreateAttribute registers an attribute and, if each customer has a value of it, adds its column to customers. The
// column is named by a number that is never used again, so that renaming an attribute never touches the table and nobody
// takes a new column for one that was deleted.
func (tx *Tx) CreateAttribute(ctx context.Context, a *campaigns.Attribute) error {
	if _, err := tx.exec(ctx, "locking attributes", `LOCK TABLE attributes IN EXCLUSIVE MODE`); err != nil {
		return err
	}
	var columns, expressions, last int
	err := tx.tx.QueryRow(ctx, `SELECT count(column_name), count(computed), (SELECT max(attnum) FROM pg_attribute WHERE attrelid = 'customers'::regclass) FROM attributes`).
		Scan(&columns, &expressions, &last)
	if err != nil {
		return fmt.Errorf("counting attributes: %w", err)
	}
	if columns >= campaigns.AttributesMax && a.HasColumn() || expressions >= campaigns.AttributesMax && a.Computed != "" {
		return campaigns.Conflict("there are %d attributes of this kind already, the most that can be", campaigns.AttributesMax)
	}
	a.CreatedAt = tx.Now
	var column *string
	if a.HasColumn() {
		name := fmt.Sprintf("a%d", last+1)
		a.Column, column = name, &name
		if err := tx.alterCustomers(ctx, fmt.Sprintf(`ADD COLUMN %s %s`, name, columnType(a.Type))); err != nil {
			return err
		}
	}
	_, err = tx.exec(ctx, "registering an attribute", `INSERT INTO attributes (name, type, column_name, computed, created_at) VALUES ($1, $2, $3, nullif($4, ''), $5)`,
		a.Name, a.Type, column, a.Computed, tx.Now)
	return err
}

// SaveComputed writes the expression of a computed attribute, and the type that follows from it.
func (tx *Tx) SaveComputed(ctx context.Context, a *campaigns.Attribute) error {
	_, err := tx.exec(ctx, "saving an attribute", `UPDATE attributes SET type = $2, computed = $3 WHERE name = $1`, a.Name, a.Type, a.Computed)
	return err
}

// RenameAttribute gives an attribute another name; what is kept of it stays where it is.
func (tx *Tx) RenameAttribute(ctx context.Context, from, to string) error {
	_, err := tx.exec(ctx, "renaming an attribute", `UPDATE attributes SET name = $2 WHERE name = $1`, from, to)
	return err
}

// DeleteAttribute forgets an attribute and every customer's value of it.
func (tx *Tx) DeleteAttribute(ctx context.Context, a *campaigns.Attribute) error {
	if _, err := tx.exec(ctx, "deleting an attribute", `DELETE FROM attributes WHERE name = $1`, a.Name); err != nil {
		return err
	}
	if a.Column == "" {
		return nil
	}
	return tx.alterCustomers(ctx, `DROP COLUMN `+a.Column)
}

// alterCustomers gives up after a moment while somebody reads customers: all who come later would wait behind it.
func (tx *Tx) alterCustomers(ctx context.Context, change string) error {
	if _, err := tx.exec(ctx, "limiting a wait", `SET LOCAL lock_timeout = '3s'`); err != nil {
		return err
	}
	if _, err := tx.exec(ctx, "altering customers", `ALTER TABLE customers `+change); err != nil {
		return err
	}
	_, err := tx.exec(ctx, "lifting a limit", `SET LOCAL lock_timeout = DEFAULT`)
	return err
}

// columnType is how a registered type is kept: money as int64 minor units.
func columnType(attribute string) string {
	switch attribute {
	case "int", "money":
		return "bigint"
	case "number":
		return "double precision"
	case "bool":
		return "boolean"
	case "date":
		return "date"
	case "time":
		return "timestamptz"
	case "text_list":
		return "text[]"
	}
	return "text"
}
