package api

import (
	"context"
	"encoding/hex"
	"fmt"
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

// suppressionsRequest is one address, or many.
type suppressionsRequest struct {
	Channel string               `json:"channel,omitempty" maxLength:"30" doc:"required: email, sms, or a kind of address of your own"`
	Address string               `json:"address,omitempty" maxLength:"300" doc:"required"`
	Reason  string               `json:"reason,omitempty" doc:"manual when it is left out"`
	Items   []suppressionRequest `json:"items,omitempty" maxItems:"1000" doc:"many addresses instead of one: all are kept, or none"`
	At      *time.Time           `json:"at,omitempty" readOnly:"true"`
}

// keptSuppressions is what was kept: the address, or the items in their order.
type keptSuppressions struct {
	Channel string                  `json:"channel,omitempty"`
	Address string                  `json:"address,omitempty"`
	Reason  string                  `json:"reason,omitempty"`
	At      *time.Time              `json:"at,omitempty"`
	Items   []campaigns.Suppression `json:"items,omitempty"`
}

func (s *Server) listSuppressions(ctx context.Context, in *struct {
	Listing
	Channel string `query:"channel" maxLength:"30" doc:"email, sms, or a kind of address of your own"`
	Address string `query:"address" maxLength:"300" doc:"whether this address is on the list"`
}) (*listOf[campaigns.Suppression], error) {
	if in.Address != "" {
		return s.findSuppression(ctx, in.Listing, in.Channel, in.Address)
	}
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

// findSuppression lists the entries of one address: at most one on each channel.
func (s *Server) findSuppression(ctx context.Context, l Listing, channel, address string) (*listOf[campaigns.Suppression], error) {
	if _, err := s.store.AddressHash(ctx, campaigns.Email, address); err != nil { // makes the key where there is none yet
		return nil, err
	}
	var found []campaigns.Suppression
	err := s.store.View(ctx, func(tx *store.Tx) (err error) {
		found, err = tx.SuppressionsOf(ctx, channel, address)
		return err
	})
	return pageOf(Listing{Limit: max(l.Limit, 2)}, found, nil), err
}

// list is the request's addresses; the fields of what is wrong begin with items[i]. when there are many.
func (b *suppressionsRequest) list() ([]suppressionRequest, error) {
	var checks campaigns.Checks
	if b.Items == nil {
		checks.Require(b.Channel != "", "channel", "is missing: email or sms")
		checks.Require(b.Address != "", "address", "is missing")
		return []suppressionRequest{{Channel: b.Channel, Address: b.Address, Reason: b.Reason}}, checks.Err()
	}
	checks.Require(b.Channel == "" && b.Address == "" && b.Reason == "", "items", "stand alone: send one address or items, not both")
	checks.Require(len(b.Items) > 0, "items", "is empty")
	return b.Items, checks.Err()
}

func (s *Server) createSuppression(ctx context.Context, in *struct{ Body suppressionsRequest }) (*some[keptSuppressions], error) {
	given, err := in.Body.list()
	if err != nil {
		return nil, err
	}
	var made []campaigns.Suppression
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		made = make([]campaigns.Suppression, len(given))
		var checks campaigns.Checks
		for i, g := range given {
			made[i] = campaigns.Suppression{Channel: g.Channel, Address: g.Address, Reason: g.Reason}
			if g.Reason == "" {
				made[i].Reason = "manual"
			}
			err := tx.Suppress(ctx, &made[i])
			if campaigns.CodeOf(err) == campaigns.CodeInvalid && in.Body.Items != nil {
				checks.Under(fmt.Sprintf("items[%d].", i), err)
				continue
			}
			if err != nil {
				return err
			}
		}
		if err := checks.Err(); err != nil {
			return err
		}
		return tx.Audit(ctx, actor(ctx), "create", "suppression", hex.EncodeToString(made[0].Hash), nil, map[string]any{"channel": made[0].Channel, "addresses": len(made)})
	})
	if err != nil {
		return nil, err
	}
	if in.Body.Items != nil {
		return &some[keptSuppressions]{keptSuppressions{Items: made}}, nil
	}
	return &some[keptSuppressions]{keptSuppressions{Channel: made[0].Channel, Address: made[0].Address, Reason: made[0].Reason, At: &made[0].At}}, nil
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
