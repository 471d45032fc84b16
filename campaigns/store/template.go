package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

const templateColumns = `SELECT t.id, t.revision, t.created_at, t.changed_at, r.definition
	FROM templates t JOIN template_revisions r ON r.template_id = t.id AND r.revision = t.revision WHERE t.deleted_at IS NULL`

func scanTemplate(row pgx.CollectableRow) (campaigns.Template, error) {
	var t campaigns.Template
	err := row.Scan(&t.ID, &t.Revision, &t.CreatedAt, &t.ChangedAt, &t.TemplateDefinition)
	return t, err
}

// Templates lists templates from the newest, beginning below the id before (the zero id: from the top).
func (tx *Tx) Templates(ctx context.Context, before campaigns.ID, limit int) ([]campaigns.Template, error) {
	return many(ctx, tx, "templates", templateColumns+` AND ($1 OR t.id < $2) ORDER BY t.id DESC LIMIT $3`, scanTemplate, before == campaigns.ID{}, before, limit)
}

// Template reads the newest revision.
func (tx *Tx) Template(ctx context.Context, id campaigns.ID) (campaigns.Template, error) {
	return one(ctx, tx, "template", id.String(), templateColumns+` AND t.id = $1`, scanTemplate, id)
}

// LockTemplate reads the newest revision for update. It locks by itself first, as lockCampaign does.
func (tx *Tx) LockTemplate(ctx context.Context, id campaigns.ID) (campaigns.Template, error) {
	if _, err := tx.exec(ctx, "locking a template", `SELECT 1 FROM templates WHERE id = $1 FOR UPDATE`, id); err != nil {
		return campaigns.Template{}, err
	}
	return tx.Template(ctx, id)
}

// TemplateRevision reads what a template said in a revision, also once it is deleted: messages keep theirs.
func (tx *Tx) TemplateRevision(ctx context.Context, id campaigns.ID, revision int) (campaigns.TemplateDefinition, error) {
	return one(ctx, tx, "template revision", id.String(), `SELECT definition FROM template_revisions WHERE template_id = $1 AND revision = $2`,
		pgx.RowTo[campaigns.TemplateDefinition], id, revision)
}

// CreateTemplate keeps a new template as revision 1.
func (tx *Tx) CreateTemplate(ctx context.Context, t *campaigns.Template) error {
	t.ID, t.Revision, t.CreatedAt, t.ChangedAt = campaigns.NewID(tx.Now), 1, tx.Now, tx.Now
	if _, err := tx.exec(ctx, "creating a template", `INSERT INTO templates (id, revision, created_at, changed_at) VALUES ($1, 1, $2, $2)`, t.ID, tx.Now); err != nil {
		return err
	}
	return tx.writeTemplateRevision(ctx, t)
}

// SaveTemplate writes a new revision; those that are in use stay as they are.
func (tx *Tx) SaveTemplate(ctx context.Context, t *campaigns.Template) error {
	t.Revision, t.ChangedAt = t.Revision+1, tx.Now
	if _, err := tx.exec(ctx, "saving a template", `UPDATE templates SET revision = $2, changed_at = $3 WHERE id = $1`, t.ID, t.Revision, tx.Now); err != nil {
		return err
	}
	return tx.writeTemplateRevision(ctx, t)
}

func (tx *Tx) writeTemplateRevision(ctx context.Context, t *campaigns.Template) error {
	_, err := tx.exec(ctx, "writing a template's revision", `INSERT INTO template_revisions (template_id, revision, definition, created_at)
		VALUES ($1, $2, $3, $4)`, t.ID, t.Revision, t.TemplateDefinition, tx.Now)
	return err
}

// DeleteTemplate hides a template; its revisions stay for the messages that were made from them.
func (tx *Tx) DeleteTemplate(ctx context.Context, id campaigns.ID) error {
	_, err := tx.exec(ctx, "deleting a template", `UPDATE templates SET deleted_at = $2 WHERE id = $1`, id, tx.Now)
	return err
}
