package api

import (
	"context"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// listInbound lists texts that people sent to our numbers, from the latest to come.
func (s *Server) listInbound(ctx context.Context, in *struct {
	Listing
	Channel string `query:"channel_id" maxLength:"200" doc:"only those to this channel"`
	Word    string `query:"word" enum:"stop,start,help" doc:"only those that ask for this"`
	From    string `query:"from" maxLength:"60" doc:"the sender's address; a number with + and the country code"`
}) (*listOf[campaigns.Heard], error) {
	before, err := in.beforeID()
	if err != nil {
		return nil, err
	}
	var found []campaigns.Heard
	err = s.store.View(ctx, func(tx *store.Tx) (err error) {
		found, err = tx.Inbound(ctx, store.InboundFilter{Channel: in.Channel, Word: campaigns.Word(in.Word), Sender: in.From, Before: before, Limit: in.more()})
		return err
	})
	return pageOf(in.Listing, found, func(h campaigns.Heard) string { return h.ID.String() }), err
}
