package store

import (
	"context"
	"fmt"

	"beckon/campaigns"
)

// Workspace reads the settings.
func (tx *Tx) Workspace(ctx context.Context) (*campaigns.Workspace, error) {
	return tx.workspace(ctx, "")
}

// LockWorkspace reads the settings for update.
func (tx *Tx) LockWorkspace(ctx context.Context) (*campaigns.Workspace, error) {
	return tx.workspace(ctx, " FOR UPDATE")
}

const workspaceQuery = `SELECT settings, revision FROM workspace WHERE id = 1`

func (tx *Tx) workspace(ctx context.Context, lock string) (*campaigns.Workspace, error) {
	var w campaigns.Workspace
	var revision int64
	if err := tx.tx.QueryRow(ctx, workspaceQuery+lock).Scan(&w, &revision); err != nil {
		return nil, fmt.Errorf("reading the workspace: %w", err)
	}
	w.Revision = revision
	return &w, nil
}

// SaveWorkspace writes the settings. The currency stays once there are purchases: amounts are kept in its minor units.
func (tx *Tx) SaveWorkspace(ctx context.Context, w *campaigns.Workspace) error {
	before, err := tx.LockWorkspace(ctx)
	if err != nil {
		return err
	}
	if before.Currency != w.Currency {
		var used bool
		if err := tx.tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM purchases) OR EXISTS (SELECT 1 FROM offers)`).Scan(&used); err != nil {
			return fmt.Errorf("looking for purchases: %w", err)
		}
		if used {
			return campaigns.Conflict("the currency is fixed: amounts are kept in units of %s already", before.Currency)
		}
	}
	_, err = tx.exec(ctx, "saving the workspace", `UPDATE workspace SET settings = $1, revision = revision + 1 WHERE id = 1`, w)
	w.Revision = before.Revision + 1
	return err
}
