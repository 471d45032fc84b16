package api

import (
	"context"
	"encoding/hex"
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

// suppressionRequest is an address that is never sent to on a channel, and why.
type suppressionRequest struct {
	Channel string     `json:"channel" maxLength:"30" doc:"email, sms, or a kind of address of your own"`
	Address string     `json:"address" minLength:"1" maxLength:"300"`
	Reason  string     `json:"reason,omitempty" doc:"manual when it is left out"`
	At      *time.Time `json:"at,omitempty" readOnly:"true"`
}

func (s *Server) listSuppressions(ctx context.Context, in *struct {
	Listing
	Channel string `query:"channel" maxLength:"30" doc:"email, sms, or a kind of address of your own"`
}) (*listOf[campaigns.Suppression], error) {
	position, err := in.after()
	if err != nil {
		return nil, err
	}
	after, err := hex.DecodeString(position)
	if err != nil {
		return nil, badCursor()
	}
	var found []campaigns.Suppression
	err = s.store.View(ctx, func(tx *store.Tx) (err error) {
		found, err = tx.Suppressions(ctx, in.Channel, after, in.more())
		return err
	})
	return pageOf(in.Listing, found, func(s campaigns.Suppression) string { return hex.EncodeToString(s.Hash) }), err
}

func (s *Server) createSuppression(ctx context.Context, in *struct{ Body suppressionRequest }) (*some[campaigns.Suppression], error) {
	out := &some[campaigns.Suppression]{campaigns.Suppression{Channel: in.Body.Channel, Address: in.Body.Address, Reason: in.Body.Reason}}
	if out.Body.Reason == "" {
		out.Body.Reason = "manual"
	}
	return out, s.store.Update(ctx, func(tx *store.Tx) error {
		if err := tx.Suppress(ctx, &out.Body); err != nil {
			return err
		}
		return tx.Audit(ctx, actor(ctx), "create", "suppression", hex.EncodeToString(out.Body.Hash), nil, map[string]string{"channel": in.Body.Channel})
	})
}

// deleteSuppression takes the address as a body or, for clients that send none with DELETE, as parameters.
func (s *Server) deleteSuppression(ctx context.Context, in *struct {
	Channel string `query:"channel" maxLength:"30" doc:"email, sms, or a kind of address of your own"`
	Address string `query:"address" maxLength:"300"`
	Body    *suppressionRequest
}) (*nothing, error) {
	if in.Body != nil {
		in.Channel, in.Address = in.Body.Channel, in.Body.Address
	}
	return nil, s.store.Update(ctx, func(tx *store.Tx) error {
		if err := tx.Unsuppress(ctx, in.Channel, in.Address); err != nil {
			return err
		}
		return tx.Audit(ctx, actor(ctx), "delete", "suppression", in.Channel, nil, map[string]string{"channel": in.Channel})
	})
}
