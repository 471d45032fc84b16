package engine

import (
	"context"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/channel"
)

const (
	askEvery = 5 * time.Second
	askBatch = 16 // messages of one claim
)

func (e *Engine) questionsDue(ctx context.Context) (channels []string, err error) {
	err = e.store.View(ctx, func(tx *store.Tx) (err error) {
		channels, err = tx.QuestionsDue(ctx)
		return err
	})
	return channels, err
}

// Ask asks a channel's provider what became of messages whose outcome is unknown and whose turn it is. What it says is kept as
// receipts, which settle them. A provider that cannot be asked now is asked again after each message's pause.
func (e *Engine) Ask(ctx context.Context, channelID string) (int, error) {
	var c campaigns.Channel
	var questions []store.Question
	err := e.store.Update(ctx, func(tx *store.Tx) (err error) {
		if c, err = tx.Channel(ctx, channelID); err != nil {
			return err
		}
		questions, err = tx.ClaimQuestions(ctx, channelID, askBatch)
		return err
	})
	if err != nil || len(questions) == 0 {
		return 0, err
	}
	senders, done, err := e.senders(&c)
	if err != nil {
		return 0, err
	}
	defer done()
	var receipts []campaigns.Receipt
	for i := range questions {
		if len(senders) == 0 || ctx.Err() != nil {
			break
		}
		told, failed := askAll(ctx, senders, &questions[i])
		receipts = append(receipts, told...)
		if failed != nil {
			e.log.Info("a provider cannot be asked what became of messages: asking again later", "channel", channelID, "err", failed)
			break
		}
	}
	if len(receipts) == 0 {
		return len(questions), nil
	}
	return len(questions), e.Receive(context.WithoutCancel(ctx), channelID, receipts)
}

// askAll asks over one sender after the other until one can be asked.
func askAll(ctx context.Context, senders []channel.Sender, q *store.Question) (receipts []campaigns.Receipt, err error) {
	for _, sender := range senders {
		asker, can := sender.(channel.Asker)
		if !can {
			return nil, nil
		}
		receipts, err = asker.Ask(ctx, channel.Question{ID: q.MessageID.String(), To: q.Address, ProviderIDs: q.ProviderIDs, SentAt: q.SentAt})
		if err == nil {
			break
		}
	}
	for i := range receipts {
		if receipts[i].ProviderID == "" {
			receipts[i].MessageID, receipts[i].No = q.MessageID, q.No
		}
	}
	return receipts, err
}
