package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

const messageColumns = `SELECT m.id, m.no, coalesce(c.id, ''), m.campaign_id, m.run_id, m.version, m.variant, m.ghost, m.channel, m.channel_id, m.template_id,
	m.template_revision, coalesce(m.address, ''), m.vars, coalesce(m.code, ''), m.status, m.attempts, coalesce(m.provider_id, ''), m.history, m.content_hash,
	m.content, m.queued_at, m.not_after, m.finished_at, coalesce(m.language, ''), coalesce(m.segments, 0) FROM messages m LEFT JOIN customers c ON c.no = m.no`

func scanMessage(row pgx.CollectableRow) (campaigns.Message, error) {
	var m campaigns.Message
	err := row.Scan(&m.ID, &m.No, &m.CustomerID, &m.CampaignID, &m.RunID, &m.Version, &m.Variant, &m.Ghost, &m.Channel, &m.ChannelID, &m.TemplateID,
		&m.TemplateRevision, &m.Address, &m.Vars, &m.Code, &m.Status, &m.Attempts, &m.ProviderID, &m.History, &m.ContentHash, &m.Content, &m.QueuedAt, &m.NotAfter, &m.FinishedAt,
		&m.Language, &m.Segments)
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
	IDs      []campaigns.ID // of these alone; nil for all
	Before   campaigns.ID
	Limit    int
}

// Messages lists messages from the newest, without rendered content.
func (tx *Tx) Messages(ctx context.Context, f MessageFilter) ([]campaigns.Message, error) {
	where, args := f.where()
	return many(ctx, tx, "messages", messageColumns+where+` ORDER BY m.id DESC LIMIT `+strconv.Itoa(f.Limit), scanMessage, args...)
}

// EachMessage gives all messages from the newest, without regard to the filter's limit, as they are read.
func (tx *Tx) EachMessage(ctx context.Context, f MessageFilter, each func(m *campaigns.Message) error) error {
	where, args := f.where()
	rows, err := tx.tx.Query(ctx, messageColumns+where+` ORDER BY m.id DESC`, args...)
	if err != nil {
		return fmt.Errorf("reading messages: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		m, err := scanMessage(rows)
		if err != nil {
			return fmt.Errorf("reading messages: %w", err)
		}
		if err := each(&m); err != nil {
			return err
		}
	}
	return wrapped("reading messages", rows.Err())
}

// where is the filter as SQL. Only what narrows is in it, so that PostgreSQL plans for that. A message's id begins with the
// time by which its month is known: in the order of the ids it is in that of the times.
func (f *MessageFilter) where() (string, []any) {
	var conditions []string
	var args []any
	add := func(narrows bool, condition string, values ...any) {
		if !narrows {
			return
		}
		for i := range values {
			condition = strings.ReplaceAll(condition, "$"+strconv.Itoa(i+1)+"?", "$"+strconv.Itoa(len(args)+i+1))
		}
		conditions, args = append(conditions, condition), append(args, values...)
	}
	none := campaigns.ID{}
	add(f.No != 0, "m.no = $1?", f.No)
	add(f.Campaign != none, "m.campaign_id = $1?", f.Campaign)
	add(f.Run != none, "m.run_id = $1?", f.Run)
	add(f.Status != "", "m.status = $1?", string(f.Status))
	add(f.Before != none, "m.id < $1? AND m.queued_at <= $2?", f.Before, campaigns.TimeOf(f.Before))
	add(f.IDs != nil, "m.id = ANY($1?)", f.IDs)
	if len(conditions) == 0 {
		return "", nil
	}
	return " WHERE " + strings.Join(conditions, " AND "), args
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
	if len(messages) == 0 {
		return nil
	}
	at := tx.Now.Truncate(time.Second)
	history, ghostly := steps(at, campaigns.MessageQueued), steps(at, campaigns.MessageGhost)
	rows := newCopyRows(len(messages), 23)
	for i := range messages {
		m := &messages[i]
		vars := m.VarsText
		if vars == nil && m.Vars != nil {
			vars = []byte(*jsonText(m.Vars))
		}
		rows.begin()
		rows.Int8(m.No)
		rows.id(m.ID)
		rows.micros(campaigns.TimeOf(m.ID))
		rows.id(m.CampaignID)
		rows.id(m.RunID)
		rows.Int4(int32(m.Version))
		rows.Text(m.Variant)
		rows.Bool(m.Ghost)
		rows.Text(m.Channel)
		rows.Text(m.ChannelID)
		rows.id(m.TemplateID)
		rows.Int4(int32(m.TemplateRevision))
		rows.TextOrNull(m.Address)
		rows.json(vars)
		rows.TextOrNull(m.Code)
		if m.Ghost {
			rows.Text(string(campaigns.MessageGhost))
			rows.json(ghostly)
		} else {
			rows.Text(string(campaigns.MessageQueued))
			rows.json(history)
		}
		rows.micros(m.NotAfter)
		rows.micros(m.PlannedAt)
		rows.Bool(m.Exempt)
		if m.CostMicros == 0 {
			rows.Null()
		} else {
			rows.Int8(m.CostMicros)
		}
		if m.Ghost {
			rows.micros(tx.Now)
		} else {
			rows.Null()
		}
		rows.TextOrNull(m.Language)
	}
	columns := "no, id, queued_at, campaign_id, run_id, version, variant, ghost, channel, channel_id, template_id, template_revision, address, vars, code, " +
		"status, history, not_after, planned_at, exempt, cost_micros, finished_at, language"
	if err := tx.copyIn(ctx, "queueing messages", "messages", columns, rows); err != nil {
		return err
	}
	if err := tx.noteQueued(ctx, messages); err != nil {
		return err
	}
	return tx.fillOutbox(ctx, messages)
}

// fillOutbox puts messages that are no ghosts where senders look, lane by lane: in the order of its index.
func (tx *Tx) fillOutbox(ctx context.Context, messages []campaigns.Message) error {
	rows := newCopyRows(len(messages), 8)
	var lanes [campaigns.Lanes][]int32
	for i := range messages {
		if !messages[i].Ghost {
			lane := campaigns.Lane(messages[i].No)
			lanes[lane] = append(lanes[lane], int32(i))
		}
	}
	for lane, waiting := range lanes {
		for _, i := range waiting {
			m := &messages[i]
			rows.begin()
			rows.int2(int16(lane))
			rows.id(m.ID)
			rows.Text(m.ChannelID)
			rows.id(m.RunID)
			rows.Int8(m.No)
			rows.micros(m.DueAt)
			rows.micros(m.ClosesAt)
			rows.Bool(m.Moved)
		}
	}
	return tx.copyIn(ctx, "filling the outbox", "outbox", "lane, message_id, channel_id, run_id, no, due_at, closes_at, moved", rows)
}

// steps is a history of one step as JSON.
func steps(at time.Time, status campaigns.MessageStatus) []byte {
	return []byte(*jsonText([]campaigns.Change{{At: at, Status: status}}))
}

// nullText is NULL for an empty text.
func nullText(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
