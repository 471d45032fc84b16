package api

import (
	"context"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
	"beckon/engine/offers"
)

// offerEdit is an offer as a marketer writes it. A new one is a draft unless it says live; an edit without a status keeps
// the one there is.
type offerEdit struct {
	campaigns.OfferDefinition
	Status string `json:"status,omitempty" enum:"draft,live,paused"`
	Seen
}

func (s *Server) listOffers(ctx context.Context, in *struct{ Listing }) (*listOf[campaigns.Offer], error) {
	before, err := in.beforeID()
	if err != nil {
		return nil, err
	}
	var found []campaigns.Offer
	err = s.store.View(ctx, func(tx *store.Tx) (err error) {
		found, err = tx.Offers(ctx, before, in.more())
		return err
	})
	return pageOf(in.Listing, found, func(o campaigns.Offer) string { return o.ID.String() }), err
}

func (s *Server) offer(ctx context.Context, in *byID) (*one[campaigns.Offer], error) {
	id, err := campaigns.ParseID("offer", in.ID)
	if err != nil {
		return nil, err
	}
	out := &one[campaigns.Offer]{}
	return out, s.store.View(ctx, func(tx *store.Tx) (err error) {
		out.Body, err = tx.Offer(ctx, id)
		out.ETag = etag(out.Body.Revision)
		return err
	})
}

func (s *Server) createOffer(ctx context.Context, in *struct{ Body offerEdit }) (*one[campaigns.Offer], error) {
	o := campaigns.Offer{Status: in.Body.Status, OfferDefinition: in.Body.OfferDefinition}
	if o.Status == "" {
		o.Status = campaigns.OfferDraft
	}
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		if err := checkOffer(ctx, tx, &o); err != nil {
			return err
		}
		if err := tx.CreateOffer(ctx, &o); err != nil {
			return err
		}
		return tx.Audit(ctx, actor(ctx), "create", "offer", o.ID.String(), nil, o)
	})
	return &one[campaigns.Offer]{etag(o.Revision), o}, err
}

func checkOffer(ctx context.Context, tx *store.Tx, o *campaigns.Offer) error {
	w, err := tx.Workspace(ctx)
	if err != nil {
		return err
	}
	return o.Check(w.Digits())
}

// editedOffer is an offer after an edit.
type editedOffer struct {
	campaigns.Offer
	Used
}

func (s *Server) putOffer(ctx context.Context, in *struct {
	ID string `path:"id"`
	Match
	Body offerEdit
}) (*one[editedOffer], error) {
	id, err := campaigns.ParseID("offer", in.ID)
	if err != nil {
		return nil, err
	}
	var o campaigns.Offer
	var uses []engine.CampaignUse
	err = s.store.Update(ctx, func(tx *store.Tx) (err error) {
		if o, err = tx.LockOffer(ctx, id); err != nil {
			return err
		}
		if err := in.check("offer", int64(o.Revision)); err != nil {
			return err
		}
		before := o
		o.OfferDefinition = in.Body.OfferDefinition
		if in.Body.Status != "" {
			o.Status = in.Body.Status
		}
		if err := checkOffer(ctx, tx, &o); err != nil {
			return err
		}
		if err := tx.SaveOffer(ctx, &o); err != nil {
			return err
		}
		if uses, err = s.engine.Spread(ctx, tx, person(ctx), engine.Edited{Offer: id}); err != nil {
			return err
		}
		return tx.Audit(ctx, actor(ctx), "edit", "offer", id.String(), before, o)
	})
	return &one[editedOffer]{etag(o.Revision), editedOffer{o, usedBy(uses)}}, err
}

// codeBody is what a till or a marketer sees of a code.
type codeBody struct {
	Code       string        `json:"code"`
	State      string        `json:"state" enum:"open,used,lapsed"`
	Usable     bool          `json:"usable"`
	Why        string        `json:"why,omitempty" doc:"why it cannot be used now"`
	OfferID    campaigns.ID  `json:"offer_id"`
	OfferName  string        `json:"offer_name"`
	CustomerID string        `json:"customer_id,omitempty"`
	CampaignID *campaigns.ID `json:"campaign_id,omitempty"`
	IssuedAt   time.Time     `json:"issued_at"`
	ExpiresAt  *time.Time    `json:"expires_at,omitempty"`
	Uses       int64         `json:"uses"`
	UsesMax    int64         `json:"uses_max"`
	UsedAt     *time.Time    `json:"used_at,omitempty"`
}

func (s *Server) code(ctx context.Context, in *struct {
	Code string `path:"code" doc:"in any spelling: case, spaces and hyphens do not matter"`
}) (*some[codeBody], error) {
	folded, err := offers.Fold(in.Code)
	if err != nil {
		return nil, campaigns.NotFound("code", in.Code)
	}
	out := &some[codeBody]{}
	return out, s.store.View(ctx, func(tx *store.Tx) error {
		found, err := tx.Coupons(ctx, []string{folded})
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return campaigns.NotFound("code", in.Code)
		}
		out.Body = codeOf(&found[0], tx.Now)
		return nil
	})
}

func codeOf(c *store.IssuedCoupon, now time.Time) codeBody {
	b := codeBody{Code: offers.Group(c.Code), State: "open", Why: c.CouponProblem(&c.Offer, 0, now), OfferID: c.OfferID, OfferName: c.Offer.Name,
		CustomerID: c.CustomerID, CampaignID: c.CampaignID, IssuedAt: c.IssuedAt, ExpiresAt: c.ExpiresAt, Uses: c.Uses, UsesMax: c.UsesMax, UsedAt: c.UsedAt}
	b.Usable = b.Why == ""
	switch {
	case c.Uses >= c.UsesMax:
		b.State = "used"
	case c.ExpiresAt != nil && !now.Before(*c.ExpiresAt):
		b.State = "lapsed"
	}
	return b
}

// shownCode is a code as customers see it, in groups; empty for none.
func shownCode(code string) string {
	if code == "" {
		return ""
	}
	return offers.Group(code)
}
