package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

func scanAttribute(row pgx.CollectableRow) (campaigns.Attribute, error) {
	var a campaigns.Attribute
	var column *string
	err := row.Scan(&a.Name, &a.Type, &column, &a.CreatedAt)
	if column != nil {
		a.Column = *column
	}
	return a, err
}

// Attributes lists what the shop registered, by name.
func (tx *Tx) Attributes(ctx context.Context) ([]campaigns.Attribute, error) {
	return many(ctx, tx, "attributes", `SELECT name, type, column_name, created_at FROM attributes ORDER BY name COLLATE "C"`, scanAttribute)
}

// Attribute reads one.
func (tx *Tx) Attribute(ctx context.Context, name string) (campaigns.Attribute, error) {
	return one(ctx, tx, "attribute", name, `SELECT name, type, column_name, created_at FROM attributes WHERE name = $1`, scanAttribute, name)
}

// CreateAttribute registers an attribute and, unless it types an event's property, adds its column to customers. The
// column is named by a number, so that renaming an attribute never touches the table.
func (tx *Tx) CreateAttribute(ctx context.Context, a *campaigns.Attribute) error {
	if _, err := tx.exec(ctx, "locking attributes", `LOCK TABLE attributes IN EXCLUSIVE MODE`); err != nil {
		return err
	}
	var columns int
	if err := tx.tx.QueryRow(ctx, `SELECT count(column_name) FROM attributes`).Scan(&columns); err != nil {
		return fmt.Errorf("counting attributes: %w", err)
	}
	if columns >= campaigns.AttributesMax && !a.IsEventProperty() {
		return campaigns.Conflict("there are %d attributes already, the most that can be", columns)
	}
	a.CreatedAt = tx.Now
	var column *string
	if !a.IsEventProperty() {
		name := fmt.Sprintf("a%d", columns+1)
		a.Column, column = name, &name
		if _, err := tx.exec(ctx, "adding a column", fmt.Sprintf(`ALTER TABLE customers ADD COLUMN %s %s`, name, columnType(a.Type))); err != nil {
			return err
		}
	}
	_, err := tx.exec(ctx, "registering an attribute", `INSERT INTO attributes (name, type, column_name, created_at) VALUES ($1, $2, $3, $4)`,
		a.Name, a.Type, column, tx.Now)
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
