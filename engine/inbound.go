package engine

import (
	"context"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// Where words that people send come from, in consents and on the suppression list.
const (
	sourceInbound  = "inbound sms"
	reasonStopWord = "stop word"
)

// inboundBatch is how many texts are dealt with in one transaction.
const inboundBatch = 100

// Answer deals with texts that people sent to channels for text messages. STOP and its like withdraw the consent of all
// customers with the sender's number at once; a number of nobody goes onto the suppression list, so that nobody who is
// brought in later is sent to. START and its like restore what was withdrawn by a word, and nothing else. Every other text
// is kept as it is.
func (e *Engine) Answer(ctx context.Context) (worked int, err error) {
	return worked, e.store.Update(ctx, func(tx *store.Tx) error {
		texts, err := tx.ReadInbound(ctx, inboundBatch)
		worked = len(texts)
		for i := range texts {
			if err := answer(ctx, tx, &texts[i]); err != nil {
				return err
			}
		}
		return err
	})
}

// answer deals with one text.
func answer(ctx context.Context, tx *store.Tx, in *campaigns.Inbound) error {
	c, err := tx.Channel(ctx, in.ChannelID)
	if err != nil && campaigns.CodeOf(err) != campaigns.CodeNotFound {
		return err
	}
	word, language := campaigns.WordOf(in.Text)
	sender := senderOf(ctx, tx, in.From)
	if err != nil || !c.Carries(campaigns.SMS) || sender == "" {
		return tx.HandleInbound(ctx, in.ID, in.From, word, 0)
	}
	nos, err := tx.CustomersAt(ctx, campaigns.SMS, sender)
	if err != nil {
		return err
	}
	confirm := word == campaigns.WordHelp
	switch word {
	case campaigns.WordStop:
		confirm, err = true, stopSender(ctx, tx, in, sender, nos)
	case campaigns.WordStart:
		confirm, err = startSender(ctx, tx, in, sender, nos)
	}
	if err != nil {
		return err
	}
	if text := c.Settings.Reply(word, language); text != "" && confirm {
		reply := campaigns.Reply{InboundID: in.ID, ChannelID: c.ID, Address: sender, Word: word, Text: c.Settings.SignOff + text}
		if err := tx.QueueReply(ctx, &reply); err != nil {
			return err
		}
	}
	return tx.HandleInbound(ctx, in.ID, sender, word, len(nos))
}

// senderOf is a sender's number in E.164; empty for one that is none, such as a name. Providers leave the + out.
func senderOf(ctx context.Context, tx *store.Tx, from string) string {
	for _, form := range []string{from, "+" + from} {
		if number, err := tx.NormalAddress(ctx, campaigns.SMS, form); err == nil {
			return number
		}
	}
	return ""
}

// stopSender withdraws the consent of a number's customers.
func stopSender(ctx context.Context, tx *store.Tx, in *campaigns.Inbound, sender string, nos []int64) error {
	if len(nos) == 0 {
		return tx.Suppress(ctx, &campaigns.Suppression{Channel: campaigns.SMS, Address: sender, Reason: reasonStopWord})
	}
	for _, no := range nos {
		last, err := lastWord(ctx, tx, no, campaigns.SMS)
		if err != nil {
			return err
		}
		if last != nil && !last.Granted {
			continue // withdrawn already: said over and over it leaves one line
		}
		word := campaigns.Consent{Channel: campaigns.SMS, At: tx.Now, Source: sourceInbound, Proof: in.Text}
		if err := tx.AddConsent(ctx, no, word); err != nil {
			return err
		}
	}
	return nil
}

// startSender restores what a word withdrew; it says whether there was anything. A START that a provider delivers after a
// STOP that was sent later says nothing any more.
func startSender(ctx context.Context, tx *store.Tx, in *campaigns.Inbound, sender string, nos []int64) (restored bool, err error) {
	if stopped, err := tx.StoppedSince(ctx, sender, in.At); err != nil || stopped {
		return false, err
	}
	if restored, err = tx.UnsuppressFor(ctx, campaigns.SMS, sender, reasonStopWord); err != nil {
		return false, err
	}
	for _, no := range nos {
		last, err := lastWord(ctx, tx, no, campaigns.SMS)
		if err != nil {
			return false, err
		}
		if last == nil || last.Granted || last.Source != sourceInbound {
			continue
		}
		word := campaigns.Consent{Channel: campaigns.SMS, Granted: true, At: tx.Now, Source: sourceInbound, Proof: in.Text}
		if err := tx.AddConsent(ctx, no, word); err != nil {
			return false, err
		}
		restored = true
	}
	return restored, nil
}

// lastWord is a customer's latest word on a channel as a whole; nil for none.
func lastWord(ctx context.Context, tx *store.Tx, no int64, channel string) (*campaigns.Consent, error) {
	return lastWordOn(ctx, tx, no, channel, "")
}

// lastWordOn is their latest word on a topic of a channel.
func lastWordOn(ctx context.Context, tx *store.Tx, no int64, channel, topic string) (*campaigns.Consent, error) {
	history, err := tx.Consents(ctx, no)
	for i := range history { // the latest first
		if history[i].Channel == channel && history[i].Topic == topic {
			return &history[i], err
		}
	}
	return nil, err
}
