package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// An AuditEntry is who changed what, when, with what was there before and after.
type AuditEntry struct {
	ID        campaigns.ID `json:"id"`
	At        time.Time    `json:"at"`
	Actor     string       `json:"actor"`
	Action    string       `json:"action"`
	Subject   string       `json:"subject"`
	SubjectID string       `json:"subject_id"`
	Before    any          `json:"before,omitempty"`
	After     any          `json:"after,omitempty"`
}

// Audit writes one line of the log. before and after are kept as JSON and may be nil.
func (tx *Tx) Audit(ctx context.Context, actor, action, subject, id string, before, after any) error {
	states := make([]json.RawMessage, 2)
	for i, state := range []any{before, after} {
		if state == nil {
			continue
		}
		text, err := json.Marshal(state)
		if err != nil {
			return fmt.Errorf("writing the audit log: %w", err)
		}
		states[i] = text
	}
	_, err := tx.exec(ctx, "writing the audit log", `INSERT INTO audit (id, at, actor, action, subject, subject_id, before, after)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, campaigns.NewID(tx.Now), tx.Now, actor, action, subject, id, states[0], states[1])
	return err
}

// AuditLog lists entries from the newest, beginning below the id before (the zero id: from the top).
func (tx *Tx) AuditLog(ctx context.Context, before campaigns.ID, limit int) ([]AuditEntry, error) {
	at := tx.Now.Add(48 * time.Hour)
	if before != (campaigns.ID{}) {
		at = campaigns.TimeOf(before).Add(time.Millisecond)
	}
	return many(ctx, tx, "the audit log", `SELECT id, at, actor, action, subject, subject_id, before, after FROM audit
		WHERE at <= $1 AND ($2 OR id < $3) ORDER BY id DESC LIMIT $4`,
		func(row pgx.CollectableRow) (AuditEntry, error) {
			var e AuditEntry
			err := row.Scan(&e.ID, &e.At, &e.Actor, &e.Action, &e.Subject, &e.SubjectID, &e.Before, &e.After)
			return e, err
		}, at, before == campaigns.ID{}, before, limit)
}
