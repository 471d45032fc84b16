package engine

import (
	"beckon/campaigns"
	"beckon/engine/channel"
	"beckon/templates"
)

// A tariff is what a channel's messages cost, in millionths of the workspace's currency.
//
// Why what was paid is kept beside the price at which a message waits: its channel may have become dearer since, another may
// carry it, and a provider may have taken only some of its segments.
type tariff struct {
	perMessage int64
	perSegment int64 // of a text message
}

// tariffOf reads a channel's.
func tariffOf(c *campaigns.Channel) (t tariff, err error) {
	t.perMessage, t.perSegment, err = c.Settings.CostMicros()
	return t, err
}

// of is what a message of a kind costs that takes so many segments.
func (t tariff) of(kind string, segments int) int64 {
	if kind != campaigns.SMS {
		return t.perMessage
	}
	return t.perMessage + t.perSegment*int64(segments)
}

// paid is what an attempt cost, or may have where its end is unknown; nil where the provider took nothing. A provider that
// refuses a message after some of its segments names those that it took.
func (t tariff) paid(m *campaigns.Message, parts templates.Parts, o channel.Outcome) *int64 {
	if o.Status != channel.Sent && o.Status != channel.Unknown && o.ProviderID == "" {
		return nil
	}
	segments := o.Segments
	if segments == 0 && m.Channel == campaigns.SMS {
		segments = templates.Segments(parts["text"]).Segments
	}
	micros := t.of(m.Channel, segments)
	return &micros
}
