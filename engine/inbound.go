package engine

import (
	"context"
	"slices"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// Where words that people send come from, in consents and on the suppression list.
const (
	sourceInbound  = "inbound " // and the kind of address, such as sms
	reasonStopWord = "stop word"
)

// inboundBatch is how many texts are dealt with in one transaction.
const inboundBatch = 100

// Answer deals with texts that people sent to channels for text messages, or for a kind of address of the shop's own that has
// a consent. STOP and its like withdraw the consent of all customers with the sender's address at once; one of nobody goes
// onto the suppression list, so that nobody who is brought in later is sent to. START and its like restore what was withdrawn
// by a word, and nothing else. Every other text is kept as it is.
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
	kind, confirmed := heardBy(&c)
	sender := senderOf(ctx, tx, kind, in.From)
	if err != nil || sender == "" {
		return tx.HandleInbound(ctx, in.ID, in.From, word, 0)
	}
	var nos []int64
	if word != "" || kind == campaigns.SMS {
		if nos, err = tx.CustomersAt(ctx, kind, sender); err != nil {
			return err
		}
	}
	confirm := word == campaigns.WordHelp
	switch word {
	case campaigns.WordStop:
		confirm, err = true, stopSender(ctx, tx, in, kind, sender, nos)
	case campaigns.WordStart:
		confirm, err = startSender(ctx, tx, in, kind, sender, nos)
	}
	if err != nil {
		return err
	}
	if text := c.Settings.Reply(word, language); text != "" && confirm && confirmed {
		reply := campaigns.Reply{InboundID: in.ID, ChannelID: c.ID, Address: sender, Word: word, Text: c.Settings.SignOff + text}
		if err := tx.QueueReply(ctx, &reply); err != nil {
			return err
		}
	}
	return tx.HandleInbound(ctx, in.ID, sender, word, len(nos))
}

// heardBy is the kind of address whose consent words to a channel are about, empty for none, and whether they are confirmed:
// where an own kind's templates have parts of their own, a text alone would not do.
func heardBy(c *campaigns.Channel) (kind string, confirmed bool) {
	if c.Carries(campaigns.SMS) {
		return campaigns.SMS, true
	}
	own, is := c.OwnKind()
	if !is || own.Consent == "" {
		return "", false
	}
	return own.Name, slices.Equal(own.Parts, []string{"text"})
}

// senderOf is a sender's address in the form in which addresses are compared, a number in E.164; empty for one that is none,
// such as a name. Providers leave the + of numbers out.
func senderOf(ctx context.Context, tx *store.Tx, kind, from string) string {
	if kind == "" {
		return ""
	}
	forms := []string{from}
	if kind == campaigns.SMS {
		forms = append(forms, "+"+from)
	}
	for _, form := range forms {
		if address, err := tx.NormalAddress(ctx, kind, form); err == nil {
			return address
		}
	}
	return ""
}

// stopSender withdraws the consent of an address's customers.
func stopSender(ctx context.Context, tx *store.Tx, in *campaigns.Inbound, kind, sender string, nos []int64) error {
	if len(nos) == 0 {
		return tx.Suppress(ctx, &campaigns.Suppression{Channel: kind, Address: sender, Reason: reasonStopWord})
	}
	for _, no := range nos {
		left, err := hasLeft(ctx, tx, no, kind)
		if err != nil {
			return err
		}
		if left {
			continue // withdrawn already: said over and over it leaves one line
		}
		word := campaigns.Consent{Channel: kind, At: tx.Now, Source: sourceInbound + kind, Proof: in.Text}
		if err := tx.AddConsent(ctx, no, word); err != nil {
			return err
		}
	}
	return nil
}

// startSender restores what a word withdrew; it says whether there was anything. A START that a provider delivers after a
// STOP that was sent later says nothing any more.
func startSender(ctx context.Context, tx *store.Tx, in *campaigns.Inbound, kind, sender string, nos []int64) (restored bool, err error) {
	if stopped, err := tx.StoppedSince(ctx, sender, in.At); err != nil || stopped {
		return false, err
	}
	if restored, err = tx.UnsuppressFor(ctx, kind, sender, reasonStopWord); err != nil {
		return false, err
	}
	for _, no := range nos {
		last, err := lastWord(ctx, tx, no, kind)
		if err != nil {
			return false, err
		}
		if last == nil || last.Granted || last.Source != sourceInbound+kind {
			continue
		}
		word := campaigns.Consent{Channel: kind, Granted: true, At: tx.Now, Source: sourceInbound + kind, Proof: in.Text}
		if err := tx.AddConsent(ctx, no, word); err != nil {
			return false, err
		}
		restored = true
	}
	return restored, nil
}

// hasLeft says whether the latest that is known of a customer's consent to a kind of address is a no.
func hasLeft(ctx context.Context, tx *store.Tx, no int64, kind string) (bool, error) {
	if kind != campaigns.SMS { // its attribute counts, and may be written as any other
		granted, is, err := tx.OwnConsent(ctx, no, kind)
		return is && !granted, err
	}
	last, err := lastWord(ctx, tx, no, kind)
	return last != nil && !last.Granted, err
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
