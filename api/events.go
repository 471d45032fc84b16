package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// EventEdit is something a customer did that is no purchase.
type EventEdit struct {
	EventID    string         `json:"event_id,omitempty" doc:"required; the same event_id twice is one event"`
	CustomerID string         `json:"customer_id,omitempty" doc:"required"`
	Name       string         `json:"name,omitempty" doc:"required"`
	At         *time.Time     `json:"at,omitempty" doc:"required: when it happened"`
	Props      map[string]any `json:"props,omitempty" maxProperties:"100"`
}

type eventsRequest struct {
	EventEdit
	Items []EventEdit `json:"items,omitempty" maxItems:"1000" doc:"many events instead of one: all are kept, or none"`
}

// eventsAnswer says which events are new.
type eventsAnswer struct {
	Items   []keptEvent `json:"items" nullable:"false"`
	Written int         `json:"written"`
}

type keptEvent struct {
	EventID string `json:"event_id"`
	Created bool   `json:"created"`
}

func (s *Server) createEvents(ctx context.Context, in *struct{ Body eventsRequest }) (*kept[eventsAnswer], error) {
	events, err := in.Body.events(s.store.Now())
	if err != nil {
		return nil, err
	}
	if err := s.store.EnsureEventMonths(ctx, events); err != nil {
		return nil, err
	}
	out := &kept[eventsAnswer]{Status: http.StatusOK}
	return out, s.store.Update(ctx, func(tx *store.Tx) error {
		isNew, err := tx.CreateEvents(ctx, events)
		if err != nil {
			return err
		}
		out.Body = eventsAnswer{Items: make([]keptEvent, len(events)), Written: count(isNew)}
		for i := range events {
			out.Body.Items[i] = keptEvent{events[i].EventID, isNew[i]}
		}
		if out.Body.Written == 0 {
			return nil
		}
		out.Status = http.StatusCreated
		return tx.Audit(ctx, actor(ctx), "create", "event", events[0].EventID, nil, map[string]int{"written": out.Body.Written})
	})
}

// events are the request's, checked; the fields of what is wrong begin with items[i]. when there are many.
func (b *eventsRequest) events(now time.Time) ([]campaigns.Event, error) {
	var checks campaigns.Checks
	if b.Items == nil {
		e := b.EventEdit.event()
		return []campaigns.Event{e}, e.Check(now)
	}
	checks.Require(b.EventID == "" && b.Name == "", "items", "stand alone: send one event or items, not both")
	checks.Require(len(b.Items) > 0, "items", "is empty")
	events := make([]campaigns.Event, len(b.Items))
	for i := range b.Items {
		events[i] = b.Items[i].event()
		checks.Under(fmt.Sprintf("items[%d].", i), events[i].Check(now))
	}
	return events, checks.Err()
}

func (e *EventEdit) event() campaigns.Event {
	event := campaigns.Event{EventID: e.EventID, CustomerID: e.CustomerID, Name: e.Name, Props: e.Props}
	if e.At != nil {
		event.At = *e.At
	}
	return event
}
