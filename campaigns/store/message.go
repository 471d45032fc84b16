package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

const messageColumns = `SELECT m.id, m.no, coalesce(c.id, ''), m.campaign_id, m.run_id, m.version, m.variant, m.ghost, m.channel, m.channel_id, m.template_id,
	m.template_revision, coalesce(m.address, ''), m.vars, coalesce(m.code, ''), m.status, m.attempts, coalesce(m.provider_id, ''), m.history, m.content_hash,
	m.content, m.queued_at, m.not_after, m.finished_at FROM messages m LEFT JOIN customers c ON c.no = m.no`

func scanMessage(row pgx.CollectableRow) (campaigns.Message, error) {
	var m campaigns.Message
	err := row.Scan(&m.ID, &m.No, &m.CustomerID, &m.CampaignID, &m.RunID, &m.Version, &m.Variant, &m.Ghost, &m.Channel, &m.ChannelID, &m.TemplateID,
		&m.TemplateRevision, &m.Address, &m.Vars, &m.Code, &m.Status, &m.Attempts, &m.ProviderID, &m.History, &m.ContentHash, &m.Content, &m.QueuedAt, &m.NotAfter, &m.FinishedAt)
	return m, err
}

// Message reads one. Its month is in its id, so that one partition is looked at.
func (tx *Tx) Message(ctx context.Context, id campaigns.ID) (campaigns.Message, error) {
	m, err := one(ctx, tx, "message", id.String(), messageColumns+` WHERE m.id = $1 AND m.queued_at = $2`, scanMessage, id, campaigns.TimeOf(id))
	if err != nil || m.Status != campaigns.MessageQueued {
		return m, err
	}
	var sending *time.Time
	err = tx.tx.QueryRow(ctx, `SELECT sending_at, due_at FROM outbox WHERE lane = $1 AND message_id = $2`, campaigns.Lane(m.No), id).Scan(&sending, &m.DueAt)
	if err == nil && sending != nil {
		m.Status = campaigns.MessageSending
		m.History = append(m.History, campaigns.Change{At: *sending, Status: m.Status})
	}
	if err == pgx.ErrNoRows {
		err = nil
	}
	return m, err
}

// A MessageFilter narrows a list of messages; zero fields do not.
type MessageFilter struct {
	No       int64
	Campaign campaigns.ID
	Run      campaigns.ID
	Status   campaigns.MessageStatus
	Before   campaigns.ID
	Limit    int
}

// Messages lists messages from the newest, without rendered content.
func (tx *Tx) Messages(ctx context.Context, f MessageFilter) ([]campaigns.Message, error) {
	none := campaigns.ID{}
	return many(ctx, tx, "messages", messageColumns+` WHERE ($1 = 0 OR m.no = $1) AND ($2 OR m.campaign_id = $3) AND ($4 OR m.run_id = $5)
		AND ($6 = '' OR m.status = $6) AND ($7 OR (m.id < $8 AND m.queued_at <= $9)) ORDER BY m.queued_at DESC, m.id DESC LIMIT $10`, scanMessage,
		f.No, f.Campaign == none, f.Campaign, f.Run == none, f.Run, f.Status, f.Before == none, f.Before, campaigns.TimeOf(f.Before), f.Limit)
}

// WithMessage lists up to limit customers of a run whose message has a status, ascending, beginning after a number.
func (tx *Tx) WithMessage(ctx context.Context, run campaigns.ID, status campaigns.MessageStatus, after int64, limit int) ([]int64, error) {
	return many(ctx, tx, "an audience by status", `SELECT no FROM messages WHERE run_id = $1 AND status = $2 AND no > $3 ORDER BY no LIMIT $4`,
		pgx.RowTo[int64], run, status, after, limit)
}

// MonthsOfMessages are the times for which QueueMessages needs partitions at an instant.
func (s *Store) MonthsOfMessages(ctx context.Context) error {
	return s.EnsureMonths(ctx, "messages", s.Now(), s.Now().Add(time.Hour))
}

// QueueMessages writes messages and puts those that are no ghosts into the outbox. queued_at is the id's own time.
func (tx *Tx) QueueMessages(ctx context.Context, messages []campaigns.Message) error {
	history := []campaigns.Change{{At: tx.Now.Truncate(time.Second), Status: campaigns.MessageQueued}}
	ghostly := []campaigns.Change{{At: tx.Now.Truncate(time.Second), Status: campaigns.MessageGhost}}
	columns := []string{"no", "id", "queued_at", "campaign_id", "run_id", "version", "variant", "ghost", "channel", "channel_id", "template_id",
		"template_revision", "address", "vars", "code", "status", "history", "not_after", "finished_at", "planned_at", "exempt", "cost_micros"}
	_, err := tx.tx.CopyFrom(ctx, pgx.Identifier{"messages"}, columns, pgx.CopyFromSlice(len(messages), func(i int) ([]any, error) {
		m := &messages[i]
		status, steps, finished := campaigns.MessageQueued, history, (*time.Time)(nil)
		if m.Ghost {
			status, steps, finished = campaigns.MessageGhost, ghostly, &tx.Now
		}
		return []any{m.No, m.ID, campaigns.TimeOf(m.ID), m.CampaignID, m.RunID, m.Version, m.Variant, m.Ghost, m.Channel, m.ChannelID, m.TemplateID,
			m.TemplateRevision, nullText(m.Address), m.Vars, nullText(m.Code), string(status), steps, m.NotAfter, finished,
			m.PlannedAt, m.Exempt, m.CostMicros}, nil
	}))
	if err != nil {
		return fmt.Errorf("queueing messages: %w", err)
	}
	due := make([]campaigns.Message, 0, len(messages))
	var ghosts []int64
	for _, m := range messages {
		if m.Ghost {
			ghosts = append(ghosts, m.No)
			continue
		}
		due = append(due, m)
	}
	if err := tx.noteChanges(ctx, changedMessages, ghosts...); err != nil { // the others are seen once they are sent
		return err
	}
	_, err = tx.tx.CopyFrom(ctx, pgx.Identifier{"outbox"}, []string{"lane", "message_id", "channel_id", "run_id", "no", "due_at", "closes_at", "moved"},
		pgx.CopyFromSlice(len(due), func(i int) ([]any, error) {
			return []any{campaigns.Lane(due[i].No), due[i].ID, due[i].ChannelID, due[i].RunID, due[i].No, due[i].DueAt, nullTime(due[i].ClosesAt), due[i].Moved}, nil
		}))
	if err != nil {
		return fmt.Errorf("filling the outbox: %w", err)
	}
	return nil
}

func nullText(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
