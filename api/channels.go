package api

import (
	"context"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
)

// channelEdit is a configured provider as it is written. Secrets that an edit leaves out stay.
type channelEdit struct {
	ID       string                    `json:"id,omitempty" maxLength:"200" doc:"chosen here when it is left out"`
	Name     string                    `json:"name" minLength:"1" maxLength:"200"`
	Kind     string                    `json:"kind" enum:"smtp,smpp,gateway,catcher"`
	Settings campaigns.ChannelSettings `json:"settings,omitempty"`

	Inbox     any `json:"inbox,omitempty" readOnly:"true"`
	CreatedAt any `json:"created_at,omitempty" readOnly:"true"`
	ChangedAt any `json:"changed_at,omitempty" readOnly:"true"`
	State     any `json:"state,omitempty" readOnly:"true"`
}

func (e *channelEdit) channel() campaigns.Channel {
	e.Settings.DKIMRecord = "" // it follows from the key
	return campaigns.Channel{ID: e.ID, Name: e.Name, Kind: e.Kind, Settings: e.Settings}
}

func (s *Server) listChannels(ctx context.Context, in *struct{ Listing }) (*listOf[campaigns.Channel], error) {
	var found []campaigns.Channel
	err := s.store.View(ctx, func(tx *store.Tx) (err error) {
		if found, err = tx.Channels(ctx); err != nil {
			return err
		}
		return withInboxes(ctx, tx, found)
	})
	if err != nil {
		return nil, err
	}
	for i := range found {
		found[i].Settings = found[i].Settings.WithoutSecrets()
	}
	return slice(in.Listing, found, func(c campaigns.Channel) string { return c.ID })
}

// A channelStanding is a channel with how its provider does.
type channelStanding struct {
	campaigns.Channel
	State campaigns.ChannelState `json:"state" readOnly:"true"`
}

func (s *Server) channel(ctx context.Context, in *byID) (*one[channelStanding], error) {
	found := make([]campaigns.Channel, 1)
	var state campaigns.ChannelState
	err := s.store.View(ctx, func(tx *store.Tx) (err error) {
		if found[0], err = tx.Channel(ctx, in.ID); err != nil {
			return err
		}
		p, err := tx.Provider(ctx, in.ID)
		if err != nil {
			return err
		}
		state = p.State(tx.Now)
		return withInboxes(ctx, tx, found)
	})
	return &one[channelStanding]{etag(found[0].Revision), channelStanding{withoutSecrets(found[0]), state}}, err
}

// withInboxes says of channels what their mailboxes hold.
func withInboxes(ctx context.Context, tx *store.Tx, channels []campaigns.Channel) error {
	inboxes, err := tx.Inboxes(ctx)
	if err != nil {
		return err
	}
	for i := range channels {
		if inbox, has := inboxes[channels[i].ID]; has && channels[i].Settings.InboxHost != "" {
			channels[i].Inbox = &inbox
		}
	}
	return nil
}

func (s *Server) shownChannel(c campaigns.Channel) *one[campaigns.Channel] {
	return &one[campaigns.Channel]{etag(c.Revision), withoutSecrets(c)}
}

func withoutSecrets(c campaigns.Channel) campaigns.Channel {
	c.Settings = c.Settings.WithoutSecrets()
	return c
}

func (s *Server) createChannel(ctx context.Context, in *struct{ Body channelEdit }) (*one[campaigns.Channel], error) {
	c := in.Body.channel()
	if c.ID == "" {
		c.ID = campaigns.NewID(s.store.Now()).String()
	}
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		if err := s.engine.CheckChannel(ctx, tx, &c); err != nil {
			return err
		}
		if err := tx.CreateChannel(ctx, &c); err != nil {
			return err
		}
		return tx.Audit(ctx, actor(ctx), "create", "channel", c.ID, nil, withoutSecrets(c))
	})
	return s.shownChannel(c), err
}

func (s *Server) putChannel(ctx context.Context, in *struct {
	ID string `path:"id"`
	Match
	Body channelEdit
}) (*one[campaigns.Channel], error) {
	edited := in.Body.channel()
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		old, err := tx.LockChannel(ctx, in.ID)
		if err != nil {
			return err
		}
		if err := in.check("channel", old.Revision); err != nil {
			return err
		}
		edited.ID, edited.Revision, edited.CreatedAt = old.ID, old.Revision, old.CreatedAt
		edited.Settings.KeepSecrets(old.Settings)
		if err := s.checkEdited(ctx, tx, &old, &edited); err != nil {
			return err
		}
		if err := tx.SaveChannel(ctx, &edited); err != nil {
			return err
		}
		return tx.Audit(ctx, actor(ctx), "edit", "channel", old.ID, withoutSecrets(old), withoutSecrets(edited))
	})
	return s.shownChannel(edited), err
}

func (s *Server) checkEdited(ctx context.Context, tx *store.Tx, old, edited *campaigns.Channel) error {
	if edited.Kind != old.Kind {
		return campaigns.Invalid("kind", "stays %q: create another channel for another kind", old.Kind)
	}
	if edited.Kind == campaigns.KindGateway && edited.Settings.Carries() != old.Settings.Carries() {
		return campaigns.Invalid("settings.sends", "stays %q: create another channel for another kind of address", old.Settings.Carries())
	}
	return s.engine.CheckChannel(ctx, tx, edited)
}

type testedChannel struct {
	Detail string `json:"detail" doc:"what the provider said"`
}

func (s *Server) testChannel(ctx context.Context, in *struct {
	ID   string `path:"id"`
	Body engine.ChannelTest
}) (*some[testedChannel], error) {
	detail, err := s.engine.TestChannel(ctx, in.ID, in.Body)
	if err != nil {
		return nil, err
	}
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		return tx.Audit(ctx, actor(ctx), "test", "channel", in.ID, nil, nil)
	})
	return &some[testedChannel]{testedChannel{detail}}, err
}
