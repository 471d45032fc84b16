package api

import (
	"context"
	"encoding/json"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// consentBody is somebody's word on a channel and topic.
type consentBody struct {
	Channel string     `json:"channel" maxLength:"30" doc:"email, sms, or a kind of address of your own"`
	Topic   string     `json:"topic,omitempty" doc:"the channel as a whole when it is left out"`
	Granted bool       `json:"granted"`
	At      *time.Time `json:"at,omitempty" doc:"now when it is left out; the latest by time wins"`
	Source  string     `json:"source" doc:"where the word was given"`
	Proof   string     `json:"proof,omitempty"`
}

func (s *Server) listConsents(ctx context.Context, in *struct {
	ID string `path:"id"`
	Listing
}) (*listOf[consentBody], error) {
	var history []campaigns.Consent
	err := s.store.View(ctx, func(tx *store.Tx) error {
		c, err := tx.Customer(ctx, in.ID)
		if err != nil {
			return err
		}
		history, err = tx.Consents(ctx, c.No)
		return err
	})
	if err != nil {
		return nil, err
	}
	bodies := []consentBody{}
	for _, c := range history {
		bodies = append(bodies, consentOf(c))
	}
	return slice(in.Listing, bodies, func(b consentBody) string { return b.At.Format(time.RFC3339) + b.Channel + b.Topic })
}

// wordBody is a consent with whose it is.
type wordBody struct {
	CustomerID string    `json:"customer_id"`
	Channel    string    `json:"channel"`
	Topic      string    `json:"topic,omitempty"`
	Granted    bool      `json:"granted"`
	At         time.Time `json:"at"`
	Source     string    `json:"source"`
	Proof      string    `json:"proof,omitempty"`
}

// listWords lists all that customers said, by customer.
func (s *Server) listWords(ctx context.Context, in *struct {
	Listing
	Channel string `query:"channel" maxLength:"30" doc:"only those on this channel"`
	Topic   string `query:"topic" maxLength:"100" doc:"only those on this topic"`
}) (*listOf[wordBody], error) {
	position, err := in.after()
	if err != nil {
		return nil, err
	}
	filter := store.WordFilter{Channel: in.Channel, Topic: in.Topic, Limit: in.more()}
	if position != "" {
		if err := json.Unmarshal([]byte(position), &filter.After); err != nil {
			return nil, badCursor()
		}
	}
	var found []store.Word
	err = s.store.View(ctx, func(tx *store.Tx) (err error) {
		found, err = tx.Words(ctx, filter)
		return err
	})
	list := pageOf(in.Listing, found, func(w store.Word) string {
		text, _ := json.Marshal(store.Word{No: w.No, Consent: campaigns.Consent{Channel: w.Channel, Topic: w.Topic, At: w.At}}) // plain values always encode
		return string(text)
	})
	out := &listOf[wordBody]{Next: list.Next, Body: page[wordBody]{Next: list.Next, Items: []wordBody{}}}
	for _, w := range list.Body.Items {
		out.Body.Items = append(out.Body.Items, wordBody{w.CustomerID, w.Channel, w.Topic, w.Granted, w.At, w.Source, w.Proof})
	}
	return out, err
}

func consentOf(c campaigns.Consent) consentBody {
	return consentBody{Channel: c.Channel, Topic: c.Topic, Granted: c.Granted, At: &c.At, Source: c.Source, Proof: c.Proof}
}

func (s *Server) createConsent(ctx context.Context, in *struct {
	ID   string `path:"id"`
	Body consentBody
}) (*some[consentBody], error) {
	b := in.Body
	consent := campaigns.Consent{Channel: b.Channel, Topic: b.Topic, Granted: b.Granted, Source: b.Source, Proof: b.Proof, At: s.store.Now()}
	if b.At != nil {
		consent.At = *b.At
	}
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		c, err := tx.LockCustomer(ctx, in.ID)
		if err != nil {
			return err
		}
		if err := tx.AddConsent(ctx, c.No, consent); err != nil {
			return err
		}
		return tx.Audit(ctx, actor(ctx), "create", "consent", in.ID, nil, consentOf(consent))
	})
	return &some[consentBody]{consentOf(consent)}, err
}
