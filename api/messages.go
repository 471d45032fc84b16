package api

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
)

// messageBody is one text to one person. Parts are only there when one message is read.
type messageBody struct {
	ID         campaigns.ID            `json:"id"`
	CustomerID string                  `json:"customer_id"`
	CampaignID campaigns.ID            `json:"campaign_id"`
	RunID      campaigns.ID            `json:"run_id"`
	Version    int                     `json:"version"`
	Variant    string                  `json:"variant"`
	Ghost      bool                    `json:"ghost" doc:"would have been sent to somebody who is held out"`
	Channel    string                  `json:"channel"`
	ChannelID  string                  `json:"channel_id"`
	TemplateID campaigns.ID            `json:"template_id"`
	Address    string                  `json:"address,omitempty"`
	Status     campaigns.MessageStatus `json:"status"`
	ProviderID string                  `json:"provider_id,omitempty"`
	Attempts   int                     `json:"attempts"`
	Code       string                  `json:"code,omitempty"`
	QueuedAt   time.Time               `json:"queued_at"`
	FinishedAt *time.Time              `json:"finished_at,omitempty"`
	OpenedAt   *time.Time              `json:"opened_at,omitempty" doc:"when a person first opened it; of a single message, not of a list"`
	ClickedAt  *time.Time              `json:"clicked_at,omitempty" doc:"when a person first followed a link of it; likewise"`
	History    []campaigns.Change      `json:"history" nullable:"false" doc:"of a single message, with what people did with it: opened, clicked, unsubscribed"`
	Parts      map[string]string       `json:"parts,omitempty"`
	PartsWhy   string                  `json:"parts_why,omitempty" doc:"why the content cannot be shown"`
}

type messageListing struct {
	Listing
	CustomerID string `query:"customer_id" doc:"only those to this customer"`
	CampaignID string `query:"campaign_id" doc:"only those of this campaign"`
	RunID      string `query:"run_id" doc:"only those of this run"`
	ProviderID string `query:"provider_id" maxLength:"300" doc:"what a provider calls it"`
	Status     string `query:"status" enum:"queued,sent,delivered,bounced,failed,unknown,cancelled,expired,ghost"`
}

func (s *Server) listMessages(ctx context.Context, in *messageListing) (*listOf[messageBody], error) {
	filter, err := in.filter()
	if err != nil {
		return nil, err
	}
	bodies := []messageBody{}
	err = s.store.View(ctx, func(tx *store.Tx) error {
		none, err := in.narrow(ctx, tx, &filter)
		if err != nil || none || in.isWhole() {
			return err
		}
		found, err := tx.Messages(ctx, filter)
		for i := range found {
			bodies = append(bodies, messageOf(&found[i]))
		}
		return err
	})
	if err == nil && in.isWhole() {
		return s.wholeMessages(ctx, in), nil
	}
	return pageOf(in.Listing, bodies, func(m messageBody) string { return m.ID.String() }), err
}

// wholeMessages are all messages that a listing asks for, as a table and as of one moment.
func (s *Server) wholeMessages(ctx context.Context, in *messageListing) *listOf[messageBody] {
	return tableOf(ctx, s, nil, func(give func([]messageBody) error) error {
		return s.store.View(ctx, func(tx *store.Tx) error {
			filter, err := in.filter()
			if err != nil {
				return err
			}
			if none, err := in.narrow(ctx, tx, &filter); err != nil || none {
				return err
			}
			bodies := make([]messageBody, 0, wholeSpan)
			err = tx.EachMessage(ctx, filter, func(m *campaigns.Message) error {
				if bodies = append(bodies, messageOf(m)); len(bodies) < wholeSpan {
					return nil
				}
				err := give(bodies)
				bodies = bodies[:0]
				return err
			})
			if err != nil {
				return err
			}
			return give(bodies)
		})
	})
}

// narrow looks up whom and what the listing names; none says that no message can be meant.
func (in *messageListing) narrow(ctx context.Context, tx *store.Tx, f *store.MessageFilter) (none bool, err error) {
	if in.CustomerID != "" {
		c, err := tx.Customer(ctx, in.CustomerID)
		if err != nil {
			return false, err
		}
		f.No = c.No
	}
	if in.ProviderID != "" {
		f.IDs, err = engine.NamedMessages(ctx, tx, in.ProviderID)
	}
	return in.ProviderID != "" && len(f.IDs) == 0, err
}

func (in *messageListing) filter() (f store.MessageFilter, err error) {
	f = store.MessageFilter{Status: campaigns.MessageStatus(in.Status), Limit: in.more()}
	if f.Before, err = in.beforeID(); err != nil {
		return f, err
	}
	if in.CampaignID != "" {
		if f.Campaign, err = campaigns.ParseID("campaign", in.CampaignID); err != nil {
			return f, err
		}
	}
	if in.RunID != "" {
		f.Run, err = campaigns.ParseID("run", in.RunID)
	}
	return f, err
}

// settleMessage lets somebody who knows say what became of a message whose outcome is unknown.
func (s *Server) settleMessage(ctx context.Context, in *struct {
	ID   string `path:"id"`
	Body struct {
		Status string `json:"status" enum:"sent,failed,queued" doc:"queued sends it once more"`
	}
}) (*some[messageBody], error) {
	id, err := campaigns.ParseID("message", in.ID)
	if err != nil {
		return nil, err
	}
	m, err := s.engine.SettleMessage(ctx, actor(ctx), id, campaigns.MessageStatus(in.Body.Status))
	if err != nil {
		return nil, err
	}
	return &some[messageBody]{messageOf(&m)}, nil
}

func (s *Server) message(ctx context.Context, in *byID) (*some[messageBody], error) {
	id, err := campaigns.ParseID("message", in.ID)
	if err != nil {
		return nil, err
	}
	var m campaigns.Message
	var tracks []campaigns.Track
	err = s.store.View(ctx, func(tx *store.Tx) (err error) {
		if m, err = tx.Message(ctx, id); err == nil {
			tracks, err = tx.Tracks(ctx, m.No, m.ID)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &some[messageBody]{messageOf(&m)}
	out.Body.add(tracks)
	return out, s.content(ctx, &m, &out.Body)
}

// add puts what people did with a message into its history, in the order of the times.
func (b *messageBody) add(tracks []campaigns.Track) {
	for i := range tracks {
		t := &tracks[i]
		step := campaigns.Change{At: t.At, Status: campaigns.MessageStatus(t.Kind), Detail: t.URL}
		switch {
		case t.Agent == campaigns.AgentMachine:
			step.Detail = strings.TrimSpace("by a machine, which does not count " + t.URL)
		case t.Kind == campaigns.Opened && b.OpenedAt == nil:
			b.OpenedAt = &t.At
		case t.Kind == campaigns.Clicked && b.ClickedAt == nil:
			b.ClickedAt = &t.At
		}
		b.History = append(b.History, step)
	}
	slices.SortStableFunc(b.History, func(x, y campaigns.Change) int { return x.At.Compare(y.At) })
}

// content shows what a message said; that it cannot be shown hides nothing else.
func (s *Server) content(ctx context.Context, m *campaigns.Message, b *messageBody) error {
	parts, err := s.engine.MessageContent(ctx, m)
	if wrong := (*campaigns.Error)(nil); errors.As(err, &wrong) {
		b.PartsWhy = wrong.Error()
		return nil
	}
	b.Parts = parts
	return err
}

func messageOf(m *campaigns.Message) messageBody {
	b := messageBody{ID: m.ID, CustomerID: m.CustomerID, CampaignID: m.CampaignID, RunID: m.RunID, Version: m.Version, Variant: m.Variant, Ghost: m.Ghost,
		Channel: m.Channel, ChannelID: m.ChannelID, TemplateID: m.TemplateID, Address: m.Address, Status: m.Status, ProviderID: m.ProviderID,
		Attempts: m.Attempts, Code: shownCode(m.Code), QueuedAt: m.QueuedAt, FinishedAt: m.FinishedAt, History: m.History}
	if b.History == nil {
		b.History = []campaigns.Change{}
	}
	return b
}
