package api

import (
	"context"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

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

type suppressionListing struct {
	Limit   int    `query:"limit" minimum:"1" maximum:"1000" doc:"the most items of one answer: 100 if left out, and of CSV all"`
	Cursor  string `query:"cursor" maxLength:"1000" doc:"next of the answer before; from the beginning when it is left out"`
	Format  string `query:"format" enum:"json,csv" doc:"csv is a table, as with Accept: text/csv"`
	Accept  string `header:"Accept" hidden:"true"`
	Channel string `query:"channel" maxLength:"30" doc:"email, sms, or a kind of address of your own"`
	Address string `query:"address" maxLength:"300" doc:"whether this address is on the list"`
}

// isWhole says whether all of it is asked for, as a table.
func (in *suppressionListing) isWhole() bool { return in.Limit == 0 && in.Accept == "text/csv" }

func (in *suppressionListing) listing() Listing {
	if in.Limit == 0 {
		return Listing{Limit: 100, Cursor: in.Cursor}
	}
	return Listing{Limit: in.Limit, Cursor: in.Cursor}
}

func (s *Server) listSuppressions(ctx context.Context, in *suppressionListing) (*listOf[campaigns.Suppression], error) {
	listing := in.listing()
	if in.Address != "" {
		return s.findSuppression(ctx, listing, in.Channel, in.Address)
	}
	position, err := listing.after()
	if err != nil {
		return nil, err
	}
	after, err := hex.DecodeString(position)
	if err != nil {
		return nil, badCursor()
	}
	if in.isWhole() {
		out := &listOf[campaigns.Suppression]{}
		out.Body.whole = func(w io.Writer) error { return s.writeSuppressions(ctx, in.Channel, after, w) }
		return out, nil
	}
	var found []campaigns.Suppression
	err = s.store.View(ctx, func(tx *store.Tx) (err error) {
		found, err = tx.Suppressions(ctx, in.Channel, after, listing.more())
		return err
	})
	return pageOf(listing, found, func(s campaigns.Suppression) string { return hex.EncodeToString(s.Hash) }), err
}

// suppressionSpan is how many entries of the whole list are read at a time.
const suppressionSpan = 8192

// writeSuppressions writes all that follows a position, as of one moment. An answer that began cannot become an error any
// more: a list that breaks off says so in its last line.
func (s *Server) writeSuppressions(ctx context.Context, channel string, after []byte, w io.Writer) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{"channel", "address", "reason", "at", "hash"}) // Flush's error is that of all writes
	err := s.store.View(ctx, func(tx *store.Tx) error {
		for {
			found, err := tx.Suppressions(ctx, channel, after, suppressionSpan)
			if err != nil || len(found) == 0 {
				return err
			}
			for _, entry := range found {
				hash, err := s.store.ListedHash(ctx, entry.Hash)
				if err != nil {
					return err
				}
				_ = out.Write([]string{entry.Channel, harmless(entry.Address), harmless(entry.Reason), entry.At.Format(time.RFC3339), hash})
			}
			after = found[len(found)-1].Hash
			if out.Flush(); out.Error() != nil {
				return nil // nobody reads any more
			}
		}
	})
	if err != nil {
		s.log.Error("the table of suppressed addresses broke off", "request_id", requestID(ctx), "err", err)
		_ = out.Write([]string{"", "the list breaks off here: ask again", "", "", ""})
	}
	out.Flush()
	return nil
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
	return pageOf(Listing{Limit: max(l.Limit, len(found))}, found, nil), err
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
	Address string `query:"address" maxLength:"300" doc:"the address that is taken off the list"`
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
