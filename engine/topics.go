package engine

import (
	"context"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// topicWords are the latest words of customers on a campaign's topic, by kind of address: who wants it and who does not.
type topicWords map[string]struct{ granted, refused *roaring64.Bitmap }

// readTopic reads the words of some customers (nil: of all) on the plan's topic; nothing where it has none or needs none.
func (p *plan) readTopic(ctx context.Context, from books, nos []int64) (topicWords, error) {
	if p.campaign.Topic == "" || !p.needsConsent() {
		return nil, nil
	}
	words := topicWords{}
	for _, kind := range p.kinds {
		granted, refused, err := from.TopicWords(ctx, kind, p.campaign.Topic, nos)
		if err != nil {
			return nil, err
		}
		words[kind] = struct{ granted, refused *roaring64.Bitmap }{granted, refused}
	}
	return words, nil
}

// consents is whether a customer consents, where of their channel they do or do not.
func (t topicWords) consents(kind string, no int64, ofChannel bool) bool {
	words, is := t[kind]
	if !is {
		return ofChannel
	}
	return words.granted.Contains(uint64(no)) || ofChannel && !words.refused.Contains(uint64(no))
}

// learnTopic makes the sets of those who consent to the channels the sets of those who consent to the campaign's topic.
func (s *sieve) learnTopic(ctx context.Context, tx *store.Tx) error {
	words, err := s.readTopic(ctx, ownBooks{tx}, nil)
	for kind, said := range words {
		consent := roaring64.AndNot(s.facts.consent[kind], said.refused)
		consent.Or(said.granted)
		s.facts.consent[kind] = consent
	}
	return err
}

// checkTopic refuses a topic that the workspace does not have. A campaign that was launched keeps its own.
func (p *plan) checkTopic(checks *campaigns.Checks) {
	topic := p.campaign.Topic
	checks.Require(topic == "" || p.workspace.HasTopic(topic), "topic", "the workspace has no topic %q: add it to topics of the workspace first, or leave it out", topic)
}
